/* What one device does in one stage: its ports, and a graph of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "graph/parting.h"

static bool works_in(const struct cvy_parting *p, size_t node, size_t stage, size_t device)
{
    return p->nodes[node].stage == stage && cvy_parting_works(p, node, device);
}

/* What a node takes of input `input` on the device. */
static struct cvy_piece piece_taken(const struct cvy_parting *p, size_t node, size_t device)
{
    return cvy_cut_piece(&p->nodes[node].in, device);
}

static void add_port(struct cvy_part_port *ports, size_t *count, size_t value, const struct cvy_piece *piece)
{
    for (size_t i = 0; i < *count; i++) {
        if (ports[i].value == value && cvy_piece_equal(&ports[i].piece, piece))
            return;
    }
    ports[(*count)++] = (struct cvy_part_port){value, *piece};
}

static void find_inputs(struct cvy_part_ports *ports, const struct cvy_parting *p, size_t stage,
                        size_t device)
{
    for (size_t i = 0; i < p->graph->n_nodes; i++) {
        const struct cvy_node *node = p->graph->nodes[i];
        for (size_t j = 0; works_in(p, i, stage, device) && j < node->n_inputs; j++) {
            const struct cvy_value *value = node->inputs[j];
            if (value == NULL || value->kind == CVY_VALUE_CONSTANT)
                continue;
            const size_t maker = p->maker[value->index];
            const struct cvy_piece piece = piece_taken(p, i, device);
            if (maker == SIZE_MAX || !works_in(p, maker, stage, device))
                add_port(ports->inputs, &ports->n_inputs, value->index, &piece);
        }
    }
}

/* Whether a device in a later stage, or another device, takes what the node makes. */
static bool is_taken_elsewhere(const struct cvy_parting *p, size_t index)
{
    const struct cvy_value *value = p->graph->nodes[index]->output;
    for (size_t i = 0; i < p->graph->n_outputs; i++) {
        if (p->graph->outputs[i]->value == value)
            return true;
    }
    for (size_t i = 0; i < p->graph->n_nodes; i++) {
        for (size_t j = 0; p->nodes[i].needed && j < p->graph->nodes[i]->n_inputs; j++) {
            if (p->graph->nodes[i]->inputs[j] == value && p->nodes[i].stage > p->nodes[index].stage)
                return true;
        }
    }
    return false;
}

static void find_outputs(struct cvy_part_ports *ports, const struct cvy_parting *p, size_t stage,
                         size_t device)
{
    static const struct cvy_piece whole;
    for (size_t i = 0; i < p->graph->n_nodes; i++) {
        const struct cvy_piece piece = cvy_cut_piece(&p->nodes[i].out, device);
        if (works_in(p, i, stage, device) && is_taken_elsewhere(p, i))
            add_port(ports->outputs, &ports->n_outputs, p->graph->nodes[i]->output->index, &piece);
    }
    for (size_t i = 0; stage == 0 && device == p->home && i < p->graph->n_outputs; i++) {
        const struct cvy_value *value = p->graph->outputs[i]->value;
        if (value->kind == CVY_VALUE_CONSTANT)
            add_port(ports->outputs, &ports->n_outputs, value->index, &whole);
    }
}

enum cvy_status cvy_part_ports_find(struct cvy_part_ports *ports, const struct cvy_parting *parting,
                                    size_t stage, size_t device)
{
    const size_t most_outputs = parting->graph->n_nodes + parting->graph->n_outputs;
    size_t most_inputs = parting->graph->n_outputs;
    for (size_t i = 0; i < parting->graph->n_nodes; i++)
        most_inputs += parting->graph->nodes[i]->n_inputs;
    *ports = (struct cvy_part_ports){0};
    ports->inputs = calloc(most_inputs + 1, sizeof(*ports->inputs));
    ports->outputs = calloc(most_outputs + 1, sizeof(*ports->outputs));
    if (ports->inputs == NULL || ports->outputs == NULL) {
        cvy_part_ports_finish(ports);
        return cvy_fail_memory("a plan for several devices", most_inputs * sizeof(*ports->inputs));
    }
    find_outputs(ports, parting, stage, device);
    find_inputs(ports, parting, stage, device);
    return CVY_OK;
}

