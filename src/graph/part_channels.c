/*
 * Cuts channels: convolutions by groups where they have them, as AlexNet was trained on two GPUs (Krizhevsky,
 * Sutskever, Hinton, NIPS 2012, section 3.2), others by output channels. What works on each channel alone
 * follows, so that a grouped convolution behind another finds its channels where they were made.
 */
#include <stdio.h>
#include <string.h>

#include "base/arith.h"
#include "graph/part_cost.h"

#define CHANNEL_UNIT 16 /* output channels are cut at multiples of it: kernels like whole blocks */

bool cvy_part_is_elementwise(enum cvy_op_type type)
{
    switch (type) {
    case CVY_OP_RELU:
    case CVY_OP_LEAKY_RELU:
    case CVY_OP_PRELU:
    case CVY_OP_CLIP:
    case CVY_OP_SIGMOID:
    case CVY_OP_TANH:
    case CVY_OP_IDENTITY:
    case CVY_OP_ADD:
    case CVY_OP_SUB:
    case CVY_OP_MUL:
    case CVY_OP_DIV:
    case CVY_OP_HARD_SIGMOID:
    case CVY_OP_HARD_SWISH:
    case CVY_OP_GELU:
    case CVY_OP_MISH:
    case CVY_OP_SOFTPLUS:
    case CVY_OP_SOFTSIGN:
    case CVY_OP_ELU:
    case CVY_OP_SELU:
    case CVY_OP_ABS:
    case CVY_OP_NEG:
    case CVY_OP_EXP:
    case CVY_OP_LOG:
    case CVY_OP_SQRT:
    case CVY_OP_RECIPROCAL:
    case CVY_OP_ERF:
    case CVY_OP_SIN:
    case CVY_OP_COS:
    case CVY_OP_FLOOR:
    case CVY_OP_CEIL:
    case CVY_OP_ROUND:
    case CVY_OP_SIGN:
    case CVY_OP_NOT:
    case CVY_OP_POW:
    case CVY_OP_MIN:
    case CVY_OP_MAX:
    case CVY_OP_MOD:
    case CVY_OP_FMOD:
    case CVY_OP_EQUAL:
    case CVY_OP_LESS:
    case CVY_OP_LESS_EQUAL:
    case CVY_OP_GREATER:
    case CVY_OP_GREATER_EQUAL:
    case CVY_OP_AND:
    case CVY_OP_OR:
    case CVY_OP_WHERE:
        return true;
    default:
        return false;
    }
}

/* Operators that do the same to each channel by itself. */
static bool keeps_channels(const struct cvy_node *node, const struct cvy_shape *x, const struct cvy_shape *y)
{
    const bool is_alike =
        x->rank >= 2 && x->rank == y->rank && x->dims[1] == y->dims[1] && x->dims[0] == y->dims[0];
    if (cvy_part_is_elementwise(node->op.type))
        return is_alike;
    switch (node->op.type) {
    case CVY_OP_MAX_POOL:
    case CVY_OP_AVERAGE_POOL:
    case CVY_OP_GLOBAL_AVERAGE_POOL:
    case CVY_OP_GLOBAL_MAX_POOL:
    case CVY_OP_BATCH_NORM:
        return is_alike;
    default:
        return false;
    }
}

static const struct cvy_cut *cut_of(const struct cvy_parting *p, const struct cvy_value *value)
{
    static const struct cvy_cut whole;
    const size_t maker = value != NULL ? p->maker[value->index] : SIZE_MAX;
    return maker != SIZE_MAX ? &p->nodes[maker].out : &whole;
}

static bool cuts_equal(const struct cvy_cut *a, const struct cvy_cut *b, size_t n_devices)
{
    return a->is_cut == b->is_cut && a->axis == b->axis &&
           memcmp(a->begin, b->begin, (n_devices + 1) * sizeof(a->begin[0])) == 0;
}

