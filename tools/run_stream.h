/* run_stream.h - one plan on many files. */
#ifndef TOOLS_RUN_STREAM_H
#define TOOLS_RUN_STREAM_H

#include "run_options.h"
#include "run_report.h"

/* Whether an input is no file but a folder, or a pattern such as 'frames/?*.png'. */
bool cvy_run_is_stream(const struct run_options *options);
/* Runs every file of it; one that cannot be read or written is reported and left out. Returns an exit status.
 */
int cvy_run_stream(struct run *run, const struct run_options *options);

#endif
