/* Cuts the batch: whether a graph keeps the images of a batch apart, which is axis 0 of every value. */
#include <stdio.h>

#include "graph/parting.h"

/* One of the listed dimensions is the batch. */
static bool lists_batch(const int64_t *axes, size_t count, size_t rank)
{
    for (size_t i = 0; i < count; i++) {
        if (axes[i] == 0 || axes[i] == -(int64_t)rank)
            return true;
    }
    return false;
}

/* A constant that is added to, or multiplied with, every image alike. */
static bool is_same_for_all(const struct cvy_shape *constant, size_t rank)
{
    return constant->rank < rank || constant->dims[0] == 1;
}

/* What an operator does to a value whose axis 0 is the batch; NULL: nothing that mixes images. */
static const char *mixes(const struct cvy_node *node, const struct cvy_shape *x, const struct cvy_shape *y)
{
    const struct cvy_op *op = &node->op;
    if (cvy_part_is_elementwise(op->type))
        return NULL;
    switch (op->type) {
    case CVY_OP_CONV:
    case CVY_OP_SPATIALLY_SEPARABLE_CONV:
    case CVY_OP_DEPTHWISE_SEPARABLE_CONV:
    case CVY_OP_FLATTENED_CONV:
    case CVY_OP_CONV_INTEGER:
    case CVY_OP_QLINEAR_CONV:
    case CVY_OP_QUANTIZE:
    case CVY_OP_DEQUANTIZE:
    case CVY_OP_MAX_POOL:
    case CVY_OP_AVERAGE_POOL:
    case CVY_OP_GLOBAL_AVERAGE_POOL:
    case CVY_OP_BATCH_NORM:
    case CVY_OP_DEPTH_TO_SPACE:
    case CVY_OP_CHANNEL_SHUFFLE:
        return NULL;
    case CVY_OP_SPACE_TO_DEPTH:
    case CVY_OP_GLOBAL_MAX_POOL:
    case CVY_OP_LRN:
    case CVY_OP_CAST:
    case CVY_OP_MATMUL:
    case CVY_OP_GROUP_NORM:
        return NULL;
    case CVY_OP_LAYER_NORM:
        return lists_batch(&op->layer_norm.axis, 1, x->rank) ? "normalizes over the batch" : NULL;
    case CVY_OP_SLICE:
        return lists_batch(op->slice.axes, op->slice.count, x->rank) ? "cuts the batch" : NULL;
    case CVY_OP_SPLIT:
        return lists_batch(&op->split.axis, 1, x->rank) ? "cuts the batch" : NULL;
    case CVY_OP_GATHER:
        return lists_batch(&op->axis, 1, x->rank) ? "picks from the batch" : NULL;
    case CVY_OP_REDUCE_SUM:
    case CVY_OP_REDUCE_MEAN:
    case CVY_OP_REDUCE_MAX:
    case CVY_OP_REDUCE_MIN:
    case CVY_OP_REDUCE_PROD:
        return op->reduce.axes.count == 0 || lists_batch(op->reduce.axes.axes, op->reduce.axes.count, x->rank)
                   ? "reduces the batch"
                   : NULL;
    case CVY_OP_CONCAT:
        return op->axis == 0 || op->axis == -(int64_t)y->rank ? "joins along the batch" : NULL;
    case CVY_OP_RESHAPE:
    case CVY_OP_FLATTEN:
    case CVY_OP_SQUEEZE:
    case CVY_OP_UNSQUEEZE:
    case CVY_OP_TILE:
    case CVY_OP_RESIZE:
        return y->dims[0] == x->dims[0] ? NULL : "changes the batch";
    case CVY_OP_EXPAND:
        return y->rank == x->rank && y->dims[0] == x->dims[0] ? NULL : "changes the batch";
    case CVY_OP_PAD:
        return op->pad.begin[0] == 0 && op->pad.end[0] == 0 ? NULL : "pads the batch";
    case CVY_OP_TRANSPOSE:
        return op->transpose.rank != 0 && op->transpose.order[0] == 0 ? NULL : "moves the batch";
    case CVY_OP_GEMM:
        return op->gemm.transpose_a ? "takes the batch as columns" : NULL;
    case CVY_OP_SOFTMAX:
        return op->softmax.axis == 0 || op->softmax.axis == -(int64_t)x->rank ? "sums over the batch" : NULL;
    default:
        return "may mix the images of a batch";
    }
}

