/* Loads a model: opset, inputs, constants, nodes, outputs. */
#include "import/onnx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "base/file.h"

static enum cvy_status read_opset(struct cvy_onnx *model, const Cvy__Onnx__ModelProto *proto)
{
    bool found = false;
    for (size_t i = 0; i < proto->n_opset_import; i++) {
        const char *domain = proto->opset_import[i]->domain;
        if (domain == NULL || domain[0] == '\0' || strcmp(domain, "ai.onnx") == 0) {
            model->opset = proto->opset_import[i]->version;
            found = true;
        }
    }
    if (!found)
        return cvy_fail(CVY_ERROR_FORMAT,
                        "%s: truncated or no ONNX model (it names no opset); export it anew", model->file);
    if (model->opset < CVY_ONNX_OLDEST)
        return cvy_fail(CVY_ERROR_UNSUPPORTED, "%s: opset %lld; %d and later are read, export it so",
                        model->file, (long long)model->opset, CVY_ONNX_OLDEST);
    if (model->opset > CVY_ONNX_NEWEST)
        cvy_log(CVY_LOG_WARNING,
                "%s: opset %lld is newer than %d, the newest convoy knows; operators are read as of that",
                model->file, (long long)model->opset, CVY_ONNX_NEWEST);
    return CVY_OK;
}

/* The declared shape of an input: dimensions without a number are open. */
static enum cvy_status read_input_shape(const struct cvy_onnx *model, const char *name,
                                        const Cvy__Onnx__TensorShapeProto *proto, struct cvy_shape *shape)
{
    if (proto->n_dim > CVY_MAX_RANK)
        return cvy_fail(CVY_ERROR_UNSUPPORTED,
                        "%s: input '%s' has rank %zu, at most %d is supported; reshape it", model->file, name,
                        proto->n_dim, CVY_MAX_RANK);
    size_t product = sizeof(float);
    *shape = (struct cvy_shape){.rank = proto->n_dim};
    for (size_t i = 0; i < proto->n_dim; i++) {
        int64_t size = proto->dim[i]->has_dim_value ? proto->dim[i]->dim_value : 0;
        /* some exporters write -1 for an open dimension */
        if (size < -1)
            return cvy_fail(CVY_ERROR_FORMAT, "%s: input '%s' has the dimension %lld; export the model anew",
                            model->file, name, (long long)size);
        shape->dims[i] = size > 0 ? (size_t)size : 0;
        if (size > 0 && !cvy_mul(product, shape->dims[i], &product))
            return cvy_fail(CVY_ERROR_FORMAT,
                            "%s: input '%s' is larger than this machine can address; export the model anew",
                            model->file, name);
    }
    return CVY_OK;
}

/* What an input of the format's type becomes; false: it cannot be one. */
static bool input_dtype(int element, enum cvy_dtype *dtype)
{
    switch (element) {
    case CVY_ONNX_FLOAT:
    case CVY_ONNX_FLOAT16:
    case CVY_ONNX_DOUBLE:
        *dtype = CVY_FLOAT32;
        return true;
    case CVY_ONNX_INT8:
        *dtype = CVY_INT8;
        return true;
    case CVY_ONNX_UINT8:
        *dtype = CVY_UINT8;
        return true;
    case CVY_ONNX_INT32:
        *dtype = CVY_INT32;
        return true;
    default:
        return false;
    }
}

static enum cvy_status add_input(struct cvy_onnx *model, const Cvy__Onnx__ValueInfoProto *info)
{
    const Cvy__Onnx__TypeProto__Tensor *type = info->type ? info->type->tensor_type : NULL;
    struct cvy_shape shape = {0};
    struct cvy_onnx_value *value = NULL;
    bool has_shape = type != NULL && type->shape != NULL;
    enum cvy_status status = cvy_onnx_define(model, info->name, &value);
    if (status != CVY_OK)
        return status;
    if (info->type != NULL && type == NULL)
        return cvy_fail(CVY_ERROR_UNSUPPORTED,
                        "%s: input '%s' is no tensor; sequences and maps are not supported", model->file,
                        info->name);
    int element = type && type->has_elem_type ? type->elem_type : CVY_ONNX_FLOAT;
    enum cvy_dtype dtype = CVY_FLOAT32;
    if (!input_dtype(element, &dtype))
        return cvy_fail(CVY_ERROR_UNSUPPORTED,
                        "%s: input '%s' is %s; networks take float32, int8, uint8 and int32, so make it a "
                        "constant or convert it",
                        model->file, info->name, cvy_onnx_type_name(element));
    if (element == CVY_ONNX_FLOAT16 || element == CVY_ONNX_DOUBLE)
        cvy_log(CVY_LOG_WARNING, "%s: input '%s' is %s, it is computed in float32", model->file, info->name,
                cvy_onnx_type_name(element));
    if (has_shape) {
        status = read_input_shape(model, info->name, type->shape, &shape);
        if (status != CVY_OK)
            return status;
        value->rank = shape.rank;
        value->shape = shape;
    }
    return cvy_graph_add_typed_input(model->graph, &value->value, info->name, dtype,
                                     has_shape ? &shape : NULL);
}

