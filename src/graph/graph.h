/* graph.h - the graph as plan.c reads it. Nodes are in topological order: a node's inputs exist before it. */
#ifndef CVY_GRAPH_GRAPH_H
#define CVY_GRAPH_GRAPH_H

#include <convoy/graph.h>

enum cvy_value_kind {
    CVY_VALUE_INPUT,
    CVY_VALUE_CONSTANT,
    CVY_VALUE_NODE,
};

struct cvy_value {
    const struct cvy_graph *graph;
    enum cvy_value_kind kind;
    size_t index;             /* among the graph's values */
    char *name;               /* NULL: none */
    struct cvy_shape shape;   /* input: as declared, 0 = open; of a node only in a folded graph */
    bool rank_is_open;        /* input */
    enum cvy_dtype dtype;     /* input, constant; of a node only in a folded graph */
    struct cvy_tensor tensor; /* constant */
    bool borrowed;            /* the tensor's data belongs to another graph */
};

struct cvy_node {
    struct cvy_op op;
    char *name; /* never NULL */
    size_t n_inputs;
    struct cvy_value **inputs; /* NULL for one left out */
    struct cvy_value *output;
};

struct cvy_output {
    char *name;
    struct cvy_value *value;
};

struct cvy_graph {
    struct cvy_value **values;
    struct cvy_node **nodes;
    struct cvy_value **inputs;
    struct cvy_output **outputs;
    size_t n_values, n_nodes, n_inputs, n_outputs;
};

/* A constant whose data is not copied: it is borrowed, for as long as the graph lives, or taken over. */
enum cvy_status cvy_graph_keep_constant(struct cvy_graph *graph, struct cvy_value **value, const char *name,
                                        const struct cvy_tensor *tensor, bool borrowed);

#endif
