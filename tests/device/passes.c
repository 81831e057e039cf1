/* Operators of several passes against the oracle, run pass by pass in double. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conv_case.h"
#include "op/operator.h"
#include "op/separable.h"
#include "operator_case.h"
#include "oracle.h"
#include "problem_case.h"

static struct cvy_op op_of(enum cvy_conv_kind kind, const struct cvy_conv_problem *p)
{
    static const enum cvy_op_type types[] = {CVY_OP_CONV, CVY_OP_SPATIALLY_SEPARABLE_CONV,
                                             CVY_OP_DEPTHWISE_SEPARABLE_CONV, CVY_OP_FLATTENED_CONV};
    return cvy_op_from_problem(types[kind], p);
}

static size_t count(enum cvy_status (*shape_of)(const struct cvy_conv_problem *, struct cvy_shape *),
                    const struct cvy_conv_problem *p, struct cvy_shape *shape)
{
    ck_assert_msg(shape_of(p, shape) == CVY_OK, "%s", test_log_last());
    return case_elements(shape);
}

/* What the passes make of the inputs, and in scale how large rounding may be. Weights begin at input 1. */
static double *expected_of(const struct cvy_conv_problem *passes, size_t n_passes,
                           const struct inputs *inputs, const size_t *bias, double *bound)
{
    struct cvy_shape shape;
    size_t n = count(cvy_conv_x_shape, &passes[0], &shape);
    float *x = malloc(n * sizeof(*x));
    memcpy(x, inputs->data[0], n * sizeof(*x));
    double *y = NULL;
    *bound = 0;
    for (size_t i = 0; i < n_passes; i++) {
        n = count(cvy_conv_y_shape, &passes[i], &shape);
        free(y);
        y = malloc(n * sizeof(*y));
        oracle_conv(&passes[i], x, inputs->data[1 + i], bias[i] ? inputs->data[bias[i]] : NULL, y, NULL);
        x = realloc(x, n * sizeof(*x));
        for (size_t j = 0; j < n; j++) {
            x[j] = (float)y[j];
            *bound = fmax(*bound, fabs(y[j]));
        }
    }
    free(x);
    return y;
}

static void run_case(enum cvy_conv_kind kind, const struct cvy_conv_problem *whole, size_t middle,
                     bool with_bias)
{
    struct cvy_conv_problem passes[CVY_CONV_MAX_PASSES];
    size_t n_passes, bias[CVY_CONV_MAX_PASSES] = {0};
    ck_assert_msg(cvy_conv_get_passes(whole, kind, middle, passes, &n_passes) == CVY_OK, "%s",
                  test_log_last());
    struct inputs inputs = {0};
    struct cvy_shape shape;
    count(cvy_conv_x_shape, whole, &shape);
    case_add_input(&inputs, &shape);
    for (size_t i = 0; i < n_passes; i++) {
        count(cvy_conv_w_shape, &passes[i], &shape);
        case_add_input(&inputs, &shape);
    }
    if (with_bias) {
        bias[n_passes - 1] = inputs.n;
        case_add_input(&inputs, &(struct cvy_shape){1, {whole->k}});
    }
    if (with_bias && kind == CVY_CONV_DEPTHWISE_SEPARABLE) {
        bias[0] = inputs.n;
        case_add_input(&inputs, &(struct cvy_shape){1, {passes[0].k}});
    }
    for (size_t i = 0; i < n_passes; i++)
        passes[i].bias = bias[i] != 0;
    double bound, *expected = expected_of(passes, n_passes, &inputs, bias, &bound);
    struct cvy_op op = op_of(kind, whole);
    float *got = case_run(&op, &inputs, &shape);
    struct cvy_shape wanted;
    size_t n = count(cvy_conv_y_shape, &passes[n_passes - 1], &wanted);
    ck_assert(cvy_shape_equal(&shape, &wanted));
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(fabs(got[i] - expected[i]) <= 2e-5 * (bound + 1), "%s: element %zu is %g, not %g",
                      cvy_op_name(&op), i, (double)got[i], expected[i]);
    free(got);
    free(expected);
    case_free(&inputs);
}

START_TEST(passes_agree_with_the_oracle_pass_by_pass)
{
    size_t runs[CVY_CONV_KINDS] = {0};
    case_seed();
    const size_t rounds = test_small() ? 8 : 8 + test_programs() / 2;
    for (size_t round = 0; round < rounds; round++) {
        struct cvy_conv_problem whole = case_random_problem(&case_random);
        whole.bias = false;
        for (int k = CVY_CONV_SPATIALLY_SEPARABLE; k < CVY_CONV_KINDS; k++) {
            enum cvy_conv_kind kind = (enum cvy_conv_kind)k;
            struct cvy_conv_problem p = whole;
            if (kind == CVY_CONV_SPATIALLY_SEPARABLE && p.rank == 1)
                continue;
            size_t middle = 0;
            if (kind == CVY_CONV_SPATIALLY_SEPARABLE)
                middle = p.groups * test_random_range(&case_random, 0, 3);
            else if (kind == CVY_CONV_DEPTHWISE_SEPARABLE)
                middle = p.c * test_random_range(&case_random, 0, 2);
            /* the pass that mixes channels divides them by its groups; after a depth multiplier still */
            run_case(kind, &p, middle, test_random_range(&case_random, 0, 1));
            runs[k]++;
        }
    }
    for (int k = CVY_CONV_SPATIALLY_SEPARABLE; k < CVY_CONV_KINDS; k++)
        ck_assert_uint_gt(runs[k], 0);
}
END_TEST

