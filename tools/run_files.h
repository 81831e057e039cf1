/* run_files.h - which file belongs to which input and output of a model, and what is in them. */
#ifndef TOOLS_RUN_FILES_H
#define TOOLS_RUN_FILES_H

#include "run_options.h"
#include "run_report.h"

/* Prints why it failed. */
bool cvy_run_assign_files(struct run *run, const struct run_options *options);
/* Files' tensors, but of the one skipped, and random ones where there is no file. Returns an exit status;
 * what is wrong has been said.
 */
int cvy_run_load_inputs(struct run *run, const struct run_options *options, size_t skipped);
/* What is in a file for an input. */
bool cvy_run_load_file(const struct run *run, size_t input, const char *path,
                       const struct run_options *options, struct cvy_tensor *tensor);

#endif
