#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "import/bytes.h"
#include "base/file.h"
#include "import/onnx.h"

enum field { FIELD_FLOAT, FIELD_DOUBLE, FIELD_INT32, FIELD_INT64, FIELD_UINT64 };

/* How each type is stored: its dtype here, and the field used where there is no raw data. */
static const struct {
    const char *name;
    bool supported;
    enum cvy_dtype dtype;
    enum field field;
} types[] = {
    [CVY_ONNX_FLOAT] = {"float32", true, CVY_FLOAT32, FIELD_FLOAT},
    [CVY_ONNX_UINT8] = {"uint8", true, CVY_UINT8, FIELD_INT32},
    [CVY_ONNX_INT8] = {"int8", true, CVY_INT8, FIELD_INT32},
    [CVY_ONNX_UINT16] = {"uint16", true, CVY_UINT16, FIELD_INT32},
    [CVY_ONNX_INT16] = {"int16", true, CVY_INT16, FIELD_INT32},
    [CVY_ONNX_INT32] = {"int32", true, CVY_INT32, FIELD_INT32},
    [CVY_ONNX_INT64] = {"int64", true, CVY_INT64, FIELD_INT64},
    [CVY_ONNX_STRING] = {.name = "string"},
    [CVY_ONNX_BOOL] = {"bool", true, CVY_BOOL, FIELD_INT32},
    [CVY_ONNX_FLOAT16] = {"float16", true, CVY_FLOAT16, FIELD_INT32},
    [CVY_ONNX_DOUBLE] = {"float64", true, CVY_FLOAT64, FIELD_DOUBLE},
    [CVY_ONNX_UINT32] = {"uint32", true, CVY_UINT32, FIELD_UINT64},
    [CVY_ONNX_UINT64] = {"uint64", true, CVY_UINT64, FIELD_UINT64},
    [14] = {.name = "complex64"},
    [15] = {.name = "complex128"},
    /* the upper half of a float32, which is what becomes of it */
    [CVY_ONNX_BFLOAT16] = {"bfloat16", true, CVY_FLOAT32, FIELD_INT32},
};

const char *cvy_onnx_type_name(int type)
{
    return type > 0 && (size_t)type < CVY_COUNT(types) && types[type].name ? types[type].name
                                                                           : "of an unknown type";
}

static enum cvy_status read_shape(struct cvy_shape *shape, const Cvy__Onnx__TensorProto *proto,
                                  const char *where, size_t element_size, size_t *elements)
{
    if (proto->n_dims > CVY_MAX_RANK)
        return cvy_fail(CVY_ERROR_UNSUPPORTED, "%s: rank %zu, at most %d is supported; reshape it", where,
                        proto->n_dims, CVY_MAX_RANK);
    size_t product = 1, bytes;
    *shape = (struct cvy_shape){.rank = proto->n_dims};
    for (size_t i = 0; i < proto->n_dims; i++) {
        if (proto->dims[i] < 0)
            return cvy_fail(CVY_ERROR_FORMAT, "%s: dimension %zu is %lld; export the model anew", where, i,
                            (long long)proto->dims[i]);
        shape->dims[i] = (size_t)proto->dims[i];
        if (!cvy_mul(product, shape->dims[i], &product) || !cvy_mul(product, element_size, &bytes))
            return cvy_fail(
                CVY_ERROR_FORMAT,
                "%s: its dimensions multiply to more than this machine can address; export the model anew",
                where);
    }
    *elements = product;
    return CVY_OK;
}

static enum cvy_status fail_size(const char *where, const struct cvy_shape *shape, const char *type,
                                 const char *unit, unsigned long long wanted, unsigned long long there)
{
    char text[128];
    return cvy_fail(CVY_ERROR_FORMAT,
                    "%s: %s %s needs %llu %s, %llu are there; the file is damaged, export it anew", where,
                    cvy_shape_format(shape, text, sizeof(text)), type, wanted, unit, there);
}

