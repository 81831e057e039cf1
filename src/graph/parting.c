#include "graph/parting.h"

#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "graph/part_cost.h"
#include "runtime/rates.h"

struct cvy_piece cvy_cut_piece(const struct cvy_cut *cut, size_t device)
{
    if (!cut->is_cut)
        return (struct cvy_piece){0};
    return (struct cvy_piece){cut->axis, cut->begin[device], cut->begin[device + 1] - cut->begin[device]};
}

bool cvy_piece_equal(const struct cvy_piece *a, const struct cvy_piece *b)
{
    return a->count == b->count && (a->count == 0 || (a->axis == b->axis && a->begin == b->begin));
}

struct cvy_shape cvy_piece_shape(const struct cvy_piece *piece, const struct cvy_shape *whole)
{
    struct cvy_shape shape = *whole;
    if (piece->count != 0)
        shape.dims[piece->axis] = piece->count;
    return shape;
}

bool cvy_parting_works(const struct cvy_parting *parting, size_t node, size_t device)
{
    const struct cvy_parting_node *n = &parting->nodes[node];
    if (!n->needed)
        return false;
    return n->out.is_cut ? n->out.begin[device] < n->out.begin[device + 1] : device == parting->home;
}

/* Each unit goes to the device that will then be ready first. */
struct cvy_cut cvy_cut_by_speed(size_t axis, size_t size, size_t unit, const double *speeds, size_t n_devices)
{
    struct cvy_cut cut = {.is_cut = true, .axis = axis};
    size_t units[CVY_MAX_DEVICES] = {0};
    for (size_t i = 0; i < cvy_ceil_div(size, unit); i++) {
        size_t best = 0;
        for (size_t d = 1; d < n_devices; d++) {
            if ((double)(units[d] + 1) / speeds[d] < (double)(units[best] + 1) / speeds[best])
                best = d;
        }
        units[best]++;
    }
    for (size_t d = 0; d < n_devices; d++)
        cut.begin[d + 1] = CVY_MIN(cut.begin[d] + units[d] * unit, size);
    return cut;
}

/* The first stage in which a device that works on the node has all it needs, or can have it copied before. */
static size_t stage_of(const struct cvy_parting *p, size_t index)
{
    const struct cvy_node *node = p->graph->nodes[index];
    const struct cvy_parting_node *part = &p->nodes[index];
    size_t stage = 0;
    for (size_t i = 0; i < node->n_inputs; i++) {
        const size_t maker = node->inputs[i] != NULL ? p->maker[node->inputs[i]->index] : SIZE_MAX;
        if (maker == SIZE_MAX)
            continue;
        bool is_there = true;
        for (size_t d = 0; d < p->n_devices; d++) {
            if (!cvy_parting_works(p, index, d))
                continue;
            const struct cvy_piece made = cvy_cut_piece(&p->nodes[maker].out, d),
                                   taken = cvy_cut_piece(&part->in, d);
            is_there = is_there && cvy_parting_works(p, maker, d) && cvy_piece_equal(&made, &taken);
        }
        stage = CVY_MAX(stage, p->nodes[maker].stage + !is_there);
    }
    return stage;
}

static void find_stages(struct cvy_parting *p)
{
    p->n_stages = 1;
    for (size_t i = 0; i < p->graph->n_nodes; i++) {
        if (!p->nodes[i].needed)
            continue;
        p->nodes[i].stage = stage_of(p, i);
        p->n_stages = CVY_MAX(p->n_stages, p->nodes[i].stage + 1);
    }
}

static enum cvy_status allocate(struct cvy_parting **parting, const struct cvy_graph *graph,
                                const struct cvy_value_info *values, size_t n_devices)
{
    struct cvy_parting *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return cvy_fail_memory("a plan for several devices", sizeof(*made));
    *made = (struct cvy_parting){.n_devices = n_devices, .graph = graph, .values = values};
    made->nodes = calloc(graph->n_nodes + 1, sizeof(*made->nodes));
    made->maker = calloc(graph->n_values + 1, sizeof(*made->maker));
    made->kept = calloc(graph->n_values + 1, sizeof(struct cvy_value *));
    if (made->nodes == NULL || made->maker == NULL || made->kept == NULL) {
        cvy_parting_destroy(&made);
        return cvy_fail_memory("a plan for several devices", graph->n_nodes * sizeof(*made->nodes));
    }
    for (size_t i = 0; i < graph->n_values; i++)
        made->maker[i] = SIZE_MAX;
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const size_t value = graph->nodes[i]->output->index;
        made->maker[value] = i;
        made->nodes[i].needed = values[value].needed;
    }
    *parting = made;
    return CVY_OK;
}

