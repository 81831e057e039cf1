/*
 * fuse.h - the passes by which a graph becomes what a plan runs: nodes that need not be done by themselves
 * are folded into their neighbours. A pass is one file pass_*.c and a row in the table of fuse.c; each can be
 * left out, without another result than rounding and time.
 */
#ifndef CVY_GRAPH_FUSE_H
#define CVY_GRAPH_FUSE_H

#include "graph/work.h"

/* Runs all passes but those named, in order. CVY_ERROR_INVALID, with a list, for a name that is none. */
enum cvy_status cvy_fuse(struct cvy_work_list *list, const char *const *skipped, size_t n_skipped);

#endif
