#include <stdlib.h>

#include "base/arith.h"
#include "base/log.h"
#include "op/classes.h"

static const struct {
    const char *name;
    const struct cvy_operator_class *class;
} operators[CVY_OP_TYPES] = {
    [CVY_OP_CONV] = {"Conv", &cvy_op_conv_class},
    [CVY_OP_RELU] = {"Relu", &cvy_op_unary_class},
    [CVY_OP_LEAKY_RELU] = {"LeakyRelu", &cvy_op_unary_class},
    [CVY_OP_PRELU] = {"PRelu", &cvy_op_binary_class},
    [CVY_OP_CLIP] = {"Clip", &cvy_op_unary_class},
    [CVY_OP_SIGMOID] = {"Sigmoid", &cvy_op_unary_class},
    [CVY_OP_TANH] = {"Tanh", &cvy_op_unary_class},
    [CVY_OP_IDENTITY] = {"Identity", &cvy_op_identity_class},
    [CVY_OP_ADD] = {"Add", &cvy_op_binary_class},
    [CVY_OP_SUB] = {"Sub", &cvy_op_binary_class},
    [CVY_OP_MUL] = {"Mul", &cvy_op_binary_class},
    [CVY_OP_DIV] = {"Div", &cvy_op_binary_class},
    [CVY_OP_CONCAT] = {"Concat", &cvy_op_concat_class},
    [CVY_OP_MAX_POOL] = {"MaxPool", &cvy_op_pool_class},
    [CVY_OP_AVERAGE_POOL] = {"AveragePool", &cvy_op_pool_class},
    [CVY_OP_GLOBAL_AVERAGE_POOL] = {"GlobalAveragePool", &cvy_op_global_pool_class},
    [CVY_OP_BATCH_NORM] = {"BatchNormalization", &cvy_op_batch_norm_class},
    [CVY_OP_RESHAPE] = {"Reshape", &cvy_op_reshape_class},
    [CVY_OP_FLATTEN] = {"Flatten", &cvy_op_flatten_class},
    [CVY_OP_TRANSPOSE] = {"Transpose", &cvy_op_transpose_class},
    [CVY_OP_DEPTH_TO_SPACE] = {"DepthToSpace", &cvy_op_depth_to_space_class},
    [CVY_OP_RESIZE] = {"Resize", &cvy_op_resize_class},
    [CVY_OP_PAD] = {"Pad", &cvy_op_pad_class},
    [CVY_OP_GEMM] = {"Gemm", &cvy_op_gemm_class},
    [CVY_OP_SOFTMAX] = {"Softmax", &cvy_op_softmax_class},
    [CVY_OP_SPATIALLY_SEPARABLE_CONV] = {"SpatiallySeparableConv", &cvy_op_conv_passes_class},
    [CVY_OP_DEPTHWISE_SEPARABLE_CONV] = {"DepthwiseSeparableConv", &cvy_op_conv_passes_class},
    [CVY_OP_FLATTENED_CONV] = {"FlattenedConv", &cvy_op_conv_passes_class},
    [CVY_OP_CHANNEL_SHUFFLE] = {"ChannelShuffle", &cvy_op_channel_shuffle_class},
    [CVY_OP_CONV_INTEGER] = {"ConvInteger", &cvy_op_conv_integer_class},
    [CVY_OP_QLINEAR_CONV] = {"QLinearConv", &cvy_op_qlinear_conv_class},
    [CVY_OP_QUANTIZE] = {"QuantizeLinear", &cvy_op_quantize_class},
    [CVY_OP_DEQUANTIZE] = {"DequantizeLinear", &cvy_op_dequantize_class},
};

const struct cvy_operator_class *cvy_operator_class_of(enum cvy_op_type type)
{
    return (size_t)type < CVY_COUNT(operators) ? operators[type].class : NULL;
}

