/* model_shapes.h - shapes of a model's inputs, those given for open dimensions among them. */
#ifndef TOOLS_MODEL_SHAPES_H
#define TOOLS_MODEL_SHAPES_H

#include <convoy/convoy.h>

/* Fills shapes, one for each input; those that `given` marks are known before. texts: "[NAME=]1x3x224x224",
 * of
 * --shape. Returns an exit status; what is wrong has been said. */
int cvy_model_shapes(const struct cvy_graph *graph, struct cvy_shape *shapes, bool *given,
                     const char *const *texts, size_t n_texts, const char *command);

#endif
