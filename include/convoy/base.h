/*
 * base.h - status codes, the log, and the export macro.
 *
 * Every call that can fail returns enum cvy_status. On failure its out-pointers are untouched and the log
 * callback has received one sentence that says what went wrong, where, and what to do.
 *
 * The library never prints, exits, reads the environment, changes the working directory or starts a thread.
 */
#ifndef CONVOY_BASE_H
#define CONVOY_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define CVY_API __attribute__((visibility("default")))
#define CVY_PRINTF(format_index, first_arg) __attribute__((format(printf, format_index, first_arg)))
#else
#define CVY_API
#define CVY_PRINTF(format_index, first_arg)
#endif

#ifdef __cplusplus
extern "C" {
#endif

enum cvy_status {
    CVY_OK = 0,
    CVY_ERROR_INVALID,       /* an argument or a description contradicts itself */
    CVY_ERROR_UNSUPPORTED,   /* well-formed, but this build, device or version of convoy cannot do it */
    CVY_ERROR_NOT_FOUND,     /* no such device, file, name or algorithm */
    CVY_ERROR_HOST_MEMORY,   /* the host is out of memory */
    CVY_ERROR_DEVICE_MEMORY, /* more than the device has, or than it allows in one allocation */
    CVY_ERROR_DEVICE,        /* the driver reported an error */
    CVY_ERROR_BUILD,         /* a kernel did not compile on this device */
    CVY_ERROR_IO,            /* a file could not be read or written */
    CVY_ERROR_FORMAT,        /* a file's content is truncated, damaged, or of another format */
};

/* A short name such as "invalid argument". Never NULL, for any value. */
CVY_API const char *cvy_status_string(enum cvy_status status);

enum cvy_log_level {
    CVY_LOG_ERROR,   /* why a call failed */
    CVY_LOG_WARNING, /* it worked, but not as asked: a fallback was taken, a store set aside */
    CVY_LOG_INFO,    /* choices made: the device, the algorithm */
    CVY_LOG_DEBUG,   /* reasons of refusal, build logs, cache hits */
};

/*
 * Sets the process-wide log callback; NULL (the default) drops every message. Messages above max_level are
 * not formatted at all. The callback may be called from whichever thread calls the library; message is one
 * line without a newline and lives only during the call. Set it before other calls, not beside them.
 */
CVY_API void cvy_log_set_callback(void (*callback)(void *user, enum cvy_log_level level, const char *message),
                                  void *user, enum cvy_log_level max_level);

#ifdef __cplusplus
}
#endif

#endif
