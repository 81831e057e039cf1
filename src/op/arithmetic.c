#include <convoy/arithmetic.h>
#include <stdio.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "op/problem.h"

size_t cvy_conv_effective_kernel(size_t kernel, size_t dilation)
{
    size_t reach;
    if (kernel == 0 || dilation == 0 || !cvy_mul(kernel - 1, dilation, &reach) || !cvy_add(reach, 1, &reach))
        return 0;
    return reach;
}

size_t cvy_conv_output_size(size_t in, size_t kernel, size_t stride, size_t dilation, size_t pads)
{
    size_t window = cvy_conv_effective_kernel(kernel, dilation), padded;
    if (in == 0 || stride == 0 || window == 0 || !cvy_add(in, pads, &padded) || window > padded)
        return 0;
    return (padded - window) / stride + 1;
}

static bool is_padded(const struct cvy_conv_problem *p)
{
    for (size_t i = 0; i < p->rank; i++)
        if (p->pad_begin[i] > 0 || p->pad_end[i] > 0)
            return true;
    return false;
}

/* "pointwise (1x1) convolution", "grouped 2D convolution (4 groups)": the name without what follows commas */
static int describe_kind(const struct cvy_conv_problem *p, char *text, size_t size)
{
    static const char *const dimensions[] = {"1D", "2D", "3D"};
    static const char *const points[] = {"pointwise 1D", "pointwise (1x1)", "pointwise (1x1x1)"};
    bool depthwise = p->groups > 1 && p->groups == p->c, pointwise = !depthwise;
    for (size_t i = 0; i < p->rank; i++)
        pointwise = pointwise && p->kernel[i] == 1;
    char groups[40] = "";
    if (depthwise && p->k > p->c)
        snprintf(groups, sizeof(groups), " (depth multiplier %zu)", p->k / p->c);
    else if (!depthwise && p->groups > 1)
        snprintf(groups, sizeof(groups), " (%zu groups)", p->groups);
    return snprintf(text, size, "%s%s%s convolution%s", p->transposed ? "transposed " : "",
                    depthwise       ? "depthwise "
                    : p->groups > 1 ? "grouped "
                                    : "",
                    pointwise ? points[p->rank - 1] : dimensions[p->rank - 1], groups);
}

const char *cvy_conv_describe(const struct cvy_conv_problem *problem, char *text, size_t size)
{
    if (size == 0)
        return text;
    if (cvy_conv_validate(problem) != CVY_OK) {
        snprintf(text, size, "impossible convolution");
        return text;
    }
    bool dilated = false;
    for (size_t i = 0; i < problem->rank; i++)
        dilated = dilated || (problem->dilation[i] > 1 && problem->kernel[i] > 1);
    char kind[160], padding[40] = "";
    describe_kind(problem, kind, sizeof(kind));
    if (problem->pad_mode != CVY_PAD_CONSTANT && is_padded(problem))
        snprintf(padding, sizeof(padding), ", %s padding", cvy_pad_mode_name(problem->pad_mode));
    snprintf(text, size, "%s%s%s%s%s", kind, dilated ? ", dilated" : "", problem->flip ? ", flipped" : "",
             padding, problem->shuffle > 1 ? ", channel shuffle" : "");
    return text;
}

enum cvy_status cvy_conv_transpose(const struct cvy_conv_problem *forward,
                                   struct cvy_conv_problem *transposed)
{
    enum cvy_status status = cvy_conv_validate(forward);
    if (status != CVY_OK)
        return status;
    if (forward->transposed)
        return cvy_fail(CVY_ERROR_INVALID,
                        "transpose: the problem is transposed already; give the forward one");
    if (forward->shuffle > 1)
        return cvy_fail(CVY_ERROR_INVALID,
                        "transpose: y's channels are shuffled, which a transposed convolution does not "
                        "undo; set shuffle to 0");
    if (forward->pad_mode != CVY_PAD_CONSTANT && is_padded(forward))
        return cvy_fail(CVY_ERROR_INVALID,
                        "transpose: %s padding; only a convolution padded with zeros has a transposed one",
                        cvy_pad_mode_name(forward->pad_mode));
    struct cvy_conv_problem back = *forward;
    back.transposed = true;
    back.bias = false;
    back.pad_mode = CVY_PAD_CONSTANT;
    back.c = forward->k;
    back.k = forward->c;
    cvy_conv_output_sizes(forward, back.in);
    for (size_t i = 0; i < forward->rank; i++) {
        size_t window = cvy_conv_effective_kernel(forward->kernel[i], forward->dilation[i]);
        back.output_padding[i] =
            (forward->in[i] + forward->pad_begin[i] + forward->pad_end[i] - window) % forward->stride[i];
    }
    status = cvy_conv_validate(&back);
    if (status == CVY_OK)
        *transposed = back;
    return status;
}