void cvy_part_ports_finish(struct cvy_part_ports *ports)
{
    free(ports->inputs);
    free(ports->outputs);
    *ports = (struct cvy_part_ports){0};
}

/* A graph in the making. */
struct maker {
    const struct cvy_parting *parting;
    const struct cvy_part_ports *ports;
    size_t stage, device;
    struct cvy_graph *graph;
    struct cvy_value **inputs; /* of each port */
    struct cvy_value *
        *values; /* of each of the whole graph's values, made by a node here, or a whole constant */
};

static enum cvy_status add_inputs(struct maker *m)
{
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < m->ports->n_inputs; i++) {
        const struct cvy_part_port *port = &m->ports->inputs[i];
        const struct cvy_value_info *info = &m->parting->values[port->value];
        const struct cvy_shape shape = cvy_piece_shape(&port->piece, &info->shape);
        char name[32];
        snprintf(name, sizeof(name), "in%zu", i);
        status = cvy_graph_add_typed_input(m->graph, &m->inputs[i], name, info->dtype, &shape);
    }
    return status;
}

static enum cvy_status cut_tensor(struct cvy_tensor *cut, const struct cvy_tensor *whole,
                                  const struct cvy_piece *piece)
{
    const struct cvy_shape shape = cvy_piece_shape(piece, &whole->shape);
    enum cvy_status status = cvy_tensor_init(cut, whole->dtype, &shape);
    if (status != CVY_OK)
        return status;
    size_t rows = 1;
    for (size_t i = 0; i < piece->axis; i++)
        rows *= shape.dims[i];
    const size_t row = cut->bytes / rows, pitch = whole->bytes / rows;
    const size_t skipped = pitch / whole->shape.dims[piece->axis] * piece->begin;
    for (size_t i = 0; i < rows; i++)
        memcpy((char *)cut->data + i * row, (const char *)whole->data + i * pitch + skipped, row);
    return CVY_OK;
}

static enum cvy_status add_whole(struct maker *m, const struct cvy_value *constant)
{
    struct cvy_value **made = &m->values[constant->index], **kept = &m->parting->kept[constant->index];
    if (*made != NULL)
        return CVY_OK;
    if (*kept != NULL)
        return cvy_graph_keep_constant(m->graph, made, constant->name, &(*kept)->tensor, true);
    enum cvy_status status = cvy_graph_add_constant(m->graph, made, constant->name, &constant->tensor);
    *kept = *made;
    return status;
}

static enum cvy_status add_constant(struct maker *m, size_t node, size_t input, struct cvy_value **value)
{
    const struct cvy_value *constant = m->parting->graph->nodes[node]->inputs[input];
    struct cvy_piece piece;
    if (!cvy_part_constant(m->parting, node, input, m->device, &piece)) {
        enum cvy_status status = add_whole(m, constant);
        *value = m->values[constant->index];
        return status;
    }
    struct cvy_tensor cut = {0};
    enum cvy_status status = cut_tensor(&cut, &constant->tensor, &piece);
    if (status == CVY_OK)
        status = cvy_graph_add_constant(m->graph, value, constant->name, &cut);
    cvy_tensor_finish(&cut);
    return status;
}

static enum cvy_status find_input(struct maker *m, size_t node, size_t input, struct cvy_value **value)
{
    const struct cvy_value *taken = m->parting->graph->nodes[node]->inputs[input];
    *value = NULL;
    if (taken == NULL)
        return CVY_OK;
    if (taken->kind == CVY_VALUE_CONSTANT)
        return add_constant(m, node, input, value);
    const struct cvy_piece piece = piece_taken(m->parting, node, m->device);
    *value = m->values[taken->index];
    for (size_t i = 0; *value == NULL && i < m->ports->n_inputs; i++) {
        if (m->ports->inputs[i].value == taken->index && cvy_piece_equal(&m->ports->inputs[i].piece, &piece))
            *value = m->inputs[i];
    }
    return CVY_OK;
}

