/* bench_devices.c - convoy bench --device A,B: several devices against the first of them alone. */
#include "bench_devices.h"
#include "measure.h"
#include "model_shapes.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PORTS 16
#define RUN_SECONDS 2e-3 /* a turn lasts at least so long */
#define TOLERANCE 1e-3

/* One convolution, or a whole model, on one device and on all of them. */
struct entrant {
    const char *label;
    struct cvy_graph *graph;
    struct cvy_plan *alone, *together;
    size_t n_inputs, n_outputs;
    struct cvy_tensor inputs[MAX_PORTS], outputs[MAX_PORTS];
    struct cvy_binding bindings[2 * MAX_PORTS]; /* of the plan alone */
    size_t repeats;
    double *alone_seconds, *together_seconds, *times; /* of each turn */
};

static void entrant_finish(struct entrant *entrant)
{
    cvy_plan_destroy(&entrant->alone);
    cvy_plan_destroy(&entrant->together);
    cvy_graph_destroy(&entrant->graph);
    for (size_t i = 0; i < MAX_PORTS; i++) {
        cvy_tensor_finish(&entrant->inputs[i]);
        cvy_tensor_finish(&entrant->outputs[i]);
    }
    for (size_t i = 0; i < 2 * MAX_PORTS; i++) {
        cvy_buffer_destroy(&entrant->bindings[i].buffer);
    }
    free(entrant->alone_seconds);
    free(entrant->together_seconds);
    free(entrant->times);
    *entrant = (struct entrant){0};
}

static bool random_tensor(struct cvy_tensor *tensor, enum cvy_dtype dtype, const struct cvy_shape *shape)
{
    static uint32_t state = CVY_RANDOM_BEGIN;
    if (cvy_tensor_init(tensor, dtype, shape) != CVY_OK) {
        return false;
    }
    if (dtype == CVY_FLOAT32) {
        cvy_random_fill(tensor->data, tensor->elements, &state);
    }
    return true;
}

static bool add_constant(struct cvy_graph *graph, struct cvy_value **value, const struct cvy_shape *shape)
{
    struct cvy_tensor tensor = {0};
    const bool done = random_tensor(&tensor, CVY_FLOAT32, shape) &&
                      cvy_graph_add_constant(graph, value, NULL, &tensor) == CVY_OK;
    cvy_tensor_finish(&tensor);
    return done;
}

/* A graph of the convolution alone. */
static bool conv_graph(struct cvy_graph **graph, const struct cvy_conv_problem *problem)
{
    struct cvy_value *inputs[3], *out;
    struct cvy_shape x, w;
    const struct cvy_shape bias = {1, {problem->k}};
    const struct cvy_op op = cvy_op_from_problem(CVY_OP_CONV, problem);
    return cvy_conv_x_shape(problem, &x) == CVY_OK && cvy_conv_w_shape(problem, &w) == CVY_OK &&
           cvy_graph_create(graph) == CVY_OK && cvy_graph_add_input(*graph, &inputs[0], "x", &x) == CVY_OK &&
           add_constant(*graph, &inputs[1], &w) &&
           (!problem->bias || add_constant(*graph, &inputs[2], &bias)) &&
           cvy_graph_add_node(*graph, &out, &op, inputs, problem->bias ? 3 : 2, "conv") == CVY_OK &&
           cvy_graph_add_output(*graph, out, "y") == CVY_OK;
}

static bool make_tensors(struct entrant *entrant, struct cvy_device *device)
{
    for (size_t i = 0; i < entrant->n_inputs + entrant->n_outputs; i++) {
        const bool is_input = i < entrant->n_inputs;
        const size_t index = is_input ? i : i - entrant->n_inputs;
        struct cvy_tensor *tensor = is_input ? &entrant->inputs[index] : &entrant->outputs[index];
        struct cvy_shape shape;
        enum cvy_dtype dtype;
        if (is_input) {
            dtype = cvy_plan_input_dtype(entrant->alone, index);
            cvy_plan_input_shape(entrant->alone, index, &shape);
        } else {
            dtype = cvy_plan_output_dtype(entrant->alone, index);
            cvy_plan_output_shape(entrant->alone, index, &shape);
        }
        entrant->bindings[i].name = is_input ? cvy_graph_input_name(entrant->graph, index)
                                             : cvy_graph_output_name(entrant->graph, index);
        if (!random_tensor(tensor, dtype, &shape) ||
            cvy_buffer_create(&entrant->bindings[i].buffer, device, tensor->bytes) != CVY_OK) {
            return false;
        }
    }
    return true;
}

