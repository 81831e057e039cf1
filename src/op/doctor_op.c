/* The doctor's operators: a table of them with shapes; inputs are random. */
#include <math.h>
#include <stdlib.h>

#include "base/arith.h"
#include "base/log.h"
#include "op/conv_passes.h"
#include "op/doctor_trial.h"
#include "op/host_op.h"
#include "op/operator.h"
#include "op/planes.h"
#include "op/separable.h"
#include "op/table.h"
#include "runtime/buffer.h"

#define MAX_INPUTS 9
#define TOLERANCE 1e-5 /* of the value, or of 1 where that is more; exp and tanh are allowed 5 ulp */

struct row {
    struct cvy_op op;
    size_t n_in;
    struct cvy_shape in[MAX_INPUTS];
    bool positive; /* inputs from 1 to 5: divisors, variances; otherwise -4 to 4 */
    bool is_sum;   /* of many products: the tolerance is one of the largest value */
    enum cvy_dtype dtypes[MAX_INPUTS];
    unsigned scales; /* bit i: input i is a scale, a power of two, so that rounding has no doubtful cases */
    size_t block;    /* 0: plain; otherwise tensors lie in blocks of so many channels, where they can */
};

#define UNARY(operator_type)                                                \
    {                                                                       \
        .op = {.type = operator_type}, .n_in = 1, .in = { {3, {3, 5, 23}} } \
    }
#define SEPARABLE(...)                                                               \
    {                                                                                \
        .type = CVY_OP_DEPTHWISE_SEPARABLE_CONV, .conv = {.groups = 1, __VA_ARGS__ } \
    }
#define BINARY(operator_type, ...)                                      \
    {                                                                   \
        .op = {.type = operator_type}, .n_in = 2, .in = { __VA_ARGS__ } \
    }
#define POOL(operator_type, ...)                       \
    {                                                  \
        .type = operator_type, .pool = { __VA_ARGS__ } \
    }
#define RESIZE(...)                                      \
    {                                                    \
        .type = CVY_OP_RESIZE, .resize = { __VA_ARGS__ } \
    }
#define PAD(...)                                   \
    {                                              \
        .type = CVY_OP_PAD, .pad = { __VA_ARGS__ } \
    }

