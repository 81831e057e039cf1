/* The search for the fastest algorithm and config of a problem: short runs for all candidates, longer ones
 * for the best of them (successive halving: Jamieson and Talwalkar, arXiv 1502.07943). */
#include <convoy/tune.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "op/tune_parts.h"
#include "runtime/device.h"

#define DEFAULT_WORKSPACE ((size_t)256 << 20)
/* A candidate is not tried where so many times the best is expected of it: by estimates alone, and by what
 * its algorithm was seen to take against its estimate. */
#define HOPELESS_UNSEEN 10
#define HOPELESS_SEEN 2
/* A first run that takes so many times the best is not repeated. */
#define HOPELESS_RUN 3
/* Of a compilation, before one was seen. */
#define COMPILE_SECONDS 0.4
#define MAX_RUNS 15

/* Each round takes the best of the one before. */
static const struct {
    size_t keep;  /* candidates; 0: all */
    size_t runs;  /* the median counts */
    double least; /* seconds of a run, filled with launches */
} rounds[] = {{0, 3, 1e-3}, {5, 7, 2e-3}, {3, MAX_RUNS, 4e-3}};

struct candidate {
    const struct cvy_algo *algo;
    struct cvy_algo_config config;
    bool is_default;
    double estimate;
    int rounds; /* that it has been through */
    double seconds;
    bool refused, hopeless;
    bool is_baseline; /* what is taken without tuning */
};

struct search {
    struct cvy_device *device;
    struct cvy_conv_problem p; /* bare */
    const struct cvy_tune_params *params;
    size_t max_workspace;
    double deadline; /* 0: none */
    struct candidate *candidates;
    size_t count, capacity;
    struct cvy_tune_data data; /* made when first needed */
    struct candidate *trusted; /* whose result the data's trusted one is */
    double build_seconds;      /* expected */
    size_t done;
    bool stopped, cancelled;
};

static bool add_candidate(struct search *search, const struct cvy_algo *algo,
                          const struct cvy_algo_config *config, bool is_default)
{
    if (cvy_algo_workspace(algo, &search->p, search->device, config) > search->max_workspace)
        return true;
    for (size_t i = 0; i < search->count; i++) {
        if (search->candidates[i].algo == algo &&
            memcmp(&search->candidates[i].config, config, sizeof(*config)) == 0)
            return true;
    }
    if (search->count == search->capacity) {
        size_t capacity = 2 * search->capacity + 32;
        struct candidate *grown = realloc(search->candidates, capacity * sizeof(*grown));
        if (grown == NULL)
            return false;
        search->candidates = grown;
        search->capacity = capacity;
    }
    search->candidates[search->count++] =
        (struct candidate){.algo = algo,
                           .config = *config,
                           .is_default = is_default,
                           .estimate = algo->estimate(&search->p, search->device, config)};
    return true;
}

static enum cvy_status collect_candidates(struct search *search)
{
    const struct cvy_algo *algo;
    char why[320];
    bool good = true;
    for (size_t a = 0; good && (algo = cvy_algo_at(a)) != NULL; a++) {
        if (!cvy_algo_applies(algo, &search->p, search->device, why, sizeof(why)))
            continue;
        struct cvy_algo_config config = {{0}};
        algo->default_config(&search->p, search->device, search->max_workspace, &config);
        good = add_candidate(search, algo, &config, true);
        for (size_t i = 0; good; i++) {
            config = (struct cvy_algo_config){{0}};
            if (!algo->configs(&search->p, search->device, i, &config))
                break;
            good = add_candidate(search, algo, &config, false);
        }
    }
    if (!good)
        return cvy_fail_memory("candidates", search->capacity * sizeof(struct candidate));
    if (search->count == 0)
        return cvy_fail(CVY_ERROR_UNSUPPORTED,
                        "tune: no algorithm can do this problem on this device within %zu bytes of "
                        "workspace; allow more, or tensors in another layout",
                        search->max_workspace);
    return CVY_OK;
}

/* What was measured before. */
static enum cvy_status recall(struct search *search)
{
    struct cvy_tuned *rows = NULL;
    size_t count = 0;
    enum cvy_status status = cvy_tunedb_list(search->device, &search->p, &rows, &count);
    if (status != CVY_OK)
        return status;
    for (size_t i = 0; i < search->count; i++) {
        struct candidate *c = &search->candidates[i];
        for (size_t r = 0; r < count; r++) {
            if (rows[r].algo != c->algo || memcmp(&rows[r].config, &c->config, sizeof(c->config)) != 0)
                continue;
            c->rounds = CVY_MIN(rows[r].rounds, (int)CVY_COUNT(rounds));
            c->seconds = rows[r].seconds;
            c->refused = rows[r].rounds == 0;
        }
    }
    free(rows);
    return CVY_OK;
}

