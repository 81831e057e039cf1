/* workload.h - convolutions to be measured: from descriptors, from batch files, from a model. */
#ifndef TOOLS_WORKLOAD_H
#define TOOLS_WORKLOAD_H

#include "descriptor.h"

struct cvy_workload_item {
    struct cvy_conv_problem problem;
    char *text;    /* its descriptor */
    char name[64]; /* "" = none */
    size_t count;  /* how often the model has it; otherwise 1 */
};

struct cvy_workload {
    struct cvy_workload_item *items;
    size_t count;
};

/* Each adds to the workload and returns an exit status; what is wrong has been said. */
int cvy_workload_add(struct cvy_workload *workload, const char *text, const char *command,
                     const struct cvy_descriptor_options *options);
int cvy_workload_add_batch(struct cvy_workload *workload, const char *path, const char *command,
                           const struct cvy_descriptor_options *defaults);
/* The convolutions of a model, each distinct one once. shapes: "[NAME=]1x3x224x224" for open inputs. */
int cvy_workload_add_model(struct cvy_workload *workload, const char *path, const char *const *shapes,
                           size_t n_shapes, const char *command);

/* Its name, or the descriptor where there is none. */
const char *cvy_workload_label(const struct cvy_workload_item *item);

/* Blocks of channels as a plan would take them inside a network, whose input and output, of few channels, are
 * plain. */
void cvy_workload_choose_blocks(struct cvy_conv_problem *problem, const struct cvy_device *device);

void cvy_workload_finish(struct cvy_workload *workload);

#endif
