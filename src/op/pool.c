/* MaxPool, AveragePool and GlobalAveragePool: windows over three spatial axes, or all of them at once. */
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "op/classes.h"
#include "op/planes.h"
#include "op/problem.h"
#include "runtime/launch.h"

/* One axis with its padding resolved; as in cl/pool.cl. */
struct axis {
    size_t in, out, kernel, stride, dilation, pad_begin, pad_end;
};

struct pool {
    struct cvy_operator base;
    struct cvy_planes planes; /* of y; of a global one's x */
    struct axis axes[CVY_CONV_MAX_RANK];
};

static enum cvy_status resolve_axis(const struct cvy_op *op, const struct cvy_shape *x, size_t i,
                                    struct axis *axis)
{
    const struct cvy_op_pool *pool = &op->pool;
    *axis = (struct axis){.in = x->dims[i + 2],
                          .kernel = pool->kernel[i],
                          .stride = pool->stride[i],
                          .dilation = pool->dilation[i],
                          .pad_begin = pool->pad_begin[i],
                          .pad_end = pool->pad_end[i]};
    size_t window = 0, padded = 0;
    if (!cvy_mul(axis->dilation, axis->kernel - 1, &window) || !cvy_add(window, 1, &window))
        return cvy_fail(CVY_ERROR_INVALID, "%s: the kernel of spatial axis %zu is too large", cvy_op_name(op),
                        i);
    if (pool->auto_pad != CVY_PAD_EXPLICIT)
        cvy_auto_pad(pool->auto_pad, axis->in, window, axis->stride, &axis->pad_begin, &axis->pad_end);
    if (!cvy_add(axis->in, axis->pad_begin, &padded) || !cvy_add(padded, axis->pad_end, &padded) ||
        window > padded)
        return cvy_fail(CVY_ERROR_INVALID,
                        "%s: the kernel spans %zu, but spatial axis %zu has only %zu with its padding",
                        cvy_op_name(op), window, i, padded);
    /* the furthest the kernel counts: one step beyond the last window */
    size_t reach = 0;
    if (!cvy_add(padded, axis->stride, &reach) || !cvy_add(reach, axis->dilation, &reach) || reach > INT_MAX)
        return cvy_fail(CVY_ERROR_UNSUPPORTED,
                        "%s: spatial axis %zu of %zu with its padding, stride %zu and dilation %zu: the sum "
                        "must not exceed %d",
                        cvy_op_name(op), i, padded, axis->stride, axis->dilation, INT_MAX);
    axis->out = (padded - window) / axis->stride + 1;
    /* a last window that would begin beyond x and its first padding sees nothing and is dropped */
    if (pool->ceil_mode && (padded - window) % axis->stride != 0 &&
        axis->out * axis->stride < axis->in + axis->pad_begin)
        axis->out++;
    return CVY_OK;
}

static enum cvy_status check(const struct cvy_op *op)
{
    const struct cvy_op_pool *pool = &op->pool;
    if (pool->rank < 1 || pool->rank > CVY_CONV_MAX_RANK)
        return cvy_fail(CVY_ERROR_UNSUPPORTED, "%s: %zu spatial axes; 1 to %d are supported", cvy_op_name(op),
                        pool->rank, CVY_CONV_MAX_RANK);
    for (size_t i = 0; i < pool->rank; i++) {
        if (pool->kernel[i] == 0 || pool->stride[i] == 0 || pool->dilation[i] == 0)
            return cvy_fail(CVY_ERROR_INVALID,
                            "%s: kernel, stride and dilation of spatial axis %zu must be at "
                            "least 1",
                            cvy_op_name(op), i);
    }
    return CVY_OK;
}

static enum cvy_status infer(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                             struct cvy_shape *out)
{
    (void)n_in;
    struct cvy_shape made = in[0].shape;
    if (made.rank != op->pool.rank + 2)
        return cvy_fail(CVY_ERROR_INVALID,
                        "%s: %zu spatial axes given, x has rank %zu (N C and spatial axes)", cvy_op_name(op),
                        op->pool.rank, made.rank);
    for (size_t i = 0; i < op->pool.rank; i++) {
        struct axis axis;
        enum cvy_status status = resolve_axis(op, &in[0].shape, i, &axis);
        if (status != CVY_OK)
            return status;
        made.dims[i + 2] = axis.out;
    }
    *out = made;
    return CVY_OK;
}

static enum cvy_status infer_global(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                    struct cvy_shape *out)
{
    (void)n_in;
    struct cvy_shape made = in[0].shape;
    if (made.rank < 3)
        return cvy_fail(CVY_ERROR_INVALID,
                        "%s: x has rank %zu; N, C and at least one spatial axis are needed", cvy_op_name(op),
                        made.rank);
    for (size_t i = 2; i < made.rank; i++)
        made.dims[i] = 1;
    *out = made;
    return CVY_OK;
}

static void describe(const struct cvy_operator *self, struct cvy_launch *launch)
{
    const bool largest = self->op.type == CVY_OP_MAX_POOL;
    cvy_launch_init(launch, "pool", largest ? "max_pool" : "average_pool");
    cvy_launch_define(launch, "LARGEST", largest);
    cvy_planes_define(launch, &((const struct pool *)self)->planes);
}

