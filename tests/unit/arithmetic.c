#include "problem_case.h"

#include <math.h>
#include <string.h>

#include "oracle.h"

static void check_describe(const struct cvy_conv_problem *p, const char *expected)
{
    char text[200];
    ck_assert_str_eq(cvy_conv_describe(p, text, sizeof(text)), expected);
}

START_TEST(describe_gives_the_common_name)
{
    struct cvy_conv_problem p = problem_case(2, 8, 8, 9, 3);
    check_describe(&p, "2D convolution");
    p.groups = 4;
    p.shuffle = 4;
    check_describe(&p, "grouped 2D convolution (4 groups), channel shuffle");
    p.shuffle = 1;
    p.kernel[0] = p.kernel[1] = 1;
    p.dilation[0] = 2; /* of a kernel of 1: no difference */
    check_describe(&p, "grouped pointwise (1x1) convolution (4 groups)");
    p.groups = 1;
    check_describe(&p, "pointwise (1x1) convolution");
    p = problem_case(3, 8, 8, 9, 1);
    check_describe(&p, "pointwise (1x1x1) convolution");
    p = problem_case(1, 8, 8, 9, 1);
    check_describe(&p, "pointwise 1D convolution");
    p.kernel[0] = 3;
    p.groups = 8;
    p.dilation[0] = 2;
    check_describe(&p, "depthwise 1D convolution, dilated");
    p.k = 16;
    check_describe(&p, "depthwise 1D convolution (depth multiplier 2), dilated");
    p = problem_case(3, 2, 2, 9, 3);
    p.transposed = true;
    check_describe(&p, "transposed 3D convolution");
    p = problem_case(2, 1, 2, 9, 3);
    p.flip = true;
    p.pad_mode = CVY_PAD_REFLECT;
    check_describe(&p, "2D convolution, flipped");
    p.pad_end[1] = 1;
    check_describe(&p, "2D convolution, flipped, reflect padding");
    p.k = 0;
    check_describe(&p, "impossible convolution");
}
END_TEST

START_TEST(describe_cuts_to_the_room_given)
{
    struct cvy_conv_problem p = problem_case(2, 8, 8, 9, 3);
    char text[8] = "xxxxxxx";
    cvy_conv_describe(&p, text, 0);
    ck_assert_str_eq(text, "xxxxxxx");
    cvy_conv_describe(&p, text, 5);
    ck_assert_str_eq(text, "2D c");
    ck_assert_int_eq(text[6], 'x');
}
END_TEST

START_TEST(sizes_are_those_of_a_window_that_walks)
{
    struct test_random random = {test_seed() + 1};
    for (int round = 0; round < 2000; round++) {
        size_t in = test_random_range(&random, 1, 20), kernel = test_random_range(&random, 1, 6);
        size_t stride = test_random_range(&random, 1, 5), dilation = test_random_range(&random, 1, 4);
        size_t pads = test_random_range(&random, 0, 6), positions = 0, last = 0;
        for (size_t tap = 1; tap < kernel; tap++)
            last += dilation;
        for (size_t start = 0; start + last < in + pads; start += stride)
            positions++;
        ck_assert_uint_eq(cvy_conv_effective_kernel(kernel, dilation), last + 1);
        ck_assert_uint_eq(cvy_conv_output_size(in, kernel, stride, dilation, pads), positions);
    }
}
END_TEST

START_TEST(sizes_that_cannot_be_are_zero)
{
    ck_assert_uint_eq(cvy_conv_effective_kernel(0, 1), 0);
    ck_assert_uint_eq(cvy_conv_effective_kernel(3, 0), 0);
    ck_assert_uint_eq(cvy_conv_effective_kernel(SIZE_MAX, 2), 0);
    ck_assert_uint_eq(cvy_conv_effective_kernel(SIZE_MAX, 1), SIZE_MAX);
    ck_assert_uint_eq(cvy_conv_output_size(0, 1, 1, 1, 4), 0);
    ck_assert_uint_eq(cvy_conv_output_size(4, 5, 1, 1, 0), 0);
    ck_assert_uint_eq(cvy_conv_output_size(4, 3, 0, 1, 0), 0);
    ck_assert_uint_eq(cvy_conv_output_size(4, 3, 1, 1, SIZE_MAX), 0);
}
END_TEST

