/* conv_job.h - the work of `convoy conv`, shared by one pass (cmd_conv.c) and several (conv_passes.c). */
#ifndef TOOLS_CONV_JOB_H
#define TOOLS_CONV_JOB_H

#include "conv_options.h"
#include "devices.h"

struct conv_job {
    struct cvy_tensor x, w[CVY_CONV_MAX_PASSES], bias, y, expected;
    size_t n_w;
    enum cvy_conv_kind kind;
    struct cvy_conv_problem problem; /* of several passes only what they share is meant */
    bool factored;
    size_t factor_rank;
    double factor_error;
    struct cvy_cli_devices devices;
    struct cvy_device *device; /* the first */
    struct cvy_conv *conv;     /* one pass */
    struct cvy_buffer *x_buffer, *y_buffer;
    struct cvy_graph *graph; /* several, or several devices */
    struct cvy_plan *plan;
    char algorithm[128];
    double flops, setup_seconds, run_seconds;
};

/* Replaces the one W by its two factors. */
bool cvy_conv_job_factor(struct conv_job *job, const struct conv_options *options);
/* Makes a graph of the one operator that runs all passes, on all devices. */
bool cvy_conv_job_prepare_passes(struct conv_job *job, const struct conv_options *options,
                                 struct cvy_shape *y);
bool cvy_conv_job_compute_passes(struct conv_job *job);

#endif
