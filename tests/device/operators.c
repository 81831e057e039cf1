/* Every operator but convolution against loops in double that follow the ONNX specification. */
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "op/operator.h"

#define MAX_INPUTS 5

static struct test_random randomness;

/* Inputs of one operator, in host memory. */
struct inputs {
    size_t n;
    struct cvy_shape shapes[MAX_INPUTS];
    float *data[MAX_INPUTS];
};

static size_t elements(const struct cvy_shape *shape)
{
    size_t n = 1;
    for (size_t i = 0; i < shape->rank; i++)
        n *= shape->dims[i];
    return n;
}

static void add_input(struct inputs *inputs, const struct cvy_shape *shape)
{
    size_t n = elements(shape);
    inputs->shapes[inputs->n] = *shape;
    inputs->data[inputs->n] = malloc(n * sizeof(float));
    test_random_fill(&randomness, inputs->data[inputs->n], n);
    for (size_t i = 0; i < n; i++)
        inputs->data[inputs->n][i] *= 4;
    inputs->n++;
}

static void free_inputs(struct inputs *inputs)
{
    for (size_t i = 0; i < inputs->n; i++)
        free(inputs->data[i]);
}

static struct cvy_shape random_shape(size_t rank, size_t largest)
{
    struct cvy_shape shape = {.rank = rank};
    for (size_t i = 0; i < rank; i++)
        shape.dims[i] = test_random_range(&randomness, 1, largest);
    return shape;
}

/* Position of linear index i along each dimension, and back. */
static void unravel(const struct cvy_shape *shape, size_t i, size_t *at)
{
    for (size_t d = shape->rank; d-- > 0; i /= shape->dims[d])
        at[d] = i % shape->dims[d];
}

static size_t ravel(const struct cvy_shape *shape, const size_t *at)
{
    size_t i = 0;
    for (size_t d = 0; d < shape->rank; d++)
        i = i * shape->dims[d] + at[d];
    return i;
}

/* Runs op on the device; returns the malloc'ed result and its shape. */
static float *run(const struct cvy_op *op, const struct inputs *inputs, struct cvy_shape *shape)
{
    struct cvy_device *device = test_device();
    struct cvy_operand operands[MAX_INPUTS] = {{0}};
    struct cvy_buffer *in[MAX_INPUTS] = {NULL}, *out = NULL, *workspace = NULL;
    struct cvy_operator *operator= NULL;
    for (size_t i = 0; i < inputs->n; i++) {
        size_t bytes = elements(&inputs->shapes[i]) * sizeof(float);
        operands[i] = (struct cvy_operand){true, inputs->shapes[i], NULL};
        ck_assert_int_eq(cvy_buffer_create(&in[i], device, bytes), CVY_OK);
        ck_assert_int_eq(cvy_buffer_write(in[i], 0, bytes, inputs->data[i]), CVY_OK);
    }
    struct cvy_operator_params params = {NULL, (size_t)64 << 20};
    ck_assert_msg(cvy_operator_create(&operator, device, op, operands, inputs->n, &params) == CVY_OK, "%s",
                  test_log_last());
    *shape = operator->out;
    size_t n = elements(shape);
    float *result = malloc(n * sizeof(float));
    test_poison(result, n);
    ck_assert_int_eq(cvy_buffer_create(&out, device, n * sizeof(float)), CVY_OK);
    ck_assert_int_eq(cvy_buffer_write(out, 0, n * sizeof(float), result), CVY_OK);
    if (operator->workspace != 0)
        ck_assert_int_eq(cvy_buffer_create(&workspace, device, operator->workspace), CVY_OK);
    ck_assert_msg(operator->class->enqueue(operator, in, inputs->n, out, workspace) == CVY_OK, "%s",
                  test_log_last());
    ck_assert_int_eq(cvy_buffer_read(out, 0, n * sizeof(float), result), CVY_OK);
    cvy_operator_destroy(&operator);
    for (size_t i = 0; i < inputs->n; i++)
        cvy_buffer_destroy(&in[i]);
    cvy_buffer_destroy(&out);
    cvy_buffer_destroy(&workspace);
    return result;
}

static void compare(const char *name, const float *got, const double *expected, size_t n, double tolerance)
{
    for (size_t i = 0; i < n; i++) {
        double bound = tolerance * fmax(1, fabs(expected[i]));
        ck_assert_msg(fabs((double)got[i] - expected[i]) <= bound, "%s: element %zu is %g, expected %g", name,
                      i, (double)got[i], expected[i]);
    }
}

