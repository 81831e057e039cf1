#include "base/log.h"
#include "op/classes.h"
#include "op/table.h"
#include "runtime/launch.h"

static enum cvy_status infer(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                             struct cvy_shape *out)
{
    static const char *const names[] = {"x", "scale", "bias", "mean", "variance"};
    (void)op;
    size_t channels = in[0].shape.rank > 1 ? in[0].shape.dims[1] : 1;
    for (size_t i = 1; i < n_in; i++) {
        char text[128];
        if (in[i].shape.rank != 1 || in[i].shape.dims[0] != channels)
            return cvy_fail(CVY_ERROR_INVALID, "BatchNormalization: %s has shape %s, but x has %zu channels",
                            names[i], cvy_shape_format(&in[i].shape, text, sizeof(text)), channels);
    }
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
    cvy_launch_init(&launch, "batch_norm", "batch_norm");
    return cvy_launch_prepare(self->device, &launch);
}

static enum cvy_status enqueue(struct cvy_operator *self, struct cvy_buffer *const *in, size_t n_in,
                               struct cvy_buffer *out, struct cvy_buffer *workspace)
{
    (void)workspace;
    const struct cvy_shape *shape = &self->out;
    size_t count = cvy_span_elements(shape, 0, shape->rank);
    struct cvy_launch launch;
    cvy_launch_init(&launch, "batch_norm", "batch_norm");
    for (size_t i = 0; i < n_in; i++)
        cvy_launch_buffer(&launch, in[i]);
    cvy_launch_buffer(&launch, out);
    cvy_launch_int(&launch, count);
    cvy_launch_int(&launch, shape->rank > 1 ? shape->dims[1] : 1);
    cvy_launch_int(&launch, shape->rank > 2 ? cvy_span_elements(shape, 2, shape->rank) : 1);
    cvy_launch_float(&launch, self->op.batch_norm.epsilon);
    cvy_launch_range(&launch, 1, &count, NULL);
    return cvy_launch_run(self->device, &launch);
}

const struct cvy_operator_class cvy_op_batch_norm_class = {
    .min_inputs = 5,
    .max_inputs = 5,
    .in_place = 1 << 0,
    .infer = infer,
    .init = init,
    .enqueue = enqueue,
};
