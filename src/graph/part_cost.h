/* part_cost.h - what nodes, whole and in parts, and copies are expected to take on each of several devices.
 */
#ifndef CVY_GRAPH_PART_COST_H
#define CVY_GRAPH_PART_COST_H

#include "graph/parting.h"

struct cvy_part_costs {
    size_t n_devices;
    struct cvy_device *devices[CVY_MAX_DEVICES];
    double speeds[CVY_MAX_DEVICES]; /* measured float32 operations a second (cvy_device_get_rates()) */
    /* Of each node: a convolution's problem, where it is one, and bytes read and written. */
    struct cvy_part_node_cost {
        bool is_conv;
        struct cvy_conv_problem problem;
        double bytes;
    } * nodes;
};

enum cvy_status cvy_part_costs_create(struct cvy_part_costs **costs, const struct cvy_parting *parting,
                                      struct cvy_device *const *devices);
void cvy_part_costs_destroy(struct cvy_part_costs **costs);

/* Seconds of a node, cut as given, on the slowest of the devices that work on it. */
double cvy_part_node_seconds(const struct cvy_part_costs *costs, const struct cvy_parting *parting,
                             size_t node, const struct cvy_parting_node *cut);
/* Seconds until a node's output, made as `maker` says, lies where and as `taker` takes it; 0: it is there. */
double cvy_part_copy_seconds(const struct cvy_part_costs *costs, const struct cvy_parting *parting,
                             size_t value, const struct cvy_parting_node *maker,
                             const struct cvy_parting_node *taker);
/* Of the whole, copies between stages included. */
double cvy_part_seconds(const struct cvy_part_costs *costs, const struct cvy_parting *parting);

#endif
