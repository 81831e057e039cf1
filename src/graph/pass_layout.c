/*
 * Which values lie in blocks of channels: those between steps that gain by it. Values that an operator wants
 * in the layout of its output make a group with that; a group lies in blocks, or plain, as the steps around
 * it and the conversions at its edges are expected to take the least time. A conversion is a step of its own,
 * which all share that read the value so.
 */
#include <math.h>
#include <stdlib.h>

#include "base/arith.h"
#include "base/log.h"
#include "graph/passes.h"
#include "op/layout.h"
#include "op/planes.h"

#define SWEEPS 4 /* over all groups, until nothing changes */

/* A work, and how its tensors may lie. */
struct choice {
    struct cvy_work *work;
    bool can_block;            /* its output */
    enum cvy_layout *wants[2]; /* of each input, with the output plain and in blocks */
    bool has_seconds;
    double seconds[2][2]; /* input 0 plain, in blocks; the output the same */
};

struct chooser {
    struct cvy_work_list *list;
    size_t n_choices, n_values;
    struct choice *choices;
    enum cvy_layout *wants; /* memory of all choices' */
    bool *is_free;          /* of each value: it may be made in blocks */
    bool *is_blocked;       /* of each value that stands for its group */
    bool *is_converted;     /* of each value: somebody reads it in the layout that it is not made in */
    size_t *group;          /* of each value: another one of its group, or itself where it stands for it */
    double *conversion;     /* of each value: seconds */
};

static size_t group_of(const struct chooser *c, size_t value)
{
    while (c->group[value] != value)
        value = c->group[value];
    return value;
}

static bool is_made_in_blocks(const struct chooser *c, size_t value)
{
    return c->is_blocked[group_of(c, value)];
}

static double seconds_of(const struct chooser *c, const struct cvy_work *work, struct cvy_operand *operands,
                         bool in_blocks, bool out_blocks)
{
    struct cvy_operator_params params = c->list->params;
    operands[0].block = in_blocks ? c->list->block : 0;
    params.block = out_blocks ? c->list->block : 0;
    return cvy_operator_class_of(work->op.type)
        ->seconds(c->list->device, &work->op, operands, work->n_inputs, &params);
}

static enum cvy_status describe(struct chooser *c, struct choice *choice)
{
    const struct cvy_work *work = choice->work;
    const struct cvy_value_info *out = &c->list->values[work->output]->info;
    struct cvy_operand *operands = calloc(work->n_inputs + 1, sizeof(*operands));
    if (operands == NULL)
        return cvy_fail_memory("plan", work->n_inputs * sizeof(*operands));
    for (size_t i = 0; i < work->n_inputs; i++)
        operands[i] = cvy_work_operand(c->list, work, i);
    cvy_operator_layouts(&work->op, operands, work->n_inputs, &out->shape, 0, choice->wants[0]);
    choice->can_block =
        out->dtype == CVY_FLOAT32 && cvy_operator_layouts(&work->op, operands, work->n_inputs, &out->shape,
                                                          c->list->block, choice->wants[1]);
    choice->has_seconds = choice->can_block && cvy_operator_class_of(work->op.type)->seconds != NULL;
    for (int i = 0; choice->has_seconds && i < 4; i++)
        choice->seconds[i / 2][i % 2] = seconds_of(c, work, operands, i / 2, i % 2);
    /* an algorithm was named that does not take them */
    if (choice->has_seconds && isinf(fmin(choice->seconds[0][1], choice->seconds[1][1])))
        choice->can_block = false;
    c->is_free[work->output] = choice->can_block;
    free(operands);
    return CVY_OK;
}

/* Values that only lie in blocks together. */
static void join(struct chooser *c, const struct choice *choice)
{
    const struct cvy_work *work = choice->work;
    for (size_t i = 0; choice->can_block && i < work->n_inputs; i++) {
        if (work->inputs[i] != SIZE_MAX && choice->wants[1][i] == CVY_LAYOUT_BLOCKS &&
            choice->wants[0][i] == CVY_LAYOUT_PLAIN && c->is_free[work->inputs[i]])
            c->group[group_of(c, work->inputs[i])] = group_of(c, work->output);
    }
}

static bool reads_in_blocks(const struct chooser *c, const struct choice *choice, size_t input)
{
    const size_t value = choice->work->inputs[input];
    const bool out = is_made_in_blocks(c, choice->work->output), made = is_made_in_blocks(c, value);
    const enum cvy_layout want = choice->wants[out][input];
    if (want != CVY_LAYOUT_ANY)
        return want == CVY_LAYOUT_BLOCKS;
    if (input != 0 || !choice->has_seconds)
        return made;
    const bool other_is_faster =
        choice->seconds[!made][out] + c->conversion[value] < choice->seconds[made][out];
    return other_is_faster ? !made : made;
}

static double total_seconds(const struct chooser *c)
{
    double total = 0;
    for (size_t i = 0; i < c->n_values; i++)
        c->is_converted[i] = false;
    for (size_t i = 0; i < c->list->n_outputs; i++)
        c->is_converted[c->list->outputs[i]] = is_made_in_blocks(c, c->list->outputs[i]);
    for (size_t i = 0; i < c->n_choices; i++) {
        const struct choice *choice = &c->choices[i];
        const struct cvy_work *work = choice->work;
        for (size_t j = 0; j < work->n_inputs; j++) {
            if (work->inputs[j] != SIZE_MAX &&
                reads_in_blocks(c, choice, j) != is_made_in_blocks(c, work->inputs[j]))
                c->is_converted[work->inputs[j]] = true;
        }
        if (choice->has_seconds)
            total += choice->seconds[reads_in_blocks(c, choice, 0)][is_made_in_blocks(c, work->output)];
    }
    for (size_t i = 0; i < c->n_values; i++)
        total += c->is_converted[i] ? c->conversion[i] : 0;
    return total;
}

