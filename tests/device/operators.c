/* Operators without windows against loops in double that follow the ONNX specification. */
#include "operator_case.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "op/operator.h"

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
    for (int round = 0; round < case_rounds(20); round++) {
        struct cvy_op op = {.type = types[round % 5]};
        if (op.type == CVY_OP_LEAKY_RELU)
            op.leaky_relu.alpha = test_random_float(&case_random);
        if (op.type == CVY_OP_CLIP) {
            op.clip.min = round % 2 ? test_random_float(&case_random) - 1 : -INFINITY;
            op.clip.max = round % 3 ? test_random_float(&case_random) + 1 : INFINITY;
        }
        struct inputs inputs = {0};
        struct cvy_shape x = case_random_shape(test_random_range(&case_random, 0, 5), 9);
        case_add_input(&inputs, &x);
        size_t n = case_elements(&x);
        double *expected = malloc(n * sizeof(double));
        for (size_t i = 0; i < n; i++)
            expected[i] = unary_oracle(&op, (double)inputs.data[0][i]);
        case_check(&op, &inputs, &x, expected, 1e-6);
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
    size_t skip = test_random_range(&case_random, 0, out->rank);
    struct cvy_shape shape = {.rank = out->rank - skip};
    for (size_t i = 0; i < shape.rank; i++)
        shape.dims[i] = test_random_range(&case_random, 0, 2) == 0 ? 1 : out->dims[i + skip];
    return shape;
}

/* Where the element at a position of out is in what broadcasts to it. */
static size_t broadcast_index(const struct cvy_shape *shape, const struct cvy_shape *out, const size_t *at)
{
    size_t own[CVY_MAX_RANK];
    for (size_t d = 0; d < shape->rank; d++)
        own[d] = shape->dims[d] == 1 ? 0 : at[d + out->rank - shape->rank];
    return case_ravel(shape, own);
}

static double broadcast_read(const struct inputs *inputs, size_t k, const struct cvy_shape *out,
                             const size_t *at)
{
    return (double)inputs->data[k][broadcast_index(&inputs->shapes[k], out, at)];
}

START_TEST(binary_functions_broadcast_both_ways)
{
    static const enum cvy_op_type types[] = {CVY_OP_ADD, CVY_OP_SUB, CVY_OP_MUL, CVY_OP_DIV, CVY_OP_PRELU};
    for (int round = 0; round < case_rounds(50); round++) {
        struct cvy_op op = {.type = types[round % 5]};
        struct cvy_shape full = case_random_shape(test_random_range(&case_random, 1, 6), 5);
        bool full_first = op.type == CVY_OP_PRELU || round % 2;
        struct cvy_shape part = broadcast_from(&full);
        struct inputs inputs = {0};
        case_add_input(&inputs, full_first ? &full : &part);
        case_add_input(&inputs, full_first ? &part : &full);
        if (op.type == CVY_OP_DIV) {
            for (size_t i = 0; i < case_elements(&inputs.shapes[1]); i++)
                inputs.data[1][i] += inputs.data[1][i] < 0 ? -1 : 1;
        }
        size_t n = case_elements(&full), at[CVY_MAX_RANK];
        double *expected = malloc(n * sizeof(double));
        for (size_t i = 0; i < n; i++) {
            case_unravel(&full, i, at);
            expected[i] = binary_oracle(op.type, broadcast_read(&inputs, 0, &full, at),
                                        broadcast_read(&inputs, 1, &full, at));
        }
        case_check(&op, &inputs, &full, expected, 1e-6);
    }
}
END_TEST

