/* run_trace.h - where the time and the memory of a run went, as files for viewers. */
#ifndef TOOLS_RUN_TRACE_H
#define TOOLS_RUN_TRACE_H

#include "run_report.h"

/* Chrome's trace event format, which Perfetto reads, too: of each layer of the last run when it was enqueued,
 * how long it waited in the queue, and when it ran. Prints why it failed. */
bool cvy_run_trace(const struct run *run, const char *model, const char *path);
/* A picture: memory, offset against layer; and the time line. */
bool cvy_run_draw(const struct run *run, const char *model, const char *path);

#endif
