#include "op/quantization.h"

#include <math.h>
#include <stdlib.h>

#include "base/log.h"
#include "runtime/buffer.h"

void cvy_dtype_range(enum cvy_dtype dtype, int *low, int *high)
{
    *low = dtype == CVY_INT8 ? INT8_MIN : 0;
    *high = dtype == CVY_INT8 ? INT8_MAX : UINT8_MAX;
}

const char *cvy_dtype_cl_name(enum cvy_dtype dtype)
{
    return dtype == CVY_INT8 ? "char" : dtype == CVY_UINT8 ? "uchar" : dtype == CVY_INT32 ? "int" : "float";
}

/* count zero points in the type of their tensor. */
static enum cvy_status upload_zeros(struct cvy_buffer **buffer, struct cvy_device *device, const char *what,
                                    enum cvy_dtype dtype, const int32_t *values, size_t count)
{
    int low, high;
    cvy_dtype_range(dtype, &low, &high);
    uint8_t *narrow = malloc(count);
    if (narrow == NULL)
        return cvy_fail_memory("zero points", count);
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < count; i++) {
        if (values[i] < low || values[i] > high)
            status =
                cvy_fail(CVY_ERROR_INVALID, "conv: a zero point of %s is %d; its type %s goes from %d to %d",
                         what, (int)values[i], cvy_dtype_name(dtype), low, high);
        narrow[i] = (uint8_t)values[i];
    }
    if (status == CVY_OK)
        status = cvy_buffer_upload(buffer, device, count, narrow);
    free(narrow);
    return status;
}

static enum cvy_status upload_scales(struct cvy_buffer **buffer, struct cvy_device *device, const char *what,
                                     const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!(values[i] > 0) || !isfinite(values[i]))
            return cvy_fail(CVY_ERROR_INVALID, "conv: a scale of %s is %g; it must be above 0 and finite",
                            what, (double)values[i]);
    }
    return cvy_buffer_upload(buffer, device, count * sizeof(*values), values);
}

static enum cvy_status check_list(const char *what, const void *values, size_t count, size_t k)
{
    if (values == NULL || (count != 1 && count != k))
        return cvy_fail(CVY_ERROR_INVALID,
                        "conv: %zu %s of w given; give 1, or one for each of the %zu channels of y",
                        values ? count : 0, what, k);
    return CVY_OK;
}

enum cvy_status cvy_quantization_upload(struct cvy_quantization *q, struct cvy_device *device,
                                        const struct cvy_conv_problem *p,
                                        const struct cvy_conv_quantization *values)
{
    static const struct cvy_conv_quantization none;
    static const int32_t zero;
    const struct cvy_conv_quantization *v = values != NULL ? values : &none;
    bool requantised = p->y_dtype != CVY_INT32, has_zeros = v->n_w_zero_points > 0;
    enum cvy_status status = CVY_OK;
    if (has_zeros)
        status = check_list("zero points", v->w_zero_points, v->n_w_zero_points, p->k);
    if (status == CVY_OK && requantised)
        status = check_list("scales", v->w_scales, v->n_w_scales, p->k);
    if (status == CVY_OK)
        status = upload_zeros(&q->x_zero, device, "x", p->x_dtype, &v->x_zero_point, 1);
    if (status == CVY_OK)
        status = upload_zeros(&q->w_zero, device, "w", p->w_dtype, has_zeros ? v->w_zero_points : &zero,
                              has_zeros ? v->n_w_zero_points : 1);
    q->w_zero_per_channel = v->n_w_zero_points > 1;
    if (status != CVY_OK || !requantised)
        return status;
    status = upload_zeros(&q->y_zero, device, "y", p->y_dtype, &v->y_zero_point, 1);
    if (status == CVY_OK)
        status = upload_scales(&q->x_scale, device, "x", &v->x_scale, 1);
    if (status == CVY_OK)
        status = upload_scales(&q->w_scale, device, "w", v->w_scales, v->n_w_scales);
    if (status == CVY_OK)
        status = upload_scales(&q->y_scale, device, "y", &v->y_scale, 1);
    q->w_scale_per_channel = v->n_w_scales > 1;
    return status;
}

void cvy_quantization_finish(struct cvy_quantization *q)
{
    cvy_buffer_destroy(&q->x_zero);
    cvy_buffer_destroy(&q->w_zero);
    cvy_buffer_destroy(&q->y_zero);
    cvy_buffer_destroy(&q->x_scale);
    cvy_buffer_destroy(&q->w_scale);
    cvy_buffer_destroy(&q->y_scale);
}

void cvy_quantization_set(const struct cvy_quantization *q, struct cvy_algo_args *args)
{
    args->x_zero = q->x_zero;
    args->w_zero = q->w_zero;
    args->y_zero = q->y_zero;
    args->x_scale = q->x_scale;
    args->w_scale = q->w_scale;
    args->y_scale = q->y_scale;
    args->w_zero_per_channel = q->w_zero_per_channel;
    args->w_scale_per_channel = q->w_scale_per_channel;
}