static int rounds(int n)
{
    return test_small() ? (n + 9) / 10 : n;
}

static double unary_oracle(const struct cvy_op *op, double x)
{
    switch (op->type) {
    case CVY_OP_RELU:
        return x > 0 ? x : 0;
    case CVY_OP_LEAKY_RELU:
        return x < 0 ? x * (double)op->leaky_relu.alpha : x;
    case CVY_OP_CLIP:
        return fmin(fmax(x, (double)op->clip.min), (double)op->clip.max);
    case CVY_OP_SIGMOID:
        return 1 / (1 + exp(-x));
    default:
        return tanh(x);
    }
}

START_TEST(unary_functions_agree_with_libm)
{
    static const enum cvy_op_type types[] = {CVY_OP_RELU, CVY_OP_LEAKY_RELU, CVY_OP_CLIP, CVY_OP_SIGMOID,
                                             CVY_OP_TANH};
    for (int round = 0; round < rounds(20); round++) {
        struct cvy_op op = {.type = types[round % 5]};
        if (op.type == CVY_OP_LEAKY_RELU)
            op.leaky_relu.alpha = test_random_float(&randomness);
        if (op.type == CVY_OP_CLIP) {
            op.clip.min = round % 2 ? test_random_float(&randomness) - 1 : -INFINITY;
            op.clip.max = round % 3 ? test_random_float(&randomness) + 1 : INFINITY;
        }
        struct inputs inputs = {0};
        struct cvy_shape x = random_shape(test_random_range(&randomness, 0, 5), 9), shape;
        add_input(&inputs, &x);
        size_t n = elements(&x);
        double *expected = malloc(n * sizeof(double));
        for (size_t i = 0; i < n; i++)
            expected[i] = unary_oracle(&op, (double)inputs.data[0][i]);
        float *got = run(&op, &inputs, &shape);
        ck_assert(cvy_shape_equal(&shape, &x));
        compare(cvy_op_name(&op), got, expected, n, 1e-6);
        free(got);
        free(expected);
        free_inputs(&inputs);
    }
}
END_TEST

static double binary_oracle(enum cvy_op_type type, double a, double b)
{
    switch (type) {
    case CVY_OP_ADD:
        return a + b;
    case CVY_OP_SUB:
        return a - b;
    case CVY_OP_MUL:
        return a * b;
    case CVY_OP_DIV:
        return a / b;
    default:
        return a < 0 ? a * b : a;
    }
}

/* a or b of a pair that broadcasts to out: some dimensions 1, leading ones left out. */
static struct cvy_shape broadcast_from(const struct cvy_shape *out)
{
    size_t skip = test_random_range(&randomness, 0, out->rank);
    struct cvy_shape shape = {.rank = out->rank - skip};
    for (size_t i = 0; i < shape.rank; i++)
        shape.dims[i] = test_random_range(&randomness, 0, 2) == 0 ? 1 : out->dims[i + skip];
    return shape;
}

static double broadcast_read(const struct inputs *inputs, size_t k, const struct cvy_shape *out,
                             const size_t *at)
{
    const struct cvy_shape *shape = &inputs->shapes[k];
    size_t own[CVY_MAX_RANK];
    for (size_t d = 0; d < shape->rank; d++)
        own[d] = shape->dims[d] == 1 ? 0 : at[d + out->rank - shape->rank];
    return (double)inputs->data[k][ravel(shape, own)];
}

START_TEST(binary_functions_broadcast_both_ways)
{
    static const enum cvy_op_type types[] = {CVY_OP_ADD, CVY_OP_SUB, CVY_OP_MUL, CVY_OP_DIV, CVY_OP_PRELU};
    for (int round = 0; round < rounds(50); round++) {
        struct cvy_op op = {.type = types[round % 5]};
        struct cvy_shape full = random_shape(test_random_range(&randomness, 1, 6), 5), shape;
        bool full_first = op.type == CVY_OP_PRELU || round % 2;
        struct cvy_shape part = broadcast_from(&full);
        struct inputs inputs = {0};
        add_input(&inputs, full_first ? &full : &part);
        add_input(&inputs, full_first ? &part : &full);
        if (op.type == CVY_OP_DIV) {
            for (size_t i = 0; i < elements(&inputs.shapes[1]); i++)
                inputs.data[1][i] += inputs.data[1][i] < 0 ? -1 : 1;
        }
        float *got = run(&op, &inputs, &shape);
        ck_assert(cvy_shape_equal(&shape, &full));
        size_t n = elements(&full), at[CVY_MAX_RANK];
        double *expected = malloc(n * sizeof(double));
        for (size_t i = 0; i < n; i++) {
            unravel(&full, i, at);
            expected[i] = binary_oracle(op.type, broadcast_read(&inputs, 0, &full, at),
                                        broadcast_read(&inputs, 1, &full, at));
        }
        compare(cvy_op_name(&op), got, expected, n, 1e-6);
        free(got);
        free(expected);
        free_inputs(&inputs);
    }
}
END_TEST

