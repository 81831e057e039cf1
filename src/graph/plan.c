#include "graph/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "graph/memory.h"

/* What is known of each value of the graph while a plan is made. */
struct value_state {
    bool needed;
    struct cvy_shape shape;
    size_t slot;
};

/* A plan in the making. Slots begin as one for each value; aliases point to another's. */
struct builder {
    const struct cvy_graph *graph;
    const struct cvy_plan_params *params;
    struct cvy_plan *plan;
    struct value_state *values;
    struct cvy_memory_item *items; /* of each slot: bytes and steps */
};

#define END_OF_PLAN (SIZE_MAX - 1)

static enum cvy_status value_bytes(const struct cvy_shape *shape, const char *what, size_t *bytes)
{
    size_t elements;
    enum cvy_status status = cvy_shape_elements(shape, &elements);
    if (status != CVY_OK)
        return status;
    if (elements == 0)
        return cvy_fail(CVY_ERROR_INVALID, "%s has no elements; every dimension must be at least 1", what);
    if (!cvy_mul(elements, sizeof(float), bytes))
        return cvy_fail(CVY_ERROR_INVALID, "%s has more bytes than this machine can address", what);
    return CVY_OK;
}

static char *copy_string(const char *string)
{
    size_t bytes = strlen(string) + 1;
    char *copy = malloc(bytes);
    return copy ? memcpy(copy, string, bytes) : NULL;
}

/* The shape given for an input against the one declared. */
static enum cvy_status resolve_input(struct builder *b, size_t index)
{
    const struct cvy_value *input = b->graph->inputs[index];
    struct cvy_shape shape = input->shape;
    char declared[128] = "any shape", given[128], what[192];
    if (!input->rank_is_open)
        cvy_shape_format(&input->shape, declared, sizeof(declared));
    bool is_given = index < b->params->n_input_shapes;
    if (is_given)
        shape = b->params->input_shapes[index];
    else if (input->rank_is_open)
        return cvy_fail(CVY_ERROR_INVALID, "plan: input '%s' takes any shape; give one", input->name);
    if (shape.rank > CVY_MAX_RANK)
        return cvy_fail(CVY_ERROR_INVALID,
                        "plan: the shape for input '%s' has rank %zu, at most %d is supported", input->name,
                        shape.rank, CVY_MAX_RANK);
    cvy_shape_format(&shape, given, sizeof(given));
    bool fits = input->rank_is_open || shape.rank == input->shape.rank;
    for (size_t i = 0; fits && !input->rank_is_open && i < shape.rank; i++)
        fits = input->shape.dims[i] == 0 || shape.dims[i] == input->shape.dims[i];
    if (!fits)
        return cvy_fail(
            CVY_ERROR_INVALID,
            "plan: input '%s' has shape %s, but the graph declares %s (0 = any size), rank %zu against "
            "%zu",
            input->name, given, declared, shape.rank, input->shape.rank);
    for (size_t i = 0; !is_given && i < shape.rank; i++) {
        if (shape.dims[i] == 0)
            return cvy_fail(CVY_ERROR_INVALID,
                            "plan: input '%s' is declared %s (0 = any size); give its shape", input->name,
                            declared);
    }
    snprintf(what, sizeof(what), "plan: input '%s' of shape %s", input->name, given);
    struct cvy_port *port = &b->plan->inputs[index];
    enum cvy_status status = value_bytes(&shape, what, &port->bytes);
    if (status != CVY_OK)
        return status;
    port->shape = shape;
    port->name = copy_string(input->name);
    port->slot = input->index;
    b->values[input->index].shape = shape;
    b->plan->slots[input->index] = (struct cvy_slot){CVY_PLACE_INPUT, index, NULL, port->bytes};
    return port->name ? CVY_OK : cvy_fail_memory("plan", strlen(input->name));
}

