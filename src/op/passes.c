#include <convoy/arithmetic.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "op/problem.h"

const char *cvy_conv_kind_name(enum cvy_conv_kind kind)
{
    static const char *const names[] = {"standard", "spatially separable", "depthwise separable",
                                        "flattened"};
    return (size_t)kind < CVY_COUNT(names) ? names[kind] : "unknown";
}

/* The passes so far, and the sizes that the last of them leaves for the next. */
struct chain {
    const struct cvy_conv_problem *whole;
    struct cvy_conv_problem passes[CVY_CONV_MAX_PASSES];
    size_t n, c;
    size_t in[CVY_CONV_MAX_RANK];
};

/* Adds a pass from the channels that there are to k, over the axes first..end of the whole; bias, shuffle and
 * what else only the last pass has come later. */
static enum cvy_status add_pass(struct chain *chain, size_t k, size_t groups, size_t first, size_t end)
{
    const struct cvy_conv_problem *whole = chain->whole;
    struct cvy_conv_problem p;
    cvy_conv_problem_init(&p, whole->rank);
    p.n = whole->n;
    p.c = chain->c;
    p.k = k;
    p.groups = groups;
    memcpy(p.in, chain->in, sizeof(p.in));
    for (size_t i = first; i < end; i++) {
        p.kernel[i] = whole->kernel[i];
        p.stride[i] = whole->stride[i];
        p.dilation[i] = whole->dilation[i];
        p.pad_begin[i] = whole->pad_begin[i];
        p.pad_end[i] = whole->pad_end[i];
        p.output_padding[i] = whole->output_padding[i];
        if (p.pad_begin[i] > 0 || p.pad_end[i] > 0)
            p.pad_mode = whole->pad_mode;
    }
    /* over no axis it is 1x1, to which neither makes a difference */
    p.transposed = whole->transposed && end > first;
    p.flip = whole->flip && end > first;
    enum cvy_status status = cvy_conv_validate(&p);
    if (status != CVY_OK)
        return status;
    cvy_conv_output_sizes(&p, chain->in);
    chain->c = k;
    chain->passes[chain->n++] = p;
    return CVY_OK;
}

static enum cvy_status add_separable(struct chain *chain, size_t middle)
{
    const struct cvy_conv_problem *whole = chain->whole;
    if (whole->rank < 2)
        return cvy_fail(CVY_ERROR_INVALID,
                        "passes: spatially separable needs 2 or 3 spatial axes, the problem has 1; choose "
                        "another kind");
    if (middle % whole->groups != 0)
        return cvy_fail(CVY_ERROR_INVALID,
                        "passes: %zu channels between the passes do not divide by groups %zu; take a "
                        "multiple, or 0",
                        middle, whole->groups);
    if (middle == 0)
        middle = CVY_MIN(whole->c, whole->k);
    enum cvy_status status = add_pass(chain, middle, whole->groups, 0, 1);
    return status == CVY_OK ? add_pass(chain, whole->k, whole->groups, 1, whole->rank) : status;
}

static enum cvy_status add_flattened(struct chain *chain)
{
    const struct cvy_conv_problem *whole = chain->whole;
    enum cvy_status status = add_pass(chain, whole->k, whole->groups, 0, 0);
    for (size_t i = 0; status == CVY_OK && i < whole->rank; i++)
        status = add_pass(chain, whole->k, whole->k, i, i + 1);
    return status;
}

static enum cvy_status add_kind(struct chain *chain, enum cvy_conv_kind kind, size_t middle)
{
    const struct cvy_conv_problem *whole = chain->whole;
    enum cvy_status status;
    switch (kind) {
    case CVY_CONV_STANDARD:
        chain->passes[chain->n++] = *whole;
        return CVY_OK;
    case CVY_CONV_SPATIALLY_SEPARABLE:
        return add_separable(chain, middle);
    case CVY_CONV_DEPTHWISE_SEPARABLE:
        if (middle % whole->c != 0)
            return cvy_fail(
                CVY_ERROR_INVALID,
                "passes: %zu channels between the passes are no multiple of the %zu of x; take one, "
                "or 0",
                middle, whole->c);
        status = add_pass(chain, middle ? middle : whole->c, whole->c, 0, whole->rank);
        return status == CVY_OK ? add_pass(chain, whole->k, whole->groups, 0, 0) : status;
    case CVY_CONV_FLATTENED:
        return add_flattened(chain);
    default:
        return cvy_fail(CVY_ERROR_INVALID, "passes: kind %d is none; take one of enum cvy_conv_kind",
                        (int)kind);
    }
}

enum cvy_status cvy_conv_get_passes(const struct cvy_conv_problem *problem, enum cvy_conv_kind kind,
                                    size_t middle, struct cvy_conv_problem passes[CVY_CONV_MAX_PASSES],
                                    size_t *n_passes)
{
    enum cvy_status status = cvy_conv_validate(problem);
    if (status != CVY_OK)
        return status;
    struct chain chain = {.whole = problem, .c = problem->c};
    memcpy(chain.in, problem->in, sizeof(chain.in));
    status = add_kind(&chain, kind, middle);
    if (status != CVY_OK)
        return status;
    chain.passes[chain.n - 1].bias = problem->bias;
    chain.passes[chain.n - 1].shuffle = problem->shuffle;
    memcpy(passes, chain.passes, chain.n * sizeof(*passes));
    *n_passes = chain.n;
    return CVY_OK;
}
