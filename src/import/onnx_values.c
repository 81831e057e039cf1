#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "import/onnx.h"

enum cvy_status cvy_onnx_values_init(struct cvy_onnx *model)
{
    const Cvy__Onnx__GraphProto *graph = model->proto;
    size_t count = graph->n_input + graph->n_initializer + 1;
    for (size_t i = 0; i < graph->n_node; i++)
        count += graph->node[i]->n_output;
    size_t n_slots = 16;
    while (n_slots < 2 * count)
        n_slots *= 2;
    model->values = calloc(count, sizeof(*model->values));
    model->slots = calloc(n_slots, sizeof(*model->slots));
    if (model->values == NULL || model->slots == NULL)
        return cvy_fail_memory("names of the model", count * sizeof(*model->values));
    model->max_values = count;
    model->n_slots = n_slots;
    return CVY_OK;
}

void cvy_onnx_values_finish(struct cvy_onnx *model)
{
    for (size_t i = 0; i < model->n_values; i++)
        cvy_tensor_finish(&model->values[i].tensor);
    free(model->values);
    free(model->slots);
    model->values = NULL;
    model->slots = NULL;
    model->n_values = 0;
}

/* The name's slot, or the free one where it belongs; there are always free ones. */
static size_t find_slot(const struct cvy_onnx *model, const char *name)
{
    size_t mask = model->n_slots - 1;
    size_t slot = (size_t)cvy_hash_string((struct cvy_hash){0}, name).low & mask;
    while (model->slots[slot] != 0 && strcmp(model->values[model->slots[slot] - 1].name, name) != 0)
        slot = (slot + 1) & mask;
    return slot;
}

struct cvy_onnx_value *cvy_onnx_find(const struct cvy_onnx *model, const char *name)
{
    size_t index = model->slots[find_slot(model, name)];
    return index ? &model->values[index - 1] : NULL;
}

enum cvy_status cvy_onnx_define(struct cvy_onnx *model, const char *name, struct cvy_onnx_value **value)
{
    if (name == NULL || name[0] == '\0')
        return cvy_fail(CVY_ERROR_FORMAT, "%s: an input or initializer has no name; export the model anew",
                        model->file);
    size_t slot = find_slot(model, name);
    if (model->slots[slot] != 0)
        return cvy_fail(CVY_ERROR_FORMAT, "%s: two values are named '%s'; export the model anew", model->file,
                        name);
    struct cvy_onnx_value *made = &model->values[model->n_values++];
    *made = (struct cvy_onnx_value){.name = name, .rank = CVY_ONNX_OPEN_RANK};
    model->slots[slot] = model->n_values;
    *value = made;
    return CVY_OK;
}

enum cvy_status cvy_onnx_read_constant(struct cvy_onnx *model, struct cvy_onnx_value *value)
{
    if (value->tensor.data != NULL)
        return CVY_OK;
    char where[512];
    snprintf(where, sizeof(where), "%s: tensor '%s'", model->file, value->name);
    return cvy_onnx_tensor_read(&value->tensor, value->proto, where, model->folder);
}

enum cvy_status cvy_onnx_add_constant(struct cvy_onnx *model, struct cvy_onnx_value *value)
{
    if (value->value != NULL)
        return CVY_OK;
    enum cvy_status status = cvy_onnx_read_constant(model, value);
    if (status != CVY_OK)
        return status;
    enum cvy_dtype dtype = value->tensor.dtype;
    if (dtype == CVY_FLOAT32 || dtype == CVY_INT8 || dtype == CVY_UINT8 || dtype == CVY_INT32 ||
        dtype == CVY_INT64 || dtype == CVY_BOOL) {
        status = cvy_graph_add_constant(model->graph, &value->value, value->name, &value->tensor);
    } else if (dtype == CVY_FLOAT16 || dtype == CVY_FLOAT64) {
        struct cvy_tensor converted = {0};
        status = cvy_tensor_convert(&converted, &value->tensor, CVY_FLOAT32);
        if (status == CVY_OK)
            status = cvy_graph_add_constant(model->graph, &value->value, value->name, &converted);
        cvy_tensor_finish(&converted);
    } else {
        return cvy_fail(
            CVY_ERROR_UNSUPPORTED,
            "%s: tensor '%s' is %s where numbers to compute with are wanted; convert it to float32",
            model->file, value->name, cvy_dtype_name(dtype));
    }
    /* weights are large, and now in the graph; should they be asked for again, they are read again */
    if (status == CVY_OK && value->proto != NULL)
        cvy_tensor_finish(&value->tensor);
    return status;
}
