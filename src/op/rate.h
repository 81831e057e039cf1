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

#endif
