#include "runtime/transfer.h"

#include <stdlib.h>

#include "base/arith.h"
#include "base/log.h"
#include "runtime/buffer.h"
#include "runtime/device.h"
#include "runtime/team.h"

#define TRIAL_BYTES ((size_t)1 << 20)
#define TRIALS 5

static enum cvy_status check_rows(const struct cvy_buffer *buffer, const struct cvy_rows *rows)
{
    size_t bytes;
    if (cvy_mul(rows->count, rows->bytes, &bytes) && bytes != 0 && bytes <= cvy_buffer_bytes(buffer))
        return CVY_OK;
    return cvy_fail(CVY_ERROR_INVALID, "transfer: %zu rows of %zu bytes, but the buffer has %zu bytes",
                    rows->count, rows->bytes, cvy_buffer_bytes(buffer));
}

enum cvy_status cvy_upload_rows(struct cvy_buffer *buffer, const void *host, const struct cvy_rows *rows)
{
    enum cvy_status status = check_rows(buffer, rows);
    if (status != CVY_OK)
        return status;
    cl_command_queue queue = cvy_device_queue(cvy_buffer_device(buffer));
    cl_mem memory = cvy_buffer_cl_mem(buffer);
    const size_t zero[3] = {0}, region[3] = {rows->bytes, rows->count, 1};
    cl_int error;
    if (rows->count == 1 || rows->pitch == rows->bytes)
        error =
            clEnqueueWriteBuffer(queue, memory, CL_FALSE, 0, rows->count * rows->bytes, host, 0, NULL, NULL);
    else
        error = clEnqueueWriteBufferRect(queue, memory, CL_FALSE, zero, zero, region, rows->bytes, 0,
                                         rows->pitch, 0, host, 0, NULL, NULL);
    return error == CL_SUCCESS ? CVY_OK : cvy_fail_cl(error, "clEnqueueWriteBuffer");
}

enum cvy_status cvy_download_rows(struct cvy_buffer *buffer, void *host, const struct cvy_rows *rows)
{
    enum cvy_status status = check_rows(buffer, rows);
    if (status != CVY_OK)
        return status;
    cl_command_queue queue = cvy_device_queue(cvy_buffer_device(buffer));
    cl_mem memory = cvy_buffer_cl_mem(buffer);
    const size_t zero[3] = {0}, region[3] = {rows->bytes, rows->count, 1};
    cl_int error;
    if (rows->count == 1 || rows->pitch == rows->bytes)
        error =
            clEnqueueReadBuffer(queue, memory, CL_FALSE, 0, rows->count * rows->bytes, host, 0, NULL, NULL);
    else
        error = clEnqueueReadBufferRect(queue, memory, CL_FALSE, zero, zero, region, rows->bytes, 0,
                                        rows->pitch, 0, host, 0, NULL, NULL);
    return error == CL_SUCCESS ? CVY_OK : cvy_fail_cl(error, "clEnqueueReadBuffer");
}

/* The least of some copies there and back; each way is taken for half. Negative: it failed. */
static double time_copies(struct cvy_buffer *buffer, size_t bytes, void *host)
{
    double least = -1;
    for (int i = 0; i < TRIALS; i++) {
        const double start = cvy_now();
        if (cvy_buffer_write(buffer, 0, bytes, host) != CVY_OK ||
            cvy_buffer_read(buffer, 0, bytes, host) != CVY_OK)
            return -1;
        const double seconds = (cvy_now() - start) / 2;
        least = least < 0 || seconds < least ? seconds : least;
    }
    return least;
}

static void measure(struct cvy_device *device)
{
    struct cvy_buffer *buffer = NULL;
    void *host = calloc(1, TRIAL_BYTES);
    char reason[256] = "";
    /* a guess, where nothing can be measured */
    double small = 50e-6, large = small + (double)TRIAL_BYTES / 5e9;
    const struct cvy_log_held before = cvy_log_hold((struct cvy_log_held){reason, sizeof(reason)});
    if (host != NULL && cvy_buffer_create(&buffer, device, TRIAL_BYTES) == CVY_OK) {
        const double first = time_copies(buffer, 64, host), second = time_copies(buffer, TRIAL_BYTES, host);
        small = first >= 0 && second >= 0 ? first : small;
        large = first >= 0 && second >= 0 ? CVY_MAX(second, first) : large;
    }
    cvy_buffer_destroy(&buffer);
    free(host);
    cvy_log_hold(before);
    device->copy_seconds = small;
    device->copy_byte_seconds = (large - small) / (double)TRIAL_BYTES;
    cvy_log(CVY_LOG_DEBUG, "copies: %.1f us each, and %.3g GB/s", 1e6 * small,
            1e-9 / CVY_MAX(device->copy_byte_seconds, 1e-15));
}

double cvy_transfer_seconds(struct cvy_device *device, size_t bytes)
{
    pthread_mutex_lock(&device->rates_lock);
    if (device->copy_seconds <= 0)
        measure(device);
    pthread_mutex_unlock(&device->rates_lock);
    return device->copy_seconds + (double)bytes * device->copy_byte_seconds;
}
