#include "graph/fold.h"

#include <stdlib.h>

#include "base/log.h"
#include "graph/infer.h"
#include "op/evaluate.h"

struct folder {
    const struct cvy_graph *from;
    struct cvy_graph *to;
    struct cvy_value_info *values; /* of the old graph: what is needed, and the inputs' shapes */
    struct cvy_value **map;        /* old value to new; NULL: not there yet */
};

/* One node's inputs in the new graph, and what its operator is told of them. */
struct work {
    size_t n;
    struct cvy_value **inputs;
    struct cvy_operand *operands;
};

static enum cvy_status fold_inputs(struct folder *f)
{
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < f->from->n_inputs; i++) {
        const struct cvy_value *input = f->from->inputs[i];
        status = cvy_graph_add_typed_input(f->to, &f->map[input->index], input->name, input->dtype,
                                           &f->values[input->index].shape);
    }
    return status;
}

/* The new value of an old one; constants come over when they are first asked for. */
static enum cvy_status map_value(struct folder *f, const struct cvy_value *old, struct cvy_value **value)
{
    enum cvy_status status = CVY_OK;
    struct cvy_value **mapped = old != NULL ? &f->map[old->index] : NULL;
    if (old != NULL && *mapped == NULL)
        status = cvy_graph_keep_constant(f->to, mapped, old->name, &old->tensor, true);
    *value = old != NULL ? *mapped : NULL;
    return status;
}

static struct cvy_operand operand_of(const struct cvy_value *value)
{
    if (value == NULL)
        return (struct cvy_operand){0};
    return (struct cvy_operand){.present = true,
                                .shape = value->shape,
                                .dtype = value->dtype,
                                .constant = value->kind == CVY_VALUE_CONSTANT ? &value->tensor : NULL};
}

static enum cvy_status add_constant(struct folder *f, const struct cvy_op *op, const struct work *work,
                                    const struct cvy_shape *shape, enum cvy_dtype dtype,
                                    struct cvy_value **output)
{
    struct cvy_tensor made = {0};
    enum cvy_status status = cvy_evaluate(op, work->operands, work->n, shape, dtype, &made);
    if (status == CVY_OK)
        status = cvy_graph_keep_constant(f->to, output, NULL, &made, false);
    if (status != CVY_OK)
        cvy_tensor_finish(&made);
    return status;
}

/* Truth values that the host knows, as numbers for a device. */
static enum cvy_status convert_tests(struct folder *f, struct work *work)
{
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < work->n; i++) {
        struct cvy_tensor made = {0};
        if (work->operands[i].constant == NULL || work->operands[i].dtype != CVY_BOOL)
            continue;
        status = cvy_tensor_convert(&made, work->operands[i].constant, CVY_FLOAT32);
        if (status == CVY_OK)
            status = cvy_graph_keep_constant(f->to, &work->inputs[i], NULL, &made, false);
        if (status != CVY_OK)
            cvy_tensor_finish(&made);
        work->operands[i] = operand_of(work->inputs[i]);
    }
    return status;
}

static enum cvy_status fold_settled(struct folder *f, const struct cvy_node *node, const struct cvy_op *op,
                                    struct work *work)
{
    struct cvy_value **output = &f->map[node->output->index];
    struct cvy_shape shape;
    enum cvy_dtype dtype;
    const bool known = cvy_operator_is_known(op, work->operands, work->n);
    enum cvy_status status = known ? CVY_OK : convert_tests(f, work);
    if (status == CVY_OK)
        status = cvy_operator_infer(op, work->operands, work->n, &shape, &dtype);
    if (status == CVY_OK)
        status = known ? add_constant(f, op, work, &shape, dtype, output)
                       : cvy_graph_add_node(f->to, output, op, work->inputs, work->n, node->name);
    if (status == CVY_OK) {
        (*output)->shape = shape;
        (*output)->dtype = dtype;
    }
    return status;
}

static enum cvy_status fold_node(struct folder *f, const struct cvy_node *node)
{
    struct cvy_op op = node->op;
    struct work work = {.n = node->n_inputs};
    work.inputs = calloc(work.n + 1, sizeof(struct cvy_value *));
    work.operands = calloc(work.n + 1, sizeof(*work.operands));
    enum cvy_status status = CVY_OK;
    if (work.inputs == NULL || work.operands == NULL)
        status = cvy_fail_memory("plan", work.n * sizeof(*work.operands));
    for (size_t i = 0; status == CVY_OK && i < work.n; i++) {
        status = map_value(f, node->inputs[i], &work.inputs[i]);
        work.operands[i] = operand_of(work.inputs[i]);
    }
    if (status == CVY_OK)
        status = cvy_operator_settle(&op, work.operands, &work.n);
    if (status == CVY_OK)
        status = fold_settled(f, node, &op, &work);
    free(work.inputs);
    free(work.operands);
    return status;
}

static enum cvy_status fold_nodes(struct folder *f)
{
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < f->from->n_nodes; i++) {
        const struct cvy_node *node = f->from->nodes[i];
        if (!f->values[node->output->index].needed)
            continue;
        char context[256];
        const char *before =
            cvy_log_set_context(cvy_node_context(node->name, &node->op, context, sizeof(context)));
        status = fold_node(f, node);
        cvy_log_set_context(before);
    }
    return status;
}

static enum cvy_status fold_outputs(struct folder *f)
{
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < f->from->n_outputs; i++) {
        struct cvy_value *value;
        status = map_value(f, f->from->outputs[i]->value, &value);
        if (status == CVY_OK)
            status = cvy_graph_add_output(f->to, value, f->from->outputs[i]->name);
    }
    return status;
}

enum cvy_status cvy_graph_fold(struct cvy_graph **folded, const struct cvy_graph *graph,
                               const struct cvy_shape *input_shapes, size_t n_input_shapes)
{
    struct folder f = {.from = graph};
    f.values = calloc(graph->n_values + 1, sizeof(*f.values));
    f.map = calloc(graph->n_values + 1, sizeof(struct cvy_value *));
    enum cvy_status status = CVY_OK;
    if (f.values == NULL || f.map == NULL)
        status = cvy_fail_memory("plan", graph->n_values * sizeof(*f.values));
    if (status == CVY_OK)
        status = cvy_graph_create(&f.to);
    if (status == CVY_OK)
        status = cvy_infer_inputs(graph, input_shapes, n_input_shapes, f.values);
    if (status == CVY_OK)
        status = fold_inputs(&f);
    if (status == CVY_OK)
        status = fold_nodes(&f);
    if (status == CVY_OK)
        status = fold_outputs(&f);
    if (status == CVY_OK) {
        *folded = f.to;
        f.to = NULL;
    }
    free(f.values);
    free(f.map);
    cvy_graph_destroy(&f.to);
    return status;
}