static size_t y_size(const struct cvy_conv_problem *p, size_t axis)
{
    struct cvy_shape y;
    ck_assert_int_eq(cvy_conv_y_shape(p, &y), CVY_OK);
    return y.dims[axis + 2];
}

START_TEST(padding_rules_hold_for_forward_problems)
{
    struct test_random random = {test_seed() + 2};
    for (int round = 0; round < 500; round++) {
        struct cvy_conv_problem p = problem_case_random(&random, false), q = p;
        ck_assert_int_eq(cvy_conv_set_padding(&q, CVY_PAD_EXPLICIT), CVY_OK);
        ck_assert_mem_eq(&p, &q, sizeof(p));
        for (int lower = 0; lower < 2; lower++) {
            ck_assert_int_eq(cvy_conv_set_padding(&q, lower ? CVY_PAD_SAME_LOWER : CVY_PAD_SAME_UPPER),
                             CVY_OK);
            for (size_t i = 0; i < p.rank; i++) {
                size_t first = lower ? q.pad_end[i] : q.pad_begin[i];
                size_t second = lower ? q.pad_begin[i] : q.pad_end[i];
                ck_assert_uint_eq(y_size(&q, i), (p.in[i] + p.stride[i] - 1) / p.stride[i]);
                ck_assert(second == first || second == first + 1);
                if (first + second > 0) { /* no more than is needed */
                    size_t less = cvy_conv_output_size(p.in[i], p.kernel[i], p.stride[i], p.dilation[i],
                                                       first + second - 1);
                    ck_assert_uint_lt(less, y_size(&q, i));
                }
            }
        }
        ck_assert_int_eq(cvy_conv_set_padding(&q, CVY_PAD_FULL), CVY_OK);
        for (size_t i = 0; i < p.rank; i++) {
            ck_assert_uint_eq(q.pad_begin[i], p.dilation[i] * (p.kernel[i] - 1));
            ck_assert_uint_eq(q.pad_end[i], q.pad_begin[i]);
        }
    }
}
END_TEST

START_TEST(valid_padding_keeps_the_window_on_x_or_is_refused)
{
    struct cvy_conv_problem p = problem_case(2, 1, 1, 5, 3), before;
    p.pad_begin[0] = p.pad_end[1] = 4;
    ck_assert_int_eq(cvy_conv_set_padding(&p, CVY_PAD_VALID), CVY_OK);
    ck_assert_uint_eq(p.pad_begin[0] + p.pad_end[0] + p.pad_begin[1] + p.pad_end[1], 0);
    p.kernel[1] = 7;
    p.pad_begin[1] = 2;
    before = p;
    ck_assert_int_eq(cvy_conv_set_padding(&p, CVY_PAD_VALID), CVY_ERROR_INVALID);
    ck_assert_int_eq(cvy_conv_set_padding(&p, (enum cvy_auto_pad)9), CVY_ERROR_INVALID);
    ck_assert_mem_eq(&p, &before, sizeof(p));
    p.rank = 9;
    ck_assert_int_eq(cvy_conv_set_padding(&p, CVY_PAD_VALID), CVY_ERROR_INVALID);
    ck_assert(strstr(test_log_last(), "9 spatial axes") != NULL);
}
END_TEST