/* Both from host memory to host memory. Negative: failed. */
static double run_alone(struct entrant *entrant)
{
    struct cvy_event *event = NULL;
    const size_t n_in = entrant->n_inputs, n_out = entrant->n_outputs;
    const double start = cvy_cli_now();
    bool done = true;
    for (size_t i = 0; done && i < n_in; i++) {
        done = cvy_buffer_write(entrant->bindings[i].buffer, 0, entrant->inputs[i].bytes,
                                entrant->inputs[i].data) == CVY_OK;
    }
    done = done &&
           cvy_plan_enqueue(entrant->alone, entrant->bindings, n_in + n_out, NULL, 0, &event) == CVY_OK &&
           cvy_event_wait(event) == CVY_OK;
    cvy_event_destroy(&event);
    for (size_t i = 0; done && i < n_out; i++) {
        done = cvy_buffer_read(entrant->bindings[n_in + i].buffer, 0, entrant->outputs[i].bytes,
                               entrant->outputs[i].data) == CVY_OK;
    }
    return done ? cvy_cli_now() - start : -1;
}

static bool is_close(const struct cvy_tensor *a, const struct cvy_tensor *b)
{
    double largest = 0, error = 0;
    if (a->dtype != CVY_FLOAT32) {
        return memcmp(a->data, b->data, a->bytes) == 0;
    }
    for (size_t i = 0; i < a->elements; i++) {
        const double x = ((const float *)a->data)[i], y = ((const float *)b->data)[i];
        largest = fmax(largest, fabs(y));
        error = isfinite(x) == isfinite(y) ? fmax(error, fabs(x - y)) : INFINITY;
    }
    return error <= TOLERANCE * largest;
}

/* check: the results must be those of the run alone. */
static double run_together(struct entrant *entrant, bool check)
{
    struct cvy_tensor results[MAX_PORTS] = {{0}};
    const double start = cvy_cli_now();
    bool done = cvy_plan_run(entrant->together, entrant->inputs, results) == CVY_OK;
    const double seconds = cvy_cli_now() - start;
    for (size_t i = 0; i < entrant->n_outputs; i++) {
        if (done && check && !is_close(&results[i], &entrant->outputs[i])) {
            cvy_cli_error("%s: several devices give another result than one", entrant->label);
            done = false;
        }
        cvy_tensor_finish(&results[i]);
    }
    return done ? seconds : -1;
}

/* Plans, data, and a first run of both. shapes: of the inputs; NULL: as they are declared. */
static bool set_up(struct entrant *entrant, const struct cvy_bench_devices *params,
                   const struct cvy_shape *shapes)
{
    struct cvy_plan_params plan_params = {.input_shapes = shapes,
                                          .n_input_shapes =
                                              shapes ? cvy_graph_input_count(entrant->graph) : 0,
                                          .algo = params->algo,
                                          .split = params->split};
    entrant->n_inputs = cvy_graph_input_count(entrant->graph);
    entrant->n_outputs = cvy_graph_output_count(entrant->graph);
    if (entrant->n_inputs > MAX_PORTS || entrant->n_outputs > MAX_PORTS) {
        cvy_cli_error("%s: more than %d inputs or outputs", entrant->label, MAX_PORTS);
        return false;
    }
    entrant->alone_seconds = calloc(params->turns, sizeof(double));
    entrant->together_seconds = calloc(params->turns, sizeof(double));
    entrant->times = calloc(params->turns, sizeof(double));
    struct cvy_device *const *devices = params->devices->items;
    if (!entrant->alone_seconds || !entrant->together_seconds || !entrant->times ||
        cvy_plan_create(&entrant->alone, entrant->graph, devices, 1, &plan_params) != CVY_OK ||
        cvy_plan_create(&entrant->together, entrant->graph, devices, params->devices->count, &plan_params) !=
            CVY_OK ||
        !make_tensors(entrant, devices[0])) {
        return false;
    }
    double seconds = 0;
    for (int i = 0; i < 3 && seconds >= 0; i++) {
        seconds = run_alone(entrant);
        seconds = seconds < 0 || run_together(entrant, i == 0) < 0 ? -1 : seconds;
    }
    entrant->repeats = seconds > 0 ? (size_t)ceil(RUN_SECONDS / fmax(seconds, 1e-6)) : 1;
    return seconds >= 0;
}

/* In turns, so that what else the machine does meets both alike. */
static bool take_turns(struct entrant *entrant, size_t turns)
{
    for (size_t turn = 0; turn < turns; turn++) {
        double alone = 0, together = 0;
        for (size_t i = 0; i < entrant->repeats; i++) {
            const double a = run_alone(entrant);
            alone += a;
            if (a < 0) {
                return false;
            }
        }
        for (size_t i = 0; i < entrant->repeats; i++) {
            const double b = run_together(entrant, false);
            together += b;
            if (b < 0) {
                return false;
            }
        }
        entrant->alone_seconds[turn] = alone / (double)entrant->repeats;
        entrant->together_seconds[turn] = together / (double)entrant->repeats;
        entrant->times[turn] = alone / together;
    }
    return true;
}

