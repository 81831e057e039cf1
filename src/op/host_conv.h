/* host_conv.h - the convolution in plain loops in double on the host, to judge kernels by. */
#ifndef CVY_OP_HOST_CONV_H
#define CVY_OP_HOST_CONV_H

#include <convoy/conv.h>

/* y of a valid problem, and in scale the sum of |products| of each element, from which a bound on rounding
 * follows. bias may be NULL where the problem has none. */
void cvy_host_conv(const struct cvy_conv_problem *problem, const float *x, const float *w, const float *bias,
                   double *y, double *scale);

/* One element of y, of image n, channel and position (three axes), without bias and epilogue; x as the
 * problem lays it out. scale receives its sum of |products|. */
double cvy_host_conv_element(const struct cvy_conv_problem *problem, const float *x, const float *w, size_t n,
                             size_t channel, const size_t *position, double *scale);

/* Where position `at` of an axis of size n is read under a padding mode; -1: nowhere, the padding's value. */
int64_t cvy_host_border(enum cvy_pad_mode mode, int64_t at, int64_t n);

#endif