START_TEST(padding_rules_hold_for_transposed_problems)
{
    struct test_random random = {test_seed() + 3};
    for (int round = 0; round < 500; round++) {
        struct cvy_conv_problem p = problem_case_random(&random, true), q = p;
        for (int lower = 0; lower < 2; lower++) {
            ck_assert_int_eq(cvy_conv_set_padding(&q, lower ? CVY_PAD_SAME_LOWER : CVY_PAD_SAME_UPPER),
                             CVY_OK);
            for (size_t i = 0; i < p.rank; i++) {
                size_t first = lower ? q.pad_end[i] : q.pad_begin[i];
                size_t second = lower ? q.pad_begin[i] : q.pad_end[i];
                ck_assert_uint_eq(y_size(&q, i), p.in[i] * p.stride[i]);
                ck_assert(second == first || second == first + 1);
                ck_assert(q.output_padding[i] == 0 || first + second == 0);
            }
        }
        ck_assert_int_eq(cvy_conv_set_padding(&q, CVY_PAD_VALID), CVY_OK);
        for (size_t i = 0; i < p.rank; i++)
            ck_assert_uint_eq(q.pad_begin[i] + q.pad_end[i] + q.output_padding[i], 0);
    }
}
END_TEST

START_TEST(full_padding_turns_transposed_into_forward_and_back)
{
    struct cvy_conv_problem p = problem_case(1, 1, 1, 5, 3), back;
    ck_assert_int_eq(cvy_conv_set_padding(&p, CVY_PAD_FULL), CVY_OK);
    ck_assert_uint_eq(y_size(&p, 0), 7);
    ck_assert_int_eq(cvy_conv_transpose(&p, &back), CVY_OK);
    struct cvy_conv_problem again = back;
    ck_assert_int_eq(cvy_conv_set_padding(&again, CVY_PAD_FULL), CVY_OK);
    ck_assert_mem_eq(&again, &back, sizeof(back));
}
END_TEST

START_TEST(transpose_leads_back_to_the_shape_of_x)
{
    struct test_random random = {test_seed() + 4};
    for (int round = 0; round < 2000; round++) {
        struct cvy_conv_problem p = problem_case_random(&random, false), back;
        p.bias = true;
        p.pad_mode = CVY_PAD_CONSTANT;
        p.shuffle = 0;
        struct cvy_shape x, y, w, back_x, back_y, back_w;
        ck_assert_int_eq(cvy_conv_transpose(&p, &back), CVY_OK);
        ck_assert(back.transposed && !back.bias && back.flip == p.flip);
        cvy_conv_x_shape(&p, &x);
        cvy_conv_w_shape(&p, &w);
        cvy_conv_y_shape(&p, &y);
        ck_assert_int_eq(cvy_conv_x_shape(&back, &back_x), CVY_OK);
        ck_assert_int_eq(cvy_conv_w_shape(&back, &back_w), CVY_OK);
        ck_assert_int_eq(cvy_conv_y_shape(&back, &back_y), CVY_OK);
        ck_assert(cvy_shape_equal(&y, &back_x) && cvy_shape_equal(&x, &back_y));
        ck_assert(cvy_shape_equal(&w, &back_w));
    }
}
END_TEST

START_TEST(transpose_refuses_what_has_no_transposed)
{
    struct cvy_conv_problem p = problem_case(2, 4, 4, 5, 3), back;
    memset(&back, 7, sizeof(back));
    struct cvy_conv_problem untouched = back;
    p.pad_mode = CVY_PAD_WRAP;
    p.pad_end[1] = 1;
    ck_assert_int_eq(cvy_conv_transpose(&p, &back), CVY_ERROR_INVALID);
    ck_assert(strstr(test_log_last(), "circular padding") != NULL);
    p.pad_mode = CVY_PAD_CONSTANT;
    p.shuffle = 2;
    ck_assert_int_eq(cvy_conv_transpose(&p, &back), CVY_ERROR_INVALID);
    p.shuffle = 0;
    p.transposed = true;
    ck_assert_int_eq(cvy_conv_transpose(&p, &back), CVY_ERROR_INVALID);
    ck_assert_mem_eq(&back, &untouched, sizeof(back));
}
END_TEST