START_TEST(concat_puts_inputs_one_after_another)
{
    for (int round = 0; round < case_rounds(20); round++) {
        struct cvy_shape first = case_random_shape(test_random_range(&case_random, 1, 5), 5), shape;
        size_t axis = test_random_range(&case_random, 0, first.rank - 1);
        struct cvy_op op = {.type = CVY_OP_CONCAT,
                            .axis = (int64_t)axis - (round % 2 ? (int64_t)first.rank : 0)};
        struct inputs inputs = {0};
        size_t n_in = test_random_range(&case_random, 1, 4), total = 0;
        for (size_t k = 0; k < n_in; k++) {
            struct cvy_shape one = first;
            one.dims[axis] = test_random_range(&case_random, 1, 6);
            total += one.dims[axis];
            case_add_input(&inputs, &one);
        }
        float *got = case_run(&op, &inputs, &shape);
        ck_assert_uint_eq(shape.dims[axis], total);
        size_t n = case_elements(&shape), at[CVY_MAX_RANK];
        for (size_t i = 0; i < n; i++) {
            size_t k = 0;
            case_unravel(&shape, i, at);
            for (; at[axis] >= inputs.shapes[k].dims[axis]; k++)
                at[axis] -= inputs.shapes[k].dims[axis];
            ck_assert(got[i] == inputs.data[k][case_ravel(&inputs.shapes[k], at)]);
        }
        free(got);
        case_free(&inputs);
    }
}
END_TEST

START_TEST(transpose_reorders_dimensions)
{
    for (int round = 0; round < case_rounds(20); round++) {
        struct cvy_shape x = case_random_shape(test_random_range(&case_random, 1, 6), 5), shape;
        struct cvy_op op = {.type = CVY_OP_TRANSPOSE};
        size_t order[CVY_MAX_RANK] = {0};
        for (size_t i = 0; i < x.rank; i++)
            order[i] = x.rank - 1 - i;
        if (round % 4 != 0) {
            op.transpose.rank = x.rank;
            for (size_t i = x.rank; i-- > 1;) {
                size_t j = test_random_range(&case_random, 0, i), swap = order[i];
                order[i] = order[j];
                order[j] = swap;
            }
            memcpy(op.transpose.order, order, sizeof(order));
        }
        struct inputs inputs = {0};
        case_add_input(&inputs, &x);
        float *got = case_run(&op, &inputs, &shape);
        size_t at[CVY_MAX_RANK], from[CVY_MAX_RANK];
        for (size_t i = 0; i < case_elements(&x); i++) {
            case_unravel(&shape, i, at);
            for (size_t d = 0; d < x.rank; d++)
                from[order[d]] = at[d];
            ck_assert(got[i] == inputs.data[0][case_ravel(&x, from)]);
        }
        free(got);
        case_free(&inputs);
    }
}
END_TEST

