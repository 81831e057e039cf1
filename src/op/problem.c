#include "op/problem.h"

#include <convoy/arithmetic.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"

static char axis_name(size_t rank, size_t axis)
{
    return "DHW"[CVY_CONV_MAX_RANK - rank + axis];
}

void cvy_conv_problem_init(struct cvy_conv_problem *problem, size_t rank)
{
    memset(problem, 0, sizeof(*problem));
    problem->rank = rank;
    problem->n = problem->c = problem->k = problem->groups = 1;
    for (size_t i = 0; i < CVY_CONV_MAX_RANK; i++)
        problem->kernel[i] = problem->stride[i] = problem->dilation[i] = 1;
}

const char *cvy_pad_mode_name(enum cvy_pad_mode mode)
{
    static const char *const names[] = {"zeros", "reflect", "replicate", "circular"};
    return (size_t)mode < CVY_COUNT(names) ? names[mode] : "unknown";
}

const char *cvy_activation_name(enum cvy_activation activation)
{
    static const char *const names[] = {"none",         "relu",       "leaky_relu", "clip", "sigmoid", "tanh",
                                        "hard_sigmoid", "hard_swish", "silu",       "gelu", "mish"};
    return (size_t)activation < CVY_COUNT(names) ? names[activation] : "unknown";
}

bool cvy_conv_is_integer(const struct cvy_conv_problem *problem)
{
    return problem->x_dtype != CVY_FLOAT32 && problem->x_dtype != CVY_FLOAT16;
}

static bool is_8_bit(enum cvy_dtype dtype)
{
    return dtype == CVY_INT8 || dtype == CVY_UINT8;
}

static enum cvy_status validate_types(const struct cvy_conv_problem *p)
{
    if (!cvy_conv_is_integer(p) && p->w_dtype == p->x_dtype && p->y_dtype == p->x_dtype)
        return CVY_OK;
    if (is_8_bit(p->x_dtype) && is_8_bit(p->w_dtype) && (p->y_dtype == CVY_INT32 || is_8_bit(p->y_dtype)))
        return CVY_OK;
    return cvy_fail(CVY_ERROR_INVALID,
                    "conv: x is %s, w %s and y %s; take float32 or float16 for all, or int8 or uint8 for x "
                    "and w with y int32, int8 or uint8",
                    cvy_dtype_name(p->x_dtype), cvy_dtype_name(p->w_dtype), cvy_dtype_name(p->y_dtype));
}

static bool is_block(size_t block)
{
    return block == 0 || block == 2 || block == 4 || block == 8 || block == 16;
}

/* Layouts and what is done to y. */
static enum cvy_status validate_layout(const struct cvy_conv_problem *p)
{
    if (!is_block(p->x_block) || !is_block(p->y_block))
        return cvy_fail(CVY_ERROR_INVALID,
                        "conv: channels in blocks of %zu; a block has 2, 4, 8 or 16 channels, 0 means none",
                        is_block(p->x_block) ? p->y_block : p->x_block);
    if (p->x_block != 0 && p->y_block != 0 && p->x_block != p->y_block)
        return cvy_fail(CVY_ERROR_INVALID,
                        "conv: x lies in blocks of %zu channels and y of %zu; take the same, or 0, for both",
                        p->x_block, p->y_block);
    if ((unsigned)p->activation > CVY_ACTIVATION_MISH)
        return cvy_fail(CVY_ERROR_INVALID, "conv: activation %d is none; take one of enum cvy_activation",
                        (int)p->activation);
    bool plain = p->x_block == 0 && p->y_block == 0 && !p->accumulate && p->activation == CVY_ACTIVATION_NONE;
    if (cvy_conv_is_integer(p) && !plain)
        return cvy_fail(CVY_ERROR_INVALID,
                        "conv: %s tensors with blocks, accumulate or an activation; these are for floats",
                        cvy_dtype_name(p->x_dtype));
    return CVY_OK;
}

