/*
 * fuse.h - the steps of a graph as a plan will run them: nodes that do nothing of their own are folded into
 * their neighbours.
 *
 *   Reshape, Transpose, Reshape that exchange two factors of the channels -> ChannelShuffle
 *   Conv, [elementwise], ChannelShuffle                                   -> Conv that writes shuffled
 *   Pad, Conv                                                             -> Conv that pads
 */
#ifndef CVY_GRAPH_FUSE_H
#define CVY_GRAPH_FUSE_H

#include "graph/infer.h"

/* A node of the graph, or what several were folded into. Values are indices; SIZE_MAX: an input left out. */
struct cvy_work {
    bool gone;
    struct cvy_op op;
    const char *name; /* the graph's */
    size_t n_inputs;
    size_t *inputs;
    size_t output;
};

struct cvy_work_list {
    size_t count;
    struct cvy_work *items;
    size_t *indices; /* memory of all inputs */
};

/* The needed nodes in order, folded. Shapes and types in values stay true for every value still made. */
enum cvy_status cvy_work_list_create(struct cvy_work_list **list, const struct cvy_graph *graph,
                                     const struct cvy_value_info *values);
void cvy_work_list_destroy(struct cvy_work_list **list);

#endif
