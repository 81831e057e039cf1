#include "graph/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "op/operator.h"

/* Appends item to an array of pointers that grows at powers of two. */
static bool append(void *array, size_t *count, void *item)
{
    void **items = *(void ***)array;
    if ((*count & (*count - 1)) == 0) {
        items = realloc(items, (*count ? *count * 2 : 1) * sizeof(*items));
        if (items == NULL)
            return false;
        *(void ***)array = items;
    }
    items[(*count)++] = item;
    return true;
}

static void value_destroy(struct cvy_value *value)
{
    if (value == NULL)
        return;
    if (!value->borrowed)
        cvy_tensor_finish(&value->tensor);
    free(value->name);
    free(value);
}

static void node_destroy(struct cvy_node *node)
{
    if (node == NULL)
        return;
    free(node->inputs);
    free(node->name);
    free(node);
}

enum cvy_status cvy_graph_create(struct cvy_graph **graph)
{
    struct cvy_graph *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return cvy_fail_memory("graph", sizeof(*made));
    *graph = made;
    return CVY_OK;
}

void cvy_graph_destroy(struct cvy_graph **graph)
{
    if (graph == NULL || *graph == NULL)
        return;
    struct cvy_graph *g = *graph;
    for (size_t i = 0; i < g->n_values; i++)
        value_destroy(g->values[i]);
    for (size_t i = 0; i < g->n_nodes; i++)
        node_destroy(g->nodes[i]);
    for (size_t i = 0; i < g->n_outputs; i++) {
        free(g->outputs[i]->name);
        free(g->outputs[i]);
    }
    free(g->values);
    free(g->nodes);
    free(g->inputs);
    free(g->outputs);
    free(g);
    *graph = NULL;
}

/* A value that belongs to the graph from now on. */
static enum cvy_status add_value(struct cvy_graph *g, struct cvy_value **result, enum cvy_value_kind kind,
                                 const char *name)
{
    struct cvy_value *value = calloc(1, sizeof(*value));
    if (value == NULL)
        return cvy_fail_memory("graph value", sizeof(*value));
    value->graph = g;
    value->kind = kind;
    value->index = g->n_values;
    if ((name != NULL && (value->name = cvy_text_copy(name)) == NULL) ||
        !append(&g->values, &g->n_values, value)) {
        value_destroy(value);
        return cvy_fail_memory("graph value", sizeof(*value));
    }
    *result = value;
    return CVY_OK;
}

enum cvy_status cvy_graph_add_input(struct cvy_graph *graph, struct cvy_value **value, const char *name,
                                    const struct cvy_shape *shape)
{
    return cvy_graph_add_typed_input(graph, value, name, CVY_FLOAT32, shape);
}

enum cvy_status cvy_graph_add_typed_input(struct cvy_graph *graph, struct cvy_value **value, const char *name,
                                          enum cvy_dtype dtype, const struct cvy_shape *shape)
{
    if (name == NULL || *name == '\0')
        return cvy_fail(CVY_ERROR_INVALID, "graph: an input needs a name");
    for (size_t i = 0; i < graph->n_inputs; i++) {
        if (strcmp(graph->inputs[i]->name, name) == 0)
            return cvy_fail(CVY_ERROR_INVALID, "graph: two inputs have the name '%s'; rename one", name);
    }
    if (cvy_dtype_size(dtype) == 0)
        return cvy_fail(CVY_ERROR_INVALID, "graph: input '%s': %d is no element type", name, (int)dtype);
    if (shape != NULL && shape->rank > CVY_MAX_RANK)
        return cvy_fail(CVY_ERROR_INVALID, "graph: input '%s' has rank %zu, at most %d is supported", name,
                        shape->rank, CVY_MAX_RANK);
    struct cvy_value *made;
    enum cvy_status status = add_value(graph, &made, CVY_VALUE_INPUT, name);
    if (status != CVY_OK)
        return status;
    made->rank_is_open = shape == NULL;
    made->dtype = dtype;
    if (shape != NULL)
        made->shape = *shape;
    if (!append(&graph->inputs, &graph->n_inputs, made))
        return cvy_fail_memory("graph input", sizeof(made));
    *value = made;
    return CVY_OK;
}

enum cvy_status cvy_graph_keep_constant(struct cvy_graph *graph, struct cvy_value **value, const char *name,
                                        const struct cvy_tensor *tensor, bool borrowed)
{
    struct cvy_value *made = NULL;
    enum cvy_status status = add_value(graph, &made, CVY_VALUE_CONSTANT, name);
    if (status != CVY_OK)
        return status;
    made->tensor = *tensor;
    made->shape = tensor->shape;
    made->dtype = tensor->dtype;
    made->borrowed = borrowed;
    *value = made;
    return CVY_OK;
}

enum cvy_status cvy_graph_add_constant(struct cvy_graph *graph, struct cvy_value **value, const char *name,
                                       const struct cvy_tensor *tensor)
{
    struct cvy_tensor copy;
    enum cvy_status status = cvy_tensor_convert(&copy, tensor, tensor->dtype);
    if (status != CVY_OK)
        return status;
    status = cvy_graph_keep_constant(graph, value, name, &copy, false);
    if (status != CVY_OK)
        cvy_tensor_finish(&copy);
    return status;
}