static enum cvy_status validate_channels(const struct cvy_conv_problem *p)
{
    if (p->rank < 1 || p->rank > CVY_CONV_MAX_RANK)
        return cvy_fail(CVY_ERROR_INVALID, "conv: %zu spatial axes; there must be 1 to %d", p->rank,
                        CVY_CONV_MAX_RANK);
    if (p->n == 0)
        return cvy_fail(CVY_ERROR_INVALID, "conv: the batch is 0; there must be at least one image");
    if (p->c == 0 || p->k == 0)
        return cvy_fail(CVY_ERROR_INVALID,
                        "conv: %zu channels in and %zu out; there must be at least 1 of each", p->c, p->k);
    if (p->groups == 0)
        return cvy_fail(CVY_ERROR_INVALID, "conv: groups is 0; 1 means no groups");
    if (p->c % p->groups != 0)
        return cvy_fail(
            CVY_ERROR_INVALID,
            "conv: channels %zu do not divide by groups %zu; %zu are left over, so change one of them", p->c,
            p->groups, p->c % p->groups);
    if (p->k % p->groups != 0)
        return cvy_fail(
            CVY_ERROR_INVALID,
            "conv: output channels %zu do not divide by groups %zu; %zu are left over, so change one of them",
            p->k, p->groups, p->k % p->groups);
    if (p->shuffle > 1 && p->k % p->shuffle != 0)
        return cvy_fail(
            CVY_ERROR_INVALID,
            "conv: output channels %zu do not divide by the shuffle's groups %zu; %zu are left over, "
            "so change one of them",
            p->k, p->shuffle, p->k % p->shuffle);
    if ((unsigned)p->pad_mode > CVY_PAD_WRAP)
        return cvy_fail(CVY_ERROR_INVALID, "conv: padding mode %d is none; take one of enum cvy_pad_mode",
                        (int)p->pad_mode);
    if (p->transposed && p->pad_mode != CVY_PAD_CONSTANT)
        return cvy_fail(
            CVY_ERROR_INVALID,
            "conv: padding mode %s with transposed; the padding of a transposed convolution crops y, "
            "so only zeros have a meaning",
            cvy_pad_mode_name(p->pad_mode));
    return CVY_OK;
}

static enum cvy_status too_large(char axis, const char *what)
{
    return cvy_fail(CVY_ERROR_INVALID, "conv: the %s of axis %c does not fit a size; make it smaller", what,
                    axis);
}

static enum cvy_status validate_forward_axis(const struct cvy_conv_problem *p, size_t i, size_t window,
                                             size_t pads)
{
    char axis = axis_name(p->rank, i);
    if (p->output_padding[i] != 0)
        return cvy_fail(CVY_ERROR_INVALID,
                        "conv: output padding %zu of axis %c without transposed; set it to 0",
                        p->output_padding[i], axis);
    size_t padded;
    if (!cvy_add(p->in[i], pads, &padded))
        return too_large(axis, "padded input");
    if (window > padded)
        return cvy_fail(
            CVY_ERROR_INVALID,
            "conv: kernel %zu with dilation %zu spans %zu but the padded input of axis %c has only %zu; "
            "add %zu of padding or shrink the kernel",
            p->kernel[i], p->dilation[i], window, axis, padded, window - padded);
    return CVY_OK;
}

static enum cvy_status validate_transposed_axis(const struct cvy_conv_problem *p, size_t i, size_t window,
                                                size_t pads)
{
    char axis = axis_name(p->rank, i);
    size_t limit = CVY_MAX(p->stride[i], p->dilation[i]);
    if (p->output_padding[i] >= limit)
        return cvy_fail(
            CVY_ERROR_INVALID,
            "conv: output padding %zu of axis %c must be less than %zu, the larger of stride %zu and "
            "dilation %zu",
            p->output_padding[i], axis, limit, p->stride[i], p->dilation[i]);
    size_t full;
    if (!cvy_mul(p->in[i] - 1, p->stride[i], &full) || !cvy_add(full, window, &full) ||
        !cvy_add(full, p->output_padding[i], &full))
        return too_large(axis, "output");
    if (pads >= full)
        return cvy_fail(
            CVY_ERROR_INVALID,
            "conv: padding %zu and %zu of axis %c takes away all %zu of the output; reduce it by at "
            "least %zu",
            p->pad_begin[i], p->pad_end[i], axis, full, pads - full + 1);
    return CVY_OK;
}

