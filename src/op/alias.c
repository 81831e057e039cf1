/* Operators that only give their input another shape: Identity, Reshape, Flatten, Squeeze, Unsqueeze. */
#include <inttypes.h>

#include "base/log.h"
#include "op/classes.h"
#include "op/settle.h"
#include "op/table.h"

static enum cvy_status infer_identity(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                      struct cvy_shape *out)
{
    (void)op;
    (void)n_in;
    *out = in[0].shape;
    return CVY_OK;
}

static enum cvy_status infer_flatten(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                     struct cvy_shape *out)
{
    (void)n_in;
    size_t axis, rank = in[0].shape.rank;
    /* the rank itself is an axis too: everything is merged before it */
    if (op->axis >= 0 && (size_t)op->axis == rank) {
        axis = rank;
    } else {
        enum cvy_status status = cvy_resolve_axis("Flatten", op->axis, rank ? rank : 1, &axis);
        if (status != CVY_OK)
            return status;
    }
    *out = (struct cvy_shape){
        2, {cvy_span_elements(&in[0].shape, 0, axis), cvy_span_elements(&in[0].shape, axis, rank)}};
    return CVY_OK;
}

/* One dimension of Reshape as given; -1 becomes 1 and is noted. */
static enum cvy_status reshape_dim(const struct cvy_op *op, const struct cvy_shape *x, size_t i, size_t *size,
                                   size_t *open)
{
    int64_t dim = op->reshape.dims[i];
    if (dim == -1) {
        if (*open != SIZE_MAX)
            return cvy_fail(CVY_ERROR_INVALID, "Reshape: dimensions %zu and %zu are both -1; only one may be",
                            *open, i);
        *open = i;
        *size = 1;
    } else if (dim < 0) {
        return cvy_fail(CVY_ERROR_INVALID, "Reshape: dimension %zu is %" PRId64 "; only -1 may be negative",
                        i, dim);
    } else if (dim == 0 && !op->reshape.allow_zero) {
        if (i >= x->rank)
            return cvy_fail(CVY_ERROR_INVALID, "Reshape: dimension %zu is 0 (as in x), but x has rank %zu", i,
                            x->rank);
        *size = x->dims[i];
    } else {
        *size = (size_t)dim;
    }
    return CVY_OK;
}

static enum cvy_status infer_reshape(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                     struct cvy_shape *out)
{
    (void)n_in;
    char from[128], to[128];
    struct cvy_shape made = {.rank = op->reshape.rank};
    if (made.rank > CVY_MAX_RANK)
        return cvy_fail(CVY_ERROR_UNSUPPORTED, "Reshape: rank %zu, at most %d is supported", made.rank,
                        CVY_MAX_RANK);
    size_t open = SIZE_MAX, elements, total = cvy_span_elements(&in[0].shape, 0, in[0].shape.rank);
    for (size_t i = 0; i < made.rank; i++) {
        enum cvy_status status = reshape_dim(op, &in[0].shape, i, &made.dims[i], &open);
        if (status != CVY_OK)
            return status;
    }
    enum cvy_status status = cvy_shape_elements(&made, &elements);
    if (status != CVY_OK)
        return status;
    if (open != SIZE_MAX && elements != 0 && total % elements == 0) {
        made.dims[open] = total / elements;
        elements = total;
    }
    if (elements != total)
        return cvy_fail(CVY_ERROR_INVALID, "Reshape: %s has %zu elements, %s would have %zu",
                        cvy_shape_format(&in[0].shape, from, sizeof(from)), total,
                        cvy_shape_format(&made, to, sizeof(to)), elements);
    *out = made;
    return CVY_OK;
}

static enum cvy_status settle_reshape(struct cvy_op *op, const struct cvy_operand *in, size_t *n_in)
{
    if (!cvy_operand_given(in, *n_in, 1))
        return CVY_OK;
    enum cvy_status status = cvy_operand_ints("Reshape: its shape", in, *n_in, 1, op->reshape.dims,
                                              CVY_MAX_RANK, &op->reshape.rank);
    *n_in = 1;
    return status;
}