static size_t field_count(const Cvy__Onnx__TensorProto *proto, enum field field)
{
    switch (field) {
    case FIELD_FLOAT:
        return proto->n_float_data;
    case FIELD_DOUBLE:
        return proto->n_double_data;
    case FIELD_INT32:
        return proto->n_int32_data;
    case FIELD_INT64:
        return proto->n_int64_data;
    case FIELD_UINT64:
        break;
    }
    return proto->n_uint64_data;
}

/* Elements narrower than their field: the low bytes, if the rest carries nothing. */
static bool narrow(void *data, size_t size, size_t i, int64_t value)
{
    switch (size) {
    case 1:
        ((uint8_t *)data)[i] = (uint8_t)value;
        return value >= INT8_MIN && value <= UINT8_MAX;
    case 2:
        ((uint16_t *)data)[i] = (uint16_t)value;
        return value >= INT16_MIN && value <= UINT16_MAX;
    default:
        ((uint32_t *)data)[i] = (uint32_t)value;
        return value >= INT32_MIN && value <= UINT32_MAX;
    }
}

static enum cvy_status copy_fields(void *data, const Cvy__Onnx__TensorProto *proto, enum field field,
                                   size_t size, size_t elements, const char *where)
{
    bool fits = true;
    switch (field) {
    case FIELD_FLOAT:
        memcpy(data, proto->float_data, elements * sizeof(float));
        break;
    case FIELD_DOUBLE:
        memcpy(data, proto->double_data, elements * sizeof(double));
        break;
    case FIELD_INT64:
        memcpy(data, proto->int64_data, elements * sizeof(int64_t));
        break;
    case FIELD_INT32:
        for (size_t i = 0; i < elements; i++)
            fits = narrow(data, size, i, proto->int32_data[i]) && fits;
        break;
    case FIELD_UINT64:
        for (size_t i = 0; i < elements && size == 8; i++)
            ((uint64_t *)data)[i] = proto->uint64_data[i];
        for (size_t i = 0; i < elements && size == 4; i++)
            fits = proto->uint64_data[i] <= UINT32_MAX &&
                   narrow(data, size, i, (int64_t)proto->uint64_data[i]) && fits;
        break;
    }
    if (!fits)
        return cvy_fail(CVY_ERROR_FORMAT, "%s: values beyond the range of its type; export the model anew",
                        where);
    return CVY_OK;
}

static bool parse_uint(const char *text, uint64_t *value)
{
    char *end = NULL;
    if (text == NULL || text[0] < '0' || text[0] > '9')
        return false;
    *value = strtoull(text, &end, 10);
    return *end == '\0';
}

/* External data lies beside the model; a path that leaves its folder is refused. */
static bool stays_inside(const char *path)
{
    if (path == NULL || path[0] == '\0' || path[0] == '/' || strchr(path, '\\') != NULL)
        return false;
    for (const char *part = path; part != NULL; part = strchr(part, '/')) {
        part += *part == '/';
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0'))
            return false;
    }
    return true;
}

struct external {
    const char *location;
    uint64_t offset;
    uint64_t length;
    bool has_length;
};

static enum cvy_status parse_external(struct external *external, const Cvy__Onnx__TensorProto *proto,
                                      const char *where)
{
    bool valid = true;
    for (size_t i = 0; i < proto->n_external_data; i++) {
        const char *key = proto->external_data[i]->key, *value = proto->external_data[i]->value;
        if (key == NULL)
            continue;
        if (strcmp(key, "location") == 0) {
            external->location = value;
        } else if (strcmp(key, "offset") == 0) {
            valid = parse_uint(value, &external->offset) && valid;
        } else if (strcmp(key, "length") == 0) {
            external->has_length = true;
            valid = parse_uint(value, &external->length) && valid;
        }
    }
    if (!valid)
        return cvy_fail(CVY_ERROR_FORMAT,
                        "%s: offset or length of its external data is no number; export the model anew",
                        where);
    if (!stays_inside(external->location))
        return cvy_fail(CVY_ERROR_UNSUPPORTED,
                        "%s: its external data '%s' lies outside the model's folder; put it beside the model",
                        where, external->location ? external->location : "");
    return CVY_OK;
}

