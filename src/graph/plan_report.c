/* What a plan tells about itself. */
#include "base/arith.h"
#include "base/log.h"
#include "graph/shard.h"
#include "runtime/device.h"

enum cvy_split cvy_plan_get_split(const struct cvy_plan *plan)
{
    return plan->shards != NULL ? plan->shards->split : CVY_SPLIT_AUTO;
}

size_t cvy_plan_layer_count(const struct cvy_plan *plan)
{
    return plan->shards != NULL ? cvy_shards_layer_count(plan->shards) : plan->n_steps;
}

size_t cvy_plan_conversion_count(const struct cvy_plan *plan)
{
    size_t count = plan->shards != NULL ? cvy_shards_conversion_count(plan->shards) : 0;
    for (size_t i = 0; i < plan->n_steps; i++)
        count += plan->steps[i].operator->op.type == CVY_OP_LAYOUT;
    return count;
}

static struct cvy_plan_place place_of(const struct cvy_plan *plan, size_t slot)
{
    const struct cvy_slot *s = &plan->slots[slot];
    size_t offset, root = cvy_plan_root(plan, slot, &offset);
    if (plan->slots[root].place == CVY_PLACE_ARENA)
        return (struct cvy_plan_place){CVY_PLAN_PLACE_MEMORY, plan->items[root].block,
                                       plan->items[root].offset + offset, s->bytes};
    if (s->place == CVY_PLACE_INPUT || s->place == CVY_PLACE_OUTPUT)
        return (struct cvy_plan_place){s->place == CVY_PLACE_INPUT ? CVY_PLAN_PLACE_INPUT
                                                                   : CVY_PLAN_PLACE_OUTPUT,
                                       s->binding, 0, s->bytes};
    return (struct cvy_plan_place){0};
}

/* From begin to end of a step on the device, in seconds since the run began; false: unknown. */
static bool get_span(const struct cvy_plan *plan, size_t index, double *begin, double *end)
{
    struct cvy_event *const *marks = plan->marks;
    const struct cvy_step *step = &plan->steps[index];
    double delay;
    if (marks[index + 1] == NULL && step->seconds >= 0) {
        *begin = step->enqueue_end - plan->begun_at;
        *end = step->enqueue_begin + step->seconds - plan->begun_at;
        return true;
    }
    if (marks[0] == NULL || marks[index] == NULL || marks[index + 1] == NULL ||
        !cvy_event_delay(marks[0], &delay) || !cvy_event_span(marks[0], marks[index], begin) ||
        !cvy_event_span(marks[0], marks[index + 1], end))
        return false;
    *begin += delay;
    *end += delay;
    return true;
}

enum cvy_status cvy_plan_get_layer(const struct cvy_plan *plan, size_t index, struct cvy_plan_layer *layer)
{
    if (plan->shards != NULL)
        return cvy_shards_get_layer(plan->shards, index, layer);
    if (index >= plan->n_steps)
        return cvy_fail(CVY_ERROR_INVALID, "plan: there is no layer %zu, only %zu", index, plan->n_steps);
    const struct cvy_step *step = &plan->steps[index];
    double begin, end;
    /* another thread's run would replace the marks */
    pthread_mutex_t *lock = (pthread_mutex_t *)&plan->lock;
    pthread_mutex_lock(lock);
    double seconds = step->seconds;
    if (plan->marks[index] != NULL && plan->marks[index + 1] != NULL &&
        !cvy_event_span(plan->marks[index], plan->marks[index + 1], &seconds))
        seconds = -1;
    const bool has_span = get_span(plan, index, &begin, &end), was_enqueued = plan->begun_at > 0;
    *layer = (struct cvy_plan_layer){
        .device = plan->device,
        .name = step->name,
        .op = cvy_op_name(&step->operator->op),
        .fused = step->fused ? step->fused : "",
        .algorithm = step->operator->algorithm ? step->operator->algorithm : "",
        .output = step->operator->out,
        .milliseconds = seconds < 0 ? -1 : seconds * 1e3,
        .enqueue_begin = was_enqueued ? 1e3 * (step->enqueue_begin - plan->begun_at) : -1,
        .enqueue_end = was_enqueued ? 1e3 * (step->enqueue_end - plan->begun_at) : -1,
        .run_begin = has_span ? 1e3 * begin : -1,
        .run_end = has_span ? 1e3 * end : -1,
        .flops = step->operator->flops,
        .place = place_of(plan, step->output),
        .block = step->operator->block };
    pthread_mutex_unlock(lock);
    return CVY_OK;
}

/* The index-th item that needs a place. */
static size_t find_item(const struct cvy_plan *plan, size_t index)
{
    size_t i = 0;
    for (; i < plan->n_slots + plan->n_steps; i++) {
        if (plan->items[i].bytes != 0 && index-- == 0)
            break;
    }
    return i;
}

size_t cvy_plan_item_count(const struct cvy_plan *plan)
{
    size_t count = 0;
    for (size_t i = 0; i < plan->n_slots + plan->n_steps; i++)
        count += plan->items[i].bytes != 0;
    return count;
}

enum cvy_status cvy_plan_get_item(const struct cvy_plan *plan, size_t index, struct cvy_plan_item *item)
{
    const size_t at = find_item(plan, index);
    if (at == plan->n_slots + plan->n_steps)
        return cvy_fail(CVY_ERROR_INVALID, "plan: there is no item %zu, only %zu", index,
                        cvy_plan_item_count(plan));
    const struct cvy_memory_item *found = &plan->items[at];
    *item = (struct cvy_plan_item){
        .layer = plan->steps[found->first].name,
        .is_scratch = at >= plan->n_slots,
        .block = found->block,
        .offset = found->offset,
        .bytes = found->bytes,
        .first = found->first,
        .last = CVY_MIN(found->last, plan->n_steps - 1),
    };
    return CVY_OK;
}

void cvy_plan_get_memory(const struct cvy_plan *plan, struct cvy_plan_memory *memory)
{
    *memory = plan->memory;
    if (plan->shards != NULL)
        cvy_shards_get_memory(plan->shards, memory);
}
