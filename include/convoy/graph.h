/*
 * graph.h - build a graph of operators, compile it to a plan for a device and fixed shapes, run the plan.
 */
#ifndef CONVOY_GRAPH_H
#define CONVOY_GRAPH_H

#include <convoy/arithmetic.h>
#include <convoy/device.h>
#include <convoy/op.h>
#include <convoy/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cvy_graph;
struct cvy_value; /* one tensor of a graph; owned by the graph and alive as long as it */

CVY_API enum cvy_status cvy_graph_create(struct cvy_graph **graph);
CVY_API void cvy_graph_destroy(struct cvy_graph **graph);

/* An input. Names are copied and must be unique. A dimension of 0 is open: the plan takes it from the shape
 * given for the input. NULL shape: even the rank is open. */
CVY_API enum cvy_status cvy_graph_add_input(struct cvy_graph *graph, struct cvy_value **value,
                                            const char *name, const struct cvy_shape *shape);
/* The same for another element type than float32. */
CVY_API enum cvy_status cvy_graph_add_typed_input(struct cvy_graph *graph, struct cvy_value **value,
                                                  const char *name, enum cvy_dtype dtype,
                                                  const struct cvy_shape *shape);
/* A constant, such as weights; the tensor is copied. name may be NULL. Operators say which types they take.
 */
CVY_API enum cvy_status cvy_graph_add_constant(struct cvy_graph *graph, struct cvy_value **value,
                                               const char *name, const struct cvy_tensor *tensor);
/*
 * A node with one output. inputs are values of this graph; NULL for an optional one left out. op is copied.
 * name may be NULL; it stands in messages and tables. CVY_ERROR_INVALID for a wrong number of inputs.
 * Shapes are checked when a plan is made, attributes that need no shape at once.
 */
CVY_API enum cvy_status cvy_graph_add_node(struct cvy_graph *graph, struct cvy_value **output,
                                           const struct cvy_op *op, struct cvy_value *const *inputs,
                                           size_t n_inputs, const char *name);
/* Names a value as an output, in order. One value may be several outputs. */
CVY_API enum cvy_status cvy_graph_add_output(struct cvy_graph *graph, struct cvy_value *value,
                                             const char *name);

CVY_API size_t cvy_graph_input_count(const struct cvy_graph *graph);
CVY_API size_t cvy_graph_output_count(const struct cvy_graph *graph);
/* NULL past the last. */
CVY_API const char *cvy_graph_input_name(const struct cvy_graph *graph, size_t index);
CVY_API const char *cvy_graph_output_name(const struct cvy_graph *graph, size_t index);
/* The declared shape (0 = open dimension); false where even the rank is open. */
CVY_API bool cvy_graph_input_shape(const struct cvy_graph *graph, size_t index, struct cvy_shape *shape);
CVY_API enum cvy_dtype cvy_graph_input_dtype(const struct cvy_graph *graph, size_t index);

/* What one node of a graph does to inputs of given shapes. */
struct cvy_layer {
    const char *name; /* the node's */
    const char *op;   /* "Conv", ... */
    struct cvy_shape output;
    const struct cvy_conv_problem *conv; /* NULL where the node is no single convolution */
    double multiplications;              /* 0 for other operators than convolutions, Gemm and MatMul */
    double parameters;                   /* elements of its constants */
    double bytes;                        /* inputs, constants and output, each read or written once */
    size_t axes; /* spatial axes whose receptive field is known; 0 = none, an operator sees everything */
    struct cvy_receptive_field field[CVY_CONV_MAX_RANK];
};
struct cvy_layer_list {
    size_t count;
    struct cvy_layer *layers;
};
/* Infers shapes and costs of all nodes that the outputs need and a device runs, in order, without a device.
 * input_shapes as in struct cvy_plan_params. The graph must stay while the list is used. */
CVY_API enum cvy_status cvy_graph_describe(const struct cvy_graph *graph,
                                           const struct cvy_shape *input_shapes, size_t n_input_shapes,
                                           struct cvy_layer_list **list);
CVY_API void cvy_layer_list_destroy(struct cvy_layer_list **list);

struct cvy_plan;