static enum cvy_status validate_axis(const struct cvy_conv_problem *p, size_t i)
{
    char axis = axis_name(p->rank, i);
    const struct {
        const char *name;
        size_t value;
    } positive[] = {{"input size", p->in[i]},
                    {"kernel", p->kernel[i]},
                    {"stride", p->stride[i]},
                    {"dilation", p->dilation[i]}};
    for (size_t j = 0; j < CVY_COUNT(positive); j++)
        if (positive[j].value == 0)
            return cvy_fail(CVY_ERROR_INVALID, "conv: %s of axis %c is 0; it must be at least 1",
                            positive[j].name, axis);
    size_t window, pads;
    if (!cvy_mul(p->kernel[i] - 1, p->dilation[i], &window) || !cvy_add(window, 1, &window))
        return too_large(axis, "dilated kernel");
    if (!cvy_add(p->pad_begin[i], p->pad_end[i], &pads))
        return too_large(axis, "padding");
    return p->transposed ? validate_transposed_axis(p, i, window, pads)
                         : validate_forward_axis(p, i, window, pads);
}

void cvy_conv_output_sizes(const struct cvy_conv_problem *p, size_t out[CVY_CONV_MAX_RANK])
{
    for (size_t i = 0; i < p->rank; i++) {
        size_t window = p->dilation[i] * (p->kernel[i] - 1) + 1, pads = p->pad_begin[i] + p->pad_end[i];
        if (p->transposed)
            out[i] = (p->in[i] - 1) * p->stride[i] + window + p->output_padding[i] - pads;
        else
            out[i] = (p->in[i] + pads - window) / p->stride[i] + 1;
    }
}

static struct cvy_shape tensor_shape(size_t rank, size_t first, size_t second, const size_t *axes)
{
    struct cvy_shape shape = {.rank = rank + 2, .dims = {first, second}};
    memcpy(shape.dims + 2, axes, rank * sizeof(*axes));
    return shape;
}

static struct cvy_shape x_shape(const struct cvy_conv_problem *p)
{
    return tensor_shape(p->rank, p->n, p->c, p->in);
}

static struct cvy_shape w_shape(const struct cvy_conv_problem *p)
{
    return p->transposed ? tensor_shape(p->rank, p->c, p->k / p->groups, p->kernel)
                         : tensor_shape(p->rank, p->k, p->c / p->groups, p->kernel);
}

static struct cvy_shape y_shape(const struct cvy_conv_problem *p)
{
    size_t out[CVY_CONV_MAX_RANK] = {0};
    cvy_conv_output_sizes(p, out);
    return tensor_shape(p->rank, p->n, p->k, out);
}

/* Bytes of a tensor with its channels filled up to whole blocks. */
static enum cvy_status count_bytes(struct cvy_shape shape, size_t block, enum cvy_dtype dtype,
                                   const char *name, size_t *bytes)
{
    size_t product = cvy_dtype_size(dtype);
    for (size_t i = 0; i < shape.rank; i++) {
        size_t dim = shape.dims[i];
        bool fits = i != 1 || block == 0 || cvy_add(dim, (block - dim % block) % block, &dim);
        if (!fits || !cvy_mul(product, dim, &product)) {
            char text[160];
            return cvy_fail(CVY_ERROR_INVALID,
                            "conv: the bytes of %s, %s, do not fit a size; make it smaller", name,
                            cvy_shape_format(&shape, text, sizeof(text)));
        }
    }
    *bytes = product;
    return CVY_OK;
}

static enum cvy_status validate_bytes(const struct cvy_conv_problem *p)
{
    size_t bytes;
    enum cvy_status status = count_bytes(x_shape(p), p->x_block, p->x_dtype, "x", &bytes);
    if (status == CVY_OK)
        status = count_bytes(w_shape(p), 0, p->w_dtype, "w", &bytes);
    if (status == CVY_OK)
        status = count_bytes(y_shape(p), p->y_block, p->y_dtype, "y", &bytes);
    return status;
}

enum cvy_status cvy_conv_validate(const struct cvy_conv_problem *problem)
{
    enum cvy_status status = validate_channels(problem);
    if (status == CVY_OK)
        status = validate_types(problem);
    if (status == CVY_OK)
        status = validate_layout(problem);
    for (size_t i = 0; status == CVY_OK && i < problem->rank; i++)
        status = validate_axis(problem, i);
    return status == CVY_OK ? validate_bytes(problem) : status;
}

enum cvy_status cvy_conv_x_bytes(const struct cvy_conv_problem *problem, size_t *bytes)
{
    enum cvy_status status = cvy_conv_validate(problem);
    if (status == CVY_OK)
        status = count_bytes(x_shape(problem), problem->x_block, problem->x_dtype, "x", bytes);
    return status;
}

