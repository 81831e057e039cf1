/* rates.h - what a device does in a second, measured once and kept in its store. */
#ifndef CVY_RUNTIME_RATES_H
#define CVY_RUNTIME_RATES_H

#include "runtime/device.h"

/* The kernels that measure; what they compute is never used. */
#define CVY_RATES_PROGRAM "rates"

/* Measured on first need (under a second), or taken from the store; guessed where that fails. Never call with
 * device->lock held. */
const struct cvy_device_rates *cvy_rates(const struct cvy_device *device);

/* Under which the store keeps them: five doubles, in the order of the struct. */
struct cvy_hash cvy_rates_key(const struct cvy_device *device);

#endif
