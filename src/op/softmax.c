#include "op/classes.h"
#include "op/table.h"
#include "runtime/launch.h"

static enum cvy_status infer(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                             struct cvy_shape *out)
{
    (void)n_in;
    size_t axis;
    enum cvy_status status = cvy_resolve_axis("Softmax", op->softmax.axis, in[0].shape.rank, &axis);
    if (status != CVY_OK)
        return status;
    *out = in[0].shape;
    return CVY_OK;
}

static enum cvy_status init(struct cvy_operator *self, const struct cvy_operand *in, size_t n_in,
                            const struct cvy_operator_params *params)
{
    (void)in;
    (void)n_in;
    (void)params;
    struct cvy_launch launch;
    cvy_launch_init(&launch, "softmax", "softmax");
    return cvy_launch_prepare(self->device, &launch);
}

static enum cvy_status enqueue(struct cvy_operator *self, struct cvy_buffer *const *in, size_t n_in,
                               struct cvy_buffer *out, struct cvy_buffer *workspace)
{
    (void)n_in;
    (void)workspace;
    const struct cvy_shape *shape = &self->out;
    size_t axis;
    enum cvy_status status = cvy_resolve_axis("Softmax", self->op.softmax.axis, shape->rank, &axis);
    if (status != CVY_OK)
        return status;
    size_t end = self->op.softmax.flatten ? shape->rank : axis + 1;
    size_t inner = cvy_span_elements(shape, end, shape->rank);
    size_t rows = cvy_span_elements(shape, 0, axis) * inner;
    struct cvy_launch launch;
    cvy_launch_init(&launch, "softmax", "softmax");
    cvy_launch_buffer(&launch, in[0]);
    cvy_launch_buffer(&launch, out);
    cvy_launch_int(&launch, rows);
    cvy_launch_int(&launch, cvy_span_elements(shape, axis, end));
    cvy_launch_int(&launch, inner);
    cvy_launch_range(&launch, 1, &rows, NULL);
    return cvy_launch_run(self->device, &launch);
}

const struct cvy_operator_class cvy_op_softmax_class = {
    .min_inputs = 1,
    .max_inputs = 1,
    .in_place = 1 << 0,
    .infer = infer,
    .init = init,
    .enqueue = enqueue,
};
