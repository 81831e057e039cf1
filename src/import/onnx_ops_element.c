/* Operators that work element by element: a table of those without attributes, and functions for the others.
 */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/arith.h"
#include "import/onnx.h"

static const struct {
    const char *name;
    enum cvy_op_type type;
} types[] = {
    {"Abs", CVY_OP_ABS},
    {"Add", CVY_OP_ADD},
    {"And", CVY_OP_AND},
    {"Ceil", CVY_OP_CEIL},
    {"Cos", CVY_OP_COS},
    {"Div", CVY_OP_DIV},
    {"Equal", CVY_OP_EQUAL},
    {"Erf", CVY_OP_ERF},
    {"Exp", CVY_OP_EXP},
    {"Floor", CVY_OP_FLOOR},
    {"Greater", CVY_OP_GREATER},
    {"GreaterOrEqual", CVY_OP_GREATER_EQUAL},
    {"HardSwish", CVY_OP_HARD_SWISH},
    {"Less", CVY_OP_LESS},
    {"LessOrEqual", CVY_OP_LESS_EQUAL},
    {"Log", CVY_OP_LOG},
    {"Max", CVY_OP_MAX},
    {"Min", CVY_OP_MIN},
    {"Mish", CVY_OP_MISH},
    {"Mul", CVY_OP_MUL},
    {"Neg", CVY_OP_NEG},
    {"Not", CVY_OP_NOT},
    {"Or", CVY_OP_OR},
    {"PRelu", CVY_OP_PRELU},
    {"Pow", CVY_OP_POW},
    {"Reciprocal", CVY_OP_RECIPROCAL},
    {"Relu", CVY_OP_RELU},
    {"Round", CVY_OP_ROUND},
    {"Sigmoid", CVY_OP_SIGMOID},
    {"Sign", CVY_OP_SIGN},
    {"Sin", CVY_OP_SIN},
    {"Softplus", CVY_OP_SOFTPLUS},
    {"Softsign", CVY_OP_SOFTSIGN},
    {"Sqrt", CVY_OP_SQRT},
    {"Sub", CVY_OP_SUB},
    {"Sum", CVY_OP_ADD},
    {"Tanh", CVY_OP_TANH},
};

static struct cvy_op plain(const struct cvy_onnx_node *node)
{
    size_t i = 0;
    while (strcmp(types[i].name, node->proto->op_type) != 0)
        i++;
    return (struct cvy_op){.type = types[i].type};
}

static void unary(struct cvy_onnx_node *node)
{
    struct cvy_op op = plain(node);
    cvy_onnx_emit(node, &op, 1, cvy_onnx_rank(node, 0));
}

static void binary(struct cvy_onnx_node *node)
{
    struct cvy_op op = plain(node);
    size_t a = cvy_onnx_rank(node, 0), b = cvy_onnx_rank(node, 1);
    /* an open rank is the greatest number */
    cvy_onnx_emit(node, &op, 2, CVY_MAX(a, b));
}

static void prelu(struct cvy_onnx_node *node)
{
    struct cvy_op op = plain(node);
    cvy_onnx_emit(node, &op, 2, cvy_onnx_rank(node, 0));
}

/* Any number of inputs: two, and the result with the next. */
static void chain(struct cvy_onnx_node *node)
{
    struct cvy_op op = plain(node), identity = {.type = CVY_OP_IDENTITY};
    const size_t count = node->proto->n_input;
    size_t rank = cvy_onnx_rank(node, 0);
    struct cvy_value *pair[2] = {cvy_onnx_graph_value(node, 0), NULL};
    for (size_t i = 1; i < count && node->status == CVY_OK; i++) {
        size_t other = cvy_onnx_rank(node, i);
        rank = CVY_MAX(rank, other);
        pair[1] = cvy_onnx_graph_value(node, i);
        if (i + 1 == count)
            cvy_onnx_emit_values(node, &op, pair, 2, rank);
        else
            pair[0] = cvy_onnx_add(node, &op, pair, 2);
    }
    if (count == 1)
        cvy_onnx_emit_values(node, &identity, pair, 1, rank);
}

static void leaky_relu(struct cvy_onnx_node *node)
{
    struct cvy_op op = {.type = CVY_OP_LEAKY_RELU, .leaky_relu.alpha = cvy_onnx_float(node, "alpha", 0.01f)};
    cvy_onnx_emit(node, &op, 1, cvy_onnx_rank(node, 0));
}

static void hard_sigmoid(struct cvy_onnx_node *node)
{
    struct cvy_op op = {
        .type = CVY_OP_HARD_SIGMOID,
        .activation = {cvy_onnx_float(node, "alpha", 0.2f), cvy_onnx_float(node, "beta", 0.5f)}};
    cvy_onnx_emit(node, &op, 1, cvy_onnx_rank(node, 0));
}

static void elu(struct cvy_onnx_node *node)
{
    struct cvy_op op = {.type = CVY_OP_ELU, .activation.alpha = cvy_onnx_float(node, "alpha", 1)};
    cvy_onnx_emit(node, &op, 1, cvy_onnx_rank(node, 0));
}

static void selu(struct cvy_onnx_node *node)
{
    struct cvy_op op = {.type = CVY_OP_SELU,
                        .activation = {cvy_onnx_float(node, "alpha", 1.67326319217681884765625f),
                                       cvy_onnx_float(node, "gamma", 1.05070102214813232421875f)}};
    cvy_onnx_emit(node, &op, 1, cvy_onnx_rank(node, 0));
}

