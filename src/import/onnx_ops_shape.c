/* Operators on shapes and parts: what exporters compute shapes with, and what networks cut and reduce with.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "import/onnx.h"

/* A list of integers as a constant of the graph. */
static struct cvy_value *int_list(struct cvy_onnx_node *node, const int64_t *values, size_t count)
{
    struct cvy_tensor tensor = {0};
    struct cvy_value *made = NULL;
    if (node->status == CVY_OK)
        node->status = cvy_tensor_init(&tensor, CVY_INT64, &(struct cvy_shape){1, {count}});
    if (node->status != CVY_OK)
        return NULL;
    memcpy(tensor.data, values, tensor.bytes);
    node->status = cvy_graph_add_constant(node->model->graph, &made, NULL, &tensor);
    cvy_tensor_finish(&tensor);
    return made;
}

/* Number of entries of a constant input; SIZE_MAX where it is computed. */
static size_t entries(struct cvy_onnx_node *node, size_t index)
{
    int64_t values[256];
    if (cvy_onnx_is_computed(node, index))
        return SIZE_MAX;
    return cvy_onnx_constant_ints(node, index, "a list", values, CVY_COUNT(values));
}

static void shape(struct cvy_onnx_node *node)
{
    /* in the operator 0 is the last dimension, and the one before the first is none */
    const int64_t end = cvy_onnx_int(node, "end", INT64_MAX);
    struct cvy_op op = {.type = CVY_OP_SHAPE,
                        .shape = {cvy_onnx_int(node, "start", 0), end == 0 ? INT64_MIN : end}};
    cvy_onnx_emit(node, &op, 1, 1);
}

static void size(struct cvy_onnx_node *node)
{
    struct cvy_op whole = {.type = CVY_OP_SHAPE}, product = {.type = CVY_OP_REDUCE_PROD};
    struct cvy_value *x = cvy_onnx_graph_value(node, 0);
    x = cvy_onnx_add(node, &whole, &x, 1);
    cvy_onnx_emit_values(node, &product, &x, 1, 0);
}

static void cast(struct cvy_onnx_node *node)
{
    static const enum cvy_dtype dtypes[] = {
        [CVY_ONNX_FLOAT] = CVY_FLOAT32,    [CVY_ONNX_UINT8] = CVY_UINT8,   [CVY_ONNX_INT8] = CVY_INT8,
        [CVY_ONNX_UINT16] = CVY_UINT16,    [CVY_ONNX_INT16] = CVY_INT16,   [CVY_ONNX_INT32] = CVY_INT32,
        [CVY_ONNX_INT64] = CVY_INT64,      [CVY_ONNX_BOOL] = CVY_BOOL,     [CVY_ONNX_FLOAT16] = CVY_FLOAT32,
        [CVY_ONNX_DOUBLE] = CVY_FLOAT32,   [CVY_ONNX_UINT32] = CVY_UINT32, [CVY_ONNX_UINT64] = CVY_UINT64,
        [CVY_ONNX_BFLOAT16] = CVY_FLOAT32,
    };
    int64_t to = cvy_onnx_int(node, "to", 0);
    struct cvy_op op = {.type = CVY_OP_CAST};
    if (to < 1 || to >= (int64_t)CVY_COUNT(dtypes) || to == CVY_ONNX_STRING || to == 14 || to == 15)
        cvy_onnx_fail(node, CVY_ERROR_UNSUPPORTED, "a cast to %s is not supported",
                      cvy_onnx_type_name((int)to));
    else
        op.cast.dtype = dtypes[to];
    cvy_onnx_int(node, "saturate", 1); /* of 8-bit floats alone */
    cvy_onnx_emit(node, &op, 1, cvy_onnx_rank(node, 0));
}

