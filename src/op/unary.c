#include "op/classes.h"
#include "op/epilogue.h"
#include "op/planes.h"
#include "runtime/launch.h"

struct unary {
    struct cvy_operator base;
    struct cvy_planes planes;
};

static enum cvy_status infer(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                             struct cvy_shape *out)
{
    (void)op;
    (void)n_in;
    *out = in[0].shape;
    return CVY_OK;
}

static const enum cvy_activation activations[CVY_OP_TYPES] = {
    [CVY_OP_RELU] = CVY_ACTIVATION_RELU,
    [CVY_OP_LEAKY_RELU] = CVY_ACTIVATION_LEAKY_RELU,
    [CVY_OP_CLIP] = CVY_ACTIVATION_CLIP,
    [CVY_OP_SIGMOID] = CVY_ACTIVATION_SIGMOID,
    [CVY_OP_TANH] = CVY_ACTIVATION_TANH,
    [CVY_OP_HARD_SIGMOID] = CVY_ACTIVATION_HARD_SIGMOID,
    [CVY_OP_HARD_SWISH] = CVY_ACTIVATION_HARD_SWISH,
    [CVY_OP_SILU] = CVY_ACTIVATION_SILU,
    [CVY_OP_GELU] = CVY_ACTIVATION_GELU,
    [CVY_OP_MISH] = CVY_ACTIVATION_MISH,
};

/* Those that no epilogue has; they take alpha and beta, used or not. */
static const char *const functions[CVY_OP_TYPES] = {
    [CVY_OP_SOFTPLUS] = "SOFTPLUS", [CVY_OP_SOFTSIGN] = "SOFTSIGN",
    [CVY_OP_ELU] = "ELU",           [CVY_OP_SELU] = "SELU",
    [CVY_OP_ABS] = "ABS",           [CVY_OP_NEG] = "NEG",
    [CVY_OP_EXP] = "EXP",           [CVY_OP_LOG] = "LOG",
    [CVY_OP_SQRT] = "SQRT",         [CVY_OP_RECIPROCAL] = "RECIPROCAL",
    [CVY_OP_ERF] = "ERF",           [CVY_OP_SIN] = "SIN",
    [CVY_OP_COS] = "COS",           [CVY_OP_FLOOR] = "FLOOR",
    [CVY_OP_CEIL] = "CEIL",         [CVY_OP_ROUND] = "ROUND",
    [CVY_OP_SIGN] = "SIGN",         [CVY_OP_NOT] = "NOT",
};

static void parameters(const struct cvy_op *op, float *alpha, float *beta)
{
    const bool is_clip = op->type == CVY_OP_CLIP, is_leaky = op->type == CVY_OP_LEAKY_RELU;
    *alpha = is_clip ? op->clip.min : is_leaky ? op->leaky_relu.alpha : op->activation.alpha;
    *beta = is_clip ? op->clip.max : is_leaky ? 0 : op->activation.beta;
}

bool cvy_op_activation(const struct cvy_op *op, enum cvy_activation *activation, float *alpha, float *beta)
{
    if ((size_t)op->type >= CVY_OP_TYPES || activations[op->type] == CVY_ACTIVATION_NONE)
        return false;
    *activation = activations[op->type];
    parameters(op, alpha, beta);
    return true;
}

static void describe(const struct cvy_operator *self, struct cvy_launch *launch)
{
    cvy_launch_init(launch, "unary", "unary");
    if (functions[self->op.type] != NULL)
        cvy_launch_define_text(launch, "FUNCTION", functions[self->op.type]);
    else
        cvy_launch_define(launch, "ACTIVATION", activations[self->op.type]);
    cvy_planes_define(launch, &((const struct unary *)self)->planes);
}

static void add_arguments(struct cvy_launch *launch, const struct cvy_op *op)
{
    float alpha, beta;
    parameters(op, &alpha, &beta);
    if (functions[op->type] == NULL) {
        cvy_activation_arguments(launch, activations[op->type], alpha, beta);
        return;
    }
    cvy_launch_float(launch, alpha);
    cvy_launch_float(launch, beta);
}

static enum cvy_status init(struct cvy_operator *self, const struct cvy_operand *in, size_t n_in,
                            const struct cvy_operator_params *params)
{
    (void)in;
    (void)n_in;
    (void)params;
    struct unary *unary = (struct unary *)self;
    unary->planes = cvy_planes_of(self->device, &self->out, self->block, 0, 2 * sizeof(float));
    struct cvy_launch launch;
    describe(self, &launch);
    return cvy_launch_prepare(self->device, &launch);
}

static enum cvy_status enqueue(struct cvy_operator *self, struct cvy_buffer *const *in, size_t n_in,
                               struct cvy_buffer *out, struct cvy_buffer *workspace)
{
    (void)n_in;
    (void)workspace;
    const struct cvy_planes *planes = &((const struct unary *)self)->planes;
    struct cvy_launch launch;
    describe(self, &launch);
    cvy_launch_buffer(&launch, in[0]);
    cvy_launch_buffer(&launch, out);
    add_arguments(&launch, &self->op);
    cvy_planes_argument(&launch, planes, NULL, 0);
    cvy_planes_range(&launch, planes);
    return cvy_launch_run(self->device, &launch);
}

const struct cvy_operator_class cvy_op_unary_class = {
    .min_inputs = 1,
    .max_inputs = 1,
    .in_place = 1 << 0,
    .on_host = true,
    .infer = infer,
    .layouts = cvy_layouts_alike,
    .size = sizeof(struct unary),
    .init = init,
    .enqueue = enqueue,
};
