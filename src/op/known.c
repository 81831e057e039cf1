/* Operators that give what is known when a plan is made: Shape, Cast, Range, ConstantOfShape. They have no
 * kernels. */
#include <math.h>

#include "base/arith.h"
#include "base/log.h"
#include "op/classes.h"
#include "op/settle.h"

/* A bound of Shape within 0..rank. */
static size_t shape_bound(int64_t bound, size_t rank)
{
    int64_t from_front = bound < 0 ? bound + (int64_t)rank : bound;
    return (size_t)CVY_MIN(CVY_MAX(from_front, 0), (int64_t)rank);
}

static enum cvy_status infer_shape(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                   struct cvy_shape *out)
{
    (void)n_in;
    size_t rank = in[0].shape.rank, begin = shape_bound(op->shape.begin, rank);
    size_t end = op->shape.end == 0 ? rank : shape_bound(op->shape.end, rank);
    *out = (struct cvy_shape){1, {end > begin ? end - begin : 0}};
    return CVY_OK;
}

static enum cvy_status infer_shape_dtype(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                         enum cvy_dtype *dtype)
{
    (void)op;
    (void)in;
    (void)n_in;
    *dtype = CVY_INT64;
    return CVY_OK;
}

/* Nothing to do where the type stays; a truth value that the network computes is float32 already. */
static enum cvy_status settle_cast(struct cvy_op *op, const struct cvy_operand *in, size_t *n_in)
{
    (void)n_in;
    if (in[0].dtype == op->cast.dtype)
        *op = (struct cvy_op){.type = CVY_OP_IDENTITY};
    return CVY_OK;
}

static enum cvy_status infer_cast(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                  struct cvy_shape *out)
{
    (void)op;
    (void)n_in;
    *out = in[0].shape;
    return CVY_OK;
}

static enum cvy_status infer_cast_dtype(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                        enum cvy_dtype *dtype)
{
    (void)in;
    (void)n_in;
    *dtype = op->cast.dtype;
    return CVY_OK;
}

static enum cvy_status infer_range(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                   struct cvy_shape *out)
{
    (void)op;
    double bounds[3];
    for (size_t i = 0; i < n_in; i++) {
        struct cvy_tensor value = {0};
        if (in[i].constant->elements != 1)
            return cvy_fail(CVY_ERROR_INVALID, "Range: input %zu has %zu elements; it must be a scalar", i,
                            in[i].constant->elements);
        enum cvy_status status = cvy_tensor_convert(&value, in[i].constant, CVY_FLOAT64);
        if (status != CVY_OK)
            return status;
        bounds[i] = *(const double *)value.data;
        cvy_tensor_finish(&value);
    }
    double count = ceil((bounds[1] - bounds[0]) / bounds[2]);
    if (!(count <= INT_MAX))
        return cvy_fail(CVY_ERROR_INVALID, "Range: from %g to %g in steps of %g: that has no end", bounds[0],
                        bounds[1], bounds[2]);
    *out = (struct cvy_shape){1, {count > 0 ? (size_t)count : 0}};
    return CVY_OK;
}

static enum cvy_status infer_fill(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                  struct cvy_shape *out)
{
    int64_t dims[CVY_MAX_RANK];
    struct cvy_shape made = {0};
    (void)op;
    enum cvy_status status =
        cvy_operand_ints("ConstantOfShape: its shape", in, n_in, 0, dims, CVY_MAX_RANK, &made.rank);
    for (size_t i = 0; status == CVY_OK && i < made.rank; i++) {
        if (dims[i] < 0)
            return cvy_fail(CVY_ERROR_INVALID, "ConstantOfShape: dimension %zu is %lld; 0 is the least", i,
                            (long long)dims[i]);
        made.dims[i] = (size_t)dims[i];
    }
    if (status == CVY_OK)
        *out = made;
    return status;
}

static enum cvy_status infer_fill_dtype(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                        enum cvy_dtype *dtype)
{
    (void)in;
    (void)n_in;
    *dtype = op->fill.dtype;
    return CVY_OK;
}

const struct cvy_operator_class cvy_op_shape_class = {
    .min_inputs = 1,
    .max_inputs = 1,
    .on_host = true,
    .by_shape = true,
    .infer = infer_shape,
    .infer_dtype = infer_shape_dtype,
};

const struct cvy_operator_class cvy_op_cast_class = {
    .min_inputs = 1,
    .max_inputs = 1,
    .on_host = true,
    .settle = settle_cast,
    .infer = infer_cast,
    .infer_dtype = infer_cast_dtype,
};

const struct cvy_operator_class cvy_op_range_class = {
    .min_inputs = 3,
    .max_inputs = 3,
    .on_host = true,
    .infer = infer_range,
};

const struct cvy_operator_class cvy_op_constant_of_shape_class = {
    .min_inputs = 1,
    .max_inputs = 1,
    .on_host = true,
    .infer = infer_fill,
    .infer_dtype = infer_fill_dtype,
};
