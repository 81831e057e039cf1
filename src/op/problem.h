/* problem.h - arithmetic on convolution problems beyond conv.h. Pure: no device, no memory. */
#ifndef CVY_OP_PROBLEM_H
#define CVY_OP_PROBLEM_H

#include <convoy/op.h>

/* Sizes of y per axis. The problem has been validated. */
void cvy_conv_output_sizes(const struct cvy_conv_problem *problem, size_t out[CVY_CONV_MAX_RANK]);

/* The same problem with three axes: the missing leading ones have size 1, stride 1, no padding. */
struct cvy_conv_problem cvy_conv_to_3d(const struct cvy_conv_problem *problem);

/* Whether elements and positions can be counted in the int of a kernel; if not, `why` tells. Validated. */
bool cvy_conv_fits_int(const struct cvy_conv_problem *problem, char *why, size_t size);

/* The problem of a node with these shapes (and auto_pad resolved). Checks ranks and channels; the rest is
 * cvy_conv_validate()'s, which it calls. */
enum cvy_status cvy_conv_problem_from_op(const struct cvy_op_conv *op, const struct cvy_shape *x,
                                         const struct cvy_shape *w, bool bias,
                                         struct cvy_conv_problem *problem);

/* begin and end of one axis for auto_pad; window = dilation*(kernel-1)+1. Shared with pooling. */
void cvy_auto_pad(enum cvy_auto_pad mode, size_t in, size_t window, size_t stride, size_t *begin,
                  size_t *end);

#endif
