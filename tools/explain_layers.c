/* explain_layers.c - a row for each layer, of a stack of descriptors or of a model, and the totals. */
#include "explain.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct totals {
    double multiplications, parameters;
};

static struct totals sum_layers(const struct cvy_layer *layers, size_t count)
{
    struct totals totals = {0};
    for (size_t i = 0; i < count; i++) {
        totals.multiplications += layers[i].multiplications;
        totals.parameters += layers[i].parameters;
    }
    return totals;
}

static const char *layer_field(const struct cvy_layer *layer, char *text, size_t size)
{
    return layer->axes ? cvy_format_field(layer->field, layer->axes, text, size) : "all";
}

/* Columns of text; numbers have fixed widths. */
enum { NAME, OP, OUTPUT, FIELD, COLUMNS };

static void widen(int *width, const char *text)
{
    const int length = (int)strlen(text);
    *width = length > *width ? length : *width;
    *width = *width > 40 ? 40 : *width;
}

static void print_table(const struct cvy_layer *layers, size_t count)
{
    char output[128], field[96], name[160], multiplications[64], parameters[64];
    int width[COLUMNS] = {5, 8, 6, 15};
    for (size_t i = 0; i < count; i++) {
        widen(&width[NAME], layers[i].name);
        widen(&width[OP], layers[i].op);
        widen(&width[OUTPUT], cvy_shape_format(&layers[i].output, output, sizeof(output)));
        widen(&width[FIELD], layer_field(&layers[i], field, sizeof(field)));
    }
    printf("%-*s  %-*s  %-*s  %18s  %14s  %-*s  %s\n", width[NAME], "layer", width[OP], "operator",
           width[OUTPUT], "output", "multiplications", "parameters", width[FIELD], "receptive field",
           "convolution");
    for (size_t i = 0; i < count; i++) {
        const struct cvy_layer *layer = &layers[i];
        printf("%-*s  %-*s  %-*s  %18s  %14s  %-*s  %s\n", width[NAME], layer->name, width[OP], layer->op,
               width[OUTPUT], cvy_shape_format(&layer->output, output, sizeof(output)),
               cvy_format_count(layer->multiplications, multiplications, sizeof(multiplications)),
               cvy_format_count(layer->parameters, parameters, sizeof(parameters)), width[FIELD],
               layer_field(layer, field, sizeof(field)),
               layer->conv ? cvy_conv_describe(layer->conv, name, sizeof(name)) : "-");
    }
}

static void print_totals(const struct cvy_layer *layers, size_t count)
{
    char number[64];
    const struct totals totals = sum_layers(layers, count);
    printf("\nlayers           %zu\n", count);
    printf("multiplications  %s\n", cvy_format_count(totals.multiplications, number, sizeof(number)));
    printf("FLOPs            %s\n", cvy_format_count(2 * totals.multiplications, number, sizeof(number)));
    printf("parameters       %s\n", cvy_format_count(totals.parameters, number, sizeof(number)));
}

static cJSON *layer_json(const struct cvy_layer *layer)
{
    char name[160];
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "name", layer->name);
    cJSON_AddStringToObject(json, "operator", layer->op);
    cJSON_AddItemToObject(json, "output", cvy_cli_json_shape(&layer->output));
    cJSON_AddNumberToObject(json, "multiplications", layer->multiplications);
    cJSON_AddNumberToObject(json, "parameters", layer->parameters);
    cJSON_AddNumberToObject(json, "bytes", layer->bytes);
    if (layer->axes) {
        cJSON *field = cJSON_AddArrayToObject(json, "receptive_field");
        cJSON *jump = cJSON_AddArrayToObject(json, "jump");
        for (size_t i = 0; i < layer->axes; i++) {
            cJSON_AddItemToArray(field, cJSON_CreateNumber(layer->field[i].size));
            cJSON_AddItemToArray(jump, cJSON_CreateNumber(layer->field[i].jump));
        }
    } else {
        cJSON_AddNullToObject(json, "receptive_field");
        cJSON_AddNullToObject(json, "jump");
    }
    if (layer->conv) {
        cJSON_AddStringToObject(json, "convolution", cvy_conv_describe(layer->conv, name, sizeof(name)));
    } else {
        cJSON_AddNullToObject(json, "convolution");
    }
    return json;
}

