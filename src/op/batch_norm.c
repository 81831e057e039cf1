#include "base/log.h"
#include "op/classes.h"
#include "op/planes.h"
#include "runtime/launch.h"

struct batch_norm {
    struct cvy_operator base;
    struct cvy_planes planes; /* plain: those of channels, and how many there are */
};

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

static void describe(const struct cvy_operator *self, struct cvy_launch *launch)
{
    cvy_launch_init(launch, "batch_norm", "batch_norm");
    cvy_planes_define(launch, &((const struct batch_norm *)self)->planes);
}

static enum cvy_status init(struct cvy_operator *self, const struct cvy_operand *in, size_t n_in,
                            const struct cvy_operator_params *params)
{
    (void)in;
    (void)n_in;
    (void)params;
    struct batch_norm *norm = (struct batch_norm *)self;
    norm->planes = cvy_planes_of(self->device, &self->out, self->block, 2, 2 * sizeof(float));
    norm->planes.channels = self->out.rank > 1 ? self->out.dims[1] : 1;
    struct cvy_launch launch;
    describe(self, &launch);
    return cvy_launch_prepare(self->device, &launch);
}

static enum cvy_status enqueue(struct cvy_operator *self, struct cvy_buffer *const *in, size_t n_in,
                               struct cvy_buffer *out, struct cvy_buffer *workspace)
{
    (void)workspace;
    const struct cvy_planes *planes = &((const struct batch_norm *)self)->planes;
    struct cvy_launch launch;
    describe(self, &launch);
    for (size_t i = 0; i < n_in; i++)
        cvy_launch_buffer(&launch, in[i]);
    cvy_launch_buffer(&launch, out);
    cvy_launch_float(&launch, self->op.batch_norm.epsilon);
    cvy_planes_argument(&launch, planes, NULL, 0);
    cvy_planes_range(&launch, planes);
    return cvy_launch_run(self->device, &launch);
}

const struct cvy_operator_class cvy_op_batch_norm_class = {
    .min_inputs = 5,
    .max_inputs = 5,
    .in_place = 1 << 0,
    .infer = infer,
    .layouts = cvy_layouts_alike,
    .size = sizeof(struct batch_norm),
    .init = init,
    .enqueue = enqueue,
};