START_TEST(concat_puts_inputs_one_after_another)
{
    for (int round = 0; round < rounds(20); round++) {
        struct cvy_shape first = random_shape(test_random_range(&randomness, 1, 5), 5), shape;
        size_t axis = test_random_range(&randomness, 0, first.rank - 1);
        struct cvy_op op = {.type = CVY_OP_CONCAT,
                            .axis = (int64_t)axis - (round % 2 ? (int64_t)first.rank : 0)};
        struct inputs inputs = {0};
        size_t n_in = test_random_range(&randomness, 1, 4), total = 0;
        for (size_t k = 0; k < n_in; k++) {
            struct cvy_shape one = first;
            one.dims[axis] = test_random_range(&randomness, 1, 6);
            total += one.dims[axis];
            add_input(&inputs, &one);
        }
        float *got = run(&op, &inputs, &shape);
        ck_assert_uint_eq(shape.dims[axis], total);
        size_t n = elements(&shape), at[CVY_MAX_RANK];
        for (size_t i = 0; i < n; i++) {
            size_t k = 0;
            unravel(&shape, i, at);
            for (; at[axis] >= inputs.shapes[k].dims[axis]; k++)
                at[axis] -= inputs.shapes[k].dims[axis];
            ck_assert(got[i] == inputs.data[k][ravel(&inputs.shapes[k], at)]);
        }
        free(got);
        free_inputs(&inputs);
    }
}
END_TEST

START_TEST(transpose_reorders_dimensions)
{
    for (int round = 0; round < rounds(20); round++) {
        struct cvy_shape x = random_shape(test_random_range(&randomness, 1, 6), 5), shape;
        struct cvy_op op = {.type = CVY_OP_TRANSPOSE};
        size_t order[CVY_MAX_RANK] = {0};
        for (size_t i = 0; i < x.rank; i++)
            order[i] = x.rank - 1 - i;
        if (round % 4 != 0) {
            op.transpose.rank = x.rank;
            for (size_t i = x.rank; i-- > 1;) {
                size_t j = test_random_range(&randomness, 0, i), swap = order[i];
                order[i] = order[j];
                order[j] = swap;
            }
            memcpy(op.transpose.order, order, sizeof(order));
        }
        struct inputs inputs = {0};
        add_input(&inputs, &x);
        float *got = run(&op, &inputs, &shape);
        size_t at[CVY_MAX_RANK], from[CVY_MAX_RANK];
        for (size_t i = 0; i < elements(&x); i++) {
            unravel(&shape, i, at);
            for (size_t d = 0; d < x.rank; d++)
                from[order[d]] = at[d];
            ck_assert(got[i] == inputs.data[0][ravel(&x, from)]);
        }
        free(got);
        free_inputs(&inputs);
    }
}
END_TEST

START_TEST(depth_to_space_moves_channels_into_blocks)
{
    for (int round = 0; round < rounds(12); round++) {
        size_t block = test_random_range(&randomness, 1, 3), channels = test_random_range(&randomness, 1, 3);
        struct cvy_shape x = random_shape(4, 4), shape;
        x.dims[1] = channels * block * block;
        struct cvy_op op = {.type = CVY_OP_DEPTH_TO_SPACE};
        op.depth_to_space.block = block;
        op.depth_to_space.column_row_depth = round % 2;
        struct inputs inputs = {0};
        add_input(&inputs, &x);
        float *got = run(&op, &inputs, &shape);
        size_t at[4];
        for (size_t i = 0; i < elements(&x); i++) {
            unravel(&shape, i, at);
            size_t row = at[2] % block, column = at[3] % block;
            size_t c = round % 2 ? (at[1] * block + row) * block + column
                                 : (row * block + column) * channels + at[1];
            size_t from[4] = {at[0], c, at[2] / block, at[3] / block};
            ck_assert(got[i] == inputs.data[0][ravel(&x, from)]);
        }
        free(got);
        free_inputs(&inputs);
    }
}
END_TEST