/* Backwards from the outputs: what nothing needs is not run. */
static void mark_needed(struct builder *b)
{
    const struct cvy_graph *g = b->graph;
    for (size_t i = 0; i < g->n_outputs; i++)
        b->values[g->outputs[i]->value->index].needed = true;
    for (size_t i = g->n_nodes; i-- > 0;) {
        const struct cvy_node *node = g->nodes[i];
        for (size_t j = 0; b->values[node->output->index].needed && j < node->n_inputs; j++) {
            if (node->inputs[j] != NULL)
                b->values[node->inputs[j]->index].needed = true;
        }
    }
}

static struct cvy_operand operand_of(const struct builder *b, const struct cvy_value *value)
{
    if (value == NULL)
        return (struct cvy_operand){0};
    return (struct cvy_operand){.present = true,
                                .shape = b->values[value->index].shape,
                                .constant = value->kind == CVY_VALUE_CONSTANT ? &value->tensor : NULL};
}

static enum cvy_status add_step(struct builder *b, const struct cvy_node *node, struct cvy_operator *operator)
{
    struct cvy_step *step = &b->plan->steps[b->plan->n_steps++];
    step->operator= operator;
    step->seconds = -1;
    step->output = node->output->index;
    step->n_inputs = node->n_inputs;
    step->name = copy_string(node->name);
    step->inputs = calloc(node->n_inputs ? node->n_inputs : 1, sizeof(*step->inputs));
    if (step->name == NULL || step->inputs == NULL)
        return cvy_fail_memory("plan step", node->n_inputs * sizeof(*step->inputs));
    for (size_t i = 0; i < node->n_inputs; i++)
        step->inputs[i] = node->inputs[i] ? b->values[node->inputs[i]->index].slot : SIZE_MAX;
    return CVY_OK;
}

static enum cvy_status compile_node(struct builder *b, const struct cvy_node *node)
{
    const struct cvy_operator_class *class = cvy_operator_class_of(node->op.type);
    struct cvy_operand *operands = calloc(node->n_inputs ? node->n_inputs : 1, sizeof(*operands));
    if (operands == NULL)
        return cvy_fail_memory("plan", node->n_inputs * sizeof(*operands));
    for (size_t i = 0; i < node->n_inputs; i++)
        operands[i] = operand_of(b, node->inputs[i]);
    struct value_state *out = &b->values[node->output->index];
    struct cvy_slot *slot = &b->plan->slots[node->output->index];
    enum cvy_status status = class->infer(&node->op, operands, node->n_inputs, &out->shape);
    if (status == CVY_OK)
        status = value_bytes(&out->shape, "the output", &slot->bytes);
    if (status == CVY_OK && class->is_alias) {
        out->slot = b->values[node->inputs[0]->index].slot;
    } else if (status == CVY_OK) {
        struct cvy_operator_params params = {
            .algo = b->params->algo,
            .max_workspace = b->params->max_workspace ? b->params->max_workspace : (size_t)256 << 20};
        struct cvy_operator *operator= NULL;
        status =
            cvy_operator_create(&operator, b->plan->device, &node->op, operands, node->n_inputs, &params);
        if (status == CVY_OK) {
            slot->place = CVY_PLACE_ARENA;
            status = add_step(b, node, operator);
        }
    }
    free(operands);
    return status;
}

static enum cvy_status compile_nodes(struct builder *b)
{
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < b->graph->n_nodes; i++) {
        const struct cvy_node *node = b->graph->nodes[i];
        if (!b->values[node->output->index].needed)
            continue;
        char context[256];
        snprintf(context, sizeof(context), "node '%s' (%s)", node->name, cvy_op_name(&node->op));
        const char *before = cvy_log_set_context(context);
        status = compile_node(b, node);
        cvy_log_set_context(before);
    }
    return status;
}

/* First and last step of each slot; an output's slot lives to the end. */
static void find_lifetimes(struct builder *b)
{
    struct cvy_plan *plan = b->plan;
    for (size_t i = 0; i < plan->n_steps; i++) {
        const struct cvy_step *step = &plan->steps[i];
        b->items[step->output].first = b->items[step->output].last = i;
        for (size_t j = 0; j < step->n_inputs; j++) {
            if (step->inputs[j] != SIZE_MAX)
                b->items[step->inputs[j]].last = i;
        }
    }
    for (size_t i = 0; i < plan->n_outputs; i++)
        b->items[plan->outputs[i].slot].last = END_OF_PLAN;
}