enum cvy_status cvy_conv_y_bytes(const struct cvy_conv_problem *problem, size_t *bytes)
{
    enum cvy_status status = cvy_conv_validate(problem);
    if (status == CVY_OK)
        status = count_bytes(y_shape(problem), problem->y_block, problem->y_dtype, "y", bytes);
    return status;
}

enum cvy_status cvy_conv_x_shape(const struct cvy_conv_problem *problem, struct cvy_shape *shape)
{
    enum cvy_status status = cvy_conv_validate(problem);
    if (status == CVY_OK)
        *shape = x_shape(problem);
    return status;
}

enum cvy_status cvy_conv_w_shape(const struct cvy_conv_problem *problem, struct cvy_shape *shape)
{
    enum cvy_status status = cvy_conv_validate(problem);
    if (status == CVY_OK)
        *shape = w_shape(problem);
    return status;
}

enum cvy_status cvy_conv_y_shape(const struct cvy_conv_problem *problem, struct cvy_shape *shape)
{
    enum cvy_status status = cvy_conv_validate(problem);
    if (status == CVY_OK)
        *shape = y_shape(problem);
    return status;
}

static double product(struct cvy_shape shape)
{
    double elements = 1;
    for (size_t i = 0; i < shape.rank; i++)
        elements *= (double)shape.dims[i];
    return elements;
}

enum cvy_status cvy_conv_get_cost(const struct cvy_conv_problem *problem, struct cvy_conv_cost *cost)
{
    enum cvy_status status = cvy_conv_validate(problem);
    if (status != CVY_OK)
        return status;
    double x = product(x_shape(problem)), w = product(w_shape(problem)), y = product(y_shape(problem));
    /* every element on the side without gaps meets all weights of its channel */
    double each = w / (double)(problem->transposed ? problem->c : problem->k);
    cost->multiplications = (problem->transposed ? x : y) * each;
    cost->parameters = w + (problem->bias ? (double)problem->k : 0);
    cost->bytes = x * (double)cvy_dtype_size(problem->x_dtype) +
                  w * (double)cvy_dtype_size(problem->w_dtype) +
                  y * (double)cvy_dtype_size(problem->y_dtype) + (cost->parameters - w) * sizeof(float);
    return CVY_OK;
}

struct cvy_conv_problem cvy_conv_to_3d(const struct cvy_conv_problem *problem)
{
    struct cvy_conv_problem p = *problem;
    size_t missing = CVY_CONV_MAX_RANK - problem->rank;
    p.rank = CVY_CONV_MAX_RANK;
    for (size_t i = 0; i < CVY_CONV_MAX_RANK; i++) {
        bool given = i >= missing;
        size_t from = given ? i - missing : 0;
        p.in[i] = given ? problem->in[from] : 1;
        p.kernel[i] = given ? problem->kernel[from] : 1;
        p.stride[i] = given ? problem->stride[from] : 1;
        p.dilation[i] = given ? problem->dilation[from] : 1;
        p.pad_begin[i] = given ? problem->pad_begin[from] : 0;
        p.pad_end[i] = given ? problem->pad_end[from] : 0;
        p.output_padding[i] = given ? problem->output_padding[from] : 0;
    }
    return p;
}

bool cvy_conv_fits_int(const struct cvy_conv_problem *problem, char *why, size_t size)
{
    struct cvy_shape shapes[] = {x_shape(problem), w_shape(problem), y_shape(problem)};
    shapes[0].dims[1] = cvy_round_up(problem->c, CVY_MAX(problem->x_block, 1));
    shapes[2].dims[1] = cvy_round_up(problem->k, CVY_MAX(problem->y_block, 1));
    for (size_t i = 0; i < CVY_COUNT(shapes); i++) {
        if (product(shapes[i]) > INT_MAX) {
            snprintf(why, size, "%c has %.0f elements, more than the %d that a kernel's int can count",
                     "xwy"[i], product(shapes[i]), INT_MAX);
            return false;
        }
    }
    for (size_t i = 0; i < problem->rank; i++) {
        /* the furthest a kernel's position on either side reaches */
        double reach = (double)problem->in[i] * (double)problem->stride[i] + (double)problem->pad_begin[i] +
                       (double)problem->pad_end[i] +
                       (double)problem->kernel[i] * (double)problem->dilation[i];
        if (reach > INT_MAX) {
            snprintf(why, size, "positions on axis %c reach %.0f, more than a kernel's int can count",
                     axis_name(problem->rank, i), reach);
            return false;
        }
    }
    return true;
}

