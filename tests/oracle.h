/* oracle.h - what the right answer is: host loops in double that share no code with the library. */
#ifndef TESTS_ORACLE_H
#define TESTS_ORACLE_H

#include <convoy/convoy.h>

/* y of the problem straight from the definition in conv.h. Also the sum of |products| of each element in
 * scale (may be NULL), from which a rounding bound follows. */
void oracle_conv(const struct cvy_conv_problem *problem, const float *x, const float *w, const float *bias,
                 double *y, double *scale);

#endif
