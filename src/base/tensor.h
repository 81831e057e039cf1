/* tensor.h - tensors in host memory, beside the public header's. */
#ifndef CVY_BASE_TENSOR_H
#define CVY_BASE_TENSOR_H

#include <convoy/tensor.h>

/* As cvy_tensor_init(), for who writes all of it: data is not zeroed. */
enum cvy_status cvy_tensor_allocate(struct cvy_tensor *tensor, enum cvy_dtype dtype,
                                    const struct cvy_shape *shape);

#endif
