/* run_report.h - a model's run, and its report. */
#ifndef TOOLS_RUN_REPORT_H
#define TOOLS_RUN_REPORT_H

#include "cli.h"
#include "compare.h"
#include "devices.h"

#define CVY_RUN_MAX_SLOTS 64

/* Everything of one run. The *_file arrays hold for each input or output the index of its file on the
 * command line, SIZE_MAX where it has none. */
struct run {
    struct cvy_graph *graph;
    struct cvy_cli_devices devices;
    struct cvy_device *device; /* the first */
    struct cvy_plan *plan;
    size_t n_inputs, n_outputs;
    size_t input_file[CVY_RUN_MAX_SLOTS], output_file[CVY_RUN_MAX_SLOTS], expect_file[CVY_RUN_MAX_SLOTS];
    struct cvy_tensor inputs[CVY_RUN_MAX_SLOTS], outputs[CVY_RUN_MAX_SLOTS], expected[CVY_RUN_MAX_SLOTS];
    struct cvy_shape shapes[CVY_RUN_MAX_SLOTS];
    const char *expect_path[CVY_RUN_MAX_SLOTS]; /* NULL = nothing expected */
    double setup_seconds, run_seconds;
    size_t n_repeats;                                /* 0: run once */
    double median_seconds, min_seconds, max_seconds; /* of the repeats */
};

/* Prints the table or the JSON, and the comparisons. Returns the command's exit status. */
int cvy_run_report(const struct run *run, const char *model, const struct cvy_cli_common *common);

/* Prints the plan's steps instead of running them. Returns the command's exit status. */
int cvy_run_dump_plan(const struct run *run, const struct cvy_cli_common *common);

#endif
