#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "base/tensor.h"
#include "graph/arena.h"
#include "graph/shard.h"
#include "runtime/buffer.h"
#include "runtime/device.h"

/* The buffers bound for one run, inputs and outputs in the plan's order. */
struct run {
    struct cvy_plan *plan;
    struct cvy_buffer **inputs, **outputs;
    struct cvy_arena *arena;
    struct cvy_replay *replay; /* NULL: launches are described anew */
};

static struct cvy_buffer *slot_buffer(const struct run *run, size_t slot)
{
    if (slot == SIZE_MAX)
        return NULL;
    const struct cvy_slot *s = &run->plan->slots[slot];
    if (s->place == CVY_PLACE_INPUT)
        return run->inputs[s->binding];
    if (s->place == CVY_PLACE_OUTPUT)
        return run->outputs[s->binding];
    return s->place == CVY_PLACE_ARENA || s->place == CVY_PLACE_SLICE ? run->arena->parts[slot] : s->buffer;
}

/* Where an input and an output share a name, the first binding of that name is the input's. */
static enum cvy_status bind_ports(const struct cvy_plan *plan, bool is_input,
                                  const struct cvy_binding *bindings, size_t n_bindings,
                                  struct cvy_buffer **buffers, bool *used)
{
    const struct cvy_port *ports = is_input ? plan->inputs : plan->outputs;
    const char *kind = is_input ? "input" : "output";
    for (size_t i = 0; i < (is_input ? plan->n_inputs : plan->n_outputs); i++) {
        for (size_t j = 0; j < n_bindings && buffers[i] == NULL; j++) {
            if (used[j] || bindings[j].name == NULL || strcmp(bindings[j].name, ports[i].name) != 0)
                continue;
            used[j] = true;
            buffers[i] = bindings[j].buffer;
        }
        if (buffers[i] == NULL)
            return cvy_fail(CVY_ERROR_INVALID, "plan: %s '%s' is not bound to a buffer", kind, ports[i].name);
        if (plan->shards == NULL && cvy_buffer_device(buffers[i]) != plan->device)
            return cvy_fail(CVY_ERROR_INVALID, "plan: the buffer of %s '%s' is on another device", kind,
                            ports[i].name);
        if (cvy_buffer_bytes(buffers[i]) < ports[i].bytes)
            return cvy_fail(CVY_ERROR_INVALID, "plan: %s '%s' needs %zu bytes, its buffer has %zu", kind,
                            ports[i].name, ports[i].bytes, cvy_buffer_bytes(buffers[i]));
    }
    return CVY_OK;
}

static enum cvy_status bind(struct run *run, const struct cvy_binding *bindings, size_t n_bindings)
{
    bool *used = calloc(n_bindings + 1, sizeof(*used));
    if (used == NULL)
        return cvy_fail_memory("plan", n_bindings);
    enum cvy_status status = bind_ports(run->plan, true, bindings, n_bindings, run->inputs, used);
    if (status == CVY_OK)
        status = bind_ports(run->plan, false, bindings, n_bindings, run->outputs, used);
    for (size_t i = 0; status == CVY_OK && i < n_bindings; i++) {
        if (!used[i])
            status = cvy_fail(CVY_ERROR_INVALID,
                              "plan: '%s' is bound twice, or names no input or output; leave it out",
                              bindings[i].name ? bindings[i].name : "(null)");
    }
    free(used);
    return status;
}

/* The mark after step `index` (0: before the first). */
static enum cvy_status mark(struct cvy_plan *plan, size_t index)
{
    cvy_event_destroy(&plan->marks[index]);
    return cvy_enqueue_marker(plan->device, &plan->marks[index]);
}

static enum cvy_status enqueue_step(const struct run *run, size_t index)
{
    struct cvy_plan *plan = run->plan;
    struct cvy_step *step = &plan->steps[index];
    bool by_host = plan->profile && !plan->device->can_profile;
    double begin = cvy_now();
    struct cvy_buffer *few[8], **in = few;
    if (step->n_inputs > CVY_COUNT(few) && (in = calloc(step->n_inputs, sizeof(*in))) == NULL)
        return cvy_fail_memory("plan step", step->n_inputs * sizeof(*in));
    for (size_t i = 0; i < step->n_inputs; i++)
        in[i] = slot_buffer(run, step->inputs[i]);
    enum cvy_status status =
        cvy_replay_step(run->replay, index, step->operator, in, step->n_inputs,
                        slot_buffer(run, step->output), run->arena->parts[plan->n_slots + index]);
    if (in != few)
        free(in);
    if (plan->profile) {
        step->enqueue_begin = begin;
        step->enqueue_end = cvy_now();
    }
    if (status == CVY_OK && by_host) {
        status = cvy_device_finish(plan->device);
        step->seconds = cvy_now() - begin;
    } else if (status == CVY_OK && plan->profile) {
        status = mark(plan, index + 1);
    }
    return status;
}

