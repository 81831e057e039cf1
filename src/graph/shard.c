#include "graph/shard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "base/text.h"
#include "graph/fold.h"

static struct cvy_shard *shard_at(const struct cvy_shards *shards, size_t stage, size_t device)
{
    return &shards->shards[stage * shards->n_devices + device];
}

/* How a piece lies in the whole. */
static void describe_port(struct cvy_shard_port *port, const struct cvy_part_port *part,
                          const struct cvy_value_info *info)
{
    size_t rows = 1;
    const size_t size = part->piece.count != 0 ? info->shape.dims[part->piece.axis] : 1;
    for (size_t i = 0; part->piece.count != 0 && i < part->piece.axis; i++)
        rows *= info->shape.dims[i];
    const size_t pitch = info->bytes / rows, count = part->piece.count != 0 ? part->piece.count : 1;
    *port = (struct cvy_shard_port){.value = part->value, .piece = part->piece};
    port->rows = (struct cvy_rows){rows, pitch / size * count, pitch};
    port->offset = part->piece.count != 0 ? pitch / size * part->piece.begin : 0;
    port->bytes = rows * port->rows.bytes;
}

static enum cvy_status make_ports(struct cvy_shard *shard, const struct cvy_parting *parting,
                                  const struct cvy_part_ports *ports)
{
    shard->inputs = calloc(ports->n_inputs + 1, sizeof(*shard->inputs));
    shard->outputs = calloc(ports->n_outputs + 1, sizeof(*shard->outputs));
    shard->bindings = calloc(ports->n_inputs + ports->n_outputs + 1, sizeof(*shard->bindings));
    if (shard->inputs == NULL || shard->outputs == NULL || shard->bindings == NULL)
        return cvy_fail_memory("a plan for several devices", ports->n_inputs * sizeof(*shard->inputs));
    shard->n_inputs = ports->n_inputs;
    shard->n_outputs = ports->n_outputs;
    for (size_t i = 0; i < ports->n_inputs; i++)
        describe_port(&shard->inputs[i], &ports->inputs[i], &parting->values[ports->inputs[i].value]);
    for (size_t i = 0; i < ports->n_outputs; i++)
        describe_port(&shard->outputs[i], &ports->outputs[i], &parting->values[ports->outputs[i].value]);
    return CVY_OK;
}

static enum cvy_status make_shard(struct cvy_shards *shards, const struct cvy_parting *parting, size_t stage,
                                  size_t device)
{
    struct cvy_shard *shard = shard_at(shards, stage, device);
    struct cvy_part_ports ports;
    enum cvy_status status = cvy_part_ports_find(&ports, parting, stage, device);
    if (status != CVY_OK)
        return status;
    if (ports.n_outputs > 0)
        status = make_ports(shard, parting, &ports);
    if (status == CVY_OK && ports.n_outputs > 0)
        status = cvy_part_graph_create(&shard->graph, parting, &ports, stage, device);
    cvy_part_ports_finish(&ports);
    return status;
}

/* The port of an earlier stage by which the device has the same piece. */
static const struct cvy_shard_port *find_source(const struct cvy_shards *shards, size_t stage, size_t device,
                                                const struct cvy_shard_port *port)
{
    for (size_t s = 0; s < stage; s++) {
        const struct cvy_shard *shard = shard_at(shards, s, device);
        for (size_t i = 0; i < shard->n_inputs + shard->n_outputs; i++) {
            const struct cvy_shard_port *other =
                i < shard->n_inputs ? &shard->inputs[i] : &shard->outputs[i - shard->n_inputs];
            if (other->value == port->value && other->source == NULL &&
                cvy_piece_equal(&other->piece, &port->piece))
                return other;
        }
    }
    return NULL;
}

static void copy_out(struct cvy_shards *shards, size_t value)
{
    for (size_t i = 0; i < shards->n_stages * shards->n_devices; i++) {
        struct cvy_shard *shard = &shards->shards[i];
        for (size_t j = 0; j < shard->n_outputs; j++)
            shard->outputs[j].is_copied = shard->outputs[j].is_copied || shard->outputs[j].value == value;
    }
}