static long pad_source(enum cvy_pad_mode mode, long p, long n)
{
    if (p >= 0 && p < n)
        return p;
    switch (mode) {
    case CVY_PAD_REFLECT:
        return p < 0 ? -p : 2 * (n - 1) - p;
    case CVY_PAD_REPLICATE:
        return p < 0 ? 0 : n - 1;
    case CVY_PAD_WRAP:
        return (p + n) % n;
    case CVY_PAD_CONSTANT:
        break;
    }
    return -1;
}

START_TEST(pad_reads_every_border_as_specified)
{
    for (int round = 0; round < rounds(32); round++) {
        struct cvy_shape x = random_shape(test_random_range(&randomness, 1, 5), 5), shape;
        struct cvy_op op = {.type = CVY_OP_PAD};
        op.pad.mode = (enum cvy_pad_mode)(round % 4);
        op.pad.value = test_random_float(&randomness);
        op.pad.rank = x.rank;
        for (size_t d = 0; d < x.rank; d++) {
            x.dims[d] += 1;
            op.pad.begin[d] = (int64_t)test_random_range(&randomness, 0, x.dims[d] - 1);
            op.pad.end[d] = (int64_t)test_random_range(&randomness, 0, x.dims[d] - 1);
            if (op.pad.mode == CVY_PAD_CONSTANT && test_random_range(&randomness, 0, 2) == 0)
                op.pad.begin[d] = -1;
        }
        struct inputs inputs = {0};
        add_input(&inputs, &x);
        float *got = run(&op, &inputs, &shape);
        size_t at[CVY_MAX_RANK];
        for (size_t i = 0; i < elements(&shape); i++) {
            bool outside = false;
            unravel(&shape, i, at);
            for (size_t d = 0; d < x.rank; d++) {
                long p = pad_source(op.pad.mode, (long)at[d] - (long)op.pad.begin[d], (long)x.dims[d]);
                outside |= p < 0;
                at[d] = (size_t)p;
            }
            ck_assert(got[i] == (outside ? op.pad.value : inputs.data[0][ravel(&x, at)]));
        }
        free(got);
        free_inputs(&inputs);
    }
}
END_TEST

START_TEST(batch_norm_follows_its_formula)
{
    for (int round = 0; round < rounds(10); round++) {
        struct cvy_shape x = random_shape(test_random_range(&randomness, 2, 5), 5), shape;
        struct cvy_shape channels = {1, {x.dims[1]}};
        struct cvy_op op = {.type = CVY_OP_BATCH_NORM};
        op.batch_norm.epsilon = 1e-3f;
        struct inputs inputs = {0};
        add_input(&inputs, &x);
        for (int k = 0; k < 4; k++)
            add_input(&inputs, &channels);
        for (size_t c = 0; c < x.dims[1]; c++)
            inputs.data[4][c] = fabsf(inputs.data[4][c]) + 0.1f;
        size_t n = elements(&x), at[CVY_MAX_RANK];
        double *expected = malloc(n * sizeof(double));
        for (size_t i = 0; i < n; i++) {
            unravel(&x, i, at);
            float **v = inputs.data;
            size_t c = at[1];
            expected[i] =
                ((double)v[0][i] - (double)v[3][c]) / sqrt((double)v[4][c] + 1e-3) * (double)v[1][c] +
                (double)v[2][c];
        }
        float *got = run(&op, &inputs, &shape);
        compare("BatchNormalization", got, expected, n, 1e-5);
        free(got);
        free(expected);
        free_inputs(&inputs);
    }
}
END_TEST

