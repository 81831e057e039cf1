/* Transpose, DepthToSpace and ChannelShuffle: y is x read in another order of dimensions. */
#include "base/arith.h"
#include "base/log.h"
#include "op/classes.h"
#include "op/parts.h"
#include "op/strided.h"
#include "op/table.h"

struct transpose {
    struct cvy_operator base;
    struct cvy_buffer *table;     /* rank, sizes of y, strides of x */
    struct cvy_channels channels; /* of a shuffle in blocks */
};

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

static enum cvy_status prepare(struct cvy_operator *self, const struct cvy_table *table)
{
    enum cvy_status status = cvy_table_upload(table, self->device, &((struct transpose *)self)->table);
    return status == CVY_OK ? cvy_strided_build(self->device, "gather") : status;
}

static enum cvy_status init_transpose(struct cvy_operator *self, const struct cvy_operand *in, size_t n_in,
                                      const struct cvy_operator_params *params)
{
    (void)n_in;
    (void)params;
    size_t strides[CVY_MAX_RANK], rank = self->out.rank;
    struct cvy_table table = {0};
    cvy_strides(&in[0].shape, strides);
    cvy_table_add(&table, rank);
    for (size_t i = 0; i < rank; i++)
        cvy_table_add(&table, self->out.dims[i]);
    for (size_t i = 0; i < rank; i++)
        cvy_table_add(&table, strides[source_axis(&self->op, rank, i)]);
    return prepare(self, &table);
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
    const size_t sizes[6] = {x->dims[0], channels, x->dims[2], block, x->dims[3], block};
    const size_t strides[6] = {x->dims[1] * plane, c_stride, x->dims[3], block * j_stride, 1, j_stride};
    struct cvy_table table = {0};
    cvy_table_add(&table, 6);
    for (size_t i = 0; i < 6; i++)
        cvy_table_add(&table, sizes[i]);
    for (size_t i = 0; i < 6; i++)
        cvy_table_add(&table, strides[i]);
    return prepare(self, &table);
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

static bool layouts_channel_shuffle(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                    size_t block, enum cvy_layout *layouts)
{
    (void)op;
    (void)in;
    (void)n_in;
    layouts[0] = block > 0 ? CVY_LAYOUT_BLOCKS : CVY_LAYOUT_PLAIN;
    return true;
}

static enum cvy_status shuffle_blocks(struct transpose *self)
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
        return shuffle_blocks((struct transpose *)self);
    const struct cvy_shape *x = &in[0].shape;
    size_t groups = self->op.channel_shuffle.groups, each = x->dims[1] / groups;
    size_t plane = cvy_span_elements(x, 2, x->rank);
    const size_t sizes[4] = {x->dims[0], each, groups, plane};
    const size_t strides[4] = {x->dims[1] * plane, plane, each * plane, 1};
    struct cvy_table table = {0};
    cvy_table_add(&table, 4);
    for (size_t i = 0; i < 4; i++)
        cvy_table_add(&table, sizes[i]);
    for (size_t i = 0; i < 4; i++)
        cvy_table_add(&table, strides[i]);
    return prepare(self, &table);
}

static enum cvy_status enqueue(struct cvy_operator *self, struct cvy_buffer *const *in, size_t n_in,
                               struct cvy_buffer *out, struct cvy_buffer *workspace)
{
    (void)n_in;
    (void)workspace;
    if (self->block > 0)
        return cvy_channels_enqueue(self->device, &((struct transpose *)self)->channels, in[0], out);
    return cvy_strided_enqueue(self->device, "gather", in[0], out, ((struct transpose *)self)->table,
                               cvy_span_elements(&self->out, 0, self->out.rank), 0);
}

static void finish(struct cvy_operator *self)
{
    cvy_buffer_destroy(&((struct transpose *)self)->table);
}

const struct cvy_operator_class cvy_op_transpose_class = {
    .min_inputs = 1,
    .max_inputs = 1,
    .on_host = true,
    .infer = infer_transpose,
    .size = sizeof(struct transpose),
    .init = init_transpose,
    .enqueue = enqueue,
    .finish = finish,
};

const struct cvy_operator_class cvy_op_depth_to_space_class = {
    .min_inputs = 1,
    .max_inputs = 1,
    .on_host = true,
    .infer = infer_depth_to_space,
    .size = sizeof(struct transpose),
    .init = init_depth_to_space,
    .enqueue = enqueue,
    .finish = finish,
};

const struct cvy_operator_class cvy_op_channel_shuffle_class = {
    .min_inputs = 1,
    .max_inputs = 1,
    .on_host = true,
    .infer = infer_channel_shuffle,
    .layouts = layouts_channel_shuffle,
    .size = sizeof(struct transpose),
    .init = init_channel_shuffle,
    .enqueue = enqueue,
    .finish = finish,
};
