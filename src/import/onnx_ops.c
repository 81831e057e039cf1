/* The operators: one row and, where it has attributes, one small function each. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "import/onnx.h"

static void emit_unary(struct cvy_onnx_node *node, const struct cvy_op *op)
{
    cvy_onnx_emit(node, op, 1, cvy_onnx_rank(node, 0));
}

static void global_average_pool(struct cvy_onnx_node *node)
{
    emit_unary(node, &(struct cvy_op){.type = CVY_OP_GLOBAL_AVERAGE_POOL});
}

static void concat(struct cvy_onnx_node *node)
{
    struct cvy_op op = {.type = CVY_OP_CONCAT, .axis = cvy_onnx_int(node, "axis", 1)};
    if (!cvy_onnx_has(node, "axis"))
        cvy_onnx_fail(node, CVY_ERROR_FORMAT, "attribute 'axis' is missing; export the model anew");
    cvy_onnx_emit(node, &op, node->proto->n_input, cvy_onnx_rank(node, 0));
}

static void flatten(struct cvy_onnx_node *node)
{
    struct cvy_op op = {.type = CVY_OP_FLATTEN, .axis = cvy_onnx_int(node, "axis", 1)};
    cvy_onnx_emit(node, &op, 1, 2);
}

static void softmax(struct cvy_onnx_node *node)
{
    bool old = node->model->opset < 13;
    struct cvy_op op = {.type = CVY_OP_SOFTMAX,
                        .softmax = {.axis = cvy_onnx_int(node, "axis", old ? 1 : -1), .flatten = old}};
    emit_unary(node, &op);
}

static void batch_normalization(struct cvy_onnx_node *node)
{
    struct cvy_op op = {.type = CVY_OP_BATCH_NORM,
                        .batch_norm.epsilon = cvy_onnx_float(node, "epsilon", 1e-5f)};
    cvy_onnx_float(node, "momentum", 0.9f); /* of training alone */
    if (cvy_onnx_int(node, "training_mode", 0) != 0)
        cvy_onnx_fail(node, CVY_ERROR_UNSUPPORTED,
                      "training_mode is not supported; export the model for inference");
    if (cvy_onnx_int(node, "spatial", 1) != 1)
        cvy_onnx_fail(node, CVY_ERROR_UNSUPPORTED,
                      "spatial = 0 is not supported; export it with opset 9 or later");
    cvy_onnx_emit(node, &op, 5, cvy_onnx_rank(node, 0));
}

static void reshape(struct cvy_onnx_node *node)
{
    struct cvy_op op = {.type = CVY_OP_RESHAPE};
    if (cvy_onnx_is_computed(node, 1)) {
        op.reshape.allow_zero = cvy_onnx_int(node, "allowzero", 0) != 0;
        cvy_onnx_emit(node, &op, 2, CVY_ONNX_OPEN_RANK);
        return;
    }
    const int64_t *dims = op.reshape.dims;
    op.reshape.rank = cvy_onnx_constant_ints(node, 1, "input 'shape'", op.reshape.dims, CVY_MAX_RANK);
    op.reshape.allow_zero = cvy_onnx_int(node, "allowzero", 0) != 0;
    size_t product = 1, open = 0;
    for (size_t i = 0; i < op.reshape.rank && node->status == CVY_OK; i++) {
        open += dims[i] == -1;
        if (dims[i] < -1 || open > 1)
            cvy_onnx_fail(node, CVY_ERROR_INVALID,
                          "its shape has the entry %lld; sizes, 0 and one -1 are allowed",
                          (long long)dims[i]);
        else if (dims[i] > 0 && (!cvy_mul(product, (size_t)dims[i], &product) || product > SIZE_MAX / 8))
            cvy_onnx_fail(node, CVY_ERROR_INVALID,
                          "its shape has more elements than this machine can address");
    }
    cvy_onnx_emit(node, &op, 1, op.reshape.rank);
}

static void transpose(struct cvy_onnx_node *node)
{
    struct cvy_op op = {.type = CVY_OP_TRANSPOSE};
    int64_t order[CVY_MAX_RANK];
    size_t rank = cvy_onnx_ints(node, "perm", order, CVY_MAX_RANK);
    unsigned seen = 0;
    for (size_t i = 0; i < rank && node->status == CVY_OK; i++) {
        if (order[i] < 0 || (size_t)order[i] >= rank || (seen >> order[i] & 1))
            cvy_onnx_fail(node, CVY_ERROR_INVALID,
                          "attribute 'perm' has the entry %lld; it must name each of its %zu dimensions once",
                          (long long)order[i], rank);
        else
            seen |= 1u << order[i];
        op.transpose.order[i] = (size_t)order[i];
    }
    op.transpose.rank = rank;
    cvy_onnx_emit(node, &op, 1, rank ? rank : cvy_onnx_rank(node, 0));
}