START_TEST(softmax_sums_to_one_along_its_axis)
{
    for (int round = 0; round < rounds(16); round++) {
        struct cvy_shape x = random_shape(test_random_range(&randomness, 1, 5), 6), shape;
        size_t axis = test_random_range(&randomness, 0, x.rank - 1), n = elements(&x);
        struct cvy_op op = {.type = CVY_OP_SOFTMAX};
        op.softmax.axis = (int64_t)axis - (round % 2 ? (int64_t)x.rank : 0);
        op.softmax.flatten = round % 4 >= 2;
        struct inputs inputs = {0};
        add_input(&inputs, &x);
        for (size_t i = 0; i < n; i++)
            inputs.data[0][i] += 200; /* exp of this alone overflows */
        double *expected = malloc(n * sizeof(double));
        size_t at[CVY_MAX_RANK], other[CVY_MAX_RANK];
        for (size_t i = 0; i < n; i++) {
            double sum = 0;
            unravel(&x, i, at);
            for (size_t j = 0; j < n; j++) {
                bool same_row = true;
                unravel(&x, j, other);
                for (size_t d = 0; d < x.rank; d++)
                    same_row &= (op.softmax.flatten ? d >= axis : d == axis) || other[d] == at[d];
                if (same_row)
                    sum += exp((double)inputs.data[0][j] - (double)inputs.data[0][i]);
            }
            expected[i] = 1 / sum;
        }
        float *got = run(&op, &inputs, &shape);
        compare("Softmax", got, expected, n, 1e-5);
        free(got);
        free(expected);
        free_inputs(&inputs);
    }
}
END_TEST

START_TEST(gemm_with_every_transposition_and_broadcast)
{
    for (int round = 0; round < rounds(16); round++) {
        size_t m = test_random_range(&randomness, 1, 20), k = test_random_range(&randomness, 1, 20),
               n = test_random_range(&randomness, 1, 20);
        struct cvy_op op = {.type = CVY_OP_GEMM};
        bool ta = round & 1, tb = round & 2;
        op.gemm.alpha = test_random_float(&randomness);
        op.gemm.beta = test_random_float(&randomness);
        op.gemm.transpose_a = ta;
        op.gemm.transpose_b = tb;
        struct cvy_shape a = {2, {ta ? k : m, ta ? m : k}}, b = {2, {tb ? n : k, tb ? k : n}}, shape;
        struct cvy_shape full = {2, {m, n}}, c = broadcast_from(&full);
        struct inputs inputs = {0};
        add_input(&inputs, &a);
        add_input(&inputs, &b);
        if (round % 4 != 3)
            add_input(&inputs, &c);
        float *got = run(&op, &inputs, &shape);
        double *expected = malloc(m * n * sizeof(double));
        for (size_t i = 0; i < m * n; i++) {
            size_t at[2] = {i / n, i % n};
            double sum = 0;
            for (size_t l = 0; l < k; l++)
                sum += (double)inputs.data[0][ta ? l * m + at[0] : at[0] * k + l] *
                       (double)inputs.data[1][tb ? at[1] * k + l : l * n + at[1]];
            expected[i] = (double)op.gemm.alpha * sum;
            if (inputs.n == 3)
                expected[i] += (double)op.gemm.beta * broadcast_read(&inputs, 2, &full, at);
        }
        compare("Gemm", got, expected, m * n, 1e-4);
        free(got);
        free(expected);
        free_inputs(&inputs);
    }
}
END_TEST

/* Windows as the specification of AveragePool has them, one axis at a time. */
struct window {
    long begin, in, pad_end;
    size_t kernel, dilation;
};

static bool window_has(const struct window *w, size_t r, long *at)
{
    *at = w->begin + (long)(r * w->dilation);
    return *at >= 0 && *at < w->in;
}