START_TEST(transposed_examples_have_the_published_sizes)
{
    struct cvy_conv_problem p = problem_case(2, 1, 1, 2, 3);
    struct cvy_conv_zero_inserted view;
    p.transposed = true;
    ck_assert_uint_eq(y_size(&p, 0), 4);
    ck_assert_int_eq(cvy_conv_get_zero_inserted(&p, &view), CVY_OK);
    ck_assert(view.inserted[0] == 0 && view.pad_begin[0] == 2 && view.pad_end[0] == 2);
    p.stride[0] = p.stride[1] = 2;
    ck_assert_uint_eq(y_size(&p, 1), 5);
    ck_assert_int_eq(cvy_conv_get_zero_inserted(&p, &view), CVY_OK);
    ck_assert(view.inserted[1] == 1 && view.pad_begin[1] == 2 && view.pad_end[1] == 2);
}
END_TEST

START_TEST(zero_inserted_view_gives_the_same_y)
{
    struct test_random random = {test_seed() + 5};
    for (int round = 0; round < 500; round++) {
        struct cvy_conv_problem p = problem_case_random(&random, true);
        struct cvy_conv_zero_inserted view;
        p = (struct cvy_conv_problem){.rank = 1,
                                      .n = 1,
                                      .c = 1,
                                      .k = 1,
                                      .groups = 1,
                                      .transposed = true,
                                      .in = {p.in[0]},
                                      .kernel = {p.kernel[0]},
                                      .stride = {p.stride[0]},
                                      .dilation = {p.dilation[0]},
                                      .pad_begin = {p.pad_begin[0]},
                                      .pad_end = {p.pad_end[0]},
                                      .output_padding = {p.output_padding[0]}};
        float x[8], w[4];
        double y[64];
        test_random_fill(&random, x, 8);
        test_random_fill(&random, w, 4);
        oracle_conv(&p, x, w, NULL, y, NULL);
        ck_assert_int_eq(cvy_conv_get_zero_inserted(&p, &view), CVY_OK);
        /* x with zeros between, padded or cropped, met by the kernel turned round */
        long apart = (long)view.inserted[0] + 1, wide = ((long)p.in[0] - 1) * apart + 1;
        long reach = (long)(p.dilation[0] * (p.kernel[0] - 1));
        long out = wide + (long)view.pad_begin[0] + (long)view.pad_end[0] - reach;
        ck_assert_int_eq(out, (long)y_size(&p, 0));
        for (long q = 0; q < out; q++) {
            double sum = 0;
            for (long tap = 0; tap < (long)p.kernel[0]; tap++) {
                long at = q - (long)view.pad_begin[0] + tap * (long)p.dilation[0];
                if (at >= 0 && at < wide && at % apart == 0)
                    sum += (double)x[at / apart] * w[(long)p.kernel[0] - 1 - tap];
            }
            ck_assert_double_eq_tol(sum, y[q], 1e-12);
        }
    }
}
END_TEST

START_TEST(receptive_fields_of_stacked_rates_are_3_7_15)
{
    struct cvy_receptive_field field = {1, 1};
    const double expected[] = {3, 7, 15};
    for (size_t i = 0; i < 3; i++) {
        cvy_receptive_field_add(&field, 3, 1, (size_t)1 << i, false);
        ck_assert_double_eq(field.size, expected[i]);
        ck_assert_double_eq(field.jump, 1);
    }
}
END_TEST

START_TEST(receptive_field_after_upsampling_takes_smaller_steps)
{
    struct cvy_receptive_field field = {1, 1};
    cvy_receptive_field_add(&field, 4, 2, 1, true);
    ck_assert_double_eq(field.size, 2.5);
    ck_assert_double_eq(field.jump, 0.5);
    cvy_receptive_field_add(&field, 3, 2, 1, false);
    ck_assert_double_eq(field.size, 3.5);
    ck_assert_double_eq(field.jump, 1);
    cvy_receptive_field_add(&field, 0, 2, 1, false); /* no layer at all */
    ck_assert_double_eq(field.size, 3.5);
}
END_TEST

enum { LAYERS = 3, WIDE = 1200 };

