/*
 * Every figure is the median of several runs, each long enough for the host's clock. Figures from runs that
 * differ much, as when others use the device too, serve the process alone; the next measures again. Virtual
 * machines may have their cores to themselves at one time and not at another, for seconds: steady figures can
 * still be too low, never too high.
 */
/* the call of OpenCL 1.2: newer ones are missing from many drivers */
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include "runtime/rates.h"

#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "runtime/launch.h"
#include "runtime/source.h"
#include "runtime/store.h"

#define CHAINS 24               /* hides the latency of a multiply-add, and fits 32 registers */
#define MAX_ROUNDS 1024         /* Mesa's llvmpipe ends loops after 65,535 rounds in total */
#define CACHE_ROUNDS 8          /* times that a piece is copied while it is in the cache */
#define STREAM_BYTES (32 << 20) /* of x, and of y */
#define MIN_SECONDS 3e-3        /* of one run, while more work can be found */
#define MAX_SECONDS 0.05        /* of all runs for one figure, about */
#define MAX_RUNS 9
#define STEADY 1.5 /* a figure's upper quartile over its lower one, at most, to be kept */

struct meter {
    struct cvy_device *device;
    cl_command_queue queue; /* its own: the caller's may be held up */
    struct cvy_buffer *x, *y;
    size_t lanes, items, units;
    size_t piece;  /* vectors that a work-group copies */
    size_t pieces; /* that x and y hold */
    bool is_steady;
};

/* Enqueues so much work, in a unit of its own. */
typedef enum cvy_status work_function(struct meter *meter, size_t work);

static struct cvy_device_rates guess(const struct cvy_device_info *info)
{
    const bool cpu = info->type == CVY_DEVICE_CPU;
    const double units = info->compute_units > 0 ? (double)info->compute_units : 1;
    const double clock = info->clock_mhz > 0 ? (double)info->clock_mhz * 1e6 : 1e9;
    const double lanes = !cpu ? 64 : info->vector_width > 0 ? (double)info->vector_width : 4;
    const double bytes = info->type == CVY_DEVICE_GPU ? 200e9 : info->unified_memory ? 10e9 : 20e9;
    return (struct cvy_device_rates){.flops = units * clock * lanes * 2,
                                     .memory_bytes = bytes,
                                     .cache_bytes = 4 * bytes,
                                     .launch_seconds = cpu ? 5e-6 : 10e-6,
                                     .group_seconds = cpu ? 20e-9 : 2e-9};
}

/* The lower limits leave room for devices that are interpreted; comparisons with NaN are false. */
static bool is_plausible(const struct cvy_device_rates *rates, const struct cvy_device_rates *guessed)
{
    return rates->flops > 1e5 && rates->flops < 20 * guessed->flops && rates->memory_bytes > 1e4 &&
           rates->memory_bytes < 1e14 && rates->cache_bytes > 1e4 && rates->cache_bytes < 1e15 &&
           rates->launch_seconds > 1e-9 && rates->launch_seconds < 1 && rates->group_seconds > 1e-13 &&
           rates->group_seconds < 1;
}

static struct cvy_launch describe(const struct meter *meter, const char *kernel, size_t groups)
{
    struct cvy_launch launch;
    cvy_launch_init(&launch, CVY_RATES_PROGRAM, kernel);
    launch.queue = meter->queue;
    cvy_launch_define(&launch, "LANES", meter->lanes);
    cvy_launch_define(&launch, "ITEMS", meter->items);
    cvy_launch_define(&launch, "CHAINS", CHAINS);
    cvy_launch_range(&launch, 1, (size_t[]){groups * meter->items}, &meter->items);
    return launch;
}

/* work: rounds, in one work-group for each compute unit; beyond the most rounds more work-groups. */
static size_t product_rounds(size_t work)
{
    return CVY_MIN(work, MAX_ROUNDS);
}

static size_t product_groups(const struct meter *meter, size_t work)
{
    return meter->units * 4 * cvy_ceil_div(work, MAX_ROUNDS);
}

static enum cvy_status enqueue_products(struct meter *meter, size_t work)
{
    struct cvy_launch launch = describe(meter, "multiply_add", product_groups(meter, work));
    cvy_launch_buffer(&launch, meter->y);
    cvy_launch_float(&launch, 0.5f);
    cvy_launch_float(&launch, 1.0f);
    cvy_launch_int(&launch, product_rounds(work));
    return cvy_launch_run(meter->device, &launch);
}