/* Which ports go through the host. */
static void find_copies(struct cvy_shards *shards)
{
    for (size_t s = 0; s < shards->n_stages; s++) {
        for (size_t d = 0; d < shards->n_devices; d++) {
            struct cvy_shard *shard = shard_at(shards, s, d);
            for (size_t i = 0; i < shard->n_inputs; i++) {
                struct cvy_shard_port *port = &shard->inputs[i];
                port->source = find_source(shards, s, d, port);
                port->is_copied = port->source == NULL;
                if (port->is_copied)
                    copy_out(shards, port->value);
            }
        }
    }
    for (size_t i = 0; i < shards->n_outputs; i++)
        copy_out(shards, shards->output_values[i]);
}

static void name_bindings(struct cvy_shard *shard)
{
    for (size_t i = 0; i < shard->n_inputs + shard->n_outputs; i++) {
        const bool is_input = i < shard->n_inputs;
        const struct cvy_shard_port *port =
            is_input ? &shard->inputs[i] : &shard->outputs[i - shard->n_inputs];
        shard->bindings[i].name = is_input ? cvy_graph_input_name(shard->graph, i)
                                           : cvy_graph_output_name(shard->graph, i - shard->n_inputs);
        shard->bindings[i].buffer = port->source != NULL ? port->source->buffer : port->buffer;
    }
}

static enum cvy_status make_buffers(struct cvy_shard_port *ports, size_t count, struct cvy_device *device)
{
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < count; i++) {
        if (ports[i].source == NULL)
            status = cvy_buffer_create(&ports[i].buffer, device, ports[i].bytes);
    }
    return status;
}

enum cvy_status cvy_shards_compile(struct cvy_shards *shards, size_t device)
{
    struct cvy_device *owner = shards->devices[shards->owner[device]];
    enum cvy_status status = CVY_OK;
    for (size_t s = 0; status == CVY_OK && s < shards->n_stages; s++) {
        struct cvy_shard *shard = shard_at(shards, s, device);
        if (shard->n_outputs == 0)
            continue;
        status = make_buffers(shard->inputs, shard->n_inputs, owner);
        if (status == CVY_OK)
            status = make_buffers(shard->outputs, shard->n_outputs, owner);
        if (status == CVY_OK)
            status = cvy_plan_create(&shard->plan, shard->graph, &owner, 1, &shards->params);
        name_bindings(shard);
    }
    return status;
}

void cvy_shards_release(struct cvy_shards *shards, size_t device)
{
    for (size_t s = shards->n_stages; s-- > 0;) {
        struct cvy_shard *shard = shard_at(shards, s, device);
        cvy_event_destroy(&shard->event);
        cvy_plan_destroy(&shard->plan);
        for (size_t i = 0; i < shard->n_inputs; i++)
            cvy_buffer_destroy(&shard->inputs[i].buffer);
        for (size_t i = 0; i < shard->n_outputs; i++)
            cvy_buffer_destroy(&shard->outputs[i].buffer);
    }
}

void cvy_shards_destroy(struct cvy_shards **shards)
{
    if (shards == NULL || *shards == NULL)
        return;
    struct cvy_shards *s = *shards;
    char ignored[8] = "";
    for (size_t d = 0; s->shards != NULL && d < s->n_devices; d++) {
        const bool failed = s->has_failed[s->owner[d]];
        const struct cvy_log_held held =
            failed ? (struct cvy_log_held){ignored, sizeof(ignored)} : (struct cvy_log_held){0};
        const struct cvy_log_held before = cvy_log_hold(held);
        cvy_shards_release(s, d);
        cvy_log_hold(before);
    }
    for (size_t i = 0; s->shards != NULL && i < s->n_stages * s->n_devices; i++) {
        cvy_graph_destroy(&s->shards[i].graph);
        free(s->shards[i].inputs);
        free(s->shards[i].outputs);
        free(s->shards[i].bindings);
    }
    for (size_t i = 0; s->values != NULL && i < s->n_values; i++)
        free(s->values[i].own);
    free(s->shards);
    free(s->values);
    free(s->input_values);
    free(s->output_values);
    free(s->algo);
    free(s->skip_passes);
    pthread_mutex_destroy(&s->lock);
    free(s);
    *shards = NULL;
}

