/* buffer.h - memory on a device, for the floors above. */
#ifndef CVY_RUNTIME_BUFFER_H
#define CVY_RUNTIME_BUFFER_H

#include <convoy/device.h>

struct cvy_device *cvy_buffer_device(const struct cvy_buffer *buffer);
/* That no other buffer has, in the life of the process; from 1. */
uint64_t cvy_buffer_id(const struct cvy_buffer *buffer);
/* What kernels take instead of its cl_mem; NULL: nothing (memory.h). */
const void *cvy_buffer_address(const struct cvy_buffer *buffer);

/* Fails with the limit named when bytes exceed one allocation or the whole memory of the device. */
enum cvy_status cvy_check_allocation(const struct cvy_device *device, size_t bytes, const char *what);

/* Creates a buffer that holds bytes of data. */
enum cvy_status cvy_buffer_upload(struct cvy_buffer **buffer, struct cvy_device *device, size_t bytes,
                                  const void *data);

/* Enqueues a device-side copy. */
enum cvy_status cvy_buffer_copy(struct cvy_buffer *from, size_t from_offset, struct cvy_buffer *to,
                                size_t to_offset, size_t bytes);

#endif