static void replace_slot(struct builder *b, size_t first_step, size_t from, size_t to)
{
    struct cvy_plan *plan = b->plan;
    for (size_t i = first_step; i < plan->n_steps; i++) {
        struct cvy_step *step = &plan->steps[i];
        step->output = step->output == from ? to : step->output;
        for (size_t j = 0; j < step->n_inputs; j++)
            step->inputs[j] = step->inputs[j] == from ? to : step->inputs[j];
    }
    for (size_t i = 0; i < plan->n_outputs; i++)
        plan->outputs[i].slot = plan->outputs[i].slot == from ? to : plan->outputs[i].slot;
    b->items[to].last = b->items[from].last;
    plan->slots[from].place = CVY_PLACE_NONE;
}

/* Lets a step write over its first input where that is the last look at it. */
static void share_in_place(struct builder *b)
{
    struct cvy_plan *plan = b->plan;
    for (size_t i = 0; i < plan->n_steps; i++) {
        struct cvy_step *step = &plan->steps[i];
        if (!step->operator->class->in_place || step->n_inputs == 0 || step->inputs[0] == SIZE_MAX)
            continue;
        size_t in = step->inputs[0];
        bool shared = false;
        for (size_t j = 1; j < step->n_inputs; j++)
            shared |= step->inputs[j] == in;
        if (!shared && plan->slots[in].place == CVY_PLACE_ARENA && b->items[in].last == i &&
            plan->slots[in].bytes == plan->slots[step->output].bytes)
            replace_slot(b, i, step->output, in);
    }
}

/* An output's value is computed where the caller wants it; only the first of several outputs can have that.
 */
static void bind_outputs(struct builder *b)
{
    for (size_t i = 0; i < b->plan->n_outputs; i++) {
        struct cvy_slot *slot = &b->plan->slots[b->plan->outputs[i].slot];
        if (slot->place == CVY_PLACE_ARENA) {
            slot->place = CVY_PLACE_OUTPUT;
            slot->binding = i;
        }
    }
}

static enum cvy_status resolve_outputs(struct builder *b)
{
    for (size_t i = 0; i < b->graph->n_outputs; i++) {
        const struct cvy_output *output = b->graph->outputs[i];
        struct cvy_port *port = &b->plan->outputs[i];
        char what[160];
        snprintf(what, sizeof(what), "plan: output '%s'", output->name);
        port->shape = b->values[output->value->index].shape;
        port->slot = b->values[output->value->index].slot;
        port->name = copy_string(output->name);
        if (port->name == NULL)
            return cvy_fail_memory("plan", strlen(output->name));
        enum cvy_status status = value_bytes(&port->shape, what, &port->bytes);
        if (status != CVY_OK)
            return status;
    }
    return CVY_OK;
}

static bool slot_is_read(const struct cvy_plan *plan, size_t slot)
{
    for (size_t i = 0; i < plan->n_outputs; i++) {
        if (plan->outputs[i].slot == slot)
            return true;
    }
    for (size_t i = 0; i < plan->n_steps; i++) {
        for (size_t j = 0; j < plan->steps[i].n_inputs; j++) {
            if (plan->steps[i].inputs[j] == slot)
                return true;
        }
    }
    return false;
}