/* Before opset 10 the lists are attributes. */
static void slice_old(struct cvy_onnx_node *node)
{
    struct cvy_op op = {.type = CVY_OP_SLICE};
    struct cvy_op_slice *s = &op.slice;
    s->count = cvy_onnx_ints(node, "starts", s->begin, CVY_MAX_RANK);
    size_t ends = cvy_onnx_ints(node, "ends", s->end, CVY_MAX_RANK);
    size_t axes = cvy_onnx_ints(node, "axes", s->axes, CVY_MAX_RANK);
    const bool has_axes = cvy_onnx_has(node, "axes");
    if (ends != s->count || (has_axes && axes != s->count))
        cvy_onnx_fail(node, CVY_ERROR_INVALID, "it has %zu starts, %zu ends and %zu axes; they must agree",
                      s->count, ends, axes);
    for (size_t i = 0; i < s->count; i++) {
        s->axes[i] = has_axes ? s->axes[i] : (int64_t)i;
        s->step[i] = 1;
    }
    cvy_onnx_emit(node, &op, 1, cvy_onnx_rank(node, 0));
}

static void slice(struct cvy_onnx_node *node)
{
    if (node->model->opset < 10) {
        slice_old(node);
        return;
    }
    if (!cvy_onnx_has_input(node, 1) || !cvy_onnx_has_input(node, 2))
        cvy_onnx_fail(node, CVY_ERROR_FORMAT, "it needs starts and ends; export the model anew");
    cvy_onnx_emit(node, &(struct cvy_op){.type = CVY_OP_SLICE}, node->proto->n_input, cvy_onnx_rank(node, 0));
}

/* Each output is a part of its own. */
static void split(struct cvy_onnx_node *node)
{
    int64_t sizes[256];
    const size_t parts = node->proto->n_output, rank = cvy_onnx_rank(node, 0);
    struct cvy_value *inputs[2] = {cvy_onnx_graph_value(node, 0), cvy_onnx_graph_value(node, 1)};
    int64_t axis = cvy_onnx_int(node, "axis", 0);
    size_t n_sizes = cvy_onnx_ints(node, "split", sizes, CVY_COUNT(sizes));
    if (n_sizes > 0)
        inputs[1] = int_list(node, sizes, n_sizes);
    if (cvy_onnx_has(node, "num_outputs") && cvy_onnx_int(node, "num_outputs", 0) != (int64_t)parts)
        cvy_onnx_fail(node, CVY_ERROR_FORMAT, "attribute 'num_outputs' is not the number of its outputs, %zu",
                      parts);
    for (size_t i = 0; i < parts && node->status == CVY_OK; i++) {
        struct cvy_op op = {.type = CVY_OP_SPLIT, .split = {axis, i, parts}};
        if (node->proto->output[i][0] != '\0')
            cvy_onnx_emit_output(node, &op, inputs, inputs[1] != NULL ? 2 : 1, rank, i);
    }
}

/* Squeeze and Unsqueeze: axes are an attribute before opset 13. */
static void squeeze(struct cvy_onnx_node *node)
{
    const bool adds = node->proto->op_type[0] == 'U';
    struct cvy_op op = {.type = adds ? CVY_OP_UNSQUEEZE : CVY_OP_SQUEEZE};
    size_t rank = cvy_onnx_rank(node, 0), count;
    op.axes.count = cvy_onnx_ints(node, "axes", op.axes.axes, CVY_MAX_RANK);
    count = cvy_onnx_has_input(node, 1) ? entries(node, 1) : op.axes.count;
    if (adds && count == 0)
        cvy_onnx_fail(node, CVY_ERROR_FORMAT, "it names no axes; export the model anew");
    const bool open =
        rank == CVY_ONNX_OPEN_RANK || count == SIZE_MAX || count == 0 || (!adds && count > rank);
    cvy_onnx_emit(node, &op, cvy_onnx_has_input(node, 1) ? 2 : 1,
                  open   ? CVY_ONNX_OPEN_RANK
                  : adds ? rank + count
                         : rank - count);
}

static void expand(struct cvy_onnx_node *node)
{
    size_t rank = cvy_onnx_rank(node, 0), count = entries(node, 1);
    cvy_onnx_emit(node, &(struct cvy_op){.type = CVY_OP_EXPAND}, 2, CVY_MAX(rank, count));
}

