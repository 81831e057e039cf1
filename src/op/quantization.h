/* quantization.h - zero points and scales on the device, for problems whose elements are integers. */
#ifndef CVY_OP_QUANTIZATION_H
#define CVY_OP_QUANTIZATION_H

#include "op/algo.h"

/* Buffers as struct cvy_algo_args wants them; zeroed: none. */
struct cvy_quantization {
    struct cvy_buffer *x_zero, *w_zero, *y_zero;
    struct cvy_buffer *x_scale, *w_scale, *y_scale;
    bool w_zero_per_channel, w_scale_per_channel;
};

/* Least and greatest value of int8 or uint8. */
void cvy_dtype_range(enum cvy_dtype dtype, int *low, int *high);
/* The type's name in OpenCL C: int8, uint8, int32, float32. */
const char *cvy_dtype_cl_name(enum cvy_dtype dtype);

/* values NULL: zero points of 0. Checks ranges. quantization is zeroed before; on failure too it is finished
 * by the caller. */
enum cvy_status cvy_quantization_upload(struct cvy_quantization *quantization, struct cvy_device *device,
                                        const struct cvy_conv_problem *problem,
                                        const struct cvy_conv_quantization *values);
void cvy_quantization_finish(struct cvy_quantization *quantization);
void cvy_quantization_set(const struct cvy_quantization *quantization, struct cvy_algo_args *args);

#endif