static void gelu(struct cvy_onnx_node *node)
{
    static const char *const ways[] = {"none", NULL};
    struct cvy_op op = {.type = CVY_OP_GELU};
    cvy_onnx_choice(node, "approximate", ways, 0);
    cvy_onnx_emit(node, &op, 1, cvy_onnx_rank(node, 0));
}

/* Bounds that the plan will know are those of Max and Min. */
static void clip_later(struct cvy_onnx_node *node)
{
    static const enum cvy_op_type bounds[3] = {[1] = CVY_OP_MAX, [2] = CVY_OP_MIN};
    struct cvy_op identity = {.type = CVY_OP_IDENTITY};
    struct cvy_value *pair[2] = {cvy_onnx_graph_value(node, 0), NULL};
    for (size_t i = 1; i < 3 && node->status == CVY_OK; i++) {
        if (!cvy_onnx_has_input(node, i))
            continue;
        pair[1] = cvy_onnx_graph_value(node, i);
        pair[0] = cvy_onnx_add(node, &(struct cvy_op){.type = bounds[i]}, pair, 2);
    }
    cvy_onnx_emit_values(node, &identity, pair, 1, cvy_onnx_rank(node, 0));
}

static void clip(struct cvy_onnx_node *node)
{
    struct cvy_op op = {.type = CVY_OP_CLIP, .clip = {.min = -INFINITY, .max = INFINITY}};
    if (node->model->opset < 11) {
        op.clip.min = cvy_onnx_float(node, "min", -INFINITY);
        op.clip.max = cvy_onnx_float(node, "max", INFINITY);
    } else if (cvy_onnx_is_computed(node, 1) || cvy_onnx_is_computed(node, 2)) {
        clip_later(node);
        return;
    } else {
        cvy_onnx_constant_floats(node, 1, "input 'min'", &op.clip.min, 1);
        cvy_onnx_constant_floats(node, 2, "input 'max'", &op.clip.max, 1);
    }
    cvy_onnx_emit(node, &op, 1, cvy_onnx_rank(node, 0));
}

static void mod(struct cvy_onnx_node *node)
{
    struct cvy_op op = {.type = cvy_onnx_int(node, "fmod", 0) != 0 ? CVY_OP_FMOD : CVY_OP_MOD};
    size_t a = cvy_onnx_rank(node, 0), b = cvy_onnx_rank(node, 1);
    cvy_onnx_emit(node, &op, 2, CVY_MAX(a, b));
}

#define ANY SIZE_MAX

const struct cvy_onnx_operator cvy_onnx_element_operators[] = {
    {"Abs", 6, INT_MAX, 1, 1, unary},
    {"Add", 7, INT_MAX, 2, 2, binary},
    {"And", 7, INT_MAX, 2, 2, binary},
    {"Ceil", 6, INT_MAX, 1, 1, unary},
    {"Clip", 6, INT_MAX, 1, 3, clip},
    {"Cos", 7, INT_MAX, 1, 1, unary},
    {"Div", 7, INT_MAX, 2, 2, binary},
    {"Elu", 6, INT_MAX, 1, 1, elu},
    {"Equal", 7, INT_MAX, 2, 2, binary},
    {"Erf", 9, INT_MAX, 1, 1, unary},
    {"Exp", 6, INT_MAX, 1, 1, unary},
    {"Floor", 6, INT_MAX, 1, 1, unary},
    {"Gelu", 20, INT_MAX, 1, 1, gelu},
    {"Greater", 7, INT_MAX, 2, 2, binary},
    {"GreaterOrEqual", 12, INT_MAX, 2, 2, binary},
    {"HardSigmoid", 6, INT_MAX, 1, 1, hard_sigmoid},
    {"HardSwish", 14, INT_MAX, 1, 1, unary},
    {"LeakyRelu", 6, INT_MAX, 1, 1, leaky_relu},
    {"Less", 7, INT_MAX, 2, 2, binary},
    {"LessOrEqual", 12, INT_MAX, 2, 2, binary},
    {"Log", 6, INT_MAX, 1, 1, unary},
    {"Max", 6, INT_MAX, 1, ANY, chain},
    {"Min", 6, INT_MAX, 1, ANY, chain},
    {"Mish", 18, INT_MAX, 1, 1, unary},
    {"Mod", 10, INT_MAX, 2, 2, mod},
    {"Mul", 7, INT_MAX, 2, 2, binary},
    {"Neg", 6, INT_MAX, 1, 1, unary},
    {"Not", 1, INT_MAX, 1, 1, unary},
    {"Or", 7, INT_MAX, 2, 2, binary},
    {"PRelu", 7, INT_MAX, 2, 2, prelu},
    {"Pow", 7, INT_MAX, 2, 2, binary},
    {"Reciprocal", 6, INT_MAX, 1, 1, unary},
    {"Relu", 6, INT_MAX, 1, 1, unary},
    {"Round", 11, INT_MAX, 1, 1, unary},
    {"Selu", 6, INT_MAX, 1, 1, selu},
    {"Sigmoid", 6, INT_MAX, 1, 1, unary},
    {"Sign", 9, INT_MAX, 1, 1, unary},
    {"Sin", 7, INT_MAX, 1, 1, unary},
    {"Softplus", 1, INT_MAX, 1, 1, unary},
    {"Softsign", 1, INT_MAX, 1, 1, unary},
    {"Sqrt", 6, INT_MAX, 1, 1, unary},
    {"Sub", 7, INT_MAX, 2, 2, binary},
    {"Sum", 6, INT_MAX, 1, ANY, chain},
    {"Tanh", 6, INT_MAX, 1, 1, unary},
};
const size_t cvy_onnx_n_element_operators = CVY_COUNT(cvy_onnx_element_operators);
