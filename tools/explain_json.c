/* explain_json.c - one convolution explained as JSON. */
#include "explain.h"

#include <cjson/cJSON.h>

static void add_geometry(cJSON *json, const struct cvy_conv_problem *problem)
{
    size_t effective[CVY_CONV_MAX_RANK];
    const size_t rank = problem->rank;
    for (size_t i = 0; i < rank; i++) {
        effective[i] = cvy_conv_effective_kernel(problem->kernel[i], problem->dilation[i]);
    }
    cJSON_AddItemToObject(json, "kernel", cvy_json_axes(problem->kernel, rank));
    cJSON_AddItemToObject(json, "effective_kernel", cvy_json_axes(effective, rank));
    cJSON_AddItemToObject(json, "stride", cvy_json_axes(problem->stride, rank));
    cJSON_AddItemToObject(json, "dilation", cvy_json_axes(problem->dilation, rank));
    cJSON_AddItemToObject(json, "pad_begin", cvy_json_axes(problem->pad_begin, rank));
    cJSON_AddItemToObject(json, "pad_end", cvy_json_axes(problem->pad_end, rank));
    cJSON_AddItemToObject(json, "output_padding", cvy_json_axes(problem->output_padding, rank));
    cJSON_AddStringToObject(json, "pad_mode", cvy_pad_mode_name(problem->pad_mode));
    cJSON_AddNumberToObject(json, "groups", (double)problem->groups);
    cJSON_AddNumberToObject(json, "shuffle", (double)problem->shuffle);
    cJSON_AddBoolToObject(json, "transposed", problem->transposed);
    cJSON_AddBoolToObject(json, "flip", problem->flip);
    cJSON_AddBoolToObject(json, "bias", problem->bias);
}

static void add_algorithms(cJSON *json, const struct cvy_explanation *explanation)
{
    const char *name;
    if (!explanation->device) {
        cJSON_AddNullToObject(json, "device");
        cJSON_AddStringToObject(json, "no_device", explanation->device_text);
        cJSON_AddNullToObject(json, "algorithms");
        return;
    }
    cJSON_AddStringToObject(json, "device", explanation->device_text);
    cJSON *algorithms = cJSON_AddArrayToObject(json, "algorithms");
    for (size_t i = 0; (name = cvy_conv_algo_name(i)); i++) {
        char why[256] = "";
        cJSON *item = cJSON_CreateObject();
        bool applies =
            cvy_conv_algo_applies(explanation->device, explanation->problem, name, why, sizeof(why));
        cJSON_AddStringToObject(item, "name", name);
        cJSON_AddBoolToObject(item, "applies", applies);
        if (!applies) {
            cJSON_AddStringToObject(item, "why", why);
        }
        cJSON_AddItemToArray(algorithms, item);
    }
}

static cJSON *pass_json(const struct cvy_conv_problem *pass, const struct cvy_conv_cost *cost)
{
    char text[160];
    struct cvy_shape shape;
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "convolution", cvy_conv_describe(pass, text, sizeof(text)));
    if (cvy_conv_w_shape(pass, &shape) == CVY_OK) {
        cJSON_AddItemToObject(json, "w", cvy_cli_json_shape(&shape));
    }
    if (cvy_conv_y_shape(pass, &shape) == CVY_OK) {
        cJSON_AddItemToObject(json, "y", cvy_cli_json_shape(&shape));
    }
    cJSON_AddNumberToObject(json, "multiplications", cost->multiplications);
    cJSON_AddNumberToObject(json, "parameters", cost->parameters);
    return json;
}

static cJSON *alternative_json(const struct cvy_alternative *alternative)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "name", alternative->name);
    cJSON_AddBoolToObject(json, "given", alternative->given);
    cJSON_AddBoolToObject(json, "fits", alternative->fits);
    if (!alternative->fits) {
        cJSON_AddStringToObject(json, "why", alternative->why);
        return json;
    }
    cJSON_AddNumberToObject(json, "multiplications", alternative->multiplications);
    cJSON_AddNumberToObject(json, "parameters", alternative->parameters);
    cJSON_AddNumberToObject(json, "ratio", alternative->ratio);
    cJSON *passes = cJSON_AddArrayToObject(json, "passes");
    for (size_t i = 0; i < alternative->n_passes; i++) {
        cJSON_AddItemToArray(passes, pass_json(&alternative->passes[i], &alternative->costs[i]));
    }
    return json;
}

bool cvy_explanation_print_json(const struct cvy_explanation *explanation)
{
    char text[160];
    const struct cvy_conv_problem *problem = explanation->problem;
    const struct cvy_conv_cost *cost = &explanation->cost;
    cJSON *transposed = NULL, *matrix = NULL;
    if ((problem->transposed && !(transposed = cvy_transposed_json(problem))) ||
        (explanation->matrix && !(matrix = cvy_matrix_json(problem)))) {
        cJSON_Delete(transposed);
        return false;
    }
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "descriptor", explanation->text);
    cJSON_AddStringToObject(json, "name", explanation->name);
    cJSON_AddStringToObject(json, "convolution", cvy_conv_describe(problem, text, sizeof(text)));
    cJSON_AddItemToObject(json, "x", cvy_cli_json_shape(&explanation->x));
    cJSON_AddItemToObject(json, "w", cvy_cli_json_shape(&explanation->w));
    cJSON_AddItemToObject(json, "y", cvy_cli_json_shape(&explanation->y));
    add_geometry(json, problem);
    cJSON_AddNumberToObject(json, "parameters", cost->parameters);
    cJSON_AddNumberToObject(json, "multiplications", cost->multiplications);
    cJSON_AddNumberToObject(json, "flops", 2 * cost->multiplications);
    cJSON_AddNumberToObject(json, "bytes", cost->bytes);
    cJSON_AddNumberToObject(json, "intensity", cost->bytes > 0 ? 2 * cost->multiplications / cost->bytes : 0);
    cJSON *field = cJSON_AddArrayToObject(json, "receptive_field");
    for (size_t i = 0; i < problem->rank; i++) {
        cJSON_AddItemToArray(field, cJSON_CreateNumber(explanation->field[i].size));
    }
    add_algorithms(json, explanation);
    cJSON *alternatives = cJSON_AddArrayToObject(json, "alternatives");
    for (size_t i = 0; i < explanation->n_alternatives; i++) {
        cJSON_AddItemToArray(alternatives, alternative_json(&explanation->alternatives[i]));
    }
    if (transposed) {
        cJSON_AddItemToObject(json, "transposed_view", transposed);
    }
    if (matrix) {
        cJSON_AddItemToObject(json, "matrix", matrix);
    }
    return cvy_cli_print_json(json);
}
