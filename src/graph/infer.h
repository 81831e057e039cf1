/* infer.h - shapes and element types of a graph's values for given inputs; no device. */
#ifndef CVY_GRAPH_INFER_H
#define CVY_GRAPH_INFER_H

#include "graph/graph.h"
#include "op/operator.h"

/* What is known of one value. */
struct cvy_value_info {
    bool needed; /* some output depends on it */
    struct cvy_shape shape;
    enum cvy_dtype dtype;
    size_t bytes;
    size_t block; /* channels of the blocks that it lies in (conv.h), which bytes counts; 0: plain */
};

/* Which values are needed; shape, dtype and bytes of inputs. */
enum cvy_status cvy_infer_inputs(const struct cvy_graph *graph, const struct cvy_shape *input_shapes,
                                 size_t n_input_shapes, struct cvy_value_info *values);

/* For a folded graph (fold.h): fills values, one for each of the graph's; shape, dtype and bytes of
 * constants, of inputs, and of what is needed. */
enum cvy_status cvy_graph_infer(const struct cvy_graph *graph, struct cvy_value_info *values);

/* What a node's operator is told of an input. value may be NULL: left out. */
struct cvy_operand cvy_operand_of(const struct cvy_value *value, const struct cvy_value_info *values);

/* "node 'NAME' (OP)" to begin messages with. Returns text. */
const char *cvy_node_context(const char *name, const struct cvy_op *op, char *text, size_t size);

#endif