/* All groups alike, and then one after the other the other way where that takes less time. */
static double improve(struct chooser *c, bool in_blocks)
{
    for (size_t i = 0; i < c->n_values; i++)
        c->is_blocked[i] = in_blocks && c->is_free[i];
    double least = total_seconds(c);
    bool changed = true;
    for (int sweep = 0; changed && sweep < SWEEPS; sweep++) {
        changed = false;
        for (size_t i = 0; i < c->n_values; i++) {
            if (c->group[i] != i || !c->is_free[i])
                continue;
            c->is_blocked[i] = !c->is_blocked[i];
            const double seconds = total_seconds(c);
            changed = changed || seconds < least;
            if (seconds < least)
                least = seconds;
            else
                c->is_blocked[i] = !c->is_blocked[i];
        }
    }
    return least;
}

static void choose(struct chooser *c)
{
    for (size_t i = 0; c->list->must_block && i < c->n_values; i++)
        c->is_blocked[i] = c->is_free[i];
    if (c->list->must_block) {
        total_seconds(c);
        return;
    }
    const double from_plain = improve(c, false), from_blocks = improve(c, true);
    if (from_plain < from_blocks)
        improve(c, false);
    total_seconds(c);
    cvy_log(CVY_LOG_DEBUG, "plan: %.3g ms expected of convolutions and conversions between layouts",
            fmin(from_plain, from_blocks) * 1e3);
}

/* The value in the other layout, made in front of whoever first reads it so. */
static enum cvy_status convert(struct chooser *c, size_t value)
{
    struct cvy_work_list *list = c->list;
    const struct cvy_value_info *info = &list->values[value]->info;
    const struct cvy_op op = {.type = CVY_OP_LAYOUT};
    const bool made = is_made_in_blocks(c, value);
    struct cvy_work *layout, *maker = cvy_work_maker(list, value);
    const struct cvy_work *first = NULL;
    size_t other;
    enum cvy_status status = cvy_work_add_value(list, &info->shape, info->dtype, NULL, &other);
    if (status == CVY_OK)
        status = cvy_work_set_block(list, other, made ? 0 : list->block);
    for (size_t i = 0; status == CVY_OK && i < c->n_choices; i++) {
        struct cvy_work *work = c->choices[i].work;
        for (size_t j = 0; status == CVY_OK && j < work->n_inputs; j++) {
            if (work->inputs[j] != value || reads_in_blocks(c, &c->choices[i], j) == made)
                continue;
            first = first != NULL ? first : work;
            status = cvy_work_set_input(list, work, j, other);
        }
    }
    for (size_t i = 0; status == CVY_OK && i < list->n_outputs; i++)
        list->outputs[i] = made && list->outputs[i] == value ? other : list->outputs[i];
    if (status == CVY_OK)
        status = cvy_work_insert(list, first, &op, first != NULL ? first->name : maker->name, &value, 1,
                                 other, &layout);
    return status;
}

static enum cvy_status apply(struct chooser *c)
{
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < c->n_values; i++) {
        if (is_made_in_blocks(c, i))
            status = cvy_work_set_block(c->list, i, c->list->block);
        if (status == CVY_OK && c->is_converted[i])
            status = convert(c, i);
    }
    return status;
}

static enum cvy_status chooser_init(struct chooser *c)
{
    size_t n_inputs = 0, n = c->list->n_values;
    for (size_t i = 0; i < c->list->count; i++)
        n_inputs += c->list->items[i]->n_inputs;
    c->n_choices = c->list->count;
    c->n_values = n;
    c->choices = calloc(c->n_choices + 1, sizeof(*c->choices));
    c->wants = calloc(2 * n_inputs + 1, sizeof(*c->wants));
    c->is_free = calloc(3 * n + 1, sizeof(*c->is_free));
    c->group = calloc(n + 1, sizeof(*c->group));
    c->conversion = calloc(n + 1, sizeof(*c->conversion));
    if (!c->choices || !c->wants || !c->is_free || !c->group || !c->conversion)
        return cvy_fail_memory("plan", n * sizeof(*c->conversion));
    c->is_blocked = c->is_free + n;
    c->is_converted = c->is_free + 2 * n;
    enum cvy_layout *wants = c->wants;
    for (size_t i = 0; i < c->n_choices; i++) {
        struct choice *choice = &c->choices[i];
        choice->work = c->list->items[i];
        choice->wants[0] = wants;
        choice->wants[1] = wants + choice->work->n_inputs;
        wants += 2 * choice->work->n_inputs;
    }
    for (size_t i = 0; i < n; i++) {
        const struct cvy_shape *shape = &c->list->values[i]->info.shape;
        c->group[i] = i;
        c->conversion[i] = shape->rank < 3 ? 0
                           : cvy_layout_bytes(shape, c->list->block) == SIZE_MAX
                               ? INFINITY
                               : cvy_layout_seconds(c->list->device, shape, c->list->block);
    }
    return CVY_OK;
}

enum cvy_status cvy_pass_layout(struct cvy_work_list *list)
{
    struct chooser c = {.list = list};
    if (list->block == 0)
        return CVY_OK;
    enum cvy_status status = chooser_init(&c);
    for (size_t i = 0; status == CVY_OK && i < c.n_choices; i++)
        status = describe(&c, &c.choices[i]);
    for (size_t i = 0; status == CVY_OK && i < c.n_choices; i++)
        join(&c, &c.choices[i]);
    if (status == CVY_OK) {
        choose(&c);
        status = apply(&c);
    }
    free(c.choices);
    free(c.wants);
    free(c.is_free);
    free(c.group);
    free(c.conversion);
    return status;
}
