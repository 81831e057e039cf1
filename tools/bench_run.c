/* bench_run.c - makes convolutions ready, and times them in turns. */
#include "bench.h"
#include "measure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define RUN_SECONDS 1e-3            /* a run lasts at least so long */
#define MAX_TOGETHER 16             /* convolutions measured in turns */
#define MAX_BYTES ((size_t)1 << 29) /* of their tensors */

struct entrant {
    struct cvy_bench_result *result;
    struct cvy_conv *conv;
    struct cvy_buffer *x, *y;
    size_t bytes;
    double *seconds; /* one for each turn */
};

static void entrant_finish(struct entrant *entrant)
{
    cvy_conv_destroy(&entrant->conv);
    cvy_buffer_destroy(&entrant->x);
    cvy_buffer_destroy(&entrant->y);
    free(entrant->seconds);
    *entrant = (struct entrant){0};
}

static float *random_values(size_t count)
{
    static uint32_t state = CVY_RANDOM_BEGIN;
    float *values = malloc(count * sizeof(*values));
    if (values) {
        cvy_random_fill(values, count, &state);
    }
    return values;
}

/* Behind the last channel blocks hold zeros. */
static void clear_tails(float *x, const struct cvy_conv_problem *problem)
{
    const size_t block = problem->x_block, last = block ? problem->c % block : 0;
    size_t pixels = 1;
    if (last == 0) {
        return;
    }
    for (size_t i = 0; i < problem->rank; i++) {
        pixels *= problem->in[i];
    }
    const size_t blocks = (problem->c + block - 1) / block;
    for (size_t n = 0; n < problem->n; n++) {
        float *tail = x + ((n + 1) * blocks - 1) * pixels * block;
        for (size_t i = 0; i < pixels * block; i++) {
            tail[i] = i % block < last ? tail[i] : 0;
        }
    }
}

static bool make_buffers(struct entrant *entrant, const struct cvy_bench_params *params)
{
    const struct cvy_conv_problem *problem = &entrant->result->problem;
    size_t x_bytes, y_bytes;
    if (cvy_conv_x_bytes(problem, &x_bytes) != CVY_OK || cvy_conv_y_bytes(problem, &y_bytes) != CVY_OK) {
        return false;
    }
    float *x = random_values(x_bytes / sizeof(float));
    if (!x) {
        cvy_cli_error("out of memory");
        return false;
    }
    clear_tails(x, problem);
    bool done = cvy_buffer_create(&entrant->x, params->device, x_bytes) == CVY_OK &&
                cvy_buffer_create(&entrant->y, params->device, y_bytes) == CVY_OK &&
                cvy_buffer_write(entrant->x, 0, x_bytes, x) == CVY_OK &&
                (!problem->accumulate || cvy_buffer_write(entrant->y, 0, y_bytes, x) == CVY_OK);
    free(x);
    entrant->bytes = x_bytes + y_bytes;
    return done;
}

/* Launches back to back, waited for once. Negative: failed. */
static double run(const struct entrant *entrant, struct cvy_device *device, size_t repeats)
{
    bool done = true;
    const double start = cvy_cli_now();
    for (size_t i = 0; done && i < repeats; i++) {
        done = cvy_conv_enqueue(entrant->conv, entrant->x, entrant->y, NULL, 0, NULL) == CVY_OK;
    }
    done = cvy_device_finish(device) == CVY_OK && done;
    return done ? cvy_cli_now() - start : -1;
}

static bool set_up(struct entrant *entrant, const struct cvy_bench_params *params)
{
    struct cvy_bench_result *result = entrant->result;
    struct cvy_shape shape;
    size_t elements;
    if (cvy_conv_w_shape(&result->problem, &shape) != CVY_OK ||
        cvy_shape_elements(&shape, &elements) != CVY_OK) {
        return false;
    }
    float *w = random_values(elements), *bias = random_values(result->problem.k);
    const struct cvy_conv_params conv_params = {.algo = params->algo};
    const double start = cvy_cli_now();
    bool done = w && bias &&
                cvy_conv_create(&entrant->conv, params->device, &result->problem, w,
                                result->problem.bias ? bias : NULL, &conv_params) == CVY_OK &&
                run(entrant, params->device, 1) >= 0;
    result->setup = cvy_cli_now() - start;
    free(w);
    free(bias);
    return done;
}

