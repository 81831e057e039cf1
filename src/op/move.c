/* Slice, Split, Expand, Tile and SpaceToDepth: y is x read with other strides. */
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "op/classes.h"
#include "op/settle.h"
#include "op/slice.h"
#include "op/strided.h"
#include "op/table.h"

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return CVY_MIN(CVY_MAX(value, low), high);
}

enum cvy_status cvy_slice_axis(const struct cvy_op_slice *slice, size_t i, const struct cvy_shape *x,
                               struct cvy_slice_axis *axis)
{
    const int64_t step = slice->step[i];
    enum cvy_status status = cvy_resolve_axis("Slice: axes", slice->axes[i], x->rank, &axis->axis);
    if (status != CVY_OK)
        return status;
    if (step == 0 || step < -INT32_MAX || step > INT32_MAX)
        return cvy_fail(CVY_ERROR_INVALID,
                        "Slice: the step along axis %zu is %lld; it must not be 0, nor beyond %d", axis->axis,
                        (long long)step, INT32_MAX);
    const int64_t size = (int64_t)x->dims[axis->axis];
    /* backwards a slice begins at the last element and may end before the first */
    const int64_t low = step < 0 ? -1 : 0, high = step < 0 ? size - 1 : size;
    int64_t begin = slice->begin[i], end = slice->end[i];
    begin = clamp(begin < 0 ? CVY_MAX(begin, -size) + size : begin, 0, high);
    end = clamp(end < 0 ? CVY_MAX(end, -size - 1) + size : end, low, high);
    int64_t span = step > 0 ? end - begin : begin - end, stride = step > 0 ? step : -step;
    axis->begin = (size_t)CVY_MAX(begin, 0);
    axis->step = step;
    axis->count = span > 0 ? (size_t)((span + stride - 1) / stride) : 0;
    return CVY_OK;
}

static enum cvy_status settle_slice(struct cvy_op *op, const struct cvy_operand *in, size_t *n_in)
{
    struct cvy_op_slice *slice = &op->slice;
    size_t n_ends = 0, n_axes = 0, n_steps = 0, n = *n_in;
    if (!cvy_operand_given(in, n, 1))
        return CVY_OK;
    enum cvy_status status =
        cvy_operand_ints("Slice: starts", in, n, 1, slice->begin, CVY_MAX_RANK, &slice->count);
    if (status == CVY_OK)
        status = cvy_operand_ints("Slice: ends", in, n, 2, slice->end, CVY_MAX_RANK, &n_ends);
    if (status == CVY_OK)
        status = cvy_operand_ints("Slice: axes", in, n, 3, slice->axes, CVY_MAX_RANK, &n_axes);
    if (status == CVY_OK)
        status = cvy_operand_ints("Slice: steps", in, n, 4, slice->step, CVY_MAX_RANK, &n_steps);
    if (status != CVY_OK)
        return status;
    const bool has_axes = cvy_operand_given(in, n, 3), has_steps = cvy_operand_given(in, n, 4);
    if (n_ends != slice->count || (has_axes && n_axes != slice->count) ||
        (has_steps && n_steps != slice->count))
        return cvy_fail(CVY_ERROR_INVALID,
                        "Slice: %zu starts, %zu ends, %zu axes and %zu steps; they must agree", slice->count,
                        n_ends, n_axes, n_steps);
    for (size_t i = 0; i < slice->count; i++) {
        slice->axes[i] = has_axes ? slice->axes[i] : (int64_t)i;
        slice->step[i] = has_steps ? slice->step[i] : 1;
    }
    *n_in = 1;
    return CVY_OK;
}

static enum cvy_status infer_slice(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                   struct cvy_shape *out)
{
    (void)n_in;
    struct cvy_shape made = in[0].shape;
    bool seen[CVY_MAX_RANK] = {false};
    for (size_t i = 0; i < op->slice.count; i++) {
        struct cvy_slice_axis axis;
        enum cvy_status status = cvy_slice_axis(&op->slice, i, &in[0].shape, &axis);
        if (status != CVY_OK)
            return status;
        if (seen[axis.axis])
            return cvy_fail(CVY_ERROR_INVALID, "Slice: axis %zu is named twice", axis.axis);
        seen[axis.axis] = true;
        made.dims[axis.axis] = axis.count;
    }
    *out = made;
    return CVY_OK;
}

