#include "base/tensor.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [CVY_FLOAT32] = {"float32", 4}, [CVY_FLOAT64] = {"float64", 8}, [CVY_FLOAT16] = {"float16", 2},
    [CVY_INT8] = {"int8", 1},       [CVY_INT16] = {"int16", 2},     [CVY_INT32] = {"int32", 4},
    [CVY_INT64] = {"int64", 8},     [CVY_UINT8] = {"uint8", 1},     [CVY_UINT16] = {"uint16", 2},
    [CVY_UINT32] = {"uint32", 4},   [CVY_UINT64] = {"uint64", 8},   [CVY_BOOL] = {"bool", 1},
};

size_t cvy_dtype_size(enum cvy_dtype dtype)
{
    return (size_t)dtype < CVY_COUNT(dtypes) ? dtypes[dtype].size : 0;
}

const char *cvy_dtype_name(enum cvy_dtype dtype)
{
    return (size_t)dtype < CVY_COUNT(dtypes) ? dtypes[dtype].name : "unknown";
}

enum cvy_status cvy_shape_elements(const struct cvy_shape *shape, size_t *elements)
{
    if (shape->rank > CVY_MAX_RANK)
        return cvy_fail(CVY_ERROR_INVALID, "shape: rank %zu, at most %d is supported", shape->rank,
                        CVY_MAX_RANK);
    size_t product = 1;
    for (size_t i = 0; i < shape->rank; i++) {
        if (!cvy_mul(product, shape->dims[i], &product))
            return cvy_fail(CVY_ERROR_INVALID, "shape: more elements than this machine can address");
    }
    *elements = product;
    return CVY_OK;
}

bool cvy_shape_equal(const struct cvy_shape *a, const struct cvy_shape *b)
{
    return a->rank == b->rank && memcmp(a->dims, b->dims, a->rank * sizeof(a->dims[0])) == 0;
}

const char *cvy_shape_format(const struct cvy_shape *shape, char *text, size_t size)
{
    if (shape->rank == 0)
        snprintf(text, size, "scalar");
    size_t used = 0;
    for (size_t i = 0; i < shape->rank && i < CVY_MAX_RANK && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, i ? "x%zu" : "%zu", shape->dims[i]);
    return text;
}

static enum cvy_status make(struct cvy_tensor *tensor, enum cvy_dtype dtype, const struct cvy_shape *shape,
                            bool zeroed)
{
    size_t elements, bytes;
    enum cvy_status status = cvy_shape_elements(shape, &elements);
    if (status != CVY_OK)
        return status;
    size_t size = cvy_dtype_size(dtype);
    if (size == 0)
        return cvy_fail(CVY_ERROR_INVALID, "tensor: %d is no element type", (int)dtype);
    if (!cvy_mul(elements, size, &bytes))
        return cvy_fail(CVY_ERROR_INVALID, "tensor: more bytes than this machine can address");
    void *data = zeroed ? calloc(CVY_MAX(bytes, 1), 1) : malloc(CVY_MAX(bytes, 1));
    if (data == NULL)
        return cvy_fail_memory("tensor", bytes);
    *tensor = (struct cvy_tensor){
        .dtype = dtype, .shape = *shape, .elements = elements, .bytes = bytes, .data = data};
    return CVY_OK;
}

enum cvy_status cvy_tensor_init(struct cvy_tensor *tensor, enum cvy_dtype dtype,
                                const struct cvy_shape *shape)
{
    return make(tensor, dtype, shape, true);
}

enum cvy_status cvy_tensor_allocate(struct cvy_tensor *tensor, enum cvy_dtype dtype,
                                    const struct cvy_shape *shape)
{
    return make(tensor, dtype, shape, false);
}

void cvy_tensor_finish(struct cvy_tensor *tensor)
{
    if (tensor == NULL)
        return;
    free(tensor->data);
    *tensor = (struct cvy_tensor){0};
}

static float half_to_float(uint16_t half)
{
    unsigned exponent = half >> 10 & 31, mantissa = half & 1023;
    float magnitude = exponent == 31  ? (mantissa ? NAN : INFINITY)
                      : exponent == 0 ? ldexpf((float)mantissa, -24)
                                      : ldexpf((float)(mantissa | 1024), (int)exponent - 25);
    return half & 0x8000 ? -magnitude : magnitude;
}

static uint16_t float_to_half(double value)
{
    uint16_t sign = signbit(value) ? 0x8000 : 0;
    double magnitude = fabs(value);
    if (isnan(value))
        return 0x7e00;
    if (magnitude >= 65520.0)
        return sign | 0x7c00;
    if (magnitude < ldexp(1, -14))
        return sign | (uint16_t)nearbyint(ldexp(magnitude, 24));
    int exponent;
    double fraction = frexp(magnitude, &exponent);
    /* a fraction that rounds up to 2048 carries into the exponent, which is what we want */
    return (uint16_t)(sign | (((exponent + 14) << 10) + ((int)nearbyint(ldexp(fraction, 11)) - 1024)));
}

