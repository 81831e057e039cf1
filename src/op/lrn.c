#include "base/log.h"
#include "op/classes.h"
#include "op/table.h"
#include "runtime/launch.h"

static enum cvy_status infer(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                             struct cvy_shape *out)
{
    (void)n_in;
    if (in[0].shape.rank < 2)
        return cvy_fail(CVY_ERROR_INVALID, "LRN: x has rank %zu; N C is the least", in[0].shape.rank);
    if (op->lrn.size == 0)
        return cvy_fail(CVY_ERROR_INVALID, "LRN: it sums over 0 channels; 1 is the least");
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
    cvy_launch_init(&launch, "lrn", "lrn");
    return cvy_launch_prepare(self->device, &launch);
}

static enum cvy_status enqueue(struct cvy_operator *self, struct cvy_buffer *const *in, size_t n_in,
                               struct cvy_buffer *out, struct cvy_buffer *workspace)
{
    (void)n_in;
    (void)workspace;
    const struct cvy_shape *shape = &self->out;
    size_t count = cvy_span_elements(shape, 0, shape->rank);
    struct cvy_launch launch;
    cvy_launch_init(&launch, "lrn", "lrn");
    cvy_launch_buffer(&launch, in[0]);
    cvy_launch_buffer(&launch, out);
    cvy_launch_int(&launch, count);
    cvy_launch_int(&launch, shape->dims[1]);
    cvy_launch_int(&launch, cvy_span_elements(shape, 2, shape->rank));
    cvy_launch_int(&launch, (self->op.lrn.size - 1) / 2);
    cvy_launch_int(&launch, self->op.lrn.size / 2);
    cvy_launch_float(&launch, self->op.lrn.alpha / (float)self->op.lrn.size);
    cvy_launch_float(&launch, self->op.lrn.beta);
    cvy_launch_float(&launch, self->op.lrn.bias);
    cvy_launch_range(&launch, 1, &count, NULL);
    return cvy_launch_run(self->device, &launch);
}

const struct cvy_operator_class cvy_op_lrn_class = {
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .init = init,
    .enqueue = enqueue,
};