/* Finds how many launches make a run. */
static bool calibrate(struct entrant *entrant, struct cvy_device *device)
{
    struct cvy_bench_result *result = entrant->result;
    result->repeats = 1;
    for (double seconds = 0; seconds < RUN_SECONDS;) {
        seconds = run(entrant, device, result->repeats);
        if (seconds < 0) {
            return false;
        }
        if (seconds < RUN_SECONDS) {
            const double wanted = (double)result->repeats * 1.1 * RUN_SECONDS / fmax(seconds, 1e-6);
            result->repeats = (size_t)ceil(wanted);
        }
    }
    return true;
}

static void begin(struct entrant *entrant, struct cvy_bench_result *result,
                  const struct cvy_workload_item *item, const struct cvy_bench_params *params)
{
    *result = (struct cvy_bench_result){.item = item, .problem = item->problem};
    *entrant = (struct entrant){.result = result};
    if (!params->plain) {
        cvy_workload_choose_blocks(&result->problem, params->device);
    }
    if (params->algo && !cvy_conv_algo_applies(params->device, &result->problem, params->algo,
                                               result->why_not, sizeof(result->why_not))) {
        return;
    }
    snprintf(result->why_not, sizeof(result->why_not), "it failed, as said above");
    entrant->seconds = calloc(params->turns, sizeof(*entrant->seconds));
    if (entrant->seconds && cvy_conv_get_cost(&result->problem, &result->cost) == CVY_OK &&
        make_buffers(entrant, params) && set_up(entrant, params) && calibrate(entrant, params->device)) {
        snprintf(result->algorithm, sizeof(result->algorithm), "%s", cvy_conv_get_algo(entrant->conv));
    }
}

static void sum_up(struct entrant *entrant, size_t turns)
{
    struct cvy_bench_result *result = entrant->result;
    double *seconds = entrant->seconds;
    result->median = cvy_median(seconds, turns); /* which sorts them */
    result->least = seconds[0];
    result->most = seconds[turns - 1];
}

static void take_turns(struct entrant *entrants, size_t count, const struct cvy_bench_params *params)
{
    for (size_t turn = 0; turn < params->turns; turn++) {
        for (size_t i = 0; i < count; i++) {
            struct cvy_bench_result *result = entrants[i].result;
            if (!result->algorithm[0]) {
                continue;
            }
            const double seconds = run(&entrants[i], params->device, result->repeats);
            entrants[i].seconds[turn] = seconds / (double)result->repeats;
            if (seconds < 0) {
                result->algorithm[0] = '\0';
            }
        }
    }
}

bool cvy_bench_run(struct cvy_bench_result *results, const struct cvy_workload *workload,
                   const struct cvy_bench_params *params,
                   void (*progress)(const struct cvy_workload *workload, size_t index))
{
    struct entrant entrants[MAX_TOGETHER];
    bool all = true;
    for (size_t first = 0, count; first < workload->count; first += count) {
        size_t bytes = 0;
        for (count = 0; first + count < workload->count && count < MAX_TOGETHER && bytes < MAX_BYTES;
             count++) {
            const size_t index = first + count;
            if (progress) {
                progress(workload, index);
            }
            begin(&entrants[count], &results[index], &workload->items[index], params);
            bytes += entrants[count].bytes;
        }
        take_turns(entrants, count, params);
        for (size_t i = 0; i < count; i++) {
            if (entrants[i].result->algorithm[0]) {
                sum_up(&entrants[i], params->turns);
            } else {
                all = false;
            }
            entrant_finish(&entrants[i]);
        }
    }
    return all;
}