/* Checks and names the file of external data. *path is freed by the caller. */
static enum cvy_status find_external(char **path, uint64_t *offset, const Cvy__Onnx__TensorProto *proto,
                                     const char *where, const char *folder, const struct cvy_shape *shape,
                                     size_t bytes)
{
    struct external external = {0};
    enum cvy_status status = parse_external(&external, proto, where);
    if (status != CVY_OK)
        return status;
    if (folder == NULL)
        return cvy_fail(
            CVY_ERROR_UNSUPPORTED,
            "%s: keeps its data in a file of its own, which a model in memory cannot; load it by its path",
            where);
    if (external.has_length && external.length != bytes)
        return fail_size(where, shape, "external data", "bytes", bytes, external.length);
    size_t size = strlen(folder) + strlen(external.location) + 2;
    char *made = malloc(size);
    if (made == NULL)
        return cvy_fail_memory("path", size);
    snprintf(made, size, "%s/%s", folder, external.location);
    uint64_t there = 0;
    status = cvy_file_size(made, &there);
    if (status == CVY_OK && (external.offset > there || there - external.offset < bytes))
        status = fail_size(where, shape, "external data", "bytes", bytes,
                           external.offset > there ? 0 : there - external.offset);
    if (status != CVY_OK) {
        free(made);
        return status;
    }
    *path = made;
    *offset = external.offset;
    return CVY_OK;
}

/* 16-bit halves at the beginning of data become the upper halves of its 32-bit floats. */
static void widen_bfloat16(void *data, size_t elements)
{
    for (size_t i = elements; i-- > 0;) {
        uint16_t half;
        memcpy(&half, (uint8_t *)data + 2 * i, sizeof(half));
        uint32_t bits = (uint32_t)half << 16;
        memcpy((uint8_t *)data + 4 * i, &bits, sizeof(bits));
    }
}

enum cvy_status cvy_onnx_tensor_read(struct cvy_tensor *tensor, const Cvy__Onnx__TensorProto *proto,
                                     const char *where, const char *folder)
{
    int type = proto->data_type;
    if (type <= 0 || (size_t)type >= CVY_COUNT(types) || !types[type].supported)
        return cvy_fail(type == 0 ? CVY_ERROR_FORMAT : CVY_ERROR_UNSUPPORTED,
                        "%s: its elements are %s (%d); convert them to float32", where,
                        cvy_onnx_type_name(type), type);
    enum cvy_dtype dtype = types[type].dtype;
    enum field field = types[type].field;
    /* bfloat16 is half as large in the file as here */
    size_t size = type == CVY_ONNX_BFLOAT16 ? 2 : cvy_dtype_size(dtype), elements = 0;
    struct cvy_shape shape;
    enum cvy_status status = read_shape(&shape, proto, where, cvy_dtype_size(dtype), &elements);
    if (status != CVY_OK)
        return status;
    /* sizes are compared before memory is taken: a lie must not cost any */
    size_t bytes = elements * size;
    char *external = NULL;
    uint64_t offset = 0;
    if (proto->data_location == 1)
        status = find_external(&external, &offset, proto, where, folder, &shape, bytes);
    else if (proto->has_raw_data && proto->raw_data.len != bytes)
        status = fail_size(where, &shape, types[type].name, "bytes", bytes, proto->raw_data.len);
    else if (!proto->has_raw_data && field_count(proto, field) != elements)
        status = fail_size(where, &shape, types[type].name, "values", elements, field_count(proto, field));
    if (status != CVY_OK)
        return status;
    struct cvy_tensor made = {0};
    status = cvy_tensor_init(&made, dtype, &shape);
    if (status != CVY_OK)
        goto fail;
    bool raw = external != NULL || proto->has_raw_data;
    if (external != NULL)
        status = cvy_file_read_part(external, offset, made.data, bytes);
    else if (raw && bytes > 0)
        memcpy(made.data, proto->raw_data.data, bytes);
    else if (!raw && bytes > 0)
        status = copy_fields(made.data, proto, field, size, elements, where);
    if (status != CVY_OK)
        goto fail;
    if (raw && !cvy_host_is_little_endian())
        cvy_swap_bytes(made.data, size, elements);
    if (type == CVY_ONNX_BFLOAT16)
        widen_bfloat16(made.data, elements);
    free(external);
    *tensor = made;
    return CVY_OK;
fail:
    cvy_tensor_finish(&made);
    free(external);
    return status;
}

