#include <inttypes.h>

#include "base/arith.h"
#include "base/log.h"
#include "op/classes.h"
#include "op/planes.h"
#include "op/settle.h"
#include "op/table.h"
#include "runtime/launch.h"

struct pad {
    struct cvy_operator base;
    size_t size, rows, run, each; /* of a row of y; cl/pad.cl */
    struct cvy_buffer *table;
};

/* A dimension: its size in y and x, where x begins in it, and its step in x. */
struct axis {
    size_t size, x_size, step;
    int64_t begin;
};

static enum cvy_status settle(struct cvy_op *op, const struct cvy_operand *in, size_t *n_in)
{
    struct cvy_op_pad *pad = &op->pad;
    int64_t amounts[2 * CVY_MAX_RANK];
    size_t count, n_values, n = *n_in, rank = in[0].shape.rank;
    *n_in = 1;
    enum cvy_status status = cvy_operand_floats("Pad: its value", in, n, 2, &pad->value, 1, &n_values);
    if (status != CVY_OK || !cvy_operand_given(in, n, 1))
        return status;
    status = cvy_operand_ints("Pad: its amounts", in, n, 1, amounts, 2 * CVY_MAX_RANK, &count);
    if (status != CVY_OK)
        return status;
    const size_t n_axes = pad->n_axes ? pad->n_axes : rank;
    if (count != 2 * n_axes)
        return cvy_fail(CVY_ERROR_INVALID, "Pad: %zu amounts for %zu dimensions; it needs two for each",
                        count, n_axes);
    pad->rank = rank;
    for (size_t i = 0; i < n_axes; i++) {
        size_t axis = i;
        if (pad->n_axes > 0)
            status = cvy_resolve_axis("Pad: axes", pad->axes[i], rank, &axis);
        if (status != CVY_OK)
            return status;
        pad->begin[axis] = amounts[i];
        pad->end[axis] = amounts[n_axes + i];
    }
    pad->n_axes = 0;
    return CVY_OK;
}

static enum cvy_status infer(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                             struct cvy_shape *out)
{
    (void)n_in;
    const struct cvy_shape *x = &in[0].shape;
    if (op->pad.rank != x->rank)
        return cvy_fail(CVY_ERROR_INVALID, "Pad: amounts for %zu dimensions given, x has %zu", op->pad.rank,
                        x->rank);
    struct cvy_shape made = {.rank = x->rank};
    for (size_t i = 0; i < x->rank; i++) {
        int64_t begin = op->pad.begin[i], end = op->pad.end[i], size = (int64_t)x->dims[i];
        if (begin < -INT32_MAX || begin > INT32_MAX || end < -INT32_MAX || end > INT32_MAX ||
            size > INT32_MAX)
            return cvy_fail(CVY_ERROR_UNSUPPORTED,
                            "Pad: dimension %zu: amounts %" PRId64 " and %" PRId64 " are out of range", i,
                            begin, end);
        if (size + begin + end < 1)
            return cvy_fail(CVY_ERROR_INVALID,
                            "Pad: dimension %zu of size %" PRId64 " is cropped by %" PRId64 " to nothing", i,
                            size, -begin - end);
        bool reflect = op->pad.mode == CVY_PAD_REFLECT;
        if ((reflect || op->pad.mode == CVY_PAD_WRAP) && (begin > size - reflect || end > size - reflect))
            return cvy_fail(
                CVY_ERROR_INVALID,
                "Pad: dimension %zu of size %" PRId64 " cannot be %s by %" PRId64 "; at most %" PRId64, i,
                size, reflect ? "reflected" : "wrapped", begin > end ? begin : end, size - reflect);
        made.dims[i] = (size_t)(size + begin + end);
    }
    *out = made;
    return CVY_OK;
}

static void describe(const struct cvy_operator *self, struct cvy_launch *launch)
{
    cvy_launch_init(launch, "pad", "pad");
    cvy_launch_define(launch, "LANES", cvy_plain_lanes(self->device));
    cvy_launch_define(launch, "PAD_MODE", self->op.pad.mode);
}

static bool is_padded(const struct axis *axis)
{
    return axis->begin != 0 || axis->size != axis->x_size;
}

/* The innermost first. One whose elements all lie side by side in x is one with that inside it, unless more
 * than a constant surrounds them. */
static size_t merged(struct axis *axes, const struct cvy_op_pad *pad, const struct cvy_shape *y,
                     const struct cvy_shape *x)
{
    size_t count = 0, step = 1;
    for (size_t i = y->rank; i-- > 0; step *= x->dims[i]) {
        const struct axis next = {y->dims[i], x->dims[i], step, pad->begin[i]};
        struct axis *inner = &axes[count - (count > 0)];
        if (count == 0 || is_padded(inner) || (is_padded(&next) && pad->mode != CVY_PAD_CONSTANT)) {
            axes[count++] = next;
            continue;
        }
        inner->begin = next.begin * (int64_t)inner->size;
        inner->x_size *= next.x_size;
        inner->size *= next.size;
    }
    if (count == 0)
        axes[count++] = (struct axis){1, 1, 1, 0};
    return count;
}

static enum cvy_status init(struct cvy_operator *self, const struct cvy_operand *in, size_t n_in,
                            const struct cvy_operator_params *params)
{
    (void)n_in;
    (void)params;
    struct pad *pad = (struct pad *)self;
    struct axis axes[CVY_MAX_RANK + 1] = {{0}};
    struct cvy_table table = {0};
    const size_t count = merged(axes, &self->op.pad, &self->out, &in[0].shape);
    pad->size = axes[0].size;
    pad->rows = 1;
    cvy_table_add(&table, axes[0].size);
    cvy_table_add(&table, axes[0].x_size);
    cvy_table_add_signed(&table, axes[0].begin);
    cvy_table_add(&table, count - 1);
    for (size_t i = 1; i < count; i++) {
        pad->rows *= axes[i].size;
        cvy_table_add(&table, axes[i].size);
        cvy_table_add(&table, axes[i].x_size);
        cvy_table_add_signed(&table, axes[i].begin);
        cvy_table_add(&table, axes[i].step);
    }
    cvy_rows_share(self->device, pad->size, pad->rows, &pad->run, &pad->each);
    enum cvy_status status = cvy_table_upload(&table, self->device, &pad->table);
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
    const struct pad *pad = (const struct pad *)self;
    struct cvy_launch launch;
    describe(self, &launch);
    cvy_launch_buffer(&launch, in[0]);
    cvy_launch_buffer(&launch, pad->table);
    cvy_launch_buffer(&launch, out);
    cvy_launch_float(&launch, self->op.pad.value);
    cvy_launch_struct(&launch, (size_t[]){pad->rows, pad->run, pad->each}, 3);
    cvy_launch_share(&launch);
    const size_t range[] = {cvy_ceil_div(pad->size, pad->run), cvy_ceil_div(pad->rows, pad->each)};
    cvy_launch_range(&launch, 2, range, NULL);
    return cvy_launch_run(self->device, &launch);
}

static void finish(struct cvy_operator *self)
{
    cvy_buffer_destroy(&((struct pad *)self)->table);
}

const struct cvy_operator_class cvy_op_pad_class = {
    .min_inputs = 1,
    .max_inputs = 3,
    .on_host = true,
    .settle = settle,
    .infer = infer,
    .size = sizeof(struct pad),
    .init = init,
    .enqueue = enqueue,
    .finish = finish,
};
