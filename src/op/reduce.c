/* Sums, means, largest and smallest values and products over some dimensions. */
#include "base/arith.h"
#include "base/log.h"
#include "op/classes.h"
#include "op/settle.h"
#include "op/table.h"
#include "runtime/launch.h"

struct reduce {
    struct cvy_operator base;
    struct cvy_buffer *table; /* dimensions kept: rank, sizes, strides; then those reduced */
    size_t kept, reduced;     /* elements */
};

/* A mean over all spatial axes alone, which a network computes. */
static bool is_global_mean(const struct cvy_op *op, const struct cvy_operand *x)
{
    const struct cvy_op_axes *axes = &op->reduce.axes;
    bool seen[CVY_MAX_RANK] = {false};
    if (op->type != CVY_OP_REDUCE_MEAN || !op->reduce.keep_dims || x->constant != NULL || x->shape.rank < 3 ||
        x->dtype != CVY_FLOAT32 || axes->count != x->shape.rank - 2)
        return false;
    for (size_t i = 0; i < axes->count; i++) {
        int64_t axis = axes->axes[i] + (axes->axes[i] < 0 ? (int64_t)x->shape.rank : 0);
        if (axis < 2 || axis >= (int64_t)x->shape.rank || seen[axis])
            return false;
        seen[axis] = true;
    }
    return true;
}

static enum cvy_status settle(struct cvy_op *op, const struct cvy_operand *in, size_t *n_in)
{
    struct cvy_op_axes *axes = &op->reduce.axes;
    enum cvy_status status = CVY_OK;
    if (cvy_operand_given(in, *n_in, 1))
        status = cvy_operand_ints("its axes", in, *n_in, 1, axes->axes, CVY_MAX_RANK, &axes->count);
    *n_in = 1;
    if (status == CVY_OK && is_global_mean(op, &in[0]))
        *op = (struct cvy_op){.type = CVY_OP_GLOBAL_AVERAGE_POOL};
    return status;
}

static enum cvy_status settle_global(struct cvy_op *op, const struct cvy_operand *in, size_t *n_in)
{
    (void)n_in;
    const size_t rank = in[0].shape.rank;
    struct cvy_op made = {.type = CVY_OP_REDUCE_MAX, .reduce = {.keep_dims = true, .none_is_none = true}};
    if (rank < 3)
        return cvy_fail(CVY_ERROR_INVALID, "GlobalMaxPool: x has rank %zu; N C and a spatial axis are needed",
                        rank);
    for (size_t i = 2; i < rank; i++)
        made.reduce.axes.axes[made.reduce.axes.count++] = (int64_t)i;
    *op = made;
    return CVY_OK;
}

/* Which dimensions go. */
static enum cvy_status read_axes(const struct cvy_op *op, const struct cvy_shape *x, bool *goes)
{
    const struct cvy_op_axes *axes = &op->reduce.axes;
    for (size_t i = 0; i < x->rank; i++)
        goes[i] = axes->count == 0 && !op->reduce.none_is_none;
    for (size_t i = 0; i < axes->count; i++) {
        size_t axis;
        enum cvy_status status = cvy_resolve_axis(cvy_op_name(op), axes->axes[i], x->rank, &axis);
        if (status != CVY_OK)
            return status;
        goes[axis] = true;
    }
    return CVY_OK;
}

static enum cvy_status infer(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                             struct cvy_shape *out)
{
    (void)n_in;
    bool goes[CVY_MAX_RANK];
    struct cvy_shape made = {0};
    enum cvy_status status = read_axes(op, &in[0].shape, goes);
    if (status != CVY_OK)
        return status;
    for (size_t i = 0; i < in[0].shape.rank; i++) {
        if (!goes[i] || op->reduce.keep_dims)
            made.dims[made.rank++] = goes[i] ? 1 : in[0].shape.dims[i];
    }
    *out = made;
    return CVY_OK;
}