/* How several devices share the work. */
enum cvy_split {
    CVY_SPLIT_AUTO = 0, /* the way, or the one device, that is expected to take least time */
    CVY_SPLIT_BATCH,    /* each device computes some of the batch, in proportion to its measured speed */
    /* Each device computes some groups of grouped convolutions, or some output channels of others, and what
     * works on each channel alone behind them; the rest is done by the fastest one. Between, values are
     * copied from device to device. AUTO does this only where it pays. */
    CVY_SPLIT_CHANNELS,
};

struct cvy_plan_params {
    /* Shapes of the graph's inputs, in order; an input past n_input_shapes takes its declared shape, which
     * then must have no open dimension. */
    const struct cvy_shape *input_shapes;
    size_t n_input_shapes;
    const char *algo;     /* convolutions use this algorithm where it applies; NULL = chosen by convoy */
    size_t max_workspace; /* bytes of scratch memory one layer may use; 0 = 256 MiB */
    /* A ceiling on everything that the plan takes of the device: constants, prepared weights, and what runs
     * in flight reserve; 0 = none. Under it convolutions get less scratch memory and weights that do not
     * grow. The buffers bound to inputs and outputs are the caller's, and while a plan is made, one constant
     * more may be there. CVY_ERROR_DEVICE_MEMORY names the smallest ceiling that works; nothing is allocated
     * later. */
    size_t max_memory;
    bool strict;          /* convolutions: as in struct cvy_conv_problem */
    bool profile;         /* measure each layer; see cvy_plan_get_layer() */
    /* Passes over the graph to leave out, by name: see cvy_plan_pass_name(). The result is the same but for
     * rounding. */
    const char *const *skip_passes;
    size_t n_skip_passes;
    /* Values between layers lie in blocks of channels (conv.h) wherever operators take them so: 2, 4, 8 or 16
     * channels. 0: in those that suit the device, where that is expected to be faster. */
    size_t block;
    /* Runs that have intermediates of their own while they are in flight; memory for them is taken when it is
     * first needed. 0 = 1: on a device, whose work is in order, further ones gain nothing but that the values
     * of one run outlive the beginning of the next. */
    size_t in_flight;
    enum cvy_split split; /* of several devices */
};

/* The passes that fold nodes into each other before a plan is made, in the order in which they run; NULL past
 * the last. The name, and in a few words what it does. */
CVY_API const char *cvy_plan_pass_name(size_t index);
CVY_API const char *cvy_plan_pass_description(size_t index);

/*
 * Compiles the graph for n_devices different devices, at most 16. Constants are uploaded and kernels built.
 * The graph is no longer needed afterwards. Errors name the node.
 *
 * On several devices shares follow their measured speeds (cvy_device_get_rates()), and runs that several
 * threads call for follow each other. Where a device fails in a run, a warning says so, and what it had to do
 * is compiled for the others and done again; the run fails only when none is left. For that a copy of the
 * constants stays in host memory. CVY_ERROR_UNSUPPORTED where the split asked for is not possible.
 */
CVY_API enum cvy_status cvy_plan_create(struct cvy_plan **plan, const struct cvy_graph *graph,
                                        struct cvy_device *const *devices, size_t n_devices,
                                        const struct cvy_plan_params *params);
CVY_API void cvy_plan_destroy(struct cvy_plan **plan);

/* How the plan's devices share the work; CVY_SPLIT_AUTO: one of them does it all. */
CVY_API enum cvy_split cvy_plan_get_split(const struct cvy_plan *plan);

/* As params.profile, for the runs that follow. */
CVY_API void cvy_plan_set_profile(struct cvy_plan *plan, bool profile);

CVY_API size_t cvy_plan_input_count(const struct cvy_plan *plan);
CVY_API size_t cvy_plan_output_count(const struct cvy_plan *plan);
CVY_API enum cvy_status cvy_plan_input_shape(const struct cvy_plan *plan, size_t index,
                                             struct cvy_shape *shape);
CVY_API enum cvy_status cvy_plan_output_shape(const struct cvy_plan *plan, size_t index,
                                              struct cvy_shape *shape);
CVY_API enum cvy_dtype cvy_plan_input_dtype(const struct cvy_plan *plan, size_t index);
CVY_API enum cvy_dtype cvy_plan_output_dtype(const struct cvy_plan *plan, size_t index);

/* A buffer for an input or output, by name. Dense, of the plan's element type, at least as large as the shape
 * needs. */
struct cvy_binding {
    const char *name;
    struct cvy_buffer *buffer;
};

