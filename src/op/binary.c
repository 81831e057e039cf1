#include "base/arith.h"
#include "base/log.h"
#include "op/classes.h"
#include "op/table.h"
#include "runtime/launch.h"

struct binary {
    struct cvy_operator base;
    struct cvy_buffer *table; /* rank, sizes of y, strides of a, strides of b */
};

static enum cvy_status infer(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                             struct cvy_shape *out)
{
    (void)n_in;
    struct cvy_shape made = {.rank = CVY_MAX(in[0].shape.rank, in[1].shape.rank)};
    for (size_t i = 0; i < made.rank; i++) {
        size_t a = cvy_aligned_dim(&in[0].shape, made.rank, i),
               b = cvy_aligned_dim(&in[1].shape, made.rank, i);
        bool fits = a == b || b == 1 || (a == 1 && op->type != CVY_OP_PRELU);
        if (!fits) {
            char x[128], y[128];
            return cvy_fail(CVY_ERROR_INVALID, "%s: shapes %s and %s do not broadcast: %zu against %zu",
                            cvy_op_name(op), cvy_shape_format(&in[0].shape, x, sizeof(x)),
                            cvy_shape_format(&in[1].shape, y, sizeof(y)), a, b);
        }
        made.dims[i] = a == 1 ? b : a;
    }
    *out = made;
    return CVY_OK;
}

static void add_strides(struct cvy_table *table, const struct cvy_shape *shape, size_t rank)
{
    size_t strides[CVY_MAX_RANK];
    cvy_strides(shape, strides);
    for (size_t i = 0; i < rank; i++)
        cvy_table_add(table, cvy_aligned_dim(shape, rank, i) == 1 ? 0 : strides[i - (rank - shape->rank)]);
}

static void describe(const struct cvy_operator *self, struct cvy_launch *launch)
{
    static const char *const functions[CVY_OP_TYPES] = {
        [CVY_OP_PRELU] = "PRELU",
        [CVY_OP_ADD] = "ADD",
        [CVY_OP_SUB] = "SUB",
        [CVY_OP_MUL] = "MUL",
        [CVY_OP_DIV] = "DIV",
        [CVY_OP_POW] = "POW",
        [CVY_OP_MIN] = "MIN",
        [CVY_OP_MAX] = "MAX",
        [CVY_OP_MOD] = "MOD",
        [CVY_OP_FMOD] = "FMOD",
        [CVY_OP_EQUAL] = "EQUAL",
        [CVY_OP_LESS] = "LESS",
        [CVY_OP_LESS_EQUAL] = "LESS_EQUAL",
        [CVY_OP_GREATER] = "GREATER",
        [CVY_OP_GREATER_EQUAL] = "GREATER_EQUAL",
        [CVY_OP_AND] = "AND",
        [CVY_OP_OR] = "OR",
    };
    cvy_launch_init(launch, "binary", "binary");
    cvy_launch_define_text(launch, "FUNCTION", functions[self->op.type]);
}

static enum cvy_status init(struct cvy_operator *self, const struct cvy_operand *in, size_t n_in,
                            const struct cvy_operator_params *params)
{
    (void)n_in;
    (void)params;
    struct binary *binary = (struct binary *)self;
    struct cvy_table table = {0};
    cvy_table_add(&table, self->out.rank);
    for (size_t i = 0; i < self->out.rank; i++)
        cvy_table_add(&table, self->out.dims[i]);
    add_strides(&table, &in[0].shape, self->out.rank);
    add_strides(&table, &in[1].shape, self->out.rank);
    enum cvy_status status = cvy_table_upload(&table, self->device, &binary->table);
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
    size_t count = cvy_span_elements(&self->out, 0, self->out.rank);
    struct cvy_launch launch;
    describe(self, &launch);
    cvy_launch_buffer(&launch, in[0]);
    cvy_launch_buffer(&launch, in[1]);
    cvy_launch_buffer(&launch, out);
    cvy_launch_buffer(&launch, ((struct binary *)self)->table);
    cvy_launch_int(&launch, count);
    cvy_launch_range(&launch, 1, &count, NULL);
    return cvy_launch_run(self->device, &launch);
}

static void finish(struct cvy_operator *self)
{
    cvy_buffer_destroy(&((struct binary *)self)->table);
}

const struct cvy_operator_class cvy_op_binary_class = {
    .min_inputs = 2,
    .max_inputs = 2,
    .in_place = 1 << 0 | 1 << 1,
    .on_host = true,
    .infer = infer,
    .size = sizeof(struct binary),
    .init = init,
    .enqueue = enqueue,
    .finish = finish,
};
