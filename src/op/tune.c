/* The search for the fastest algorithm and config of a problem: short runs for all candidates, longer ones
 * for the best of them (successive halving: Jamieson and Talwalkar, arXiv 1502.07943). */
#include <convoy/tune.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "base/sort.h"
#include "op/operator.h"
#include "op/tune_candidates.h"
#include "op/tune_parts.h"
#include "runtime/device.h"

/* A first run that takes so many times the best is not repeated. */
#define HOPELESS_RUN 3
/* Of a compilation, before one was seen. */
#define COMPILE_SECONDS 0.4
/* Runs of each candidate when it is first tried, and seconds that one lasts at least. */
#define FIRST_RUNS 3
#define FIRST_SECONDS 1e-3
/* Turns of a race, and seconds that all of them may take before there are fewer. */
#define MAX_TURNS 15
#define LEAST_TURNS 5
#define MOST_SECONDS 2
#define MAX_ENTRANTS 6

/* Races of the fastest, one behind the other. */
static const struct {
    size_t keep, turns;
    double least; /* seconds of a turn */
} races[] = {{MAX_ENTRANTS - 1, 7, 2e-3}, {3, MAX_TURNS, 4e-3}};

struct search {
    struct cvy_candidates list;
    const struct cvy_tune_params *params;
    double deadline;           /* 0: none */
    struct cvy_tune_data data; /* made when first needed */
    double build_seconds;      /* expected */
    size_t done;
    bool stopped, cancelled;
};

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

/* Seconds to compile a candidate, to judge it where that was not done before, and to time it. */
static double expected_cost(const struct search *search, const struct cvy_candidate *c, size_t runs,
                            double least)
{
    bool seen;
    double one = cvy_candidate_expected_seconds(&search->list, c, &seen),
           elements = cvy_tune_elements(&search->list.p);
    double data = search->data.x == NULL ? 1e-8 * elements : 0;
    double judged = c->rounds == 0 ? 2e-9 * elements + 0.03 : 0;
    return data + judged + search->build_seconds + 2 * one + (double)runs * CVY_MAX(least, one);
}

/* As it is kept: in whole nanoseconds. */
static double median(double *seconds, size_t count)
{
    cvy_sort(seconds, count);
    return 1e-9 * nearbyint(1e9 * seconds[count / 2]);
}

/* Launches that last long enough to be timed. */
static size_t launches_for(double least, double one)
{
    return one < least ? (size_t)CVY_MIN(least / CVY_MAX(one, 1e-7) + 1, 1000) : 1;
}

/* The median of a few runs, fewer where time is short. */
static enum cvy_status time_runs(struct search *search, struct cvy_candidate *c, struct cvy_tune_run *run,
                                 double one)
{
    double seconds[FIRST_RUNS] = {one};
    size_t count = launches_for(FIRST_SECONDS, one), n = 0;
    while (n < FIRST_RUNS && !has_cancelled(search) && fits_budget(search, (double)count * one)) {
        enum cvy_status status = cvy_tune_run_time(run, count, &seconds[n++]);
        if (status != CVY_OK)
            return status;
    }
    c->seconds = median(seconds, CVY_MAX(n, 1));
    return CVY_OK;
}

/* What was taken for right until now is not. */
static void refuse_trusted(struct search *search)
{
    for (size_t i = 0; i < search->list.count; i++) {
        struct cvy_candidate *c = &search->list.items[i];
        if (!c->is_trusted)
            continue;
        struct cvy_tuned row = {c->algo, c->config, 0, 0};
        c->is_trusted = false;
        c->refused = true;
        cvy_tunedb_put(search->list.device, &search->list.p, &row);
    }
    cvy_candidates_mark_baseline(&search->list);
}

/* Compiles, runs once, and has the result judged, unless that was done before. */
static enum cvy_status try_out(struct search *search, struct cvy_candidate *c, struct cvy_tune_run *run)
{
    double begin = cvy_now(), first;
    bool known = c->rounds > 0, first_judged = search->data.trusted == NULL;
    enum cvy_tune_verdict verdict = CVY_TUNE_RIGHT;
    enum cvy_status status = known ? CVY_OK : cvy_tune_data_poison(&search->data);
    if (status == CVY_OK)
        status = cvy_tune_run_begin(run, search->list.device, &search->data, c->algo, &c->config);
    /* some drivers compile at the first launch */
    if (status == CVY_OK)
        status = cvy_tune_run_time(run, 1, &first);
    if (status == CVY_OK)
        search->build_seconds = (search->build_seconds + cvy_now() - begin) / 2;
    if (status == CVY_OK && !known)
        status = cvy_tune_data_judge(&search->data, c->algo->error != NULL, &verdict);
    if (status != CVY_OK || known)
        return status;
    if (verdict == CVY_TUNE_WRONG)
        return cvy_fail(CVY_ERROR_DEVICE, "tune: %s gives wrong results here; 'convoy doctor' tells more",
                        c->algo->id);
    if (verdict == CVY_TUNE_EARLIER_WRONG)
        refuse_trusted(search);
    c->is_trusted = verdict == CVY_TUNE_EARLIER_WRONG || first_judged;
    return CVY_OK;
}

