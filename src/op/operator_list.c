#include <stdlib.h>

#include "base/arith.h"
#include "base/log.h"
#include "op/classes.h"
#include "op/planes.h"

static const struct {
    const char *name;
    const struct cvy_operator_class *class;
    bool is_test; /* y is a truth value */
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
    [CVY_OP_HARD_SIGMOID] = {"HardSigmoid", &cvy_op_unary_class},
    [CVY_OP_HARD_SWISH] = {"HardSwish", &cvy_op_unary_class},
    [CVY_OP_SILU] = {"Swish", &cvy_op_unary_class},
    [CVY_OP_GELU] = {"Gelu", &cvy_op_unary_class},
    [CVY_OP_MISH] = {"Mish", &cvy_op_unary_class},
    [CVY_OP_SOFTPLUS] = {"Softplus", &cvy_op_unary_class},
    [CVY_OP_SOFTSIGN] = {"Softsign", &cvy_op_unary_class},
    [CVY_OP_ELU] = {"Elu", &cvy_op_unary_class},
    [CVY_OP_SELU] = {"Selu", &cvy_op_unary_class},
    [CVY_OP_ABS] = {"Abs", &cvy_op_unary_class},
    [CVY_OP_NEG] = {"Neg", &cvy_op_unary_class},
    [CVY_OP_EXP] = {"Exp", &cvy_op_unary_class},
    [CVY_OP_LOG] = {"Log", &cvy_op_unary_class},
    [CVY_OP_SQRT] = {"Sqrt", &cvy_op_unary_class},
    [CVY_OP_RECIPROCAL] = {"Reciprocal", &cvy_op_unary_class},
    [CVY_OP_ERF] = {"Erf", &cvy_op_unary_class},
    [CVY_OP_SIN] = {"Sin", &cvy_op_unary_class},
    [CVY_OP_COS] = {"Cos", &cvy_op_unary_class},
    [CVY_OP_FLOOR] = {"Floor", &cvy_op_unary_class},
    [CVY_OP_CEIL] = {"Ceil", &cvy_op_unary_class},
    [CVY_OP_ROUND] = {"Round", &cvy_op_unary_class},
    [CVY_OP_SIGN] = {"Sign", &cvy_op_unary_class},
    [CVY_OP_NOT] = {"Not", &cvy_op_unary_class, true},
    [CVY_OP_POW] = {"Pow", &cvy_op_binary_class},
    [CVY_OP_MIN] = {"Min", &cvy_op_binary_class},
    [CVY_OP_MAX] = {"Max", &cvy_op_binary_class},
    [CVY_OP_MOD] = {"Mod", &cvy_op_binary_class},
    [CVY_OP_FMOD] = {"Mod", &cvy_op_binary_class},
    [CVY_OP_EQUAL] = {"Equal", &cvy_op_binary_class, true},
    [CVY_OP_LESS] = {"Less", &cvy_op_binary_class, true},
    [CVY_OP_LESS_EQUAL] = {"LessOrEqual", &cvy_op_binary_class, true},
    [CVY_OP_GREATER] = {"Greater", &cvy_op_binary_class, true},
    [CVY_OP_GREATER_EQUAL] = {"GreaterOrEqual", &cvy_op_binary_class, true},
    [CVY_OP_AND] = {"And", &cvy_op_binary_class, true},
    [CVY_OP_OR] = {"Or", &cvy_op_binary_class, true},
    [CVY_OP_WHERE] = {"Where", &cvy_op_where_class},
    [CVY_OP_SLICE] = {"Slice", &cvy_op_slice_class},
    [CVY_OP_SPLIT] = {"Split", &cvy_op_split_class},
    [CVY_OP_SQUEEZE] = {"Squeeze", &cvy_op_squeeze_class},
    [CVY_OP_UNSQUEEZE] = {"Unsqueeze", &cvy_op_unsqueeze_class},
    [CVY_OP_EXPAND] = {"Expand", &cvy_op_expand_class},
    [CVY_OP_TILE] = {"Tile", &cvy_op_tile_class},
    [CVY_OP_GATHER] = {"Gather", &cvy_op_gather_class},
    [CVY_OP_SPACE_TO_DEPTH] = {"SpaceToDepth", &cvy_op_space_to_depth_class},
    [CVY_OP_REDUCE_SUM] = {"ReduceSum", &cvy_op_reduce_class},
    [CVY_OP_REDUCE_MEAN] = {"ReduceMean", &cvy_op_reduce_class},
    [CVY_OP_REDUCE_MAX] = {"ReduceMax", &cvy_op_reduce_class},
    [CVY_OP_REDUCE_MIN] = {"ReduceMin", &cvy_op_reduce_class},
    [CVY_OP_REDUCE_PROD] = {"ReduceProd", &cvy_op_reduce_class},
    [CVY_OP_GLOBAL_MAX_POOL] = {"GlobalMaxPool", &cvy_op_global_max_pool_class},
    [CVY_OP_LRN] = {"LRN", &cvy_op_lrn_class},
    [CVY_OP_MATMUL] = {"MatMul", &cvy_op_matmul_class},
    [CVY_OP_GROUP_NORM] = {"GroupNormalization", &cvy_op_normalize_class},
    [CVY_OP_LAYER_NORM] = {"LayerNormalization", &cvy_op_normalize_class},
    [CVY_OP_SHAPE] = {"Shape", &cvy_op_shape_class},
    [CVY_OP_CAST] = {"Cast", &cvy_op_cast_class},
    [CVY_OP_RANGE] = {"Range", &cvy_op_range_class},
    [CVY_OP_CONSTANT_OF_SHAPE] = {"ConstantOfShape", &cvy_op_constant_of_shape_class},
    [CVY_OP_LAYOUT] = {"Layout", &cvy_op_layout_class},
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

bool cvy_operator_is_known(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in)
{
    const struct cvy_operator_class *class = cvy_operator_class_of(op->type);
    bool known = class->on_host;
    for (size_t i = 0; known && !class->by_shape && i < n_in; i++)
        known = in[i].present && in[i].constant != NULL;
    return known;
}

enum cvy_status cvy_operator_settle(struct cvy_op *op, const struct cvy_operand *in, size_t *n_in)
{
    const struct cvy_operator_class *class = cvy_operator_class_of(op->type);
    return class != NULL && class->settle != NULL ? class->settle(op, in, n_in) : CVY_OK;
}

/* A device has what is left: kernels for float32. */
static enum cvy_status check_on_device(const struct cvy_operator_class *class, const struct cvy_op *op)
{
    if (class->enqueue == NULL && !class->is_alias)
        return cvy_fail(CVY_ERROR_UNSUPPORTED,
                        "%s: its inputs must be constants or follow from shapes, the network computes them; "
                        "it runs on the host alone, when a plan is made",
                        cvy_op_name(op));
    return CVY_OK;
}

/* Float32 everywhere, or what the operator says itself; on the host anything. */
static enum cvy_status infer_dtype(const struct cvy_operator_class *class, const struct cvy_op *op,
                                   const struct cvy_operand *in, size_t n_in, enum cvy_dtype *dtype)
{
    if (class->infer_dtype != NULL)
        return class->infer_dtype(op, in, n_in, dtype);
    *dtype = class->is_alias && n_in > 0 ? in[0].dtype : CVY_FLOAT32;
    if (cvy_operator_is_known(op, in, n_in)) {
        *dtype = operators[op->type].is_test ? CVY_BOOL : in[0].dtype;
        return CVY_OK;
    }
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
    enum cvy_status status = cvy_operator_is_known(op, in, n_in) ? CVY_OK : check_on_device(class, op);
    if (status == CVY_OK)
        status = infer_dtype(class, op, in, n_in, dtype);
    for (size_t i = 0; !unchecked && status == CVY_OK && i < n_in; i++) {
        if (in[i].present)
            status = check_indexable(op, "input", &in[i].shape);
    }
    if (status == CVY_OK)
        status = class->infer(op, in, n_in, out);
    return status == CVY_OK && !unchecked ? check_indexable(op, "output", out) : status;
}

bool cvy_layouts_alike(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in, size_t block,
                       enum cvy_layout *layouts)
{
    (void)op;
    (void)in;
    (void)n_in;
    layouts[0] = block > 0 ? CVY_LAYOUT_BLOCKS : CVY_LAYOUT_PLAIN;
    return true;
}

bool cvy_operator_layouts(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                          const struct cvy_shape *out, size_t block, enum cvy_layout *layouts)
{
    const struct cvy_operator_class *class = cvy_operator_class_of(op->type);
    for (size_t i = 0; i < n_in; i++)
        layouts[i] = CVY_LAYOUT_PLAIN;
    if (block > 0 && (out->rank < 3 || cvy_layout_bytes(out, block) == SIZE_MAX))
        return false;
    return class->layouts != NULL ? class->layouts(op, in, n_in, block, layouts) : block == 0;
}

/* A plan that mixes layouts up is a mistake of ours. */
static enum cvy_status check_layouts(const struct cvy_operator *self, const struct cvy_operand *in,
                                     size_t n_in)
{
    bool fits = true;
    enum cvy_layout few[16], *layouts = few;
    if (n_in > CVY_COUNT(few) && (layouts = calloc(n_in, sizeof(*layouts))) == NULL)
        return cvy_fail_memory("operator", n_in * sizeof(*layouts));
    fits = cvy_operator_layouts(&self->op, in, n_in, &self->out, self->block, layouts);
    for (size_t i = 0; i < n_in; i++)
        fits = fits && (layouts[i] == CVY_LAYOUT_ANY ||
                        (in[i].block > 0) == (layouts[i] == CVY_LAYOUT_BLOCKS && in[i].present));
    if (layouts != few)
        free(layouts);
    return fits ? CVY_OK
                : cvy_fail(CVY_ERROR_UNSUPPORTED, "%s: it cannot do this in blocks of %zu channels",
                           cvy_op_name(&self->op), self->block);
}

enum cvy_status cvy_operator_create(struct cvy_operator **self, struct cvy_device *device,
                                    const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                    const struct cvy_operator_params *params)
{
    struct cvy_op settled = *op;
    if (cvy_operator_class_of(op->type) == NULL)
        return cvy_fail(CVY_ERROR_INVALID, "operator: %d is none", (int)op->type);
    enum cvy_status status = cvy_operator_settle(&settled, in, &n_in);
    if (status != CVY_OK)
        return status;
    const struct cvy_operator_class *class = cvy_operator_class_of(settled.type);
    size_t size = CVY_MAX(class->size, sizeof(struct cvy_operator));
    struct cvy_operator *made = calloc(1, size);
    if (made == NULL)
        return cvy_fail_memory("operator", size);
    made->class = class;
    made->device = device;
    made->op = settled;
    made->algorithm = "";
    made->block = params->block;
    status = cvy_operator_infer(&settled, in, n_in, &made->out, &made->dtype);
    if (status == CVY_OK)
        status = check_layouts(made, in, n_in);
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
