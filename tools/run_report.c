/* run_report.c - the table of layers, the sums, the comparisons; for people or as JSON. */
#include "run_report.h"

#include "tensor_file.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

static double layers_total(const struct run *run)
{
    double total = 0;
    for (size_t i = 0; i < cvy_plan_layer_count(run->plan); i++) {
        struct cvy_plan_layer layer;
        if (cvy_plan_get_layer(run->plan, i, &layer) == CVY_OK && layer.milliseconds > 0) {
            total += layer.milliseconds;
        }
    }
    return total;
}

static int max_int(int a, size_t b)
{
    return b > 40 ? 40 : (int)b > a ? (int)b : a;
}

static void print_layers(const struct run *run, double total)
{
    const size_t count = cvy_plan_layer_count(run->plan);
    struct cvy_plan_layer layer;
    char shape[128];
    int name_width = 5, op_width = 8, algo_width = 9, shape_width = 6;
    for (size_t i = 0; i < count; i++) {
        if (cvy_plan_get_layer(run->plan, i, &layer) == CVY_OK) {
            name_width = max_int(name_width, strlen(layer.name));
            op_width = max_int(op_width, strlen(layer.op));
            algo_width = max_int(algo_width, strlen(layer.algorithm));
            shape_width = max_int(shape_width, strlen(cvy_shape_format(&layer.output, shape, sizeof(shape))));
        }
    }
    printf("%-*s  %-*s  %-*s  %-*s  %9s  %6s\n", name_width, "layer", op_width, "operator", algo_width,
           "algorithm", shape_width, "output", "ms", "share");
    for (size_t i = 0; i < count; i++) {
        if (cvy_plan_get_layer(run->plan, i, &layer) != CVY_OK) {
            continue;
        }
        printf("%-*s  %-*s  %-*s  %-*s  ", name_width, layer.name, op_width, layer.op, algo_width,
               layer.algorithm[0] ? layer.algorithm : "-", shape_width,
               cvy_shape_format(&layer.output, shape, sizeof(shape)));
        if (layer.milliseconds < 0) {
            printf("%9s  %6s", "?", "?");
        } else {
            printf("%9.3f  %5.1f%%", layer.milliseconds, total > 0 ? 100 * layer.milliseconds / total : 0);
        }
        printf("%s%s\n", run->devices.count > 1 ? "  " : "",
               run->devices.count > 1 ? cvy_device_get_info(layer.device)->selector : "");
    }
}

static void print_sums(const struct run *run, double total)
{
    struct cvy_build_stats stats;
    struct cvy_plan_memory memory;
    char device[1024], constants[32], intermediates[32], without[32], workspace[32], peak[32];
    char total_bytes[32], prepared[32], bound[32];
    cvy_device_get_build_stats(run->device, &stats);
    cvy_plan_get_memory(run->plan, &memory);
    cvy_cli_describe_devices(&run->devices, device, sizeof(device));
    printf("\ndevice        %s\n", device);
    if (run->n_repeats == 0) {
        printf("total         %.3f ms in layers, %.3f ms with copies\n", total, 1e3 * run->run_seconds);
    } else {
        printf("median        %.3f ms of %zu runs, from %.3f to %.3f ms\n", 1e3 * run->median_seconds,
               run->n_repeats, 1e3 * run->min_seconds, 1e3 * run->max_seconds);
        printf("total         %.3f ms in layers, in a run of %.3f ms that measures them\n", total,
               1e3 * run->run_seconds);
    }
    printf("layouts       %zu conversions between plain tensors and blocks of channels\n",
           cvy_plan_conversion_count(run->plan));
    printf("set-up        %.1f ms; %zu programs compiled, %zu from the store\n", 1e3 * run->setup_seconds,
           stats.compiled, stats.loaded);
    printf("first kernel  %.1f ms after the device was opened\n", 1e3 * stats.first_launch_at);
    printf("              %s constants, %s between layers (%s without reuse), %s workspace\n",
           cvy_cli_format_bytes(memory.constants, constants, sizeof(constants)),
           cvy_cli_format_bytes(memory.intermediates, intermediates, sizeof(intermediates)),
           cvy_cli_format_bytes(memory.without_reuse, without, sizeof(without)),
           cvy_cli_format_bytes(memory.workspace, workspace, sizeof(workspace)));
    printf("memory        %s in all, %s of it prepared weights\n",
           cvy_cli_format_bytes(memory.total, total_bytes, sizeof(total_bytes)),
           cvy_cli_format_bytes(memory.prepared, prepared, sizeof(prepared)));
    printf("peak          %s for both at once; the least possible is %s\n",
           cvy_cli_format_bytes(memory.peak, peak, sizeof(peak)),
           cvy_cli_format_bytes(memory.lower_bound, bound, sizeof(bound)));
}