static enum cvy_status allocate(struct cvy_shards *s, const struct cvy_graph *graph,
                                const struct cvy_parting *parting)
{
    s->n_stages = parting->n_stages;
    s->n_values = graph->n_values;
    s->n_inputs = graph->n_inputs;
    s->n_outputs = graph->n_outputs;
    s->split = parting->split;
    s->shards = calloc(s->n_stages * s->n_devices, sizeof(*s->shards));
    s->values = calloc(s->n_values + 1, sizeof(*s->values));
    s->input_values = calloc(s->n_inputs + 1, sizeof(*s->input_values));
    s->output_values = calloc(s->n_outputs + 1, sizeof(*s->output_values));
    if (s->shards == NULL || s->values == NULL || s->input_values == NULL || s->output_values == NULL)
        return cvy_fail_memory("a plan for several devices", s->n_values * sizeof(*s->values));
    for (size_t i = 0; i < s->n_values; i++)
        s->values[i] = (struct cvy_shard_value){.shape = parting->values[i].shape,
                                                .dtype = parting->values[i].dtype,
                                                .bytes = parting->values[i].bytes};
    for (size_t i = 0; i < s->n_inputs; i++)
        s->input_values[i] = graph->inputs[i]->index;
    for (size_t i = 0; i < s->n_outputs; i++)
        s->output_values[i] = graph->outputs[i]->value->index;
    return CVY_OK;
}

/* Of the nodes' outputs, by elements. */
static void find_shares(struct cvy_shards *s, const struct cvy_parting *parting)
{
    double sum = 0;
    for (size_t i = 0; i < parting->graph->n_nodes; i++) {
        const struct cvy_value_info *info = &parting->values[parting->graph->nodes[i]->output->index];
        for (size_t d = 0; d < s->n_devices; d++) {
            const struct cvy_piece piece = cvy_cut_piece(&parting->nodes[i].out, d);
            const double part =
                piece.count != 0 ? (double)piece.count / (double)info->shape.dims[piece.axis] : 1;
            if (cvy_parting_works(parting, i, d)) {
                s->share[d] += part * (double)info->bytes;
                sum += part * (double)info->bytes;
            }
        }
    }
    for (size_t d = 0; d < s->n_devices; d++)
        s->share[d] = sum > 0 ? s->share[d] / sum : 0;
}

static enum cvy_status make_shards(struct cvy_shards *s, const struct cvy_graph *graph,
                                   const struct cvy_value_info *values)
{
    struct cvy_parting *parting = NULL;
    enum cvy_status status =
        cvy_parting_create(&parting, graph, values, s->devices, s->n_devices, s->params.split);
    if (status == CVY_OK)
        status = allocate(s, graph, parting);
    /* the plans of a device's stages are there at once */
    s->params.max_memory /= CVY_MAX(s->n_stages, 1);
    for (size_t i = 0; status == CVY_OK && i < s->n_stages * s->n_devices; i++)
        status = make_shard(s, parting, i / s->n_devices, i % s->n_devices);
    if (status == CVY_OK) {
        find_shares(s, parting);
        find_copies(s);
    }
    cvy_parting_destroy(&parting);
    for (size_t d = 0; status == CVY_OK && d < s->n_devices; d++)
        status = cvy_shards_compile(s, d);
    return status;
}

static enum cvy_status make_plan_ports(struct cvy_plan *plan, const struct cvy_graph *graph,
                                       const struct cvy_value_info *values)
{
    plan->n_inputs = graph->n_inputs;
    plan->n_outputs = graph->n_outputs;
    plan->inputs = calloc(plan->n_inputs + 1, sizeof(*plan->inputs));
    plan->outputs = calloc(plan->n_outputs + 1, sizeof(*plan->outputs));
    if (plan->inputs == NULL || plan->outputs == NULL)
        return cvy_fail_memory("plan", plan->n_inputs * sizeof(*plan->inputs));
    for (size_t i = 0; i < plan->n_inputs + plan->n_outputs; i++) {
        const bool is_input = i < plan->n_inputs;
        struct cvy_port *port = is_input ? &plan->inputs[i] : &plan->outputs[i - plan->n_inputs];
        const struct cvy_output *output = is_input ? NULL : graph->outputs[i - plan->n_inputs];
        const struct cvy_value_info *info =
            &values[is_input ? graph->inputs[i]->index : output->value->index];
        port->shape = info->shape;
        port->dtype = info->dtype;
        port->bytes = info->bytes;
        port->name = cvy_text_copy(is_input ? graph->inputs[i]->name : output->name);
        if (port->name == NULL)
            return cvy_fail_memory("plan", 1);
    }
    return CVY_OK;
}

