/* rate.h - a device's measured speed, for estimates. */
#ifndef CVY_OP_RATE_H
#define CVY_OP_RATE_H

#include "runtime/rates.h"

/* Peak float32 operations a second. */
static inline double cvy_rate_flops(const struct cvy_device *device)
{
    return cvy_rates(device)->flops;
}

/* Bytes a second to and from memory. */
static inline double cvy_rate_bytes(const struct cvy_device *device)
{
    return cvy_rates(device)->memory_bytes;
}

#define CVY_MOST_CACHED 0.8 /* of the last cache, that weights used once stay in from run to run */
#define CVY_WEIGHT_RATE 0.6 /* of a copy's rate, at which others come */
/* A cache that has more for a unit is that of a large machine, far away and shared with others: nearer ones
 * have this much. */
#define CVY_UNIT_CACHE (32.0 * (1 << 20))
#define CVY_NEAR_CACHE (3.0 * (1 << 20))

/* Whether weights that are used once in a run are still in a near cache in the next one. */
static inline bool cvy_weights_are_cached(const struct cvy_device *device, double bytes)
{
    double cache = (double)device->info.cache_bytes, units = (double)device->info.compute_units;
    return bytes < (cache > CVY_UNIT_CACHE * units ? CVY_NEAR_CACHE * units : CVY_MOST_CACHED * cache);
}

#endif
