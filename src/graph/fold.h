/*
 * fold.h - a graph for given input shapes, without what is known before anything runs.
 *
 * Nodes that follow from constants and shapes become constants, which the host computes; attributes that are
 * given as inputs are read; nodes that nothing needs are left out. So shapes that exporters compute, with
 * Shape, Gather, Concat and their like, are numbers by the time that a plan is made.
 */
#ifndef CVY_GRAPH_FOLD_H
#define CVY_GRAPH_FOLD_H

#include "graph/graph.h"

/* input_shapes as in struct cvy_plan_params. The result, which the caller destroys, has the same inputs and
 * outputs in the same order, no open dimension, and shape and dtype in every value; its constants lie in
 * graph, which must outlive it. */
enum cvy_status cvy_graph_fold(struct cvy_graph **folded, const struct cvy_graph *graph,
                               const struct cvy_shape *input_shapes, size_t n_input_shapes);

#endif