START_TEST(pools_of_every_rank_agree_with_the_definition)
{
    for (int round = 0; round < rounds(60); round++) {
        size_t rank = test_random_range(&randomness, 1, 3);
        struct cvy_shape x = random_shape(rank + 2, 3), shape;
        struct cvy_op op = {.type = round % 2 ? CVY_OP_MAX_POOL : CVY_OP_AVERAGE_POOL};
        struct cvy_op_pool *pool = &op.pool;
        pool->rank = rank;
        pool->ceil_mode = test_random_range(&randomness, 0, 1);
        pool->count_include_pad = test_random_range(&randomness, 0, 1);
        for (size_t d = 0; d < rank; d++) {
            x.dims[d + 2] = test_random_range(&randomness, 5, 9);
            pool->kernel[d] = test_random_range(&randomness, 1, 3);
            pool->stride[d] = test_random_range(&randomness, 1, 3);
            pool->dilation[d] = test_random_range(&randomness, 1, 2);
            pool->pad_begin[d] = test_random_range(&randomness, 0, pool->kernel[d] - 1);
            pool->pad_end[d] = test_random_range(&randomness, 0, pool->kernel[d] - 1);
        }
        struct inputs inputs = {0};
        add_input(&inputs, &x);
        float *got = run(&op, &inputs, &shape);
        for (size_t d = 0; d < rank; d++) {
            size_t span = x.dims[d + 2] + pool->pad_begin[d] + pool->pad_end[d] -
                          pool->dilation[d] * (pool->kernel[d] - 1) - 1;
            size_t out = span / pool->stride[d] + 1;
            if (pool->ceil_mode && span % pool->stride[d] &&
                out * pool->stride[d] < x.dims[d + 2] + pool->pad_begin[d])
                out++;
            ck_assert_uint_eq(shape.dims[d + 2], out);
        }
        for (size_t i = 0; i < elements(&shape); i++) {
            struct window w[3] = {{0, 1, 0, 1, 1}, {0, 1, 0, 1, 1}, {0, 1, 0, 1, 1}};
            size_t at[CVY_MAX_RANK], channel_size = 1;
            unravel(&shape, i, at);
            for (size_t d = 0; d < rank; d++) {
                w[d] = (struct window){(long)(at[d + 2] * pool->stride[d]) - (long)pool->pad_begin[d],
                                       (long)x.dims[d + 2], (long)pool->pad_end[d], pool->kernel[d],
                                       pool->dilation[d]};
                channel_size *= x.dims[d + 2];
            }
            const float *channel = inputs.data[0] + (at[0] * x.dims[1] + at[1]) * channel_size;
            double sum = 0, largest = -INFINITY, inside = 0, padded = 0;
            for (size_t r = 0; r < w[0].kernel * w[1].kernel * w[2].kernel; r++) {
                long p[3];
                size_t offsets[3] = {r / w[2].kernel / w[1].kernel, r / w[2].kernel % w[1].kernel,
                                     r % w[2].kernel};
                bool in_x = true, in_padding = true;
                for (size_t d = 0; d < 3; d++) {
                    in_x &= window_has(&w[d], offsets[d], &p[d]);
                    in_padding &= p[d] < w[d].in + w[d].pad_end;
                }
                padded += in_padding;
                if (in_x) {
                    double value = (double)channel[(p[0] * w[1].in + p[1]) * w[2].in + p[2]];
                    sum += value;
                    inside++;
                    largest = fmax(largest, value);
                }
            }
            double n = pool->count_include_pad ? padded : inside;
            double expected = op.type == CVY_OP_MAX_POOL ? largest : n > 0 ? sum / n : 0;
            ck_assert_msg(got[i] == (float)expected || fabs((double)got[i] - expected) < 1e-5,
                          "%s: element %zu is %g, expected %g", cvy_op_name(&op), i, (double)got[i],
                          expected);
        }
        free(got);
        free_inputs(&inputs);
    }
}
END_TEST

START_TEST(global_average_pool_is_the_mean_of_each_channel)
{
    struct cvy_shape x = {5, {2, 3, 4, 5, 6}}, shape;
    struct cvy_op op = {.type = CVY_OP_GLOBAL_AVERAGE_POOL};
    struct inputs inputs = {0};
    add_input(&inputs, &x);
    float *got = run(&op, &inputs, &shape);
    ck_assert_uint_eq(elements(&shape), 6);
    for (size_t i = 0; i < 6; i++) {
        double sum = 0;
        for (size_t j = 0; j < 120; j++)
            sum += (double)inputs.data[0][i * 120 + j];
        ck_assert(fabs((double)got[i] - sum / 120) < 1e-5);
    }
    free(got);
    free_inputs(&inputs);
}
END_TEST