static bool is_usable(const struct candidate *c)
{
    return !c->refused && !c->hopeless;
}

/* The fastest of those that have been through the most rounds; NULL before the first. */
static struct candidate *best_of(const struct search *search)
{
    struct candidate *best = NULL;
    for (size_t i = 0; i < search->count; i++) {
        struct candidate *c = &search->candidates[i];
        if (!is_usable(c) || c->rounds == 0)
            continue;
        if (best == NULL || c->rounds > best->rounds ||
            (c->rounds == best->rounds && c->seconds < best->seconds))
            best = c;
    }
    return best;
}

static struct candidate *baseline_of(const struct search *search)
{
    for (size_t i = 0; i < search->count; i++) {
        if (search->candidates[i].is_baseline)
            return &search->candidates[i];
    }
    return NULL;
}

/* As cvy_find_algo() chooses: the least estimate of those that work. */
static void mark_baseline(struct search *search)
{
    struct candidate *least = NULL;
    for (size_t i = 0; i < search->count; i++) {
        struct candidate *c = &search->candidates[i];
        c->is_baseline = false;
        if (c->is_default && !c->refused && (least == NULL || c->estimate < least->estimate))
            least = c;
    }
    if (least != NULL)
        least->is_baseline = true;
}

/* Seconds of one run: measured, or the estimate, corrected by what its algorithm was seen to take. */
static double expected_seconds(const struct search *search, const struct candidate *candidate, bool *seen)
{
    *seen = candidate->rounds > 0;
    if (*seen)
        return candidate->seconds;
    double correction = 1;
    for (size_t i = 0; i < search->count; i++) {
        const struct candidate *c = &search->candidates[i];
        if (c->algo != candidate->algo || c->rounds == 0 || !(c->estimate > 0))
            continue;
        double ratio = c->seconds / c->estimate;
        correction = *seen ? CVY_MIN(correction, ratio) : ratio;
        *seen = true;
    }
    return candidate->estimate * correction;
}

/* Where the best takes longer than was expected, estimates are not to be trusted and more is tried. */
static void drop_hopeless(struct search *search)
{
    const struct candidate *best = best_of(search), *baseline = baseline_of(search);
    double least = baseline != NULL ? baseline->estimate : INFINITY;
    if (best != NULL)
        least = CVY_MAX(least, best->seconds);
    for (size_t i = 0; i < search->count; i++) {
        struct candidate *c = &search->candidates[i];
        bool seen;
        double expected = expected_seconds(search, c, &seen);
        c->hopeless = c->rounds == 0 && !c->refused && !c->is_baseline &&
                      (seen && best != NULL ? expected > HOPELESS_SEEN * best->seconds
                                            : expected > HOPELESS_UNSEEN * least);
    }
}

static int by_promise(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;
    if (a->is_baseline != b->is_baseline)
        return a->is_baseline ? -1 : 1;
    if (a->is_default != b->is_default)
        return a->is_default ? -1 : 1;
    return a->estimate < b->estimate ? -1 : a->estimate > b->estimate;
}

static int by_seconds(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;
    if (is_usable(a) != is_usable(b))
        return is_usable(a) ? -1 : 1;
    return a->seconds < b->seconds ? -1 : a->seconds > b->seconds;
}

static bool has_cancelled(struct search *search)
{
    const struct cvy_tune_params *params = search->params;
    if (!search->cancelled && params->cancel != NULL && params->cancel(params->user))
        search->cancelled = search->stopped = true;
    return search->cancelled;
}

static bool fits_budget(const struct search *search, double seconds)
{
    return search->deadline == 0 || cvy_now() + seconds <= search->deadline;
}

/* Seconds that a candidate takes in a round, data and compilation included. */
static double expected_cost(const struct search *search, const struct candidate *c, int round)
{
    bool seen;
    double one = expected_seconds(search, c, &seen), elements = cvy_tune_elements(&search->p);
    double runs = (double)rounds[round].runs * CVY_MAX(rounds[round].least, one);
    double data = search->data.x == NULL ? 1e-8 * elements : 0;
    double judged = c->rounds == 0 ? 2e-9 * elements + 0.03 : 0;
    return data + judged + search->build_seconds + 2 * one + runs;
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b;
}

/* As it is kept. */
static double whole_nanoseconds(double seconds)
{
    return 1e-9 * nearbyint(1e9 * seconds);
}

