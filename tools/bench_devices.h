/* bench_devices.h - several devices against the first of them alone. */
#ifndef TOOLS_BENCH_DEVICES_H
#define TOOLS_BENCH_DEVICES_H

#include "devices.h"
#include "workload.h"

struct cvy_bench_devices {
    const struct cvy_cli_devices *devices;
    const struct cvy_workload *workload;
    const char *model; /* NULL: the workload */
    const char *const *shapes;
    size_t n_shapes;
    const char *algo;
    enum cvy_split split;
    size_t turns;
};

/* Runs each convolution, or the whole model, from and to host memory, in turns on the first device and on
 * all; prints the medians and how many times faster all are. False: one failed, or gave another result. */
bool cvy_bench_devices(const struct cvy_bench_devices *params, bool json);

#endif