/* Windows begin at any number, so that vectors are of channels alone. */
static struct cvy_planes planes_of(const struct cvy_operator *self)
{
    struct cvy_planes planes = cvy_planes_of(self->device, &self->out, self->block, 2, 2 * sizeof(float));
    const struct cvy_op_pool *pool = &self->op.pool;
    double taps = 1;
    for (size_t i = 0; i < pool->rank; i++)
        taps *= (double)pool->kernel[i];
    /* taps that meet a number again find it in the next cache */
    const double moved = (double)(planes.count * planes.size) * (1 + taps / 2) * sizeof(float);
    planes.lanes = self->block > 0 ? self->block : 1;
    planes.run =
        planes.lanes * cvy_planes_share(self->device, planes.size / planes.lanes, planes.count, moved);
    return planes;
}

static enum cvy_status init(struct cvy_operator *self, const struct cvy_operand *in, size_t n_in,
                            const struct cvy_operator_params *params)
{
    (void)n_in;
    (void)params;
    struct pool *pool = (struct pool *)self;
    size_t missing = CVY_CONV_MAX_RANK - self->op.pool.rank;
    for (size_t i = 0; i < missing; i++)
        pool->axes[i] = (struct axis){1, 1, 1, 1, 1, 0, 0};
    for (size_t i = 0; i < self->op.pool.rank; i++) {
        enum cvy_status status = resolve_axis(&self->op, &in[0].shape, i, &pool->axes[missing + i]);
        if (status != CVY_OK)
            return status;
    }
    pool->planes = planes_of(self);
    struct cvy_launch launch;
    describe(self, &launch);
    return cvy_launch_prepare(self->device, &launch);
}

static enum cvy_status enqueue(struct cvy_operator *self, struct cvy_buffer *const *in, size_t n_in,
                               struct cvy_buffer *out, struct cvy_buffer *workspace)
{
    (void)n_in;
    (void)workspace;
    const struct pool *pool = (const struct pool *)self;
    size_t sizes[1 + 7 * CVY_CONV_MAX_RANK];
    sizes[0] = self->op.type == CVY_OP_AVERAGE_POOL && self->op.pool.count_include_pad;
    memcpy(sizes + 1, pool->axes, sizeof(pool->axes));
    struct cvy_launch launch;
    describe(self, &launch);
    cvy_launch_buffer(&launch, in[0]);
    cvy_launch_buffer(&launch, out);
    cvy_planes_argument(&launch, &pool->planes, sizes, CVY_COUNT(sizes));
    cvy_planes_range(&launch, &pool->planes);
    return cvy_launch_run(self->device, &launch);
}

/* Few means are written in either layout. */
static bool layouts_global(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in, size_t block,
                           enum cvy_layout *layouts)
{
    (void)op;
    (void)in;
    (void)n_in;
    layouts[0] = block > 0 ? CVY_LAYOUT_BLOCKS : CVY_LAYOUT_ANY;
    return true;
}

static void describe_global(const struct cvy_operator *self, struct cvy_launch *launch)
{
    cvy_launch_init(launch, "global_pool", "global_average");
    cvy_launch_define(launch, "TO_BLOCKS", self->block > 0);
    cvy_planes_define(launch, &((const struct pool *)self)->planes);
}

static enum cvy_status init_global(struct cvy_operator *self, const struct cvy_operand *in, size_t n_in,
                                   const struct cvy_operator_params *params)
{
    (void)n_in;
    (void)params;
    struct pool *pool = (struct pool *)self;
    pool->planes = cvy_planes_of(self->device, &in[0].shape, in[0].block, 2, sizeof(float));
    pool->planes.run = pool->planes.size;
    struct cvy_launch launch;
    describe_global(self, &launch);
    return cvy_launch_prepare(self->device, &launch);
}

static enum cvy_status enqueue_global(struct cvy_operator *self, struct cvy_buffer *const *in, size_t n_in,
                                      struct cvy_buffer *out, struct cvy_buffer *workspace)
{
    (void)n_in;
    (void)workspace;
    const struct cvy_planes *planes = &((const struct pool *)self)->planes;
    struct cvy_launch launch;
    describe_global(self, &launch);
    cvy_launch_buffer(&launch, in[0]);
    cvy_launch_buffer(&launch, out);
    cvy_planes_argument(&launch, planes, NULL, 0);
    cvy_planes_range(&launch, planes);
    return cvy_launch_run(self->device, &launch);
}

const struct cvy_operator_class cvy_op_pool_class = {
    .min_inputs = 1,
    .max_inputs = 1,
    .check = check,
    .infer = infer,
    .size = sizeof(struct pool),
    .layouts = cvy_layouts_alike,
    .init = init,
    .enqueue = enqueue,
};

const struct cvy_operator_class cvy_op_global_pool_class = {
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer_global,
    .size = sizeof(struct pool),
    .layouts = layouts_global,
    .init = init_global,
    .enqueue = enqueue_global,
};
