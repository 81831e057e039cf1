#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "base/tensor.h"
#include "graph/shard.h"
#include "runtime/device.h"

#define REASON_BYTES 512

/* What a device that fails returns; other errors are the caller's, or the host's. */
static bool is_failure_of_device(enum cvy_status status)
{
    return status == CVY_ERROR_DEVICE || status == CVY_ERROR_DEVICE_MEMORY || status == CVY_ERROR_BUILD ||
           status == CVY_ERROR_NOT_FOUND;
}

static const char *name_of(const struct cvy_shards *s, size_t device)
{
    const struct cvy_device_info *info = cvy_device_get_info(s->devices[device]);
    return info->selector[0] != '\0' ? info->selector : info->name;
}

/* Enqueues uploads, the plan, and downloads. */
static enum cvy_status start(struct cvy_shards *s, struct cvy_shard *shard, size_t owner)
{
    enum cvy_status status = CVY_OK;
    if (shard->plan == NULL)
        return cvy_fail(CVY_ERROR_DEVICE,
                        "plan: a run before this one left no device for a part; make a new plan");
    for (size_t i = 0; status == CVY_OK && i < shard->n_inputs; i++) {
        struct cvy_shard_port *port = &shard->inputs[i];
        if (port->is_copied)
            status = cvy_upload_rows(port->buffer, s->values[port->value].host + port->offset, &port->rows);
    }
    if (status == CVY_OK)
        status =
            cvy_plan_enqueue(shard->plan, shard->bindings, shard->n_inputs + shard->n_outputs, NULL, 0, NULL);
    for (size_t i = 0; status == CVY_OK && i < shard->n_outputs; i++) {
        struct cvy_shard_port *port = &shard->outputs[i];
        if (port->is_copied)
            status = cvy_download_rows(port->buffer, s->values[port->value].host + port->offset, &port->rows);
    }
    return status == CVY_OK ? cvy_enqueue_marker(s->devices[owner], &shard->event) : status;
}

/* What came of the shards of a stage. */
struct outcome {
    enum cvy_status status; /* the first error */
    size_t owner;           /* whose it is */
    char reason[REASON_BYTES];
};

static void note(struct outcome *outcome, enum cvy_status status, size_t owner, const char *reason)
{
    if (status == CVY_OK || outcome->status != CVY_OK)
        return;
    outcome->status = status;
    outcome->owner = owner;
    snprintf(outcome->reason, sizeof(outcome->reason), "%s", reason);
}

static void run_stage(struct cvy_shards *s, size_t stage, struct outcome *outcome)
{
    struct cvy_shard *shards = &s->shards[stage * s->n_devices];
    for (size_t d = 0; d < s->n_devices; d++) {
        char reason[REASON_BYTES] = "";
        if (shards[d].n_outputs == 0 || shards[d].done)
            continue;
        const struct cvy_log_held before = cvy_log_hold((struct cvy_log_held){reason, sizeof(reason)});
        note(outcome, start(s, &shards[d], s->owner[d]), s->owner[d], reason);
        cvy_log_hold(before);
    }
    for (size_t d = 0; d < s->n_devices; d++) {
        char reason[REASON_BYTES] = "";
        if (shards[d].event == NULL)
            continue;
        const struct cvy_log_held before = cvy_log_hold((struct cvy_log_held){reason, sizeof(reason)});
        const enum cvy_status status = cvy_event_wait(shards[d].event);
        cvy_log_hold(before);
        cvy_event_destroy(&shards[d].event);
        shards[d].done = status == CVY_OK;
        note(outcome, status, s->owner[d], reason);
    }
}

/* Whoever has the least to do of those that work. */
static size_t find_survivor(const struct cvy_shards *s)
{
    double load[CVY_MAX_DEVICES] = {0};
    size_t best = SIZE_MAX;
    for (size_t d = 0; d < s->n_devices; d++)
        load[s->owner[d]] += s->share[d];
    for (size_t d = 0; d < s->n_devices; d++) {
        if (!s->has_failed[d] && (best == SIZE_MAX || load[d] < load[best]))
            best = d;
    }
    return best;
}

/* Lets others do what the device had to. */
static enum cvy_status replace(struct cvy_shards *s, const struct outcome *outcome)
{
    char ignored[REASON_BYTES] = "";
    s->has_failed[outcome->owner] = true;
    const size_t survivor = find_survivor(s);
    if (survivor == SIZE_MAX)
        return cvy_fail(outcome->status, "plan: every device has failed, %s at last: %s",
                        name_of(s, outcome->owner), outcome->reason);
    cvy_log(CVY_LOG_WARNING, "plan: device %s failed; its work is done by others from now on: %s",
            name_of(s, outcome->owner), outcome->reason);
    /* what it had begun must not write where others will */
    const struct cvy_log_held before = cvy_log_hold((struct cvy_log_held){ignored, sizeof(ignored)});
    cvy_device_finish(s->devices[outcome->owner]);
    for (size_t d = 0; d < s->n_devices; d++) {
        if (s->owner[d] == outcome->owner)
            cvy_shards_release(s, d);
    }
    cvy_log_hold(before);
    for (size_t d = 0; d < s->n_devices; d++) {
        if (s->owner[d] != outcome->owner)
            continue;
        struct outcome next = {.owner = s->owner[d] = find_survivor(s)};
        const struct cvy_log_held held = cvy_log_hold((struct cvy_log_held){next.reason, REASON_BYTES});
        next.status = cvy_shards_compile(s, d);
        cvy_log_hold(held);
        enum cvy_status status = next.status;
        if (status != CVY_OK)
            status = is_failure_of_device(status) ? replace(s, &next) : cvy_fail(status, "%s", next.reason);
        if (status != CVY_OK)
            return status;
    }
    return CVY_OK;
}