static enum cvy_status copy_params(struct cvy_shards *s, const struct cvy_plan_params *params)
{
    s->params = *params;
    s->params.input_shapes = NULL;
    s->params.n_input_shapes = 0;
    s->skip_passes = calloc(params->n_skip_passes + 1, sizeof(*s->skip_passes));
    if (s->skip_passes == NULL)
        return cvy_fail_memory("plan", params->n_skip_passes);
    /* their own strings stay, the caller's may not; names of none are refused by the first plan */
    for (size_t i = 0; i < params->n_skip_passes; i++) {
        s->skip_passes[i] = params->skip_passes[i];
        for (size_t j = 0; cvy_plan_pass_name(j) != NULL; j++)
            if (params->skip_passes[i] != NULL &&
                strcmp(cvy_plan_pass_name(j), params->skip_passes[i]) == 0)
                s->skip_passes[i] = cvy_plan_pass_name(j);
    }
    s->params.skip_passes = s->skip_passes;
    if (params->algo == NULL)
        return CVY_OK;
    s->params.algo = s->algo = cvy_text_copy(params->algo);
    return s->algo != NULL ? CVY_OK : cvy_fail_memory("plan", strlen(params->algo));
}

static enum cvy_status check_devices(struct cvy_device *const *devices, size_t n_devices)
{
    if (devices == NULL || n_devices == 0 || n_devices > CVY_MAX_DEVICES)
        return cvy_fail(CVY_ERROR_INVALID, "plan: %zu devices given; from 1 to %d are possible", n_devices,
                        CVY_MAX_DEVICES);
    for (size_t i = 0; i < n_devices; i++) {
        if (devices[i] == NULL)
            return cvy_fail(CVY_ERROR_INVALID, "plan: device %zu is NULL; open it first", i);
        for (size_t j = 0; j < i; j++) {
            if (devices[j] == devices[i])
                return cvy_fail(CVY_ERROR_INVALID, "plan: devices %zu and %zu are the same; leave one out", j,
                                i);
        }
    }
    return CVY_OK;
}

/* graph: folded. */
static enum cvy_status make_plan(struct cvy_plan *plan, const struct cvy_graph *graph)
{
    struct cvy_value_info *values = calloc(graph->n_values + 1, sizeof(*values));
    if (values == NULL)
        return cvy_fail_memory("plan", graph->n_values * sizeof(*values));
    enum cvy_status status = cvy_graph_infer(graph, values);
    if (status == CVY_OK)
        status = make_plan_ports(plan, graph, values);
    if (status == CVY_OK)
        status = make_shards(plan->shards, graph, values);
    free(values);
    return status;
}

enum cvy_status cvy_shards_plan_create(struct cvy_plan **plan, const struct cvy_graph *graph,
                                       struct cvy_device *const *devices, size_t n_devices,
                                       const struct cvy_plan_params *params)
{
    enum cvy_status status = check_devices(devices, n_devices);
    if (status != CVY_OK)
        return status;
    struct cvy_plan *made = calloc(1, sizeof(*made));
    struct cvy_shards *shards = calloc(1, sizeof(*shards));
    struct cvy_graph *folded = NULL;
    if (made == NULL || shards == NULL) {
        free(made);
        free(shards);
        return cvy_fail_memory("plan", sizeof(*shards));
    }
    made->shards = shards;
    pthread_mutex_init(&made->lock, NULL);
    pthread_mutex_init(&shards->lock, NULL);
    shards->n_devices = n_devices;
    memcpy(shards->devices, devices, n_devices * sizeof(struct cvy_device *));
    for (size_t d = 0; d < n_devices; d++)
        shards->owner[d] = d;
    status = copy_params(shards, params);
    if (status == CVY_OK)
        status = cvy_graph_fold(&folded, graph, params->input_shapes, params->n_input_shapes);
    if (status == CVY_OK)
        status = make_plan(made, folded);
    cvy_graph_destroy(&folded);
    if (status == CVY_OK)
        *plan = made;
    else
        cvy_plan_destroy(&made);
    return status;
}