static enum cvy_status require_transposed(const struct cvy_conv_problem *problem, const char *where)
{
    enum cvy_status status = cvy_conv_validate(problem);
    if (status == CVY_OK && !problem->transposed)
        status = cvy_fail(CVY_ERROR_INVALID, "%s: the problem is not transposed; set transposed", where);
    return status;
}

enum cvy_status cvy_conv_get_zero_inserted(const struct cvy_conv_problem *transposed,
                                           struct cvy_conv_zero_inserted *view)
{
    enum cvy_status status = require_transposed(transposed, "zero-inserted view");
    if (status != CVY_OK)
        return status;
    struct cvy_conv_zero_inserted v = {0};
    for (size_t i = 0; i < transposed->rank; i++) {
        size_t reach = cvy_conv_effective_kernel(transposed->kernel[i], transposed->dilation[i]) - 1;
        size_t largest = CVY_MAX(transposed->pad_begin[i], transposed->pad_end[i]);
        largest = CVY_MAX(largest, CVY_MAX(reach, transposed->output_padding[i]));
        if (largest > INT64_MAX / 2)
            return cvy_fail(CVY_ERROR_INVALID,
                            "zero-inserted view: sizes up to %zu do not fit 64 bits with a sign; make them "
                            "smaller",
                            largest);
        v.inserted[i] = transposed->stride[i] - 1;
        v.pad_begin[i] = (int64_t)reach - (int64_t)transposed->pad_begin[i];
        v.pad_end[i] = (int64_t)(reach + transposed->output_padding[i]) - (int64_t)transposed->pad_end[i];
    }
    *view = v;
    return CVY_OK;
}

void cvy_receptive_field_add(struct cvy_receptive_field *field, size_t kernel, size_t stride, size_t dilation,
                             bool transposed)
{
    if (kernel == 0 || stride == 0 || dilation == 0)
        return;
    /* a transposed layer puts stride - 1 elements between those of its input, then takes single steps */
    if (transposed)
        field->jump /= (double)stride;
    field->size += (double)(kernel - 1) * (double)dilation * field->jump;
    if (!transposed)
        field->jump *= (double)stride;
}

enum cvy_status cvy_conv_get_checkerboard(const struct cvy_conv_problem *problem,
                                          struct cvy_checkerboard *board)
{
    enum cvy_status status = require_transposed(problem, "checkerboard");
    if (status != CVY_OK)
        return status;
    struct cvy_checkerboard b = {.even = true};
    for (size_t i = 0; i < problem->rank; i++) {
        size_t kernel = problem->kernel[i], stride = problem->stride[i];
        size_t common = cvy_gcd(stride, problem->dilation[i]), period = stride / common;
        /* with a factor in common the taps meet only each common-th element, whatever the kernel */
        b.least[i] = common > 1 ? 0 : kernel / period;
        b.most[i] = cvy_ceil_div(kernel, period);
        b.even = b.even && b.least[i] == b.most[i];
        if (common == 1) {
            b.kernel_below[i] = kernel / stride * stride;
            if (!cvy_mul(cvy_ceil_div(kernel, stride), stride, &b.kernel_above[i]))
                b.kernel_above[i] = 0;
        }
    }
    *board = b;
    return CVY_OK;
}

enum cvy_status cvy_conv_count_contributions(const struct cvy_conv_problem *problem, size_t axis,
                                             size_t *counts)
{
    enum cvy_status status = require_transposed(problem, "contributions");
    if (status != CVY_OK)
        return status;
    if (axis >= problem->rank)
        return cvy_fail(CVY_ERROR_INVALID, "contributions: axis %zu of a problem with %zu; count from 0",
                        axis, problem->rank);
    size_t out[CVY_CONV_MAX_RANK];
    cvy_conv_output_sizes(problem, out);
    memset(counts, 0, out[axis] * sizeof(*counts));
    for (size_t at = 0; at < problem->in[axis]; at++)
        for (size_t tap = 0; tap < problem->kernel[axis]; tap++) {
            size_t full = at * problem->stride[axis] + tap * problem->dilation[axis];
            if (full >= problem->pad_begin[axis] && full - problem->pad_begin[axis] < out[axis])
                counts[full - problem->pad_begin[axis]]++;
        }
    return CVY_OK;
}