/* The median, of fewer runs where time is short. */
static enum cvy_status time_runs(struct search *search, struct candidate *c, struct cvy_tune_run *run,
                                 double one, int round)
{
    double seconds[MAX_RUNS];
    double least = rounds[round].least;
    size_t count = one < least ? (size_t)CVY_MIN(least / CVY_MAX(one, 1e-7) + 1, 1000) : 1, n = 0;
    while (n < rounds[round].runs && !has_cancelled(search) && fits_budget(search, (double)count * one)) {
        enum cvy_status status = cvy_tune_run_time(run, count, &seconds[n++]);
        if (status != CVY_OK)
            return status;
    }
    /* what was broken off tells less than the round before */
    if (n < rounds[round].runs && c->rounds > 0)
        return CVY_OK;
    if (n == 0)
        seconds[n++] = one;
    qsort(seconds, n, sizeof(*seconds), by_value);
    c->seconds = whole_nanoseconds(seconds[n / 2]);
    c->rounds = round + 1;
    return CVY_OK;
}

/* Compiles, runs once, and has the result judged, unless that was done before. */
static enum cvy_status try_out(struct search *search, struct candidate *c, struct cvy_tune_run *run)
{
    double begin = cvy_now(), first;
    bool known = c->rounds > 0;
    enum cvy_tune_verdict verdict = CVY_TUNE_RIGHT;
    enum cvy_status status = known ? CVY_OK : cvy_tune_data_poison(&search->data);
    if (status == CVY_OK)
        status = cvy_tune_run_begin(run, search->device, &search->data, c->algo, &c->config);
    /* some drivers compile at the first launch */
    if (status == CVY_OK)
        status = cvy_tune_run_time(run, 1, &first);
    if (status == CVY_OK)
        search->build_seconds = (search->build_seconds + cvy_now() - begin) / 2;
    if (status == CVY_OK && !known)
        status = cvy_tune_data_judge(&search->data, c->algo->error != NULL, &verdict);
    if (status != CVY_OK || known)
        return status;
    if (verdict == CVY_TUNE_EARLIER_WRONG && search->trusted != NULL) {
        struct cvy_tuned row = {search->trusted->algo, search->trusted->config, 0, 0};
        search->trusted->refused = true;
        cvy_tunedb_put(search->device, &search->p, &row);
    }
    if (verdict == CVY_TUNE_WRONG)
        return cvy_fail(CVY_ERROR_DEVICE, "tune: %s gives wrong results here; 'convoy doctor' tells more",
                        c->algo->id);
    if (search->trusted == NULL || verdict == CVY_TUNE_EARLIER_WRONG)
        search->trusted = c;
    return CVY_OK;
}

static enum cvy_status measure(struct search *search, struct candidate *c, int round)
{
    struct cvy_tune_run run = {.device = search->device};
    const struct candidate *best = best_of(search);
    double one;
    enum cvy_status status = try_out(search, c, &run);
    if (status == CVY_OK && !has_cancelled(search))
        status = cvy_tune_run_time(&run, 1, &one);
    if (status == CVY_OK && !search->cancelled) {
        if (round == 0 && best != NULL && one > HOPELESS_RUN * best->seconds) {
            c->seconds = whole_nanoseconds(one);
            c->rounds = 1;
        } else {
            status = time_runs(search, c, &run, one, round);
        }
    }
    cvy_tune_run_end(&run);
    return status;
}

static void describe(struct cvy_tune_choice *choice, const struct candidate *c)
{
    *choice = (struct cvy_tune_choice){0};
    if (c == NULL)
        return;
    char text[160];
    cvy_tunedb_format(c->algo, &c->config, text, sizeof(text));
    choice->algo = c->algo->id;
    snprintf(choice->config, sizeof(choice->config), "%s", strchr(text, ' ') + 1);
    choice->seconds = c->refused ? -1 : c->seconds;
}

/* Candidates that the rounds from this one on have before them. */
static size_t count_waiting(const struct search *search, size_t round)
{
    size_t usable = 0, waiting = 0;
    for (size_t i = 0; i < search->count; i++) {
        const struct candidate *c = &search->candidates[i];
        usable += is_usable(c);
        waiting += is_usable(c) && c->rounds <= (int)round &&
                   (rounds[round].keep == 0 || i < rounds[round].keep || c->is_baseline);
    }
    for (size_t next = round + 1; next < CVY_COUNT(rounds); next++)
        waiting += CVY_MIN(usable, rounds[next].keep);
    return waiting;
}

static void report(const struct search *search, const struct candidate *last, size_t round)
{
    if (search->params->progress == NULL)
        return;
    struct cvy_tune_progress progress = {.done = search->done,
                                         .total = search->done + count_waiting(search, round)};
    describe(&progress.last, last);
    describe(&progress.best, best_of(search));
    search->params->progress(search->params->user, &progress);
}

