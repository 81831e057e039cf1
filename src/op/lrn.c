#include "base/arith.h"
#include "base/log.h"
#include "op/classes.h"
#include "op/planes.h"
#include "runtime/launch.h"

struct lrn {
    struct cvy_operator base;
    struct cvy_planes planes; /* plain: those of channels, and how many there are */
};

/* Channels of a sum, beside its own. */
static size_t before(const struct cvy_op *op)
{
    return (op->lrn.size - 1) / 2;
}

static size_t after(const struct cvy_op *op)
{
    return op->lrn.size / 2;
}

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

static void describe(const struct cvy_operator *self, struct cvy_launch *launch)
{
    cvy_launch_init(launch, "lrn", "lrn");
    cvy_planes_define(launch, &((const struct lrn *)self)->planes);
    cvy_launch_define(launch, "ROOTS", self->op.lrn.beta == 0.75f);
}

static enum cvy_status init(struct cvy_operator *self, const struct cvy_operand *in, size_t n_in,
                            const struct cvy_operator_params *params)
{
    (void)in;
    (void)n_in;
    (void)params;
    struct lrn *lrn = (struct lrn *)self;
    lrn->planes = cvy_planes_of(self->device, &self->out, self->block, 2, 2 * sizeof(float));
    lrn->planes.channels = self->out.dims[1];
    struct cvy_launch launch;
    describe(self, &launch);
    return cvy_launch_prepare(self->device, &launch);
}

static enum cvy_status enqueue(struct cvy_operator *self, struct cvy_buffer *const *in, size_t n_in,
                               struct cvy_buffer *out, struct cvy_buffer *workspace)
{
    (void)n_in;
    (void)workspace;
    const struct cvy_planes *planes = &((const struct lrn *)self)->planes;
    const struct cvy_op *op = &self->op;
    /* no more than there are */
    const size_t most = self->out.dims[1];
    struct cvy_launch launch;
    describe(self, &launch);
    cvy_launch_buffer(&launch, in[0]);
    cvy_launch_buffer(&launch, out);
    cvy_launch_float(&launch, op->lrn.alpha / (float)op->lrn.size);
    cvy_launch_float(&launch, op->lrn.beta);
    cvy_launch_float(&launch, op->lrn.bias);
    cvy_launch_struct(&launch, (size_t[]){CVY_MIN(before(op), most), CVY_MIN(after(op), most)}, 2);
    cvy_planes_argument(&launch, planes, NULL, 0);
    cvy_planes_range(&launch, planes);
    return cvy_launch_run(self->device, &launch);
}

/* In blocks a work-item sees a block and the two beside it. */
static bool layouts(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in, size_t block,
                    enum cvy_layout *chosen)
{
    if (block > 0 && CVY_MAX(before(op), after(op)) > block)
        return false;
    return cvy_layouts_alike(op, in, n_in, block, chosen);
}

const struct cvy_operator_class cvy_op_lrn_class = {
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .layouts = layouts,
    .size = sizeof(struct lrn),
    .init = init,
    .enqueue = enqueue,
};