/* The channels that a Slice leaves; false: it is one along other axes too, or leaves some out between. */
static bool slice_channels(const struct cvy_op *op, const struct cvy_shape *x, size_t *begin, size_t *count)
{
    *begin = 0;
    *count = x->dims[1];
    for (size_t i = 0; i < op->slice.count; i++) {
        struct cvy_slice_axis axis;
        if (cvy_slice_axis(&op->slice, i, x, &axis) != CVY_OK || axis.step != 1 ||
            (axis.axis != 1 && axis.count != x->dims[axis.axis]))
            return false;
        if (axis.axis == 1) {
            *begin = axis.begin;
            *count = axis.count;
        }
    }
    return true;
}

static bool layouts_slice(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in, size_t block,
                          enum cvy_layout *layouts)
{
    size_t begin, count;
    (void)n_in;
    layouts[0] = block > 0 ? CVY_LAYOUT_BLOCKS : CVY_LAYOUT_PLAIN;
    return block == 0 || (op->type == CVY_OP_SLICE && slice_channels(op, &in[0].shape, &begin, &count));
}

static enum cvy_status init_channels(struct cvy_strided *self, const struct cvy_shape *x)
{
    struct cvy_channels *channels = &self->channels;
    *channels = (struct cvy_channels){.block = self->base.block,
                                      .images = x->dims[0],
                                      .pixels = cvy_span_elements(x, 2, x->rank),
                                      .x_channels = x->dims[1]};
    slice_channels(&self->base.op, x, &channels->from, &channels->count);
    channels->y_channels = channels->count;
    return cvy_channels_prepare(self->base.device, channels);
}

static enum cvy_status init_slice(struct cvy_operator *self, const struct cvy_operand *in, size_t n_in,
                                  const struct cvy_operator_params *params)
{
    (void)n_in;
    (void)params;
    const struct cvy_shape *x = &in[0].shape;
    if (self->block > 0)
        return init_channels((struct cvy_strided *)self, x);
    size_t strides[CVY_MAX_RANK], offset = 0;
    int64_t steps[CVY_MAX_RANK];
    cvy_strides(x, strides);
    for (size_t i = 0; i < x->rank; i++)
        steps[i] = (int64_t)strides[i];
    for (size_t i = 0; i < self->op.slice.count; i++) {
        struct cvy_slice_axis axis;
        enum cvy_status status = cvy_slice_axis(&self->op.slice, i, x, &axis);
        if (status != CVY_OK)
            return status;
        offset += axis.begin * strides[axis.axis];
        steps[axis.axis] *= axis.step;
    }
    for (size_t i = 0; i < x->rank; i++)
        steps[i] = self->out.dims[i] == 1 ? 0 : steps[i];
    return cvy_strided_set(self, x->rank, self->out.dims, steps, offset);
}