static cJSON *row_json(const struct entrant *entrant, double alone, double together, double times,
                       const char *split)
{
    cJSON *item = cJSON_CreateObject();
    cJSON_AddStringToObject(item, "name", entrant->label);
    cJSON_AddStringToObject(item, "split", split);
    cJSON_AddNumberToObject(item, "alone_ms", 1e3 * alone);
    cJSON_AddNumberToObject(item, "together_ms", 1e3 * together);
    cJSON_AddNumberToObject(item, "speed_up", times);
    return item;
}

/* Measures one, and prints it, or adds it to rows. */
static bool measure(struct entrant *entrant, const struct cvy_bench_devices *params,
                    const struct cvy_shape *shapes, cJSON *rows, double sums[2])
{
    static const char *const splits[] = {
        [CVY_SPLIT_AUTO] = "none", [CVY_SPLIT_BATCH] = "batch", [CVY_SPLIT_CHANNELS] = "channels"};
    if (!set_up(entrant, params, shapes) || !take_turns(entrant, params->turns)) {
        return false;
    }
    const char *split = splits[cvy_plan_get_split(entrant->together)];
    const double alone = cvy_median(entrant->alone_seconds, params->turns),
                 together = cvy_median(entrant->together_seconds, params->turns);
    /* of a turn, whose halves are close: what else the machine does changes less in between */
    const double times = cvy_median(entrant->times, params->turns);
    sums[0] += alone;
    sums[1] += together;
    if (rows) {
        cJSON_AddItemToArray(rows, row_json(entrant, alone, together, times, split));
        return true;
    }
    printf("%-40.60s %-9s %12.4f %12.4f %8.2f\n", entrant->label, split, 1e3 * alone, 1e3 * together, times);
    fflush(stdout);
    return true;
}

static bool measure_model(const struct cvy_bench_devices *params, cJSON *rows, double sums[2])
{
    struct entrant entrant = {.label = params->model};
    bool done = cvy_graph_load_onnx(&entrant.graph, params->model, NULL) == CVY_OK;
    const size_t n_inputs = done ? cvy_graph_input_count(entrant.graph) : 0;
    struct cvy_shape *shapes = calloc(n_inputs + 1, sizeof(*shapes));
    bool *given = calloc(n_inputs + 1, sizeof(*given));
    done = done && shapes && given &&
           cvy_model_shapes(entrant.graph, shapes, given, params->shapes, params->n_shapes, "bench") ==
               CVY_CLI_OK &&
           measure(&entrant, params, shapes, rows, sums);
    free(shapes);
    free(given);
    entrant_finish(&entrant);
    return done;
}

static bool measure_all(const struct cvy_bench_devices *params, cJSON *rows, double sums[2])
{
    bool all = true;
    if (params->model) {
        return measure_model(params, rows, sums);
    }
    for (size_t i = 0; i < params->workload->count; i++) {
        const struct cvy_workload_item *item = &params->workload->items[i];
        struct entrant entrant = {.label = cvy_workload_label(item)};
        all =
            conv_graph(&entrant.graph, &item->problem) && measure(&entrant, params, NULL, rows, sums) && all;
        entrant_finish(&entrant);
    }
    return all;
}

bool cvy_bench_devices(const struct cvy_bench_devices *params, bool json)
{
    char devices[1024];
    double sums[2] = {0};
    cvy_cli_describe_devices(params->devices, devices, sizeof(devices));
    if (json) {
        cJSON *report = cJSON_CreateObject();
        cJSON_AddStringToObject(report, "devices", devices);
        cJSON *rows = cJSON_AddArrayToObject(report, "results");
        const bool done = measure_all(params, rows, sums);
        return cvy_cli_print_json(report) && done;
    }
    printf("%s\n\n%-40s %-9s %12s %12s %8s\n", devices, params->model ? "MODEL" : "CONVOLUTION", "SPLIT",
           "FIRST ms", "ALL ms", "TIMES");
    const bool done = measure_all(params, NULL, sums);
    if (!params->model && params->workload->count > 1 && sums[1] > 0) {
        printf("%-40s %-9s %12.4f %12.4f %8.2f\n", "sum", "", 1e3 * sums[0], 1e3 * sums[1],
               sums[0] / sums[1]);
    }
    return done;
}
