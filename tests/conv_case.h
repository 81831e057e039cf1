/* conv_case.h - random convolution problems with their data and right answers, for the suites of algorithms.
 */
#ifndef TESTS_CONV_CASE_H
#define TESTS_CONV_CASE_H

#include "op/algo.h"
#include "support.h"

/* All tensors are plain and float32 here, whatever the problem's layouts and types are; values are such that
 * these hold them. */
struct case_data {
    size_t x_count, w_count, y_count;
    float *x, *w, *bias, *y;
    float *before; /* what y holds before; NULL without accumulate */
    double *expected;
    double *scale; /* sum of the absolute values of what is added up, activation apart */
};

/* A valid problem over the whole descriptor, small enough for the oracle. */
struct cvy_conv_problem case_random_problem(struct test_random *random);
/* Makes it float16, sometimes. */
void case_random_storage(struct cvy_conv_problem *p, struct test_random *random);
/* Random tensors, and what the oracle makes of them. */
void case_data_make(struct case_data *data, const struct cvy_conv_problem *p, struct test_random *random);
void case_data_free(struct case_data *data);
/* Runs the problem (algo NULL: the one chosen) and checks y. */
void case_run_conv(const struct cvy_conv_problem *p, struct case_data *data, const char *algo,
                   size_t max_workspace);
/* What cvy_conv_run() does, with a config that it might not choose. The result is not checked. */
void case_run_config(const struct cvy_conv_problem *p, struct case_data *data, const struct cvy_algo *algo,
                     const struct cvy_algo_config *config);
/* Fails the test, with the problem in words, where y is further from the oracle than rounding allows. */
void case_check_y(const struct cvy_conv_problem *p, const struct case_data *data, const char *algo);

#endif