/* Becomes the Slice that its part is. */
static enum cvy_status settle_split(struct cvy_op *op, const struct cvy_operand *in, size_t *n_in)
{
    int64_t sizes[256];
    size_t axis, count = op->split.count, n_sizes, begin = 0, end, index = op->split.index;
    enum cvy_status status = cvy_resolve_axis("Split", op->split.axis, in[0].shape.rank, &axis);
    if (status == CVY_OK)
        status = cvy_operand_ints("Split: its sizes", in, *n_in, 1, sizes, CVY_COUNT(sizes), &n_sizes);
    if (status != CVY_OK)
        return status;
    const size_t size = in[0].shape.dims[axis], each = count ? cvy_ceil_div(size, count) : 0;
    if (count == 0 || index >= count || (n_sizes != 0 && n_sizes != count) || (n_sizes == 0 && each == 0))
        return cvy_fail(CVY_ERROR_INVALID, "Split: %zu sizes for %zu parts of %zu", n_sizes, count, size);
    for (size_t i = 0; n_sizes == 0 && i < CVY_MIN(count, CVY_COUNT(sizes)); i++)
        sizes[i] = (int64_t)CVY_MIN(each, size - CVY_MIN(size, i * each));
    size_t total = 0;
    for (size_t i = 0; i < count && i < CVY_COUNT(sizes); i++) {
        begin = i == index ? total : begin;
        total += sizes[i] > 0 ? (size_t)sizes[i] : 0;
    }
    if (total != size || count > CVY_COUNT(sizes))
        return cvy_fail(CVY_ERROR_INVALID, "Split: its parts make %zu along axis %zu, x has %zu", total, axis,
                        size);
    end = begin + (size_t)sizes[index];
    *op = (struct cvy_op){.type = CVY_OP_SLICE,
                          .slice = {.count = 1,
                                    .axes = {(int64_t)axis},
                                    .begin = {(int64_t)begin},
                                    .end = {(int64_t)end},
                                    .step = {1}}};
    *n_in = 1;
    return CVY_OK;
}

/* Both take a list of sizes, into reshape.dims. */
static enum cvy_status settle_dims(struct cvy_op *op, const struct cvy_operand *in, size_t *n_in)
{
    const char *what = op->type == CVY_OP_TILE ? "Tile: repeats" : "Expand: its shape";
    if (!cvy_operand_given(in, *n_in, 1))
        return CVY_OK;
    enum cvy_status status =
        cvy_operand_ints(what, in, *n_in, 1, op->reshape.dims, CVY_MAX_RANK, &op->reshape.rank);
    *n_in = 1;
    return status;
}

static enum cvy_status infer_expand(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                    struct cvy_shape *out)
{
    (void)n_in;
    const struct cvy_shape *x = &in[0].shape;
    struct cvy_shape made = {.rank = CVY_MAX(x->rank, op->reshape.rank)};
    for (size_t i = 0; i < made.rank; i++) {
        size_t before = made.rank - x->rank, missing = made.rank - op->reshape.rank;
        size_t own = i < before ? 1 : x->dims[i - before];
        int64_t wanted = i < missing ? 1 : op->reshape.dims[i - missing];
        if (wanted < 0 || (own != 1 && wanted != 1 && own != (size_t)wanted))
            return cvy_fail(CVY_ERROR_INVALID, "Expand: dimension %zu of size %zu does not broadcast to %lld",
                            i, own, (long long)wanted);
        made.dims[i] = own == 1 ? (size_t)wanted : own;
    }
    *out = made;
    return CVY_OK;
}

static enum cvy_status init_expand(struct cvy_operator *self, const struct cvy_operand *in, size_t n_in,
                                   const struct cvy_operator_params *params)
{
    (void)n_in;
    (void)params;
    const struct cvy_shape *x = &in[0].shape;
    size_t strides[CVY_MAX_RANK], rank = self->out.rank, before = rank - x->rank;
    int64_t steps[CVY_MAX_RANK];
    cvy_strides(x, strides);
    for (size_t i = 0; i < rank; i++)
        steps[i] = i < before || x->dims[i - before] == 1 ? 0 : (int64_t)strides[i - before];
    return cvy_strided_set(self, rank, self->out.dims, steps, 0);
}

static enum cvy_status infer_tile(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                  struct cvy_shape *out)
{
    (void)n_in;
    struct cvy_shape made = in[0].shape;
    if (op->reshape.rank != made.rank)
        return cvy_fail(CVY_ERROR_INVALID, "Tile: repeats of %zu dimensions given, x has %zu",
                        op->reshape.rank, made.rank);
    for (size_t i = 0; i < made.rank; i++) {
        if (op->reshape.dims[i] < 0 || !cvy_mul(made.dims[i], (size_t)op->reshape.dims[i], &made.dims[i]))
            return cvy_fail(CVY_ERROR_INVALID, "Tile: dimension %zu cannot be repeated %lld times", i,
                            (long long)op->reshape.dims[i]);
    }
    *out = made;
    return CVY_OK;
}