static void begin_anew(struct cvy_shards *s)
{
    for (size_t i = 0; i < s->n_stages * s->n_devices; i++)
        s->shards[i].done = false;
}

/* host of every value that is bound is set. */
static enum cvy_status run_stages(struct cvy_shards *s)
{
    begin_anew(s);
    for (size_t stage = 0; stage < s->n_stages;) {
        struct outcome outcome = {0};
        run_stage(s, stage, &outcome);
        if (outcome.status == CVY_OK) {
            stage++;
            continue;
        }
        if (!is_failure_of_device(outcome.status))
            return cvy_fail(outcome.status, "%s", outcome.reason);
        enum cvy_status status = replace(s, &outcome);
        if (status != CVY_OK)
            return status;
        /* what the device alone had of earlier stages is lost */
        if (s->n_stages > 1)
            begin_anew(s);
        stage = 0;
    }
    return CVY_OK;
}

/* Nothing may write to the host's memory any more. */
static void finish_all(struct cvy_shards *s)
{
    char ignored[8] = "";
    const struct cvy_log_held before = cvy_log_hold((struct cvy_log_held){ignored, sizeof(ignored)});
    for (size_t d = 0; d < s->n_devices; d++)
        cvy_device_finish(s->devices[d]);
    cvy_log_hold(before);
}

static enum cvy_status own_memory(struct cvy_shard_value *value)
{
    if (value->own == NULL)
        value->own = malloc(value->bytes);
    return value->own != NULL ? CVY_OK : cvy_fail_memory("a value on its way between devices", value->bytes);
}

/* Memory for what goes through the host and is bound to nothing. */
static enum cvy_status bind_rest(struct cvy_shards *s)
{
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; i < s->n_stages * s->n_devices; i++) {
        for (size_t j = 0; status == CVY_OK && j < s->shards[i].n_outputs; j++) {
            const struct cvy_shard_port *port = &s->shards[i].outputs[j];
            struct cvy_shard_value *value = &s->values[port->value];
            if (!port->is_copied || value->host != NULL)
                continue;
            status = own_memory(value);
            value->host = value->own;
        }
    }
    return status;
}

static void unbind(struct cvy_shards *s)
{
    for (size_t i = 0; i < s->n_values; i++)
        s->values[i].host = NULL;
}

/* From and to memory of the host. */
static enum cvy_status run_on_host(struct cvy_shards *s, void *const *inputs, void *const *outputs)
{
    unbind(s);
    for (size_t i = 0; i < s->n_inputs; i++)
        s->values[s->input_values[i]].host = inputs[i]; /* only read: no port of theirs is an output */
    for (size_t i = 0; i < s->n_outputs; i++) {
        struct cvy_shard_value *value = &s->values[s->output_values[i]];
        value->host = value->host != NULL ? value->host : outputs[i];
    }
    enum cvy_status status = bind_rest(s);
    if (status == CVY_OK)
        status = run_stages(s);
    if (status != CVY_OK)
        finish_all(s);
    for (size_t i = 0; status == CVY_OK && i < s->n_outputs; i++) {
        const struct cvy_shard_value *value = &s->values[s->output_values[i]];
        if (value->host != outputs[i])
            memcpy(outputs[i], value->host, value->bytes);
    }
    unbind(s);
    return status;
}

enum cvy_status cvy_shards_run(struct cvy_plan *plan, const struct cvy_tensor *inputs,
                               struct cvy_tensor *outputs)
{
    struct cvy_shards *s = plan->shards;
    enum cvy_status status = CVY_OK;
    void **memory = calloc(plan->n_inputs + plan->n_outputs + 1, sizeof(*memory));
    if (memory == NULL)
        return cvy_fail_memory("plan", plan->n_inputs * sizeof(*memory));
    for (size_t i = 0; status == CVY_OK && i < plan->n_inputs; i++) {
        status = cvy_port_check(&plan->inputs[i], &inputs[i]);
        memory[i] = inputs[i].data;
    }
    for (size_t i = 0; status == CVY_OK && i < plan->n_outputs; i++) {
        status = cvy_tensor_allocate(&outputs[i], plan->outputs[i].dtype, &plan->outputs[i].shape);
        memory[plan->n_inputs + i] = outputs[i].data;
    }
    if (status == CVY_OK) {
        pthread_mutex_lock(&s->lock);
        status = run_on_host(s, memory, memory + plan->n_inputs);
        pthread_mutex_unlock(&s->lock);
    }
    free(memory);
    for (size_t i = 0; status != CVY_OK && i < plan->n_outputs; i++)
        cvy_tensor_finish(&outputs[i]);
    return status;
}

