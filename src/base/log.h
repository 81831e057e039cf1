/* log.h - messages to the user's log callback. Each is one sentence: what, where, what to do. */
#ifndef CVY_BASE_LOG_H
#define CVY_BASE_LOG_H

#include <convoy/base.h>

void cvy_log(enum cvy_log_level level, const char *format, ...) CVY_PRINTF(2, 3);

/* Logs an error and returns status, so that a failure is one line: return cvy_fail(CVY_ERROR_..., "..."). */
enum cvy_status cvy_fail(enum cvy_status status, const char *format, ...) CVY_PRINTF(2, 3);

/* While set, messages of this thread begin with "CONTEXT: ". Returns what was set before, to be put back. */
const char *cvy_log_set_context(const char *context);

/* Where messages of errors go instead of the callback: the first of them, cut to size. text NULL: nowhere. */
struct cvy_log_held {
    char *text;
    size_t size;
};
/* Holds back this thread's errors, for a failure that may be made good. Returns what was set before, to be
 * put back. */
struct cvy_log_held cvy_log_hold(struct cvy_log_held held);

/* The failure of a host allocation of bytes for `what`. */
enum cvy_status cvy_fail_memory(const char *what, size_t bytes);

#endif
