/* devices.h - several devices in one --device: "0:0,0:1", or "0:0/2", the two halves of one. */
#ifndef TOOLS_DEVICES_H
#define TOOLS_DEVICES_H

#include "cli.h"

#define CVY_CLI_MAX_DEVICES 16

struct cvy_cli_devices {
    struct cvy_device *items[CVY_CLI_MAX_DEVICES];
    size_t count;
};

#define CVY_CLI_DEVICES_HELP                                                                      \
    "  --device SEL,SEL    several devices share the work; SEL/1of2 is the first half of one,\n" \
    "                      SEL/2 both halves, as two devices\n"                                  \
    "  --split HOW         how: batch, channels (groups of convolutions), or auto (default)\n"

/* Opens what common->device names, with the store. */
bool cvy_cli_open_devices(struct cvy_cli_devices *devices, const struct cvy_cli_common *common);
void cvy_cli_close_devices(struct cvy_cli_devices *devices);
/* "cpu 0:0/1of2 NAME + cpu 0:0/2of2 NAME". */
void cvy_cli_describe_devices(const struct cvy_cli_devices *devices, char *text, size_t size);

/* The value of --split. Returns an exit status. */
int cvy_cli_parse_split(const char *command, const char *text, enum cvy_split *split);

#endif