/* Whether a constant, or a value that all devices compute alike, may stand at an input beside a batch. */
static bool takes_constant(const struct cvy_node *node, size_t input, const struct cvy_shape *constant,
                           const struct cvy_shape *y)
{
    if (cvy_part_is_elementwise(node->op.type))
        return is_same_for_all(constant, y->rank);
    switch (node->op.type) {
    case CVY_OP_MATMUL:
        return constant->rank < 3 ? input == 1 || y->rank > 2 : is_same_for_all(constant, y->rank);
    case CVY_OP_CONV:
        return input == 1 || input == 2;
    case CVY_OP_GEMM:
        return input == 1 || (input == 2 && is_same_for_all(constant, 2));
    case CVY_OP_CONCAT:
        return false;
    default:
        return input > 0;
    }
}

/* Whether an input may be a batch itself; weights may not. */
static bool takes_batch(const struct cvy_node *node, size_t input, size_t rank)
{
    if (cvy_part_is_elementwise(node->op.type))
        return true;
    switch (node->op.type) {
    case CVY_OP_CONCAT:
        return true;
    case CVY_OP_MATMUL:
        return rank > (input == 0 ? 1 : 2);
    case CVY_OP_CONV:
        return input == 0 || input == 3;
    case CVY_OP_GEMM:
        return input == 0 || (input == 2 && rank == 2);
    default:
        return input == 0;
    }
}

static bool refuse(const struct cvy_node *node, const char *reason, char *why, size_t size)
{
    snprintf(why, size, "node '%s' (%s) %s", node->name, cvy_op_name(&node->op), reason);
    return false;
}

/* Cuts a node's output where an input is cut. */
static bool cut_node(struct cvy_parting *parting, size_t index, const struct cvy_cut *cut, char *why,
                     size_t size)
{
    const struct cvy_node *node = parting->graph->nodes[index];
    const struct cvy_shape *y = &parting->values[node->output->index].shape, *x = NULL;
    const size_t batch = cut->begin[parting->n_devices];
    size_t n_cut = 0;
    for (size_t i = 0; i < node->n_inputs; i++) {
        const struct cvy_value *value = node->inputs[i];
        if (value == NULL)
            continue;
        const struct cvy_shape *shape = &parting->values[value->index].shape;
        const size_t maker = parting->maker[value->index];
        const bool is_cut =
            maker != SIZE_MAX ? parting->nodes[maker].out.is_cut : value->kind == CVY_VALUE_INPUT;
        const bool joins = cvy_part_is_elementwise(node->op.type) || node->op.type == CVY_OP_MATMUL;
        if (is_cut && joins && shape->rank != y->rank)
            return refuse(node, "joins tensors of different ranks", why, size);
        if (is_cut && !takes_batch(node, i, shape->rank))
            return refuse(node, "takes weights from another node", why, size);
        if (!is_cut && !takes_constant(node, i, shape, y))
            return refuse(node, "takes a constant with a batch of its own", why, size);
        x = is_cut && x == NULL ? shape : x;
        n_cut += is_cut;
    }
    if (n_cut == 0)
        return refuse(node, "depends on no input", why, size);
    const char *reason = y->rank > 0 && y->dims[0] == batch ? mixes(node, x, y) : "changes the batch";
    if (reason != NULL)
        return refuse(node, reason, why, size);
    parting->nodes[index].in = parting->nodes[index].out = *cut;
    return true;
}

static bool find_batch(const struct cvy_parting *parting, size_t *batch, char *why, size_t size)
{
    const struct cvy_graph *graph = parting->graph;
    *batch = 0;
    for (size_t i = 0; i < graph->n_inputs; i++) {
        const struct cvy_shape *shape = &parting->values[graph->inputs[i]->index].shape;
        if (shape->rank == 0 || (i > 0 && shape->dims[0] != *batch)) {
            snprintf(why, size, "input '%s' has no batch, or another than input '%s'", graph->inputs[i]->name,
                     graph->inputs[0]->name);
            return false;
        }
        *batch = shape->dims[0];
    }
    if (*batch < 2)
        snprintf(why, size, "the batch is %zu", *batch);
    return *batch >= 2;
}

bool cvy_part_batch(struct cvy_parting *parting, const double *speeds, char *why, size_t size)
{
    const struct cvy_graph *graph = parting->graph;
    size_t batch;
    if (!find_batch(parting, &batch, why, size))
        return false;
    const struct cvy_cut cut = cvy_cut_by_speed(0, batch, 1, speeds, parting->n_devices);
    for (size_t i = 0; i < graph->n_nodes; i++) {
        if (parting->nodes[i].needed && !cut_node(parting, i, &cut, why, size))
            return false;
    }
    for (size_t i = 0; i < graph->n_outputs; i++) {
        if (graph->outputs[i]->value->kind != CVY_VALUE_NODE) {
            snprintf(why, size, "output '%s' is no node's", graph->outputs[i]->name);
            return false;
        }
    }
    return true;
}