static enum cvy_status run_on_buffers(struct cvy_plan *plan, struct cvy_buffer *const *inputs,
                                      struct cvy_buffer *const *outputs, char *memory, void **places)
{
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; i < plan->n_inputs + plan->n_outputs; i++) {
        places[i] = memory;
        memory += cvy_round_up(
            i < plan->n_inputs ? plan->inputs[i].bytes : plan->outputs[i - plan->n_inputs].bytes, 64);
    }
    for (size_t i = 0; status == CVY_OK && i < plan->n_inputs; i++)
        status = cvy_buffer_read(inputs[i], 0, plan->inputs[i].bytes, places[i]);
    if (status == CVY_OK)
        status = run_on_host(plan->shards, places, places + plan->n_inputs);
    for (size_t i = 0; status == CVY_OK && i < plan->n_outputs; i++)
        status = cvy_buffer_write(outputs[i], 0, plan->outputs[i].bytes, places[plan->n_inputs + i]);
    return status;
}

enum cvy_status cvy_shards_enqueue(struct cvy_plan *plan, struct cvy_buffer *const *inputs,
                                   struct cvy_buffer *const *outputs, struct cvy_event *const *waits,
                                   size_t n_waits, struct cvy_event **event)
{
    struct cvy_shards *s = plan->shards;
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < n_waits; i++)
        status = cvy_event_wait(waits[i]);
    if (status != CVY_OK)
        return status;
    size_t bytes = 0;
    for (size_t i = 0; i < plan->n_inputs + plan->n_outputs; i++)
        bytes += cvy_round_up(
            i < plan->n_inputs ? plan->inputs[i].bytes : plan->outputs[i - plan->n_inputs].bytes, 64);
    char *memory = malloc(bytes + 1);
    void **places = calloc(plan->n_inputs + plan->n_outputs + 1, sizeof(*places));
    if (memory == NULL || places == NULL)
        status = cvy_fail_memory("inputs and outputs on their way between devices", bytes);
    if (status == CVY_OK) {
        pthread_mutex_lock(&s->lock);
        status = run_on_buffers(plan, inputs, outputs, memory, places);
        if (status == CVY_OK && event != NULL)
            status = cvy_enqueue_marker(s->devices[s->owner[0]], event);
        pthread_mutex_unlock(&s->lock);
    }
    free(memory);
    free(places);
    return status;
}

size_t cvy_shards_layer_count(const struct cvy_shards *s)
{
    size_t count = 0;
    for (size_t i = 0; i < s->n_stages * s->n_devices; i++)
        count += s->shards[i].plan != NULL ? cvy_plan_layer_count(s->shards[i].plan) : 0;
    return count;
}

enum cvy_status cvy_shards_get_layer(const struct cvy_shards *s, size_t index, struct cvy_plan_layer *layer)
{
    size_t rest = index;
    for (size_t i = 0; i < s->n_stages * s->n_devices; i++) {
        const size_t count = s->shards[i].plan != NULL ? cvy_plan_layer_count(s->shards[i].plan) : 0;
        if (rest < count) {
            enum cvy_status status = cvy_plan_get_layer(s->shards[i].plan, rest, layer);
            if (status == CVY_OK)
                layer->device = s->devices[s->owner[i % s->n_devices]];
            return status;
        }
        rest -= count;
    }
    return cvy_fail(CVY_ERROR_INVALID, "plan: there is no layer %zu, only %zu", index, index - rest);
}

size_t cvy_shards_conversion_count(const struct cvy_shards *s)
{
    size_t count = 0;
    for (size_t i = 0; i < s->n_stages * s->n_devices; i++)
        count += s->shards[i].plan != NULL ? cvy_plan_conversion_count(s->shards[i].plan) : 0;
    return count;
}

void cvy_shards_get_memory(const struct cvy_shards *s, struct cvy_plan_memory *memory)
{
    *memory = (struct cvy_plan_memory){0};
    for (size_t i = 0; i < s->n_stages * s->n_devices; i++) {
        struct cvy_plan_memory own = {0};
        if (s->shards[i].plan == NULL)
            continue;
        cvy_plan_get_memory(s->shards[i].plan, &own);
        memory->total += own.total;
        memory->constants += own.constants;
        memory->prepared += own.prepared;
        memory->intermediates += own.intermediates;
        memory->without_reuse += own.without_reuse;
        memory->workspace += own.workspace;
        memory->peak += own.peak;
        memory->lower_bound += own.lower_bound;
    }
}

void cvy_shards_set_profile(struct cvy_shards *s, bool profile)
{
    for (size_t i = 0; i < s->n_stages * s->n_devices; i++) {
        if (s->shards[i].plan != NULL)
            cvy_plan_set_profile(s->shards[i].plan, profile);
    }
    s->params.profile = profile;
}