/* Each dimension of y is two: which copy, and where in it. */
static enum cvy_status init_tile(struct cvy_operator *self, const struct cvy_operand *in, size_t n_in,
                                 const struct cvy_operator_params *params)
{
    (void)n_in;
    (void)params;
    const struct cvy_shape *x = &in[0].shape;
    size_t strides[CVY_MAX_RANK], sizes[2 * CVY_MAX_RANK];
    int64_t steps[2 * CVY_MAX_RANK];
    cvy_strides(x, strides);
    for (size_t i = 0; i < x->rank; i++) {
        sizes[2 * i] = self->out.dims[i] / x->dims[i];
        sizes[2 * i + 1] = x->dims[i];
        steps[2 * i] = 0;
        steps[2 * i + 1] = (int64_t)strides[i];
    }
    return cvy_strided_set(self, 2 * x->rank, sizes, steps, 0);
}

static enum cvy_status infer_space_to_depth(const struct cvy_op *op, const struct cvy_operand *in,
                                            size_t n_in, struct cvy_shape *out)
{
    (void)n_in;
    const struct cvy_shape *x = &in[0].shape;
    size_t block = op->depth_to_space.block, channels;
    if (x->rank != 4)
        return cvy_fail(CVY_ERROR_INVALID, "SpaceToDepth: x has rank %zu; N C H W is needed", x->rank);
    if (block == 0 || x->dims[2] % block != 0 || x->dims[3] % block != 0 ||
        !cvy_mul(x->dims[1], block, &channels) || !cvy_mul(channels, block, &channels))
        return cvy_fail(CVY_ERROR_INVALID,
                        "SpaceToDepth: %zu x %zu pixels do not divide by blocks of %zu x %zu", x->dims[2],
                        x->dims[3], block, block);
    *out = (struct cvy_shape){4, {x->dims[0], channels, x->dims[2] / block, x->dims[3] / block}};
    return CVY_OK;
}

/* y[n, (i, j, c), h, w] is x[n, c, h, i, w, j] */
static enum cvy_status init_space_to_depth(struct cvy_operator *self, const struct cvy_operand *in,
                                           size_t n_in, const struct cvy_operator_params *params)
{
    (void)n_in;
    (void)params;
    const struct cvy_shape *x = &in[0].shape;
    const size_t block = self->op.depth_to_space.block;
    const int64_t step = (int64_t)block, width = (int64_t)x->dims[3], plane = (int64_t)x->dims[2] * width;
    const size_t sizes[] = {x->dims[0], block, block, x->dims[1], self->out.dims[2], self->out.dims[3]};
    const int64_t strides[] = {(int64_t)x->dims[1] * plane, width, 1, plane, step * width, step};
    return cvy_strided_set(self, CVY_COUNT(sizes), sizes, strides, 0);
}

#define MOVE_CLASS(max, settle_function, infer_function, layouts_function, init_function)  \
    {                                                                                      \
        .min_inputs = 1, .max_inputs = max, .on_host = true, .settle = settle_function,    \
        .infer = infer_function, .layouts = layouts_function,                              \
        .size = sizeof(struct cvy_strided), .init = init_function,                         \
        .enqueue = cvy_strided_enqueue_operator, .finish = cvy_strided_finish,             \
    }

const struct cvy_operator_class cvy_op_slice_class =
    MOVE_CLASS(5, settle_slice, infer_slice, layouts_slice, init_slice);
const struct cvy_operator_class cvy_op_split_class =
    MOVE_CLASS(2, settle_split, infer_slice, layouts_slice, init_slice);
const struct cvy_operator_class cvy_op_expand_class =
    MOVE_CLASS(2, settle_dims, infer_expand, NULL, init_expand);
const struct cvy_operator_class cvy_op_tile_class = MOVE_CLASS(2, settle_dims, infer_tile, NULL, init_tile);
const struct cvy_operator_class cvy_op_space_to_depth_class =
    MOVE_CLASS(1, NULL, infer_space_to_depth, NULL, init_space_to_depth);
