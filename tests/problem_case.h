/* problem_case.h - convolution problems for tests of what is computed from them. */
#ifndef TESTS_PROBLEM_CASE_H
#define TESTS_PROBLEM_CASE_H

#include "support.h"

/* Axes of size in with kernels of size kernel, everything else neutral. */
struct cvy_conv_problem problem_case(size_t rank, size_t c, size_t k, size_t in, size_t kernel);
/* The same with padding of half the kernel on each side. */
struct cvy_conv_problem problem_case_padded(size_t rank, size_t c, size_t k, size_t in, size_t kernel);

/* A small valid problem: rank, groups, flip, bias, strides, dilations and padding at random; of forward ones
 * the padding mode and of both the shuffle too. */
struct cvy_conv_problem problem_case_random(struct test_random *random, bool transposed);

#endif
