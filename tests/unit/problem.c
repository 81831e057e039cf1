#include "support.h"

#include <string.h>

#include "op/problem.h"
#include "oracle.h"

static struct cvy_conv_problem small(void)
{
    struct cvy_conv_problem p;
    cvy_conv_problem_init(&p, 2);
    p.c = 6;
    p.k = 4;
    for (size_t i = 0; i < 2; i++) {
        p.in[i] = 7;
        p.kernel[i] = 3;
    }
    return p;
}

static void check_refused(const struct cvy_conv_problem *p, const char *message)
{
    test_log_clear();
    ck_assert_int_eq(cvy_conv_validate(p), CVY_ERROR_INVALID);
    ck_assert_msg(strstr(test_log_last(), message) != NULL, "'%s' lacks '%s'", test_log_last(), message);
    struct cvy_shape shape = {.rank = 99};
    ck_assert_int_eq(cvy_conv_y_shape(p, &shape), CVY_ERROR_INVALID);
    ck_assert_uint_eq(shape.rank, 99);
}

START_TEST(problem_init_is_neutral)
{
    struct cvy_conv_problem p;
    cvy_conv_problem_init(&p, 3);
    for (size_t i = 0; i < 3; i++)
        p.in[i] = 5;
    ck_assert_int_eq(cvy_conv_validate(&p), CVY_OK);
    struct cvy_shape x, y;
    ck_assert_int_eq(cvy_conv_x_shape(&p, &x), CVY_OK);
    ck_assert_int_eq(cvy_conv_y_shape(&p, &y), CVY_OK);
    ck_assert(cvy_shape_equal(&x, &y));
}
END_TEST

START_TEST(conv_rejects_ranks_beyond_three)
{
    struct cvy_conv_problem p = small();
    p.rank = 0;
    check_refused(&p, "0 spatial axes; there must be 1 to 3");
    p.rank = 4;
    check_refused(&p, "4 spatial axes");
}
END_TEST

START_TEST(conv_rejects_channels_that_do_not_divide_by_groups)
{
    struct cvy_conv_problem p = small();
    p.groups = 4;
    check_refused(&p, "channels 6 do not divide by groups 4; 2 are left over");
    p.groups = 3;
    check_refused(&p, "output channels 4 do not divide by groups 3; 1 are left over");
    p.groups = 0;
    check_refused(&p, "groups is 0");
}
END_TEST

START_TEST(conv_rejects_blocks_that_no_vector_has)
{
    struct cvy_conv_problem p = small();
    p.x_block = 3;
    check_refused(&p, "blocks of 3; a block has 2, 4, 8 or 16");
    p.x_block = 8;
    p.y_block = 4;
    check_refused(&p, "x lies in blocks of 8 channels and y of 4; take the same");
    p.y_block = 8;
    size_t x, y;
    ck_assert_int_eq(cvy_conv_x_bytes(&p, &x), CVY_OK);
    ck_assert_int_eq(cvy_conv_y_bytes(&p, &y), CVY_OK);
    ck_assert_uint_eq(x, 8 * 7 * 7 * sizeof(float)); /* 6 channels in one block */
    ck_assert_uint_eq(y, 8 * 5 * 5 * sizeof(float)); /* 4 */
    p.c = SIZE_MAX - 3;
    check_refused(&p, "the bytes of x");
}
END_TEST

START_TEST(conv_rejects_activations_that_are_none_and_those_of_integers)
{
    struct cvy_conv_problem p = small();
    p.activation = (enum cvy_activation)11;
    check_refused(&p, "activation 11 is none");
    p.activation = CVY_ACTIVATION_RELU;
    ck_assert_int_eq(cvy_conv_validate(&p), CVY_OK);
    p.x_dtype = p.w_dtype = CVY_INT8;
    p.y_dtype = CVY_INT32;
    check_refused(&p, "int8 tensors with blocks, accumulate or an activation");
}
END_TEST

