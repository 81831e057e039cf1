/* model_layers.h - what an ONNX model is made of. */
#ifndef TOOLS_MODEL_LAYERS_H
#define TOOLS_MODEL_LAYERS_H

#include <convoy/convoy.h>

/* Whether a name is that of a model's file. */
bool cvy_is_model(const char *path);

/* shapes: "[NAME=]1x3x224x224" for open inputs. The list needs the graph; the caller destroys both. Returns
 * an exit status; what is wrong has been said. */
int cvy_model_layers(struct cvy_graph **graph, struct cvy_layer_list **list, const char *path,
                     const char *const *shapes, size_t n_shapes, const char *command);

#endif
