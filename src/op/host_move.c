#include "op/host_move.h"

#include <math.h>

#include "op/slice.h"

static size_t from_front(int64_t axis, size_t rank)
{
    return axis < 0 ? (size_t)(axis + (int64_t)rank) : (size_t)axis;
}

double cvy_host_read(const struct cvy_host_tensor *tensor, const size_t *at, size_t rank)
{
    size_t index = 0;
    for (size_t i = 0; i < tensor->shape.rank; i++) {
        size_t size = tensor->shape.dims[i];
        index = index * size + (size == 1 ? 0 : at[rank - tensor->shape.rank + i]);
    }
    return tensor->values[index];
}

static double slice(const struct cvy_op *op, const struct cvy_host_tensor *x, const size_t *at)
{
    size_t from[CVY_MAX_RANK];
    for (size_t i = 0; i < x->shape.rank; i++)
        from[i] = at[i];
    for (size_t i = 0; i < op->slice.count; i++) {
        struct cvy_slice_axis axis;
        if (cvy_slice_axis(&op->slice, i, &x->shape, &axis) == CVY_OK)
            from[axis.axis] = (size_t)((int64_t)axis.begin + (int64_t)at[axis.axis] * axis.step);
    }
    return cvy_host_read(x, from, x->shape.rank);
}

static double tile(const struct cvy_host_tensor *x, const size_t *at)
{
    size_t from[CVY_MAX_RANK];
    for (size_t i = 0; i < x->shape.rank; i++)
        from[i] = at[i] % x->shape.dims[i];
    return cvy_host_read(x, from, x->shape.rank);
}

static double space_to_depth(const struct cvy_op *op, const struct cvy_host_tensor *x, const size_t *at)
{
    size_t block = op->depth_to_space.block, channels = x->shape.dims[1], inside = at[1] / channels;
    const size_t from[4] = {at[0], at[1] % channels, at[2] * block + inside / block,
                            at[3] * block + inside % block};
    return cvy_host_read(x, from, 4);
}

/* Before the axis as in y, on it the index that the middle of y's position names, behind it as in y. */
static double gather(const struct cvy_op *op, const struct cvy_host_tensor *in, const size_t *at)
{
    size_t axis = from_front(op->axis, in[0].shape.rank), middle = in[1].shape.rank, from[CVY_MAX_RANK];
    double index = cvy_host_read(&in[1], at + axis, middle);
    for (size_t i = 0; i < in[0].shape.rank; i++)
        from[i] = i < axis ? at[i] : i + middle > 0 ? at[i + middle - 1] : 0;
    from[axis] = (size_t)(index < 0 ? index + (double)in[0].shape.dims[axis] : index);
    return cvy_host_read(&in[0], from, in[0].shape.rank);
}

static double combine(enum cvy_op_type type, double a, double b)
{
    switch (type) {
    case CVY_OP_REDUCE_MAX:
        return fmax(a, b);
    case CVY_OP_REDUCE_MIN:
        return fmin(a, b);
    case CVY_OP_REDUCE_PROD:
        return a * b;
    default:
        return a + b;
    }
}

static double reduce(const struct cvy_op *op, const struct cvy_host_tensor *x, const size_t *at)
{
    const struct cvy_op_axes *axes = &op->reduce.axes;
    bool goes[CVY_MAX_RANK] = {false};
    size_t rank = x->shape.rank, from[CVY_MAX_RANK], count = 1, kept = 0;
    for (size_t i = 0; i < rank; i++)
        goes[i] = axes->count == 0 && !op->reduce.none_is_none;
    for (size_t i = 0; i < axes->count; i++)
        goes[from_front(axes->axes[i], rank)] = true;
    for (size_t i = 0; i < rank; i++) {
        count *= goes[i] ? x->shape.dims[i] : 1;
        from[i] = goes[i] ? 0 : at[op->reduce.keep_dims ? i : kept];
        kept += !goes[i];
    }
    double value = 0;
    for (size_t n = 0; n < count; n++) {
        size_t rest = n;
        for (size_t i = rank; i-- > 0;) {
            from[i] = goes[i] ? rest % x->shape.dims[i] : from[i];
            rest = goes[i] ? rest / x->shape.dims[i] : rest;
        }
        double next = cvy_host_read(x, from, rank);
        value = n == 0 ? next : combine(op->type, value, next);
    }
    return op->type == CVY_OP_REDUCE_MEAN ? value / (double)count : value;
}