static enum cvy_status check_node(const struct cvy_graph *g, const struct cvy_op *op,
                                  struct cvy_value *const *inputs, size_t n_inputs, const char *name)
{
    const struct cvy_operator_class *class = cvy_operator_class_of(op->type);
    if (class == NULL)
        return cvy_fail(CVY_ERROR_INVALID, "graph: node '%s': %d is no operator", name, (int)op->type);
    if (n_inputs < class->min_inputs)
        return cvy_fail(CVY_ERROR_INVALID, "graph: node '%s' (%s): %zu inputs given, %zu are needed", name,
                        cvy_op_name(op), n_inputs, class->min_inputs);
    if (n_inputs > class->max_inputs)
        return cvy_fail(CVY_ERROR_INVALID, "graph: node '%s' (%s): %zu inputs given, it takes at most %zu",
                        name, cvy_op_name(op), n_inputs, class->max_inputs);
    for (size_t i = 0; i < n_inputs; i++) {
        if (inputs[i] == NULL && i < class->min_inputs)
            return cvy_fail(CVY_ERROR_INVALID, "graph: node '%s' (%s): input %zu is needed", name,
                            cvy_op_name(op), i);
        if (inputs[i] != NULL && inputs[i]->graph != g)
            return cvy_fail(CVY_ERROR_INVALID, "graph: node '%s' (%s): input %zu belongs to another graph",
                            name, cvy_op_name(op), i);
    }
    return class->check ? class->check(op) : CVY_OK;
}

enum cvy_status cvy_graph_add_node(struct cvy_graph *graph, struct cvy_value **output,
                                   const struct cvy_op *op, struct cvy_value *const *inputs, size_t n_inputs,
                                   const char *name)
{
    char own_name[64];
    if (name == NULL || *name == '\0') {
        snprintf(own_name, sizeof(own_name), "%s_%zu", cvy_op_name(op), graph->n_nodes);
        name = own_name;
    }
    enum cvy_status status = check_node(graph, op, inputs, n_inputs, name);
    if (status != CVY_OK)
        return status;
    struct cvy_node *node = calloc(1, sizeof(*node));
    if (node == NULL)
        return cvy_fail_memory("graph node", sizeof(*node));
    node->op = *op;
    node->n_inputs = n_inputs;
    node->name = cvy_text_copy(name);
    node->inputs = calloc(n_inputs ? n_inputs : 1, sizeof(*node->inputs));
    if (node->name == NULL || node->inputs == NULL) {
        node_destroy(node);
        return cvy_fail_memory("graph node", n_inputs * sizeof(*node->inputs));
    }
    memcpy(node->inputs, inputs, n_inputs * sizeof(*inputs));
    status = add_value(graph, &node->output, CVY_VALUE_NODE, NULL);
    if (status == CVY_OK && !append(&graph->nodes, &graph->n_nodes, node))
        status = cvy_fail_memory("graph node", sizeof(*node));
    if (status != CVY_OK) {
        node_destroy(node);
        return status;
    }
    *output = node->output;
    return CVY_OK;
}

enum cvy_status cvy_graph_add_output(struct cvy_graph *graph, struct cvy_value *value, const char *name)
{
    if (name == NULL || *name == '\0')
        return cvy_fail(CVY_ERROR_INVALID, "graph: an output needs a name");
    if (value == NULL || value->graph != graph)
        return cvy_fail(CVY_ERROR_INVALID, "graph: output '%s' is no value of this graph", name);
    for (size_t i = 0; i < graph->n_outputs; i++) {
        if (strcmp(graph->outputs[i]->name, name) == 0)
            return cvy_fail(CVY_ERROR_INVALID, "graph: two outputs have the name '%s'; rename one", name);
    }
    struct cvy_output *made = calloc(1, sizeof(*made));
    if (made == NULL || (made->name = cvy_text_copy(name)) == NULL ||
        !append(&graph->outputs, &graph->n_outputs, made)) {
        if (made != NULL)
            free(made->name);
        free(made);
        return cvy_fail_memory("graph output", sizeof(*made));
    }
    made->value = value;
    return CVY_OK;
}

size_t cvy_graph_input_count(const struct cvy_graph *graph)
{
    return graph->n_inputs;
}

size_t cvy_graph_output_count(const struct cvy_graph *graph)
{
    return graph->n_outputs;
}

const char *cvy_graph_input_name(const struct cvy_graph *graph, size_t index)
{
    return index < graph->n_inputs ? graph->inputs[index]->name : NULL;
}

const char *cvy_graph_output_name(const struct cvy_graph *graph, size_t index)
{
    return index < graph->n_outputs ? graph->outputs[index]->name : NULL;
}

bool cvy_graph_input_shape(const struct cvy_graph *graph, size_t index, struct cvy_shape *shape)
{
    if (index >= graph->n_inputs || graph->inputs[index]->rank_is_open)
        return false;
    *shape = graph->inputs[index]->shape;
    return true;
}

enum cvy_dtype cvy_graph_input_dtype(const struct cvy_graph *graph, size_t index)
{
    return index < graph->n_inputs ? graph->inputs[index]->dtype : CVY_FLOAT32;
}
