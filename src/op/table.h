/* table.h - small integer tables (sizes, strides) in device memory, for kernels that take any rank. */
#ifndef CVY_OP_TABLE_H
#define CVY_OP_TABLE_H

#include <convoy/device.h>
#include <convoy/tensor.h>

#define CVY_TABLE_MAX 64

/* Collects values; one that does not fit an int, or one too many, sticks. */
struct cvy_table {
    int values[CVY_TABLE_MAX];
    size_t n_values;
    bool overflow;
};

void cvy_table_add(struct cvy_table *table, size_t value);
void cvy_table_add_signed(struct cvy_table *table, int64_t value);
/* A buffer with the table's values. CVY_ERROR_UNSUPPORTED when one did not fit. */
enum cvy_status cvy_table_upload(const struct cvy_table *table, struct cvy_device *device,
                                 struct cvy_buffer **buffer);

/* Elements from one index to the next along each dimension of a dense tensor. */
void cvy_strides(const struct cvy_shape *shape, size_t strides[CVY_MAX_RANK]);

/* Product of dimensions begin to end - 1 of a shape whose elements are countable. */
size_t cvy_span_elements(const struct cvy_shape *shape, size_t begin, size_t end);

/* Size of dimension i of a shape that broadcasts to `rank` dimensions; 1 where it has fewer. */
size_t cvy_aligned_dim(const struct cvy_shape *shape, size_t rank, size_t i);

/* A negative axis counts from the end. CVY_ERROR_INVALID, in the name of `what`, outside 0..limit-1. */
enum cvy_status cvy_resolve_axis(const char *what, int64_t axis, size_t limit, size_t *result);

#endif
