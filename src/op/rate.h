/* rate.h - a rough figure of a device's speed from what its driver reports, for untuned estimates. */
#ifndef CVY_OP_RATE_H
#define CVY_OP_RATE_H

#include <convoy/device.h>

/* Peak float32 operations a second, roughly. */
static inline double cvy_rate_flops(const struct cvy_device_info *info)
{
    bool cpu = info->type == CVY_DEVICE_CPU;
    double units = info->compute_units > 0 ? (double)info->compute_units : 1;
    double clock = info->clock_mhz > 0 ? (double)info->clock_mhz * 1e6 : 1e9;
    double lanes = !cpu ? 64 : info->vector_width > 0 ? (double)info->vector_width : 4;
    return units * clock * lanes * 2;
}

/* Bytes a second to and from memory, roughly. */
static inline double cvy_rate_bytes(const struct cvy_device_info *info)
{
    return info->type == CVY_DEVICE_GPU ? 200e9 : info->unified_memory ? 10e9 : 20e9;
}

#endif
