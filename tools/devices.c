/* devices.c - opens the devices of one --device. */
#include "devices.h"

#include <stdio.h>
#include <string.h>

static bool open_one(struct cvy_cli_devices *devices, const struct cvy_cli_common *common,
                     const char *selector)
{
    struct cvy_cli_common one = *common;
    one.device = selector;
    if (devices->count == CVY_CLI_MAX_DEVICES) {
        cvy_cli_error("--device %s: more than %d devices", common->device, CVY_CLI_MAX_DEVICES);
        return false;
    }
    if (!cvy_cli_open_device(&devices->items[devices->count], &one)) {
        return false;
    }
    devices->count++;
    return true;
}

/* "SEL/N" names all N parts. */
static bool open_parts(struct cvy_cli_devices *devices, const struct cvy_cli_common *common,
                       const char *selector)
{
    const char *slash = strrchr(selector, '/');
    size_t parts;
    if (!slash || !cvy_cli_parse_size(slash + 1, &parts)) {
        return open_one(devices, common, selector);
    }
    if (parts < 1 || parts > CVY_CLI_MAX_DEVICES) {
        cvy_cli_error("--device %s: from 1 to %d parts are possible", selector, CVY_CLI_MAX_DEVICES);
        return false;
    }
    bool done = true;
    for (size_t i = 1; done && i <= parts; i++) {
        char part[300];
        snprintf(part, sizeof(part), "%.*s/%zuof%zu", (int)(slash - selector), selector, i, parts);
        done = open_one(devices, common, part);
    }
    return done;
}

bool cvy_cli_open_devices(struct cvy_cli_devices *devices, const struct cvy_cli_common *common)
{
    const char *at = common->device;
    *devices = (struct cvy_cli_devices){0};
    if (!at) {
        return open_one(devices, common, NULL);
    }
    bool done = true;
    for (;;) {
        char selector[256];
        const size_t length = strcspn(at, ",");
        if (length >= sizeof(selector)) {
            cvy_cli_error("--device %s: longer than %zu characters", at, sizeof(selector) - 1);
            done = false;
            break;
        }
        snprintf(selector, sizeof(selector), "%.*s", (int)length, at);
        done = open_parts(devices, common, selector);
        if (!done || at[length] == '\0') {
            break;
        }
        at += length + 1;
    }
    if (!done) {
        cvy_cli_close_devices(devices);
    }
    return done;
}

void cvy_cli_close_devices(struct cvy_cli_devices *devices)
{
    for (size_t i = 0; i < devices->count; i++) {
        cvy_device_destroy(&devices->items[i]);
    }
    devices->count = 0;
}

void cvy_cli_describe_devices(const struct cvy_cli_devices *devices, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < devices->count && used < size; i++) {
        char one[192];
        cvy_cli_describe_device(devices->items[i], one, sizeof(one));
        int wrote = snprintf(text + used, size - used, "%s%s", i ? " + " : "", one);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
}

int cvy_cli_parse_split(const char *command, const char *text, enum cvy_split *split)
{
    static const char *const names[] = {
        [CVY_SPLIT_AUTO] = "auto", [CVY_SPLIT_BATCH] = "batch", [CVY_SPLIT_CHANNELS] = "channels"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i]) == 0) {
            *split = (enum cvy_split)i;
            return CVY_CLI_OK;
        }
    }
    return cvy_cli_usage(command, "--split %s: not one of auto, batch, channels", text);
}
