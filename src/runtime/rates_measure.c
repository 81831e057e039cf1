/*
 * Every figure is the median of several runs, each long enough for the host's clock.
 */
/* the call of OpenCL 1.2: newer ones are missing from many drivers */
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include "runtime/rates_measure.h"

#include "base/arith.h"
#include "base/log.h"
#include "base/sort.h"
#include "runtime/launch.h"
#include "runtime/rates.h"

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
        cvy_sort(took, runs);
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

enum cvy_status cvy_rates_measure(struct cvy_device *device, struct cvy_device_rates *rates, bool *is_steady)
{
    struct meter meter;
    enum cvy_status status = meter_init(&meter, device);
    if (status == CVY_OK)
        status = measure_all(&meter, rates);
    meter_finish(&meter);
    *is_steady = meter.is_steady;
    return status;
}