static const char *folder_of(const char *path, char *folder, size_t size)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return ".";
    if (slash == path)
        return "/";
    if ((size_t)(slash - path) >= size)
        return NULL;
    memcpy(folder, path, (size_t)(slash - path));
    folder[slash - path] = '\0';
    return folder;
}

enum cvy_status cvy_tensor_load_pb(struct cvy_tensor *tensor, const char *path)
{
    uint8_t *data = NULL;
    size_t bytes = 0;
    char folder[4096];
    enum cvy_status status = cvy_file_read(path, 0, &data, &bytes);
    if (status != CVY_OK)
        return status;
    Cvy__Onnx__TensorProto *proto = cvy__onnx__tensor_proto__unpack(NULL, bytes, data);
    if (proto == NULL)
        status = cvy_fail(CVY_ERROR_FORMAT, "%s: truncated or no ONNX TensorProto; write it anew", path);
    else
        status = cvy_onnx_tensor_read(tensor, proto, path, folder_of(path, folder, sizeof(folder)));
    cvy__onnx__tensor_proto__free_unpacked(proto, NULL);
    free(data);
    return status;
}

/* The file's type of a dtype; 0 = none. */
static int type_of(enum cvy_dtype dtype)
{
    for (int type = 1; (size_t)type < CVY_COUNT(types); type++) {
        if (types[type].supported && types[type].dtype == dtype)
            return type;
    }
    return 0;
}

enum cvy_status cvy_tensor_save_pb(const struct cvy_tensor *tensor, const char *path)
{
    int type = type_of(tensor->dtype);
    if (type == 0 || tensor->data == NULL || tensor->shape.rank > CVY_MAX_RANK)
        return cvy_fail(CVY_ERROR_INVALID, "%s: the tensor to write is not initialised", path);
    int64_t dims[CVY_MAX_RANK];
    for (size_t i = 0; i < tensor->shape.rank; i++)
        dims[i] = (int64_t)tensor->shape.dims[i];
    uint8_t *swapped = NULL, *packed = NULL;
    Cvy__Onnx__TensorProto proto = CVY__ONNX__TENSOR_PROTO__INIT;
    proto.n_dims = tensor->shape.rank;
    proto.dims = dims;
    proto.has_data_type = 1;
    proto.data_type = type;
    proto.has_raw_data = 1;
    proto.raw_data = (ProtobufCBinaryData){.len = tensor->bytes, .data = tensor->data};
    enum cvy_status status = CVY_OK;
    if (!cvy_host_is_little_endian()) {
        swapped = malloc(tensor->bytes ? tensor->bytes : 1);
        if (swapped == NULL)
            return cvy_fail_memory(path, tensor->bytes);
        memcpy(swapped, tensor->data, tensor->bytes);
        cvy_swap_bytes(swapped, cvy_dtype_size(tensor->dtype), tensor->elements);
        proto.raw_data.data = swapped;
    }
    size_t bytes = cvy__onnx__tensor_proto__get_packed_size(&proto);
    packed = malloc(bytes ? bytes : 1);
    if (packed == NULL) {
        status = cvy_fail_memory(path, bytes);
    } else {
        cvy__onnx__tensor_proto__pack(&proto, packed);
        status = cvy_file_write(path, &(struct cvy_piece){packed, bytes}, 1);
    }
    free(packed);
    free(swapped);
    return status;
}