/*
 * Enqueues the whole plan behind `waits` and returns before it has run; event (may be NULL) ends with it.
 * Every input and output must be bound. Any number of runs may be in flight, enqueued by any threads: they
 * run in the order of these calls. Runs with the same buffers as one of the last few cost the host less.
 *
 * On several devices buffers may be on any device of the process; values go through the host, and the call
 * returns when the plan has run.
 */
CVY_API enum cvy_status cvy_plan_enqueue(struct cvy_plan *plan, const struct cvy_binding *bindings,
                                         size_t n_bindings, struct cvy_event *const *waits, size_t n_waits,
                                         struct cvy_event **event);

/* Uploads, runs, waits and downloads. inputs: one tensor for each input, in order, with the plan's shapes and
 * element types. outputs: as many zeroed structs as there are outputs; they are initialised here and finished
 * by the caller. */
CVY_API enum cvy_status cvy_plan_run(struct cvy_plan *plan, const struct cvy_tensor *inputs,
                                     struct cvy_tensor *outputs);

enum cvy_plan_place_kind {
    CVY_PLAN_PLACE_NONE = 0, /* nothing reads it */
    CVY_PLAN_PLACE_INPUT,    /* the buffer bound to input `index` */
    CVY_PLAN_PLACE_OUTPUT,   /* the buffer bound to output `index` */
    CVY_PLAN_PLACE_MEMORY,   /* the plan's own allocation `index` */
};

/* Where a value lies. */
struct cvy_plan_place {
    enum cvy_plan_place_kind kind;
    size_t index, offset, bytes;
};

struct cvy_plan_layer {
    struct cvy_device *device; /* that computes it */
    const char *name;      /* the node's */
    const char *op;        /* "Conv", ... */
    const char *fused;     /* the other nodes that it does, as "Relu 'name', Add 'name'"; "": none */
    const char *algorithm; /* a convolution's algorithm; "" for other operators */
    struct cvy_shape output;
    double milliseconds; /* of the last run with profile; negative: there was none */
    /* When that run's host enqueued it, and when the device ran it, in milliseconds since the run began;
     * negative where unknown. */
    double enqueue_begin, enqueue_end, run_begin, run_end;
    double flops;        /* of a convolution or Gemm; 0 for other operators */
    struct cvy_plan_place place; /* of its output */
    size_t block; /* channels of the blocks that its output lies in (conv.h); 0: plain. Its shape stays */
};

CVY_API size_t cvy_plan_layer_count(const struct cvy_plan *plan);
/* Of those, how many only bring a value into blocks of channels, or out of them. */
CVY_API size_t cvy_plan_conversion_count(const struct cvy_plan *plan);
/* Waits for the last run with profile. Times come from the device's clock; on a device whose clock shows
 * nothing the plan waits after each layer and takes the host's. */
CVY_API enum cvy_status cvy_plan_get_layer(const struct cvy_plan *plan, size_t index,
                                           struct cvy_plan_layer *layer);

/* A value between layers, or a layer's scratch memory, in what a run reserves. */
struct cvy_plan_item {
    const char *layer; /* that first writes it */
    bool is_scratch;
    size_t block; /* the allocation */
    size_t offset, bytes;
    size_t first, last; /* layers that need it, both included */
};
CVY_API size_t cvy_plan_item_count(const struct cvy_plan *plan);
CVY_API enum cvy_status cvy_plan_get_item(const struct cvy_plan *plan, size_t index,
                                          struct cvy_plan_item *item);

struct cvy_plan_memory {
    size_t total;         /* bytes of all that the plan takes: what max_memory limits */
    size_t constants;     /* bytes of weights as they are */
    size_t prepared;      /* bytes that operators have for themselves, such as transformed weights */
    size_t intermediates; /* the largest sum of values between layers that are needed at once */
    size_t without_reuse; /* what they would take one beside the other */
    size_t workspace;     /* the most scratch memory of a layer */
    size_t peak;          /* what a run reserves for values between layers and scratch memory */
    size_t lower_bound;   /* the most that one layer needs of both: peak cannot be less */
};
/* Peak and bound are of one run; each of several in flight needs them (params.in_flight). */
CVY_API void cvy_plan_get_memory(const struct cvy_plan *plan, struct cvy_plan_memory *memory);

#ifdef __cplusplus
}
#endif

#endif