static const struct row rows[] = {
    UNARY(CVY_OP_RELU),
    UNARY(CVY_OP_SIGMOID),
    UNARY(CVY_OP_TANH),
    {.op = {.type = CVY_OP_LEAKY_RELU, .leaky_relu = {0.3f}}, .n_in = 1, .in = {{2, {7, 41}}}},
    {.op = {.type = CVY_OP_CLIP, .clip = {-1.5f, 2.0f}}, .n_in = 1, .in = {{4, {2, 3, 5, 7}}}},
    BINARY(CVY_OP_ADD, {4, {2, 3, 5, 4}}, {4, {2, 3, 5, 4}}),
    BINARY(CVY_OP_SUB, {4, {2, 3, 5, 4}}, {3, {3, 1, 1}}),
    BINARY(CVY_OP_MUL, {2, {1, 6}}, {3, {4, 5, 6}}),
    {.op = {.type = CVY_OP_DIV}, .n_in = 2, .in = {{3, {4, 1, 9}}, {3, {1, 5, 9}}}, .positive = true},
    BINARY(CVY_OP_PRELU, {4, {2, 5, 4, 3}}, {3, {5, 1, 1}}),
    UNARY(CVY_OP_HARD_SWISH),
    UNARY(CVY_OP_SILU),
    UNARY(CVY_OP_GELU),
    UNARY(CVY_OP_MISH),
    UNARY(CVY_OP_SOFTPLUS),
    UNARY(CVY_OP_SOFTSIGN),
    UNARY(CVY_OP_ABS),
    UNARY(CVY_OP_NEG),
    UNARY(CVY_OP_EXP),
    UNARY(CVY_OP_ERF),
    UNARY(CVY_OP_SIN),
    UNARY(CVY_OP_COS),
    UNARY(CVY_OP_FLOOR),
    UNARY(CVY_OP_CEIL),
    UNARY(CVY_OP_ROUND),
    UNARY(CVY_OP_SIGN),
    UNARY(CVY_OP_NOT),
    {.op = {.type = CVY_OP_LOG}, .n_in = 1, .in = {{2, {7, 41}}}, .positive = true},
    {.op = {.type = CVY_OP_SQRT}, .n_in = 1, .in = {{2, {7, 41}}}, .positive = true},
    {.op = {.type = CVY_OP_RECIPROCAL}, .n_in = 1, .in = {{2, {7, 41}}}, .positive = true},
    {.op = {.type = CVY_OP_HARD_SIGMOID, .activation = {0.3f, 0.4f}}, .n_in = 1, .in = {{2, {7, 41}}}},
    {.op = {.type = CVY_OP_ELU, .activation = {0.7f}}, .n_in = 1, .in = {{2, {7, 41}}}},
    {.op = {.type = CVY_OP_SELU, .activation = {1.7f, 1.1f}}, .n_in = 1, .in = {{2, {7, 41}}}},
    BINARY(CVY_OP_MIN, {3, {2, 5, 4}}, {2, {5, 4}}),
    BINARY(CVY_OP_MAX, {3, {2, 5, 4}}, {2, {5, 1}}),
    BINARY(CVY_OP_LESS, {3, {2, 5, 4}}, {3, {2, 1, 4}}),
    BINARY(CVY_OP_LESS_EQUAL, {3, {2, 5, 4}}, {0}),
    BINARY(CVY_OP_GREATER, {3, {2, 5, 4}}, {1, {4}}),
    BINARY(CVY_OP_GREATER_EQUAL, {3, {2, 5, 4}}, {3, {2, 5, 4}}),
    BINARY(CVY_OP_EQUAL, {3, {2, 5, 4}}, {3, {2, 5, 4}}),
    BINARY(CVY_OP_AND, {3, {2, 5, 4}}, {3, {2, 5, 4}}),
    BINARY(CVY_OP_OR, {3, {2, 5, 4}}, {3, {2, 5, 4}}),
    {.op = {.type = CVY_OP_POW}, .n_in = 2, .in = {{3, {4, 1, 9}}, {3, {1, 5, 9}}}, .positive = true},
    {.op = {.type = CVY_OP_MOD}, .n_in = 2, .in = {{3, {2, 5, 4}}, {0}}, .scales = 2},
    {.op = {.type = CVY_OP_FMOD}, .n_in = 2, .in = {{3, {2, 5, 4}}, {0}}, .scales = 2},
    {.op = {.type = CVY_OP_WHERE}, .n_in = 3, .in = {{3, {2, 1, 5}}, {2, {3, 5}}, {3, {2, 3, 1}}}},
    {.op = {.type = CVY_OP_SLICE,
            .slice = {.count = 2, .axes = {1, -1}, .begin = {6, 1}, .end = {-20, -1}, .step = {-2, 1}}},
     .n_in = 1,
     .in = {{3, {3, 7, 5}}}},
    {.op = {.type = CVY_OP_GATHER, .axis = -1},
     .n_in = 2,
     .in = {{3, {2, 3, 7}}, {2, {2, 5}}},
     .dtypes = {CVY_FLOAT32, CVY_INT64}},
    {.op = {.type = CVY_OP_SPLIT, .split = {-1, 1, 3}}, .n_in = 1, .in = {{2, {4, 8}}}},
    {.op = {.type = CVY_OP_EXPAND, .reshape = {3, {2, 1, 5}}}, .n_in = 1, .in = {{2, {4, 1}}}},
    {.op = {.type = CVY_OP_TILE, .reshape = {3, {2, 1, 3}}}, .n_in = 1, .in = {{3, {2, 3, 4}}}},
    {.op = {.type = CVY_OP_SPACE_TO_DEPTH, .depth_to_space = {3}}, .n_in = 1, .in = {{4, {2, 3, 6, 9}}}},
    {.op = {.type = CVY_OP_REDUCE_SUM, .reduce = {.axes = {2, {0, -1}}}},
     .n_in = 1,
     .in = {{4, {3, 2, 4, 5}}}},
    {.op = {.type = CVY_OP_REDUCE_MEAN, .reduce = {.axes = {2, {2, 3}}, .keep_dims = true}},
     .n_in = 1,
     .in = {{4, {2, 3, 4, 6}}}},
    {.op = {.type = CVY_OP_REDUCE_MAX, .reduce = {.axes = {1, {1}}}}, .n_in = 1, .in = {{3, {3, 7, 5}}}},
    {.op = {.type = CVY_OP_REDUCE_MIN}, .n_in = 1, .in = {{3, {3, 7, 5}}}},
    {.op = {.type = CVY_OP_REDUCE_PROD, .reduce = {.axes = {1, {-1}}}}, .n_in = 1, .in = {{2, {9, 5}}}},
    {.op = {.type = CVY_OP_GLOBAL_MAX_POOL}, .n_in = 1, .in = {{4, {2, 9, 7, 5}}}},
    {.op = {.type = CVY_OP_LRN, .lrn = {4, 0.5f, 0.75f, 2}}, .n_in = 1, .in = {{4, {2, 7, 3, 5}}}},
    {.op = {.type = CVY_OP_LRN, .lrn = {5, 0.5f, 0.5f, 2}}, .n_in = 1, .in = {{4, {2, 7, 3, 5}}}, .block = 4},
    {.op = {.type = CVY_OP_GROUP_NORM, .group_norm = {3, 1e-3f}},
     .n_in = 3,
     .in = {{4, {2, 6, 3, 5}}, {1, {6}}, {1, {6}}}},
    {.op = {.type = CVY_OP_LAYER_NORM, .layer_norm = {-1, 1e-3f}},
     .n_in = 2,
     .in = {{3, {2, 4, 19}}, {1, {19}}}},
    {.op = {.type = CVY_OP_MATMUL}, .n_in = 2, .in = {{3, {3, 4, 9}}, {2, {9, 6}}}, .is_sum = true},
    {.op = {.type = CVY_OP_MATMUL}, .n_in = 2, .in = {{4, {2, 1, 4, 9}}, {3, {3, 9, 6}}}, .is_sum = true},
    {.op = {.type = CVY_OP_CONCAT, .axis = 1},
     .n_in = 3,
     .in = {{3, {2, 3, 5}}, {3, {2, 1, 5}}, {3, {2, 4, 5}}}},
    {.op = {.type = CVY_OP_CONCAT, .axis = -1}, .n_in = 2, .in = {{2, {6, 3}}, {2, {6, 8}}}},
    {.op = {.type = CVY_OP_CONCAT, .axis = 1},
     .n_in = 3,
     .in = {{4, {2, 8, 3, 5}}, {4, {2, 5, 3, 5}}, {4, {2, 6, 3, 5}}},
     .block = 4},
    {.op = POOL(CVY_OP_MAX_POOL, .rank = 2, .kernel = {3, 2}, .stride = {2, 1}, .dilation = {1, 2},
                .pad_begin = {1, 1}, .pad_end = {1, 0}),
     .n_in = 1,
     .in = {{4, {2, 3, 9, 11}}}},
    {.op = POOL(CVY_OP_MAX_POOL, .rank = 3, .kernel = {2, 2, 2}, .stride = {2, 2, 2}, .dilation = {1, 1, 1}),
     .n_in = 1,
     .in = {{5, {1, 2, 4, 6, 8}}}},
    {.op = POOL(CVY_OP_AVERAGE_POOL, .rank = 2, .kernel = {3, 3}, .stride = {2, 2}, .dilation = {1, 1},
                .pad_begin = {1, 1}, .pad_end = {1, 1}),
     .n_in = 1,
     .in = {{4, {2, 3, 8, 9}}}},
    {.op = POOL(CVY_OP_AVERAGE_POOL, .rank = 1, .kernel = {4}, .stride = {3}, .dilation = {1},
                .pad_begin = {2}, .pad_end = {1}, .count_include_pad = true),
     .n_in = 1,
     .in = {{3, {2, 5, 20}}}},
    {.op = {.type = CVY_OP_GLOBAL_AVERAGE_POOL}, .n_in = 1, .in = {{4, {2, 9, 7, 5}}}},
    {.op = {.type = CVY_OP_BATCH_NORM, .batch_norm = {1e-3f}},
     .n_in = 5,
     .in = {{4, {2, 6, 5, 4}}, {1, {6}}, {1, {6}}, {1, {6}}, {1, {6}}},
     .positive = true},
    {.op = {.type = CVY_OP_TRANSPOSE, .transpose = {4, {0, 2, 3, 1}}}, .n_in = 1, .in = {{4, {2, 3, 5, 7}}}},
    {.op = {.type = CVY_OP_TRANSPOSE}, .n_in = 1, .in = {{3, {4, 9, 5}}}},
    {.op = {.type = CVY_OP_DEPTH_TO_SPACE, .depth_to_space = {2, false}},
     .n_in = 1,
     .in = {{4, {2, 12, 4, 5}}}},
    {.op = {.type = CVY_OP_DEPTH_TO_SPACE, .depth_to_space = {3, true}},
     .n_in = 1,
     .in = {{4, {1, 18, 3, 4}}}},
    {.op = RESIZE(.mode = CVY_RESIZE_LINEAR, .rank = 4, .scales = {1, 1, 2, 1.5f}),
     .n_in = 1,
     .in = {{4, {1, 3, 5, 6}}}},
    {.op = RESIZE(.mode = CVY_RESIZE_CUBIC, .coordinates = CVY_RESIZE_ALIGN_CORNERS, .cubic_a = -0.75f,
                  .rank = 4, .sizes = {1, 2, 9, 4}),
     .n_in = 1,
     .in = {{4, {1, 2, 6, 7}}}},
    {.op = RESIZE(.mode = CVY_RESIZE_NEAREST, .coordinates = CVY_RESIZE_ASYMMETRIC,
                  .nearest = CVY_RESIZE_FLOOR, .rank = 4, .scales = {1, 1, 2, 4}),
     .n_in = 1,
     .in = {{4, {2, 3, 4, 5}}}},
    {.op = RESIZE(.mode = CVY_RESIZE_LINEAR, .rank = 3, .scales = {1, 2, 1.5f}),
     .n_in = 1,
     .in = {{3, {2, 3, 5}}}},
    {.op = RESIZE(.mode = CVY_RESIZE_LINEAR, .rank = 4, .scales = {1, 1, 2, 1.5f}),
     .n_in = 1,
     .in = {{4, {2, 6, 4, 3}}},
     .block = 4},
    {.op = PAD(.mode = CVY_PAD_CONSTANT, .value = 1.25f, .rank = 3, .begin = {1, 0, 2}, .end = {0, -1, 3}),
     .n_in = 1,
     .in = {{3, {2, 5, 7}}}},
    {.op = PAD(.mode = CVY_PAD_REFLECT, .rank = 2, .begin = {2, 3}, .end = {1, 4}),
     .n_in = 1,
     .in = {{2, {5, 6}}}},
    {.op = PAD(.mode = CVY_PAD_REPLICATE, .rank = 2, .begin = {2, 3}, .end = {1, 4}),
     .n_in = 1,
     .in = {{2, {5, 6}}}},
    {.op = PAD(.mode = CVY_PAD_WRAP, .rank = 2, .begin = {2, 3}, .end = {1, 4}),
     .n_in = 1,
     .in = {{2, {5, 6}}}},
    {.op = {.type = CVY_OP_GEMM, .gemm = {1.5f, 0.5f, false, true}},
     .n_in = 3,
     .in = {{2, {6, 11}}, {2, {9, 11}}, {1, {9}}}},
    {.op = {.type = CVY_OP_GEMM, .gemm = {1, 1, false, false}},
     .n_in = 3,
     .in = {{2, {3, 21}}, {2, {21, 75}}, {2, {3, 1}}}},
    {.op = {.type = CVY_OP_SIGMOID}, .n_in = 1, .in = {{4, {2, 5, 3, 4}}}, .block = 4},
    {.op = {.type = CVY_OP_MUL}, .n_in = 2, .in = {{4, {2, 5, 3, 4}}, {4, {2, 5, 1, 1}}}, .block = 4},
    {.op = {.type = CVY_OP_GLOBAL_AVERAGE_POOL}, .n_in = 1, .in = {{4, {2, 6, 5, 4}}}, .block = 4},
    {.op = POOL(CVY_OP_AVERAGE_POOL, .rank = 2, .kernel = {3, 3}, .stride = {2, 1}, .dilation = {1, 1},
                .pad_begin = {1, 1}, .pad_end = {1, 1}),
     .n_in = 1,
     .in = {{4, {2, 7, 6, 5}}},
     .block = 4},
    {.op = {.type = CVY_OP_SOFTMAX, .softmax = {-1, false}}, .n_in = 1, .in = {{3, {3, 4, 17}}}},
    {.op = {.type = CVY_OP_SOFTMAX, .softmax = {1, false}}, .n_in = 1, .in = {{4, {2, 6, 3, 4}}}},
    {.op = {.type = CVY_OP_SOFTMAX, .softmax = {1, true}}, .n_in = 1, .in = {{3, {3, 4, 5}}}},
    {.op = {.type = CVY_OP_CHANNEL_SHUFFLE, .channel_shuffle = {3}}, .n_in = 1, .in = {{4, {2, 12, 3, 5}}}},
    {.op = {.type = CVY_OP_QUANTIZE, .axis = 1},
     .n_in = 3,
     .in = {{3, {2, 4, 9}}, {1, {4}}, {1, {4}}},
     .dtypes = {CVY_FLOAT32, CVY_FLOAT32, CVY_INT8},
     .scales = 2},
    {.op = {.type = CVY_OP_QUANTIZE}, .n_in = 2, .in = {{2, {7, 11}}, {0}}, .scales = 2},
    {.op = {.type = CVY_OP_DEQUANTIZE, .axis = -2},
     .n_in = 3,
     .in = {{3, {3, 5, 7}}, {1, {5}}, {1, {5}}},
     .dtypes = {CVY_UINT8, CVY_FLOAT32, CVY_UINT8},
     .scales = 2},
    {.op = SEPARABLE(.stride = {1, 1}, .dilation = {1, 1}, .pad_begin = {1, 1}, .pad_end = {1, 1}),
     .n_in = 3,
     .in = {{4, {2, 5, 9, 19}}, {4, {5, 1, 3, 3}}, {4, {9, 5, 1, 1}}},
     .is_sum = true},
    {.op = SEPARABLE(.stride = {2, 3}, .dilation = {1, 1}, .pad_begin = {2, 1}, .pad_end = {1, 2},
                     .pad_mode = CVY_PAD_REFLECT, .flip = true),
     .n_in = 5,
     .in = {{4, {1, 4, 11, 17}}, {4, {8, 1, 3, 5}}, {4, {6, 8, 1, 1}}, {1, {6}}, {1, {8}}},
     .is_sum = true},
    {.op = SEPARABLE(.stride = {2}, .dilation = {2}, .pad_begin = {2}, .pad_end = {2}),
     .n_in = 4,
     .in = {{3, {2, 6, 40}}, {3, {6, 1, 3}}, {3, {5, 6, 1}}, {1, {5}}},
     .is_sum = true},
    {.op = {.type = CVY_OP_FLATTENED_CONV, .conv = {.groups = 1, .stride = {1, 1}, .dilation = {1, 1}}},
     .n_in = 4,
     .in = {{4, {1, 3, 8, 9}}, {4, {4, 3, 1, 1}}, {4, {4, 1, 3, 1}}, {4, {4, 1, 1, 3}}},
     .is_sum = true},
    {.op = {.type = CVY_OP_CONV_INTEGER,
            .conv =
                {.groups = 1, .stride = {1, 1}, .dilation = {1, 1}, .pad_begin = {1, 1}, .pad_end = {1, 1}}},
     .n_in = 4,
     .in = {{4, {2, 3, 7, 9}}, {4, {5, 3, 3, 3}}, {0}, {0}},
     .dtypes = {CVY_UINT8, CVY_INT8, CVY_UINT8, CVY_INT8}},
    {.op = {.type = CVY_OP_CONV_INTEGER, .conv = {.groups = 4, .stride = {2, 1}, .dilation = {1, 1}}},
     .n_in = 4,
     .in = {{4, {1, 4, 9, 6}}, {4, {8, 1, 2, 3}}, {0}, {1, {8}}},
     .dtypes = {CVY_INT8, CVY_UINT8, CVY_INT8, CVY_UINT8}},
    {.op = {.type = CVY_OP_QLINEAR_CONV,
            .conv =
                {.groups = 2, .stride = {2, 1}, .dilation = {1, 2}, .pad_begin = {1, 0}, .pad_end = {0, 2}}},
     .n_in = 9,
     .in = {{4, {1, 4, 8, 9}}, {0}, {0}, {4, {6, 2, 3, 3}}, {1, {6}}, {1, {6}}, {0}, {0}, {1, {6}}},
     .dtypes = {CVY_INT8, CVY_FLOAT32, CVY_INT8, CVY_INT8, CVY_FLOAT32, CVY_INT8, CVY_FLOAT32, CVY_UINT8,
                CVY_INT32},
     .scales = 1 << 1 | 1 << 4 | 1 << 6},
};