void cvy_auto_pad(enum cvy_auto_pad mode, size_t in, size_t window, size_t stride, size_t *begin, size_t *end)
{
    if (mode == CVY_PAD_EXPLICIT)
        return;
    *begin = *end = 0;
    if (mode == CVY_PAD_FULL && window > 0)
        *begin = *end = window - 1;
    if (mode == CVY_PAD_FULL || mode == CVY_PAD_VALID || in == 0 || stride == 0)
        return;
    size_t rest = in - (cvy_ceil_div(in, stride) - 1) * stride; /* of x, from the last window's start on */
    size_t total = window > rest ? window - rest : 0;
    *begin = mode == CVY_PAD_SAME_UPPER ? total / 2 : total - total / 2;
    *end = total - *begin;
}

/* y = in * stride. Where the window is too small for that, the missing rest is output padding. */
static void auto_pad_transposed(struct cvy_conv_problem *p, size_t i, enum cvy_auto_pad mode, size_t window)
{
    p->pad_begin[i] = p->pad_end[i] = mode == CVY_PAD_FULL ? window - 1 : 0;
    size_t natural;
    if (mode == CVY_PAD_FULL || mode == CVY_PAD_VALID || !cvy_add(window, p->output_padding[i], &natural))
        return;
    if (natural < p->stride[i]) {
        p->output_padding[i] += p->stride[i] - natural;
        return;
    }
    size_t total = natural - p->stride[i];
    p->pad_begin[i] = mode == CVY_PAD_SAME_UPPER ? total / 2 : total - total / 2;
    p->pad_end[i] = total - p->pad_begin[i];
}

static void resolve_auto_pad(struct cvy_conv_problem *p, enum cvy_auto_pad mode)
{
    for (size_t i = 0; mode != CVY_PAD_EXPLICIT && i < p->rank; i++) {
        size_t window;
        if (p->kernel[i] == 0 || !cvy_mul(p->kernel[i] - 1, p->dilation[i], &window) ||
            !cvy_add(window, 1, &window))
            continue; /* validation says so */
        if (p->transposed)
            auto_pad_transposed(p, i, mode, window);
        else
            cvy_auto_pad(mode, p->in[i], window, p->stride[i], &p->pad_begin[i], &p->pad_end[i]);
    }
}

enum cvy_status cvy_conv_set_padding(struct cvy_conv_problem *problem, enum cvy_auto_pad rule)
{
    struct cvy_conv_problem p = *problem;
    if ((unsigned)rule > CVY_PAD_FULL)
        return cvy_fail(CVY_ERROR_INVALID, "conv: padding rule %d is none; take one of enum cvy_auto_pad",
                        (int)rule);
    enum cvy_status status = validate_channels(&p);
    if (status != CVY_OK)
        return status;
    if (rule != CVY_PAD_EXPLICIT)
        memset(p.output_padding, 0, sizeof(p.output_padding));
    resolve_auto_pad(&p, rule);
    status = cvy_conv_validate(&p);
    if (status == CVY_OK)
        *problem = p;
    return status;
}

/* The padding from which y's sizes follow. What padding cannot reach is output padding. */
static enum cvy_status resolve_output_shape(struct cvy_conv_problem *p, const struct cvy_op_conv *op)
{
    if (!op->transposed)
        return cvy_fail(CVY_ERROR_INVALID,
                        "conv: output_shape without transposed; the size of y follows from padding");
    for (size_t i = 0; i < p->rank; i++) {
        size_t wanted = op->output_shape[i], full, window;
        if (wanted == 0)
            continue;
        if (p->in[i] == 0 || p->kernel[i] == 0)
            continue; /* validation says so */
        if (!cvy_mul(p->in[i] - 1, p->stride[i], &full) ||
            !cvy_mul(p->kernel[i] - 1, p->dilation[i], &window) || !cvy_add(full, window, &full) ||
            !cvy_add(full, 1, &full) || !cvy_add(full, p->output_padding[i], &full))
            return too_large(axis_name(p->rank, i), "output");
        size_t total = full > wanted ? full - wanted : 0;
        p->output_padding[i] += wanted > full ? wanted - full : 0;
        p->pad_begin[i] = op->auto_pad == CVY_PAD_SAME_UPPER ? total / 2 : total - total / 2;
        p->pad_end[i] = total - p->pad_begin[i];
    }
    return CVY_OK;
}