static enum cvy_status enqueue_copy(struct meter *meter, size_t pieces, size_t rounds)
{
    struct cvy_launch launch = describe(meter, "copy", pieces);
    cvy_launch_buffer(&launch, meter->x);
    cvy_launch_buffer(&launch, meter->y);
    cvy_launch_int(&launch, meter->piece);
    cvy_launch_int(&launch, rounds);
    return cvy_launch_run(meter->device, &launch);
}

/* work: pieces copied once. */
static enum cvy_status enqueue_stream(struct meter *meter, size_t work)
{
    return enqueue_copy(meter, CVY_MIN(work, meter->pieces), 1);
}

static size_t cached_pieces(const struct meter *meter)
{
    return CVY_MIN(4 * meter->units, meter->pieces);
}

/* work: copies of the same few pieces, whole CACHE_ROUNDS in one launch. */
static enum cvy_status enqueue_cached(struct meter *meter, size_t work)
{
    enum cvy_status status = CVY_OK;
    for (size_t done = 0; status == CVY_OK && done < work; done += CACHE_ROUNDS)
        status = enqueue_copy(meter, cached_pieces(meter), CVY_MIN(work, CACHE_ROUNDS));
    return status;
}

static enum cvy_status enqueue_nothing(struct meter *meter, size_t groups)
{
    struct cvy_launch launch = describe(meter, "nothing", groups);
    cvy_launch_buffer(&launch, meter->y);
    cvy_launch_int(&launch, 0);
    return cvy_launch_run(meter->device, &launch);
}

/* work: launches of one work-group. */
static enum cvy_status enqueue_launches(struct meter *meter, size_t work)
{
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < work; i++)
        status = enqueue_nothing(meter, 1);
    return status;
}

static enum cvy_status run(struct meter *meter, work_function *enqueue, size_t work, double *seconds)
{
    const double start = cvy_now();
    enum cvy_status status = enqueue(meter, work);
    const cl_int error = clFinish(meter->queue);
    if (status == CVY_OK && error != CL_SUCCESS)
        status = cvy_fail_cl(error, "rates: clFinish");
    *seconds = cvy_now() - start;
    return status;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Doubles the work until a run lasts long enough, then measures it. */
static enum cvy_status measure(struct meter *meter, work_function *enqueue, double least, size_t most,
                               size_t *work, double *seconds)
{
    double took[MAX_RUNS];
    size_t n = 1, runs = 0;
    /* the first run compiles */
    enum cvy_status status = run(meter, enqueue, n, &took[0]);
    for (; status == CVY_OK; n = CVY_MIN(2 * n, most)) {
        const double start = cvy_now();
        status = run(meter, enqueue, n, &took[0]);
        if (took[0] < least && n < most)
            continue;
        for (runs = 1; status == CVY_OK && runs < MAX_RUNS && cvy_now() - start < MAX_SECONDS; runs++)
            status = run(meter, enqueue, n, &took[runs]);
        qsort(took, runs, sizeof(*took), compare);
        /* one run can be long because it was interrupted */
        if (took[runs / 2] >= least / 2 || n == most)
            break;
    }
    if (status != CVY_OK)
        return status;
    meter->is_steady = meter->is_steady && took[runs * 3 / 4] <= STEADY * took[runs / 4];
    *work = n;
    *seconds = took[runs / 2];
    return CVY_OK;
}

static enum cvy_status measure_all(struct meter *meter, struct cvy_device_rates *rates)
{
    const size_t vector = sizeof(float) * meter->lanes;
    size_t work;
    double seconds;
    enum cvy_status status = measure(meter, enqueue_products, MIN_SECONDS, (size_t)1 << 24, &work, &seconds);
    if (status != CVY_OK)
        return status;
    const double products = (double)(product_groups(meter, work) * product_rounds(work)) *
                            (double)(meter->items * meter->lanes * CHAINS);
    rates->flops = 2 * products / seconds;