static double lrn(const struct cvy_op *op, const struct cvy_host_tensor *x, const size_t *at)
{
    const int64_t c = (int64_t)at[1], size = (int64_t)op->lrn.size, channels = (int64_t)x->shape.dims[1];
    size_t from[CVY_MAX_RANK];
    double sum = 0;
    for (size_t i = 0; i < x->shape.rank; i++)
        from[i] = at[i];
    for (int64_t k = c - (size - 1) / 2; k <= c + size / 2; k++) {
        from[1] = (size_t)k;
        sum += k < 0 || k >= channels ? 0 : pow(cvy_host_read(x, from, x->shape.rank), 2);
    }
    double base = (double)op->lrn.bias + (double)op->lrn.alpha / (double)size * sum;
    return cvy_host_read(x, at, x->shape.rank) / pow(base, (double)op->lrn.beta);
}

static double matmul(const struct cvy_host_tensor *in, const struct cvy_host_tensor *y, const size_t *at)
{
    const struct cvy_shape *a = &in[0].shape, *b = &in[1].shape;
    const size_t inner = a->dims[a->rank - 1], rank = y->shape.rank;
    const bool column = a->rank > 1, row = b->rank > 1;
    size_t batch = rank - column - row, place_a[CVY_MAX_RANK + 2], place_b[CVY_MAX_RANK + 2];
    double sum = 0;
    for (size_t i = 0; i < batch; i++)
        place_a[i] = place_b[i] = at[i];
    for (size_t l = 0; l < inner; l++) {
        size_t n_a = batch, n_b = batch;
        if (column)
            place_a[n_a++] = at[batch];
        place_a[n_a++] = l;
        place_b[n_b++] = l;
        if (row)
            place_b[n_b++] = at[rank - 1];
        sum += cvy_host_read(&in[0], place_a, n_a) * cvy_host_read(&in[1], place_b, n_b);
    }
    return sum;
}

/* Cutting down to whole numbers is done with the result. */
static double cast(const struct cvy_op *op, double x)
{
    return op->cast.dtype == CVY_BOOL ? fpclassify(x) != FP_ZERO : x;
}

static double shape_entry(const struct cvy_op *op, const struct cvy_host_tensor *x, size_t i)
{
    int64_t begin = op->shape.begin < 0 ? op->shape.begin + (int64_t)x->shape.rank : op->shape.begin;
    return (double)x->shape.dims[(size_t)(begin < 0 ? 0 : begin) + i];
}

bool cvy_host_move(const struct cvy_op *op, const struct cvy_host_tensor *in, const struct cvy_host_tensor *y,
                   const size_t *at, double *value)
{
    const size_t rank = y->shape.rank;
    switch (op->type) {
    case CVY_OP_SLICE:
        *value = slice(op, &in[0], at);
        return true;
    case CVY_OP_EXPAND:
        *value = cvy_host_read(&in[0], at, rank);
        return true;
    case CVY_OP_TILE:
        *value = tile(&in[0], at);
        return true;
    case CVY_OP_SPACE_TO_DEPTH:
        *value = space_to_depth(op, &in[0], at);
        return true;
    case CVY_OP_GATHER:
        *value = gather(op, in, at);
        return true;
    case CVY_OP_WHERE:
        *value = fpclassify(cvy_host_read(&in[0], at, rank)) != FP_ZERO ? cvy_host_read(&in[1], at, rank)
                                                                        : cvy_host_read(&in[2], at, rank);
        return true;
    case CVY_OP_REDUCE_SUM:
    case CVY_OP_REDUCE_MEAN:
    case CVY_OP_REDUCE_MAX:
    case CVY_OP_REDUCE_MIN:
    case CVY_OP_REDUCE_PROD:
        *value = reduce(op, &in[0], at);
        return true;
    case CVY_OP_LRN:
        *value = lrn(op, &in[0], at);
        return true;
    case CVY_OP_MATMUL:
        *value = matmul(in, y, at);
        return true;
    case CVY_OP_CAST:
        *value = cast(op, cvy_host_read(&in[0], at, rank));
        return true;
    case CVY_OP_SHAPE:
        *value = shape_entry(op, &in[0], at[0]);
        return true;
    case CVY_OP_RANGE:
        *value = in[0].values[0] + (double)at[0] * in[2].values[0];
        return true;
    default:
        return false;
    }
}
