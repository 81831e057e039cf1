/* run_repeat.h - a plan run again and again. */
#ifndef TOOLS_RUN_REPEAT_H
#define TOOLS_RUN_REPEAT_H

#include "run_report.h"

/* Buffers for inputs, filled, and outputs; room for the outputs' tensors. */
bool cvy_run_bind(struct run *run, struct cvy_binding *bindings);
/* From enqueuing to the end. */
bool cvy_run_once(const struct run *run, const struct cvy_binding *bindings, double *seconds);

/* Times n runs from enqueuing to the end, tensors on the device, after some that warm up; then runs once more
 * with the layers measured, and fetches the outputs. Prints why it failed. */
bool cvy_run_repeat(struct run *run, size_t n);

#endif