/* The axes named, those of operand 1 or the attribute, as flags; rank: what they count in. */
static enum cvy_status read_axes(const char *what, const struct cvy_op *op, const struct cvy_operand *in,
                                 size_t n_in, size_t rank, bool *named, size_t *count)
{
    struct cvy_op_axes axes = op->axes;
    enum cvy_status status = CVY_OK;
    if (cvy_operand_given(in, n_in, 1))
        status = cvy_operand_ints(what, in, n_in, 1, axes.axes, CVY_MAX_RANK, &axes.count);
    *count = axes.count;
    rank = rank == SIZE_MAX ? in[0].shape.rank + axes.count : rank;
    if (status == CVY_OK && rank > CVY_MAX_RANK)
        return cvy_fail(CVY_ERROR_UNSUPPORTED, "%s: rank %zu, at most %d is supported", what, rank,
                        CVY_MAX_RANK);
    for (size_t i = 0; status == CVY_OK && i < axes.count; i++) {
        size_t axis;
        status = cvy_resolve_axis(what, axes.axes[i], rank, &axis);
        if (status == CVY_OK && named[axis])
            return cvy_fail(CVY_ERROR_INVALID, "%s name dimension %zu twice", what, axis);
        if (status == CVY_OK)
            named[axis] = true;
    }
    return status;
}

static enum cvy_status settle_squeeze(struct cvy_op *op, const struct cvy_operand *in, size_t *n_in)
{
    const struct cvy_shape *x = &in[0].shape;
    bool named[CVY_MAX_RANK] = {false};
    size_t count;
    enum cvy_status status = read_axes("Squeeze: axes", op, in, *n_in, x->rank, named, &count);
    if (status != CVY_OK)
        return status;
    struct cvy_op reshape = {.type = CVY_OP_RESHAPE, .reshape.allow_zero = true};
    for (size_t i = 0; i < x->rank; i++) {
        if (named[i] && x->dims[i] != 1)
            return cvy_fail(CVY_ERROR_INVALID, "Squeeze: dimension %zu has size %zu; only 1 can go", i,
                            x->dims[i]);
        if (!named[i] && (count > 0 || x->dims[i] != 1))
            reshape.reshape.dims[reshape.reshape.rank++] = (int64_t)x->dims[i];
    }
    *op = reshape;
    *n_in = 1;
    return CVY_OK;
}

static enum cvy_status settle_unsqueeze(struct cvy_op *op, const struct cvy_operand *in, size_t *n_in)
{
    const struct cvy_shape *x = &in[0].shape;
    bool named[CVY_MAX_RANK] = {false};
    size_t count, from = 0;
    enum cvy_status status = read_axes("Unsqueeze: axes", op, in, *n_in, SIZE_MAX, named, &count);
    if (status != CVY_OK)
        return status;
    struct cvy_op reshape = {.type = CVY_OP_RESHAPE,
                             .reshape = {.allow_zero = true, .rank = x->rank + count}};
    for (size_t i = 0; i < x->rank + count; i++)
        reshape.reshape.dims[i] = named[i] ? 1 : (int64_t)x->dims[from++];
    *op = reshape;
    *n_in = 1;
    return CVY_OK;
}

#define ALIAS_CLASS(infer_function)                                                                   \
    {                                                                                                 \
        .min_inputs = 1, .max_inputs = 1, .is_alias = true, .on_host = true, .infer = infer_function, \
    }
#define SETTLED_CLASS(settle_function)                                                                  \
    {                                                                                                   \
        .min_inputs = 1, .max_inputs = 2, .is_alias = true, .on_host = true, .settle = settle_function, \
        .infer = infer_reshape,                                                                         \
    }

const struct cvy_operator_class cvy_op_identity_class = {
    .min_inputs = 1,
    .max_inputs = 1,
    .is_alias = true,
    .on_host = true,
    .infer = infer_identity,
    .layouts = cvy_layouts_alike,
};
const struct cvy_operator_class cvy_op_flatten_class = ALIAS_CLASS(infer_flatten);
const struct cvy_operator_class cvy_op_reshape_class = SETTLED_CLASS(settle_reshape);
/* both become Reshape */
const struct cvy_operator_class cvy_op_squeeze_class = SETTLED_CLASS(settle_squeeze);
const struct cvy_operator_class cvy_op_unsqueeze_class = SETTLED_CLASS(settle_unsqueeze);