START_TEST(depth_to_space_moves_channels_into_blocks)
{
    for (int round = 0; round < case_rounds(12); round++) {
        size_t block = test_random_range(&case_random, 1, 3),
               channels = test_random_range(&case_random, 1, 3);
        struct cvy_shape x = case_random_shape(4, 4), shape;
        x.dims[1] = channels * block * block;
        struct cvy_op op = {.type = CVY_OP_DEPTH_TO_SPACE};
        op.depth_to_space.block = block;
        op.depth_to_space.column_row_depth = round % 2;
        struct inputs inputs = {0};
        case_add_input(&inputs, &x);
        float *got = case_run(&op, &inputs, &shape);
        size_t at[4];
        for (size_t i = 0; i < case_elements(&x); i++) {
            case_unravel(&shape, i, at);
            size_t row = at[2] % block, column = at[3] % block;
            size_t c = round % 2 ? (at[1] * block + row) * block + column
                                 : (row * block + column) * channels + at[1];
            size_t from[4] = {at[0], c, at[2] / block, at[3] / block};
            ck_assert(got[i] == inputs.data[0][case_ravel(&x, from)]);
        }
        free(got);
        case_free(&inputs);
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
    for (int round = 0; round < case_rounds(32); round++) {
        struct cvy_shape x = case_random_shape(test_random_range(&case_random, 1, 5), 5), shape;
        struct cvy_op op = {.type = CVY_OP_PAD};
        op.pad.mode = (enum cvy_pad_mode)(round % 4);
        op.pad.value = test_random_float(&case_random);
        op.pad.rank = x.rank;
        for (size_t d = 0; d < x.rank; d++) {
            x.dims[d] += 1;
            op.pad.begin[d] = (int64_t)test_random_range(&case_random, 0, x.dims[d] - 1);
            op.pad.end[d] = (int64_t)test_random_range(&case_random, 0, x.dims[d] - 1);
            if (op.pad.mode == CVY_PAD_CONSTANT && test_random_range(&case_random, 0, 2) == 0)
                op.pad.begin[d] = -1;
        }
        struct inputs inputs = {0};
        case_add_input(&inputs, &x);
        float *got = case_run(&op, &inputs, &shape);
        size_t at[CVY_MAX_RANK];
        for (size_t i = 0; i < case_elements(&shape); i++) {
            bool outside = false;
            case_unravel(&shape, i, at);
            for (size_t d = 0; d < x.rank; d++) {
                long p = pad_source(op.pad.mode, (long)at[d] - (long)op.pad.begin[d], (long)x.dims[d]);
                outside |= p < 0;
                at[d] = (size_t)p;
            }
            ck_assert(got[i] == (outside ? op.pad.value : inputs.data[0][case_ravel(&x, at)]));
        }
        free(got);
        case_free(&inputs);
    }
}
END_TEST

/* Less than a vector, some, and more than a tile of them. */
static size_t random_size(void)
{
    static const size_t sizes[] = {1, 3, 8, 13, 26, 70, 100};
    return sizes[test_random_range(&case_random, 0, test_small() ? 4 : 6)];
}

START_TEST(gemm_with_every_transposition_and_broadcast)
{
    for (int round = 0; round < case_rounds(16); round++) {
        size_t m = random_size(), k = test_random_range(&case_random, 1, 40), n = random_size();
        struct cvy_op op = {.type = CVY_OP_GEMM};
        bool ta = round & 1, tb = round & 2;
        op.gemm.alpha = test_random_float(&case_random);
        op.gemm.beta = test_random_float(&case_random);
        op.gemm.transpose_a = ta;
        op.gemm.transpose_b = tb;
        struct cvy_shape a = {2, {ta ? k : m, ta ? m : k}}, b = {2, {tb ? n : k, tb ? k : n}};
        struct cvy_shape full = {2, {m, n}}, c = broadcast_from(&full);
        struct inputs inputs = {0};
        case_add_input(&inputs, &a);
        case_add_input(&inputs, &b);
        inputs.is_constant[1] = test_random_range(&case_random, 0, 1);
        if (round % 4 != 3)
            case_add_input(&inputs, &c);
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
        case_check(&op, &inputs, &full, expected, 1e-4);
    }
}
END_TEST

START_TEST(matmul_multiplies_arrays_of_matrices)
{
    const struct cvy_op op = {.type = CVY_OP_MATMUL};
    for (int round = 0; round < case_rounds(16); round++) {
        size_t m = random_size(), k = test_random_range(&case_random, 1, 40), n = random_size();
        struct cvy_shape batch = case_random_shape(test_random_range(&case_random, 0, 3), 4);
        struct cvy_shape a = batch, b = round % 2 ? batch : broadcast_from(&batch), full = batch;
        if (round % 4 == 0) {
            a = b;
            b = batch;
        }
        const struct cvy_shape a_batch = a, b_batch = b;
        a.dims[a.rank++] = m;
        a.dims[a.rank++] = b.dims[b.rank++] = k;
        full.dims[full.rank++] = m;
        full.dims[full.rank++] = b.dims[b.rank++] = n;
        struct inputs inputs = {0};
        case_add_input(&inputs, &a);
        case_add_input(&inputs, &b);
        inputs.is_constant[1] = test_random_range(&case_random, 0, 1);
        double *expected = malloc(case_elements(&full) * sizeof(double));
        for (size_t i = 0; i < case_elements(&full); i++) {
            size_t at[CVY_MAX_RANK];
            case_unravel(&batch, i / (m * n), at);
            const float *left = inputs.data[0] + m * k * broadcast_index(&a_batch, &batch, at),
                        *right = inputs.data[1] + n * k * broadcast_index(&b_batch, &batch, at);
            expected[i] = 0;
            for (size_t l = 0; l < k; l++)
                expected[i] += (double)left[i / n % m * k + l] * (double)right[l * n + i % n];
        }
        case_check(&op, &inputs, &full, expected, 1e-4);
    }
}
END_TEST

static enum cvy_status infer(const struct cvy_op *op, const struct cvy_shape *a, const struct cvy_shape *b,
                             struct cvy_shape *out)
{
    struct cvy_operand operands[2] = {{.present = true, .shape = *a}, {.present = b != NULL}};
    const struct cvy_operator_class *class = cvy_operator_class_of(op->type);
    if (b != NULL)
        operands[1].shape = *b;
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

static enum cvy_status create(const struct cvy_op *op, struct cvy_shape x)
{
    struct cvy_operand operand = {.present = true, .shape = x};
    struct cvy_operator_params params = {NULL, (size_t)64 << 20};
    struct cvy_operator *operator= NULL;
    test_log_clear();
    enum cvy_status status = cvy_operator_create(&operator, test_device(), op, &operand, 1, &params);
    ck_assert((operator!= NULL) == (status == CVY_OK));
    cvy_operator_destroy(&operator);
    return status;
}

START_TEST(tensors_that_a_kernel_cannot_index_are_refused)
{
    struct cvy_shape big = {4, {1, 1, 1 << 16, 1 << 15}}, endless = {2, {SIZE_MAX / 2, 4}};
    struct cvy_shape row = {3, {1, 1, 8}};
    struct cvy_op mean = {.type = CVY_OP_GLOBAL_AVERAGE_POOL}, relu = {.type = CVY_OP_RELU};
    ck_assert_int_eq(create(&mean, big), CVY_ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "GlobalAveragePool: the input"));
    ck_assert_ptr_nonnull(strstr(test_log_last(), "2147483648 elements"));
    ck_assert_int_ne(create(&relu, endless), CVY_OK);
    struct cvy_op resize = {.type = CVY_OP_RESIZE};
    resize.resize.rank = 3;
    resize.resize.sizes[0] = 1 << 10;
    resize.resize.sizes[1] = 1 << 10;
    resize.resize.sizes[2] = 1 << 11;
    ck_assert_int_eq(create(&resize, row), CVY_ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "Resize: the output"));
    struct cvy_op pool = {.type = CVY_OP_MAX_POOL};
    pool.pool = (struct cvy_op_pool){.rank = 1, .kernel = {1}, .stride = {1}, .dilation = {INT32_MAX}};
    ck_assert_int_eq(create(&pool, row), CVY_ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "MaxPool: spatial axis 0 of 8"));
}
END_TEST