static enum cvy_status upload_constant(struct cvy_plan *plan, const struct cvy_value *value)
{
    struct cvy_slot *slot = &plan->slots[value->index];
    const char *name = value->name ? value->name : "(unnamed)";
    if (value->tensor.dtype != CVY_FLOAT32)
        return cvy_fail(CVY_ERROR_UNSUPPORTED,
                        "plan: constant '%s' is %s where a kernel reads it; only float32 is "
                        "supported there",
                        name, cvy_dtype_name(value->tensor.dtype));
    enum cvy_status status = value_bytes(&value->shape, "plan: a constant", &slot->bytes);
    if (status == CVY_OK)
        status = cvy_buffer_create(&slot->buffer, plan->device, slot->bytes);
    if (status == CVY_OK)
        status = cvy_buffer_write(slot->buffer, 0, slot->bytes, value->tensor.data);
    if (status != CVY_OK)
        return status;
    slot->place = CVY_PLACE_CONSTANT;
    plan->memory.constants += slot->bytes;
    return CVY_OK;
}

static enum cvy_status upload_constants(struct builder *b)
{
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < b->graph->n_values; i++) {
        const struct cvy_value *value = b->graph->values[i];
        if (value->kind == CVY_VALUE_CONSTANT && slot_is_read(b->plan, i))
            status = upload_constant(b->plan, value);
    }
    return status;
}

static enum cvy_status allocate_blocks(struct builder *b, const size_t *block_bytes, size_t n_blocks)
{
    struct cvy_plan *plan = b->plan;
    plan->blocks = calloc(n_blocks ? n_blocks : 1, sizeof(*plan->blocks));
    if (plan->blocks == NULL)
        return cvy_fail_memory("plan", n_blocks * sizeof(*plan->blocks));
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < n_blocks; i++, plan->n_blocks++) {
        plan->memory.intermediates += block_bytes[i];
        status = cvy_buffer_create(&plan->blocks[i], plan->device, block_bytes[i]);
    }
    for (size_t i = 0; status == CVY_OK && i < plan->n_slots; i++) {
        const struct cvy_memory_item *item = &b->items[i];
        if (item->bytes != 0)
            status = cvy_buffer_create_part(&plan->slots[i].buffer, plan->blocks[item->block], item->offset,
                                            item->bytes);
    }
    return status;
}

static enum cvy_status allocate_memory(struct builder *b)
{
    struct cvy_plan *plan = b->plan;
    const struct cvy_device_info *info = cvy_device_get_info(plan->device);
    size_t workspace = 0;
    for (size_t i = 0; i < plan->n_steps; i++)
        workspace = CVY_MAX(workspace, plan->steps[i].operator->workspace);
    for (size_t i = 0; i < plan->n_slots; i++) {
        b->items[i].bytes = plan->slots[i].place == CVY_PLACE_ARENA ? plan->slots[i].bytes : 0;
        plan->memory.without_reuse += b->items[i].bytes;
    }
    size_t *block_bytes = calloc(plan->n_slots + 1, sizeof(*block_bytes));
    if (block_bytes == NULL)
        return cvy_fail_memory("plan", plan->n_slots * sizeof(*block_bytes));
    size_t max_block = info->max_alloc_bytes < SIZE_MAX ? (size_t)info->max_alloc_bytes : SIZE_MAX;
    size_t n_blocks = cvy_memory_plan(b->items, plan->n_slots, info->base_align, max_block, block_bytes);
    enum cvy_status status = n_blocks == SIZE_MAX ? cvy_fail_memory("plan", plan->n_slots)
                                                  : allocate_blocks(b, block_bytes, n_blocks);
    free(block_bytes);
    if (status == CVY_OK && workspace != 0) {
        plan->memory.workspace = workspace;
        status = cvy_buffer_create(&plan->workspace, plan->device, workspace);
    }
    return status;
}