static enum cvy_status measure(struct search *search, struct cvy_candidate *c)
{
    struct cvy_tune_run run = {.device = search->list.device};
    const struct cvy_candidate *best = cvy_candidates_best(&search->list);
    double one;
    enum cvy_status status = try_out(search, c, &run);
    if (status == CVY_OK && !has_cancelled(search))
        status = cvy_tune_run_time(&run, 1, &one);
    if (status == CVY_OK && !search->cancelled) {
        if (best != NULL && one > HOPELESS_RUN * best->seconds)
            c->seconds = median(&one, 1);
        else
            status = time_runs(search, c, &run, one);
        c->rounds = status == CVY_OK;
    }
    cvy_tune_run_end(&run);
    return status;
}

static void describe(struct cvy_tune_choice *choice, const struct cvy_candidate *c)
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

/* Measurements that are still to come, as far as can be told. */
static size_t count_waiting(const struct search *search, size_t round)
{
    size_t usable = 0, waiting = 0;
    for (size_t i = 0; i < search->list.count; i++) {
        usable += cvy_candidate_is_usable(&search->list.items[i]);
        waiting += cvy_candidate_is_usable(&search->list.items[i]) && search->list.items[i].rounds == 0;
    }
    for (size_t next = round; next < CVY_COUNT(races); next++)
        waiting += CVY_MIN(usable, races[next].keep);
    return waiting;
}

static void report(const struct search *search, const struct cvy_candidate *last, size_t round)
{
    if (search->params->progress == NULL)
        return;
    struct cvy_tune_progress progress = {.done = search->done,
                                         .total = search->done + count_waiting(search, round)};
    describe(&progress.last, last);
    describe(&progress.best, cvy_candidates_best(&search->list));
    search->params->progress(search->params->user, &progress);
}

/* Memory that is short now is not remembered of a candidate. */
static enum cvy_status keep(struct search *search, struct cvy_candidate *c, enum cvy_status status)
{
    if (status == CVY_ERROR_HOST_MEMORY)
        return status;
    c->refused = status != CVY_OK;
    if (c->refused)
        cvy_candidates_mark_baseline(&search->list);
    if ((c->refused && status != CVY_ERROR_DEVICE_MEMORY) || c->rounds > 0) {
        struct cvy_tuned row = {c->algo, c->config, c->refused ? 0 : c->rounds, c->seconds};
        cvy_tunedb_put(search->list.device, &search->list.p, &row);
    }
    return CVY_OK;
}

/* Every candidate that is not hopeless, once. */
static enum cvy_status try_all(struct search *search)
{
    enum cvy_status status = CVY_OK;
    cvy_candidates_sort(&search->list, false);
    for (size_t i = 0; status == CVY_OK && i < search->list.count; i++) {
        struct cvy_candidate *c = &search->list.items[i];
        cvy_candidates_drop_hopeless(&search->list);
        if (!cvy_candidate_is_usable(c) || c->rounds > 0)
            continue;
        search->stopped = has_cancelled(search) ||
                          !fits_budget(search, expected_cost(search, c, FIRST_RUNS, FIRST_SECONDS));
        if (search->stopped)
            break;
        if (search->data.x == NULL)
            status = cvy_tune_data_init(&search->data, search->list.device, &search->list.p);
        if (status == CVY_OK)
            status = keep(search, c, measure(search, c));
        search->done++;
        if (status == CVY_OK)
            report(search, c, 0);
    }
    return status;
}

/* Candidates that run in turns, so that what else the machine does meets all of them alike. */
struct field {
    size_t count, turns;
    struct cvy_candidate *entrants[MAX_ENTRANTS];
    struct cvy_tune_run runs[MAX_ENTRANTS];
    size_t launches[MAX_ENTRANTS];
    double seconds[MAX_ENTRANTS][MAX_TURNS];
};

/* The fastest, and what is taken without tuning. False where all have been in such a race. */
static bool choose_entrants(struct search *search, size_t race, struct field *field)
{
    bool new = false;
    double total = 0;
    cvy_candidates_sort(&search->list, true);
    for (size_t i = 0; i < search->list.count; i++) {
        struct cvy_candidate *c = &search->list.items[i];
        if (!cvy_candidate_is_usable(c) || c->rounds == 0 || (i >= races[race].keep && !c->is_baseline))
            continue;
        field->launches[field->count] = launches_for(races[race].least, c->seconds);
        field->entrants[field->count++] = c;
        new = new || c->rounds < (int)race + 2;
        total += CVY_MAX(races[race].least, c->seconds);
    }
    field->turns = (size_t)CVY_MIN(races[race].turns, CVY_MAX(LEAST_TURNS, MOST_SECONDS / total));
    return new && field->count > 0;
}