static enum cvy_status enqueue_steps(const struct run *run)
{
    struct cvy_plan *plan = run->plan;
    enum cvy_status status = CVY_OK;
    if (plan->profile) {
        plan->begun_at = cvy_now();
        status = plan->device->can_profile ? mark(plan, 0) : cvy_device_finish(plan->device);
    }
    for (size_t i = 0; status == CVY_OK && i < plan->n_steps; i++) {
        char context[256];
        snprintf(context, sizeof(context), "node '%s' (%s)", plan->steps[i].name,
                 cvy_op_name(&plan->steps[i].operator->op));
        const char *before = cvy_log_set_context(context);
        status = enqueue_step(run, i);
        cvy_log_set_context(before);
    }
    for (size_t i = 0; status == CVY_OK && i < plan->n_outputs; i++) {
        struct cvy_port *port = &plan->outputs[i];
        struct cvy_buffer *value = slot_buffer(run, port->slot);
        if (value != run->outputs[i])
            status = cvy_buffer_copy(value, 0, run->outputs[i], 0, port->bytes);
    }
    return status;
}

enum cvy_status cvy_plan_enqueue(struct cvy_plan *plan, const struct cvy_binding *bindings, size_t n_bindings,
                                 struct cvy_event *const *waits, size_t n_waits, struct cvy_event **event)
{
    size_t n_ports = plan->n_inputs + plan->n_outputs;
    struct cvy_buffer **buffers = calloc(n_ports + 1, sizeof(*buffers));
    if (buffers == NULL)
        return cvy_fail_memory("plan", n_ports * sizeof(*buffers));
    struct run run = {.plan = plan, .inputs = buffers, .outputs = buffers + plan->n_inputs};
    enum cvy_status status = bind(&run, bindings, n_bindings);
    if (status == CVY_OK && plan->shards != NULL) {
        status = cvy_shards_enqueue(plan, run.inputs, run.outputs, waits, n_waits, event);
    } else if (status == CVY_OK) {
        pthread_mutex_lock(&plan->lock);
        run.arena = cvy_arena_next(plan);
        run.replay = cvy_replay_find(&run.arena->replays, buffers, n_ports, plan->n_steps);
        status = cvy_enqueue_waits(plan->device, waits, n_waits);
        if (status == CVY_OK)
            status = enqueue_steps(&run);
        if (status == CVY_OK && event != NULL)
            status = cvy_enqueue_marker(plan->device, event);
        pthread_mutex_unlock(&plan->lock);
    }
    free(buffers);
    return status;
}

static enum cvy_status upload(struct cvy_buffer *buffer, const struct cvy_tensor *tensor)
{
    if (!cvy_device_get_info(cvy_buffer_device(buffer))->unified_memory)
        return cvy_buffer_write(buffer, 0, tensor->bytes, tensor->data);
    void *data;
    enum cvy_status status = cvy_buffer_map(buffer, CVY_MAP_WRITE, &data);
    if (status != CVY_OK)
        return status;
    memcpy(data, tensor->data, tensor->bytes);
    return cvy_buffer_unmap(buffer, data);
}

static enum cvy_status download(struct cvy_buffer *buffer, struct cvy_tensor *tensor)
{
    if (!cvy_device_get_info(cvy_buffer_device(buffer))->unified_memory)
        return cvy_buffer_read(buffer, 0, tensor->bytes, tensor->data);
    void *data;
    enum cvy_status status = cvy_buffer_map(buffer, CVY_MAP_READ, &data);
    if (status != CVY_OK)
        return status;
    memcpy(tensor->data, data, tensor->bytes);
    return cvy_buffer_unmap(buffer, data);
}

enum cvy_status cvy_port_check(const struct cvy_port *port, const struct cvy_tensor *tensor)
{
    char given[128], wanted[128];
    if (tensor->dtype == port->dtype && cvy_shape_equal(&tensor->shape, &port->shape))
        return CVY_OK;
    return cvy_fail(CVY_ERROR_INVALID, "plan: input '%s' is %s of shape %s, but the plan was made for %s %s",
                    port->name, cvy_dtype_name(tensor->dtype),
                    cvy_shape_format(&tensor->shape, given, sizeof(given)), cvy_dtype_name(port->dtype),
                    cvy_shape_format(&port->shape, wanted, sizeof(wanted)));
}

