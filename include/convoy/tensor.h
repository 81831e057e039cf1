/*
 * tensor.h - element types, shapes, and tensors in host memory.
 *
 * Tensors are dense and row-major: the last dimension is the fastest. Networks compute in float32, and
 * quantized convolutions in int8, uint8 and int32; other types hold constants such as shapes and axes.
 */
#ifndef CONVOY_TENSOR_H
#define CONVOY_TENSOR_H

#include <convoy/base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CVY_MAX_RANK 8

enum cvy_dtype {
    CVY_FLOAT32 = 0,
    CVY_FLOAT64,
    CVY_FLOAT16,
    CVY_INT8,
    CVY_INT16,
    CVY_INT32,
    CVY_INT64,
    CVY_UINT8,
    CVY_UINT16,
    CVY_UINT32,
    CVY_UINT64,
    CVY_BOOL,
};

/* Bytes of one element; 0 for a value that is no dtype. */
CVY_API size_t cvy_dtype_size(enum cvy_dtype dtype);
/* "float32", "int64", ...; "unknown" for a value that is no dtype. */
CVY_API const char *cvy_dtype_name(enum cvy_dtype dtype);

/* Rank 0 is a scalar with one element. */
struct cvy_shape {
    size_t rank;
    size_t dims[CVY_MAX_RANK];
};

/* Product of the dimensions. CVY_ERROR_INVALID when it does not fit size_t or rank exceeds CVY_MAX_RANK. */
CVY_API enum cvy_status cvy_shape_elements(const struct cvy_shape *shape, size_t *elements);
CVY_API bool cvy_shape_equal(const struct cvy_shape *a, const struct cvy_shape *b);
/* Writes "1x3x224x224" ("scalar" for rank 0), cut to size bytes with the terminator. Returns text. */
CVY_API const char *cvy_shape_format(const struct cvy_shape *shape, char *text, size_t size);

/* A tensor in host memory. data is owned by the tensor and freed by cvy_tensor_finish(). */
struct cvy_tensor {
    enum cvy_dtype dtype;
    struct cvy_shape shape;
    size_t elements;
    size_t bytes;
    void *data; /* aligned for any element type; not NULL even for 0 elements */
};

/* Allocates zeroed data. Errors: CVY_ERROR_INVALID (dtype, rank, overflow), CVY_ERROR_HOST_MEMORY. */
CVY_API enum cvy_status cvy_tensor_init(struct cvy_tensor *tensor, enum cvy_dtype dtype,
                                        const struct cvy_shape *shape);
/* Frees data and zeroes the struct. Accepts NULL and a zeroed struct. */
CVY_API void cvy_tensor_finish(struct cvy_tensor *tensor);
/* Makes out a copy of tensor converted to dtype (values beyond an integer's range are clamped, fractions
 * rounded to nearest, NaN becomes 0). out must not be tensor itself. */
CVY_API enum cvy_status cvy_tensor_convert(struct cvy_tensor *out, const struct cvy_tensor *tensor,
                                           enum cvy_dtype dtype);

#ifdef __cplusplus
}
#endif

#endif