static void depth_to_space(struct cvy_onnx_node *node)
{
    static const char *const modes[] = {"DCR", "CRD", NULL};
    struct cvy_op op = {.type = CVY_OP_DEPTH_TO_SPACE};
    int64_t block = cvy_onnx_int(node, "blocksize", 0);
    if (block < 1 || block > INT16_MAX)
        cvy_onnx_fail(node, CVY_ERROR_INVALID, "attribute 'blocksize' is %lld; it must be from 1 to %d",
                      (long long)block, INT16_MAX);
    op.depth_to_space.block = (size_t)block;
    op.depth_to_space.column_row_depth = cvy_onnx_choice(node, "mode", modes, 0) == 1;
    cvy_onnx_emit(node, &op, 1, 4);
}

static void gemm(struct cvy_onnx_node *node)
{
    struct cvy_op op = {.type = CVY_OP_GEMM};
    op.gemm.alpha = cvy_onnx_float(node, "alpha", 1);
    op.gemm.beta = cvy_onnx_float(node, "beta", 1);
    op.gemm.transpose_a = cvy_onnx_int(node, "transA", 0) != 0;
    op.gemm.transpose_b = cvy_onnx_int(node, "transB", 0) != 0;
    cvy_onnx_emit(node, &op, cvy_onnx_has_input(node, 2) ? 3 : 2, 2);
}

/* A constant stays one, so that a shape may pass through. */
static void emit_identity(struct cvy_onnx_node *node)
{
    struct cvy_onnx_value *x = cvy_onnx_input(node, 0);
    if (x == NULL || !x->constant) {
        emit_unary(node, &(struct cvy_op){.type = CVY_OP_IDENTITY});
    } else if (x->proto != NULL) {
        cvy_onnx_emit_constant(node, NULL, x->proto);
    } else {
        struct cvy_tensor copy = {0};
        node->status = cvy_tensor_convert(&copy, &x->tensor, x->tensor.dtype);
        cvy_onnx_emit_constant(node, &copy, NULL);
    }
}

static void dropout(struct cvy_onnx_node *node)
{
    cvy_onnx_float(node, "ratio", 0.5f); /* of training alone, as is the seed */
    cvy_onnx_int(node, "seed", 0);
    const struct cvy_tensor *training = cvy_onnx_constant(node, 2, "input 'training_mode'");
    if (training != NULL && (training->dtype != CVY_BOOL || training->elements != 1))
        cvy_onnx_fail(node, CVY_ERROR_FORMAT,
                      "input 'training_mode' is no single bool; export the model anew");
    else if (training != NULL && *(const uint8_t *)training->data != 0)
        cvy_onnx_fail(node, CVY_ERROR_UNSUPPORTED,
                      "training_mode is not supported; export the model for inference");
    emit_identity(node);
}

/* A new tensor of a list, or of one value of it. */
static void emit_list(struct cvy_onnx_node *node, enum cvy_dtype dtype, size_t rank, const void *data,
                      size_t count)
{
    struct cvy_tensor tensor = {0};
    struct cvy_shape shape = {.rank = rank, .dims = {rank ? count : 0}};
    if (node->status == CVY_OK)
        node->status = cvy_tensor_init(&tensor, dtype, &shape);
    if (node->status == CVY_OK && count > 0)
        memcpy(tensor.data, data, count * cvy_dtype_size(dtype));
    cvy_onnx_emit_constant(node, &tensor, NULL);
}

static void constant(struct cvy_onnx_node *node)
{
    float floats[256];
    int64_t ints[256];
    if (cvy_onnx_has(node, "value")) {
        cvy_onnx_emit_constant(node, NULL, cvy_onnx_tensor_attribute(node, "value"));
    } else if (cvy_onnx_has(node, "value_float")) {
        floats[0] = cvy_onnx_float(node, "value_float", 0);
        emit_list(node, CVY_FLOAT32, 0, floats, 1);
    } else if (cvy_onnx_has(node, "value_floats")) {
        size_t count = cvy_onnx_floats(node, "value_floats", floats, CVY_COUNT(floats));
        emit_list(node, CVY_FLOAT32, 1, floats, count);
    } else if (cvy_onnx_has(node, "value_int")) {
        ints[0] = cvy_onnx_int(node, "value_int", 0);
        emit_list(node, CVY_INT64, 0, ints, 1);
    } else if (cvy_onnx_has(node, "value_ints")) {
        size_t count = cvy_onnx_ints(node, "value_ints", ints, CVY_COUNT(ints));
        emit_list(node, CVY_INT64, 1, ints, count);
    } else {
        cvy_onnx_fail(
            node, CVY_ERROR_UNSUPPORTED,
            "it holds neither a dense tensor nor numbers; sparse values and strings are not supported");
    }
}

#define ANY SIZE_MAX

