#include "op/host_element.h"

#include <math.h>

static double softplus(double x)
{
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}

/* The functions that networks activate with. */
static bool activation(const struct cvy_op *op, double x, double *y)
{
    const double alpha = (double)op->activation.alpha, beta = (double)op->activation.beta;
    switch (op->type) {
    case CVY_OP_RELU:
        *y = x < 0 ? 0 : x;
        return true;
    case CVY_OP_LEAKY_RELU:
        *y = x < 0 ? (double)op->leaky_relu.alpha * x : x;
        return true;
    case CVY_OP_CLIP:
        *y = fmin((double)op->clip.max, fmax((double)op->clip.min, x));
        return true;
    case CVY_OP_SIGMOID:
        *y = 1 / (1 + exp(-x));
        return true;
    case CVY_OP_TANH:
        *y = tanh(x);
        return true;
    case CVY_OP_HARD_SIGMOID:
        *y = fmin(fmax(alpha * x + beta, 0), 1);
        return true;
    case CVY_OP_HARD_SWISH:
        *y = x * fmin(fmax(x / 6 + 0.5, 0), 1);
        return true;
    case CVY_OP_SILU:
        *y = x / (1 + exp(-x));
        return true;
    case CVY_OP_GELU:
        *y = 0.5 * x * (1 + erf(x / sqrt(2)));
        return true;
    case CVY_OP_MISH:
        *y = x * tanh(softplus(x));
        return true;
    case CVY_OP_SOFTPLUS:
        *y = softplus(x);
        return true;
    case CVY_OP_SOFTSIGN:
        *y = x / (1 + fabs(x));
        return true;
    case CVY_OP_ELU:
        *y = x < 0 ? alpha * expm1(x) : x;
        return true;
    case CVY_OP_SELU:
        *y = beta * (x < 0 ? alpha * expm1(x) : x);
        return true;
    default:
        return false;
    }
}

/* The plain functions of one number. */
static bool function(enum cvy_op_type type, double x, double *y)
{
    switch (type) {
    case CVY_OP_ABS:
        *y = fabs(x);
        return true;
    case CVY_OP_NEG:
        *y = -x;
        return true;
    case CVY_OP_EXP:
        *y = exp(x);
        return true;
    case CVY_OP_LOG:
        *y = log(x);
        return true;
    case CVY_OP_SQRT:
        *y = sqrt(x);
        return true;
    case CVY_OP_RECIPROCAL:
        *y = 1 / x;
        return true;
    case CVY_OP_ERF:
        *y = erf(x);
        return true;
    case CVY_OP_SIN:
        *y = sin(x);
        return true;
    case CVY_OP_COS:
        *y = cos(x);
        return true;
    case CVY_OP_FLOOR:
        *y = floor(x);
        return true;
    case CVY_OP_CEIL:
        *y = ceil(x);
        return true;
    case CVY_OP_ROUND:
        *y = nearbyint(x);
        return true;
    case CVY_OP_SIGN:
        *y = x > 0 ? 1 : x < 0 ? -1 : 0;
        return true;
    case CVY_OP_NOT:
        *y = fpclassify(x) == FP_ZERO;
        return true;
    default:
        return false;
    }
}

/* Comparisons and truth values. */
static bool test(enum cvy_op_type type, double a, double b, double *y)
{
    const bool is_a = fpclassify(a) != FP_ZERO, is_b = fpclassify(b) != FP_ZERO;
    switch (type) {
    case CVY_OP_EQUAL:
        *y = !(a < b) && !(a > b) && !isnan(a) && !isnan(b);
        return true;
    case CVY_OP_LESS:
        *y = a < b;
        return true;
    case CVY_OP_LESS_EQUAL:
        *y = a <= b;
        return true;
    case CVY_OP_GREATER:
        *y = a > b;
        return true;
    case CVY_OP_GREATER_EQUAL:
        *y = a >= b;
        return true;
    case CVY_OP_AND:
        *y = is_a && is_b;
        return true;
    case CVY_OP_OR:
        *y = is_a || is_b;
        return true;
    default:
        return false;
    }
}

bool cvy_host_binary(enum cvy_op_type type, double a, double b, double *y)
{
    switch (type) {
    case CVY_OP_ADD:
        *y = a + b;
        return true;
    case CVY_OP_SUB:
        *y = a - b;
        return true;
    case CVY_OP_MUL:
        *y = a * b;
        return true;
    case CVY_OP_DIV:
        *y = a / b;
        return true;
    case CVY_OP_PRELU:
        *y = a < 0 ? a * b : a;
        return true;
    case CVY_OP_POW:
        *y = pow(a, b);
        return true;
    case CVY_OP_MIN:
        *y = fmin(a, b);
        return true;
    case CVY_OP_MAX:
        *y = fmax(a, b);
        return true;
    case CVY_OP_MOD:
        *y = a - b * floor(a / b);
        return true;
    case CVY_OP_FMOD:
        *y = fmod(a, b);
        return true;
    default:
        return test(type, a, b, y);
    }
}

bool cvy_host_unary(const struct cvy_op *op, double x, double *y)
{
    return activation(op, x, y) || function(op->type, x, y);
}
