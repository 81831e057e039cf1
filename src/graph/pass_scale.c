/*
 * y = a[k] * conv(x) + b[k] -> a convolution of other weights and bias. So do BatchNormalization and Add,
 * Sub, Mul, Div by constants of each channel, behind convolutions and Gemm. New constants are computed in
 * double and rounded once.
 */
#include <math.h>
#include <stdlib.h>

#include "base/log.h"
#include "graph/passes.h"

/* What a work does to each of its channels. */
struct affine {
    size_t x;     /* the value it is done to */
    size_t count; /* of channels: the size of dimension 1 */
    double *a, *b;
};

static const float *floats(const struct cvy_tensor *tensor)
{
    return tensor != NULL && tensor->dtype == CVY_FLOAT32 ? tensor->data : NULL;
}

/* Distance of a constant's channels in y's shape, 0: one value for all; SIZE_MAX: it differs otherwise, too.
 */
static size_t channel_step(const struct cvy_shape *c, const struct cvy_shape *y)
{
    size_t step = 0;
    for (size_t i = 0; i < c->rank; i++) {
        if (c->dims[i] == 1)
            continue;
        if (i + y->rank - c->rank != 1)
            return SIZE_MAX;
        step = 1;
    }
    return step;
}

static bool from_batch_norm(const struct cvy_work_list *list, const struct cvy_work *work, struct affine *f)
{
    const float *c[4];
    for (size_t i = 0; i < 4; i++) {
        if ((c[i] = floats(cvy_work_constant(list, work, i + 1))) == NULL)
            return false;
    }
    f->x = work->inputs[0];
    for (size_t k = 0; k < f->count; k++) {
        f->a[k] = c[0][k] / sqrt((double)c[3][k] + work->op.batch_norm.epsilon);
        f->b[k] = c[1][k] - c[2][k] * f->a[k];
    }
    return true;
}

static void from_constant(enum cvy_op_type type, bool is_first, const float *c, size_t step, struct affine *f)
{
    for (size_t k = 0; k < f->count; k++) {
        const double value = c[k * step];
        f->a[k] = type == CVY_OP_MUL ? value : type == CVY_OP_DIV ? 1 / value : 1;
        f->b[k] = type == CVY_OP_ADD ? value : 0;
        if (type == CVY_OP_SUB) {
            f->a[k] = is_first ? -1 : 1;
            f->b[k] = is_first ? value : -value;
        }
    }
}

static bool from_binary(const struct cvy_work_list *list, const struct cvy_work *work, struct affine *f)
{
    const enum cvy_op_type type = work->op.type;
    const struct cvy_shape *y = &list->values[work->output]->info.shape;
    for (size_t i = 0; i < 2; i++) {
        const struct cvy_operand c = cvy_work_operand(list, work, i), x = cvy_work_operand(list, work, 1 - i);
        const float *data = floats(c.constant);
        if (data == NULL || x.constant != NULL || !cvy_shape_equal(&x.shape, y) || c.shape.rank > y->rank)
            continue;
        const size_t step = channel_step(&c.shape, y);
        if (step == SIZE_MAX || (i == 0 && type == CVY_OP_DIV))
            return false;
        f->x = work->inputs[1 - i];
        from_constant(type, i == 0, data, step, f);
        return true;
    }
    return false;
}

static bool find_affine(const struct cvy_work_list *list, const struct cvy_work *work, struct affine *f)
{
    const enum cvy_op_type type = work->op.type;
    bool found = false;
    if (type == CVY_OP_BATCH_NORM)
        found = from_batch_norm(list, work, f);
    else if (type == CVY_OP_ADD || type == CVY_OP_SUB || type == CVY_OP_MUL || type == CVY_OP_DIV)
        found = from_binary(list, work, f);
    for (size_t k = 0; found && k < f->count; k++)
        found = isfinite(f->a[k]) && isfinite(f->b[k]);
    return found;
}

/* The channel of y that element i of the weights is for. */
static size_t conv_channel(const struct cvy_op_conv *conv, const struct cvy_shape *w, size_t i)
{
    size_t rest = 1;
    for (size_t d = 2; d < w->rank; d++)
        rest *= w->dims[d];
    const size_t second = i / rest % w->dims[1], first = i / rest / w->dims[1];
    return conv->transposed ? first / (w->dims[0] / conv->groups) * w->dims[1] + second : first;
}

