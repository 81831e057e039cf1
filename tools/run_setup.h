/* run_setup.h - the device and the plan of a run. */
#ifndef TOOLS_RUN_SETUP_H
#define TOOLS_RUN_SETUP_H

#include "run_options.h"
#include "run_report.h"

/* Opens the device, unless that is done, and makes the plan for run->shapes. Prints why it failed. */
bool cvy_run_make_plan(struct run *run, const struct run_options *options, bool profile);

#endif
