/* rates_measure.h - the measuring behind rates.h, which guards, checks and keeps what comes of it. */
#ifndef CVY_RUNTIME_RATES_MEASURE_H
#define CVY_RUNTIME_RATES_MEASURE_H

#include "runtime/device.h"

/* On a queue of its own. is_steady: the runs agreed. */
enum cvy_status cvy_rates_measure(struct cvy_device *device, struct cvy_device_rates *rates, bool *is_steady);

#endif