void cvy_parting_destroy(struct cvy_parting **parting)
{
    if (parting == NULL || *parting == NULL)
        return;
    free((*parting)->nodes);
    free((*parting)->maker);
    free((*parting)->kept);
    free(*parting);
    *parting = NULL;
}

/* All of it on the fastest device. */
static void keep_whole(struct cvy_parting *p, const struct cvy_part_costs *costs)
{
    for (size_t i = 0; i < p->graph->n_nodes; i++)
        p->nodes[i] = (struct cvy_parting_node){.needed = p->nodes[i].needed};
    p->home = 0;
    for (size_t d = 1; d < p->n_devices; d++)
        p->home = costs->speeds[d] > costs->speeds[p->home] ? d : p->home;
}

/* One way; false: it is not possible, or, when asked for the best, no better than what is there. */
static bool take_way(struct cvy_parting *p, const struct cvy_part_costs *costs, enum cvy_split split,
                     bool is_asked, char *why, size_t size)
{
    keep_whole(p, costs);
    p->split = split;
    bool possible = split == CVY_SPLIT_BATCH
                        ? cvy_part_batch(p, costs->speeds, why, size)
                        : cvy_part_channels(p, costs->speeds, is_asked ? NULL : costs, why, size);
    if (possible) {
        find_stages(p);
        p->seconds = cvy_part_seconds(costs, p);
    }
    return possible;
}

static enum cvy_status choose(struct cvy_parting *p, const struct cvy_part_costs *costs)
{
    char batch[256] = "", channels[256] = "";
    keep_whole(p, costs);
    find_stages(p);
    p->seconds = cvy_part_seconds(costs, p);
    const double alone = p->seconds;
    const bool by_batch = take_way(p, costs, CVY_SPLIT_BATCH, false, batch, sizeof(batch));
    const double batch_seconds = p->seconds;
    const bool by_channels = take_way(p, costs, CVY_SPLIT_CHANNELS, false, channels, sizeof(channels));
    cvy_log(CVY_LOG_INFO, "plan: on one device %.3g ms expected, batch divided %.3g ms%s, channels %.3g ms%s",
            1e3 * alone, by_batch ? 1e3 * batch_seconds : 0, by_batch ? "" : " (not possible)",
            by_channels ? 1e3 * p->seconds : 0, by_channels ? "" : " (not possible)");
    if (!by_batch)
        cvy_log(CVY_LOG_INFO, "plan: the batch is not divided: %s", batch);
    if (by_channels && p->seconds < alone && !(by_batch && batch_seconds <= p->seconds))
        return CVY_OK;
    if (by_batch && batch_seconds < alone) {
        take_way(p, costs, CVY_SPLIT_BATCH, false, batch, sizeof(batch));
        return CVY_OK;
    }
    keep_whole(p, costs);
    find_stages(p);
    p->split = CVY_SPLIT_AUTO;
    cvy_log(CVY_LOG_WARNING,
            "plan: the first of the fastest devices does all the work, which is expected to take "
            "least time; a larger batch could be divided");
    return CVY_OK;
}

enum cvy_status cvy_parting_create(struct cvy_parting **parting, const struct cvy_graph *graph,
                                   const struct cvy_value_info *values, struct cvy_device *const *devices,
                                   size_t n_devices, enum cvy_split split)
{
    struct cvy_parting *made = NULL;
    struct cvy_part_costs *costs = NULL;
    char why[256] = "";
    enum cvy_status status = allocate(&made, graph, values, n_devices);
    if (status == CVY_OK)
        status = cvy_part_costs_create(&costs, made, devices);
    if (status == CVY_OK && split == CVY_SPLIT_AUTO)
        status = choose(made, costs);
    else if (status == CVY_OK && !take_way(made, costs, split, true, why, sizeof(why)))
        status = cvy_fail(CVY_ERROR_UNSUPPORTED, "plan: the %s cannot be divided among %zu devices: %s",
                          split == CVY_SPLIT_BATCH ? "batch" : "channels", n_devices, why);
    cvy_part_costs_destroy(&costs);
    if (status == CVY_OK)
        *parting = made;
    else
        cvy_parting_destroy(&made);
    return status;
}
