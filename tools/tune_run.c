/* tune_run.c - shares the budget among the convolutions, shows how far it has come, ends at a signal. */
#include "tune.h"
#include "progress.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Seconds that a budget's rest must have to begin anew with what is not complete. */
#define LEAST_SHARE 0.2

static volatile sig_atomic_t signalled;

static void on_signal(int number)
{
    signalled = number;
}

/* The second one ends the process: drivers can hang. */
static void catch_signals(struct sigaction old[2])
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESETHAND;
    signalled = 0;
    sigaction(SIGINT, &action, &old[0]);
    sigaction(SIGTERM, &action, &old[1]);
}

static void release_signals(const struct sigaction old[2])
{
    sigaction(SIGINT, &old[0], NULL);
    sigaction(SIGTERM, &old[1], NULL);
}

struct progress {
    const struct cvy_tuning *tuning;
    size_t at;
    bool bar;
};

static bool is_cancelled(void *user)
{
    const struct progress *progress = user;
    return signalled != 0 || progress->tuning->only_report;
}

static void show(void *user, const struct cvy_tune_progress *now)
{
    const struct progress *progress = user;
    if (!progress->bar) {
        return;
    }
    const struct cvy_tuning *tuning = progress->tuning;
    const double part = now->total > 0 ? (double)now->done / (double)now->total : 1;
    const double share = ((double)progress->at + part) / (double)tuning->count;
    char bar[CVY_BAR_WIDTH + 1];
    fprintf(stderr, "\r\033[K[%s] %zu/%zu %.32s %zu/%zu: %s %.20s %.4g ms", cvy_progress_bar(bar, share),
            progress->at + 1, tuning->count, cvy_workload_label(tuning->items[progress->at].item), now->done,
            now->total, now->best.algo ? now->best.algo : "-", now->best.config, 1e3 * now->best.seconds);
}

static void show_end(const struct progress *progress)
{
    const struct cvy_tuning_item *item = &progress->tuning->items[progress->at];
    const struct cvy_tune_choice *best = &item->result.best;
    if (progress->bar) {
        fputs("\r\033[K", stderr);
    } else if (best->algo && !progress->tuning->only_report) {
        fprintf(stderr, "convoy: tune: %zu/%zu %s: %s %s, %.4g ms%s\n", progress->at + 1,
                progress->tuning->count, cvy_workload_label(item->item), best->algo, best->config,
                1e3 * best->seconds, item->result.complete ? "" : ", not complete");
    }
}

static size_t count_incomplete(const struct cvy_tuning *tuning, size_t first)
{
    size_t count = 0;
    for (size_t i = first; i < tuning->count; i++) {
        count += !tuning->items[i].result.complete;
    }
    return count;
}

/* Once through what is not complete, each with an equal share of the seconds left. */
static bool run_pass(struct cvy_tuning *tuning, double deadline, struct progress *progress)
{
    for (size_t i = 0; i < tuning->count && signalled == 0; i++) {
        struct cvy_tuning_item *item = &tuning->items[i];
        if (item->result.complete) {
            continue;
        }
        struct cvy_tune_params params = {.cancel = is_cancelled, .progress = show, .user = progress};
        if (tuning->budget > 0) {
            const double left = deadline - cvy_cli_now();
            params.budget = left > 0 ? left / (double)count_incomplete(tuning, i) : 1e-9;
        }
        progress->at = i;
        if (cvy_tune_conv(tuning->device, &item->problem, &params, &item->result) != CVY_OK) {
            return false;
        }
        show_end(progress);
    }
    return true;
}

static size_t count_measured(const struct cvy_tuning *tuning)
{
    size_t measured = 0;
    for (size_t i = 0; i < tuning->count; i++) {
        measured += tuning->items[i].result.measured;
    }
    return measured;
}

bool cvy_tuning_run(struct cvy_tuning *tuning)
{
    struct sigaction old[2];
    struct progress progress = {.tuning = tuning, .bar = isatty(STDERR_FILENO) && !tuning->only_report};
    const double deadline = cvy_cli_now() + tuning->budget;
    size_t before = 0;
    bool done;
    catch_signals(old);
    /* what the first pass leaves of the budget goes to those that it was too short for */
    do {
        before = count_measured(tuning);
        done = run_pass(tuning, deadline, &progress);
    } while (done && signalled == 0 && tuning->budget > 0 && count_incomplete(tuning, 0) > 0 &&
             count_measured(tuning) > before && deadline - cvy_cli_now() > LEAST_SHARE);
    release_signals(old);
    tuning->interrupted = signalled != 0;
    return done;
}
