/* bench_report.c - the figures as a table and as JSON. */
#include "bench.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct cvy_bench_place cvy_bench_place(const struct cvy_bench_result *result,
                                       const struct cvy_device_rates *rates)
{
    const double flops = 2 * result->cost.multiplications;
    struct cvy_bench_place place = {.flops = flops / result->median, .intensity = flops / result->cost.bytes};
    place.attainable = fmin(rates->flops, place.intensity * rates->memory_bytes);
    place.of_peak = place.flops / rates->flops;
    place.of_bandwidth = result->cost.bytes / result->median / rates->memory_bytes;
    place.of_attainable = place.flops / place.attainable;
    return place;
}

/* Why another algorithm was not taken, or what it is expected to take. */
static void explain(const struct cvy_bench_report *report, const struct cvy_bench_result *result,
                    const char *name, char *why, size_t size)
{
    double seconds;
    if (cvy_conv_algo_estimate(report->params->device, &result->problem, name, &seconds, why, size)) {
        snprintf(why, size, "%.4g ms expected", 1e3 * seconds);
    }
}

static void print_head(const struct cvy_bench_report *report, int width)
{
    const struct cvy_device_rates *rates = &report->rates;
    char device[192];
    cvy_cli_describe_device(report->params->device, device, sizeof(device));
    printf("%s\n", device);
    printf("%s: %.0f GFLOP/s; memory %.1f GB/s, caches %.1f GB/s; a launch %.1f us\n",
           rates->is_measured ? "measured" : "guessed", 1e-9 * rates->flops, 1e-9 * rates->memory_bytes,
           1e-9 * rates->cache_bytes, 1e6 * rates->launch_seconds);
    printf("\n%-*s  %5s %-18s %10s %10s %10s %9s %6s %6s %6s %9s\n", width, "CONVOLUTION", "COUNT",
           "ALGORITHM", "MEDIAN ms", "LEAST", "MOST", "GFLOP/s", "PEAK", "MEMORY", "ROOF", "SET-UP ms");
}

static void print_row(const struct cvy_bench_report *report, const struct cvy_bench_result *result, int width)
{
    const struct cvy_bench_place place = cvy_bench_place(result, &report->rates);
    const char *name;
    char why[320];
    printf("%-*s  %5zu ", width, cvy_workload_label(result->item), result->item->count);
    if (result->algorithm[0]) {
        printf("%-18s %10.4f %10.4f %10.4f %9.2f %4.0f %% %4.0f %% %4.0f %% %9.1f\n", result->algorithm,
               1e3 * result->median, 1e3 * result->least, 1e3 * result->most, 1e-9 * place.flops,
               100 * place.of_peak, 100 * place.of_bandwidth, 100 * place.of_attainable, 1e3 * result->setup);
    } else {
        printf("not run: %s\n", result->why_not);
    }
    for (size_t i = 0; report->why && (name = cvy_conv_algo_name(i)); i++) {
        explain(report, result, name, why, sizeof(why));
        printf("%s %-18s %s\n", strcmp(name, result->algorithm) == 0 ? "  *" : "   ", name, why);
    }
}

static void print_total(const struct cvy_bench_result *results, size_t count)
{
    double seconds = 0, flops = 0;
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        const double times = (double)results[i].item->count;
        if (results[i].algorithm[0]) {
            n += results[i].item->count;
            seconds += times * results[i].median;
            flops += 2 * times * results[i].cost.multiplications;
        }
    }
    if (n > 1) {
        printf("\n%zu convolutions: %.3f ms, %.2f GFLOP/s\n", n, 1e3 * seconds, 1e-9 * flops / seconds);
    }
}

void cvy_bench_print(const struct cvy_bench_report *report, const struct cvy_bench_result *results,
                     size_t count)
{
    size_t width = strlen("CONVOLUTION");
    for (size_t i = 0; i < count; i++) {
        const size_t length = strlen(cvy_workload_label(results[i].item));
        width = length > width ? length : width;
    }
    const int label_width = width < 60 ? (int)width : 60;
    print_head(report, label_width);
    for (size_t i = 0; i < count; i++) {
        print_row(report, &results[i], label_width);
    }
    print_total(results, count);
}

static void add_figures(cJSON *json, const struct cvy_bench_report *report,
                        const struct cvy_bench_result *result)
{
    const struct cvy_bench_place place = cvy_bench_place(result, &report->rates);
    const struct {
        const char *name;
        double value;
    } figures[] = {
        {"median_ms", 1e3 * result->median},
        {"min_ms", 1e3 * result->least},
        {"max_ms", 1e3 * result->most},
        {"gflops", 1e-9 * place.flops},
        {"setup_ms", 1e3 * result->setup},
        {"launches", (double)result->repeats},
        {"intensity", place.intensity},
        {"attainable_gflops", 1e-9 * place.attainable},
        {"of_peak", place.of_peak},
        {"of_bandwidth", place.of_bandwidth},
        {"of_attainable", place.of_attainable},
    };
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
        cJSON_AddNumberToObject(json, figures[i].name, figures[i].value);
    }
}

static cJSON *result_json(const struct cvy_bench_report *report, const struct cvy_bench_result *result)
{
    cJSON *json = cJSON_CreateObject();
    const char *name;
    char why[320];
    cJSON_AddStringToObject(json, "desc", result->item->text);
    cJSON_AddStringToObject(json, "name", result->item->name);
    cJSON_AddNumberToObject(json, "count", (double)result->item->count);
    if (result->algorithm[0]) {
        cJSON_AddStringToObject(json, "algorithm", result->algorithm);
        cJSON_AddNumberToObject(json, "x_block", (double)result->problem.x_block);
        cJSON_AddNumberToObject(json, "y_block", (double)result->problem.y_block);
        add_figures(json, report, result);
    } else {
        cJSON_AddNullToObject(json, "algorithm");
        cJSON_AddStringToObject(json, "not_run", result->why_not);
    }
    cJSON *others = cJSON_AddArrayToObject(json, "why");
    for (size_t i = 0; (name = cvy_conv_algo_name(i)); i++) {
        if (strcmp(name, result->algorithm) != 0) {
            cJSON *other = cJSON_CreateObject();
            explain(report, result, name, why, sizeof(why));
            cJSON_AddStringToObject(other, "algorithm", name);
            cJSON_AddStringToObject(other, "reason", why);
            cJSON_AddItemToArray(others, other);
        }
    }
    return json;
}

bool cvy_bench_print_json(const struct cvy_bench_report *report, const struct cvy_bench_result *results,
                          size_t count)
{
    cJSON *json = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++) {
        cJSON_AddItemToArray(json, result_json(report, &results[i]));
    }
    return cvy_cli_print_json(json);
}