static void tile(struct cvy_onnx_node *node)
{
    cvy_onnx_emit(node, &(struct cvy_op){.type = CVY_OP_TILE}, 2, cvy_onnx_rank(node, 0));
}

static void gather(struct cvy_onnx_node *node)
{
    struct cvy_op op = {.type = CVY_OP_GATHER, .axis = cvy_onnx_int(node, "axis", 0)};
    size_t x = cvy_onnx_rank(node, 0), indices = cvy_onnx_rank(node, 1);
    const bool open = x == CVY_ONNX_OPEN_RANK || indices == CVY_ONNX_OPEN_RANK || x == 0;
    cvy_onnx_emit(node, &op, 2, open ? CVY_ONNX_OPEN_RANK : x - 1 + indices);
}

static void range(struct cvy_onnx_node *node)
{
    cvy_onnx_emit(node, &(struct cvy_op){.type = CVY_OP_RANGE}, 3, 1);
}

static void constant_of_shape(struct cvy_onnx_node *node)
{
    struct cvy_op op = {.type = CVY_OP_CONSTANT_OF_SHAPE, .fill.dtype = CVY_FLOAT32};
    struct cvy_tensor value = {0}, real = {0};
    const Cvy__Onnx__TensorProto *proto = cvy_onnx_tensor_attribute(node, "value");
    if (proto != NULL && node->status == CVY_OK) {
        node->status =
            cvy_onnx_tensor_read(&value, proto, "the value of ConstantOfShape", node->model->folder);
        if (node->status == CVY_OK && value.elements != 1)
            cvy_onnx_fail(node, CVY_ERROR_FORMAT, "its value has %zu elements, it must have one",
                          value.elements);
        if (node->status == CVY_OK)
            node->status = cvy_tensor_convert(&real, &value, CVY_FLOAT64);
        if (node->status == CVY_OK) {
            const bool is_float = value.dtype == CVY_FLOAT64 || value.dtype == CVY_FLOAT16;
            op.fill.value = *(const double *)real.data;
            op.fill.dtype = is_float ? CVY_FLOAT32 : value.dtype;
        }
        cvy_tensor_finish(&value);
        cvy_tensor_finish(&real);
    }
    size_t rank = entries(node, 0);
    cvy_onnx_emit(node, &op, 1, rank == SIZE_MAX ? CVY_ONNX_OPEN_RANK : rank);
}

static void where(struct cvy_onnx_node *node)
{
    size_t rank = 0;
    for (size_t i = 0; i < 3; i++) {
        size_t other = cvy_onnx_rank(node, i);
        rank = CVY_MAX(rank, other);
    }
    cvy_onnx_emit(node, &(struct cvy_op){.type = CVY_OP_WHERE}, 3, rank);
}

static void space_to_depth(struct cvy_onnx_node *node)
{
    struct cvy_op op = {.type = CVY_OP_SPACE_TO_DEPTH};
    int64_t block = cvy_onnx_int(node, "blocksize", 0);
    if (block < 1 || block > INT16_MAX)
        cvy_onnx_fail(node, CVY_ERROR_INVALID, "attribute 'blocksize' is %lld; it must be from 1 to %d",
                      (long long)block, INT16_MAX);
    op.depth_to_space.block = (size_t)block;
    cvy_onnx_emit(node, &op, 1, 4);
}

/* Reductions: what is done before and after the sum, or whatever it is. */
static const struct {
    const char *name;
    enum cvy_op_type type;
    bool has_before, squares, has_root;
} reductions[] = {
    {"ReduceL1", CVY_OP_REDUCE_SUM, .has_before = true},
    {"ReduceL2", CVY_OP_REDUCE_SUM, .has_before = true, .squares = true, .has_root = true},
    {"ReduceMax", CVY_OP_REDUCE_MAX, .has_before = false},
    {"ReduceMean", CVY_OP_REDUCE_MEAN, .has_before = false},
    {"ReduceMin", CVY_OP_REDUCE_MIN, .has_before = false},
    {"ReduceProd", CVY_OP_REDUCE_PROD, .has_before = false},
    {"ReduceSum", CVY_OP_REDUCE_SUM, .has_before = false},
    {"ReduceSumSquare", CVY_OP_REDUCE_SUM, .has_before = true, .squares = true},
};

