#include "graph/replay.h"

#include <stdlib.h>

#include "runtime/buffer.h"
#include "runtime/recording.h"

struct replayed {
    struct cvy_recording *recording; /* NULL: none */
    bool is_unrecordable;
};

static bool is_for(const struct cvy_replay *set, struct cvy_buffer *const *buffers, size_t n)
{
    bool same = set->ids != NULL && set->n_ids == n;
    for (size_t i = 0; same && i < n; i++)
        same = set->ids[i] == cvy_buffer_id(buffers[i]);
    return same;
}

static void forget(struct cvy_replay *set)
{
    for (size_t i = 0; set->steps != NULL && i < set->n_steps; i++)
        cvy_recording_destroy(&set->steps[i].recording);
    free(set->steps);
    free(set->ids);
    *set = (struct cvy_replay){0};
}

static bool remember(struct cvy_replay *set, struct cvy_buffer *const *buffers, size_t n, size_t n_steps)
{
    forget(set);
    set->ids = calloc(n + 1, sizeof(*set->ids));
    set->steps = calloc(n_steps + 1, sizeof(*set->steps));
    if (set->ids == NULL || set->steps == NULL) {
        forget(set);
        return false;
    }
    set->n_ids = n;
    set->n_steps = n_steps;
    for (size_t i = 0; i < n; i++)
        set->ids[i] = cvy_buffer_id(buffers[i]);
    return true;
}

struct cvy_replay *cvy_replay_find(struct cvy_replays *replays, struct cvy_buffer *const *buffers, size_t n,
                                   size_t n_steps)
{
    struct cvy_replay *oldest = &replays->sets[0];
    for (size_t i = 0; i < CVY_REPLAY_SETS; i++) {
        struct cvy_replay *set = &replays->sets[i];
        if (is_for(set, buffers, n)) {
            set->is_known = true;
            set->used_at = ++replays->runs;
            return set;
        }
        oldest = set->used_at < oldest->used_at ? set : oldest;
    }
    if (!remember(oldest, buffers, n, n_steps))
        return NULL;
    oldest->used_at = ++replays->runs;
    return oldest;
}

enum cvy_status cvy_replay_step(struct cvy_replay *replay, size_t index, struct cvy_operator *operator,
                                struct cvy_buffer * const * in, size_t n_in, struct cvy_buffer *out,
                                struct cvy_buffer *workspace)
{
    struct replayed *step = replay != NULL && replay->is_known ? &replay->steps[index] : NULL;
    if (step != NULL && step->recording != NULL && cvy_recording_is_current(step->recording))
        return cvy_recording_replay(step->recording);
    struct cvy_recording *made = NULL;
    if (step != NULL) {
        cvy_recording_destroy(&step->recording);
        if (!step->is_unrecordable)
            made = cvy_recording_begin(operator->device);
    }
    enum cvy_status status = operator->class->enqueue(operator, in, n_in, out, workspace);
    if (made != NULL && !cvy_recording_end(made))
        step->is_unrecordable = true;
    if (status != CVY_OK || (step != NULL && step->is_unrecordable))
        cvy_recording_destroy(&made);
    if (step != NULL)
        step->recording = made;
    return status;
}

void cvy_replays_finish(struct cvy_replays *replays)
{
    for (size_t i = 0; i < CVY_REPLAY_SETS; i++)
        forget(&replays->sets[i]);
}
