/* run_trace.c - the last run as a trace for Chrome or Perfetto. */
#include "run_trace.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Threads, as the viewer calls its rows. */
enum { ROW_ENQUEUE = 1, ROW_QUEUE, ROW_DEVICE };

static cJSON *add_event(cJSON *events, const char *phase, int row)
{
    cJSON *event = cJSON_CreateObject();
    cJSON_AddStringToObject(event, "ph", phase);
    cJSON_AddNumberToObject(event, "pid", 1);
    cJSON_AddNumberToObject(event, "tid", row);
    cJSON_AddItemToArray(events, event);
    return event;
}

static void add_name(cJSON *events, const char *kind, int row, const char *name)
{
    cJSON *event = add_event(events, "M", row);
    cJSON_AddStringToObject(event, "name", kind);
    cJSON_AddStringToObject(cJSON_AddObjectToObject(event, "args"), "name", name);
}

static void add_span(cJSON *events, const struct cvy_plan_layer *layer, const char *category, int row,
                     double begin, double end)
{
    char shape[128];
    if (begin < 0 || end < begin) {
        return;
    }
    cJSON *event = add_event(events, "X", row);
    cJSON_AddStringToObject(event, "name", layer->name[0] ? layer->name : layer->op);
    cJSON_AddStringToObject(event, "cat", category);
    cJSON_AddNumberToObject(event, "ts", 1e3 * begin);
    cJSON_AddNumberToObject(event, "dur", 1e3 * (end - begin));
    cJSON *args = cJSON_AddObjectToObject(event, "args");
    cJSON_AddStringToObject(args, "operator", layer->op);
    cJSON_AddStringToObject(args, "algorithm", layer->algorithm);
    cJSON_AddStringToObject(args, "output", cvy_shape_format(&layer->output, shape, sizeof(shape)));
    cJSON_AddNumberToObject(args, "flops", layer->flops);
}

static cJSON *make_trace(const struct run *run, const char *model)
{
    char device[192], process[512];
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "displayTimeUnit", "ms");
    cJSON *events = cJSON_AddArrayToObject(json, "traceEvents");
    cvy_cli_describe_device(run->device, device, sizeof(device));
    snprintf(process, sizeof(process), "%s on %s", model, device);
    add_name(events, "process_name", 0, process);
    add_name(events, "thread_name", ROW_ENQUEUE, "enqueued by the host");
    add_name(events, "thread_name", ROW_QUEUE, "waiting in the queue");
    add_name(events, "thread_name", ROW_DEVICE, "running on the device");
    for (size_t i = 0; i < cvy_plan_layer_count(run->plan); i++) {
        struct cvy_plan_layer layer;
        if (cvy_plan_get_layer(run->plan, i, &layer) == CVY_OK) {
            add_span(events, &layer, "enqueue", ROW_ENQUEUE, layer.enqueue_begin, layer.enqueue_end);
            add_span(events, &layer, "queued", ROW_QUEUE, layer.enqueue_end, layer.run_begin);
            add_span(events, &layer, "running", ROW_DEVICE, layer.run_begin, layer.run_end);
        }
    }
    return json;
}

bool cvy_run_trace(const struct run *run, const char *model, const char *path)
{
    cJSON *json = make_trace(run, model);
    char *text = cJSON_PrintUnformatted(json);
    cJSON_Delete(json);
    FILE *file = text ? fopen(path, "w") : NULL;
    bool done = file && fputs(text, file) >= 0;
    done = file && fclose(file) == 0 && done;
    if (!done) {
        cvy_cli_error("%s: %s", path, text ? strerror(errno) : "out of memory");
        if (file) {
            remove(path);
        }
    }
    free(text);
    return done;
}
