/* Transpose, DepthToSpace and ChannelShuffle: y is x read in another order of dimensions. */
#include "base/arith.h"
#include "base/log.h"
#include "op/classes.h"
#include "op/strided.h"
#include "op/table.h"

static size_t source_axis(const struct cvy_op *op, size_t rank, size_t i)
{
    return op->transpose.rank == 0 ? rank - 1 - i : op->transpose.order[i];
}

static enum cvy_status infer_transpose(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                       struct cvy_shape *out)
{
    (void)n_in;
    const struct cvy_shape *x = &in[0].shape;
    if (op->transpose.rank != 0 && op->transpose.rank != x->rank)
        return cvy_fail(CVY_ERROR_INVALID, "Transpose: the order has %zu dimensions, x has %zu",
                        op->transpose.rank, x->rank);
    struct cvy_shape made = {.rank = x->rank};
    bool seen[CVY_MAX_RANK] = {false};
    for (size_t i = 0; i < x->rank; i++) {
        size_t axis = source_axis(op, x->rank, i);
        if (axis >= x->rank || seen[axis])
            return cvy_fail(CVY_ERROR_INVALID,
                            "Transpose: dimension %zu of the order is %zu; each of 0..%zu must "
                            "stand there once",
                            i, axis, x->rank - 1);
        seen[axis] = true;
        made.dims[i] = x->dims[axis];
    }
    *out = made;
    return CVY_OK;
}

static enum cvy_status init_transpose(struct cvy_operator *self, const struct cvy_operand *in, size_t n_in,
                                      const struct cvy_operator_params *params)
{
    (void)n_in;
    (void)params;
    size_t strides[CVY_MAX_RANK], rank = self->out.rank;
    int64_t steps[CVY_MAX_RANK];
    cvy_strides(&in[0].shape, strides);
    for (size_t i = 0; i < rank; i++)
        steps[i] = (int64_t)strides[source_axis(&self->op, rank, i)];
    return cvy_strided_set(self, rank, self->out.dims, steps, 0);
}

static enum cvy_status infer_depth_to_space(const struct cvy_op *op, const struct cvy_operand *in,
                                            size_t n_in, struct cvy_shape *out)
{
    (void)n_in;
    const struct cvy_shape *x = &in[0].shape;
    size_t block = op->depth_to_space.block, area;
    if (x->rank != 4)
        return cvy_fail(CVY_ERROR_INVALID, "DepthToSpace: x has rank %zu; N C H W is needed", x->rank);
    if (block == 0 || !cvy_mul(block, block, &area) || x->dims[1] % area != 0)
        return cvy_fail(CVY_ERROR_INVALID, "DepthToSpace: %zu channels do not divide by blocks of %zu x %zu",
                        x->dims[1], block, block);
    *out = (struct cvy_shape){4, {x->dims[0], x->dims[1] / area, x->dims[2] * block, x->dims[3] * block}};
    return CVY_OK;
}

/* y[n, c, h, i, w, j] is x[n, (i, j, c) or (c, i, j), h, w] */
static enum cvy_status init_depth_to_space(struct cvy_operator *self, const struct cvy_operand *in,
                                           size_t n_in, const struct cvy_operator_params *params)
{
    (void)n_in;
    (void)params;
    const struct cvy_shape *x = &in[0].shape;
    size_t block = self->op.depth_to_space.block, channels = self->out.dims[1],
           plane = x->dims[2] * x->dims[3];
    bool column_row_depth = self->op.depth_to_space.column_row_depth;
    size_t c_stride = column_row_depth ? block * block * plane : plane;
    size_t j_stride = column_row_depth ? plane : channels * plane;
    const size_t sizes[] = {x->dims[0], channels, x->dims[2], block, x->dims[3], block};
    const int64_t strides[] = {(int64_t)(x->dims[1] * plane),
                               (int64_t)c_stride,
                               (int64_t)x->dims[3],
                               (int64_t)(block * j_stride),
                               1,
                               (int64_t)j_stride};
    return cvy_strided_set(self, CVY_COUNT(sizes), sizes, strides, 0);
}

static enum cvy_status infer_channel_shuffle(const struct cvy_op *op, const struct cvy_operand *in,
                                             size_t n_in, struct cvy_shape *out)
{
    (void)n_in;
    const struct cvy_shape *x = &in[0].shape;
    size_t groups = op->channel_shuffle.groups;
    if (x->rank < 2)
        return cvy_fail(CVY_ERROR_INVALID, "ChannelShuffle: x has rank %zu; N C is the least", x->rank);
    if (groups == 0 || x->dims[1] % groups != 0)
        return cvy_fail(CVY_ERROR_INVALID, "ChannelShuffle: %zu channels do not divide by %zu groups",
                        x->dims[1], groups);
    *out = *x;
    return CVY_OK;
}

static enum cvy_status shuffle_blocks(struct cvy_strided *self)
{
    const struct cvy_shape *y = &self->base.out;
    self->channels = (struct cvy_channels){.block = self->base.block,
                                           .images = y->dims[0],
                                           .pixels = cvy_span_elements(y, 2, y->rank),
                                           .count = y->dims[1],
                                           .x_channels = y->dims[1],
                                           .y_channels = y->dims[1],
                                           .shuffle = self->base.op.channel_shuffle.groups};
    return cvy_channels_prepare(self->base.device, &self->channels);
}

/* y[n, j, g, ...] is x[n, g, j, ...] */
static enum cvy_status init_channel_shuffle(struct cvy_operator *self, const struct cvy_operand *in,
                                            size_t n_in, const struct cvy_operator_params *params)
{
    (void)n_in;
    (void)params;
    if (self->block > 0)
        return shuffle_blocks((struct cvy_strided *)self);
    const struct cvy_shape *x = &in[0].shape;
    size_t groups = self->op.channel_shuffle.groups, each = x->dims[1] / groups;
    size_t plane = cvy_span_elements(x, 2, x->rank);
    const size_t sizes[] = {x->dims[0], each, groups, plane};
    const int64_t strides[] = {(int64_t)(x->dims[1] * plane), (int64_t)plane, (int64_t)(each * plane), 1};
    return cvy_strided_set(self, CVY_COUNT(sizes), sizes, strides, 0);
}

const struct cvy_operator_class cvy_op_transpose_class = {
    .min_inputs = 1,
    .max_inputs = 1,
    .on_host = true,
    .infer = infer_transpose,
    .size = sizeof(struct cvy_strided),
    .init = init_transpose,
    .enqueue = cvy_strided_enqueue_operator,
    .finish = cvy_strided_finish,
};

const struct cvy_operator_class cvy_op_depth_to_space_class = {
    .min_inputs = 1,
    .max_inputs = 1,
    .on_host = true,
    .infer = infer_depth_to_space,
    .size = sizeof(struct cvy_strided),
    .init = init_depth_to_space,
    .enqueue = cvy_strided_enqueue_operator,
    .finish = cvy_strided_finish,
};

const struct cvy_operator_class cvy_op_channel_shuffle_class = {
    .min_inputs = 1,
    .max_inputs = 1,
    .on_host = true,
    .infer = infer_channel_shuffle,
    .layouts = cvy_layouts_alike,
    .size = sizeof(struct cvy_strided),
    .init = init_channel_shuffle,
    .enqueue = cvy_strided_enqueue_operator,
    .finish = cvy_strided_finish,
};