/* Buffers for every port, inputs filled. */
static enum cvy_status make_bindings(struct cvy_plan *plan, const struct cvy_tensor *inputs,
                                     struct cvy_binding *bindings)
{
    for (size_t i = 0; i < plan->n_inputs + plan->n_outputs; i++) {
        bool is_input = i < plan->n_inputs;
        const struct cvy_port *port = is_input ? &plan->inputs[i] : &plan->outputs[i - plan->n_inputs];
        enum cvy_status status = is_input ? cvy_port_check(port, &inputs[i]) : CVY_OK;
        bindings[i].name = port->name;
        if (status == CVY_OK)
            status = cvy_buffer_create(&bindings[i].buffer, plan->device, port->bytes);
        if (status == CVY_OK && is_input)
            status = upload(bindings[i].buffer, &inputs[i]);
        if (status != CVY_OK)
            return status;
    }
    return CVY_OK;
}

static enum cvy_status run_bound(struct cvy_plan *plan, const struct cvy_binding *bindings,
                                 struct cvy_tensor *outputs)
{
    struct cvy_event *event = NULL;
    enum cvy_status status =
        cvy_plan_enqueue(plan, bindings, plan->n_inputs + plan->n_outputs, NULL, 0, &event);
    if (status == CVY_OK)
        status = cvy_event_wait(event);
    cvy_event_destroy(&event);
    for (size_t i = 0; status == CVY_OK && i < plan->n_outputs; i++) {
        status = cvy_tensor_allocate(&outputs[i], plan->outputs[i].dtype, &plan->outputs[i].shape);
        if (status == CVY_OK)
            status = download(bindings[plan->n_inputs + i].buffer, &outputs[i]);
    }
    return status;
}

enum cvy_status cvy_plan_run(struct cvy_plan *plan, const struct cvy_tensor *inputs,
                             struct cvy_tensor *outputs)
{
    if (plan->shards != NULL)
        return cvy_shards_run(plan, inputs, outputs);
    size_t n_ports = plan->n_inputs + plan->n_outputs;
    struct cvy_binding *bindings = calloc(n_ports + 1, sizeof(*bindings));
    if (bindings == NULL)
        return cvy_fail_memory("plan", n_ports * sizeof(*bindings));
    enum cvy_status status = make_bindings(plan, inputs, bindings);
    if (status == CVY_OK)
        status = run_bound(plan, bindings, outputs);
    if (status != CVY_OK) {
        /* what was enqueued before the failure may still use the buffers */
        cvy_device_finish(plan->device);
        for (size_t i = 0; i < plan->n_outputs; i++)
            cvy_tensor_finish(&outputs[i]);
    }
    for (size_t i = 0; i < n_ports; i++)
        cvy_buffer_destroy(&bindings[i].buffer);
    free(bindings);
    return status;
}

void cvy_plan_set_profile(struct cvy_plan *plan, bool profile)
{
    pthread_mutex_lock(&plan->lock);
    plan->profile = profile;
    pthread_mutex_unlock(&plan->lock);
    if (plan->shards != NULL)
        cvy_shards_set_profile(plan->shards, profile);
}

size_t cvy_plan_input_count(const struct cvy_plan *plan)
{
    return plan->n_inputs;
}

size_t cvy_plan_output_count(const struct cvy_plan *plan)
{
    return plan->n_outputs;
}

static enum cvy_status port_shape(const struct cvy_port *ports, size_t n_ports, size_t index,
                                  struct cvy_shape *shape)
{
    if (index >= n_ports)
        return cvy_fail(CVY_ERROR_INVALID, "plan: there is no port %zu, only %zu", index, n_ports);
    *shape = ports[index].shape;
    return CVY_OK;
}

enum cvy_status cvy_plan_input_shape(const struct cvy_plan *plan, size_t index, struct cvy_shape *shape)
{
    return port_shape(plan->inputs, plan->n_inputs, index, shape);
}

enum cvy_status cvy_plan_output_shape(const struct cvy_plan *plan, size_t index, struct cvy_shape *shape)
{
    return port_shape(plan->outputs, plan->n_outputs, index, shape);
}

enum cvy_dtype cvy_plan_input_dtype(const struct cvy_plan *plan, size_t index)
{
    return index < plan->n_inputs ? plan->inputs[index].dtype : CVY_FLOAT32;
}

enum cvy_dtype cvy_plan_output_dtype(const struct cvy_plan *plan, size_t index)
{
    return index < plan->n_outputs ? plan->outputs[index].dtype : CVY_FLOAT32;
}
