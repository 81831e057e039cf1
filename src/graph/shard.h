/*
 * shard.h - a plan for several devices, made of plans for one device each.
 *
 * What a device has to do in a stage (parting.h) is a shard: a graph and a plan of its own. A run enqueues
 * the shards of a stage on all devices, then waits for all. Values go from one device to another through
 * memory of the host. Where a device fails, its shards are compiled for another one, from graphs that are
 * kept for that.
 */
#ifndef CVY_GRAPH_SHARD_H
#define CVY_GRAPH_SHARD_H

#include <pthread.h>

#include "graph/parting.h"
#include "graph/plan.h"
#include "runtime/transfer.h"

struct cvy_shard_port {
    size_t value;
    struct cvy_piece piece;
    struct cvy_rows rows; /* where the piece lies in the whole value */
    size_t offset;
    size_t bytes;
    bool is_copied; /* from the host, or to it */
    /* An input that the device has from an earlier stage: that port; NULL: a buffer of its own. */
    const struct cvy_shard_port *source;
    struct cvy_buffer *buffer;
};

struct cvy_shard {
    size_t n_inputs, n_outputs; /* no outputs: nothing to do */
    struct cvy_shard_port *inputs, *outputs;
    struct cvy_binding *bindings; /* inputs, then outputs */
    struct cvy_graph *graph;
    struct cvy_plan *plan;
    struct cvy_event *event; /* of the run in progress */
    bool done;               /* in it */
};

/* A value that goes through the host. */
struct cvy_shard_value {
    struct cvy_shape shape;
    enum cvy_dtype dtype;
    size_t bytes;
    char *own;  /* NULL: not allocated */
    char *host; /* in the run in progress */
};

struct cvy_shards {
    pthread_mutex_t lock; /* one run at a time */
    enum cvy_split split;
    size_t n_devices, n_stages, n_values;
    struct cvy_device *devices[CVY_MAX_DEVICES];
    bool has_failed[CVY_MAX_DEVICES];
    size_t owner[CVY_MAX_DEVICES]; /* who does a device's shards */
    double share[CVY_MAX_DEVICES]; /* of the batch, or of the multiplications */
    struct cvy_shard *shards;      /* of stage s and device d: [s * n_devices + d] */
    struct cvy_shard_value *values;
    size_t *input_values, *output_values; /* of the plan's inputs and outputs */
    size_t n_inputs, n_outputs;
    struct cvy_plan_params params;
    char *algo;               /* of params */
    const char **skip_passes; /* of params */
};

/* Makes the plan: ports and shards. */
enum cvy_status cvy_shards_plan_create(struct cvy_plan **plan, const struct cvy_graph *graph,
                                       struct cvy_device *const *devices, size_t n_devices,
                                       const struct cvy_plan_params *params);
void cvy_shards_destroy(struct cvy_shards **shards);

/* Makes buffers and plans of a device's shards, on whoever owns them. */
enum cvy_status cvy_shards_compile(struct cvy_shards *shards, size_t device);
void cvy_shards_release(struct cvy_shards *shards, size_t device);

/* As cvy_plan_run(). */
enum cvy_status cvy_shards_run(struct cvy_plan *plan, const struct cvy_tensor *inputs,
                               struct cvy_tensor *outputs);
/* As cvy_plan_enqueue() with these buffers, of any devices; returns when it is done. */
enum cvy_status cvy_shards_enqueue(struct cvy_plan *plan, struct cvy_buffer *const *inputs,
                                   struct cvy_buffer *const *outputs, struct cvy_event *const *waits,
                                   size_t n_waits, struct cvy_event **event);

/* Layers of all shards, one behind the other. */
size_t cvy_shards_layer_count(const struct cvy_shards *shards);
enum cvy_status cvy_shards_get_layer(const struct cvy_shards *shards, size_t index,
                                     struct cvy_plan_layer *layer);
size_t cvy_shards_conversion_count(const struct cvy_shards *shards);
void cvy_shards_get_memory(const struct cvy_shards *shards, struct cvy_plan_memory *memory);
void cvy_shards_set_profile(struct cvy_shards *shards, bool profile);

#endif