struct op_case {
    const struct row *row;
    struct cvy_op op; /* the row's, settled */
    size_t n_in;
    struct cvy_operand operands[MAX_INPUTS];
    struct cvy_tensor fixed[MAX_INPUTS]; /* indices, which are known before the operator is made */
    struct cvy_host_tensor in[MAX_INPUTS], y;
    double *bounds;
    struct cvy_buffer *buffers[MAX_INPUTS], *out, *workspace;
    struct cvy_operator *operator;
};

static void case_finish(struct op_case *c)
{
    for (size_t i = 0; i < MAX_INPUTS; i++) {
        free(c->in[i].values);
        cvy_tensor_finish(&c->fixed[i]);
        cvy_buffer_destroy(&c->buffers[i]);
    }
    free(c->y.values);
    free(c->bounds);
    cvy_buffer_destroy(&c->out);
    cvy_buffer_destroy(&c->workspace);
    cvy_operator_destroy(&c->operator);
}

/* A value that the input's type holds. */
static double draw(struct cvy_doctor *doctor, const struct row *row, size_t i)
{
    float drawn = cvy_doctor_random_float(doctor);
    if (row->scales >> i & 1)
        return ldexp(1, -(int)cvy_doctor_random_size(doctor, 1, 3));
    switch (row->dtypes[i]) {
    case CVY_INT8:
        return nearbyint(20 * (double)drawn);
    case CVY_UINT8:
        return nearbyint(20 + 20 * (double)drawn);
    case CVY_INT32:
        return nearbyint(500 * (double)drawn);
    case CVY_INT64: /* an index along the last dimension */
        return (double)cvy_doctor_random_size(doctor, 0, row->in[0].dims[row->in[0].rank - 1] - 1);
    default:
        return (double)(row->positive ? 3 + 2 * drawn : 4 * drawn);
    }
}

