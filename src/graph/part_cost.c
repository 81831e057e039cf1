#include "graph/part_cost.h"

#include <stdlib.h>

#include "base/arith.h"
#include "base/log.h"
#include "op/problem.h"
#include "runtime/rates.h"
#include "runtime/transfer.h"

static void describe(struct cvy_part_node_cost *cost, const struct cvy_node *node,
                     const struct cvy_value_info *values)
{
    cost->bytes = (double)values[node->output->index].bytes;
    for (size_t i = 0; i < node->n_inputs; i++)
        cost->bytes += node->inputs[i] != NULL ? (double)values[node->inputs[i]->index].bytes : 0;
    if (node->op.type != CVY_OP_CONV)
        return;
    const bool bias = node->n_inputs > 2 && node->inputs[2] != NULL;
    cost->is_conv =
        cvy_conv_problem_from_op(&node->op.conv, &values[node->inputs[0]->index].shape,
                                 &values[node->inputs[1]->index].shape, bias, &cost->problem) == CVY_OK;
}

/* Devices of one kind are equally fast, whatever else the machine did when one of them was measured. */
static void share_speeds(struct cvy_part_costs *costs)
{
    for (size_t i = 0; i < costs->n_devices; i++) {
        for (size_t j = 0; j < costs->n_devices; j++) {
            if (cvy_hash_equal(cvy_device_identity(costs->devices[i]),
                               cvy_device_identity(costs->devices[j])))
                costs->speeds[i] = CVY_MAX(costs->speeds[i], costs->speeds[j]);
        }
    }
}

enum cvy_status cvy_part_costs_create(struct cvy_part_costs **costs, const struct cvy_parting *parting,
                                      struct cvy_device *const *devices)
{
    const struct cvy_graph *graph = parting->graph;
    struct cvy_part_costs *made = calloc(1, sizeof(*made));
    if (made != NULL)
        made->nodes = calloc(graph->n_nodes + 1, sizeof(*made->nodes));
    if (made == NULL || made->nodes == NULL) {
        free(made);
        return cvy_fail_memory("a plan for several devices", graph->n_nodes * sizeof(*made->nodes));
    }
    made->n_devices = parting->n_devices;
    for (size_t d = 0; d < made->n_devices; d++) {
        made->devices[d] = devices[d];
        made->speeds[d] = CVY_MAX(cvy_rates(devices[d])->flops, 1);
    }
    share_speeds(made);
    for (size_t i = 0; i < graph->n_nodes; i++) {
        if (parting->nodes[i].needed)
            describe(&made->nodes[i], graph->nodes[i], parting->values);
    }
    *costs = made;
    return CVY_OK;
}

void cvy_part_costs_destroy(struct cvy_part_costs **costs)
{
    if (costs == NULL || *costs == NULL)
        return;
    free((*costs)->nodes);
    free(*costs);
    *costs = NULL;
}

/* The least of all algorithms, in plain tensors and in blocks of channels; 0: none can be estimated. */
static double conv_seconds(const struct cvy_device *device, const struct cvy_conv_problem *plain)
{
    double best = 0, seconds;
    char why[64];
    struct cvy_conv_problem problem = *plain;
    for (int blocks = 0; blocks < 2; blocks++) {
        problem.x_block = problem.y_block = blocks ? cvy_conv_best_block(device) : 0;
        for (size_t i = 0; cvy_conv_algo_name(i) != NULL; i++) {
            if (cvy_conv_algo_estimate(device, &problem, cvy_conv_algo_name(i), &seconds, why, sizeof(why)) &&
                (best <= 0 || seconds < best))
                best = seconds;
        }
    }
    return best;
}

/* What is left of a convolution for one device. */
static struct cvy_conv_problem cut_problem(const struct cvy_conv_problem *whole, const struct cvy_piece *in,
                                           const struct cvy_piece *out)
{
    struct cvy_conv_problem p = *whole;
    if (out->count == 0)
        return p;
    if (out->axis == 0) {
        p.n = out->count;
        return p;
    }
    if (in->count != 0) {
        p.groups = p.groups * in->count / p.c;
        p.c = in->count;
    }
    p.k = out->count;
    p.shuffle = 0;
    return p;
}

