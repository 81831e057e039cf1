/*
 * Activations that exporters write as several nodes -> one operator, with scalars wherever they put them:
 *   x * sigmoid(x)                                          -> Swish
 *   x * min(max(x + 3, 0), 6) / 6, x * hard sigmoid(x)      -> HardSwish
 *   x * (1 + erf(x / sqrt(2))) / 2                          -> Gelu
 *   x * tanh(softplus(x))                                   -> Mish
 *   min(max(a x + b, 0), c) / c                             -> HardSigmoid
 *   PRelu with one slope for all                            -> LeakyRelu
 */
#include <math.h>

#include "graph/passes.h"

/* What a value is of another one: a * x + b. */
struct line {
    size_t x;
    double a, b;
};

/* A factor that is a function of x: scale * gate(inner), where inner must be slope * x + shift. */
struct gate {
    enum cvy_op_type type; /* of x * gate(x) */
    const struct cvy_work *maker;
    struct line inner;
    double slope, shift, scale;
};

static bool is_near(double a, double b)
{
    return isfinite(b) && fabs(a - b) <= 1e-5 * (1e-6 + fabs(b));
}

static bool is_scalar(const struct cvy_tensor *tensor, double *value)
{
    if (tensor == NULL || tensor->dtype != CVY_FLOAT32 || tensor->elements != 1)
        return false;
    *value = (double)*(const float *)tensor->data;
    return true;
}

/* One step back along the line; false: its value comes from something else. */
static bool step_back(const struct cvy_work_list *list, struct line *line)
{
    const struct cvy_work *work = cvy_work_maker(list, line->x);
    const enum cvy_op_type type = work != NULL ? work->op.type : CVY_OP_CONV;
    if (type != CVY_OP_ADD && type != CVY_OP_SUB && type != CVY_OP_MUL && type != CVY_OP_DIV)
        return false;
    for (size_t i = 0; i < 2; i++) {
        const struct cvy_operand other = cvy_work_operand(list, work, 1 - i);
        double c;
        if (!is_scalar(cvy_work_constant(list, work, i), &c) ||
            !cvy_shape_equal(&other.shape, &list->values[work->output]->info.shape))
            continue;
        if (type == CVY_OP_DIV && (i == 0 || c == 0))
            return false;
        if (type == CVY_OP_ADD || type == CVY_OP_SUB)
            line->b += line->a * (type == CVY_OP_SUB && i == 1 ? -c : c);
        if (type == CVY_OP_SUB && i == 0)
            line->a = -line->a;
        else if (type == CVY_OP_MUL || type == CVY_OP_DIV)
            line->a *= type == CVY_OP_MUL ? c : 1 / c;
        line->x = work->inputs[1 - i];
        return true;
    }
    return false;
}

static struct line line_of(const struct cvy_work_list *list, size_t value)
{
    struct line line = {value, 1, 0};
    while (step_back(list, &line))
        continue;
    return line;
}

static bool find_gate(const struct cvy_work_list *list, size_t value, struct gate *gate)
{
    const struct line outer = line_of(list, value);
    const struct cvy_work *work = cvy_work_maker(list, outer.x), *before;
    if (work == NULL || work->n_inputs == 0)
        return false;
    *gate = (struct gate){.maker = work, .slope = 1, .scale = outer.a, .inner = {work->inputs[0], 1, 0}};
    switch (work->op.type) {
    case CVY_OP_SIGMOID:
        gate->type = CVY_OP_SILU;
        break;
    case CVY_OP_HARD_SIGMOID:
        gate->type = CVY_OP_HARD_SWISH;
        gate->slope = 1 / (6 * (double)work->op.activation.alpha);
        gate->shift = (0.5 - (double)work->op.activation.beta) / (double)work->op.activation.alpha;
        break;
    case CVY_OP_CLIP:
        gate->type = CVY_OP_HARD_SWISH;
        gate->shift = 3;
        gate->scale *= 6;
        if (work->op.clip.min != 0 || work->op.clip.max != 6)
            return false;
        break;
    case CVY_OP_ERF:
        gate->type = CVY_OP_GELU;
        gate->slope = sqrt(0.5);
        gate->scale *= 2;
        if (!is_near(outer.b, outer.a))
            return false;
        break;
    case CVY_OP_TANH:
        gate->type = CVY_OP_MISH;
        before = cvy_work_maker(list, work->inputs[0]);
        if (before == NULL || before->op.type != CVY_OP_SOFTPLUS)
            return false;
        gate->inner.x = before->inputs[0];
        break;
    default:
        return false;
    }
    gate->inner = line_of(list, gate->inner.x);
    return work->op.type == CVY_OP_ERF || outer.b == 0;
}

