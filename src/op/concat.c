#include <stdlib.h>

#include "base/arith.h"
#include "base/log.h"
#include "op/classes.h"
#include "op/parts.h"
#include "op/table.h"

/* One input's place in the output: of plain tensors, or of blocks. */
struct part {
    struct cvy_rows rows;
    struct cvy_channels channels;
};

struct concat {
    struct cvy_operator base;
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

/* Channels alone are cut up in blocks, of which some may have to be put together anew. */
static bool layouts(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in, size_t block,
                    enum cvy_layout *layouts)
{
    size_t axis;
    if (block == 0)
        return true;
    if (cvy_resolve_axis("Concat", op->axis, in[0].shape.rank, &axis) != CVY_OK || axis != 1)
        return false;
    for (size_t i = 0; i < n_in; i++)
        layouts[i] = CVY_LAYOUT_BLOCKS;
    return true;
}

static struct cvy_rows rows_of(const struct cvy_shape *x, const struct cvy_shape *y, size_t axis, size_t to)
{
    const size_t inner = cvy_span_elements(y, axis + 1, y->rank);
    return (struct cvy_rows){.rows = cvy_span_elements(y, 0, axis),
                             .size = x->dims[axis] * inner,
                             .x_step = x->dims[axis] * inner,
                             .y_at = to * inner,
                             .y_step = y->dims[axis] * inner};
}

static struct cvy_channels channels_of(const struct cvy_shape *x, const struct cvy_shape *y, size_t block,
                                       size_t to)
{
    return (struct cvy_channels){.block = block,
                                 .images = y->dims[0],
                                 .pixels = cvy_span_elements(y, 2, y->rank),
                                 .to = to,
                                 .count = x->dims[1],
                                 .x_channels = x->dims[1],
                                 .y_channels = y->dims[1]};
}

static enum cvy_status init(struct cvy_operator *self, const struct cvy_operand *in, size_t n_in,
                            const struct cvy_operator_params *params)
{
    (void)params;
    struct concat *concat = (struct concat *)self;
    size_t axis, to = 0;
    concat->parts = calloc(n_in, sizeof(*concat->parts));
    if (concat->parts == NULL)
        return cvy_fail_memory("Concat", n_in * sizeof(*concat->parts));
    enum cvy_status status = cvy_resolve_axis("Concat", self->op.axis, self->out.rank, &axis);
    for (size_t i = 0; status == CVY_OK && i < n_in; i++) {
        struct part *part = &concat->parts[i];
        if (self->block > 0) {
            part->channels = channels_of(&in[i].shape, &self->out, self->block, to);
            status = cvy_channels_prepare(self->device, &part->channels);
        } else {
            part->rows = rows_of(&in[i].shape, &self->out, axis, to);
            status = cvy_rows_prepare(self->device, &part->rows);
        }
        to += in[i].shape.dims[axis];
    }
    return status;
}

static enum cvy_status enqueue(struct cvy_operator *self, struct cvy_buffer *const *in, size_t n_in,
                               struct cvy_buffer *out, struct cvy_buffer *workspace)
{
    (void)workspace;
    const struct concat *concat = (struct concat *)self;
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < n_in; i++) {
        const struct part *part = &concat->parts[i];
        if (in[i] == NULL) /* it lies there */
            continue;
        status = self->block > 0 ? cvy_channels_enqueue(self->device, &part->channels, in[i], out)
                                 : cvy_rows_enqueue(self->device, &part->rows, in[i], out);
    }
    return status;
}

static void finish(struct cvy_operator *self)
{
    free(((struct concat *)self)->parts);
}

const struct cvy_operator_class cvy_op_concat_class = {
    .min_inputs = 1,
    .max_inputs = SIZE_MAX,
    .on_host = true,
    .infer = infer,
    .layouts = layouts,
    .size = sizeof(struct concat),
    .init = init,
    .enqueue = enqueue,
    .finish = finish,
};