static bool can_be_fused(const struct cvy_conv_problem *whole, size_t middle)
{
    struct cvy_conv_problem passes[CVY_CONV_MAX_PASSES];
    size_t n_passes;
    char why[256];
    ck_assert_int_eq(cvy_conv_get_passes(whole, CVY_CONV_DEPTHWISE_SEPARABLE, middle, passes, &n_passes),
                     CVY_OK);
    const struct cvy_separable s = {.depthwise = passes[0], .pointwise = passes[1]};
    return cvy_separable_applies(&s, test_device(), why, sizeof(why));
}

START_TEST(fused_and_unfused_depthwise_separable_agree_with_the_oracle)
{
    size_t fused = 0, rounds = test_small() ? 8 : 8 + test_programs() / 2;
    case_seed();
    for (size_t round = 0; round < rounds; round++) {
        struct cvy_conv_problem whole;
        do
            whole = case_random_problem(&case_random);
        while (whole.transposed);
        whole.bias = false;
        const size_t middle = whole.c * test_random_range(&case_random, 0, 2);
        const bool with_bias = test_random_range(&case_random, 0, 1);
        case_algo = "ref";
        run_case(CVY_CONV_DEPTHWISE_SEPARABLE, &whole, middle, with_bias);
        if (!can_be_fused(&whole, middle))
            continue;
        case_algo = "fused";
        run_case(CVY_CONV_DEPTHWISE_SEPARABLE, &whole, middle, with_bias);
        fused++;
    }
    case_algo = NULL;
    printf("%zu of %zu problems fused\n", fused, rounds);
    if (cvy_device_get_info(test_device())->type == CVY_DEVICE_CPU)
        ck_assert_uint_gt(fused, 0);
}
END_TEST

/* Blocks of channels and rows that do not divide, several tiles: what small random problems do not reach. */
START_TEST(fused_depthwise_separable_is_right_over_several_tiles)
{
    case_seed();
    struct cvy_conv_problem p = problem_case_padded(2, 64, 43, test_small() ? 9 : 61, 3);
    p.n = 2;
    p.in[1] += 2;
    for (size_t stride = 1; stride <= 3; stride++) {
        p.stride[0] = p.stride[1] = stride;
        case_algo = can_be_fused(&p, 0) ? "fused" : NULL;
        run_case(CVY_CONV_DEPTHWISE_SEPARABLE, &p, 0, stride == 2);
        case_algo = "unfused";
        run_case(CVY_CONV_DEPTHWISE_SEPARABLE, &p, 0, stride == 2);
    }
    case_algo = NULL;
}
END_TEST

START_TEST(passes_other_than_depthwise_separable_are_not_fused)
{
    struct cvy_conv_problem p;
    cvy_conv_problem_init(&p, 2);
    p.groups = 1;
    struct cvy_op op = op_of(CVY_CONV_FLATTENED, &p);
    struct cvy_operand in[4] = {{.present = true, .shape = {4, {1, 4, 8, 8}}},
                                {.present = true, .shape = {4, {6, 4, 1, 1}}},
                                {.present = true, .shape = {4, {6, 1, 3, 1}}},
                                {.present = true, .shape = {4, {6, 1, 1, 3}}}};
    struct cvy_operator_params params = {"fused", 1 << 20};
    struct cvy_operator *operator= NULL;
    ck_assert_int_eq(cvy_operator_create(&operator, test_device(), &op, in, 4, &params),
                     CVY_ERROR_UNSUPPORTED);
    ck_assert_ptr_null(operator);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "it is not depthwise separable"));
}
END_TEST

START_TEST(passes_refuse_weights_that_do_not_fit)
{
    struct cvy_conv_problem p;
    cvy_conv_problem_init(&p, 2);
    p.c = 4;
    p.k = 6;
    struct cvy_op op = op_of(CVY_CONV_DEPTHWISE_SEPARABLE, &p);
    struct cvy_operand in[3] = {{.present = true, .shape = {4, {1, 4, 8, 8}}},
                                {.present = true, .shape = {4, {5, 1, 3, 3}}},
                                {.present = true, .shape = {4, {6, 4, 1, 1}}}};
    struct cvy_shape out;
    enum cvy_dtype dtype;
    ck_assert_int_eq(cvy_operator_infer(&op, in, 3, &out, &dtype), CVY_ERROR_INVALID);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "no multiple of the 4 of x"));
    in[1].shape.dims[0] = 4;
    in[2].shape.dims[1] = 3;
    ck_assert_int_eq(cvy_operator_infer(&op, in, 3, &out, &dtype), CVY_ERROR_INVALID);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "6x3x1x1; they need to be 6x4x1x1"));
    in[2].shape.dims[1] = 4;
    ck_assert_int_eq(cvy_operator_infer(&op, in, 3, &out, &dtype), CVY_OK);
    op.type = CVY_OP_FLATTENED_CONV;
    ck_assert_int_eq(cvy_operator_infer(&op, in, 3, &out, &dtype), CVY_ERROR_INVALID);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "weights of 3 passes"));
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("passes");
    TCase *tests = tcase_create("passes");
    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, passes_agree_with_the_oracle_pass_by_pass);
    tcase_add_test(tests, fused_and_unfused_depthwise_separable_agree_with_the_oracle);
    tcase_add_test(tests, fused_depthwise_separable_is_right_over_several_tiles);
    tcase_add_test(tests, passes_other_than_depthwise_separable_are_not_fused);
    tcase_add_test(tests, passes_refuse_weights_that_do_not_fit);
    suite_add_tcase(suite, tests);
    return suite;
}
