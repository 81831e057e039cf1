/* ConvInteger and QLinearConv: the convolution of integers for graphs. Zero points and scales are inputs. */
#include "base/arith.h"
#include "base/log.h"
#include "op/algo.h"
#include "op/classes.h"
#include "op/problem.h"
#include "op/table.h"
#include "runtime/buffer.h"
#include "runtime/device.h"

#define NONE SIZE_MAX

/* Which input is what. */
struct roles {
    size_t x, w, bias, x_zero, w_zero, y_zero, x_scale, w_scale, y_scale;
};

static const struct roles integer_roles = {0, 1, NONE, 2, 3, NONE, NONE, NONE, NONE};
static const struct roles linear_roles = {0, 3, 8, 2, 5, 7, 1, 4, 6};

struct conv_integer {
    struct cvy_operator base;
    struct cvy_conv_problem problem;
    const struct cvy_algo *algo;
    struct cvy_algo_config config;
    struct cvy_buffer *zero; /* stands for zero points left out */
    bool w_zero_per_channel, w_scale_per_channel;
};

static const struct roles *roles_of(const struct cvy_op *op)
{
    return op->type == CVY_OP_CONV_INTEGER ? &integer_roles : &linear_roles;
}

static bool is_given(const struct cvy_operand *in, size_t n_in, size_t index)
{
    return index < n_in && in[index].present;
}

static size_t elements_of(const struct cvy_operand *in, size_t n_in, size_t index)
{
    return is_given(in, n_in, index) ? cvy_span_elements(&in[index].shape, 0, in[index].shape.rank) : 0;
}

static enum cvy_status check_type(const struct cvy_op *op, const char *what, const struct cvy_operand *in,
                                  size_t n_in, size_t index, enum cvy_dtype wanted)
{
    if (!is_given(in, n_in, index) || in[index].dtype == wanted)
        return CVY_OK;
    return cvy_fail(CVY_ERROR_INVALID, "%s: %s is %s, it must be %s", cvy_op_name(op), what,
                    cvy_dtype_name(in[index].dtype), cvy_dtype_name(wanted));
}

/* The problem's own types are checked with it. */
static enum cvy_status infer_dtype(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                   enum cvy_dtype *dtype)
{
    const struct roles *r = roles_of(op);
    enum cvy_dtype y = is_given(in, n_in, r->y_zero) ? in[r->y_zero].dtype : CVY_INT32;
    const struct {
        const char *what;
        size_t index;
        enum cvy_dtype dtype;
    } inputs[] = {{"the zero point of x", r->x_zero, in[r->x].dtype},
                  {"the zero point of w", r->w_zero, in[r->w].dtype},
                  {"the scale of x", r->x_scale, CVY_FLOAT32},
                  {"the scale of w", r->w_scale, CVY_FLOAT32},
                  {"the scale of y", r->y_scale, CVY_FLOAT32},
                  {"the bias", r->bias, CVY_INT32}};
    for (size_t i = 0; i < CVY_COUNT(inputs); i++) {
        enum cvy_status status = check_type(op, inputs[i].what, in, n_in, inputs[i].index, inputs[i].dtype);
        if (status != CVY_OK)
            return status;
    }
    if (op->type == CVY_OP_QLINEAR_CONV && y == CVY_INT32)
        return cvy_fail(CVY_ERROR_INVALID,
                        "QLinearConv: the zero point of y is int32; int8 or uint8 are made");
    *dtype = y;
    return CVY_OK;
}

static enum cvy_status check_count(const struct cvy_op *op, const char *what, size_t count, size_t most)
{
    if (count <= 1 || count == most)
        return CVY_OK;
    return cvy_fail(CVY_ERROR_INVALID, "%s: %s has %zu elements; give 1%s", cvy_op_name(op), what, count,
                    most > 1 ? ", or one for each channel of y" : "");
}

static enum cvy_status infer_problem(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                     struct cvy_conv_problem *problem)
{
    const struct roles *r = roles_of(op);
    bool bias = is_given(in, n_in, r->bias);
    struct cvy_conv_problem p;
    enum cvy_status status = cvy_conv_problem_from_op(&op->conv, &in[r->x].shape, &in[r->w].shape, bias, &p);
    if (status != CVY_OK)
        return status;
    p.x_dtype = in[r->x].dtype;
    p.w_dtype = in[r->w].dtype;
    p.y_dtype = op->type == CVY_OP_CONV_INTEGER ? CVY_INT32 : in[r->y_zero].dtype;
    if (!cvy_conv_is_integer(&p))
        return cvy_fail(CVY_ERROR_INVALID, "%s: x is float32; it must be int8 or uint8", cvy_op_name(op));
    status = cvy_conv_validate(&p);
    const struct {
        const char *what;
        size_t index, most;
    } lists[] = {{"the zero point of x", r->x_zero, 1},   {"the scale of x", r->x_scale, 1},
                 {"the zero point of y", r->y_zero, 1},   {"the scale of y", r->y_scale, 1},
                 {"the zero point of w", r->w_zero, p.k}, {"the scale of w", r->w_scale, p.k}};
    for (size_t i = 0; status == CVY_OK && i < CVY_COUNT(lists); i++)
        status = check_count(op, lists[i].what, elements_of(in, n_in, lists[i].index), lists[i].most);
    if (status == CVY_OK && bias && elements_of(in, n_in, r->bias) != p.k)
        status = cvy_fail(CVY_ERROR_INVALID, "%s: the bias has %zu elements but y has %zu channels",
                          cvy_op_name(op), elements_of(in, n_in, r->bias), p.k);
    if (status == CVY_OK)
        *problem = p;
    return status;
}