/* Axes are an attribute before opset 18; in ReduceSum before 13. */
static void reduce(struct cvy_onnx_node *node)
{
    size_t i = 0, count, rank = cvy_onnx_rank(node, 0);
    while (strcmp(reductions[i].name, node->proto->op_type) != 0)
        i++;
    struct cvy_op op = {.type = reductions[i].type};
    struct cvy_value *inputs[2] = {cvy_onnx_graph_value(node, 0), cvy_onnx_graph_value(node, 1)};
    op.reduce.axes.count = cvy_onnx_ints(node, "axes", op.reduce.axes.axes, CVY_MAX_RANK);
    op.reduce.keep_dims = cvy_onnx_int(node, "keepdims", 1) != 0;
    op.reduce.none_is_none = cvy_onnx_int(node, "noop_with_empty_axes", 0) != 0;
    count = inputs[1] != NULL ? entries(node, 1) : op.reduce.axes.count;
    if (!op.reduce.keep_dims)
        rank = rank == CVY_ONNX_OPEN_RANK || count == SIZE_MAX || count > rank ? CVY_ONNX_OPEN_RANK
               : count == 0 && !op.reduce.none_is_none                         ? 0
                                                                               : rank - count;
    if (reductions[i].has_before) {
        struct cvy_op before = {.type = reductions[i].squares ? CVY_OP_MUL : CVY_OP_ABS};
        struct cvy_value *pair[2] = {inputs[0], inputs[0]};
        inputs[0] = cvy_onnx_add(node, &before, pair, reductions[i].squares ? 2 : 1);
    }
    const size_t n_inputs = inputs[1] != NULL ? 2 : 1;
    if (!reductions[i].has_root) {
        cvy_onnx_emit_values(node, &op, inputs, n_inputs, rank);
        return;
    }
    struct cvy_value *sum = cvy_onnx_add(node, &op, inputs, n_inputs);
    cvy_onnx_emit_values(node, &(struct cvy_op){.type = CVY_OP_SQRT}, &sum, 1, rank);
}

static void global_max_pool(struct cvy_onnx_node *node)
{
    cvy_onnx_emit(node, &(struct cvy_op){.type = CVY_OP_GLOBAL_MAX_POOL}, 1, cvy_onnx_rank(node, 0));
}

static void lrn(struct cvy_onnx_node *node)
{
    struct cvy_op op = {.type = CVY_OP_LRN,
                        .lrn = {.alpha = cvy_onnx_float(node, "alpha", 1e-4f),
                                .beta = cvy_onnx_float(node, "beta", 0.75f),
                                .bias = cvy_onnx_float(node, "bias", 1)}};
    int64_t channels = cvy_onnx_int(node, "size", 0);
    if (channels < 1 || channels > INT_MAX)
        cvy_onnx_fail(node, CVY_ERROR_INVALID, "attribute 'size' is %lld; it must be from 1 to %d",
                      (long long)channels, INT_MAX);
    op.lrn.size = (size_t)channels;
    cvy_onnx_emit(node, &op, 1, cvy_onnx_rank(node, 0));
}

static void instance_normalization(struct cvy_onnx_node *node)
{
    const struct cvy_op op = {.type = CVY_OP_GROUP_NORM,
                              .group_norm.epsilon = cvy_onnx_float(node, "epsilon", 1e-5f)};
    cvy_onnx_emit(node, &op, 3, cvy_onnx_rank(node, 0));
}