START_TEST(conv_rejects_filter_larger_than_padded_input)
{
    struct cvy_conv_problem p = small();
    p.kernel[0] = 5;
    p.dilation[0] = 2;
    check_refused(&p, "kernel 5 with dilation 2 spans 9 but the padded input of axis H has only 7; add 2");
    p.pad_begin[0] = p.pad_end[0] = 1;
    ck_assert_int_eq(cvy_conv_validate(&p), CVY_OK);
}
END_TEST

START_TEST(conv_rejects_zeros)
{
    struct cvy_conv_problem p = small();
    p.stride[1] = 0;
    check_refused(&p, "stride of axis W is 0");
    p = small();
    p.dilation[0] = 0;
    check_refused(&p, "dilation of axis H is 0");
    p = small();
    p.kernel[0] = 0;
    check_refused(&p, "kernel of axis H is 0");
    p = small();
    p.in[1] = 0;
    check_refused(&p, "input size of axis W is 0");
    p = small();
    p.n = 0;
    check_refused(&p, "batch is 0");
    p = small();
    p.k = 0;
    check_refused(&p, "6 channels in and 0 out");
}
END_TEST

START_TEST(conv_rejects_output_padding_that_makes_no_sense)
{
    struct cvy_conv_problem p = small();
    p.output_padding[1] = 1;
    check_refused(&p, "output padding 1 of axis W without transposed");
    p.transposed = true;
    check_refused(&p, "output padding 1 of axis W must be less than 1");
    p.stride[1] = 2;
    ck_assert_int_eq(cvy_conv_validate(&p), CVY_OK);
    p.stride[1] = 1;
    p.dilation[1] = 2;
    ck_assert_int_eq(cvy_conv_validate(&p), CVY_OK);
}
END_TEST

START_TEST(conv_rejects_padding_that_eats_the_output)
{
    struct cvy_conv_problem p = small();
    p.transposed = true;
    p.pad_begin[0] = 5;
    p.pad_end[0] = 4;
    check_refused(&p, "padding 5 and 4 of axis H takes away all 9 of the output; reduce it by at least 1");
    p.pad_end[0] = 3;
    struct cvy_shape y;
    ck_assert_int_eq(cvy_conv_y_shape(&p, &y), CVY_OK);
    ck_assert_uint_eq(y.dims[2], 1);
}
END_TEST

START_TEST(conv_notices_every_overflow)
{
    struct cvy_conv_problem p = small();
    p.dilation[0] = SIZE_MAX / 2 + 1;
    check_refused(&p, "dilated kernel of axis H does not fit");
    p = small();
    p.pad_begin[0] = p.pad_end[0] = SIZE_MAX / 2 + 1;
    check_refused(&p, "padding of axis H does not fit");
    p.pad_end[0] = SIZE_MAX / 2 - 1;
    check_refused(&p, "padded input of axis H does not fit");
    p = small();
    p.transposed = true;
    p.stride[0] = SIZE_MAX / 2;
    check_refused(&p, "output of axis H does not fit");
    p = small();
    p.n = SIZE_MAX / 4;
    check_refused(&p, "bytes of x");
    p = small();
    p.k = SIZE_MAX / 200;
    check_refused(&p, "bytes of w");
    p = small();
    p.c = p.kernel[0] = p.kernel[1] = 1;
    p.k = SIZE_MAX / 100;
    check_refused(&p, "bytes of y");
}
END_TEST

START_TEST(output_sizes_are_exact)
{
    struct cvy_conv_problem p = small();
    p.stride[0] = 2;
    p.pad_begin[1] = 2;
    p.pad_end[1] = 1;
    p.dilation[1] = 3;
    struct cvy_shape y, w;
    ck_assert_int_eq(cvy_conv_y_shape(&p, &y), CVY_OK);
    ck_assert(cvy_shape_equal(&y, &(struct cvy_shape){4, {1, 4, 3, 4}}));
    p.transposed = true;
    p.output_padding[0] = 1;
    ck_assert_int_eq(cvy_conv_y_shape(&p, &y), CVY_OK);
    ck_assert(cvy_shape_equal(&y, &(struct cvy_shape){4, {1, 4, 16, 10}}));
    p.groups = 2;
    ck_assert_int_eq(cvy_conv_w_shape(&p, &w), CVY_OK);
    ck_assert(cvy_shape_equal(&w, &(struct cvy_shape){4, {6, 2, 3, 3}}));
}
END_TEST

