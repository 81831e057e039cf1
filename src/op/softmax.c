#include "base/arith.h"
#include "op/classes.h"
#include "op/planes.h"
#include "op/table.h"
#include "runtime/launch.h"

struct softmax {
    struct cvy_operator base;
    size_t outer, size, inner;
};

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

static void describe(const struct softmax *softmax, struct cvy_launch *launch)
{
    cvy_launch_init(launch, "softmax", "softmax");
    cvy_launch_define(launch, "LANES", cvy_plain_lanes(softmax->base.device));
    cvy_launch_define(launch, "IN_BLOCKS", 0);
    cvy_launch_define(launch, "ACROSS", softmax->inner > 1);
}

static enum cvy_status init(struct cvy_operator *self, const struct cvy_operand *in, size_t n_in,
                            const struct cvy_operator_params *params)
{
    (void)in;
    (void)n_in;
    (void)params;
    struct softmax *softmax = (struct softmax *)self;
    const struct cvy_shape *shape = &self->out;
    size_t axis;
    enum cvy_status status = cvy_resolve_axis("Softmax", self->op.softmax.axis, shape->rank, &axis);
    if (status != CVY_OK)
        return status;
    const size_t end = self->op.softmax.flatten ? shape->rank : axis + 1;
    softmax->outer = cvy_span_elements(shape, 0, axis);
    softmax->size = cvy_span_elements(shape, axis, end);
    softmax->inner = cvy_span_elements(shape, end, shape->rank);
    struct cvy_launch launch;
    describe(softmax, &launch);
    return cvy_launch_prepare(self->device, &launch);
}

static enum cvy_status enqueue(struct cvy_operator *self, struct cvy_buffer *const *in, size_t n_in,
                               struct cvy_buffer *out, struct cvy_buffer *workspace)
{
    (void)n_in;
    (void)workspace;
    const struct softmax *softmax = (const struct softmax *)self;
    const bool across = softmax->inner > 1;
    struct cvy_launch launch;
    describe(softmax, &launch);
    cvy_launch_buffer(&launch, in[0]);
    cvy_launch_buffer(&launch, out);
    cvy_launch_struct(&launch, (size_t[]){softmax->outer, softmax->size, softmax->inner}, 3);
    cvy_launch_share(&launch);
    const size_t range[] = {across ? cvy_ceil_div(softmax->inner, cvy_plain_lanes(self->device))
                                   : softmax->outer,
                            across ? softmax->outer : 1};
    /* a second dimension of 1 would be rounded up to whole work-groups, all of which make the same rows */
    cvy_launch_range(&launch, across ? 2 : 1, range, NULL);
    return cvy_launch_run(self->device, &launch);
}

const struct cvy_operator_class cvy_op_softmax_class = {
    .min_inputs = 1,
    .max_inputs = 1,
    .in_place = 1 << 0,
    .infer = infer,
    .size = sizeof(struct softmax),
    .init = init,
    .enqueue = enqueue,
};
