/* run_plan.c - what a plan will do, step by step: convoy run --dump-plan. */
#include "run_report.h"

#include <cjson/cJSON.h>
#include <stdio.h>

static const char *const place_names[] = {"unread", "input", "output", "memory"};

static void print_place(const struct cvy_plan_place *place)
{
    printf("  %s", place_names[place->kind]);
    if (place->kind != CVY_PLAN_PLACE_NONE) {
        printf(" %zu", place->index);
    }
    if (place->kind == CVY_PLAN_PLACE_MEMORY) {
        printf(" from %zu, %zu bytes", place->offset, place->bytes);
    }
    printf("\n");
}

static cJSON *step_json(const struct cvy_plan_layer *layer)
{
    cJSON *item = cJSON_CreateObject();
    cJSON_AddStringToObject(item, "layer", layer->name);
    cJSON_AddStringToObject(item, "operator", layer->op);
    cJSON_AddStringToObject(item, "fused", layer->fused);
    cJSON_AddStringToObject(item, "algorithm", layer->algorithm);
    cJSON_AddItemToObject(item, "output", cvy_cli_json_shape(&layer->output));
    cJSON_AddNumberToObject(item, "block", (double)layer->block);
    cJSON *place = cJSON_AddObjectToObject(item, "place");
    cJSON_AddStringToObject(place, "kind", place_names[layer->place.kind]);
    cJSON_AddNumberToObject(place, "index", (double)layer->place.index);
    cJSON_AddNumberToObject(place, "offset", (double)layer->place.offset);
    cJSON_AddNumberToObject(place, "bytes", (double)layer->place.bytes);
    return item;
}

int cvy_run_dump_plan(const struct run *run, const struct cvy_cli_common *common)
{
    cJSON *steps = common->json ? cJSON_CreateArray() : NULL;
    for (size_t i = 0; i < cvy_plan_layer_count(run->plan); i++) {
        struct cvy_plan_layer layer;
        char shape[128];
        if (cvy_plan_get_layer(run->plan, i, &layer) != CVY_OK) {
            cJSON_Delete(steps);
            return CVY_CLI_FAILED;
        }
        if (steps) {
            cJSON_AddItemToArray(steps, step_json(&layer));
            continue;
        }
        printf("%zu  %s  %s", i, layer.name, layer.op);
        if (layer.fused[0]) {
            printf(" with %s", layer.fused);
        }
        printf("%s%s  %s", layer.algorithm[0] ? "  " : "", layer.algorithm,
               cvy_shape_format(&layer.output, shape, sizeof(shape)));
        if (layer.block > 0) {
            printf(" in blocks of %zu", layer.block);
        }
        print_place(&layer.place);
    }
    if (!steps) {
        printf("%zu conversions between layouts\n", cvy_plan_conversion_count(run->plan));
        return CVY_CLI_OK;
    }
    cJSON *json = cJSON_CreateObject();
    cJSON_AddItemToObject(json, "steps", steps);
    cJSON_AddNumberToObject(json, "conversions", (double)cvy_plan_conversion_count(run->plan));
    return cvy_cli_print_json(json) ? CVY_CLI_OK : CVY_CLI_FAILED;
}
