/* plan.h - a compiled graph: what plan.c makes and exec.c runs. */
#ifndef CVY_GRAPH_PLAN_H
#define CVY_GRAPH_PLAN_H

#include <pthread.h>

#include "graph/graph.h"
#include "graph/memory.h"
#include "op/operator.h"

struct cvy_arena;  /* arena.h */
struct cvy_shards; /* shard.h */

enum cvy_place {
    CVY_PLACE_NONE,     /* nothing reads it */
    CVY_PLACE_INPUT,    /* the buffer bound to an input */
    CVY_PLACE_OUTPUT,   /* the buffer bound to an output: the value is written straight there */
    CVY_PLACE_CONSTANT, /* uploaded once */
    CVY_PLACE_ARENA,    /* a part of the plan's own memory */
    CVY_PLACE_SLICE,    /* a part of the slot `binding`, at offset */
};

/* Where the bytes of one or several values are: aliases and in-place results share a slot. */
struct cvy_slot {
    enum cvy_place place;
    size_t binding;            /* index of the input or output; of the slot that this is a slice of */
    size_t offset;             /* of a slice */
    struct cvy_buffer *buffer; /* of a constant */
    size_t bytes;
};

/* One operator to enqueue. Slots are indices; SIZE_MAX stands for an input left out. */
struct cvy_step {
    struct cvy_operator *operator;
    char *name;
    char *fused; /* NULL: none */
    size_t n_inputs;
    size_t *inputs;
    size_t output;
    bool joins_slices;                 /* a Concat whose inputs lie one behind the other in the output */
    double seconds;                    /* of the last profiled run; negative: unknown */
    double enqueue_begin, enqueue_end; /* of that run, on the host's clock */
};

struct cvy_port {
    char *name;
    struct cvy_shape shape;
    enum cvy_dtype dtype;
    size_t bytes;
    size_t slot; /* output: where its value is; a copy is made unless that is the bound buffer itself */
};

struct cvy_plan {
    struct cvy_shards *shards; /* of several devices; then only inputs and outputs below are used */
    struct cvy_device *device;
    bool profile;
    struct cvy_slot *slots;
    struct cvy_step *steps;
    struct cvy_port *inputs, *outputs;
    size_t n_slots, n_steps, n_inputs, n_outputs;
    struct cvy_memory_item *items; /* of each slot, then of each step's scratch memory: where in an arena */
    size_t *block_bytes;           /* of an arena's allocations */
    size_t n_blocks;
    pthread_mutex_t lock;      /* guards what follows, and the order of launches: one run after the other */
    struct cvy_arena **arenas; /* runs take turns; made when first needed */
    size_t n_arenas, max_arenas, n_runs;
    struct cvy_plan_memory memory;
    struct cvy_event **marks; /* profile: one before the first step and one after each */
    double begun_at;          /* when the first was enqueued, on the host's clock; 0: never */
};

/* How much a plan may be generous with; budget.c. */
struct cvy_plan_budget {
    size_t max_workspace; /* of a layer; never 0 */
    double max_growth;    /* of a layer's weights when they are prepared, as a factor; 0: any */
    size_t more_growth;   /* and so many bytes beside that */
    bool only_count;      /* nothing is allocated: the plan tells what it would take, and cannot be run */
};

enum cvy_status cvy_plan_make(struct cvy_plan **plan, const struct cvy_graph *folded,
                              struct cvy_device *device, const struct cvy_plan_params *params,
                              const struct cvy_plan_budget *budget);
/* The most generous budget that keeps within params->max_memory. */
enum cvy_status cvy_plan_find_budget(const struct cvy_graph *folded, struct cvy_device *device,
                                     const struct cvy_plan_params *params, struct cvy_plan_budget *budget);
/* Whether a tensor is what the plan was made for. */
enum cvy_status cvy_port_check(const struct cvy_port *port, const struct cvy_tensor *tensor);

/* Decides where every slot lies: in place, in a bound buffer, or at which offset; place.c. */
enum cvy_status cvy_plan_place(struct cvy_plan *plan);

/* Lets concatenated slots be slices of the output, and their steps read them no more; slices.c. */
void cvy_plan_join_slices(struct cvy_plan *plan);
/* The slot whose memory a slot's is, and where in it. */
size_t cvy_plan_root(const struct cvy_plan *plan, size_t slot, size_t *offset);

#endif