/* The plain tensor in blocks of channels, filled up with zeros; the caller frees it. */
static double *lay_out(const struct cvy_host_tensor *plain, size_t block, size_t count)
{
    const size_t *dims = plain->shape.dims, pixels = cvy_span_elements(&plain->shape, 2, plain->shape.rank);
    const size_t blocks = cvy_ceil_div(dims[1], block);
    double *laid = calloc(count, sizeof(*laid));
    for (size_t i = 0; laid != NULL && i < dims[0] * dims[1] * pixels; i++) {
        size_t n = i / pixels / dims[1], c = i / pixels % dims[1];
        laid[((n * blocks + c / block) * pixels + i % pixels) * block + c % block] = plain->values[i];
    }
    return laid;
}

/* Of a tensor that the device sees, in floats or whatever it is made of. */
static size_t count_of(const struct cvy_shape *shape, size_t block)
{
    return block > 0 ? cvy_layout_bytes(shape, block) / sizeof(float)
                     : cvy_span_elements(shape, 0, shape->rank);
}

/* Random values on the host and in a buffer. */
static enum cvy_status make_input(struct cvy_doctor *doctor, struct op_case *c, size_t i)
{
    struct cvy_tensor drawn = {0}, tensor = {0};
    enum cvy_status status = cvy_tensor_init(&drawn, CVY_FLOAT64, &c->row->in[i]);
    if (status != CVY_OK)
        return status;
    double *values = drawn.data;
    for (size_t e = 0; e < drawn.elements; e++)
        values[e] = draw(doctor, c->row, i);
    c->in[i] = (struct cvy_host_tensor){c->row->dtypes[i], c->row->in[i], values};
    const size_t block = c->operands[i].block, count = count_of(&c->row->in[i], block);
    double *laid = block > 0 ? lay_out(&c->in[i], block, count) : NULL;
    if (block > 0 && laid == NULL)
        return cvy_fail_memory("the doctor", count * sizeof(*laid));
    if (laid != NULL)
        drawn = (struct cvy_tensor){CVY_FLOAT64, {1, {count}}, count, count * sizeof(*laid), laid};
    status = cvy_tensor_convert(&tensor, &drawn, c->row->dtypes[i]);
    if (status == CVY_OK)
        status = cvy_buffer_upload(&c->buffers[i], doctor->device, tensor.bytes, tensor.data);
    free(laid);
    if (c->row->dtypes[i] == CVY_INT64) {
        c->fixed[i] = tensor;
        c->operands[i].constant = &c->fixed[i];
    } else {
        cvy_tensor_finish(&tensor);
    }
    return status;
}