/* The same of a work of any type; BatchNormalization has a scale for each. */
static size_t channel_of(const struct cvy_op *op, const struct cvy_shape *w, size_t i)
{
    if (op->type == CVY_OP_GEMM)
        return op->gemm.transpose_b ? i / w->dims[1] : i % w->dims[1];
    return op->type == CVY_OP_CONV ? conv_channel(&op->conv, w, i) : i;
}

static enum cvy_status scale_weights(struct cvy_work_list *list, struct cvy_work *kept,
                                     const struct affine *f)
{
    const struct cvy_tensor *w = cvy_work_constant(list, kept, 1);
    struct cvy_tensor made = {0};
    bool is_one = true;
    for (size_t k = 0; k < f->count; k++)
        is_one = is_one && f->a[k] == 1;
    if (is_one)
        return CVY_OK;
    enum cvy_status status = cvy_tensor_init(&made, CVY_FLOAT32, &w->shape);
    if (status != CVY_OK)
        return status;
    const float *from = floats(w);
    float *to = made.data;
    for (size_t i = 0; i < w->elements; i++) {
        const size_t k = channel_of(&kept->op, &w->shape, i);
        to[i] = (float)(from[i] * f->a[k]);
    }
    size_t value;
    status = cvy_work_add_constant(list, &made, &value);
    cvy_tensor_finish(&made);
    return status == CVY_OK ? cvy_work_set_input(list, kept, 1, value) : status;
}

static enum cvy_status scale_bias(struct cvy_work_list *list, struct cvy_work *kept, const struct affine *f)
{
    const struct cvy_operand old = cvy_work_operand(list, kept, 2);
    const double beta = kept->op.type == CVY_OP_GEMM ? kept->op.gemm.beta : 1;
    const size_t step = old.present && old.constant->elements > 1 ? 1 : 0;
    struct cvy_tensor made = {0};
    enum cvy_status status = cvy_tensor_init(&made, CVY_FLOAT32, &(struct cvy_shape){1, {f->count}});
    if (status != CVY_OK)
        return status;
    for (size_t k = 0; k < f->count; k++) {
        const double before = old.present ? beta * floats(old.constant)[k * step] : 0;
        ((float *)made.data)[k] = (float)(f->a[k] * before + f->b[k]);
    }
    size_t value;
    status = cvy_work_add_constant(list, &made, &value);
    cvy_tensor_finish(&made);
    if (status == CVY_OK)
        status = cvy_work_set_input(list, kept, 2, value);
    if (kept->op.type == CVY_OP_GEMM)
        kept->op.gemm.beta = 1;
    return status;
}

/* Weights and bias are constants, and nothing happens to y before it is written. */
static bool can_take(const struct cvy_work_list *list, const struct cvy_work *kept)
{
    if (kept == NULL || floats(cvy_work_constant(list, kept, 1)) == NULL)
        return false;
    const struct cvy_operand bias = cvy_work_operand(list, kept, 2);
    if (bias.present && floats(bias.constant) == NULL)
        return false;
    switch (kept->op.type) {
    case CVY_OP_CONV:
        return kept->n_inputs <= 3 && kept->op.conv.activation == CVY_ACTIVATION_NONE &&
               kept->op.conv.shuffle <= 1;
    case CVY_OP_GEMM:
        return !bias.present ||
               channel_step(&bias.shape, &list->values[kept->output]->info.shape) != SIZE_MAX;
    default:
        return kept->op.type == CVY_OP_BATCH_NORM;
    }
}

static enum cvy_status fold_affine(struct cvy_work_list *list, struct cvy_work *work, struct affine *f)
{
    if (!find_affine(list, work, f))
        return CVY_OK;
    struct cvy_work *kept = cvy_work_only_maker(list, f->x);
    if (!can_take(list, kept))
        return CVY_OK;
    enum cvy_status status = scale_weights(list, kept, f);
    if (status == CVY_OK)
        status = scale_bias(list, kept, f);
    return status == CVY_OK ? cvy_work_absorb(list, kept, work) : status;
}

enum cvy_status cvy_pass_scale(struct cvy_work_list *list)
{
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < list->count; i++) {
        const struct cvy_shape *y = &list->values[list->items[i]->output]->info.shape;
        if (y->rank < 2)
            continue;
        struct affine f = {.count = y->dims[1], .a = calloc(2 * y->dims[1] + 1, sizeof(*f.a))};
        if (f.a == NULL)
            return cvy_fail_memory("plan", 2 * f.count * sizeof(*f.a));
        f.b = f.a + f.count;
        status = fold_affine(list, list->items[i], &f);
        free(f.a);
    }
    return status;
}
