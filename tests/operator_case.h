/* operator_case.h - one operator run on the device under test, for the suites of operators. */
#ifndef TESTS_OPERATOR_CASE_H
#define TESTS_OPERATOR_CASE_H

#include "support.h"

#define MAX_INPUTS 8

/* The stream of random numbers of the suite; case_seed() starts it. */
extern struct test_random case_random;
void case_seed(void);

/* Inputs of one operator, in host memory, random in -4..4. */
struct inputs {
    size_t n;
    struct cvy_shape shapes[MAX_INPUTS];
    float *data[MAX_INPUTS];
    bool is_constant[MAX_INPUTS]; /* the operator is told the value when it is made */
};

void case_add_input(struct inputs *inputs, const struct cvy_shape *shape);
void case_free(struct inputs *inputs);

size_t case_elements(const struct cvy_shape *shape);
struct cvy_shape case_random_shape(size_t rank, size_t largest);
/* Position of linear index i along each dimension, and back. */
void case_unravel(const struct cvy_shape *shape, size_t i, size_t *at);
size_t case_ravel(const struct cvy_shape *shape, const size_t *at);

/* The algorithm that case_run() asks operators for; NULL: none. */
extern const char *case_algo;

/* Runs op on the device; returns the malloc'ed result and its shape. */
float *case_run(const struct cvy_op *op, const struct inputs *inputs, struct cvy_shape *shape);
/* Runs op, and fails the test where the result has another shape or is off by more than tolerance, relative
 * above 1. Frees the inputs and expected, which is malloc'ed. */
void case_check(const struct cvy_op *op, struct inputs *inputs, const struct cvy_shape *shape,
                double *expected, double tolerance);
/* n, or a tenth of it on a slow implementation. */
int case_rounds(int n);

#endif
