/*
 * memory.h - allocations on a device. Inside runtime only.
 *
 * On CPUs that share virtual memory with the host (OpenCL 2.0), an allocation has an address that kernels
 * take as it is: a launch costs less than with a cl_mem for each argument, all of which drivers keep count
 * of. They then do not know what a launch still needs, so that memory that is released lives until all that
 * was enqueued by then is done.
 */
#ifndef CVY_RUNTIME_MEMORY_H
#define CVY_RUNTIME_MEMORY_H

#include "runtime/device.h"

/* For devices whose queue is convoy's own. */
void cvy_memory_find_shared(struct cvy_device *device);
/* address: receives NULL where there is only the cl_mem. NULL on errors. */
cl_mem cvy_memory_create(const struct cvy_device *device, size_t bytes, char **address, cl_int *error);
/* address: as it was created. Call with device->lock held. */
void cvy_memory_release(struct cvy_device *device, cl_mem memory, const char *address);
/* How often memory was released. What was, until this was asked, is freed when everything enqueued before has
 * been waited for: */
uint64_t cvy_memory_released(struct cvy_device *device);
void cvy_memory_free(struct cvy_device *device, uint64_t released);

#endif