START_TEST(resize_by_a_rounded_scale_makes_the_size_meant)
{
    struct cvy_op resize = {.type = CVY_OP_RESIZE};
    struct cvy_shape x = {1, {3}}, out = {0};
    resize.resize.rank = 1;
    resize.resize.scales[0] = 5.0f / 3.0f;
    ck_assert_int_eq(infer(&resize, &x, NULL, &out), CVY_OK);
    ck_assert_uint_eq(out.dims[0], 5);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("operators");
    TCase *tcase = tcase_create("operators");
    tcase_add_unchecked_fixture(tcase, case_seed, NULL);
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, unary_functions_agree_with_libm);
    tcase_add_test(tcase, binary_functions_broadcast_both_ways);
    tcase_add_test(tcase, concat_puts_inputs_one_after_another);
    tcase_add_test(tcase, transpose_reorders_dimensions);
    tcase_add_test(tcase, depth_to_space_moves_channels_into_blocks);
    tcase_add_test(tcase, pad_reads_every_border_as_specified);
    tcase_add_test(tcase, gemm_with_every_transposition_and_broadcast);
    tcase_add_test(tcase, matmul_multiplies_arrays_of_matrices);
    tcase_add_test(tcase, shapes_that_do_not_fit_are_explained);
    tcase_add_test(tcase, tensors_that_a_kernel_cannot_index_are_refused);
    tcase_add_test(tcase, resize_by_a_rounded_scale_makes_the_size_meant);
    suite_add_tcase(suite, tcase);
    return suite;
}