/* Resize of one line, from the formulas of the ONNX specification; weights of each of x's positions. */
static void resize_weights(const struct cvy_op_resize *r, double scale, size_t in, size_t out, size_t at,
                           double *weights)
{
    double p = 0;
    switch (r->coordinates) {
    case CVY_RESIZE_HALF_PIXEL:
        p = ((double)at + 0.5) / scale - 0.5;
        break;
    case CVY_RESIZE_PYTORCH_HALF_PIXEL:
        p = out > 1 ? ((double)at + 0.5) / scale - 0.5 : 0;
        break;
    case CVY_RESIZE_ALIGN_CORNERS:
        p = out > 1 ? (double)at * ((double)in - 1) / ((double)out - 1) : 0;
        break;
    case CVY_RESIZE_ASYMMETRIC:
        p = (double)at / scale;
        break;
    }
    for (size_t i = 0; i < in; i++)
        weights[i] = 0;
    if (r->mode == CVY_RESIZE_NEAREST) {
        double low = floor(p), high = ceil(p), nearest = low;
        if (r->nearest == CVY_RESIZE_CEIL)
            nearest = high;
        else if (r->nearest == CVY_RESIZE_ROUND_PREFER_CEIL)
            nearest = p - low < 0.5 ? low : high;
        else if (r->nearest == CVY_RESIZE_ROUND_PREFER_FLOOR)
            nearest = p - low <= 0.5 ? low : high;
        weights[(size_t)fmin(fmax(nearest, 0), (double)in - 1)] = 1;
        return;
    }
    double sum = 0;
    for (double q = floor(p) - 1; q <= floor(p) + 2; q++) {
        double d = fabs(p - q), a = (double)r->cubic_a, w;
        if (r->mode == CVY_RESIZE_LINEAR)
            w = d < 1 ? 1 - d : 0;
        else
            w = d <= 1  ? (a + 2) * d * d * d - (a + 3) * d * d + 1
                : d < 2 ? a * d * d * d - 5 * a * d * d + 8 * a * d - 4 * a
                        : 0;
        if (r->exclude_outside && (q < 0 || q > (double)in - 1))
            continue;
        weights[(size_t)fmin(fmax(q, 0), (double)in - 1)] += w;
        sum += w;
    }
    for (size_t i = 0; r->exclude_outside && i < in; i++)
        weights[i] /= sum;
}

START_TEST(resize_in_every_mode_agrees_with_the_specification)
{
    static const float scales[] = {1, 2, 0.5f, 3, 1.5f, 0.75f, 2.5f};
    for (int round = 0; round < rounds(96); round++) {
        struct cvy_shape x = random_shape(4, 3), shape;
        struct cvy_op op = {.type = CVY_OP_RESIZE};
        struct cvy_op_resize *r = &op.resize;
        r->mode = (enum cvy_resize_mode)(round % 3);
        r->coordinates = (enum cvy_resize_coordinates)(round / 3 % 4);
        r->nearest = (enum cvy_resize_nearest)(round / 12 % 4);
        r->cubic_a = round % 2 ? -0.75f : -0.5f;
        r->exclude_outside = round / 12 % 2;
        r->rank = 4;
        for (size_t d = 0; d < 4; d++) {
            r->scales[d] = d < 2 ? 1 : scales[test_random_range(&randomness, 0, 6)];
            x.dims[d] += d < 2 ? 0 : 3;
            if (d >= 2 && round % 5 == 0)
                r->sizes[d] = test_random_range(&randomness, 1, 12);
        }
        struct inputs inputs = {0};
        add_input(&inputs, &x);
        float *got = run(&op, &inputs, &shape);
        double scale[2], rows[16], columns[16];
        for (size_t d = 0; d < 2; d++) {
            scale[d] =
                r->sizes[d + 2] ? (double)r->sizes[d + 2] / (double)x.dims[d + 2] : (double)r->scales[d + 2];
            ck_assert_uint_eq(shape.dims[d + 2], (size_t)floor((double)x.dims[d + 2] * scale[d] + 1e-9));
        }
        for (size_t i = 0; i < elements(&shape); i++) {
            size_t at[4];
            double expected = 0;
            unravel(&shape, i, at);
            resize_weights(r, scale[0], x.dims[2], shape.dims[2], at[2], rows);
            resize_weights(r, scale[1], x.dims[3], shape.dims[3], at[3], columns);
            for (size_t h = 0; h < x.dims[2]; h++) {
                for (size_t w = 0; w < x.dims[3]; w++) {
                    size_t from[4] = {at[0], at[1], h, w};
                    expected += rows[h] * columns[w] * (double)inputs.data[0][ravel(&x, from)];
                }
            }
            ck_assert_msg(fabs((double)got[i] - expected) < 1e-4,
                          "mode %d coordinates %d nearest %d: element %zu is %g, expected %g", (int)r->mode,
                          (int)r->coordinates, (int)r->nearest, i, (double)got[i], expected);
        }
        free(got);
        free_inputs(&inputs);
    }
}
END_TEST

