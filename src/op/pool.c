/* MaxPool, AveragePool and GlobalAveragePool: one kernel over three spatial axes. */
#include "base/arith.h"
#include "base/log.h"
#include "op/classes.h"
#include "op/problem.h"
#include "op/table.h"
#include "runtime/launch.h"

struct pool {
    struct cvy_operator base;
    struct cvy_buffer *table; /* see cl/pool.cl */
};

/* One axis with its padding resolved. */
struct axis {
    size_t in, out, kernel, stride, dilation, pad_begin, pad_end;
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
    cvy_launch_init(launch, "pool", self->op.type == CVY_OP_MAX_POOL ? "max_pool" : "average_pool");
}

static enum cvy_status prepare(struct cvy_operator *self, const struct axis axes[CVY_CONV_MAX_RANK])
{
    struct cvy_table table = {0};
    for (size_t i = 0; i < CVY_CONV_MAX_RANK; i++) {
        cvy_table_add(&table, axes[i].in);
        cvy_table_add(&table, axes[i].out);
        cvy_table_add(&table, axes[i].kernel);
        cvy_table_add(&table, axes[i].stride);
        cvy_table_add(&table, axes[i].dilation);
        cvy_table_add(&table, axes[i].pad_begin);
        cvy_table_add(&table, axes[i].pad_end);
    }
    enum cvy_status status = cvy_table_upload(&table, self->device, &((struct pool *)self)->table);
    if (status != CVY_OK)
        return status;
    struct cvy_launch launch;
    describe(self, &launch);
    return cvy_launch_prepare(self->device, &launch);
}

static enum cvy_status init(struct cvy_operator *self, const struct cvy_operand *in, size_t n_in,
                            const struct cvy_operator_params *params)
{
    (void)n_in;
    (void)params;
    struct axis axes[CVY_CONV_MAX_RANK];
    size_t missing = CVY_CONV_MAX_RANK - self->op.pool.rank;
    for (size_t i = 0; i < missing; i++)
        axes[i] = (struct axis){1, 1, 1, 1, 1, 0, 0};
    for (size_t i = 0; i < self->op.pool.rank; i++) {
        enum cvy_status status = resolve_axis(&self->op, &in[0].shape, i, &axes[missing + i]);
        if (status != CVY_OK)
            return status;
    }
    return prepare(self, axes);
}

/* All spatial axes are one window over one axis. */
static enum cvy_status init_global(struct cvy_operator *self, const struct cvy_operand *in, size_t n_in,
                                   const struct cvy_operator_params *params)
{
    (void)n_in;
    (void)params;
    size_t size = cvy_span_elements(&in[0].shape, 2, in[0].shape.rank);
    const struct axis axes[CVY_CONV_MAX_RANK] = {
        {1, 1, 1, 1, 1, 0, 0}, {1, 1, 1, 1, 1, 0, 0}, {size, 1, size, 1, 1, 0, 0}};
    return prepare(self, axes);
}

static enum cvy_status enqueue(struct cvy_operator *self, struct cvy_buffer *const *in, size_t n_in,
                               struct cvy_buffer *out, struct cvy_buffer *workspace)
{
    (void)n_in;
    (void)workspace;
    size_t count = cvy_span_elements(&self->out, 0, self->out.rank);
    bool include_pad = self->op.type == CVY_OP_AVERAGE_POOL && self->op.pool.count_include_pad;
    struct cvy_launch launch;
    describe(self, &launch);
    cvy_launch_buffer(&launch, in[0]);
    cvy_launch_buffer(&launch, out);
    cvy_launch_buffer(&launch, ((struct pool *)self)->table);
    cvy_launch_int(&launch, count);
    cvy_launch_int(&launch, include_pad);
    cvy_launch_range(&launch, 1, &count, NULL);
    return cvy_launch_run(self->device, &launch);
}

static void finish(struct cvy_operator *self)
{
    cvy_buffer_destroy(&((struct pool *)self)->table);
}

const struct cvy_operator_class cvy_op_pool_class = {
    .min_inputs = 1,
    .max_inputs = 1,
    .check = check,
    .infer = infer,
    .size = sizeof(struct pool),
    .init = init,
    .enqueue = enqueue,
    .finish = finish,
};

const struct cvy_operator_class cvy_op_global_pool_class = {
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer_global,
    .size = sizeof(struct pool),
    .init = init_global,
    .enqueue = enqueue,
    .finish = finish,
};
