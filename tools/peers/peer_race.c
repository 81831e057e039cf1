/* peer_race.c - one convolution: every entry made ready, compared, and timed in turns. */
#include "cli.h"
#include "measure.h"
#include "peer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define TURN_SECONDS 1e-2
#define ATTEMPTS 3

static bool enter(struct cvy_peer_entry *entry, const struct cvy_peer_job *job)
{
    if (!entry->library->create(&entry->run, job, entry->variant, entry->why, sizeof(entry->why))) {
        return false;
    }
    snprintf(entry->algorithm, sizeof(entry->algorithm), "%s", entry->library->algorithm(entry->run));
    return true;
}

/* repeats executions back to back, waited for once. Negative: failed. */
static double run_turn(const struct cvy_peer_entry *entry, size_t repeats)
{
    bool done = true;
    const double start = cvy_cli_now();
    for (size_t i = 0; done && i < repeats; i++) {
        done = entry->library->enqueue(entry->run);
    }
    done = entry->library->wait(entry->run) && done;
    return done ? cvy_cli_now() - start : -1;
}

/* Finds how many executions make a turn. The first execution is not looked at: it touches memory first. */
static bool calibrate(struct cvy_peer_entry *entry)
{
    entry->repeats = 1;
    for (double seconds = 0; seconds < TURN_SECONDS;) {
        seconds = run_turn(entry, entry->repeats);
        if (seconds < 0) {
            return false;
        }
        if (seconds < TURN_SECONDS) {
            const double wanted = ceil((double)entry->repeats * 1.1 * TURN_SECONDS / fmax(seconds, 1e-6));
            entry->repeats = (size_t)wanted;
        }
    }
    return true;
}

static double cpu_seconds(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + 1e-9 * (double)used.tv_nsec;
}

/* Idle workers may spin for tens of milliseconds, on the cores that the other library needs: waits until this
 * process uses no processor time any more. */
static void wait_until_idle(void)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    double used, before = cpu_seconds();
    for (int idle = 0, waited = 0; idle < 2 && waited < 200; waited++) {
        nanosleep(&pause, NULL);
        used = cpu_seconds();
        idle = used - before < 0.2e-3 ? idle + 1 : 0;
        before = used;
    }
}

/* NaN, what is left of the poison say, is as wrong as can be. */
static double largest_error(const float *got, const float *expected, size_t count)
{
    double error = 0, largest = 0;
    for (size_t i = 0; i < count; i++) {
        const double difference = fabs((double)got[i] - (double)expected[i]);
        if (!(difference <= INFINITY)) {
            return INFINITY;
        }
        error = fmax(error, difference);
        largest = fmax(largest, fabs((double)expected[i]));
    }
    return largest > 0 ? error / largest : error;
}

/* Runs the entry once; the first entry's result is what the others are compared with. */
static bool check(struct cvy_peer_race *race, struct cvy_peer_entry *entry, double tolerance)
{
    struct cvy_tensor *y = &race->job.y;
    float *got = entry == race->entries ? y->data : malloc(y->bytes);
    bool done = got && run_turn(entry, 1) >= 0 && entry->library->read(entry->run, got);
    if (!done) {
        snprintf(entry->why, sizeof(entry->why), "it failed to run");
    } else if (got != y->data) {
        entry->error = largest_error(got, y->data, y->elements);
        done = entry->error <= tolerance;
        if (!done) {
            snprintf(entry->why, sizeof(entry->why),
                     "its result differs from convoy's by %.3g of the largest", entry->error);
        }
    }
    if (got != y->data) {
        free(got);
    }
    race->failed = race->failed || !done;
    return done;
}

/* Processor time that everyone else has used; 0 where the system does not tell. */
static double other_seconds(void)
{
    unsigned long long user, nice, system, idle, iowait, irq, softirq, steal;
    FILE *file = fopen("/proc/stat", "r");
    if (!file) {
        return 0;
    }
    const int found = fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system,
                             &idle, &iowait, &irq, &softirq, &steal);
    fclose(file);
    const double ticks = (double)(user + nice + system + irq + softirq + steal);
    return found == 8 ? ticks / (double)sysconf(_SC_CLK_TCK) - cpu_seconds() : 0;
}

/* times: one row of `turns` for each entry. */
static bool time_turns(struct cvy_peer_race *race, double *times, size_t turns)
{
    for (size_t turn = 0; turn < turns; turn++) {
        for (size_t i = 0; i < race->n_entries; i++) {
            struct cvy_peer_entry *entry = &race->entries[i];
            if (!entry->algorithm[0]) {
                continue;
            }
            wait_until_idle();
            /* The first turn, not looked at, wakes the workers and lets the system place them. */
            double seconds = run_turn(entry, entry->repeats);
            if (seconds >= 0) {
                seconds = run_turn(entry, entry->repeats);
            }
            if (seconds < 0) {
                return false;
            }
            times[i * turns + turn] = seconds / (double)entry->repeats;
        }
    }
    return true;
}

static bool time_entries(struct cvy_peer_race *race, size_t turns)
{
    double *times = calloc((race->n_entries + 1) * turns, sizeof(*times));
    if (!times) {
        return false;
    }
    race->others = 1;
    for (int attempt = 0; attempt < ATTEMPTS && race->others > CVY_PEER_DISTURBED; attempt++) {
        const double others = other_seconds(), start = cvy_cli_now();
        if (!time_turns(race, times, turns)) {
            free(times);
            return false;
        }
        race->others = (other_seconds() - others) / (cvy_cli_now() - start);
    }
    double *ratios = times + race->n_entries * turns;
    for (size_t i = race->n_entries; i-- > 0;) { /* convoy's times last: sorting them loses their turns */
        double *own = times + i * turns;
        for (size_t turn = 0; turn < turns; turn++) {
            ratios[turn] = own[turn] / times[turn];
        }
        race->entries[i].ratio = cvy_median(ratios, turns);
        race->entries[i].seconds = cvy_median(own, turns);
    }
    free(times);
    return true;
}

bool cvy_peer_race_run(struct cvy_peer_race *race, size_t turns, double tolerance)
{
    size_t peers = 0;
    for (size_t i = 0; i < race->n_entries; i++) {
        struct cvy_peer_entry *entry = &race->entries[i];
        bool takes_part = enter(entry, &race->job) && check(race, entry, tolerance) && calibrate(entry);
        if (!takes_part) {
            entry->algorithm[0] = '\0';
        }
        if (i == 0 && !takes_part) {
            return false;
        }
        peers += i > 0 && takes_part;
    }
    if (peers == 0) {
        return false;
    }
    if (!time_entries(race, turns)) {
        race->failed = true;
        return false;
    }
    return true;
}

double cvy_peer_race_best(const struct cvy_peer_race *race)
{
    double best = 0;
    for (size_t i = 1; i < race->n_entries; i++) {
        const struct cvy_peer_entry *entry = &race->entries[i];
        if (entry->algorithm[0] && (best == 0 || entry->ratio < best)) {
            best = entry->ratio;
        }
    }
    return best;
}

void cvy_peer_race_finish(struct cvy_peer_race *race)
{
    for (size_t i = 0; i < race->n_entries; i++) {
        race->entries[i].library->destroy(race->entries[i].run);
    }
    cvy_tensor_finish(&race->job.x);
    cvy_tensor_finish(&race->job.w);
    cvy_tensor_finish(&race->job.y);
}
