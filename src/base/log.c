#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

static struct {
    void (*callback)(void *user, enum cvy_log_level level, const char *message);
    void *user;
    enum cvy_log_level max_level;
} sink;

void cvy_log_set_callback(void (*callback)(void *user, enum cvy_log_level level, const char *message),
                          void *user, enum cvy_log_level max_level)
{
    sink.callback = callback;
    sink.user = user;
    sink.max_level = max_level;
}

static _Thread_local const char *current_context;

const char *cvy_log_set_context(const char *context)
{
    const char *before = current_context;
    current_context = context;
    return before;
}

static _Thread_local struct cvy_log_held current_held;

struct cvy_log_held cvy_log_hold(struct cvy_log_held held)
{
    struct cvy_log_held before = current_held;
    current_held = held;
    return before;
}

static void log_va(enum cvy_log_level level, const char *format, va_list args)
{
    const bool is_held = level == CVY_LOG_ERROR && current_held.text != NULL;
    if (is_held && current_held.text[0] != '\0')
        return;
    if (!is_held && (sink.callback == NULL || level > sink.max_level))
        return;
    char message[2048];
    size_t used = 0;
    if (current_context != NULL)
        used = (size_t)snprintf(message, sizeof(message) / 2, "%s: ", current_context);
    used = used < sizeof(message) / 2 ? used : sizeof(message) / 2 - 1;
    vsnprintf(message + used, sizeof(message) - used, format, args);
    if (is_held)
        snprintf(current_held.text, current_held.size, "%s", message);
    else
        sink.callback(sink.user, level, message);
}

void cvy_log(enum cvy_log_level level, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_va(level, format, args);
    va_end(args);
}

enum cvy_status cvy_fail(enum cvy_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_va(CVY_LOG_ERROR, format, args);
    va_end(args);
    return status;
}

enum cvy_status cvy_fail_memory(const char *what, size_t bytes)
{
    return cvy_fail(CVY_ERROR_HOST_MEMORY,
                    "%s: no host memory for %zu bytes; free some or use a smaller problem", what, bytes);
}
