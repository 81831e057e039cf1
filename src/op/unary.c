#include "op/classes.h"
#include "op/epilogue.h"
#include "op/table.h"
#include "runtime/launch.h"

static enum cvy_status infer(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                             struct cvy_shape *out)
{
    (void)op;
    (void)n_in;
    *out = in[0].shape;
    return CVY_OK;
}

static const enum cvy_activation activations[CVY_OP_TYPES] = {
    [CVY_OP_RELU] = CVY_ACTIVATION_RELU, [CVY_OP_LEAKY_RELU] = CVY_ACTIVATION_LEAKY_RELU,
    [CVY_OP_CLIP] = CVY_ACTIVATION_CLIP, [CVY_OP_SIGMOID] = CVY_ACTIVATION_SIGMOID,
    [CVY_OP_TANH] = CVY_ACTIVATION_TANH,
};

bool cvy_op_activation(const struct cvy_op *op, enum cvy_activation *activation, float *alpha, float *beta)
{
    if ((size_t)op->type >= CVY_OP_TYPES || activations[op->type] == CVY_ACTIVATION_NONE)
        return false;
    const bool is_clip = op->type == CVY_OP_CLIP;
    *activation = activations[op->type];
    *alpha = is_clip ? op->clip.min : op->type == CVY_OP_LEAKY_RELU ? op->leaky_relu.alpha : 0;
    *beta = is_clip ? op->clip.max : 0;
    return true;
}

static void describe(const struct cvy_operator *self, struct cvy_launch *launch)
{
    cvy_launch_init(launch, "unary", "unary");
    cvy_launch_define(launch, "ACTIVATION", activations[self->op.type]);
}

static enum cvy_status init(struct cvy_operator *self, const struct cvy_operand *in, size_t n_in,
                            const struct cvy_operator_params *params)
{
    (void)in;
    (void)n_in;
    (void)params;
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
    enum cvy_activation activation = CVY_ACTIVATION_NONE;
    float alpha = 0, beta = 0;
    cvy_op_activation(&self->op, &activation, &alpha, &beta);
    struct cvy_launch launch;
    describe(self, &launch);
    cvy_launch_buffer(&launch, in[0]);
    cvy_launch_buffer(&launch, out);
    cvy_activation_arguments(&launch, activation, alpha, beta);
    cvy_launch_int(&launch, count);
    cvy_launch_range(&launch, 1, &count, NULL);
    return cvy_launch_run(self->device, &launch);
}

const struct cvy_operator_class cvy_op_unary_class = {
    .min_inputs = 1,
    .max_inputs = 1,
    .in_place = 1 << 0,
    .infer = infer,
    .init = init,
    .enqueue = enqueue,
};
