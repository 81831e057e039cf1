/*
 * replay.h - the launches of whole runs, kept to be done again: describing them costs the host more than many
 * a kernel takes. They belong to the buffers that they were made for: those of one arena and one set of bound
 * ones, of which some are remembered.
 */
#ifndef CVY_GRAPH_REPLAY_H
#define CVY_GRAPH_REPLAY_H

#include "op/operator.h"

#define CVY_REPLAY_SETS 4

struct cvy_recording;

/* What was launched for one set of bound buffers. */
struct cvy_replay {
    uint64_t *ids; /* of the bound buffers; NULL: none yet */
    size_t n_ids, n_steps;
    uint64_t used_at; /* in runs */
    bool is_known;    /* seen before: what is launched now is worth keeping */
    struct replayed *steps;
};

struct cvy_replays {
    uint64_t runs;
    struct cvy_replay sets[CVY_REPLAY_SETS];
};

/* The set of these buffers, which from the second time on keeps what is launched. NULL: short of memory. */
struct cvy_replay *cvy_replay_find(struct cvy_replays *replays, struct cvy_buffer *const *buffers, size_t n,
                                   size_t n_steps);
/* Does step `index` again, or through the operator, as its enqueue does. replay may be NULL. */
enum cvy_status cvy_replay_step(struct cvy_replay *replay, size_t index, struct cvy_operator *operator,
                                struct cvy_buffer * const * in, size_t n_in, struct cvy_buffer *out,
                                struct cvy_buffer *workspace);
void cvy_replays_finish(struct cvy_replays *replays);

#endif