START_TEST(cost_counts_the_definition)
{
    struct cvy_conv_problem p = small();
    p.groups = 2;
    p.bias = true;
    struct cvy_conv_cost cost;
    ck_assert_int_eq(cvy_conv_get_cost(&p, &cost), CVY_OK);
    ck_assert(cost.multiplications == 25.0 * 4 * 3 * 9);
    ck_assert(cost.parameters == 4 * 3 * 9 + 4);
    ck_assert(cost.bytes == 4.0 * (6 * 49 + 4 * 25 + 4 * 3 * 9 + 4));
    p.transposed = true;
    ck_assert_int_eq(cvy_conv_get_cost(&p, &cost), CVY_OK);
    ck_assert(cost.multiplications == 49.0 * 6 * 2 * 9);
}
END_TEST

START_TEST(auto_pad_keeps_the_rounded_up_size)
{
    struct test_random random = {test_seed() + 5};
    for (int i = 0; i < 2000; i++) {
        size_t in = test_random_range(&random, 1, 30), window = test_random_range(&random, 1, 9);
        size_t stride = test_random_range(&random, 1, 5), begin = 77, end = 77;
        size_t upper_begin, upper_end;
        cvy_auto_pad(CVY_PAD_SAME_LOWER, in, window, stride, &begin, &end);
        cvy_auto_pad(CVY_PAD_SAME_UPPER, in, window, stride, &upper_begin, &upper_end);
        ck_assert(begin == upper_end && end == upper_begin && begin >= end && begin - end <= 1);
        ck_assert_uint_ge(in + begin + end, window);
        ck_assert_uint_eq((in + begin + end - window) / stride + 1, (in + stride - 1) / stride);
    }
    size_t begin = 3, end = 4;
    cvy_auto_pad(CVY_PAD_EXPLICIT, 5, 3, 1, &begin, &end);
    ck_assert(begin == 3 && end == 4);
    cvy_auto_pad(CVY_PAD_VALID, 5, 3, 1, &begin, &end);
    ck_assert(begin == 0 && end == 0);
}
END_TEST

static struct cvy_op_conv plain_op(void)
{
    return (struct cvy_op_conv){.groups = 1, .stride = {1, 1, 1}, .dilation = {1, 1, 1}};
}

START_TEST(transposed_auto_pad_multiplies_the_size_by_the_stride)
{
    struct cvy_op_conv op = plain_op();
    op.transposed = true;
    for (size_t stride = 1; stride < 5; stride++) {
        for (size_t kernel = 1; kernel < 6; kernel++) {
            op.auto_pad = stride % 2 ? CVY_PAD_SAME_UPPER : CVY_PAD_SAME_LOWER;
            op.stride[0] = stride;
            struct cvy_shape x = {3, {1, 2, 7}}, w = {3, {2, 3, kernel}}, y;
            struct cvy_conv_problem p;
            ck_assert_int_eq(cvy_conv_problem_from_op(&op, &x, &w, false, &p), CVY_OK);
            ck_assert_int_eq(cvy_conv_y_shape(&p, &y), CVY_OK);
            ck_assert(cvy_shape_equal(&y, &(struct cvy_shape){3, {1, 3, 7 * stride}}));
        }
    }
}
END_TEST