static enum cvy_status make_expected(struct op_case *c, size_t count)
{
    c->y.values = calloc(count, sizeof(double));
    c->bounds = calloc(count, sizeof(double));
    if (c->y.values == NULL || c->bounds == NULL)
        return cvy_fail_memory("the doctor", count * sizeof(double));
    if (!cvy_host_op(&c->op, c->in, c->n_in, &c->y))
        return cvy_fail(CVY_ERROR_UNSUPPORTED, "doctor: %s has no loops on the host",
                        cvy_op_name(&c->row->op));
    if (c->row->block > 0) {
        double *laid = lay_out(&c->y, c->row->block, count);
        if (laid == NULL)
            return cvy_fail_memory("the doctor", count * sizeof(double));
        free(c->y.values);
        c->y.values = laid;
    }
    double largest = 1;
    for (size_t i = 0; c->row->is_sum && i < count; i++)
        largest = fmax(largest, fabs(c->y.values[i]));
    for (size_t i = 0; i < count; i++)
        c->bounds[i] = TOLERANCE * fmax(largest, fabs(c->y.values[i]));
    return CVY_OK;
}

/* The fused kernel also where two passes would be faster: a trial is about what is right. */
static const char *algorithm_for(const struct cvy_doctor *doctor, const struct row *row,
                                 const struct cvy_operand *operands)
{
    struct cvy_conv_problem passes[CVY_CONV_MAX_PASSES];
    size_t count;
    char why[256];
    if (row->op.type != CVY_OP_DEPTHWISE_SEPARABLE_CONV ||
        cvy_conv_passes_from_op(&row->op, operands, row->n_in, passes, &count) != CVY_OK)
        return NULL;
    const struct cvy_separable s = {.depthwise = passes[0], .pointwise = passes[1]};
    return cvy_separable_applies(&s, doctor->device, why, sizeof(why)) ? "fused" : NULL;
}