static enum cvy_status check_op_shapes(const struct cvy_op_conv *op, const struct cvy_shape *x,
                                       const struct cvy_shape *w)
{
    if (x->rank < 3 || x->rank > CVY_CONV_MAX_RANK + 2)
        return cvy_fail(CVY_ERROR_INVALID,
                        "conv: x has %zu dimensions; N C and 1 to %d spatial axes are needed", x->rank,
                        CVY_CONV_MAX_RANK);
    if (w->rank != x->rank)
        return cvy_fail(CVY_ERROR_INVALID, "conv: w has %zu dimensions but x has %zu; they must agree",
                        w->rank, x->rank);
    if (op->groups == 0)
        return cvy_fail(CVY_ERROR_INVALID, "conv: groups is 0; 1 means no groups");
    size_t channels = w->dims[0];
    if (!op->transposed && !cvy_mul(w->dims[1], op->groups, &channels))
        return cvy_fail(CVY_ERROR_INVALID, "conv: %zu channels of w times groups %zu do not fit a size",
                        w->dims[1], op->groups);
    if (channels != x->dims[1])
        return cvy_fail(CVY_ERROR_INVALID, "conv: x has %zu channels but w with groups %zu is made for %zu",
                        x->dims[1], op->groups, channels);
    return CVY_OK;
}

enum cvy_status cvy_conv_problem_from_op(const struct cvy_op_conv *op, const struct cvy_shape *x,
                                         const struct cvy_shape *w, bool bias,
                                         struct cvy_conv_problem *problem)
{
    enum cvy_status status = check_op_shapes(op, x, w);
    if (status != CVY_OK)
        return status;
    struct cvy_conv_problem p;
    cvy_conv_problem_init(&p, x->rank - 2);
    p.n = x->dims[0];
    p.c = x->dims[1];
    p.groups = op->groups;
    p.k = w->dims[0];
    if (op->transposed && !cvy_mul(w->dims[1], op->groups, &p.k))
        return cvy_fail(CVY_ERROR_INVALID, "conv: %zu channels of w times groups %zu do not fit a size",
                        w->dims[1], op->groups);
    for (size_t i = 0; i < p.rank; i++) {
        p.in[i] = x->dims[i + 2];
        p.kernel[i] = w->dims[i + 2];
        p.stride[i] = op->stride[i];
        p.dilation[i] = op->dilation[i];
        p.pad_begin[i] = op->pad_begin[i];
        p.pad_end[i] = op->pad_end[i];
        p.output_padding[i] = op->output_padding[i];
    }
    p.pad_mode = op->pad_mode;
    p.shuffle = op->shuffle;
    p.transposed = op->transposed;
    p.flip = op->flip;
    p.activation = op->activation;
    p.alpha = op->alpha;
    p.beta = op->beta;
    p.bias = bias;
    if (op->output_shape[0] != 0)
        status = resolve_output_shape(&p, op);
    else
        resolve_auto_pad(&p, op->auto_pad);
    if (status == CVY_OK)
        status = cvy_conv_validate(&p);
    if (status == CVY_OK)
        *problem = p;
    return status;
}

struct cvy_op cvy_op_from_problem(enum cvy_op_type type, const struct cvy_conv_problem *problem)
{
    struct cvy_op op = {.type = type};
    op.conv.groups = problem->groups;
    memcpy(op.conv.stride, problem->stride, sizeof(problem->stride));
    memcpy(op.conv.dilation, problem->dilation, sizeof(problem->dilation));
    memcpy(op.conv.pad_begin, problem->pad_begin, sizeof(problem->pad_begin));
    memcpy(op.conv.pad_end, problem->pad_end, sizeof(problem->pad_end));
    memcpy(op.conv.output_padding, problem->output_padding, sizeof(problem->output_padding));
    op.conv.pad_mode = problem->pad_mode;
    op.conv.shuffle = problem->shuffle;
    op.conv.transposed = problem->transposed;
    op.conv.flip = problem->flip;
    op.conv.activation = problem->activation;
    op.conv.alpha = problem->alpha;
    op.conv.beta = problem->beta;
    return op;
}