static const struct cvy_onnx_operator operators[] = {
    {"AveragePool", 1, INT_MAX, 1, 1, cvy_onnx_average_pool},
    {"BatchNormalization", 7, INT_MAX, 5, 5, batch_normalization},
    {"Concat", 4, INT_MAX, 1, ANY, concat},
    {"Constant", 1, INT_MAX, 0, 0, constant},
    {"Conv", 1, INT_MAX, 2, 3, cvy_onnx_conv},
    {"ConvInteger", 10, INT_MAX, 2, 4, cvy_onnx_conv_integer},
    {"ConvTranspose", 1, INT_MAX, 2, 3, cvy_onnx_conv_transpose},
    {"DepthToSpace", 1, INT_MAX, 1, 1, depth_to_space},
    {"DequantizeLinear", 10, INT_MAX, 2, 3, cvy_onnx_dequantize_linear},
    {"Dropout", 7, INT_MAX, 1, 3, dropout},
    {"Flatten", 1, INT_MAX, 1, 1, flatten},
    {"Gemm", 7, INT_MAX, 2, 3, gemm},
    {"GlobalAveragePool", 1, INT_MAX, 1, 1, global_average_pool},
    {"Identity", 1, INT_MAX, 1, 1, emit_identity},
    {"MaxPool", 1, INT_MAX, 1, 1, cvy_onnx_max_pool},
    {"Pad", 2, INT_MAX, 1, 4, cvy_onnx_pad},
    {"QLinearConv", 10, INT_MAX, 8, 9, cvy_onnx_qlinear_conv},
    {"QuantizeLinear", 10, INT_MAX, 2, 3, cvy_onnx_quantize_linear},
    {"Reshape", 5, INT_MAX, 2, 2, reshape},
    {"Resize", 10, INT_MAX, 1, 4, cvy_onnx_resize},
    {"Softmax", 1, INT_MAX, 1, 1, softmax},
    {"Transpose", 1, INT_MAX, 1, 1, transpose},
    {"Upsample", 7, 9, 1, 2, cvy_onnx_upsample},
};

static const struct cvy_onnx_operator *find_row(const struct cvy_onnx_operator *rows, size_t count,
                                                const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    }
    return NULL;
}

static const struct cvy_onnx_operator *find_operator(const struct cvy_onnx_node *node)
{
    const char *name = node->proto->op_type, *domain = node->proto->domain;
    if (name == NULL || (domain != NULL && domain[0] != '\0' && strcmp(domain, "ai.onnx") != 0))
        return NULL;
    const struct cvy_onnx_operator *found = find_row(operators, CVY_COUNT(operators), name);
    if (found == NULL)
        found = find_row(cvy_onnx_element_operators, cvy_onnx_n_element_operators, name);
    return found ? found : find_row(cvy_onnx_shape_operators, cvy_onnx_n_shape_operators, name);
}

static void check_inputs(struct cvy_onnx_node *node, const struct cvy_onnx_operator *row)
{
    size_t count = node->proto->n_input;
    while (count > 0 && !cvy_onnx_has_input(node, count - 1))
        count--;
    if (count < row->min_inputs || count > row->max_inputs)
        cvy_onnx_fail(node, CVY_ERROR_FORMAT, "it has %zu inputs, it needs %zu%s; export the model anew",
                      count, row->min_inputs,
                      row->max_inputs > row->min_inputs ? " or more, within the operator's limits" : "");
    for (size_t i = 0; i < row->min_inputs && node->status == CVY_OK; i++) {
        if (!cvy_onnx_has_input(node, i))
            cvy_onnx_fail(node, CVY_ERROR_FORMAT, "its input %zu is left out; export the model anew", i);
    }
    for (size_t i = 0; row->max_inputs == ANY && i < count && node->status == CVY_OK; i++) {
        if (!cvy_onnx_has_input(node, i))
            cvy_onnx_fail(node, CVY_ERROR_FORMAT, "its input %zu is left out; export the model anew", i);
    }
}

/* An attribute nobody asked for might have changed the meaning: say so, and go on. */
static void warn_of_unused(const struct cvy_onnx_node *node)
{
    for (size_t i = 0; i < node->proto->n_attribute && i < 64; i++) {
        const char *name = node->proto->attribute[i]->name;
        if (!(node->used >> i & 1))
            cvy_log(CVY_LOG_WARNING,
                    "%s: node '%s' (%s, opset %lld): attribute '%s' is unknown and was ignored",
                    node->model->file, node->proto->name ? node->proto->name : "", node->proto->op_type,
                    (long long)node->model->opset, name ? name : "");
    }
}

enum cvy_status cvy_onnx_read_node(struct cvy_onnx *model, size_t index)
{
    struct cvy_onnx_node node = {.model = model, .proto = model->proto->node[index], .index = index};
    const char *domain = node.proto->domain && node.proto->domain[0] ? node.proto->domain : "ai.onnx";
    const struct cvy_onnx_operator *row = find_operator(&node);
    if (row == NULL)
        cvy_onnx_fail(&node, CVY_ERROR_UNSUPPORTED,
                      "operator %s of domain %s is not supported; docs/onnx.md lists those that are",
                      node.proto->op_type ? node.proto->op_type : "without a name", domain);
    else if (model->opset < row->first_opset || model->opset > row->last_opset)
        cvy_onnx_fail(&node, CVY_ERROR_UNSUPPORTED,
                      "operator %s of domain %s does not exist in this opset; export the model anew",
                      row->name, domain);
    else
        check_inputs(&node, row);
    if (node.status == CVY_OK)
        row->read(&node);
    if (node.status == CVY_OK)
        warn_of_unused(&node);
    return node.status;
}
