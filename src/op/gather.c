#include <stdlib.h>

#include "base/arith.h"
#include "base/log.h"
#include "op/classes.h"
#include "op/table.h"
#include "runtime/buffer.h"
#include "runtime/launch.h"

struct gather {
    struct cvy_operator base;
    struct cvy_buffer *index; /* positions along the axis, none of them negative */
    size_t n_indices, size, inner;
};

static enum cvy_status infer_dtype(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                   enum cvy_dtype *dtype)
{
    (void)n_in;
    if (in[1].constant == NULL)
        return cvy_fail(
            CVY_ERROR_UNSUPPORTED,
            "Gather: its indices must be constants, or follow from shapes; the network computes them");
    if (in[1].dtype != CVY_INT64 && in[1].dtype != CVY_INT32)
        return cvy_fail(CVY_ERROR_INVALID, "Gather: its indices are %s; they must be int64 or int32",
                        cvy_dtype_name(in[1].dtype));
    if (!cvy_operator_is_known(op, in, 2) && in[0].dtype != CVY_FLOAT32)
        return cvy_fail(CVY_ERROR_UNSUPPORTED, "Gather: x is %s; it moves float32, so convert it",
                        cvy_dtype_name(in[0].dtype));
    *dtype = in[0].dtype;
    return CVY_OK;
}

/* The indices, counted from the front; to be freed. NULL on failure. */
static enum cvy_status read_indices(const struct cvy_operand *in, size_t size, int **indices)
{
    struct cvy_tensor wide = {0};
    enum cvy_status status = cvy_tensor_convert(&wide, in[1].constant, CVY_INT64);
    if (status != CVY_OK)
        return status;
    int *made = calloc(wide.elements + 1, sizeof(*made));
    if (made == NULL)
        status = cvy_fail_memory("Gather", wide.elements * sizeof(*made));
    for (size_t i = 0; status == CVY_OK && i < wide.elements; i++) {
        int64_t index = ((const int64_t *)wide.data)[i];
        if (index < -(int64_t)size || index >= (int64_t)size)
            status = cvy_fail(CVY_ERROR_INVALID, "Gather: index %lld is outside a dimension of size %zu",
                              (long long)index, size);
        else
            made[i] = (int)(index < 0 ? index + (int64_t)size : index);
    }
    cvy_tensor_finish(&wide);
    if (status == CVY_OK)
        *indices = made;
    else
        free(made);
    return status;
}

static enum cvy_status infer(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                             struct cvy_shape *out)
{
    (void)n_in;
    const struct cvy_shape *x = &in[0].shape, *i = &in[1].shape;
    size_t axis;
    int *indices;
    enum cvy_status status = cvy_resolve_axis("Gather", op->axis, x->rank, &axis);
    if (status != CVY_OK)
        return status;
    if (x->rank + i->rank > CVY_MAX_RANK + 1)
        return cvy_fail(CVY_ERROR_UNSUPPORTED, "Gather: rank %zu, at most %d is supported",
                        x->rank + i->rank - 1, CVY_MAX_RANK);
    if ((status = read_indices(in, x->dims[axis], &indices)) != CVY_OK)
        return status;
    free(indices);
    struct cvy_shape made = {0};
    for (size_t d = 0; d < axis; d++)
        made.dims[made.rank++] = x->dims[d];
    for (size_t d = 0; d < i->rank; d++)
        made.dims[made.rank++] = i->dims[d];
    for (size_t d = axis + 1; d < x->rank; d++)
        made.dims[made.rank++] = x->dims[d];
    *out = made;
    return CVY_OK;
}

static enum cvy_status init(struct cvy_operator *self, const struct cvy_operand *in, size_t n_in,
                            const struct cvy_operator_params *params)
{
    (void)n_in;
    (void)params;
    struct gather *gather = (struct gather *)self;
    const struct cvy_shape *x = &in[0].shape;
    size_t axis;
    int *indices;
    enum cvy_status status = cvy_resolve_axis("Gather", self->op.axis, x->rank, &axis);
    if (status != CVY_OK || (status = read_indices(in, x->dims[axis], &indices)) != CVY_OK)
        return status;
    gather->n_indices = in[1].constant->elements;
    gather->size = x->dims[axis];
    gather->inner = cvy_span_elements(x, axis + 1, x->rank);
    status = cvy_buffer_upload(&gather->index, self->device, gather->n_indices * sizeof(*indices), indices);
    free(indices);
    if (status != CVY_OK)
        return status;
    struct cvy_launch launch;
    cvy_launch_init(&launch, "gather", "gather");
    return cvy_launch_prepare(self->device, &launch);
}

static enum cvy_status enqueue(struct cvy_operator *self, struct cvy_buffer *const *in, size_t n_in,
                               struct cvy_buffer *out, struct cvy_buffer *workspace)
{
    (void)n_in;
    (void)workspace;
    const struct gather *gather = (struct gather *)self;
    size_t count = cvy_span_elements(&self->out, 0, self->out.rank);
    struct cvy_launch launch;
    cvy_launch_init(&launch, "gather", "gather");
    cvy_launch_buffer(&launch, in[0]);
    cvy_launch_buffer(&launch, out);
    cvy_launch_buffer(&launch, gather->index);
    cvy_launch_int(&launch, count);
    cvy_launch_int(&launch, gather->n_indices);
    cvy_launch_int(&launch, gather->size);
    cvy_launch_int(&launch, gather->inner);
    cvy_launch_range(&launch, 1, &count, NULL);
    return cvy_launch_run(self->device, &launch);
}

static void finish(struct cvy_operator *self)
{
    cvy_buffer_destroy(&((struct gather *)self)->index);
}

const struct cvy_operator_class cvy_op_gather_class = {
    .min_inputs = 2,
    .max_inputs = 2,
    .on_host = true,
    .infer = infer,
    .infer_dtype = infer_dtype,
    .size = sizeof(struct gather),
    .init = init,
    .enqueue = enqueue,
    .finish = finish,
};
