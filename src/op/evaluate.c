#include "op/evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "op/host_op.h"

/* Every element is value: the weights of a model may be made so, which are many. */
static enum cvy_status fill(struct cvy_tensor *y, double value)
{
    struct cvy_tensor real = {0}, one = {0};
    const size_t size = cvy_dtype_size(y->dtype);
    enum cvy_status status = cvy_tensor_init(&real, CVY_FLOAT64, &(struct cvy_shape){0});
    if (status != CVY_OK)
        return status;
    *(double *)real.data = value;
    status = cvy_tensor_convert(&one, &real, y->dtype);
    for (size_t i = 0; status == CVY_OK && i < y->elements; i++)
        memcpy((char *)y->data + i * size, one.data, size);
    cvy_tensor_finish(&real);
    cvy_tensor_finish(&one);
    return status;
}

static bool is_integer(enum cvy_dtype dtype)
{
    return dtype != CVY_FLOAT32 && dtype != CVY_FLOAT64 && dtype != CVY_FLOAT16;
}

/* By the loops that kernels are judged by; integers are cut towards 0, as C and ONNX divide and cast. */
static enum cvy_status compute(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                               struct cvy_tensor *y)
{
    struct cvy_tensor result = {0}, *inputs = calloc(n_in + 1, sizeof(*inputs));
    struct cvy_host_tensor *host = calloc(n_in + 1, sizeof(*host)), out = {0};
    enum cvy_status status = CVY_OK;
    if (inputs == NULL || host == NULL)
        status = cvy_fail_memory("a constant", n_in * sizeof(*inputs));
    for (size_t i = 0; status == CVY_OK && i < n_in; i++) {
        host[i] = (struct cvy_host_tensor){.dtype = in[i].dtype, .shape = in[i].shape};
        if (in[i].constant == NULL)
            continue;
        status = cvy_tensor_convert(&inputs[i], in[i].constant, CVY_FLOAT64);
        host[i].values = inputs[i].data;
    }
    if (status == CVY_OK)
        status = cvy_tensor_init(&result, CVY_FLOAT64, &y->shape);
    out = (struct cvy_host_tensor){.dtype = y->dtype, .shape = y->shape, .values = result.data};
    if (status == CVY_OK && !cvy_host_op(op, host, n_in, &out))
        status = cvy_fail(CVY_ERROR_UNSUPPORTED, "%s: it cannot be computed on the host", cvy_op_name(op));
    for (size_t i = 0; status == CVY_OK && is_integer(y->dtype) && i < y->elements; i++)
        out.values[i] = trunc(out.values[i]);
    if (status == CVY_OK) {
        cvy_tensor_finish(y);
        status = cvy_tensor_convert(y, &result, out.dtype);
    }
    for (size_t i = 0; inputs != NULL && i < n_in; i++)
        cvy_tensor_finish(&inputs[i]);
    cvy_tensor_finish(&result);
    free(inputs);
    free(host);
    return status;
}

enum cvy_status cvy_evaluate(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                             const struct cvy_shape *shape, enum cvy_dtype dtype, struct cvy_tensor *y)
{
    struct cvy_tensor made = {0};
    enum cvy_status status = cvy_tensor_init(&made, dtype, shape);
    if (status != CVY_OK)
        return status;
    if (op->type == CVY_OP_CONSTANT_OF_SHAPE)
        status = fill(&made, op->fill.value);
    else if (cvy_operator_class_of(op->type)->is_alias)
        memcpy(made.data, in[0].constant->data, made.bytes);
    else
        status = compute(op, in, n_in, &made);
    if (status == CVY_OK)
        *y = made;
    else
        cvy_tensor_finish(&made);
    return status;
}
