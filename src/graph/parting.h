/*
 * parting.h - which device computes which part of a graph.
 *
 * A value that is cut lies in pieces along one axis, one for each device, made where they are; other values
 * are made by one device. Work is done in stages: between two of them, values that a device needs and has not
 * computed itself are copied through the host.
 */
#ifndef CVY_GRAPH_PARTING_H
#define CVY_GRAPH_PARTING_H

#include "graph/infer.h"

#define CVY_MAX_DEVICES 16

/* Positions begin, ..., begin + count - 1 along an axis; count 0: the whole value. */
struct cvy_piece {
    size_t axis, begin, count;
};

/* Where an axis is cut: device d has positions begin[d], ..., begin[d + 1] - 1, which may be none. */
struct cvy_cut {
    bool is_cut; /* false: the value stays whole */
    size_t axis;
    size_t begin[CVY_MAX_DEVICES + 1];
};

/* What becomes of a node. */
struct cvy_parting_node {
    bool needed;
    size_t stage;
    /* is_cut: every device with a piece of the output makes it, from these pieces of inputs that are no
     * constants; otherwise the home device makes the whole. */
    struct cvy_cut in, out;
};

struct cvy_parting {
    enum cvy_split split;
    size_t n_devices, n_stages, home;
    double seconds; /* expected of one run, as far as such a choice needs it */
    const struct cvy_graph *graph;
    const struct cvy_value_info *values;
    struct cvy_parting_node *nodes; /* one for each of the graph's */
    size_t *maker;                  /* of each value: its node's index; SIZE_MAX: an input or a constant */
    struct cvy_value **kept;        /* of each whole constant: the one that has its data; others borrow */
};

/* The piece that a device makes or takes; whole where the value is not cut. */
struct cvy_piece cvy_cut_piece(const struct cvy_cut *cut, size_t device);
bool cvy_piece_equal(const struct cvy_piece *a, const struct cvy_piece *b);
/* The shape of a piece. */
struct cvy_shape cvy_piece_shape(const struct cvy_piece *piece, const struct cvy_shape *whole);
/* Whether the device computes something of the node. */
bool cvy_parting_works(const struct cvy_parting *parting, size_t node, size_t device);

/* Divides units among devices of these speeds so that the last one is ready as early as can be; cuts an axis
 * of `size` positions into units of `unit`. */
struct cvy_cut cvy_cut_by_speed(size_t axis, size_t size, size_t unit, const double *speeds,
                                size_t n_devices);

/*
 * Chooses for the devices. graph is folded (fold.h), values as inferred; both must stay. CVY_SPLIT_AUTO takes
 * the way with the least expected time; another is taken as it is, or CVY_ERROR_UNSUPPORTED says why it is
 * not possible.
 */
enum cvy_status cvy_parting_create(struct cvy_parting **parting, const struct cvy_graph *graph,
                                   const struct cvy_value_info *values, struct cvy_device *const *devices,
                                   size_t n_devices, enum cvy_split split);
void cvy_parting_destroy(struct cvy_parting **parting);

/* Whether an operator computes each element from those at its place, of inputs that broadcast. */
bool cvy_part_is_elementwise(enum cvy_op_type type);

/* The two ways. Each fills nodes of a parting that is all at home yet. false, and why (size bytes) tells the
 * reason: not possible. */
bool cvy_part_batch(struct cvy_parting *parting, const double *speeds, char *why, size_t size);
/* costs: decides with cvy_part_cost whether a convolution is worth the copies; NULL: every one that can be
 * cut is. */
struct cvy_part_costs;
bool cvy_part_channels(struct cvy_parting *parting, const double *speeds, const struct cvy_part_costs *costs,
                       char *why, size_t size);

/* Along which axis the constant that is input `index` of a cut node has to be cut, and where; false: it is
 * taken whole. */
bool cvy_part_constant(const struct cvy_parting *parting, size_t node, size_t index, size_t device,
                       struct cvy_piece *piece);

/* A value that goes into, or comes out of, what a device does in a stage. */
struct cvy_part_port {
    size_t value;
    struct cvy_piece piece;
};
struct cvy_part_ports {
    size_t n_inputs, n_outputs;
    struct cvy_part_port *inputs, *outputs;
};
/* Finds the ports of a device in a stage; no outputs: it has nothing to do. Outputs of the graph that are its
 * inputs are nobody's. */
enum cvy_status cvy_part_ports_find(struct cvy_part_ports *ports, const struct cvy_parting *parting,
                                    size_t stage, size_t device);
void cvy_part_ports_finish(struct cvy_part_ports *ports);

/* Makes a graph of what the device does in the stage, with inputs and outputs in the order of the ports. All
 * graphs of a parting must live as long as any: they share constants. */
enum cvy_status cvy_part_graph_create(struct cvy_graph **graph, const struct cvy_parting *parting,
                                      const struct cvy_part_ports *ports, size_t stage, size_t device);

#endif