START_TEST(output_shape_becomes_padding_and_output_padding)
{
    /* without padding an axis becomes 2*7 + 3 = 17 */
    struct cvy_shape x = {4, {1, 4, 8, 8}}, w = {4, {4, 2, 3, 3}};
    struct cvy_op_conv op = {.groups = 1, .stride = {2, 2}, .dilation = {1, 1}, .output_shape = {14, 18}};
    struct cvy_conv_problem p;
    ck_assert_int_eq(cvy_conv_problem_from_op(&op, &x, &w, false, &p), CVY_ERROR_INVALID);
    op.transposed = true;
    for (int upper = 0; upper < 2; upper++) {
        op.auto_pad = upper ? CVY_PAD_SAME_UPPER : CVY_PAD_EXPLICIT;
        op.pad_begin[0] = 5; /* does not count any more */
        ck_assert_int_eq(cvy_conv_problem_from_op(&op, &x, &w, false, &p), CVY_OK);
        ck_assert_uint_eq(p.pad_begin[0], upper ? 1 : 2);
        ck_assert_uint_eq(p.pad_end[0], upper ? 2 : 1);
        ck_assert_uint_eq(p.output_padding[0], 0);
        ck_assert_uint_eq(p.pad_begin[1] + p.pad_end[1], 0);
        ck_assert_uint_eq(p.output_padding[1], 1);
        struct cvy_shape y;
        ck_assert_int_eq(cvy_conv_y_shape(&p, &y), CVY_OK);
        ck_assert_uint_eq(y.dims[2], 14);
        ck_assert_uint_eq(y.dims[3], 18);
    }
}
END_TEST

START_TEST(conv_rejects_element_types_that_do_not_go_together)
{
    struct cvy_conv_problem p;
    cvy_conv_problem_init(&p, 1);
    p.in[0] = 4;
    p.x_dtype = CVY_INT8;
    ck_assert_int_eq(cvy_conv_validate(&p), CVY_ERROR_INVALID);
    p.w_dtype = CVY_UINT8;
    ck_assert_int_eq(cvy_conv_validate(&p), CVY_ERROR_INVALID);
    p.y_dtype = CVY_INT32;
    ck_assert_int_eq(cvy_conv_validate(&p), CVY_OK);
    struct cvy_conv_cost cost;
    ck_assert_int_eq(cvy_conv_get_cost(&p, &cost), CVY_OK);
    ck_assert_double_eq(cost.bytes, 4 + 1 + 4 * 4);
    p.x_dtype = p.w_dtype = CVY_FLOAT16;
    ck_assert_int_eq(cvy_conv_validate(&p), CVY_ERROR_INVALID);
    p.y_dtype = CVY_FLOAT32;
    ck_assert_int_eq(cvy_conv_validate(&p), CVY_ERROR_INVALID);
    p.y_dtype = CVY_FLOAT16;
    ck_assert_int_eq(cvy_conv_validate(&p), CVY_OK);
    ck_assert(!cvy_conv_is_integer(&p));
    ck_assert_int_eq(cvy_conv_get_cost(&p, &cost), CVY_OK);
    ck_assert_double_eq(cost.bytes, 2 * (4 + 1 + 4));
    p.w_dtype = CVY_FLOAT32;
    ck_assert_int_eq(cvy_conv_validate(&p), CVY_ERROR_INVALID);
}
END_TEST

START_TEST(problem_of_an_operator_checks_ranks_and_channels)
{
    struct cvy_op_conv op = plain_op();
    struct cvy_conv_problem p;
    struct cvy_shape x = {4, {2, 6, 9, 9}}, w = {4, {8, 3, 3, 3}};
    ck_assert_int_eq(cvy_conv_problem_from_op(&op, &x, &w, true, &p), CVY_ERROR_INVALID);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "x has 6 channels but w with groups 1 is made for 3"));
    op.groups = 2;
    ck_assert_int_eq(cvy_conv_problem_from_op(&op, &x, &w, true, &p), CVY_OK);
    ck_assert(p.rank == 2 && p.n == 2 && p.c == 6 && p.k == 8 && p.groups == 2 && p.bias);
    w.rank = 3;
    ck_assert_int_eq(cvy_conv_problem_from_op(&op, &x, &w, true, &p), CVY_ERROR_INVALID);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "w has 3 dimensions but x has 4"));
    x.rank = w.rank = 2;
    ck_assert_int_eq(cvy_conv_problem_from_op(&op, &x, &w, true, &p), CVY_ERROR_INVALID);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "x has 2 dimensions"));
    op.stride[0] = 0;
    op.auto_pad = CVY_PAD_SAME_UPPER;
    x.rank = w.rank = 4;
    ck_assert_int_eq(cvy_conv_problem_from_op(&op, &x, &w, true, &p), CVY_ERROR_INVALID);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "stride of axis H is 0"));
}
END_TEST

