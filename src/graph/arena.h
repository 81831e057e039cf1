/* arena.h - the memory of one run of a plan: its intermediates and its scratch memory. */
#ifndef CVY_GRAPH_ARENA_H
#define CVY_GRAPH_ARENA_H

#include "graph/plan.h"
#include "graph/replay.h"

struct cvy_arena {
    struct cvy_buffer **blocks; /* the allocations */
    struct cvy_buffer **parts;  /* of each item of the plan; NULL where it needs none */
    size_t n_blocks, n_parts;
    struct cvy_replays replays; /* of runs with this arena */
};

enum cvy_status cvy_arena_create(struct cvy_arena **arena, const struct cvy_plan *plan);
void cvy_arena_destroy(struct cvy_arena **arena);
/* The arena of the next run; fewer than plan->max_arenas where the device has no memory for them. Call with
 * plan->lock held. */
struct cvy_arena *cvy_arena_next(struct cvy_plan *plan);

#endif