/* The node's attributes for its piece: those that name a size of the whole are opened. */
static struct cvy_op cut_op(const struct maker *m, size_t index)
{
    const struct cvy_parting_node *part = &m->parting->nodes[index];
    const struct cvy_node *node = m->parting->graph->nodes[index];
    const struct cvy_piece in = piece_taken(m->parting, index, m->device);
    struct cvy_op op = node->op;
    if (!part->out.is_cut)
        return op;
    const size_t size = part->out.begin[m->parting->n_devices];
    if (part->out.axis == 1 && op.type == CVY_OP_CONV && part->in.is_cut)
        op.conv.groups = op.conv.groups * in.count / part->in.begin[m->parting->n_devices];
    const bool has_dims = op.type == CVY_OP_RESHAPE || op.type == CVY_OP_EXPAND;
    const size_t rank = m->parting->values[node->output->index].shape.rank;
    if (part->out.axis == 0 && has_dims && op.reshape.rank == rank && op.reshape.dims[0] == (int64_t)size)
        op.reshape.dims[0] = (int64_t)in.count;
    if (part->out.axis == 0 && op.type == CVY_OP_RESIZE && op.resize.rank > 0 && op.resize.sizes[0] == size)
        op.resize.sizes[0] = in.count;
    return op;
}

static enum cvy_status add_node(struct maker *m, size_t index)
{
    const struct cvy_node *node = m->parting->graph->nodes[index];
    const struct cvy_op op = cut_op(m, index);
    struct cvy_value **inputs = calloc(node->n_inputs + 1, sizeof(*inputs));
    enum cvy_status status = CVY_OK;
    if (inputs == NULL)
        return cvy_fail_memory("a plan for several devices", node->n_inputs * sizeof(*inputs));
    for (size_t i = 0; status == CVY_OK && i < node->n_inputs; i++)
        status = find_input(m, index, i, &inputs[i]);
    if (status == CVY_OK)
        status = cvy_graph_add_node(m->graph, &m->values[node->output->index], &op, inputs, node->n_inputs,
                                    node->name);
    free(inputs);
    return status;
}

static enum cvy_status add_outputs(struct maker *m)
{
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < m->ports->n_outputs; i++) {
        const size_t index = m->ports->outputs[i].value;
        const struct cvy_value *whole = m->parting->graph->values[index];
        char name[32];
        snprintf(name, sizeof(name), "out%zu", i);
        if (whole->kind == CVY_VALUE_CONSTANT)
            status = add_whole(m, whole);
        if (status == CVY_OK)
            status = cvy_graph_add_output(m->graph, m->values[index], name);
    }
    return status;
}

enum cvy_status cvy_part_graph_create(struct cvy_graph **graph, const struct cvy_parting *parting,
                                      const struct cvy_part_ports *ports, size_t stage, size_t device)
{
    struct maker m = {.parting = parting, .ports = ports, .stage = stage, .device = device};
    m.inputs = calloc(ports->n_inputs + 1, sizeof(*m.inputs));
    m.values = calloc(parting->graph->n_values + 1, sizeof(*m.values));
    enum cvy_status status = CVY_OK;
    if (m.inputs == NULL || m.values == NULL)
        status = cvy_fail_memory("a plan for several devices", parting->graph->n_values * sizeof(*m.values));
    if (status == CVY_OK)
        status = cvy_graph_create(&m.graph);
    if (status == CVY_OK)
        status = add_inputs(&m);
    for (size_t i = 0; status == CVY_OK && i < parting->graph->n_nodes; i++) {
        if (works_in(parting, i, stage, device))
            status = add_node(&m, i);
    }
    if (status == CVY_OK)
        status = add_outputs(&m);
    free(m.inputs);
    free(m.values);
    if (status == CVY_OK)
        *graph = m.graph;
    else
        cvy_graph_destroy(&m.graph);
    return status;
}