/* The dimensions that go, or stay, with neighbours merged into one. Returns how many elements they have. */
static size_t add_dims(struct cvy_table *table, const struct cvy_shape *x, const bool *goes, bool wanted)
{
    size_t strides[CVY_MAX_RANK], sizes[CVY_MAX_RANK], steps[CVY_MAX_RANK], rank = 0, elements = 1;
    cvy_strides(x, strides);
    for (size_t i = 0; i < x->rank; i++) {
        if (goes[i] != wanted)
            continue;
        elements *= x->dims[i];
        if (rank > 0 && i > 0 && goes[i - 1] == wanted) {
            sizes[rank - 1] *= x->dims[i];
            steps[rank - 1] = strides[i];
        } else {
            sizes[rank] = x->dims[i];
            steps[rank++] = strides[i];
        }
    }
    cvy_table_add(table, rank);
    for (size_t i = 0; i < rank; i++)
        cvy_table_add(table, sizes[i]);
    for (size_t i = 0; i < rank; i++)
        cvy_table_add(table, steps[i]);
    return elements;
}

static void describe(const struct cvy_operator *self, struct cvy_launch *launch)
{
    static const char *const names[CVY_OP_TYPES] = {
        [CVY_OP_REDUCE_SUM] = "SUM",      [CVY_OP_REDUCE_MEAN] = "MEAN",    [CVY_OP_REDUCE_MAX] = "LARGEST",
        [CVY_OP_REDUCE_MIN] = "SMALLEST", [CVY_OP_REDUCE_PROD] = "PRODUCT",
    };
    cvy_launch_init(launch, "reduce", "reduce");
    cvy_launch_define_text(launch, "FUNCTION", names[self->op.type]);
}

static enum cvy_status init(struct cvy_operator *self, const struct cvy_operand *in, size_t n_in,
                            const struct cvy_operator_params *params)
{
    (void)n_in;
    (void)params;
    struct reduce *reduce = (struct reduce *)self;
    struct cvy_table table = {0};
    bool goes[CVY_MAX_RANK];
    enum cvy_status status = read_axes(&self->op, &in[0].shape, goes);
    if (status != CVY_OK)
        return status;
    reduce->kept = add_dims(&table, &in[0].shape, goes, false);
    reduce->reduced = add_dims(&table, &in[0].shape, goes, true);
    status = cvy_table_upload(&table, self->device, &reduce->table);
    if (status != CVY_OK)
        return status;
    struct cvy_launch launch;
    describe(self, &launch);
    return cvy_launch_prepare(self->device, &launch);
}

static enum cvy_status enqueue(struct cvy_operator *self, struct cvy_buffer *const *in, size_t n_in,
                               struct cvy_buffer *out, struct cvy_buffer *workspace)
{
    (void)n_in;
    (void)workspace;
    const struct reduce *reduce = (struct reduce *)self;
    struct cvy_launch launch;
    describe(self, &launch);
    cvy_launch_buffer(&launch, in[0]);
    cvy_launch_buffer(&launch, out);
    cvy_launch_buffer(&launch, reduce->table);
    cvy_launch_int(&launch, reduce->kept);
    cvy_launch_int(&launch, reduce->reduced);
    cvy_launch_range(&launch, 1, &reduce->kept, NULL);
    return cvy_launch_run(self->device, &launch);
}

static void finish(struct cvy_operator *self)
{
    cvy_buffer_destroy(&((struct reduce *)self)->table);
}

const struct cvy_operator_class cvy_op_reduce_class = {
    .min_inputs = 1,
    .max_inputs = 2,
    .on_host = true,
    .settle = settle,
    .infer = infer,
    .size = sizeof(struct reduce),
    .init = init,
    .enqueue = enqueue,
    .finish = finish,
};

/* becomes ReduceMax */
const struct cvy_operator_class cvy_op_global_max_pool_class = {
    .min_inputs = 1,
    .max_inputs = 1,
    .on_host = true,
    .settle = settle_global,
    .infer = infer,
    .size = sizeof(struct reduce),
    .init = init,
    .enqueue = enqueue,
    .finish = finish,
};
