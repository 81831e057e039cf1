#include "graph/arena.h"

#include <stdlib.h>

#include "base/log.h"
#include "runtime/buffer.h"

static enum cvy_status allocate(struct cvy_arena *arena, const struct cvy_plan *plan)
{
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < arena->n_blocks; i++)
        status = cvy_buffer_create(&arena->blocks[i], plan->device, plan->block_bytes[i]);
    for (size_t i = 0; status == CVY_OK && i < arena->n_parts; i++) {
        size_t offset = 0, root = i < plan->n_slots ? cvy_plan_root(plan, i, &offset) : i;
        const struct cvy_memory_item *item = &plan->items[root];
        const size_t bytes = root == i ? item->bytes : plan->slots[i].bytes;
        if (item->bytes != 0)
            status = cvy_buffer_create_part(&arena->parts[i], arena->blocks[item->block],
                                            item->offset + offset, bytes);
    }
    return status;
}

enum cvy_status cvy_arena_create(struct cvy_arena **arena, const struct cvy_plan *plan)
{
    struct cvy_arena *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return cvy_fail_memory("plan", sizeof(*made));
    made->n_blocks = plan->n_blocks;
    made->n_parts = plan->n_slots + plan->n_steps;
    made->blocks = calloc(made->n_blocks + 1, sizeof(*made->blocks));
    made->parts = calloc(made->n_parts + 1, sizeof(*made->parts));
    enum cvy_status status = made->blocks != NULL && made->parts != NULL
                                 ? allocate(made, plan)
                                 : cvy_fail_memory("plan", made->n_parts * sizeof(*made->parts));
    if (status == CVY_OK)
        *arena = made;
    else
        cvy_arena_destroy(&made);
    return status;
}

void cvy_arena_destroy(struct cvy_arena **arena)
{
    if (arena == NULL || *arena == NULL)
        return;
    struct cvy_arena *a = *arena;
    cvy_replays_finish(&a->replays);
    for (size_t i = 0; a->parts && i < a->n_parts; i++)
        cvy_buffer_destroy(&a->parts[i]);
    for (size_t i = 0; a->blocks && i < a->n_blocks; i++)
        cvy_buffer_destroy(&a->blocks[i]);
    free(a->parts);
    free(a->blocks);
    free(a);
    *arena = NULL;
}

struct cvy_arena *cvy_arena_next(struct cvy_plan *plan)
{
    const size_t turn = plan->n_runs++ % plan->max_arenas;
    if (turn == plan->n_arenas) {
        if (cvy_arena_create(&plan->arenas[turn], plan) == CVY_OK)
            plan->n_arenas++;
        else
            plan->max_arenas = plan->n_arenas;
    }
    return plan->arenas[turn % plan->max_arenas];
}