const char *cvy_op_name(const struct cvy_op *op)
{
    if (op->type == CVY_OP_CONV && op->conv.transposed)
        return "ConvTranspose";
    return (size_t)op->type < CVY_COUNT(operators) ? operators[op->type].name : "unknown operator";
}

/* Kernels index with ints. */
static enum cvy_status check_indexable(const struct cvy_op *op, const char *what,
                                       const struct cvy_shape *shape)
{
    size_t elements;
    enum cvy_status status = cvy_shape_elements(shape, &elements);
    if (status == CVY_OK && elements > INT_MAX) {
        char text[128];
        return cvy_fail(CVY_ERROR_UNSUPPORTED,
                        "%s: the %s of shape %s has %zu elements; use smaller tensors, of at most %d",
                        cvy_op_name(op), what, cvy_shape_format(shape, text, sizeof(text)), elements,
                        INT_MAX);
    }
    return status;
}

/* Float32 everywhere, or what the operator says itself. */
static enum cvy_status infer_dtype(const struct cvy_operator_class *class, const struct cvy_op *op,
                                   const struct cvy_operand *in, size_t n_in, enum cvy_dtype *dtype)
{
    if (class->infer_dtype != NULL)
        return class->infer_dtype(op, in, n_in, dtype);
    *dtype = class->is_alias && n_in > 0 ? in[0].dtype : CVY_FLOAT32;
    for (size_t i = 0; !class->is_alias && i < n_in; i++) {
        if (in[i].present && in[i].dtype != CVY_FLOAT32)
            return cvy_fail(CVY_ERROR_UNSUPPORTED,
                            "%s: input %zu is %s; it computes in float32, so convert it", cvy_op_name(op), i,
                            cvy_dtype_name(in[i].dtype));
    }
    return CVY_OK;
}

enum cvy_status cvy_operator_infer(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                   struct cvy_shape *out, enum cvy_dtype *dtype)
{
    const struct cvy_operator_class *class = cvy_operator_class_of(op->type);
    if (class == NULL)
        return cvy_fail(CVY_ERROR_INVALID, "operator: %d is none", (int)op->type);
    /* an alias indexes nothing; a convolution's algorithms say themselves what they can index */
    bool unchecked = class->is_alias || class == &cvy_op_conv_class;
    enum cvy_status status = infer_dtype(class, op, in, n_in, dtype);
    for (size_t i = 0; !unchecked && status == CVY_OK && i < n_in; i++) {
        if (in[i].present)
            status = check_indexable(op, "input", &in[i].shape);
    }
    if (status == CVY_OK)
        status = class->infer(op, in, n_in, out);
    return status == CVY_OK && !unchecked ? check_indexable(op, "output", out) : status;
}

enum cvy_status cvy_operator_create(struct cvy_operator **self, struct cvy_device *device,
                                    const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                    const struct cvy_operator_params *params)
{
    const struct cvy_operator_class *class = cvy_operator_class_of(op->type);
    if (class == NULL)
        return cvy_fail(CVY_ERROR_INVALID, "operator: %d is none", (int)op->type);
    size_t size = CVY_MAX(class->size, sizeof(struct cvy_operator));
    struct cvy_operator *made = calloc(1, size);
    if (made == NULL)
        return cvy_fail_memory("operator", size);
    made->class = class;
    made->device = device;
    made->op = *op;
    made->algorithm = "";
    enum cvy_status status = cvy_operator_infer(op, in, n_in, &made->out, &made->dtype);
    if (status == CVY_OK && class->init != NULL)
        status = class->init(made, in, n_in, params);
    if (status != CVY_OK) {
        cvy_operator_destroy(&made);
        return status;
    }
    *self = made;
    return CVY_OK;
}

void cvy_operator_destroy(struct cvy_operator **self)
{
    if (self == NULL || *self == NULL)
        return;
    if ((*self)->class->finish != NULL)
        (*self)->class->finish(*self);
    free(*self);
    *self = NULL;
}
