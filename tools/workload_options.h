/* workload_options.h - the options of the subcommands that measure convolutions: which, in which layout,
 * where.
 */
#ifndef TOOLS_WORKLOAD_OPTIONS_H
#define TOOLS_WORKLOAD_OPTIONS_H

#include "cli.h"
#include "workload.h"

struct cvy_workload_options {
    const char *command;
    struct cvy_cli_common common;
    struct cvy_descriptor_options descriptor;
    struct cvy_workload workload;
    const char *model;   /* NULL = none */
    const char **shapes; /* of its open inputs */
    size_t n_shapes;
    bool plain;
};

enum {
    CVY_WORKLOAD_OPT_DECONV = CVY_CLI_OPT_LAST,
    CVY_WORKLOAD_OPT_BATCH,
    CVY_WORKLOAD_OPT_MB,
    CVY_WORKLOAD_OPT_SHAPE,
    CVY_WORKLOAD_OPT_PLAIN,
    CVY_WORKLOAD_OPT_LAST,
};

/* For the array of struct option; getopt.h is the includer's. */
#define CVY_WORKLOAD_OPTIONS                                        \
    {"deconv", required_argument, NULL, CVY_WORKLOAD_OPT_DECONV},   \
        {"batch", required_argument, NULL, CVY_WORKLOAD_OPT_BATCH}, \
        {"mb", required_argument, NULL, CVY_WORKLOAD_OPT_MB},       \
        {"shape", required_argument, NULL, CVY_WORKLOAD_OPT_SHAPE}, \
        {"plain", no_argument, NULL, CVY_WORKLOAD_OPT_PLAIN}, CVY_CLI_DEVICE_OPTIONS

#define CVY_WORKLOAD_HELP                                                                                \
    "  --deconv DESC       a transposed convolution\n"                                                   \
    "  --batch FILE        a descriptor each line, --deconv or --mb=N in front; # begins a comment\n"    \
    "  --mb N              batch of the descriptors that follow (0: as they say)\n"                      \
    "  --shape [NAME=]DxDx...  shape of a model's input that has open dimensions\n"                      \
    "  --plain             x and y plain, N C D H W; otherwise in the blocks of channels that suit the " \
    "device\n"

/* argc bounds what will be kept. False, with a message: out of memory. */
bool cvy_workload_options_init(struct cvy_workload_options *options, const char *command, int argc);
/* The two callbacks of struct cvy_cli_syntax. */
int cvy_workload_options_take(struct cvy_workload_options *options, int option, const char *argument);
int cvy_workload_options_take_words(struct cvy_workload_options *options, char *const *words, int *count);
/* Whether they go together. done: what happens to convolutions, "measured". Returns an exit status. */
int cvy_workload_options_check(const struct cvy_workload_options *options, const char *done);
/* Adds the convolutions of the model, where there is one. Returns an exit status. */
int cvy_workload_options_load(struct cvy_workload_options *options);
void cvy_workload_options_finish(struct cvy_workload_options *options);

#endif
