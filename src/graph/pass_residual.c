/*
 * Add of a convolution's y and another tensor of that shape -> Conv that adds to it (He et al., arXiv
 * 1512.03385). y is written over the other tensor, so the Add must be the last to read that: where it is not,
 * a copy would cost what the Add does.
 */
#include "graph/passes.h"

static bool is_alias(const struct cvy_work *work)
{
    return cvy_operator_class_of(work->op.type)->is_alias;
}

static size_t position_of(const struct cvy_work_list *list, const struct cvy_work *work)
{
    size_t at = 0;
    while (at < list->count && list->items[at] != work)
        at++;
    return at;
}

/* Whether nothing needs the value behind the work at `add`, and it lies in the plan's own memory. */
static bool dies_at(const struct cvy_work_list *list, size_t value, size_t add)
{
    const struct cvy_work *maker = cvy_work_maker(list, value);
    size_t reads = 0;
    /* a Reshape's output lies where its input does, which others may read */
    if (maker == NULL || is_alias(maker))
        return false;
    for (size_t i = 0; i <= add; i++) {
        const struct cvy_work *work = list->items[i];
        for (size_t j = 0; !work->gone && j < work->n_inputs; j++) {
            if (work->inputs[j] != value)
                continue;
            if (is_alias(work))
                return false;
            reads++;
        }
    }
    return reads == list->values[value]->reads;
}

static bool can_accumulate(const struct cvy_work_list *list, const struct cvy_work *conv, size_t other)
{
    if (conv == NULL || conv->op.type != CVY_OP_CONV || conv->op.conv.activation != CVY_ACTIVATION_NONE ||
        conv->op.conv.shuffle > 1 || conv->n_inputs > 3)
        return false;
    for (size_t i = 0; i < conv->n_inputs; i++) {
        if (conv->inputs[i] == other)
            return false;
    }
    return cvy_shape_equal(&list->values[conv->output]->info.shape, &list->values[other]->info.shape);
}

/* conv does the work of the Add at `at`, in its place: what it adds is there by then. */
static enum cvy_status accumulate(struct cvy_work_list *list, struct cvy_work *conv, size_t at, size_t other)
{
    struct cvy_work *add = list->items[at];
    enum cvy_status status = cvy_work_set_input(list, conv, 3, other);
    if (status == CVY_OK)
        status = cvy_work_absorb(list, conv, add);
    if (status == CVY_OK) {
        list->items[position_of(list, conv)] = add;
        list->items[at] = conv;
    }
    return status;
}

static enum cvy_status fold_add(struct cvy_work_list *list, size_t at)
{
    struct cvy_work *add = list->items[at], *best = NULL;
    size_t other = SIZE_MAX;
    for (size_t i = 0; i < 2; i++) {
        struct cvy_work *conv = cvy_work_only_maker(list, add->inputs[i]);
        size_t rest = add->inputs[1 - i];
        /* the later of two keeps its place */
        if (can_accumulate(list, conv, rest) && dies_at(list, rest, at) &&
            (best == NULL || position_of(list, conv) > position_of(list, best))) {
            best = conv;
            other = rest;
        }
    }
    return best != NULL ? accumulate(list, best, at, other) : CVY_OK;
}

enum cvy_status cvy_pass_residual(struct cvy_work_list *list)
{
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < list->count; i++) {
        if (!list->items[i]->gone && list->items[i]->op.type == CVY_OP_ADD)
            status = fold_add(list, i);
    }
    return status;
}
