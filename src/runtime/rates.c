/*
 * Figures from runs that differ much, as when others use the device too, serve the process alone; the next
 * measures again. Virtual machines may have their cores to themselves at one time and not at another, for
 * seconds: steady figures can still be too low, never too high.
 */
#include "runtime/rates.h"

#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "runtime/rates_measure.h"
#include "runtime/source.h"
#include "runtime/store.h"

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

/* Whatever the driver reports: llvmpipe says that its vectors hold one number, and has 16 of them. */
#define POSSIBLE_FLOPS 1e12

/* The lower limits leave room for devices that are interpreted; comparisons with NaN are false. */
static bool is_plausible(const struct cvy_device_rates *rates, const struct cvy_device_rates *guessed)
{
    return rates->flops > 1e5 && rates->flops < CVY_MAX(20 * guessed->flops, POSSIBLE_FLOPS) &&
           rates->memory_bytes > 1e4 && rates->memory_bytes < 1e14 && rates->cache_bytes > 1e4 &&
           rates->cache_bytes < 1e15 && rates->launch_seconds > 1e-9 && rates->launch_seconds < 1 &&
           rates->group_seconds > 1e-13 && rates->group_seconds < 1;
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
    bool is_steady;
    const double start = cvy_now();
    enum cvy_status status = cvy_rates_measure(device, &rates, &is_steady);
    rates.is_measured = status == CVY_OK && is_plausible(&rates, &guessed);
    if (!rates.is_measured) {
        cvy_log(CVY_LOG_WARNING, "rates: the speed of %s cannot be measured; %s is used", device->info.name,
                kept != NULL ? "what was measured before" : "what its driver reports");
        return kept != NULL ? *kept : guessed;
    }
    cvy_log(CVY_LOG_INFO, "rates: %.4g GFLOP/s, %.4g GB/s, in caches %.4g GB/s, measured in %.0f ms%s",
            1e-9 * rates.flops, 1e-9 * rates.memory_bytes, 1e-9 * rates.cache_bytes,
            1e3 * (cvy_now() - start), is_steady ? "" : "; too unsteady to be kept");
    if (kept != NULL)
        merge(&rates, kept);
    if (is_steady)
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