static double seconds_on(const struct cvy_part_costs *costs, const struct cvy_parting *parting, size_t node,
                         const struct cvy_parting_node *cut, size_t device)
{
    const struct cvy_part_node_cost *cost = &costs->nodes[node];
    const struct cvy_piece in = cvy_cut_piece(&cut->in, device), out = cvy_cut_piece(&cut->out, device);
    const struct cvy_shape *shape = &parting->values[parting->graph->nodes[node]->output->index].shape;
    const double share = out.count != 0 ? (double)out.count / (double)shape->dims[out.axis] : 1;
    double seconds = 0;
    if (cost->is_conv) {
        const struct cvy_conv_problem problem = cut_problem(&cost->problem, &in, &out);
        seconds = conv_seconds(costs->devices[device], &problem);
    }
    return seconds > 0 ? seconds
                       : share * cost->bytes / CVY_MAX(cvy_rates(costs->devices[device])->memory_bytes, 1);
}

/* As cvy_parting_works(), for a node that is thought of as cut so. */
static bool works(const struct cvy_parting *parting, const struct cvy_parting_node *cut, size_t device)
{
    return cut->out.is_cut ? cut->out.begin[device] < cut->out.begin[device + 1] : device == parting->home;
}

double cvy_part_node_seconds(const struct cvy_part_costs *costs, const struct cvy_parting *parting,
                             size_t node, const struct cvy_parting_node *cut)
{
    double most = 0;
    for (size_t d = 0; d < costs->n_devices; d++) {
        const double seconds = works(parting, cut, d) ? seconds_on(costs, parting, node, cut, d) : 0;
        most = CVY_MAX(most, seconds);
    }
    return most;
}

static size_t piece_bytes(const struct cvy_parting *parting, size_t value, const struct cvy_piece *piece)
{
    const struct cvy_value_info *info = &parting->values[value];
    return piece->count != 0 ? info->bytes / info->shape.dims[piece->axis] * piece->count : info->bytes;
}

double cvy_part_copy_seconds(const struct cvy_part_costs *costs, const struct cvy_parting *parting,
                             size_t value, const struct cvy_parting_node *maker,
                             const struct cvy_parting_node *taker)
{
    double down = 0, up = 0;
    for (size_t d = 0; d < costs->n_devices; d++) {
        const struct cvy_piece made = cvy_cut_piece(&maker->out, d), taken = cvy_cut_piece(&taker->in, d);
        const bool makes = works(parting, maker, d), takes = works(parting, taker, d);
        if (makes) {
            const double seconds =
                cvy_transfer_seconds(costs->devices[d], piece_bytes(parting, value, &made));
            down = CVY_MAX(down, seconds);
        }
        if (takes && !(makes && cvy_piece_equal(&made, &taken))) {
            const double seconds =
                cvy_transfer_seconds(costs->devices[d], piece_bytes(parting, value, &taken));
            up = CVY_MAX(up, seconds);
        }
    }
    return up > 0 ? up + down : 0;
}

double cvy_part_seconds(const struct cvy_part_costs *costs, const struct cvy_parting *parting)
{
    const struct cvy_graph *graph = parting->graph;
    double sum = 0;
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const struct cvy_parting_node *part = &parting->nodes[i];
        if (!part->needed)
            continue;
        sum += cvy_part_node_seconds(costs, parting, i, part);
        for (size_t j = 0; j < graph->nodes[i]->n_inputs; j++) {
            const struct cvy_value *value = graph->nodes[i]->inputs[j];
            const size_t maker = value != NULL ? parting->maker[value->index] : SIZE_MAX;
            if (maker != SIZE_MAX)
                sum += cvy_part_copy_seconds(costs, parting, value->index, &parting->nodes[maker], part);
        }
    }
    return sum;
}
