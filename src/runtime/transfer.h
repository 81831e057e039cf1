/*
 * transfer.h - copies between host memory and buffers that are enqueued and not waited for. A buffer holds a
 * piece of a tensor densely; in host memory it is rows that lie `pitch` bytes apart.
 */
#ifndef CVY_RUNTIME_TRANSFER_H
#define CVY_RUNTIME_TRANSFER_H

#include <convoy/device.h>

struct cvy_rows {
    size_t count, bytes; /* rows, and bytes of each */
    size_t pitch;
};

/* host: the first row; it must stay until the device is done. */
enum cvy_status cvy_upload_rows(struct cvy_buffer *buffer, const void *host, const struct cvy_rows *rows);
enum cvy_status cvy_download_rows(struct cvy_buffer *buffer, void *host, const struct cvy_rows *rows);

/* Seconds that a copy of so many bytes to or from the host takes; measured once in the life of the device, in
 * some milliseconds. */
double cvy_transfer_seconds(struct cvy_device *device, size_t bytes);

#endif
