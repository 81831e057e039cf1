/* A graph told layer by layer: shapes, costs, receptive fields. */
#include <stdlib.h>

#include "base/arith.h"
#include "base/log.h"
#include "graph/fold.h"
#include "graph/infer.h"
#include "op/conv_passes.h"
#include "op/problem.h"

/* The receptive field of one value; axes 0: not known, or the whole input. */
struct field {
    size_t axes;
    struct cvy_receptive_field axis[CVY_CONV_MAX_RANK];
};

struct list {
    struct cvy_layer_list public; /* first: what the user holds */
    struct cvy_conv_problem *problems;
    struct cvy_graph *graph; /* folded; it holds the layers' names */
};

struct describer {
    const struct cvy_graph *graph;
    struct cvy_value_info *values;
    struct field *fields; /* of each value */
    struct list *list;
};

void cvy_layer_list_destroy(struct cvy_layer_list **list)
{
    if (list == NULL || *list == NULL)
        return;
    struct list *made = (struct list *)*list;
    free(made->public.layers);
    free(made->problems);
    cvy_graph_destroy(&made->graph);
    free(made);
    *list = NULL;
}

static double elements(const struct cvy_shape *shape)
{
    double product = 1;
    for (size_t i = 0; i < shape->rank; i++)
        product *= (double)shape->dims[i];
    return product;
}

/* The widest of the inputs' fields. */
static struct field joined_field(const struct describer *d, const struct cvy_node *node)
{
    struct field joined = {0};
    for (size_t i = 0; i < node->n_inputs; i++) {
        const struct cvy_value *value = node->inputs[i];
        if (value == NULL || value->kind == CVY_VALUE_CONSTANT)
            continue;
        const struct field *field = &d->fields[value->index];
        if (field->axes == 0)
            return (struct field){0};
        for (size_t a = 0; a < field->axes; a++) {
            joined.axis[a].size = CVY_MAX(joined.axis[a].size, field->axis[a].size);
            joined.axis[a].jump = CVY_MAX(joined.axis[a].jump, field->axis[a].jump);
        }
        joined.axes = field->axes;
    }
    return joined;
}

static void add_resize(const struct describer *d, const struct cvy_node *node, struct field *field)
{
    static const double taps[] = {[CVY_RESIZE_NEAREST] = 1, [CVY_RESIZE_LINEAR] = 2, [CVY_RESIZE_CUBIC] = 4};
    const struct cvy_shape *x = &d->values[node->inputs[0]->index].shape;
    const struct cvy_shape *y = &d->values[node->output->index].shape;
    for (size_t a = 0; a < field->axes; a++) {
        field->axis[a].size += (taps[node->op.resize.mode] - 1) * field->axis[a].jump;
        field->axis[a].jump *= (double)x->dims[a + 2] / (double)y->dims[a + 2];
    }
}

/* The convolutions that a node is: none, one, or several passes. */
struct convs {
    size_t count;
    struct cvy_conv_problem problem[CVY_CONV_MAX_PASSES];
};

static struct field node_field(const struct describer *d, const struct cvy_node *node,
                               const struct convs *convs)
{
    struct field field = joined_field(d, node);
    const struct cvy_op *op = &node->op;
    for (size_t i = 0; i < convs->count; i++) {
        const struct cvy_conv_problem *p = &convs->problem[i];
        for (size_t a = 0; a < field.axes; a++)
            cvy_receptive_field_add(&field.axis[a], p->kernel[a], p->stride[a], p->dilation[a],
                                    p->transposed);
    }
    switch (op->type) {
    case CVY_OP_MAX_POOL:
    case CVY_OP_AVERAGE_POOL:
        for (size_t a = 0; a < field.axes; a++)
            cvy_receptive_field_add(&field.axis[a], op->pool.kernel[a], op->pool.stride[a],
                                    op->pool.dilation[a], false);
        return field;
    case CVY_OP_RESIZE:
        add_resize(d, node, &field);
        return field;
    case CVY_OP_DEPTH_TO_SPACE:
        for (size_t a = 0; a < field.axes; a++)
            field.axis[a].jump /= (double)op->depth_to_space.block;
        return field;
    case CVY_OP_GLOBAL_AVERAGE_POOL:
    case CVY_OP_RESHAPE:
    case CVY_OP_FLATTEN:
    case CVY_OP_TRANSPOSE:
    case CVY_OP_GEMM:
    case CVY_OP_MATMUL:
    case CVY_OP_REDUCE_SUM:
    case CVY_OP_REDUCE_MEAN:
    case CVY_OP_REDUCE_MAX:
    case CVY_OP_REDUCE_MIN:
    case CVY_OP_REDUCE_PROD:
    case CVY_OP_TILE:
    case CVY_OP_GATHER:
        return (struct field){0};
    case CVY_OP_SPACE_TO_DEPTH:
        for (size_t a = 0; a < field.axes; a++) {
            field.axis[a].size += (double)(op->depth_to_space.block - 1) * field.axis[a].jump;
            field.axis[a].jump *= (double)op->depth_to_space.block;
        }
        return field;
    default:
        return field;
    }
}

static struct convs one_conv(const struct describer *d, const struct cvy_node *node, size_t w, size_t bias)
{
    struct convs convs = {0};
    const bool has_bias = bias < node->n_inputs && node->inputs[bias] != NULL;
    if (cvy_conv_problem_from_op(&node->op.conv, &d->values[node->inputs[0]->index].shape,
                                 &d->values[node->inputs[w]->index].shape, has_bias,
                                 &convs.problem[0]) == CVY_OK)
        convs.count = 1;
    convs.problem[0].x_dtype = d->values[node->inputs[0]->index].dtype;
    convs.problem[0].w_dtype = d->values[node->inputs[w]->index].dtype;
    convs.problem[0].y_dtype = d->values[node->output->index].dtype;
    return convs;
}