static enum cvy_status infer(const struct cvy_op *op, const struct cvy_shape *a, const struct cvy_shape *b,
                             struct cvy_shape *out)
{
    struct cvy_operand operands[2] = {{true, *a, NULL}, {b != NULL, b ? *b : (struct cvy_shape){0}, NULL}};
    const struct cvy_operator_class *class = cvy_operator_class_of(op->type);
    test_log_clear();
    return class->infer(op, operands, b ? 2 : 1, out);
}

START_TEST(shapes_that_do_not_fit_are_explained)
{
    struct cvy_shape a = {3, {2, 3, 4}}, b = {3, {2, 3, 5}}, out = {0};
    struct cvy_op add = {.type = CVY_OP_ADD};
    ck_assert_int_eq(infer(&add, &a, &b, &out), CVY_ERROR_INVALID);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "4 against 5"));
    struct cvy_op concat = {.type = CVY_OP_CONCAT, .axis = 3};
    ck_assert_int_eq(infer(&concat, &a, &b, &out), CVY_ERROR_INVALID);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "axis 3 is outside -3..2"));
    concat.axis = 1;
    ck_assert_int_eq(infer(&concat, &a, &b, &out), CVY_ERROR_INVALID);
    struct cvy_op reshape = {.type = CVY_OP_RESHAPE};
    reshape.reshape.rank = 2;
    reshape.reshape.dims[0] = 5;
    reshape.reshape.dims[1] = -1;
    ck_assert_int_eq(infer(&reshape, &a, NULL, &out), CVY_ERROR_INVALID);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "24 elements"));
    reshape.reshape.dims[0] = 0;
    ck_assert_int_eq(infer(&reshape, &a, NULL, &out), CVY_OK);
    ck_assert_uint_eq(out.dims[1], 12);
    struct cvy_op transpose = {.type = CVY_OP_TRANSPOSE};
    transpose.transpose.rank = 3;
    transpose.transpose.order[2] = 1;
    ck_assert_int_eq(infer(&transpose, &a, NULL, &out), CVY_ERROR_INVALID);
    struct cvy_op pad = {.type = CVY_OP_PAD};
    pad.pad.mode = CVY_PAD_REFLECT;
    pad.pad.rank = 3;
    pad.pad.begin[0] = 2;
    ck_assert_int_eq(infer(&pad, &a, NULL, &out), CVY_ERROR_INVALID);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "at most 1"));
    struct cvy_op resize = {.type = CVY_OP_RESIZE};
    resize.resize.rank = 3;
    resize.resize.scales[0] = NAN;
    ck_assert_int_eq(infer(&resize, &a, NULL, &out), CVY_ERROR_INVALID);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "scale nan"));
    struct cvy_op flatten = {.type = CVY_OP_FLATTEN, .axis = -1};
    ck_assert_int_eq(infer(&flatten, &a, NULL, &out), CVY_OK);
    ck_assert(out.rank == 2 && out.dims[0] == 6 && out.dims[1] == 4);
}
END_TEST

static void seed(void)
{
    randomness.state = test_seed() + 7;
}

Suite *test_suite(void)
{
    Suite *suite = suite_create("operators");
    TCase *tcase = tcase_create("operators");
    tcase_add_unchecked_fixture(tcase, seed, NULL);
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, unary_functions_agree_with_libm);
    tcase_add_test(tcase, binary_functions_broadcast_both_ways);
    tcase_add_test(tcase, concat_puts_inputs_one_after_another);
    tcase_add_test(tcase, transpose_reorders_dimensions);
    tcase_add_test(tcase, depth_to_space_moves_channels_into_blocks);
    tcase_add_test(tcase, pad_reads_every_border_as_specified);
    tcase_add_test(tcase, batch_norm_follows_its_formula);
    tcase_add_test(tcase, softmax_sums_to_one_along_its_axis);
    tcase_add_test(tcase, gemm_with_every_transposition_and_broadcast);
    tcase_add_test(tcase, pools_of_every_rank_agree_with_the_definition);
    tcase_add_test(tcase, global_average_pool_is_the_mean_of_each_channel);
    tcase_add_test(tcase, resize_in_every_mode_agrees_with_the_specification);
    tcase_add_test(tcase, shapes_that_do_not_fit_are_explained);
    suite_add_tcase(suite, tcase);
    return suite;
}
