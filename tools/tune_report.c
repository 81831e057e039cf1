/* tune_report.c - what tuning has won: a table, or JSON. */
#include "tune.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORST 10

/* Time of the estimates' choice over that of the best; 0 where either was not measured. */
static double gain_of(const struct cvy_tuning_item *item)
{
    const struct cvy_tune_result *result = &item->result;
    return result->best.algo && result->estimated.algo && result->best.seconds > 0
               ? result->estimated.seconds / result->best.seconds
               : 0;
}

/* Geometric mean of the gains; 0 where there is none. */
static double mean_gain(const struct cvy_tuning *tuning, size_t *count)
{
    double sum = 0;
    *count = 0;
    for (size_t i = 0; i < tuning->count; i++) {
        const double gain = gain_of(&tuning->items[i]);
        if (gain > 0) {
            sum += log(gain);
            ++*count;
        }
    }
    return *count > 0 ? exp(sum / (double)*count) : 0;
}

static void print_choice(const struct cvy_tune_choice *choice)
{
    char text[100] = "-";
    if (choice->algo) {
        snprintf(text, sizeof(text), "%s %s", choice->algo, choice->config);
        printf("  %-32s %9.4f", text, 1e3 * choice->seconds);
    } else {
        printf("  %-32s %9s", text, "-");
    }
}

static void print_row(const struct cvy_tuning_item *item, int width)
{
    const double gain = gain_of(item);
    printf("%-*s  %-6s", width, cvy_workload_label(item->item), item->has_blocks ? "blocks" : "plain");
    print_choice(&item->result.estimated);
    print_choice(&item->result.best);
    if (gain > 0) {
        printf("  %5.2f", gain);
    } else {
        printf("  %5s", "-");
    }
    printf("  %4zu%s", item->result.measured, item->result.complete ? "" : " of more");
    if (item->result.refused > 0) {
        printf(", %zu refused", item->result.refused);
    }
    putchar('\n');
}

static int by_gain(const void *left, const void *right)
{
    const double a = gain_of(*(const struct cvy_tuning_item *const *)left);
    const double b = gain_of(*(const struct cvy_tuning_item *const *)right);
    return a > b ? -1 : a < b;
}

/* Where the estimates were furthest off. */
static void print_worst(const struct cvy_tuning *tuning, int width)
{
    const struct cvy_tuning_item **items = malloc(tuning->count * sizeof(const struct cvy_tuning_item *));
    if (!items) {
        return;
    }
    for (size_t i = 0; i < tuning->count; i++) {
        items[i] = &tuning->items[i];
    }
    qsort(items, tuning->count, sizeof(const struct cvy_tuning_item *), by_gain);
    puts("\nworst estimates");
    for (size_t i = 0; i < WORST && i < tuning->count && gain_of(items[i]) > 1; i++) {
        print_row(items[i], width);
    }
    free(items);
}

void cvy_tuning_print(const struct cvy_tuning *tuning)
{
    int width = (int)strlen("CONVOLUTION");
    for (size_t i = 0; i < tuning->count; i++) {
        const int length = (int)strlen(cvy_workload_label(tuning->items[i].item));
        width = length > width ? length : width;
    }
    printf("%-*s  %-6s  %-32s %9s  %-32s %9s  %5s  %s\n", width, "CONVOLUTION", "LAYOUT", "ESTIMATED BEST",
           "MS", "MEASURED BEST", "MS", "GAIN", "TRIED");
    for (size_t i = 0; i < tuning->count; i++) {
        print_row(&tuning->items[i], width);
    }
    if (tuning->only_report && tuning->count > WORST) {
        print_worst(tuning, width);
    }
    size_t count;
    const double gain = mean_gain(tuning, &count);
    if (count > 0) {
        printf("\n%zu convolution%s, geometric mean of the gain %.3f\n", count, count == 1 ? "" : "s", gain);
    }
}

static cJSON *choice_json(const struct cvy_tune_choice *choice)
{
    if (!choice->algo) {
        return cJSON_CreateNull();
    }
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "algorithm", choice->algo);
    cJSON_AddStringToObject(json, "config", choice->config);
    cJSON_AddNumberToObject(json, "ms", 1e3 * choice->seconds);
    return json;
}

static cJSON *item_json(const struct cvy_tuning_item *item)
{
    cJSON *json = cJSON_CreateObject();
    const struct cvy_tune_result *result = &item->result;
    cJSON_AddStringToObject(json, "desc", item->item->text);
    cJSON_AddStringToObject(json, "name", item->item->name);
    cJSON_AddNumberToObject(json, "count", (double)item->item->count);
    cJSON_AddNumberToObject(json, "x_block", (double)item->problem.x_block);
    cJSON_AddNumberToObject(json, "y_block", (double)item->problem.y_block);
    cJSON_AddItemToObject(json, "estimated", choice_json(&result->estimated));
    cJSON_AddItemToObject(json, "best", choice_json(&result->best));
    if (gain_of(item) > 0) {
        cJSON_AddNumberToObject(json, "gain", gain_of(item));
    }
    cJSON_AddNumberToObject(json, "measured", (double)result->measured);
    cJSON_AddNumberToObject(json, "refused", (double)result->refused);
    cJSON_AddBoolToObject(json, "complete", result->complete);
    return json;
}

bool cvy_tuning_print_json(const struct cvy_tuning *tuning, size_t imported, bool has_imported)
{
    size_t count, kept = 0;
    const double gain = mean_gain(tuning, &count);
    cJSON *json = cJSON_CreateObject();
    char device[256];
    cvy_cli_describe_device(tuning->device, device, sizeof(device));
    cJSON_AddStringToObject(json, "device", device);
    if (has_imported) {
        cJSON_AddNumberToObject(json, "imported", (double)imported);
    }
    if (cvy_tune_count(tuning->device, &kept) == CVY_OK) {
        cJSON_AddNumberToObject(json, "kept", (double)kept);
    }
    cJSON *items = cJSON_AddArrayToObject(json, "convolutions");
    for (size_t i = 0; i < tuning->count; i++) {
        cJSON_AddItemToArray(items, item_json(&tuning->items[i]));
    }
    if (count > 0) {
        cJSON_AddNumberToObject(json, "mean_gain", gain);
    }
    cJSON_AddBoolToObject(json, "interrupted", tuning->interrupted);
    return cvy_cli_print_json(json);
}