static struct convs passes_of(const struct describer *d, const struct cvy_node *node)
{
    struct convs convs = {0};
    struct cvy_operand operands[3 + CVY_CONV_MAX_PASSES];
    for (size_t i = 0; i < node->n_inputs && i < CVY_COUNT(operands); i++)
        operands[i] = cvy_operand_of(node->inputs[i], d->values);
    cvy_conv_passes_from_op(&node->op, operands, node->n_inputs, convs.problem, &convs.count);
    return convs;
}

/* Shapes have been inferred, so that nothing fails here. */
static struct convs convs_of(const struct describer *d, const struct cvy_node *node)
{
    switch (node->op.type) {
    case CVY_OP_CONV:
        return one_conv(d, node, 1, 2);
    case CVY_OP_CONV_INTEGER:
        return one_conv(d, node, 1, SIZE_MAX);
    case CVY_OP_QLINEAR_CONV:
        return one_conv(d, node, 3, 8);
    case CVY_OP_SPATIALLY_SEPARABLE_CONV:
    case CVY_OP_DEPTHWISE_SEPARABLE_CONV:
    case CVY_OP_FLATTENED_CONV:
        return passes_of(d, node);
    default:
        return (struct convs){0};
    }
}

static double multiplications(const struct describer *d, const struct cvy_node *node,
                              const struct convs *convs)
{
    double sum = 0;
    for (size_t i = 0; i < convs->count; i++) {
        struct cvy_conv_cost cost;
        if (cvy_conv_get_cost(&convs->problem[i], &cost) == CVY_OK)
            sum += cost.multiplications;
    }
    const struct cvy_shape *a = &d->values[node->inputs[0]->index].shape;
    const double out = elements(&d->values[node->output->index].shape);
    if (node->op.type == CVY_OP_GEMM)
        return out * (double)a->dims[!node->op.gemm.transpose_a];
    return node->op.type == CVY_OP_MATMUL ? out * (double)a->dims[a->rank - 1] : sum;
}

static void describe_node(struct describer *d, const struct cvy_node *node)
{
    struct cvy_layer_list *list = &d->list->public;
    struct cvy_conv_problem *problem = &d->list->problems[list->count];
    struct cvy_layer *layer = &list->layers[list->count++];
    const struct cvy_value_info *out = &d->values[node->output->index];
    *layer = (struct cvy_layer){.name = node->name, .op = cvy_op_name(&node->op), .output = out->shape};
    layer->bytes = (double)out->bytes;
    for (size_t i = 0; i < node->n_inputs; i++) {
        const struct cvy_value *value = node->inputs[i];
        if (value == NULL)
            continue;
        layer->bytes += (double)d->values[value->index].bytes;
        if (value->kind == CVY_VALUE_CONSTANT)
            layer->parameters += elements(&value->shape);
    }
    const struct convs convs = convs_of(d, node);
    layer->multiplications = multiplications(d, node, &convs);
    if (convs.count == 1) {
        *problem = convs.problem[0];
        layer->conv = problem;
    }
    struct field field = node_field(d, node, &convs);
    d->fields[node->output->index] = field;
    layer->axes = field.axes;
    for (size_t a = 0; a < field.axes; a++)
        layer->field[a] = field.axis[a];
}

static void describe(struct describer *d)
{
    const struct cvy_graph *graph = d->graph;
    for (size_t i = 0; i < graph->n_inputs; i++) {
        const size_t index = graph->inputs[i]->index, rank = d->values[index].shape.rank;
        struct field *field = &d->fields[index];
        field->axes = rank > 2 && rank <= CVY_CONV_MAX_RANK + 2 ? rank - 2 : 0;
        for (size_t a = 0; a < field->axes; a++)
            field->axis[a] = (struct cvy_receptive_field){1, 1};
    }
    for (size_t i = 0; i < graph->n_nodes; i++) {
        if (d->values[graph->nodes[i]->output->index].needed)
            describe_node(d, graph->nodes[i]);
    }
}

static enum cvy_status allocate(struct describer *d, struct list *list)
{
    const struct cvy_graph *graph = list->graph;
    d->graph = graph;
    d->list = list;
    d->values = calloc(graph->n_values + 1, sizeof(*d->values));
    d->fields = calloc(graph->n_values + 1, sizeof(*d->fields));
    list->public.layers = calloc(graph->n_nodes + 1, sizeof(*list->public.layers));
    list->problems = calloc(graph->n_nodes + 1, sizeof(*list->problems));
    if (d->values == NULL || d->fields == NULL || list->public.layers == NULL || list->problems == NULL)
        return cvy_fail_memory("layers of a graph", graph->n_values * sizeof(*d->values));
    return CVY_OK;
}

enum cvy_status cvy_graph_describe(const struct cvy_graph *graph, const struct cvy_shape *input_shapes,
                                   size_t n_input_shapes, struct cvy_layer_list **list)
{
    struct describer d = {0};
    struct list *made = calloc(1, sizeof(*made));
    struct cvy_layer_list *unfinished = (struct cvy_layer_list *)made;
    if (made == NULL)
        return cvy_fail_memory("layers of a graph", sizeof(*made));
    enum cvy_status status = cvy_graph_fold(&made->graph, graph, input_shapes, n_input_shapes);
    if (status == CVY_OK)
        status = allocate(&d, made);
    if (status == CVY_OK)
        status = cvy_graph_infer(made->graph, d.values);
    if (status == CVY_OK) {
        describe(&d);
        *list = unfinished;
        unfinished = NULL;
    }
    free(d.values);
    free(d.fields);
    cvy_layer_list_destroy(&unfinished);
    return status;
}