bool cvy_layers_print(const struct cvy_layer *layers, size_t count, const char *model, bool json)
{
    if (!json) {
        print_table(layers, count);
        print_totals(layers, count);
        return true;
    }
    const struct totals totals = sum_layers(layers, count);
    cJSON *object = cJSON_CreateObject();
    if (model) {
        cJSON_AddStringToObject(object, "model", model);
    }
    cJSON *array = cJSON_AddArrayToObject(object, "layers");
    for (size_t i = 0; i < count; i++) {
        cJSON_AddItemToArray(array, layer_json(&layers[i]));
    }
    cJSON_AddNumberToObject(object, "multiplications", totals.multiplications);
    cJSON_AddNumberToObject(object, "flops", 2 * totals.multiplications);
    cJSON_AddNumberToObject(object, "parameters", totals.parameters);
    return cvy_cli_print_json(object);
}

static int check_stack(const struct cvy_descriptor *descriptors, const char *const *texts, size_t count)
{
    struct cvy_shape x, y;
    char given[128], needed[128];
    for (size_t i = 1; i < count; i++) {
        if (cvy_conv_y_shape(&descriptors[i - 1].problem, &y) != CVY_OK ||
            cvy_conv_x_shape(&descriptors[i].problem, &x) != CVY_OK) {
            return CVY_CLI_FAILED;
        }
        if (!cvy_shape_equal(&x, &y)) {
            return cvy_cli_usage("explain", "%s: layer %zu takes %s, but layer %zu gives %s; make them equal",
                                 texts[i], i + 1, cvy_shape_format(&x, given, sizeof(given)), i,
                                 cvy_shape_format(&y, needed, sizeof(needed)));
        }
    }
    return CVY_CLI_OK;
}

int cvy_explain_stack(const struct cvy_descriptor *descriptors, const char *const *texts, size_t count,
                      bool json)
{
    int status = check_stack(descriptors, texts, count);
    if (status != CVY_CLI_OK) {
        return status;
    }
    struct cvy_layer *layers = calloc(count, sizeof(*layers));
    char(*names)[72] = calloc(count, sizeof(*names));
    if (!layers || !names) {
        cvy_cli_error("out of memory");
        status = CVY_CLI_FAILED;
    }
    for (size_t i = 0; status == CVY_CLI_OK && i < count; i++) {
        const struct cvy_conv_problem *problem = &descriptors[i].problem;
        struct cvy_conv_cost cost;
        struct cvy_layer *layer = &layers[i];
        if (cvy_conv_get_cost(problem, &cost) != CVY_OK ||
            cvy_conv_y_shape(problem, &layer->output) != CVY_OK) {
            status = CVY_CLI_FAILED;
            break;
        }
        if (descriptors[i].name[0]) {
            snprintf(names[i], sizeof(names[i]), "%s", descriptors[i].name);
        } else {
            snprintf(names[i], sizeof(names[i]), "%zu", i + 1);
        }
        layer->name = names[i];
        layer->op = problem->transposed ? "ConvTranspose" : "Conv";
        layer->conv = problem;
        layer->multiplications = cost.multiplications;
        layer->parameters = cost.parameters;
        layer->bytes = cost.bytes;
        layer->axes = problem->rank;
        for (size_t a = 0; a < problem->rank; a++) {
            layer->field[a] = i ? layers[i - 1].field[a] : (struct cvy_receptive_field){1, 1};
            cvy_receptive_field_add(&layer->field[a], problem->kernel[a], problem->stride[a],
                                    problem->dilation[a], problem->transposed);
        }
    }
    if (status == CVY_CLI_OK && !cvy_layers_print(layers, count, NULL, json)) {
        status = CVY_CLI_FAILED;
    }
    free(layers);
    free(names);
    return status;
}