static bool race_fits(const struct search *search, const struct field *field, size_t race)
{
    double seconds = 0;
    for (size_t i = 0; i < field->count; i++)
        seconds += expected_cost(search, field->entrants[i], field->turns, races[race].least);
    return fits_budget(search, seconds);
}

/* Compiles and warms up. Who fails is out; where memory is short the slower ones are. */
static enum cvy_status line_up(struct search *search, struct field *field)
{
    size_t ready = 0;
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < field->count; i++) {
        struct cvy_tune_run run = {.device = search->list.device};
        struct cvy_candidate *c = field->entrants[i];
        search->stopped = has_cancelled(search) || !fits_budget(search, search->build_seconds);
        if (search->stopped)
            break;
        enum cvy_status ran = try_out(search, c, &run);
        if (ran == CVY_OK) {
            field->entrants[ready] = c;
            field->launches[ready] = field->launches[i];
            field->runs[ready++] = run;
            continue;
        }
        cvy_tune_run_end(&run);
        if (ran == CVY_ERROR_DEVICE_MEMORY && ready > 0)
            break;
        status = keep(search, c, ran);
    }
    field->count = ready;
    return status;
}

/* done: to the last turn; what was broken off tells less than what was known before. */
static enum cvy_status take_turns(struct search *search, struct field *field, bool *done)
{
    for (size_t turn = 0; turn < field->turns; turn++) {
        for (size_t i = 0; i < field->count; i++) {
            double expected = (double)field->launches[i] * field->entrants[i]->seconds;
            search->stopped = has_cancelled(search) || !fits_budget(search, expected);
            if (search->stopped)
                return CVY_OK;
            enum cvy_status status =
                cvy_tune_run_time(&field->runs[i], field->launches[i], &field->seconds[i][turn]);
            if (status != CVY_OK)
                return status;
        }
    }
    *done = true;
    return CVY_OK;
}

static enum cvy_status run_race(struct search *search, size_t race)
{
    struct field field = {0};
    bool done = false;
    if (!choose_entrants(search, race, &field))
        return CVY_OK;
    if (has_cancelled(search) || !race_fits(search, &field, race)) {
        search->stopped = true;
        return CVY_OK;
    }
    enum cvy_status status = CVY_OK;
    if (search->data.x == NULL)
        status = cvy_tune_data_init(&search->data, search->list.device, &search->list.p);
    if (status == CVY_OK)
        status = line_up(search, &field);
    if (status == CVY_OK && !search->stopped)
        status = take_turns(search, &field, &done);
    for (size_t i = 0; i < field.count; i++)
        cvy_tune_run_end(&field.runs[i]);
    for (size_t i = 0; status == CVY_OK && done && i < field.count; i++) {
        struct cvy_candidate *c = field.entrants[i];
        c->seconds = median(field.seconds[i], field.turns);
        c->rounds = CVY_MAX(c->rounds, (int)race + 2);
        status = keep(search, c, CVY_OK);
        search->done++;
        report(search, c, race + 1);
    }
    return status;
}

static enum cvy_status run_search(struct search *search)
{
    size_t before;
    enum cvy_status status = cvy_candidates_collect(&search->list);
    if (status != CVY_OK)
        return status;
    /* longer runs correct shorter ones, and with them what is worth a run */
    do {
        before = search->done;
        status = try_all(search);
        for (size_t race = 0; status == CVY_OK && !search->stopped && race < CVY_COUNT(races); race++)
            status = run_race(search, race);
    } while (status == CVY_OK && !search->stopped && search->done > before);
    return status;
}

static void fill_result(const struct search *search, struct cvy_tune_result *result)
{
    *result = (struct cvy_tune_result){.complete = !search->stopped, .cancelled = search->cancelled};
    for (size_t i = 0; i < search->list.count; i++) {
        const struct cvy_candidate *c = &search->list.items[i];
        result->candidates += !c->hopeless;
        result->measured += c->rounds > 0 || c->refused;
        result->refused += c->refused;
    }
    const struct cvy_candidate *baseline = cvy_candidates_baseline(&search->list);
    describe(&result->best, cvy_candidates_best(&search->list));
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
    struct search search = {
        .list = {.device = device, .p = cvy_tune_bare(problem), .max_workspace = CVY_DEFAULT_WORKSPACE},
        .params = params != NULL ? params : &defaults,
        .build_seconds = COMPILE_SECONDS};
    if (search.params->max_workspace > 0)
        search.list.max_workspace = search.params->max_workspace;
    if (device->info.max_alloc_bytes > 0)
        search.list.max_workspace = (size_t)CVY_MIN(search.list.max_workspace, device->info.max_alloc_bytes);
    if (search.params->budget > 0)
        search.deadline = cvy_now() + search.params->budget;
    status = run_search(&search);
    if (status == CVY_OK && result != NULL)
        fill_result(&search, result);
    cvy_tune_data_finish(&search.data);
    free(search.list.items);
    return status;
}
