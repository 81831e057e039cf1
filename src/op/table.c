#include "op/table.h"

#include <inttypes.h>

#include "base/arith.h"
#include "base/log.h"
#include "runtime/buffer.h"

void cvy_table_add(struct cvy_table *table, size_t value)
{
    int narrow = 0;
    if (table->n_values == CVY_TABLE_MAX || !cvy_to_int(value, &narrow))
        table->overflow = true;
    else
        table->values[table->n_values++] = narrow;
}

void cvy_table_add_signed(struct cvy_table *table, int64_t value)
{
    if (table->n_values == CVY_TABLE_MAX || value < INT_MIN || value > INT_MAX)
        table->overflow = true;
    else
        table->values[table->n_values++] = (int)value;
}

enum cvy_status cvy_table_upload(const struct cvy_table *table, struct cvy_device *device,
                                 struct cvy_buffer **buffer)
{
    if (table->overflow)
        return cvy_fail(CVY_ERROR_UNSUPPORTED,
                        "a dimension or stride exceeds %d, what a kernel can index; use "
                        "smaller tensors",
                        INT_MAX);
    return cvy_buffer_upload(buffer, device, table->n_values * sizeof(table->values[0]), table->values);
}

void cvy_strides(const struct cvy_shape *shape, size_t strides[CVY_MAX_RANK])
{
    size_t stride = 1;
    for (size_t i = shape->rank; i-- > 0;) {
        strides[i] = stride;
        stride *= shape->dims[i];
    }
}

size_t cvy_span_elements(const struct cvy_shape *shape, size_t begin, size_t end)
{
    size_t product = 1;
    for (size_t i = begin; i < end; i++)
        product *= shape->dims[i];
    return product;
}

size_t cvy_aligned_dim(const struct cvy_shape *shape, size_t rank, size_t i)
{
    size_t missing = rank - shape->rank;
    return i < missing ? 1 : shape->dims[i - missing];
}

enum cvy_status cvy_resolve_axis(const char *what, int64_t axis, size_t limit, size_t *result)
{
    int64_t from_front = axis < 0 ? axis + (int64_t)limit : axis;
    if (from_front < 0 || from_front >= (int64_t)limit)
        return cvy_fail(CVY_ERROR_INVALID, "%s: axis %" PRId64 " is outside -%zu..%zu", what, axis, limit,
                        limit - 1);
    *result = (size_t)from_front;
    return CVY_OK;
}