/* Operands in blocks, where the row has them so. */
static enum cvy_status choose_layouts(struct op_case *c)
{
    enum cvy_layout layouts[MAX_INPUTS];
    struct cvy_shape y;
    enum cvy_dtype dtype;
    if (c->row->block == 0)
        return CVY_OK;
    enum cvy_status status = cvy_operator_infer(&c->op, c->operands, c->n_in, &y, &dtype);
    if (status != CVY_OK)
        return status;
    if (!cvy_operator_layouts(&c->op, c->operands, c->n_in, &y, c->row->block, layouts))
        return cvy_fail(CVY_ERROR_UNSUPPORTED, "doctor: %s is not done in blocks", cvy_op_name(&c->op));
    for (size_t i = 0; i < c->n_in; i++)
        c->operands[i].block = layouts[i] == CVY_LAYOUT_BLOCKS ? c->row->block : 0;
    return CVY_OK;
}

static enum cvy_status launch(struct cvy_doctor *doctor, struct op_case *c, size_t count)
{
    struct cvy_operator_params params = {.algo = algorithm_for(doctor, c->row, c->operands),
                                         .max_workspace = (size_t)64 << 20,
                                         .block = c->row->block};
    enum cvy_status status =
        cvy_operator_create(&c->operator, doctor->device, &c->op, c->operands, c->n_in, &params);
    if (status == CVY_OK)
        status = cvy_trial_output(doctor, count * cvy_dtype_size(c->y.dtype), &c->out);
    if (status == CVY_OK && c->operator->workspace> 0)
        status = cvy_buffer_create(&c->workspace, doctor->device, c->operator->workspace);
    if (status == CVY_OK)
        status = c->operator->class->enqueue(c->operator, c->buffers, c->n_in, c->out, c->workspace);
    return status;
}

