/* run_repeat.h - a plan run again and again. */
#ifndef TOOLS_RUN_REPEAT_H
#define TOOLS_RUN_REPEAT_H

#include "run_report.h"

/* Times n runs from enqueuing to the end, tensors on the device, after some that warm up; then runs once more
 * with the layers measured, and fetches the outputs. Prints why it failed. */
bool cvy_run_repeat(struct run *run, size_t n);

#endif
