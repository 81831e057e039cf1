/* strided.h - one launch of cl/strided.cl, for the operators that only move elements. */
#ifndef CVY_OP_STRIDED_H
#define CVY_OP_STRIDED_H

#include <convoy/device.h>

/* kernel: "gather": y dense, x strided. table: rank, sizes, strides. */
enum cvy_status cvy_strided_enqueue(struct cvy_device *device, const char *kernel, struct cvy_buffer *x,
                                    struct cvy_buffer *y, struct cvy_buffer *table, size_t count,
                                    size_t offset);
enum cvy_status cvy_strided_build(struct cvy_device *device, const char *kernel);

#endif
