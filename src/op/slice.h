/* slice.h - one axis of a Slice, as it falls on a tensor; for the kernel and for the host. */
#ifndef CVY_OP_SLICE_H
#define CVY_OP_SLICE_H

#include <convoy/op.h>

struct cvy_slice_axis {
    size_t axis, begin, count; /* begin is in x wherever count is not 0 */
    int64_t step;
};

/* Of entry i. Errors begin with "Slice". */
enum cvy_status cvy_slice_axis(const struct cvy_op_slice *slice, size_t i, const struct cvy_shape *x,
                               struct cvy_slice_axis *axis);

#endif
