/* Concatenations without copies: inputs are places in the output, where their makers write them. */
#include <stdint.h>

#include "base/arith.h"
#include "graph/plan.h"

/* The first step behind `step` that writes the slot; SIZE_MAX: none. */
static size_t next_writer(const struct cvy_plan *plan, size_t slot, size_t step)
{
    for (size_t i = step + 1; i < plan->n_steps; i++) {
        if (plan->steps[i].output == slot)
            return i;
    }
    return SIZE_MAX;
}

/* Whether the caller wants the slot's value, which then lies in a buffer of his. */
static bool is_output(const struct cvy_plan *plan, size_t slot)
{
    for (size_t i = 0; i < plan->n_outputs; i++) {
        if (plan->outputs[i].slot == slot)
            return true;
    }
    return false;
}

/* Whether the slot's value can be made in the output of step `at`: nothing writes over either while the other
 * is looked at. */
static bool can_lie_in_output(const struct cvy_plan *plan, size_t at, size_t slot, size_t offset)
{
    const size_t out = plan->steps[at].output, align = cvy_device_get_info(plan->device)->base_align;
    return slot != out && plan->slots[slot].place == CVY_PLACE_ARENA && !is_output(plan, slot) &&
           offset % align == 0 && next_writer(plan, slot, at) == SIZE_MAX &&
           plan->items[slot].last < next_writer(plan, out, at);
}

static void slice(struct cvy_plan *plan, size_t slot, size_t out, size_t offset)
{
    struct cvy_memory_item *item = &plan->items[slot], *whole = &plan->items[out];
    plan->slots[slot].place = CVY_PLACE_SLICE;
    plan->slots[slot].binding = out;
    plan->slots[slot].offset = offset;
    whole->first = CVY_MIN(whole->first, item->first);
    whole->last = CVY_MAX(whole->last, item->last);
}

static void join(struct cvy_plan *plan, size_t at)
{
    struct cvy_step *step = &plan->steps[at];
    size_t offset = 0;
    if (plan->slots[step->output].place != CVY_PLACE_ARENA || is_output(plan, step->output))
        return;
    for (size_t i = 0; i < step->n_inputs; i++) {
        const size_t slot = step->inputs[i], bytes = plan->slots[slot].bytes;
        if (can_lie_in_output(plan, at, slot, offset)) {
            slice(plan, slot, step->output, offset);
            step->inputs[i] = SIZE_MAX;
        }
        offset += bytes;
    }
}

void cvy_plan_join_slices(struct cvy_plan *plan)
{
    for (size_t i = 0; i < plan->n_steps; i++) {
        if (plan->steps[i].joins_slices)
            join(plan, i);
    }
}

size_t cvy_plan_root(const struct cvy_plan *plan, size_t slot, size_t *offset)
{
    *offset = 0;
    while (plan->slots[slot].place == CVY_PLACE_SLICE) {
        *offset += plan->slots[slot].offset;
        slot = plan->slots[slot].binding;
    }
    return slot;
}