START_TEST(three_axes_hold_every_rank)
{
    struct cvy_conv_problem p = small();
    p.stride[1] = 2;
    p.pad_end[0] = 1;
    struct cvy_conv_problem wide = cvy_conv_to_3d(&p);
    ck_assert(wide.rank == 3 && wide.in[0] == 1 && wide.in[1] == 7 && wide.in[2] == 7);
    ck_assert(wide.kernel[0] == 1 && wide.stride[2] == 2 && wide.pad_end[1] == 1 && wide.pad_end[0] == 0);
    ck_assert_int_eq(cvy_conv_validate(&wide), CVY_OK);
}
END_TEST

/* The oracle itself against numbers worked out by hand. */
START_TEST(oracle_knows_small_answers)
{
    struct cvy_conv_problem p;
    cvy_conv_problem_init(&p, 1);
    p.in[0] = 4;
    p.kernel[0] = 2;
    p.bias = true;
    float x[] = {1, 2, 3, 4}, w[] = {10, 1}, bias[] = {100};
    double y[8];
    oracle_conv(&p, x, w, bias, y, NULL);
    ck_assert(y[0] == 112 && y[1] == 123 && y[2] == 134);
    p.flip = true;
    oracle_conv(&p, x, w, bias, y, NULL);
    ck_assert(y[0] == 121 && y[1] == 132 && y[2] == 143);
    p.flip = false;
    p.transposed = true;
    p.stride[0] = 2;
    oracle_conv(&p, x, w, bias, y, NULL);
    ck_assert(y[0] == 110 && y[1] == 101 && y[2] == 120 && y[3] == 102 && y[6] == 140 && y[7] == 104);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("problem");
    TCase *tests = tcase_create("problem");
    tcase_add_test(tests, problem_init_is_neutral);
    tcase_add_test(tests, conv_rejects_ranks_beyond_three);
    tcase_add_test(tests, conv_rejects_channels_that_do_not_divide_by_groups);
    tcase_add_test(tests, conv_rejects_blocks_that_no_vector_has);
    tcase_add_test(tests, conv_rejects_activations_that_are_none_and_those_of_integers);
    tcase_add_test(tests, conv_rejects_filter_larger_than_padded_input);
    tcase_add_test(tests, conv_rejects_zeros);
    tcase_add_test(tests, conv_rejects_output_padding_that_makes_no_sense);
    tcase_add_test(tests, conv_rejects_padding_that_eats_the_output);
    tcase_add_test(tests, conv_notices_every_overflow);
    tcase_add_test(tests, output_sizes_are_exact);
    tcase_add_test(tests, cost_counts_the_definition);
    tcase_add_test(tests, auto_pad_keeps_the_rounded_up_size);
    tcase_add_test(tests, transposed_auto_pad_multiplies_the_size_by_the_stride);
    tcase_add_test(tests, output_shape_becomes_padding_and_output_padding);
    tcase_add_test(tests, conv_rejects_element_types_that_do_not_go_together);
    tcase_add_test(tests, problem_of_an_operator_checks_ranks_and_channels);
    tcase_add_test(tests, three_axes_hold_every_rank);
    tcase_add_test(tests, oracle_knows_small_answers);
    suite_add_tcase(suite, tests);
    return suite;
}
