/* What a search chooses from. */
#include "op/tune_candidates.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"

/* A candidate is not tried where so many times the best is expected of it: by estimates alone, and by what
 * its algorithm was seen to take against its estimate. */
#define HOPELESS_UNSEEN 10
#define HOPELESS_SEEN 2

static bool add_candidate(struct cvy_candidates *list, const struct cvy_algo *algo,
                          const struct cvy_algo_config *config, bool is_default)
{
    if (cvy_algo_workspace(algo, &list->p, list->device, config) > list->max_workspace)
        return true;
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].algo == algo && memcmp(&list->items[i].config, config, sizeof(*config)) == 0)
            return true;
    }
    if (list->count == list->capacity) {
        size_t capacity = 2 * list->capacity + 32;
        struct cvy_candidate *grown = realloc(list->items, capacity * sizeof(*grown));
        if (grown == NULL)
            return false;
        list->items = grown;
        list->capacity = capacity;
    }
    list->items[list->count++] =
        (struct cvy_candidate){.algo = algo,
                               .config = *config,
                               .is_default = is_default,
                               .estimate = algo->estimate(&list->p, list->device, config)};
    return true;
}

static enum cvy_status collect(struct cvy_candidates *list)
{
    const struct cvy_algo *algo;
    char why[320];
    bool good = true;
    for (size_t a = 0; good && (algo = cvy_algo_at(a)) != NULL; a++) {
        if (!cvy_algo_applies(algo, &list->p, list->device, why, sizeof(why)))
            continue;
        struct cvy_algo_config config = {{0}};
        algo->default_config(&list->p, list->device, list->max_workspace, &config);
        good = add_candidate(list, algo, &config, true);
        for (size_t i = 0; good; i++) {
            config = (struct cvy_algo_config){{0}};
            if (!algo->configs(&list->p, list->device, i, &config))
                break;
            good = add_candidate(list, algo, &config, false);
        }
    }
    if (!good)
        return cvy_fail_memory("candidates", list->capacity * sizeof(struct cvy_candidate));
    if (list->count == 0)
        return cvy_fail(CVY_ERROR_UNSUPPORTED,
                        "tune: no algorithm can do this problem on this device within %zu bytes of "
                        "workspace; allow more, or tensors in another layout",
                        list->max_workspace);
    return CVY_OK;
}

/* What was measured before. */
static enum cvy_status recall(struct cvy_candidates *list)
{
    struct cvy_tuned *rows = NULL;
    size_t count = 0;
    enum cvy_status status = cvy_tunedb_list(list->device, &list->p, &rows, &count);
    if (status != CVY_OK)
        return status;
    for (size_t i = 0; i < list->count; i++) {
        struct cvy_candidate *c = &list->items[i];
        for (size_t r = 0; r < count; r++) {
            if (rows[r].algo != c->algo || memcmp(&rows[r].config, &c->config, sizeof(c->config)) != 0)
                continue;
            c->rounds = CVY_MIN(rows[r].rounds, CVY_CANDIDATE_ROUNDS);
            c->seconds = rows[r].seconds;
            c->refused = rows[r].rounds == 0;
        }
    }
    free(rows);
    return CVY_OK;
}

bool cvy_candidate_is_usable(const struct cvy_candidate *c)
{
    return !c->refused && !c->hopeless;
}

struct cvy_candidate *cvy_candidates_best(const struct cvy_candidates *list)
{
    struct cvy_candidate *best = NULL;
    for (size_t i = 0; i < list->count; i++) {
        struct cvy_candidate *c = &list->items[i];
        if (!cvy_candidate_is_usable(c) || c->rounds == 0)
            continue;
        if (best == NULL || c->rounds > best->rounds ||
            (c->rounds == best->rounds && c->seconds < best->seconds))
            best = c;
    }
    return best;
}

struct cvy_candidate *cvy_candidates_baseline(const struct cvy_candidates *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].is_baseline)
            return &list->items[i];
    }
    return NULL;
}

void cvy_candidates_mark_baseline(struct cvy_candidates *list)
{
    struct cvy_candidate *least = NULL;
    for (size_t i = 0; i < list->count; i++) {
        struct cvy_candidate *c = &list->items[i];
        c->is_baseline = false;
        if (c->is_default && !c->refused && (least == NULL || c->estimate < least->estimate))
            least = c;
    }
    if (least != NULL)
        least->is_baseline = true;
}

double cvy_candidate_expected_seconds(const struct cvy_candidates *list,
                                      const struct cvy_candidate *candidate, bool *seen)
{
    *seen = candidate->rounds > 0;
    if (*seen)
        return candidate->seconds;
    double correction = 1;
    for (size_t i = 0; i < list->count; i++) {
        const struct cvy_candidate *c = &list->items[i];
        if (c->algo != candidate->algo || c->rounds == 0 || !(c->estimate > 0))
            continue;
        double ratio = c->seconds / c->estimate;
        correction = *seen ? CVY_MIN(correction, ratio) : ratio;
        *seen = true;
    }
    return candidate->estimate * correction;
}

/* Where the best takes longer than was expected, estimates are not to be trusted and more is tried. */
void cvy_candidates_drop_hopeless(struct cvy_candidates *list)
{
    const struct cvy_candidate *best = cvy_candidates_best(list), *baseline = cvy_candidates_baseline(list);
    double least = baseline != NULL ? baseline->estimate : INFINITY;
    if (best != NULL)
        least = CVY_MAX(least, best->seconds);
    for (size_t i = 0; i < list->count; i++) {
        struct cvy_candidate *c = &list->items[i];
        bool seen;
        double expected = cvy_candidate_expected_seconds(list, c, &seen);
        c->hopeless = c->rounds == 0 && !c->refused && !c->is_baseline &&
                      (seen && best != NULL ? expected > HOPELESS_SEEN * best->seconds
                                            : expected > HOPELESS_UNSEEN * least);
    }
}

static int by_promise(const void *left, const void *right)
{
    const struct cvy_candidate *a = left, *b = right;
    if (a->is_baseline != b->is_baseline)
        return a->is_baseline ? -1 : 1;
    if (a->is_default != b->is_default)
        return a->is_default ? -1 : 1;
    return a->estimate < b->estimate ? -1 : a->estimate > b->estimate;
}

static int by_seconds(const void *left, const void *right)
{
    const struct cvy_candidate *a = left, *b = right;
    if (cvy_candidate_is_usable(a) != cvy_candidate_is_usable(b))
        return cvy_candidate_is_usable(a) ? -1 : 1;
    return a->seconds < b->seconds ? -1 : a->seconds > b->seconds;
}

void cvy_candidates_sort(struct cvy_candidates *list, bool by_time)
{
    qsort(list->items, list->count, sizeof(*list->items), by_time ? by_seconds : by_promise);
}

enum cvy_status cvy_candidates_collect(struct cvy_candidates *list)
{
    enum cvy_status status = collect(list);
    if (status == CVY_OK)
        status = recall(list);
    if (status == CVY_OK)
        cvy_candidates_mark_baseline(list);
    return status;
}