static enum cvy_status infer(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                             struct cvy_shape *out)
{
    struct cvy_conv_problem problem;
    enum cvy_status status = infer_problem(op, in, n_in, &problem);
    return status == CVY_OK ? cvy_conv_y_shape(&problem, out) : status;
}

static enum cvy_status init(struct cvy_operator *base, const struct cvy_operand *in, size_t n_in,
                            const struct cvy_operator_params *params)
{
    static const int32_t zero;
    struct conv_integer *self = (struct conv_integer *)base;
    const struct roles *r = roles_of(&base->op);
    struct cvy_conv_cost cost;
    /* one that is named for the network's other convolutions does not apply here */
    const struct cvy_algo *named = params->algo != NULL ? cvy_algo_by_name(params->algo) : NULL;
    const char *algo = named != NULL && !named->for_integers ? NULL : params->algo;
    enum cvy_status status = infer_problem(&base->op, in, n_in, &self->problem);
    if (status == CVY_OK)
        status = cvy_find_algo(base->device, &self->problem, algo, params->max_workspace, &self->algo,
                               &self->config);
    if (status == CVY_OK)
        status = cvy_conv_get_cost(&self->problem, &cost);
    if (status == CVY_OK)
        status = cvy_buffer_upload(&self->zero, base->device, sizeof(zero), &zero);
    if (status != CVY_OK)
        return status;
    self->w_zero_per_channel = elements_of(in, n_in, r->w_zero) > 1;
    self->w_scale_per_channel = elements_of(in, n_in, r->w_scale) > 1;
    base->flops = 2 * cost.multiplications;
    base->workspace = cvy_algo_workspace(self->algo, &self->problem, base->device, &self->config);
    base->algorithm = self->algo->id;
    return CVY_OK;
}

static struct cvy_buffer *buffer_at(struct cvy_buffer *const *in, size_t n_in, size_t index,
                                    struct cvy_buffer *otherwise)
{
    return index < n_in && in[index] != NULL ? in[index] : otherwise;
}

static enum cvy_status enqueue(struct cvy_operator *base, struct cvy_buffer *const *in, size_t n_in,
                               struct cvy_buffer *out, struct cvy_buffer *workspace)
{
    struct conv_integer *self = (struct conv_integer *)base;
    const struct roles *r = roles_of(&base->op);
    struct cvy_algo_args args = {
        .x = in[r->x],
        .w = in[r->w],
        .y = out,
        .bias = buffer_at(in, n_in, r->bias, NULL),
        .workspace = workspace,
        .x_zero = buffer_at(in, n_in, r->x_zero, self->zero),
        .w_zero = buffer_at(in, n_in, r->w_zero, self->zero),
        .y_zero = buffer_at(in, n_in, r->y_zero, NULL),
        .x_scale = buffer_at(in, n_in, r->x_scale, NULL),
        .w_scale = buffer_at(in, n_in, r->w_scale, NULL),
        .y_scale = buffer_at(in, n_in, r->y_scale, NULL),
        .w_zero_per_channel = self->w_zero_per_channel,
        .w_scale_per_channel = self->w_scale_per_channel,
    };
    return self->algo->enqueue(base->device, &self->problem, &self->config, &args);
}

static void finish(struct cvy_operator *base)
{
    cvy_buffer_destroy(&((struct conv_integer *)base)->zero);
}

const struct cvy_operator_class cvy_op_conv_integer_class = {
    .min_inputs = 2,
    .max_inputs = 4,
    .infer = infer,
    .infer_dtype = infer_dtype,
    .size = sizeof(struct conv_integer),
    .init = init,
    .enqueue = enqueue,
    .finish = finish,
};

const struct cvy_operator_class cvy_op_qlinear_conv_class = {
    .min_inputs = 8,
    .max_inputs = 9,
    .infer = infer,
    .infer_dtype = infer_dtype,
    .size = sizeof(struct conv_integer),
    .init = init,
    .enqueue = enqueue,
    .finish = finish,
};