static cJSON *layers_json(const struct run *run, double total)
{
    cJSON *layers = cJSON_CreateArray();
    for (size_t i = 0; i < cvy_plan_layer_count(run->plan); i++) {
        struct cvy_plan_layer layer;
        if (cvy_plan_get_layer(run->plan, i, &layer) != CVY_OK) {
            continue;
        }
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "layer", layer.name);
        cJSON_AddStringToObject(item, "operator", layer.op);
        cJSON_AddStringToObject(item, "algorithm", layer.algorithm);
        cJSON_AddStringToObject(item, "device", cvy_device_get_info(layer.device)->selector);
        cJSON_AddItemToObject(item, "output", cvy_cli_json_shape(&layer.output));
        if (layer.milliseconds < 0) {
            cJSON_AddNullToObject(item, "ms");
        } else {
            cJSON_AddNumberToObject(item, "ms", layer.milliseconds);
            cJSON_AddNumberToObject(item, "share", total > 0 ? layer.milliseconds / total : 0);
        }
        cJSON_AddNumberToObject(item, "flops", layer.flops);
        cJSON_AddItemToArray(layers, item);
    }
    return layers;
}

static cJSON *outputs_json(const struct run *run)
{
    cJSON *outputs = cJSON_CreateArray();
    for (size_t i = 0; i < run->n_outputs; i++) {
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "name", cvy_graph_output_name(run->graph, i));
        cJSON_AddItemToObject(item, "shape", cvy_cli_json_shape(&run->outputs[i].shape));
        cJSON_AddItemToArray(outputs, item);
    }
    return outputs;
}

static cJSON *run_json(const struct run *run, const char *model, double total)
{
    struct cvy_build_stats stats;
    struct cvy_plan_memory memory;
    char device[1024];
    cvy_device_get_build_stats(run->device, &stats);
    cvy_plan_get_memory(run->plan, &memory);
    cvy_cli_describe_devices(&run->devices, device, sizeof(device));
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "model", model);
    cJSON_AddStringToObject(json, "device", device);
    cJSON_AddItemToObject(json, "layers", layers_json(run, total));
    cJSON_AddItemToObject(json, "outputs", outputs_json(run));
    cJSON_AddNumberToObject(json, "conversions", (double)cvy_plan_conversion_count(run->plan));
    cJSON_AddNumberToObject(json, "layers_ms", total);
    cJSON_AddNumberToObject(json, "run_ms", 1e3 * run->run_seconds);
    if (run->n_repeats != 0) {
        cJSON_AddNumberToObject(json, "repeats", (double)run->n_repeats);
        cJSON_AddNumberToObject(json, "median_ms", 1e3 * run->median_seconds);
        cJSON_AddNumberToObject(json, "min_ms", 1e3 * run->min_seconds);
        cJSON_AddNumberToObject(json, "max_ms", 1e3 * run->max_seconds);
    }
    cJSON_AddNumberToObject(json, "setup_ms", 1e3 * run->setup_seconds);
    cJSON_AddNumberToObject(json, "first_kernel_ms", 1e3 * stats.first_launch_at);
    cJSON_AddNumberToObject(json, "programs_compiled", (double)stats.compiled);
    cJSON_AddNumberToObject(json, "programs_loaded", (double)stats.loaded);
    cJSON_AddNumberToObject(json, "peak_bytes", (double)memory.peak);
    cJSON_AddNumberToObject(json, "total_bytes", (double)memory.total);
    cJSON_AddNumberToObject(json, "lower_bound_bytes", (double)memory.lower_bound);
    cJSON *bytes = cJSON_AddObjectToObject(json, "memory_bytes");
    cJSON_AddNumberToObject(bytes, "constants", (double)memory.constants);
    cJSON_AddNumberToObject(bytes, "prepared", (double)memory.prepared);
    cJSON_AddNumberToObject(bytes, "intermediates", (double)memory.intermediates);
    cJSON_AddNumberToObject(bytes, "without_reuse", (double)memory.without_reuse);
    cJSON_AddNumberToObject(bytes, "workspace", (double)memory.workspace);
    return json;
}

int cvy_run_report(const struct run *run, const char *model, const struct cvy_cli_common *common)
{
    const double total = layers_total(run);
    cJSON *json = NULL, *expects = NULL;
    int status = CVY_CLI_OK;
    if (common->json) {
        json = run_json(run, model, total);
        expects = cJSON_AddArrayToObject(json, "expect");
    } else {
        print_layers(run, total);
        print_sums(run, total);
    }
    for (size_t i = 0; i < run->n_outputs; i++) {
        const char *path = run->expect_path[i];
        if (!path) {
            continue;
        }
        const char *name = cvy_graph_output_name(run->graph, i);
        struct cvy_comparison comparison;
        cvy_compare(&comparison, &run->outputs[i], &run->expected[i], cvy_file_is_image(path));
        if (!cvy_comparison_within(&comparison, common->tolerance)) {
            status = CVY_CLI_BEYOND;
        }
        if (common->json) {
            cJSON_AddItemToArray(expects, cvy_comparison_json(&comparison, name, path, common->tolerance));
        } else {
            cvy_comparison_print(&comparison, name, path, common->tolerance);
        }
    }
    if (common->json && !cvy_cli_print_json(json)) {
        return CVY_CLI_FAILED;
    }
    return status;
}
