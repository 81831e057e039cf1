/* batch.h - files that list convolutions, one descriptor a line. */
#ifndef TOOLS_BATCH_H
#define TOOLS_BATCH_H

#include "descriptor.h"

struct cvy_batch_item {
    struct cvy_descriptor descriptor;
    char *text; /* the descriptor as written */
};

struct cvy_batch {
    struct cvy_batch_item *items;
    size_t count;
};

/*
 * Reads every line and validates it. '#' at the beginning of a line or behind a blank begins a comment. In
 * front of a descriptor may stand --deconv, for that descriptor alone: it is transposed; and --mb=N, which
 * holds from there on (0: as the descriptors say); a line may consist of it. defaults is what holds at the
 * beginning. Returns an exit status; what is wrong, and where, has been said, and the batch is empty.
 */
int cvy_batch_load(struct cvy_batch *batch, const char *path, const char *command,
                   const struct cvy_descriptor_options *defaults);
void cvy_batch_finish(struct cvy_batch *batch);

#endif