/* How far apart the outermost elements of x are that an element of y sees, at most, in the middle of x. */
static size_t widest_view(const size_t layers[LAYERS][4])
{
    static long first[WIDE * 64], last[WIDE * 64], next_first[WIDE * 64], next_last[WIDE * 64];
    long size = WIDE;
    for (long i = 0; i < size; i++)
        first[i] = last[i] = i;
    for (int layer = 0; layer < LAYERS; layer++) {
        long kernel = (long)layers[layer][0], stride = (long)layers[layer][1];
        long dilation = (long)layers[layer][2], reach = dilation * (kernel - 1);
        bool transposed = layers[layer][3] != 0;
        long out = transposed ? (size - 1) * stride + reach + 1 : (size - reach - 1) / stride + 1;
        for (long i = 0; i < out; i++) {
            next_first[i] = WIDE;
            next_last[i] = -1;
        }
        for (long i = 0; i < (transposed ? size : out); i++)
            for (long tap = 0; tap < kernel; tap++) {
                long far = i * stride + tap * dilation, to = transposed ? far : i,
                     from = transposed ? i : far;
                next_first[to] = first[from] < next_first[to] ? first[from] : next_first[to];
                next_last[to] = last[from] > next_last[to] ? last[from] : next_last[to];
            }
        size = out;
        memcpy(first, next_first, (size_t)size * sizeof(*first));
        memcpy(last, next_last, (size_t)size * sizeof(*last));
    }
    long most = 0;
    for (long i = 0; i < size; i++)
        if (last[i] >= first[i] && last[i] - first[i] + 1 > most)
            most = last[i] - first[i] + 1;
    return (size_t)most;
}

START_TEST(receptive_field_is_what_elements_see)
{
    struct test_random random = {test_seed() + 6};
    for (int round = 0; round < 300; round++) {
        size_t layers[LAYERS][4];
        struct cvy_receptive_field field = {1, 1};
        bool upsampled = false;
        for (int i = 0; i < LAYERS; i++) {
            layers[i][0] = test_random_range(&random, 1, 5);
            layers[i][1] = test_random_range(&random, 1, 3);
            layers[i][2] = test_random_range(&random, 1, 3);
            layers[i][3] = test_random_range(&random, 0, 4) == 0;
            upsampled = upsampled || (layers[i][3] && layers[i][1] > 1);
            cvy_receptive_field_add(&field, layers[i][0], layers[i][1], layers[i][2], layers[i][3]);
        }
        size_t seen = widest_view(layers);
        if (upsampled)
            ck_assert_double_le((double)seen, floor(field.size + 1e-9));
        else
            ck_assert_double_eq((double)seen, field.size);
    }
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("arithmetic");
    TCase *tests = tcase_create("arithmetic");
    tcase_add_test(tests, describe_gives_the_common_name);
    tcase_add_test(tests, describe_cuts_to_the_room_given);
    tcase_add_test(tests, sizes_are_those_of_a_window_that_walks);
    tcase_add_test(tests, sizes_that_cannot_be_are_zero);
    tcase_add_test(tests, padding_rules_hold_for_forward_problems);
    tcase_add_test(tests, valid_padding_keeps_the_window_on_x_or_is_refused);
    tcase_add_test(tests, padding_rules_hold_for_transposed_problems);
    tcase_add_test(tests, full_padding_turns_transposed_into_forward_and_back);
    tcase_add_test(tests, transpose_leads_back_to_the_shape_of_x);
    tcase_add_test(tests, transpose_refuses_what_has_no_transposed);
    tcase_add_test(tests, transposed_examples_have_the_published_sizes);
    tcase_add_test(tests, zero_inserted_view_gives_the_same_y);
    tcase_add_test(tests, receptive_fields_of_stacked_rates_are_3_7_15);
    tcase_add_test(tests, receptive_field_after_upsampling_takes_smaller_steps);
    tcase_add_test(tests, receptive_field_is_what_elements_see);
    suite_add_tcase(suite, tests);
    return suite;
}
