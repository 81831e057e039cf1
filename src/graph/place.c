/* Where each value of a plan lies. */
#include <stdint.h>
#include <stdlib.h>

#include "base/arith.h"
#include "base/log.h"
#include "graph/plan.h"
#include "runtime/device.h"

#define END_OF_PLAN (SIZE_MAX - 1)

/* First and last step of each slot; an output's slot lives to the end. */
static void find_lifetimes(struct cvy_plan *plan)
{
    for (size_t i = 0; i < plan->n_steps; i++) {
        const struct cvy_step *step = &plan->steps[i];
        plan->items[step->output].first = plan->items[step->output].last = i;
        for (size_t j = 0; j < step->n_inputs; j++) {
            if (step->inputs[j] != SIZE_MAX)
                plan->items[step->inputs[j]].last = i;
        }
    }
    for (size_t i = 0; i < plan->n_outputs; i++)
        plan->items[plan->outputs[i].slot].last = END_OF_PLAN;
}

static void replace_slot(struct cvy_plan *plan, size_t first_step, size_t from, size_t to)
{
    for (size_t i = first_step; i < plan->n_steps; i++) {
        struct cvy_step *step = &plan->steps[i];
        step->output = step->output == from ? to : step->output;
        for (size_t j = 0; j < step->n_inputs; j++)
            step->inputs[j] = step->inputs[j] == from ? to : step->inputs[j];
    }
    for (size_t i = 0; i < plan->n_outputs; i++)
        plan->outputs[i].slot = plan->outputs[i].slot == from ? to : plan->outputs[i].slot;
    plan->items[to].last = plan->items[from].last;
    plan->slots[from].place = CVY_PLACE_NONE;
}

/* Whether step i may write over its input j: its operator can, and nothing looks at that any more. */
static bool can_overwrite(const struct cvy_plan *plan, size_t i, size_t j)
{
    const struct cvy_step *step = &plan->steps[i];
    const size_t in = step->inputs[j];
    if (!cvy_operator_bit(step->operator->class->in_place, j) || in == SIZE_MAX)
        return false;
    for (size_t other = 0; other < step->n_inputs; other++) {
        if (other != j && step->inputs[other] == in)
            return false;
    }
    return plan->slots[in].place == CVY_PLACE_ARENA && plan->items[in].last == i &&
           plan->slots[in].bytes == plan->slots[step->output].bytes;
}

/* Lets a step write over an input where that is the last look at it. */
static void share_in_place(struct cvy_plan *plan)
{
    for (size_t i = 0; i < plan->n_steps; i++) {
        struct cvy_step *step = &plan->steps[i];
        for (size_t j = 0; j < CVY_MIN(step->n_inputs, 8 * sizeof(unsigned)); j++) {
            if (can_overwrite(plan, i, j)) {
                replace_slot(plan, i, step->output, step->inputs[j]);
                break;
            }
        }
    }
}

/* An output's value is computed where the caller wants it; only the first of several outputs can have that.
 */
static void bind_outputs(struct cvy_plan *plan)
{
    for (size_t i = 0; i < plan->n_outputs; i++) {
        struct cvy_slot *slot = &plan->slots[plan->outputs[i].slot];
        if (slot->place == CVY_PLACE_ARENA) {
            slot->place = CVY_PLACE_OUTPUT;
            slot->binding = i;
        }
    }
}

/* What the arena must hold: values, and each step's scratch memory while it runs. */
static void find_sizes(struct cvy_plan *plan)
{
    struct cvy_memory_item *scratch = &plan->items[plan->n_slots];
    for (size_t i = 0; i < plan->n_slots; i++) {
        plan->items[i].bytes = plan->slots[i].place == CVY_PLACE_ARENA ? plan->slots[i].bytes : 0;
        plan->memory.without_reuse += plan->items[i].bytes;
    }
    for (size_t i = 0; i < plan->n_steps; i++) {
        scratch[i] =
            (struct cvy_memory_item){.bytes = plan->steps[i].operator->workspace, .first = i, .last = i};
        plan->memory.workspace = CVY_MAX(plan->memory.workspace, scratch[i].bytes);
    }
}

enum cvy_status cvy_plan_place(struct cvy_plan *plan)
{
    const struct cvy_device_info *info = cvy_device_get_info(plan->device);
    const size_t n = plan->n_slots + plan->n_steps;
    plan->items = calloc(n + 1, sizeof(*plan->items));
    plan->block_bytes = calloc(n + 1, sizeof(*plan->block_bytes));
    if (plan->items == NULL || plan->block_bytes == NULL)
        return cvy_fail_memory("plan", n * sizeof(*plan->items));
    find_lifetimes(plan);
    share_in_place(plan);
    cvy_plan_join_slices(plan);
    bind_outputs(plan);
    find_sizes(plan);
    const size_t max_block = info->max_alloc_bytes < SIZE_MAX ? (size_t)info->max_alloc_bytes : SIZE_MAX;
    plan->n_blocks = cvy_memory_plan(plan->items, n, info->base_align, max_block, plan->block_bytes);
    if (plan->n_blocks == SIZE_MAX) {
        plan->n_blocks = 0;
        return cvy_fail_memory("plan", n * sizeof(*plan->items));
    }
    for (size_t i = 0; i < plan->n_blocks; i++)
        plan->memory.peak += plan->block_bytes[i];
    plan->memory.lower_bound = cvy_memory_lower_bound(plan->items, n, info->base_align);
    plan->memory.intermediates = cvy_memory_lower_bound(plan->items, plan->n_slots, info->base_align);
    return CVY_OK;
}
