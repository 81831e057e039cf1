#include "graph/infer.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/arith.h"
#include "base/log.h"

static enum cvy_status value_bytes(struct cvy_value_info *value, const char *what)
{
    size_t elements;
    enum cvy_status status = cvy_shape_elements(&value->shape, &elements);
    if (status != CVY_OK)
        return status;
    if (elements == 0)
        return cvy_fail(CVY_ERROR_INVALID, "%s has no elements; every dimension must be at least 1", what);
    if (!cvy_mul(elements, cvy_dtype_size(value->dtype), &value->bytes))
        return cvy_fail(CVY_ERROR_INVALID, "%s has more bytes than this machine can address", what);
    return CVY_OK;
}

/* The shape given for an input (NULL: none) against the one declared. */
static enum cvy_status resolve_input(const struct cvy_value *input, const struct cvy_shape *given,
                                     struct cvy_value_info *value)
{
    const struct cvy_shape shape = given ? *given : input->shape;
    char declared[128] = "any shape", text[128], what[192];
    if (!input->rank_is_open)
        cvy_shape_format(&input->shape, declared, sizeof(declared));
    if (given == NULL && input->rank_is_open)
        return cvy_fail(CVY_ERROR_INVALID, "plan: input '%s' takes any shape; give one", input->name);
    if (shape.rank > CVY_MAX_RANK)
        return cvy_fail(CVY_ERROR_INVALID,
                        "plan: the shape for input '%s' has rank %zu, at most %d is supported", input->name,
                        shape.rank, CVY_MAX_RANK);
    cvy_shape_format(&shape, text, sizeof(text));
    bool fits = input->rank_is_open || shape.rank == input->shape.rank;
    for (size_t i = 0; fits && !input->rank_is_open && i < shape.rank; i++)
        fits = input->shape.dims[i] == 0 || shape.dims[i] == input->shape.dims[i];
    if (!fits)
        return cvy_fail(
            CVY_ERROR_INVALID,
            "plan: input '%s' has shape %s, but the graph declares %s (0 = any size), rank %zu against "
            "%zu",
            input->name, text, declared, shape.rank, input->shape.rank);
    for (size_t i = 0; given == NULL && i < shape.rank; i++) {
        if (shape.dims[i] == 0)
            return cvy_fail(CVY_ERROR_INVALID,
                            "plan: input '%s' is declared %s (0 = any size); give its shape", input->name,
                            declared);
    }
    snprintf(what, sizeof(what), "plan: input '%s' of shape %s", input->name, text);
    value->shape = shape;
    value->dtype = input->dtype;
    return value_bytes(value, what);
}

/* Backwards from the outputs: what nothing needs is not run. */
static void mark_needed(const struct cvy_graph *g, struct cvy_value_info *values)
{
    for (size_t i = 0; i < g->n_outputs; i++)
        values[g->outputs[i]->value->index].needed = true;
    for (size_t i = g->n_nodes; i-- > 0;) {
        const struct cvy_node *node = g->nodes[i];
        for (size_t j = 0; values[node->output->index].needed && j < node->n_inputs; j++) {
            if (node->inputs[j] != NULL)
                values[node->inputs[j]->index].needed = true;
        }
    }
}

struct cvy_operand cvy_operand_of(const struct cvy_value *value, const struct cvy_value_info *values)
{
    if (value == NULL)
        return (struct cvy_operand){0};
    return (struct cvy_operand){.present = true,
                                .shape = values[value->index].shape,
                                .dtype = values[value->index].dtype,
                                .constant = value->kind == CVY_VALUE_CONSTANT ? &value->tensor : NULL};
}

const char *cvy_node_context(const char *name, const struct cvy_op *op, char *text, size_t size)
{
    snprintf(text, size, "node '%s' (%s)", name, cvy_op_name(op));
    return text;
}

enum cvy_status cvy_infer_inputs(const struct cvy_graph *graph, const struct cvy_shape *input_shapes,
                                 size_t n_input_shapes, struct cvy_value_info *values)
{
    enum cvy_status status = CVY_OK;
    if (graph->n_outputs == 0)
        return cvy_fail(CVY_ERROR_INVALID,
                        "plan: the graph has no output; name one with cvy_graph_add_output()");
    if (n_input_shapes > graph->n_inputs)
        return cvy_fail(CVY_ERROR_INVALID, "plan: %zu input shapes given, but the graph has %zu inputs",
                        n_input_shapes, graph->n_inputs);
    mark_needed(graph, values);
    for (size_t i = 0; status == CVY_OK && i < graph->n_inputs; i++)
        status = resolve_input(graph->inputs[i], i < n_input_shapes ? &input_shapes[i] : NULL,
                               &values[graph->inputs[i]->index]);
    return status;
}

/* Shape and type are in the value already. */
static enum cvy_status take_value(const struct cvy_value *value, struct cvy_value_info *info)
{
    info->shape = value->shape;
    info->dtype = value->dtype;
    info->bytes = value->tensor.bytes;
    return value->kind == CVY_VALUE_CONSTANT ? CVY_OK : value_bytes(info, "the output");
}

enum cvy_status cvy_graph_infer(const struct cvy_graph *graph, struct cvy_value_info *values)
{
    enum cvy_status status = cvy_infer_inputs(graph, NULL, 0, values);
    for (size_t i = 0; status == CVY_OK && i < graph->n_values; i++) {
        if (graph->values[i]->kind == CVY_VALUE_CONSTANT)
            status = take_value(graph->values[i], &values[i]);
    }
    for (size_t i = 0; status == CVY_OK && i < graph->n_nodes; i++) {
        const struct cvy_node *node = graph->nodes[i];
        if (!values[node->output->index].needed)
            continue;
        char context[256];
        const char *before =
            cvy_log_set_context(cvy_node_context(node->name, &node->op, context, sizeof(context)));
        status = take_value(node->output, &values[node->output->index]);
        cvy_log_set_context(before);
    }
    return status;
}