/* 64-bit integers would lose bits in a double: they are read and written on their own path. */
static bool is_integer(enum cvy_dtype dtype)
{
    return dtype >= CVY_INT8 && dtype <= CVY_BOOL;
}

static double load_real(const struct cvy_tensor *t, size_t i)
{
    switch (t->dtype) {
    case CVY_FLOAT32:
        return ((const float *)t->data)[i];
    case CVY_FLOAT64:
        return ((const double *)t->data)[i];
    case CVY_FLOAT16:
        return half_to_float(((const uint16_t *)t->data)[i]);
    case CVY_UINT64:
        return (double)((const uint64_t *)t->data)[i];
    case CVY_INT64:
        return (double)((const int64_t *)t->data)[i];
    case CVY_INT8:
        return ((const int8_t *)t->data)[i];
    case CVY_INT16:
        return ((const int16_t *)t->data)[i];
    case CVY_INT32:
        return ((const int32_t *)t->data)[i];
    case CVY_UINT16:
        return ((const uint16_t *)t->data)[i];
    case CVY_UINT32:
        return ((const uint32_t *)t->data)[i];
    case CVY_UINT8:
    case CVY_BOOL:
        break;
    }
    return ((const uint8_t *)t->data)[i];
}

static int64_t load_integer(const struct cvy_tensor *t, size_t i)
{
    if (t->dtype == CVY_INT64)
        return ((const int64_t *)t->data)[i];
    if (t->dtype == CVY_UINT64) {
        uint64_t value = ((const uint64_t *)t->data)[i];
        return value > INT64_MAX ? INT64_MAX : (int64_t)value;
    }
    if (is_integer(t->dtype))
        return (int64_t)load_real(t, i);
    double value = load_real(t, i);
    if (isnan(value))
        return 0;
    if (value >= 9223372036854775808.0)
        return INT64_MAX;
    if (value <= -9223372036854775808.0)
        return INT64_MIN;
    return (int64_t)nearbyint(value);
}

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

static void store_integer(struct cvy_tensor *t, size_t i, int64_t v)
{
    switch (t->dtype) {
    case CVY_INT8:
        ((int8_t *)t->data)[i] = (int8_t)clamp(v, INT8_MIN, INT8_MAX);
        break;
    case CVY_INT16:
        ((int16_t *)t->data)[i] = (int16_t)clamp(v, INT16_MIN, INT16_MAX);
        break;
    case CVY_INT32:
        ((int32_t *)t->data)[i] = (int32_t)clamp(v, INT32_MIN, INT32_MAX);
        break;
    case CVY_UINT8:
        ((uint8_t *)t->data)[i] = (uint8_t)clamp(v, 0, UINT8_MAX);
        break;
    case CVY_UINT16:
        ((uint16_t *)t->data)[i] = (uint16_t)clamp(v, 0, UINT16_MAX);
        break;
    case CVY_UINT32:
        ((uint32_t *)t->data)[i] = (uint32_t)clamp(v, 0, UINT32_MAX);
        break;
    case CVY_UINT64:
        ((uint64_t *)t->data)[i] = (uint64_t)clamp(v, 0, INT64_MAX);
        break;
    case CVY_BOOL:
        ((uint8_t *)t->data)[i] = v != 0;
        break;
    default:
        ((int64_t *)t->data)[i] = v;
    }
}

static void store_real(struct cvy_tensor *t, size_t i, double v)
{
    if (t->dtype == CVY_FLOAT32)
        ((float *)t->data)[i] = (float)v;
    else if (t->dtype == CVY_FLOAT64)
        ((double *)t->data)[i] = v;
    else
        ((uint16_t *)t->data)[i] = float_to_half(v);
}

enum cvy_status cvy_tensor_convert(struct cvy_tensor *out, const struct cvy_tensor *tensor,
                                   enum cvy_dtype dtype)
{
    struct cvy_tensor made;
    enum cvy_status status = cvy_tensor_allocate(&made, dtype, &tensor->shape);
    if (status != CVY_OK)
        return status;
    if (dtype == tensor->dtype) {
        memcpy(made.data, tensor->data, made.bytes);
    } else {
        for (size_t i = 0; i < made.elements; i++) {
            if (is_integer(dtype))
                store_integer(&made, i, load_integer(tensor, i));
            else
                store_real(&made, i, load_real(tensor, i));
        }
    }
    *out = made;
    return CVY_OK;
}
