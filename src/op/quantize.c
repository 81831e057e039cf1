/* QuantizeLinear and DequantizeLinear: one scale and zero point, or one for each position of an axis. */
#include "base/log.h"
#include "op/classes.h"
#include "op/quantization.h"
#include "op/table.h"
#include "runtime/launch.h"

enum { X, SCALE, ZERO };

struct quantize {
    struct cvy_operator base;
    enum cvy_dtype integer;
    bool has_zero;
    size_t channels, inner; /* scales, and elements between one position of their axis and the next */
};

static bool is_given(const struct cvy_operand *in, size_t n_in, size_t index)
{
    return index < n_in && in[index].present;
}

static enum cvy_status check_types(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                   enum cvy_dtype integer)
{
    if (in[SCALE].dtype != CVY_FLOAT32)
        return cvy_fail(CVY_ERROR_UNSUPPORTED, "%s: the scale is %s; convert it to float32", cvy_op_name(op),
                        cvy_dtype_name(in[SCALE].dtype));
    if (is_given(in, n_in, ZERO) && in[ZERO].dtype != integer)
        return cvy_fail(CVY_ERROR_INVALID, "%s: the zero point is %s but its tensor is %s; make them agree",
                        cvy_op_name(op), cvy_dtype_name(in[ZERO].dtype), cvy_dtype_name(integer));
    return CVY_OK;
}

static enum cvy_status infer_quantized_dtype(const struct cvy_op *op, const struct cvy_operand *in,
                                             size_t n_in, enum cvy_dtype *dtype)
{
    enum cvy_dtype made = is_given(in, n_in, ZERO) ? in[ZERO].dtype : CVY_UINT8;
    if (in[X].dtype != CVY_FLOAT32)
        return cvy_fail(CVY_ERROR_UNSUPPORTED, "QuantizeLinear: x is %s; convert it to float32",
                        cvy_dtype_name(in[X].dtype));
    if (made != CVY_INT8 && made != CVY_UINT8)
        return cvy_fail(CVY_ERROR_UNSUPPORTED,
                        "QuantizeLinear: the zero point is %s; only int8 and uint8 are made",
                        cvy_dtype_name(made));
    enum cvy_status status = check_types(op, in, n_in, made);
    if (status == CVY_OK)
        *dtype = made;
    return status;
}

static enum cvy_status infer_real_dtype(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                        enum cvy_dtype *dtype)
{
    enum cvy_dtype x = in[X].dtype;
    if (x != CVY_INT8 && x != CVY_UINT8 && x != CVY_INT32)
        return cvy_fail(CVY_ERROR_UNSUPPORTED,
                        "DequantizeLinear: x is %s; only int8, uint8 and int32 are taken", cvy_dtype_name(x));
    enum cvy_status status = check_types(op, in, n_in, x);
    if (status == CVY_OK)
        *dtype = CVY_FLOAT32;
    return status;
}

static enum cvy_status infer(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                             struct cvy_shape *out)
{
    const struct cvy_shape *x = &in[X].shape, *scale = &in[SCALE].shape;
    size_t scales = cvy_span_elements(scale, 0, scale->rank), axis = 0;
    char text[128];
    if (is_given(in, n_in, ZERO) && cvy_span_elements(&in[ZERO].shape, 0, in[ZERO].shape.rank) != scales)
        return cvy_fail(CVY_ERROR_INVALID, "%s: zero points of shape %s for %zu scales; give as many",
                        cvy_op_name(op), cvy_shape_format(&in[ZERO].shape, text, sizeof(text)), scales);
    if (scales != 1) {
        enum cvy_status status = cvy_resolve_axis(cvy_op_name(op), op->axis, x->rank, &axis);
        if (status != CVY_OK)
            return status;
        if (scale->rank != 1 || scales != x->dims[axis])
            return cvy_fail(CVY_ERROR_UNSUPPORTED,
                            "%s: scales of shape %s for axis %zu of size %zu; give 1, or a list of one each",
                            cvy_op_name(op), cvy_shape_format(scale, text, sizeof(text)), axis,
                            x->dims[axis]);
    }
    *out = *x;
    return CVY_OK;
}

static void describe(const struct quantize *self, struct cvy_launch *launch)
{
    bool quantizes = self->base.op.type == CVY_OP_QUANTIZE;
    int low, high;
    cvy_dtype_range(self->integer, &low, &high);
    cvy_launch_init(launch, "quantize", quantizes ? "quantize" : "dequantize");
    cvy_launch_define_text(launch, "INTEGER", cvy_dtype_cl_name(self->integer));
    cvy_launch_define(launch, "HAS_ZERO", self->has_zero);
    cvy_launch_define_signed(launch, "LOW", low);
    cvy_launch_define_signed(launch, "HIGH", high);
}

static enum cvy_status init(struct cvy_operator *base, const struct cvy_operand *in, size_t n_in,
                            const struct cvy_operator_params *params)
{
    struct quantize *self = (struct quantize *)base;
    const struct cvy_shape *x = &in[X].shape, *scale = &in[SCALE].shape;
    (void)params;
    self->integer = base->op.type == CVY_OP_QUANTIZE ? base->dtype : in[X].dtype;
    self->has_zero = is_given(in, n_in, ZERO);
    self->channels = cvy_span_elements(scale, 0, scale->rank);
    self->inner = 1;
    if (self->channels != 1) {
        size_t axis = 0;
        enum cvy_status status = cvy_resolve_axis(cvy_op_name(&base->op), base->op.axis, x->rank, &axis);
        if (status != CVY_OK)
            return status;
        self->inner = cvy_span_elements(x, axis + 1, x->rank);
    }
    struct cvy_launch launch;
    describe(self, &launch);
    return cvy_launch_prepare(base->device, &launch);
}

static enum cvy_status enqueue(struct cvy_operator *base, struct cvy_buffer *const *in, size_t n_in,
                               struct cvy_buffer *out, struct cvy_buffer *workspace)
{
    struct quantize *self = (struct quantize *)base;
    size_t count = cvy_span_elements(&base->out, 0, base->out.rank);
    struct cvy_launch launch;
    (void)n_in;
    (void)workspace;
    describe(self, &launch);
    cvy_launch_buffer(&launch, in[X]);
    cvy_launch_buffer(&launch, in[SCALE]);
    if (self->has_zero)
        cvy_launch_buffer(&launch, in[ZERO]);
    cvy_launch_buffer(&launch, out);
    cvy_launch_int(&launch, count);
    cvy_launch_int(&launch, self->channels);
    cvy_launch_int(&launch, self->inner);
    cvy_launch_range(&launch, 1, &count, NULL);
    return cvy_launch_run(base->device, &launch);
}

const struct cvy_operator_class cvy_op_quantize_class = {
    .min_inputs = 2,
    .max_inputs = 3,
    .infer = infer,
    .infer_dtype = infer_quantized_dtype,
    .size = sizeof(struct quantize),
    .init = init,
    .enqueue = enqueue,
};

const struct cvy_operator_class cvy_op_dequantize_class = {
    .min_inputs = 2,
    .max_inputs = 3,
    .infer = infer,
    .infer_dtype = infer_real_dtype,
    .size = sizeof(struct quantize),
    .init = init,
    .enqueue = enqueue,
};