    /* so long that it is all of the memory that was set aside, except where that is slow anyway */
    status = measure(meter, enqueue_stream, 4 * MIN_SECONDS, meter->pieces, &work, &seconds);
    if (status != CVY_OK)
        return status;
    rates->memory_bytes = 2 * (double)(CVY_MIN(work, meter->pieces) * meter->piece * vector) / seconds;

    status = measure(meter, enqueue_cached, MIN_SECONDS, (size_t)1 << 20, &work, &seconds);
    if (status != CVY_OK)
        return status;
    rates->cache_bytes = 2 * (double)(work * cached_pieces(meter) * meter->piece * vector) / seconds;

    status = measure(meter, enqueue_launches, MIN_SECONDS, (size_t)1 << 14, &work, &seconds);
    if (status != CVY_OK)
        return status;
    rates->launch_seconds = seconds / (double)work;

    status = measure(meter, enqueue_nothing, MIN_SECONDS, (size_t)1 << 24, &work, &seconds);
    if (status == CVY_OK)
        rates->group_seconds = seconds / (double)work;
    return status;
}

static enum cvy_status fill(struct meter *meter, size_t bytes)
{
    const cl_float zero = 0;
    cl_int error = clEnqueueFillBuffer(meter->queue, cvy_buffer_cl_mem(meter->x), &zero, sizeof(zero), 0,
                                       bytes, 0, NULL, NULL);
    return error == CL_SUCCESS ? CVY_OK : cvy_fail_cl(error, "rates: clEnqueueFillBuffer");
}

static enum cvy_status meter_init(struct meter *meter, struct cvy_device *device)
{
    const struct cvy_device_info *info = &device->info;
    const bool cpu = info->type == CVY_DEVICE_CPU;
    size_t width = 1, items = 64;
    while (2 * width <= CVY_MIN(info->vector_width, 16))
        width *= 2;
    /* one work-item fills the registers; Mesa's llvmpipe, of width 1, fills them with several */
    if (cpu && width > 1)
        items = 1;
    while (items > info->max_work_group || items > info->max_work_item_sizes[0])
        items /= 2;
    const uint64_t room = CVY_MIN(info->max_alloc_bytes / 2, info->global_bytes / 8);
    const size_t piece = cpu ? 64 << 10 : 16 << 10;
    *meter = (struct meter){.device = device,
                            .lanes = width,
                            .items = CVY_MAX(items, 1),
                            .units = CVY_MAX(info->compute_units, 1),
                            .piece = piece / (sizeof(float) * width),
                            .is_steady = true};
    meter->pieces = CVY_MAX((size_t)CVY_MIN(room, STREAM_BYTES) / piece, 1);
    cl_int error;
    meter->queue = clCreateCommandQueue(device->context, device->id, 0, &error);
    if (error != CL_SUCCESS) {
        meter->queue = NULL;
        return cvy_fail_cl(error, "rates: clCreateCommandQueue");
    }
    enum cvy_status status = cvy_buffer_create(&meter->x, device, meter->pieces * piece);
    if (status == CVY_OK)
        status = cvy_buffer_create(&meter->y, device, meter->pieces * piece);
    return status == CVY_OK ? fill(meter, meter->pieces * piece) : status;
}

static void meter_finish(struct meter *meter)
{
    if (meter->queue != NULL) {
        clFinish(meter->queue);
        clReleaseCommandQueue(meter->queue);
    }
    cvy_buffer_destroy(&meter->x);
    cvy_buffer_destroy(&meter->y);
}

struct cvy_hash cvy_rates_key(const struct cvy_device *device)
{
    /* of sub-devices too, and what a changed kernel measured does not count */
    const uint64_t units = device->info.compute_units;
    const char *source = cvy_source_text(device, CVY_RATES_PROGRAM);
    struct cvy_hash key = cvy_hash_string(cvy_device_identity(device), "rates of version 2");
    key = cvy_hash_bytes(key, &units, sizeof(units));
    return cvy_hash_string(key, source != NULL ? source : "");
}

static bool load(struct cvy_device *device, struct cvy_device_rates *rates)
{
    const struct cvy_device_rates guessed = guess(&device->info);
    void *payload = NULL;
    size_t bytes = 0;
    double figures[5];
    pthread_mutex_lock(&device->lock);
    bool found = cvy_store_get(device->store, cvy_rates_key(device), &payload, &bytes);
    pthread_mutex_unlock(&device->lock);
    found = found && bytes == sizeof(figures);
    if (found) {
        memcpy(figures, payload, sizeof(figures));
        *rates = (struct cvy_device_rates){true, figures[0], figures[1], figures[2], figures[3], figures[4]};
        found = is_plausible(rates, &guessed);
    }
    free(payload);
    return found;
}

static void save(struct cvy_device *device, const struct cvy_device_rates *rates)
{
    const double figures[] = {rates->flops, rates->memory_bytes, rates->cache_bytes, rates->launch_seconds,
                              rates->group_seconds};
    pthread_mutex_lock(&device->lock);
    cvy_store_put(device->store, cvy_rates_key(device), figures, sizeof(figures));
    pthread_mutex_unlock(&device->lock);
}

/* Of each figure the better one. */
static void merge(struct cvy_device_rates *rates, const struct cvy_device_rates *other)
{
    rates->flops = CVY_MAX(rates->flops, other->flops);
    rates->memory_bytes = CVY_MAX(rates->memory_bytes, other->memory_bytes);
    rates->cache_bytes = CVY_MAX(rates->cache_bytes, other->cache_bytes);
    rates->launch_seconds = CVY_MIN(rates->launch_seconds, other->launch_seconds);
    rates->group_seconds = CVY_MIN(rates->group_seconds, other->group_seconds);
}

/* kept: what the store has; NULL: nothing. */
static struct cvy_device_rates measure_rates(struct cvy_device *device, const struct cvy_device_rates *kept)
{
    const struct cvy_device_rates guessed = guess(&device->info);
    struct cvy_device_rates rates = guessed;
    struct meter meter;
    const double start = cvy_now();
    enum cvy_status status = meter_init(&meter, device);
    if (status == CVY_OK)
        status = measure_all(&meter, &rates);
    rates.is_measured = status == CVY_OK && is_plausible(&rates, &guessed);
    meter_finish(&meter);
    if (!rates.is_measured) {
        cvy_log(CVY_LOG_WARNING, "rates: the speed of %s cannot be measured; %s is used", device->info.name,
                kept != NULL ? "what was measured before" : "what its driver reports");
        return kept != NULL ? *kept : guessed;
    }
    cvy_log(CVY_LOG_INFO, "rates: %.4g GFLOP/s, %.4g GB/s, in caches %.4g GB/s, measured in %.0f ms%s",
            1e-9 * rates.flops, 1e-9 * rates.memory_bytes, 1e-9 * rates.cache_bytes,
            1e3 * (cvy_now() - start), meter.is_steady ? "" : "; too unsteady to be kept");
    if (kept != NULL)
        merge(&rates, kept);
    if (meter.is_steady)
        save(device, &rates);
    return rates;
}

const struct cvy_device_rates *cvy_rates(const struct cvy_device *device)
{
    struct cvy_device *d = (struct cvy_device *)device;
    pthread_mutex_lock(&d->rates_lock);
    if (!d->has_rates && !load(d, &d->rates))
        d->rates = measure_rates(d, NULL);
    d->has_rates = true;
    pthread_mutex_unlock(&d->rates_lock);
    return &d->rates;
}

enum cvy_status cvy_device_get_rates(struct cvy_device *device, struct cvy_device_rates *rates)
{
    if (device == NULL || rates == NULL)
        return cvy_fail(CVY_ERROR_INVALID, "cvy_device_get_rates: device or rates is NULL; pass both");
    *rates = *cvy_rates(device);
    return CVY_OK;
}

enum cvy_status cvy_device_measure_rates(struct cvy_device *device, struct cvy_device_rates *rates)
{
    if (device == NULL || rates == NULL)
        return cvy_fail(CVY_ERROR_INVALID, "cvy_device_measure_rates: device or rates is NULL; pass both");
    pthread_mutex_lock(&device->rates_lock);
    struct cvy_device_rates kept;
    const bool is_kept = load(device, &kept);
    *rates = measure_rates(device, is_kept ? &kept : NULL);
    if (device->has_rates && device->rates.is_measured)
        merge(rates, &device->rates);
    /* whoever has read the others may still do so */
    if (!device->has_rates)
        device->rates = *rates;
    device->has_rates = true;
    pthread_mutex_unlock(&device->rates_lock);
    return CVY_OK;
}
