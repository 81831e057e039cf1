#include "base/arith.h"
#include "conv_case.h"
#include "problem_case.h"

#include <stdio.h>
#include <string.h>

static const struct cvy_algo *algo_for(const struct cvy_conv_problem *p)
{
    const struct cvy_algo *algo = cvy_algo_by_name(p->transposed ? "subpixel_winograd" : "winograd");
    ck_assert_ptr_nonnull(algo);
    return algo;
}

/* Axes of different sizes. */
static struct cvy_conv_problem problem(size_t rank, size_t channels, size_t in, size_t kernel)
{
    struct cvy_conv_problem p = problem_case_padded(rank, channels, channels, in, kernel);
    for (size_t i = 0; i < rank; i++)
        p.in[i] += i;
    return p;
}

/* In one config of `step`, each a program to compile. */
static void check(const struct cvy_conv_problem *p, size_t step)
{
    struct test_random random = {test_seed() + p->c + p->in[0] + p->kernel[0]};
    struct cvy_algo_config config;
    struct case_data data;
    step *= CVY_MAX(25 / test_programs(), 1);
    size_t first = test_random_range(&random, 0, step - 1);
    if (!algo_for(p)->configs(p, test_device(), first, &config))
        first = 0;
    case_data_make(&data, p, &random);
    size_t count = first;
    for (; algo_for(p)->configs(p, test_device(), count, &config); count += step) {
        char name[80];
        snprintf(name, sizeof(name), "%s, config %zu", algo_for(p)->id, count);
        case_run_config(p, &data, algo_for(p), &config);
        case_check_y(p, &data, name);
    }
    ck_assert_uint_gt(count, first);
    case_data_free(&data);
}

/* Several strips of several panels each, whose last ones are not full, and three pieces of y's channels. */
START_TEST(winograd_takes_many_tiles_in_strips)
{
    struct cvy_conv_problem p = problem(2, test_small() ? 18 : 72, test_small() ? 10 : 37, 3);
    p.n = 2;
    p.bias = p.accumulate = true;
    check(&p, 1);
    p.x_block = p.y_block = test_block(0);
    p.activation = CVY_ACTIVATION_RELU;
    check(&p, 3);
}
END_TEST

START_TEST(winograd_does_kernels_of_two_to_five)
{
    for (size_t kernel = 2; kernel <= 5; kernel++) {
        struct cvy_conv_problem p = problem(kernel % 2 ? 2 : 1, 18, 17, kernel);
        p.flip = kernel == 5;
        check(&p, 4);
    }
}
END_TEST

START_TEST(winograd_does_lines_across_and_down)
{
    struct cvy_conv_problem p = problem(2, 17, 13, 3);
    p.kernel[0] = 1;
    p.dilation[0] = 5; /* of no meaning to a kernel of 1 */
    check(&p, 4);
    p.kernel[0] = 4;
    p.dilation[0] = 1;
    p.kernel[1] = 1;
    check(&p, 4);
}
END_TEST

START_TEST(winograd_sums_over_the_depth_of_a_kernel)
{
    struct cvy_conv_problem p = problem(3, 8, 7, 3);
    p.stride[0] = p.dilation[0] = 2;
    p.pad_mode = CVY_PAD_REFLECT;
    check(&p, 4);
}
END_TEST

START_TEST(winograd_takes_each_phase_of_a_dilation_for_an_image)
{
    struct cvy_conv_problem p = problem(2, 16, 15, 3);
    p.dilation[0] = 2;
    p.dilation[1] = 3;
    p.pad_begin[0] = p.pad_end[0] = 2;
    p.groups = 2;
    check(&p, 4);
    p.in[0] = 6;
    p.dilation[0] = 4; /* more than y has rows */
    check(&p, 4);
}
END_TEST

START_TEST(winograd_takes_pairs_of_pixels_far_apart)
{
    struct cvy_conv_problem p = problem(2, 16, 13, 3);
    for (size_t i = 0; i < 2; i++)
        p.dilation[i] = p.pad_begin[i] = p.pad_end[i] = 7 + i;
    p.flip = true;
    check(&p, 4);
    p.in[1] = 8; /* single ones */
    check(&p, 4);
}
END_TEST

/* Strides of which a kernel is no multiple give phases of different lengths. */
START_TEST(winograd_takes_each_phase_of_a_transposed_convolution)
{
    static const size_t kernels[][2] = {{4, 2}, {5, 2}, {3, 1}, {7, 3}};
    for (size_t i = 0; i < CVY_COUNT(kernels); i++) {
        struct cvy_conv_problem p = problem(2, 20, test_small() ? 6 : 9, kernels[i][0]);
        p.k = 39;
        p.n = 2;
        p.transposed = p.bias = true;
        p.flip = i == 1;
        p.accumulate = i == 2;
        p.x_block = p.y_block = test_block(i == 2);
        p.stride[0] = p.stride[1] = kernels[i][1];
        p.pad_begin[0] = i % 3;
        p.output_padding[1] = i == 1;
        p.activation = CVY_ACTIVATION_RELU;
        check(&p, i < 2 ? 3 : 8);
    }
}
END_TEST

START_TEST(winograd_transposes_lines_and_planes)
{
    struct cvy_conv_problem p = problem(1, 33, 50, 4);
    p.transposed = true;
    p.stride[0] = 2;
    p.x_block = p.y_block = test_block(0);
    check(&p, 8);
    p = problem(3, 20, 5, 3);
    p.transposed = true;
    p.n = 2;
    p.kernel[0] = 1;
    p.pad_begin[0] = p.pad_end[0] = 0;
    p.x_block = p.y_block = test_block(0);
    check(&p, 8);
}
END_TEST

START_TEST(strict_problems_are_not_given_to_winograd)
{
    struct cvy_conv_problem p = problem(2, 16, 12, 3);
    char why[160];
    ck_assert(cvy_conv_algo_applies(test_device(), &p, "winograd", why, sizeof(why)));
    p.strict = true;
    ck_assert(!cvy_conv_algo_applies(test_device(), &p, "winograd", why, sizeof(why)));
    ck_assert_ptr_nonnull(strstr(why, "rounds more"));
    ck_assert(cvy_conv_algo_applies(test_device(), &p, "ref", why, sizeof(why)));
}
END_TEST

START_TEST(winograd_refuses_strides_with_a_reason)
{
    struct cvy_conv_problem p = problem(2, 16, 12, 3);
    char why[160];
    p.stride[1] = 2;
    ck_assert(!cvy_conv_algo_applies(test_device(), &p, "winograd", why, sizeof(why)));
    ck_assert_ptr_nonnull(strstr(why, "1x2"));
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("winograd");
    TCase *tests = tcase_create("winograd");
    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, winograd_takes_many_tiles_in_strips);
    tcase_add_test(tests, winograd_does_kernels_of_two_to_five);
    tcase_add_test(tests, winograd_does_lines_across_and_down);
    tcase_add_test(tests, winograd_sums_over_the_depth_of_a_kernel);
    tcase_add_test(tests, winograd_takes_each_phase_of_a_dilation_for_an_image);
    tcase_add_test(tests, winograd_takes_pairs_of_pixels_far_apart);
    tcase_add_test(tests, winograd_takes_each_phase_of_a_transposed_convolution);
    tcase_add_test(tests, winograd_transposes_lines_and_planes);
    tcase_add_test(tests, strict_problems_are_not_given_to_winograd);
    tcase_add_test(tests, winograd_refuses_strides_with_a_reason);
    suite_add_tcase(suite, tests);
    return suite;
}
