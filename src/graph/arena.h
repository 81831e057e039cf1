/* arena.h - the memory of one run of a plan: its intermediates and its scratch memory. */
#ifndef CVY_GRAPH_ARENA_H
#define CVY_GRAPH_ARENA_H

#include "graph/plan.h"

struct cvy_arena {
    struct cvy_buffer **blocks; /* the allocations */
    struct cvy_buffer **parts;  /* of each item of the plan; NULL where it needs none */
    size_t n_blocks, n_parts;
};

enum cvy_status cvy_arena_create(struct cvy_arena **arena, const struct cvy_plan *plan);
void cvy_arena_destroy(struct cvy_arena **arena);

#endif
