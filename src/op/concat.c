#include <stdlib.h>

#include "base/arith.h"
#include "base/log.h"
#include "op/classes.h"
#include "op/strided.h"
#include "op/table.h"

/* One input's place in the output. */
struct part {
    struct cvy_buffer *table; /* 2, outer and inner size, strides in y */
    size_t count, offset;
};

struct concat {
    struct cvy_operator base;
    size_t n_parts;
    struct part *parts;
};

static enum cvy_status infer(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                             struct cvy_shape *out)
{
    struct cvy_shape made = in[0].shape;
    size_t axis;
    enum cvy_status status = cvy_resolve_axis("Concat", op->axis, made.rank, &axis);
    if (status != CVY_OK)
        return status;
    for (size_t i = 1; i < n_in; i++) {
        struct cvy_shape other = in[i].shape;
        if (!in[i].present)
            return cvy_fail(CVY_ERROR_INVALID, "Concat: input %zu is missing", i);
        if (other.rank == made.rank)
            other.dims[axis] = made.dims[axis];
        if (!cvy_shape_equal(&other, &made)) {
            char a[128], b[128];
            return cvy_fail(CVY_ERROR_INVALID, "Concat: shapes %s and %s differ in more than axis %zu",
                            cvy_shape_format(&in[0].shape, a, sizeof(a)),
                            cvy_shape_format(&in[i].shape, b, sizeof(b)), axis);
        }
        if (!cvy_add(made.dims[axis], in[i].shape.dims[axis], &made.dims[axis]))
            return cvy_fail(CVY_ERROR_INVALID, "Concat: the sizes along axis %zu overflow", axis);
    }
    *out = made;
    return CVY_OK;
}

static enum cvy_status init(struct cvy_operator *self, const struct cvy_operand *in, size_t n_in,
                            const struct cvy_operator_params *params)
{
    (void)params;
    struct concat *concat = (struct concat *)self;
    size_t axis, offset = 0;
    concat->parts = calloc(n_in, sizeof(*concat->parts));
    if (concat->parts == NULL)
        return cvy_fail_memory("Concat", n_in * sizeof(*concat->parts));
    concat->n_parts = n_in;
    enum cvy_status status = cvy_resolve_axis("Concat", self->op.axis, self->out.rank, &axis);
    for (size_t i = 0; status == CVY_OK && i < n_in; i++) {
        const struct cvy_shape *x = &in[i].shape;
        size_t inner = cvy_span_elements(x, axis, x->rank);
        struct cvy_table table = {0};
        cvy_table_add(&table, 2);
        cvy_table_add(&table, cvy_span_elements(x, 0, axis));
        cvy_table_add(&table, inner);
        cvy_table_add(&table, cvy_span_elements(&self->out, axis, self->out.rank));
        cvy_table_add(&table, 1);
        status = cvy_table_upload(&table, self->device, &concat->parts[i].table);
        concat->parts[i].count = cvy_span_elements(x, 0, x->rank);
        concat->parts[i].offset = offset;
        offset += inner;
    }
    return status == CVY_OK ? cvy_strided_build(self->device, "scatter") : status;
}

static enum cvy_status enqueue(struct cvy_operator *self, struct cvy_buffer *const *in, size_t n_in,
                               struct cvy_buffer *out, struct cvy_buffer *workspace)
{
    (void)workspace;
    const struct concat *concat = (struct concat *)self;
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < n_in; i++)
        status = cvy_strided_enqueue(self->device, "scatter", in[i], out, concat->parts[i].table,
                                     concat->parts[i].count, concat->parts[i].offset);
    return status;
}

static void finish(struct cvy_operator *self)
{
    struct concat *concat = (struct concat *)self;
    for (size_t i = 0; i < concat->n_parts; i++)
        cvy_buffer_destroy(&concat->parts[i].table);
    free(concat->parts);
}

const struct cvy_operator_class cvy_op_concat_class = {
    .min_inputs = 1,
    .max_inputs = SIZE_MAX,
    .on_host = true,
    .infer = infer,
    .size = sizeof(struct concat),
    .init = init,
    .enqueue = enqueue,
    .finish = finish,
};
