#include "base/arith.h"
#include "base/log.h"
#include "op/classes.h"
#include "op/table.h"
#include "runtime/launch.h"

struct where {
    struct cvy_operator base;
    struct cvy_buffer *table; /* rank, sizes of y, strides of the condition, of a, of b */
};

static enum cvy_status infer(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                             struct cvy_shape *out)
{
    (void)op;
    struct cvy_shape made = {0};
    for (size_t k = 0; k < n_in; k++)
        made.rank = CVY_MAX(made.rank, in[k].shape.rank);
    for (size_t i = 0; i < made.rank; i++) {
        made.dims[i] = 1;
        for (size_t k = 0; k < n_in; k++) {
            size_t size = cvy_aligned_dim(&in[k].shape, made.rank, i);
            if (size != 1 && made.dims[i] != 1 && size != made.dims[i])
                return cvy_fail(CVY_ERROR_INVALID,
                                "Where: dimension %zu is %zu and %zu, which do not broadcast", i,
                                made.dims[i], size);
            made.dims[i] = size == 1 ? made.dims[i] : size;
        }
    }
    *out = made;
    return CVY_OK;
}

static enum cvy_status infer_dtype(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                   enum cvy_dtype *dtype)
{
    bool known = cvy_operator_is_known(op, in, n_in);
    for (size_t i = 0; !known && i < n_in; i++) {
        if (in[i].dtype != CVY_FLOAT32)
            return cvy_fail(CVY_ERROR_UNSUPPORTED,
                            "Where: input %zu is %s; it chooses among float32, so convert it", i,
                            cvy_dtype_name(in[i].dtype));
    }
    *dtype = in[1].dtype;
    return CVY_OK;
}

static enum cvy_status init(struct cvy_operator *self, const struct cvy_operand *in, size_t n_in,
                            const struct cvy_operator_params *params)
{
    (void)params;
    struct cvy_table table = {0};
    const size_t rank = self->out.rank;
    cvy_table_add(&table, rank);
    for (size_t i = 0; i < rank; i++)
        cvy_table_add(&table, self->out.dims[i]);
    for (size_t k = 0; k < n_in; k++) {
        size_t strides[CVY_MAX_RANK], missing = rank - in[k].shape.rank;
        cvy_strides(&in[k].shape, strides);
        for (size_t i = 0; i < rank; i++)
            cvy_table_add(&table, cvy_aligned_dim(&in[k].shape, rank, i) == 1 ? 0 : strides[i - missing]);
    }
    enum cvy_status status = cvy_table_upload(&table, self->device, &((struct where *)self)->table);
    if (status != CVY_OK)
        return status;
    struct cvy_launch launch;
    cvy_launch_init(&launch, "where", "where");
    return cvy_launch_prepare(self->device, &launch);
}

static enum cvy_status enqueue(struct cvy_operator *self, struct cvy_buffer *const *in, size_t n_in,
                               struct cvy_buffer *out, struct cvy_buffer *workspace)
{
    (void)workspace;
    size_t count = cvy_span_elements(&self->out, 0, self->out.rank);
    struct cvy_launch launch;
    cvy_launch_init(&launch, "where", "where");
    for (size_t i = 0; i < n_in; i++)
        cvy_launch_buffer(&launch, in[i]);
    cvy_launch_buffer(&launch, out);
    cvy_launch_buffer(&launch, ((struct where *)self)->table);
    cvy_launch_int(&launch, count);
    cvy_launch_range(&launch, 1, &count, NULL);
    return cvy_launch_run(self->device, &launch);
}

static void finish(struct cvy_operator *self)
{
    cvy_buffer_destroy(&((struct where *)self)->table);
}

const struct cvy_operator_class cvy_op_where_class = {
    .min_inputs = 3,
    .max_inputs = 3,
    .on_host = true,
    .infer = infer,
    .infer_dtype = infer_dtype,
    .size = sizeof(struct where),
    .init = init,
    .enqueue = enqueue,
    .finish = finish,
};