static enum cvy_status allocate_tables(struct builder *b)
{
    const struct cvy_graph *g = b->graph;
    struct cvy_plan *plan = b->plan;
    plan->n_slots = g->n_values;
    plan->n_inputs = g->n_inputs;
    plan->n_outputs = g->n_outputs;
    plan->slots = calloc(g->n_values + 1, sizeof(*plan->slots));
    plan->steps = calloc(g->n_nodes + 1, sizeof(*plan->steps));
    plan->inputs = calloc(g->n_inputs + 1, sizeof(*plan->inputs));
    plan->outputs = calloc(g->n_outputs + 1, sizeof(*plan->outputs));
    plan->marks = calloc(g->n_nodes + 1, sizeof(*plan->marks));
    b->values = calloc(g->n_values + 1, sizeof(*b->values));
    b->items = calloc(g->n_values + 1, sizeof(*b->items));
    if (!plan->slots || !plan->steps || !plan->inputs || !plan->outputs || !plan->marks || !b->values ||
        !b->items)
        return cvy_fail_memory("plan", g->n_values * sizeof(*plan->slots));
    for (size_t i = 0; i < g->n_values; i++) {
        b->values[i].shape = g->values[i]->shape;
        b->values[i].slot = i;
    }
    return CVY_OK;
}

static enum cvy_status build(struct builder *b)
{
    enum cvy_status status = allocate_tables(b);
    for (size_t i = 0; status == CVY_OK && i < b->graph->n_inputs; i++)
        status = resolve_input(b, i);
    if (status != CVY_OK)
        return status;
    mark_needed(b);
    if ((status = compile_nodes(b)) != CVY_OK || (status = resolve_outputs(b)) != CVY_OK)
        return status;
    find_lifetimes(b);
    share_in_place(b);
    bind_outputs(b);
    if ((status = upload_constants(b)) != CVY_OK)
        return status;
    return allocate_memory(b);
}

enum cvy_status cvy_plan_create(struct cvy_plan **plan, const struct cvy_graph *graph,
                                struct cvy_device *const *devices, size_t n_devices,
                                const struct cvy_plan_params *params)
{
    static const struct cvy_plan_params defaults;
    params = params ? params : &defaults;
    if (n_devices != 1)
        return cvy_fail(CVY_ERROR_UNSUPPORTED, "plan: %zu devices given; this version runs on exactly one",
                        n_devices);
    if (graph->n_outputs == 0)
        return cvy_fail(CVY_ERROR_INVALID,
                        "plan: the graph has no output; name one with cvy_graph_add_output()");
    if (params->n_input_shapes > graph->n_inputs)
        return cvy_fail(CVY_ERROR_INVALID, "plan: %zu input shapes given, but the graph has %zu inputs",
                        params->n_input_shapes, graph->n_inputs);
    struct cvy_plan *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return cvy_fail_memory("plan", sizeof(*made));
    made->device = devices[0];
    made->profile = params->profile;
    struct builder b = {.graph = graph, .params = params, .plan = made};
    enum cvy_status status = build(&b);
    free(b.values);
    free(b.items);
    if (status != CVY_OK) {
        cvy_plan_destroy(&made);
        return status;
    }
    *plan = made;
    return CVY_OK;
}

static void destroy_steps(struct cvy_plan *p)
{
    for (size_t i = 0; p->steps && i < p->n_steps; i++) {
        cvy_operator_destroy(&p->steps[i].operator);
        free(p->steps[i].name);
        free(p->steps[i].inputs);
    }
    for (size_t i = 0; p->marks && i <= p->n_steps; i++)
        cvy_event_destroy(&p->marks[i]);
    free(p->steps);
    free(p->marks);
}

void cvy_plan_destroy(struct cvy_plan **plan)
{
    if (plan == NULL || *plan == NULL)
        return;
    struct cvy_plan *p = *plan;
    /* a run may still be using what is about to go */
    cvy_device_finish(p->device);
    destroy_steps(p);
    for (size_t i = 0; p->slots && i < p->n_slots; i++)
        cvy_buffer_destroy(&p->slots[i].buffer);
    for (size_t i = 0; i < p->n_blocks; i++)
        cvy_buffer_destroy(&p->blocks[i]);
    for (size_t i = 0; p->inputs && i < p->n_inputs; i++)
        free(p->inputs[i].name);
    for (size_t i = 0; p->outputs && i < p->n_outputs; i++)
        free(p->outputs[i].name);
    cvy_buffer_destroy(&p->workspace);
    free(p->blocks);
    free(p->slots);
    free(p->inputs);
    free(p->outputs);
    free(p);
    *plan = NULL;
}
