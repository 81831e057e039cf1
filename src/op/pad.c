#include <inttypes.h>

#include "base/log.h"
#include "op/classes.h"
#include "op/settle.h"
#include "op/table.h"
#include "runtime/launch.h"

struct pad {
    struct cvy_operator base;
    struct cvy_buffer *table; /* rank, sizes of y, sizes of x, strides of x, amounts at the beginning */
};

static enum cvy_status settle(struct cvy_op *op, const struct cvy_operand *in, size_t *n_in)
{
    struct cvy_op_pad *pad = &op->pad;
    int64_t amounts[2 * CVY_MAX_RANK];
    size_t count, n_values, n = *n_in, rank = in[0].shape.rank;
    *n_in = 1;
    enum cvy_status status = cvy_operand_floats("Pad: its value", in, n, 2, &pad->value, 1, &n_values);
    if (status != CVY_OK || !cvy_operand_given(in, n, 1))
        return status;
    status = cvy_operand_ints("Pad: its amounts", in, n, 1, amounts, 2 * CVY_MAX_RANK, &count);
    if (status != CVY_OK)
        return status;
    const size_t n_axes = pad->n_axes ? pad->n_axes : rank;
    if (count != 2 * n_axes)
        return cvy_fail(CVY_ERROR_INVALID, "Pad: %zu amounts for %zu dimensions; it needs two for each",
                        count, n_axes);
    pad->rank = rank;
    for (size_t i = 0; i < n_axes; i++) {
        size_t axis = i;
        if (pad->n_axes > 0)
            status = cvy_resolve_axis("Pad: axes", pad->axes[i], rank, &axis);
        if (status != CVY_OK)
            return status;
        pad->begin[axis] = amounts[i];
        pad->end[axis] = amounts[n_axes + i];
    }
    pad->n_axes = 0;
    return CVY_OK;
}

static enum cvy_status infer(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                             struct cvy_shape *out)
{
    (void)n_in;
    const struct cvy_shape *x = &in[0].shape;
    if (op->pad.rank != x->rank)
        return cvy_fail(CVY_ERROR_INVALID, "Pad: amounts for %zu dimensions given, x has %zu", op->pad.rank,
                        x->rank);
    struct cvy_shape made = {.rank = x->rank};
    for (size_t i = 0; i < x->rank; i++) {
        int64_t begin = op->pad.begin[i], end = op->pad.end[i], size = (int64_t)x->dims[i];
        if (begin < -INT32_MAX || begin > INT32_MAX || end < -INT32_MAX || end > INT32_MAX ||
            size > INT32_MAX)
            return cvy_fail(CVY_ERROR_UNSUPPORTED,
                            "Pad: dimension %zu: amounts %" PRId64 " and %" PRId64 " are out of range", i,
                            begin, end);
        if (size + begin + end < 1)
            return cvy_fail(CVY_ERROR_INVALID,
                            "Pad: dimension %zu of size %" PRId64 " is cropped by %" PRId64 " to nothing", i,
                            size, -begin - end);
        bool reflect = op->pad.mode == CVY_PAD_REFLECT;
        if ((reflect || op->pad.mode == CVY_PAD_WRAP) && (begin > size - reflect || end > size - reflect))
            return cvy_fail(
                CVY_ERROR_INVALID,
                "Pad: dimension %zu of size %" PRId64 " cannot be %s by %" PRId64 "; at most %" PRId64, i,
                size, reflect ? "reflected" : "wrapped", begin > end ? begin : end, size - reflect);
        made.dims[i] = (size_t)(size + begin + end);
    }
    *out = made;
    return CVY_OK;
}

static void describe(const struct cvy_operator *self, struct cvy_launch *launch)
{
    cvy_launch_init(launch, "pad", "pad");
    cvy_launch_define(launch, "PAD_MODE", self->op.pad.mode);
}

static enum cvy_status init(struct cvy_operator *self, const struct cvy_operand *in, size_t n_in,
                            const struct cvy_operator_params *params)
{
    (void)n_in;
    (void)params;
    size_t strides[CVY_MAX_RANK], rank = self->out.rank;
    struct cvy_table table = {0};
    cvy_strides(&in[0].shape, strides);
    cvy_table_add(&table, rank);
    for (size_t i = 0; i < rank; i++)
        cvy_table_add(&table, self->out.dims[i]);
    for (size_t i = 0; i < rank; i++)
        cvy_table_add(&table, in[0].shape.dims[i]);
    for (size_t i = 0; i < rank; i++)
        cvy_table_add(&table, strides[i]);
    for (size_t i = 0; i < rank; i++)
        cvy_table_add_signed(&table, self->op.pad.begin[i]);
    enum cvy_status status = cvy_table_upload(&table, self->device, &((struct pad *)self)->table);
    if (status != CVY_OK)
        return status;
    struct cvy_launch launch;
    describe(self, &launch);
    return cvy_launch_prepare(self->device, &launch);
}

static enum cvy_status enqueue(struct cvy_operator *self, struct cvy_buffer *const *in, size_t n_in,
                               struct cvy_buffer *out, struct cvy_buffer *workspace)
{
    (void)n_in;
    (void)workspace;
    size_t count = cvy_span_elements(&self->out, 0, self->out.rank);
    struct cvy_launch launch;
    describe(self, &launch);
    cvy_launch_buffer(&launch, in[0]);
    cvy_launch_buffer(&launch, out);
    cvy_launch_buffer(&launch, ((struct pad *)self)->table);
    cvy_launch_int(&launch, count);
    cvy_launch_float(&launch, self->op.pad.value);
    cvy_launch_range(&launch, 1, &count, NULL);
    return cvy_launch_run(self->device, &launch);
}

static void finish(struct cvy_operator *self)
{
    cvy_buffer_destroy(&((struct pad *)self)->table);
}

const struct cvy_operator_class cvy_op_pad_class = {
    .min_inputs = 1,
    .max_inputs = 3,
    .on_host = true,
    .settle = settle,
    .infer = infer,
    .size = sizeof(struct pad),
    .init = init,
    .enqueue = enqueue,
    .finish = finish,
};
