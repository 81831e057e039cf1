/* tune_parts.h - what the search is made of: the data with its truth, and the run of one candidate. */
#ifndef CVY_OP_TUNE_PARTS_H
#define CVY_OP_TUNE_PARTS_H

#include "op/tunedb.h"

/* Random tensors as the problem lays them out, and what judges results. */
struct cvy_tune_data {
    struct cvy_conv_problem p; /* no bias, no activation, not accumulating */
    size_t x_count, w_count, y_count;
    float *x, *w, *y;    /* y: of the candidate at hand */
    float *trusted;      /* y of the first that was right at the places looked at; NULL until then */
    bool trusted_rounds; /* it is of an algorithm that rounds more than sums of products do */
    uint64_t random;
    struct cvy_buffer *x_buffer, *w_buffer, *y_buffer;
};

/* The problem that times are measured of: its epilogue is left out. */
struct cvy_conv_problem cvy_tune_bare(const struct cvy_conv_problem *p);
/* Elements of x, w and y together, for expectations. */
double cvy_tune_elements(const struct cvy_conv_problem *p);

enum cvy_status cvy_tune_data_init(struct cvy_tune_data *data, struct cvy_device *device,
                                   const struct cvy_conv_problem *bare);
void cvy_tune_data_finish(struct cvy_tune_data *data);
/* Fills y's buffer with NaN, so that what is not written shows. */
enum cvy_status cvy_tune_data_poison(struct cvy_tune_data *data);

enum cvy_tune_verdict {
    CVY_TUNE_RIGHT,
    CVY_TUNE_WRONG,
    CVY_TUNE_EARLIER_WRONG, /* this one is right, and what was trusted until now is not */
};
/*
 * Judges what y's buffer holds. Some places, corners and edges among them, are computed anew from the
 * definition, in double; every other is compared with the trusted result, and where the two differ by more
 * than rounding the definition decides. rounds: y is of an algorithm that rounds more than sums of products
 * do.
 */
enum cvy_status cvy_tune_data_judge(struct cvy_tune_data *data, bool rounds, enum cvy_tune_verdict *verdict);

/* A candidate, ready to be launched. */
struct cvy_tune_run {
    struct cvy_device *device;
    const struct cvy_conv_problem *p;
    const struct cvy_algo *algo;
    const struct cvy_algo_config *config;
    struct cvy_buffer *prepared, *workspace;
    struct cvy_algo_args args;
};

enum cvy_status cvy_tune_run_begin(struct cvy_tune_run *run, struct cvy_device *device,
                                   const struct cvy_tune_data *data, const struct cvy_algo *algo,
                                   const struct cvy_algo_config *config);
/* Seconds of one of `count` runs, back to back. */
enum cvy_status cvy_tune_run_time(struct cvy_tune_run *run, size_t count, double *seconds);
void cvy_tune_run_end(struct cvy_tune_run *run);

#endif
