#include "op/settle.h"

#include <string.h>

#include "base/log.h"

bool cvy_operand_given(const struct cvy_operand *in, size_t n_in, size_t index)
{
    return index < n_in && in[index].present;
}

/* The operand in another type. */
static enum cvy_status read_list(const char *what, const struct cvy_operand *operand, enum cvy_dtype dtype,
                                 size_t max, struct cvy_tensor *list)
{
    if (operand->constant == NULL)
        return cvy_fail(CVY_ERROR_UNSUPPORTED,
                        "%s must be a constant, or follow from constants and shapes; the network computes it",
                        what);
    if (operand->shape.rank > 1 || operand->constant->elements > max)
        return cvy_fail(CVY_ERROR_UNSUPPORTED,
                        "%s has %zu entries in %zu dimensions, a list of at most %zu is supported", what,
                        operand->constant->elements, operand->shape.rank, max);
    return cvy_tensor_convert(list, operand->constant, dtype);
}

enum cvy_status cvy_operand_ints(const char *what, const struct cvy_operand *in, size_t n_in, size_t index,
                                 int64_t *values, size_t max, size_t *count)
{
    struct cvy_tensor list = {0};
    *count = 0;
    if (!cvy_operand_given(in, n_in, index))
        return CVY_OK;
    enum cvy_status status = read_list(what, &in[index], CVY_INT64, max, &list);
    if (status != CVY_OK)
        return status;
    memcpy(values, list.data, list.bytes);
    *count = list.elements;
    cvy_tensor_finish(&list);
    return CVY_OK;
}

enum cvy_status cvy_operand_floats(const char *what, const struct cvy_operand *in, size_t n_in, size_t index,
                                   float *values, size_t max, size_t *count)
{
    struct cvy_tensor list = {0};
    *count = 0;
    if (!cvy_operand_given(in, n_in, index))
        return CVY_OK;
    enum cvy_status status = read_list(what, &in[index], CVY_FLOAT32, max, &list);
    if (status != CVY_OK)
        return status;
    memcpy(values, list.data, list.bytes);
    *count = list.elements;
    cvy_tensor_finish(&list);
    return CVY_OK;
}