/* Memory that is short is no fault of the candidate's and not remembered. */
static enum cvy_status keep(struct search *search, struct candidate *c, enum cvy_status status)
{
    if (status == CVY_ERROR_HOST_MEMORY || status == CVY_ERROR_DEVICE_MEMORY)
        return status;
    c->refused = status != CVY_OK;
    if (c->refused)
        mark_baseline(search);
    if (c->refused || c->rounds > 0) {
        struct cvy_tuned row = {c->algo, c->config, c->refused ? 0 : c->rounds, c->seconds};
        cvy_tunedb_put(search->device, &search->p, &row);
    }
    return CVY_OK;
}

static enum cvy_status run_round(struct search *search, size_t round)
{
    const size_t most = rounds[round].keep > 0 ? rounds[round].keep : search->count;
    for (size_t i = 0; i < search->count; i++) {
        struct candidate *c = &search->candidates[i];
        if (round == 0)
            drop_hopeless(search);
        if (!is_usable(c) || c->rounds > (int)round || (i >= most && !c->is_baseline))
            continue;
        if (has_cancelled(search))
            return CVY_OK;
        if (!fits_budget(search, expected_cost(search, c, (int)round))) {
            search->stopped = true;
            return CVY_OK;
        }
        enum cvy_status status = CVY_OK;
        if (search->data.x == NULL)
            status = cvy_tune_data_init(&search->data, search->device, &search->p);
        if (status == CVY_OK)
            status = keep(search, c, measure(search, c, (int)round));
        if (status != CVY_OK)
            return status;
        search->done++;
        report(search, c, round);
        if (search->cancelled)
            return CVY_OK;
    }
    return CVY_OK;
}

static enum cvy_status run_rounds(struct search *search)
{
    enum cvy_status status = CVY_OK;
    for (size_t round = 0; status == CVY_OK && !search->stopped && round < CVY_COUNT(rounds); round++) {
        /* in each round the most promising first: the search may end at any moment */
        search->trusted = NULL;
        qsort(search->candidates, search->count, sizeof(*search->candidates),
              round == 0 ? by_promise : by_seconds);
        status = run_round(search, round);
    }
    return status;
}

static enum cvy_status run_search(struct search *search)
{
    size_t before;
    enum cvy_status status = collect_candidates(search);
    if (status == CVY_OK)
        status = recall(search);
    if (status != CVY_OK)
        return status;
    mark_baseline(search);
    /* longer runs correct shorter ones, and with them what is worth a run */
    do {
        before = search->done;
        status = run_rounds(search);
    } while (status == CVY_OK && !search->stopped && search->done > before);
    return status;
}

static void fill_result(const struct search *search, struct cvy_tune_result *result)
{
    *result = (struct cvy_tune_result){.complete = !search->stopped, .cancelled = search->cancelled};
    for (size_t i = 0; i < search->count; i++) {
        const struct candidate *c = &search->candidates[i];
        result->candidates += !c->hopeless;
        result->measured += c->rounds > 0 || c->refused;
        result->refused += c->refused;
    }
    const struct candidate *baseline = baseline_of(search);
    describe(&result->best, best_of(search));
    describe(&result->estimated, baseline != NULL && baseline->rounds > 0 ? baseline : NULL);
}

enum cvy_status cvy_tune_conv(struct cvy_device *device, const struct cvy_conv_problem *problem,
                              const struct cvy_tune_params *params, struct cvy_tune_result *result)
{
    static const struct cvy_tune_params defaults = {0};
    if (device == NULL || problem == NULL)
        return cvy_fail(CVY_ERROR_INVALID, "tune: device or problem is NULL; give both");
    enum cvy_status status = cvy_conv_validate(problem);
    if (status != CVY_OK)
        return status;
    if (problem->x_dtype != CVY_FLOAT32)
        return cvy_fail(CVY_ERROR_UNSUPPORTED, "tune: x is %s; float32 convolutions are tuned, no others",
                        cvy_dtype_name(problem->x_dtype));
    struct search search = {.device = device,
                            .p = cvy_tune_bare(problem),
                            .params = params != NULL ? params : &defaults,
                            .max_workspace = DEFAULT_WORKSPACE,
                            .build_seconds = COMPILE_SECONDS};
    if (search.params->max_workspace > 0)
        search.max_workspace = search.params->max_workspace;
    if (device->info.max_alloc_bytes > 0)
        search.max_workspace = (size_t)CVY_MIN(search.max_workspace, device->info.max_alloc_bytes);
    if (search.params->budget > 0)
        search.deadline = cvy_now() + search.params->budget;
    status = run_search(&search);
    if (status == CVY_OK && result != NULL)
        fill_result(&search, result);
    cvy_tune_data_finish(&search.data);
    free(search.candidates);
    return status;
}