static void group_normalization(struct cvy_onnx_node *node)
{
    struct cvy_op op = {.type = CVY_OP_GROUP_NORM,
                        .group_norm.epsilon = cvy_onnx_float(node, "epsilon", 1e-5f)};
    const int64_t groups = cvy_onnx_int(node, "num_groups", 0);
    cvy_onnx_int(node, "stash_type", 1); /* how exactly it is computed; here in float32 */
    if (groups < 1 || groups > INT_MAX)
        cvy_onnx_fail(node, CVY_ERROR_INVALID, "attribute 'num_groups' is %lld; it must be from 1 to %d",
                      (long long)groups, INT_MAX);
    op.group_norm.groups = (size_t)groups;
    cvy_onnx_emit(node, &op, 3, cvy_onnx_rank(node, 0));
}

static void layer_normalization(struct cvy_onnx_node *node)
{
    const struct cvy_op op = {.type = CVY_OP_LAYER_NORM,
                              .layer_norm = {.axis = cvy_onnx_int(node, "axis", -1),
                                             .epsilon = cvy_onnx_float(node, "epsilon", 1e-5f)}};
    cvy_onnx_int(node, "stash_type", 1);
    cvy_onnx_emit(node, &op, cvy_onnx_has_input(node, 2) ? 3 : 2, cvy_onnx_rank(node, 0));
}

static void matmul(struct cvy_onnx_node *node)
{
    size_t a = cvy_onnx_rank(node, 0), b = cvy_onnx_rank(node, 1);
    const bool plain = a > 1 && b > 1;
    cvy_onnx_emit(node, &(struct cvy_op){.type = CVY_OP_MATMUL}, 2,
                  plain ? CVY_MAX(a, b) : CVY_ONNX_OPEN_RANK);
}

const struct cvy_onnx_operator cvy_onnx_shape_operators[] = {
    {"Cast", 6, INT_MAX, 1, 1, cast},
    {"ConstantOfShape", 9, INT_MAX, 1, 1, constant_of_shape},
    {"Expand", 8, INT_MAX, 2, 2, expand},
    {"Gather", 1, INT_MAX, 2, 2, gather},
    {"GlobalMaxPool", 1, INT_MAX, 1, 1, global_max_pool},
    {"GroupNormalization", 18, INT_MAX, 3, 3, group_normalization},
    {"InstanceNormalization", 6, INT_MAX, 3, 3, instance_normalization},
    {"LRN", 1, INT_MAX, 1, 1, lrn},
    {"LayerNormalization", 17, INT_MAX, 2, 3, layer_normalization},
    {"MatMul", 1, INT_MAX, 2, 2, matmul},
    {"Range", 11, INT_MAX, 3, 3, range},
    {"ReduceL1", 1, INT_MAX, 1, 2, reduce},
    {"ReduceL2", 1, INT_MAX, 1, 2, reduce},
    {"ReduceMax", 1, INT_MAX, 1, 2, reduce},
    {"ReduceMean", 1, INT_MAX, 1, 2, reduce},
    {"ReduceMin", 1, INT_MAX, 1, 2, reduce},
    {"ReduceProd", 1, INT_MAX, 1, 2, reduce},
    {"ReduceSum", 1, INT_MAX, 1, 2, reduce},
    {"ReduceSumSquare", 1, INT_MAX, 1, 2, reduce},
    {"Shape", 1, INT_MAX, 1, 1, shape},
    {"Size", 1, INT_MAX, 1, 1, size},
    {"Slice", 1, INT_MAX, 1, 5, slice},
    {"SpaceToDepth", 1, INT_MAX, 1, 1, space_to_depth},
    {"Split", 2, INT_MAX, 1, 2, split},
    {"Squeeze", 1, INT_MAX, 1, 2, squeeze},
    {"Tile", 6, INT_MAX, 2, 2, tile},
    {"Unsqueeze", 1, INT_MAX, 1, 2, squeeze},
    {"Where", 9, INT_MAX, 3, 3, where},
};
const size_t cvy_onnx_n_shape_operators = CVY_COUNT(cvy_onnx_shape_operators);