static enum cvy_status check(struct cvy_doctor *doctor, const struct row *row)
{
    struct op_case c = {.row = row, .op = row->op, .n_in = row->n_in};
    size_t count = 0;
    char text[128];
    for (size_t i = 0; i < row->n_in; i++)
        c.operands[i] = (struct cvy_operand){.present = true, .shape = row->in[i], .dtype = row->dtypes[i]};
    enum cvy_status status = choose_layouts(&c);
    for (size_t i = 0; status == CVY_OK && i < row->n_in; i++)
        status = make_input(doctor, &c, i);
    if (status == CVY_OK)
        status = cvy_operator_settle(&c.op, c.operands, &c.n_in);
    if (status == CVY_OK)
        status = cvy_operator_infer(&c.op, c.operands, c.n_in, &c.y.shape, &c.y.dtype);
    if (status == CVY_OK)
        count = count_of(&c.y.shape, row->block);
    if (status == CVY_OK)
        status = make_expected(&c, count);
    if (status == CVY_OK) {
        cvy_trial_begin(doctor, "%s of %s", cvy_op_name(&row->op),
                        cvy_shape_format(&row->in[0], text, sizeof(text)));
        status = launch(doctor, &c, count);
        status = cvy_trial_end(doctor, status, c.out, c.y.dtype, count, c.y.values, c.bounds);
    }
    case_finish(&c);
    return status;
}

enum cvy_status cvy_doctor_check_operators(struct cvy_doctor *doctor)
{
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < CVY_COUNT(rows); i++) {
        if (cvy_operator_class_of(rows[i].op.type) != NULL)
            status = check(doctor, &rows[i]);
    }
    return status;
}