/* Whether gate is what x must be multiplied with, times 1 / scale. */
static bool is_gate_of(const struct cvy_work_list *list, const struct gate *gate, size_t x, double scale)
{
    const struct line line = line_of(list, x);
    const double slope = gate->inner.a / line.a;
    return line.x == gate->inner.x && line.a != 0 && is_near(slope, gate->slope) &&
           is_near(1 + gate->inner.b - slope * line.b, 1 + gate->shift) && is_near(scale * gate->scale, 1);
}

/* work computes op of x alone from now on. */
static enum cvy_status become(struct cvy_work_list *list, struct cvy_work *work, const struct cvy_op *op,
                              size_t x, const struct cvy_work *part)
{
    const size_t old[] = {work->inputs[0], work->n_inputs > 1 ? work->inputs[1] : SIZE_MAX};
    enum cvy_status status = part != NULL ? cvy_work_note(work, part) : CVY_OK;
    if (status == CVY_OK)
        status = cvy_work_set_input(list, work, 0, x);
    if (status != CVY_OK)
        return status;
    cvy_work_cut_inputs(list, work, 1);
    work->op = *op;
    for (size_t i = 0; i < 2; i++) {
        if (old[i] != SIZE_MAX)
            cvy_work_prune(list, old[i]);
    }
    return CVY_OK;
}

static bool fits(const struct cvy_work_list *list, const struct cvy_work *work, size_t x)
{
    const struct cvy_value_info *from = &list->values[x]->info, *to = &list->values[work->output]->info;
    return from->dtype == CVY_FLOAT32 && cvy_shape_equal(&from->shape, &to->shape);
}

/* The product of x and a gate of x, whatever scalars are between. */
static bool find_gated(const struct cvy_work_list *list, const struct cvy_work *work, struct gate *gate,
                       size_t *x)
{
    const struct line outer = line_of(list, work->output);
    const struct cvy_work *product = cvy_work_maker(list, outer.x);
    if (outer.b != 0 || product == NULL || product->op.type != CVY_OP_MUL)
        return false;
    for (size_t i = 0; i < 2; i++) {
        const struct line scaled = line_of(list, product->inputs[i]);
        if (!find_gate(list, product->inputs[1 - i], gate))
            continue;
        *x = product->inputs[i];
        if (is_gate_of(list, gate, *x, outer.a))
            return fits(list, work, *x);
        *x = scaled.x;
        if (scaled.b == 0 && is_gate_of(list, gate, *x, outer.a * scaled.a))
            return fits(list, work, *x);
    }
    return false;
}

/* min(max(a x + b, 0), c) / c; a Clip of x itself is none. */
static bool find_hard_sigmoid(const struct cvy_work_list *list, const struct cvy_work *work,
                              struct cvy_op *op, size_t *x)
{
    const struct line outer = line_of(list, work->output);
    const struct cvy_work *clip = cvy_work_maker(list, outer.x);
    if (clip == NULL || clip->op.type != CVY_OP_CLIP || clip->op.clip.min != 0 || outer.b != 0)
        return false;
    const struct line inner = line_of(list, clip->inputs[0]);
    const double c = (double)clip->op.clip.max;
    if (!(c > 0) || !isfinite(c) || !is_near(outer.a * c, 1) || inner.x == clip->inputs[0])
        return false;
    *op = (struct cvy_op){.type = CVY_OP_HARD_SIGMOID,
                          .activation = {(float)(inner.a / c), (float)(inner.b / c)}};
    *x = inner.x;
    return fits(list, work, *x);
}

static enum cvy_status fold(struct cvy_work_list *list, struct cvy_work *work)
{
    const enum cvy_op_type type = work->op.type;
    struct gate gate;
    struct cvy_op op;
    size_t x;
    double slope;
    if (type == CVY_OP_PRELU && is_scalar(cvy_work_constant(list, work, 1), &slope) &&
        fits(list, work, work->inputs[0])) {
        op = (struct cvy_op){.type = CVY_OP_LEAKY_RELU, .leaky_relu.alpha = (float)slope};
        return become(list, work, &op, work->inputs[0], NULL);
    }
    if ((type == CVY_OP_MUL || type == CVY_OP_DIV) && find_gated(list, work, &gate, &x)) {
        op = (struct cvy_op){.type = gate.type};
        return become(list, work, &op, x, gate.maker);
    }
    if ((type == CVY_OP_MUL || type == CVY_OP_DIV || type == CVY_OP_CLIP) &&
        find_hard_sigmoid(list, work, &op, &x))
        return become(list, work, &op, x, NULL);
    return CVY_OK;
}

enum cvy_status cvy_pass_unary(struct cvy_work_list *list)
{
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < list->count; i++) {
        if (!list->items[i]->gone)
            status = fold(list, list->items[i]);
    }
    return status;
}
