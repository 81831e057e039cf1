/* run_options.h - what `convoy run` was asked to do. */
#ifndef TOOLS_RUN_OPTIONS_H
#define TOOLS_RUN_OPTIONS_H

#include "cli.h"
#include "image.h"

struct run_options {
    struct cvy_cli_common common;
    const char *model;
    struct cvy_cli_files inputs, outputs, expects;
    struct cvy_image_params image;
    bool grey;
    const char **shapes; /* [NAME=]SIZExSIZE... */
    size_t n_shapes;
    uint32_t seed; /* of inputs without a file; 0: there must be none */
    size_t repeat; /* 0: once, each layer measured */
    const char **no_passes;
    size_t n_no_passes;
    bool dump_plan;
    bool compare_stream;
    size_t max_memory; /* 0: no ceiling */
    const char *trace, *svg; /* files; NULL: not wanted */
    enum cvy_split split; /* of several devices */
};

/* Returns an exit status, -1 where --help was asked for. */
int cvy_run_options_parse(struct run_options *options, int argc, char **argv);
void cvy_run_options_finish(struct run_options *options);

#endif
