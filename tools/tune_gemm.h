/* tune_gemm.h - 'convoy tune --gemm': parameters for CLBlast, each tried in a process of its own. */
#ifndef TOOLS_TUNE_GEMM_H
#define TOOLS_TUNE_GEMM_H

#include "cli.h"

/* Tries settings for at most budget seconds, keeps the best in the store and prints what came of each.
 * Returns an exit status. */
int cvy_tune_gemm(const struct cvy_cli_common *common, double budget);

#endif
