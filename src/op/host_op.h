/* host_op.h - operators in plain loops in double on the host, to judge kernels by. */
#ifndef CVY_OP_HOST_OP_H
#define CVY_OP_HOST_OP_H

#include <convoy/op.h>

struct cvy_host_tensor {
    enum cvy_dtype dtype; /* of the tensor on the device */
    struct cvy_shape shape;
    double *values;
};

/* y of a valid operator, y's shape being known. false: this file does not know the operator. */
bool cvy_host_op(const struct cvy_op *op, const struct cvy_host_tensor *in, size_t n_in,
                 struct cvy_host_tensor *y);

#endif