/* A node between convolutions stays where its inputs are, if they are all cut alike. */
static void follow(struct cvy_parting *p, size_t index)
{
    const struct cvy_node *node = p->graph->nodes[index];
    const struct cvy_shape *y = &p->values[node->output->index].shape;
    const struct cvy_cut *cut = NULL;
    for (size_t i = 0; i < node->n_inputs; i++) {
        const struct cvy_value *value = node->inputs[i];
        if (value == NULL || value->kind == CVY_VALUE_CONSTANT)
            continue;
        const struct cvy_cut *own = cut_of(p, value);
        if (!own->is_cut || !keeps_channels(node, &p->values[value->index].shape, y) ||
            (cut != NULL && !cuts_equal(own, cut, p->n_devices)))
            return;
        cut = own;
    }
    if (cut != NULL)
        p->nodes[index].in = p->nodes[index].out = *cut;
}

static bool is_constant(const struct cvy_node *node, size_t input)
{
    return node->n_inputs <= input || node->inputs[input] == NULL ||
           node->inputs[input]->kind == CVY_VALUE_CONSTANT;
}

/* How a convolution is cut; false: it cannot be. */
static bool cut_conv(const struct cvy_parting *p, const double *speeds, const struct cvy_node *node,
                     struct cvy_parting_node *cut)
{
    const struct cvy_op_conv *conv = &node->op.conv;
    const size_t channels = p->values[node->inputs[0]->index].shape.dims[1],
                 outputs = p->values[node->output->index].shape.dims[1];
    /* a residual would have to be cut as y is */
    const bool has_residual = node->n_inputs > 3 && node->inputs[3] != NULL;
    if (is_constant(node, 0) || !is_constant(node, 1) || !is_constant(node, 2) || has_residual ||
        conv->shuffle > 1)
        return false;
    *cut = (struct cvy_parting_node){.needed = true};
    if (conv->groups < 2) {
        const size_t unit = outputs >= p->n_devices * CHANNEL_UNIT ? CHANNEL_UNIT : 1;
        cut->out = cvy_cut_by_speed(1, outputs, unit, speeds, p->n_devices);
        return outputs >= 2;
    }
    const struct cvy_cut groups = cvy_cut_by_speed(1, conv->groups, 1, speeds, p->n_devices);
    cut->in = cut->out = groups;
    for (size_t d = 0; d <= p->n_devices; d++) {
        cut->in.begin[d] = groups.begin[d] * (channels / conv->groups);
        cut->out.begin[d] = groups.begin[d] * (outputs / conv->groups);
    }
    return true;
}

/* The only node that reads the value; SIZE_MAX: several, or an output of the graph. */
static size_t only_reader(const struct cvy_parting *p, const struct cvy_value *value)
{
    size_t reader = SIZE_MAX;
    for (size_t i = 0; i < p->graph->n_outputs; i++) {
        if (p->graph->outputs[i]->value == value)
            return SIZE_MAX;
    }
    for (size_t i = 0; i < p->graph->n_nodes; i++) {
        for (size_t j = 0; p->nodes[i].needed && j < p->graph->nodes[i]->n_inputs; j++) {
            if (p->graph->nodes[i]->inputs[j] != value)
                continue;
            if (reader != SIZE_MAX && reader != i)
                return SIZE_MAX;
            reader = i;
        }
    }
    return reader;
}

/* The grouped convolution that takes what a node makes, nothing but channel-wise work between; SIZE_MAX. */
static size_t grouped_behind(const struct cvy_parting *p, size_t index)
{
    for (;;) {
        const struct cvy_value *value = p->graph->nodes[index]->output;
        const size_t reader = only_reader(p, value);
        if (reader == SIZE_MAX)
            return SIZE_MAX;
        const struct cvy_node *node = p->graph->nodes[reader];
        if (node->op.type == CVY_OP_CONV)
            return node->op.conv.groups >= 2 && node->inputs[0] == value ? reader : SIZE_MAX;
        if (!keeps_channels(node, &p->values[value->index].shape, &p->values[node->output->index].shape))
            return SIZE_MAX;
        index = reader;
    }
}