static enum cvy_status read_graph(struct cvy_onnx *model)
{
    const Cvy__Onnx__GraphProto *graph = model->proto;
    enum cvy_status status = cvy_onnx_values_init(model);
    for (size_t i = 0; i < graph->n_initializer && status == CVY_OK; i++) {
        struct cvy_onnx_value *value = NULL;
        status = cvy_onnx_define(model, graph->initializer[i]->name, &value);
        if (status == CVY_OK) {
            value->constant = true;
            value->proto = graph->initializer[i];
            value->rank = graph->initializer[i]->n_dims;
        }
    }
    for (size_t i = 0; i < graph->n_input && status == CVY_OK; i++) {
        const char *name = graph->input[i]->name;
        const struct cvy_onnx_value *known = name ? cvy_onnx_find(model, name) : NULL;
        /* models of IR version 3 list their constants among the inputs */
        if (known == NULL || !known->constant)
            status = add_input(model, graph->input[i]);
    }
    for (size_t i = 0; i < graph->n_node && status == CVY_OK; i++)
        status = cvy_onnx_read_node(model, i);
    return status;
}

static enum cvy_status add_outputs(struct cvy_onnx *model)
{
    const Cvy__Onnx__GraphProto *graph = model->proto;
    if (graph->n_output == 0)
        return cvy_fail(CVY_ERROR_FORMAT, "%s: truncated or no ONNX model (it has no output); export it anew",
                        model->file);
    for (size_t i = 0; i < graph->n_output; i++) {
        const char *name = graph->output[i]->name ? graph->output[i]->name : "";
        struct cvy_onnx_value *value = cvy_onnx_find(model, name);
        if (value == NULL)
            return cvy_fail(CVY_ERROR_FORMAT, "%s: output '%s' is made by no node; export the model anew",
                            model->file, name);
        if (value->absent != NULL)
            return cvy_fail(CVY_ERROR_UNSUPPORTED, "%s: output '%s' %s", model->file, name, value->absent);
        enum cvy_status status = CVY_OK;
        if (value->constant)
            status = cvy_onnx_add_constant(model, value);
        if (status == CVY_OK)
            status = cvy_graph_add_output(model->graph, value->value, name);
        if (status != CVY_OK)
            return status;
    }
    return CVY_OK;
}

static enum cvy_status load(struct cvy_graph **graph, const void *data, size_t bytes, const char *name,
                            const char *folder)
{
    Cvy__Onnx__ModelProto *proto = cvy__onnx__model_proto__unpack(NULL, bytes, data);
    struct cvy_onnx model = {.file = name, .folder = folder, .proto = proto ? proto->graph : NULL};
    enum cvy_status status;
    if (model.proto == NULL) {
        status = cvy_fail(CVY_ERROR_FORMAT, "%s: truncated or no ONNX model; export it anew", name);
        goto done;
    }
    status = read_opset(&model, proto);
    if (status == CVY_OK)
        status = cvy_graph_create(&model.graph);
    if (status == CVY_OK)
        status = read_graph(&model);
    if (status == CVY_OK)
        status = add_outputs(&model);
    if (status == CVY_OK) {
        *graph = model.graph;
        model.graph = NULL;
    }
done:
    cvy_onnx_values_finish(&model);
    cvy_graph_destroy(&model.graph);
    cvy__onnx__model_proto__free_unpacked(proto, NULL);
    return status;
}

static size_t limit_of(const struct cvy_onnx_params *params)
{
    return params != NULL && params->max_bytes != 0 ? params->max_bytes : (size_t)2048 * 1024 * 1024;
}

enum cvy_status cvy_graph_load_onnx(struct cvy_graph **graph, const char *path,
                                    const struct cvy_onnx_params *params)
{
    uint8_t *data = NULL;
    size_t bytes = 0;
    enum cvy_status status = cvy_file_read(path, limit_of(params), &data, &bytes);
    if (status != CVY_OK)
        return status;
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) + 1 : 0;
    char *folder = malloc(length + 3);
    if (folder == NULL) {
        status = cvy_fail_memory("path", length + 3);
    } else {
        snprintf(folder, length + 3, "%.*s.", (int)CVY_MIN(length, 4096), path);
        status = load(graph, data, bytes, path, folder);
    }
    free(folder);
    free(data);
    return status;
}

enum cvy_status cvy_graph_load_onnx_memory(struct cvy_graph **graph, const void *data, size_t bytes,
                                           const char *name, const struct cvy_onnx_params *params)
{
    if (bytes > limit_of(params))
        return cvy_fail(CVY_ERROR_IO, "%s: larger than the limit of %zu bytes; raise the limit", name,
                        limit_of(params));
    return load(graph, data, bytes, name, NULL);
}