/* Whether cutting is expected to take less than leaving it whole, copies before and behind it included. */
static bool is_worth_it(const struct cvy_parting *p, const struct cvy_part_costs *costs, size_t index,
                        const struct cvy_parting_node *cut, bool stays)
{
    static const struct cvy_parting_node whole = {.needed = true};
    const struct cvy_node *node = p->graph->nodes[index];
    const size_t maker = p->maker[node->inputs[0]->index];
    double together = cvy_part_node_seconds(costs, p, index, cut),
           alone = cvy_part_node_seconds(costs, p, index, &whole);
    if (maker != SIZE_MAX) {
        together += cvy_part_copy_seconds(costs, p, node->inputs[0]->index, &p->nodes[maker], cut);
        alone += cvy_part_copy_seconds(costs, p, node->inputs[0]->index, &p->nodes[maker], &whole);
    }
    bool is_output = false;
    for (size_t i = 0; i < p->graph->n_outputs; i++)
        is_output = is_output || p->graph->outputs[i]->value == node->output;
    if (!stays && !is_output)
        together += cvy_part_copy_seconds(costs, p, node->output->index, cut, &whole);
    return together < alone;
}

bool cvy_part_channels(struct cvy_parting *p, const double *speeds, const struct cvy_part_costs *costs,
                       char *why, size_t size)
{
    size_t n_cut = 0;
    for (size_t i = 0; i < p->graph->n_nodes; i++) {
        const struct cvy_node *node = p->graph->nodes[i];
        struct cvy_parting_node cut, next;
        if (!p->nodes[i].needed)
            continue;
        if (node->op.type != CVY_OP_CONV) {
            follow(p, i);
            continue;
        }
        if (!cut_conv(p, speeds, node, &cut))
            continue;
        const size_t behind = grouped_behind(p, i);
        const bool meets = behind != SIZE_MAX && cut_conv(p, speeds, p->graph->nodes[behind], &next);
        if (meets && node->op.conv.groups < 2)
            cut.out = next.in;
        const bool stays = meets && cuts_equal(&cut.out, &next.in, p->n_devices);
        if (costs != NULL && !is_worth_it(p, costs, i, &cut, stays))
            continue;
        p->nodes[i] = cut;
        n_cut++;
    }
    if (n_cut == 0)
        snprintf(why, size, "no convolution %s",
                 costs != NULL ? "is worth the copies" : "has channels to divide");
    return n_cut > 0;
}

/* Where the channels of x are among the dimensions of a constant that broadcasts to it; SIZE_MAX: nowhere. */
static size_t channel_axis(const struct cvy_shape *constant, const struct cvy_shape *x)
{
    const size_t missing = x->rank - constant->rank;
    if (constant->rank > x->rank || missing > 1 || constant->dims[1 - missing] != x->dims[1])
        return SIZE_MAX;
    return 1 - missing;
}

bool cvy_part_constant(const struct cvy_parting *p, size_t node, size_t index, size_t device,
                       struct cvy_piece *piece)
{
    const struct cvy_parting_node *part = &p->nodes[node];
    const struct cvy_node *n = p->graph->nodes[node];
    const struct cvy_cut *cut = &part->out;
    size_t axis = 0;
    if (!cut->is_cut || cut->axis != 1 || n->inputs[index] == NULL ||
        n->inputs[index]->kind != CVY_VALUE_CONSTANT)
        return false;
    switch (n->op.type) {
    case CVY_OP_CONV:
        if (index == 1 && n->op.conv.transposed) {
            axis = n->op.conv.groups < 2 ? 1 : 0;
            cut = axis == 0 ? &part->in : cut;
        }
        break;
    case CVY_OP_BATCH_NORM:
        break;
    default:
        axis = channel_axis(&n->inputs[index]->shape, &p->values[n->output->index].shape);
    }
    if (axis == SIZE_MAX)
        return false;
    *piece = cvy_cut_piece(cut, device);
    piece->axis = axis;
    return true;
}
