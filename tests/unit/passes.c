#include "problem_case.h"

#include <math.h>
#include <string.h>

#include "oracle.h"

struct passes {
    struct cvy_conv_problem at[CVY_CONV_MAX_PASSES];
    size_t n;
};

static struct passes passes_of(const struct cvy_conv_problem *p, enum cvy_conv_kind kind, size_t middle)
{
    struct passes passes = {.n = 99};
    ck_assert_int_eq(cvy_conv_get_passes(p, kind, middle, passes.at, &passes.n), CVY_OK);
    ck_assert(passes.n >= 1 && passes.n <= CVY_CONV_MAX_PASSES);
    return passes;
}

static struct cvy_conv_cost cost_of(const struct cvy_conv_problem *p)
{
    struct cvy_conv_cost cost;
    ck_assert_int_eq(cvy_conv_get_cost(p, &cost), CVY_OK);
    return cost;
}

static double multiplications(const struct passes *passes)
{
    double sum = 0;
    for (size_t i = 0; i < passes->n; i++)
        sum += cost_of(&passes->at[i]).multiplications;
    return sum;
}

START_TEST(kinds_have_names)
{
    ck_assert_str_eq(cvy_conv_kind_name(CVY_CONV_STANDARD), "standard");
    ck_assert_str_eq(cvy_conv_kind_name(CVY_CONV_FLATTENED), "flattened");
    ck_assert_str_eq(cvy_conv_kind_name(CVY_CONV_KINDS), "unknown");
    ck_assert_str_eq(cvy_conv_kind_name((enum cvy_conv_kind) - 1), "unknown");
}
END_TEST

START_TEST(depthwise_separable_needs_675_and_9600)
{
    struct cvy_conv_problem p = problem_case(2, 3, 128, 7, 3);
    ck_assert_double_eq(cost_of(&p).multiplications, 86400);
    struct passes passes = passes_of(&p, CVY_CONV_DEPTHWISE_SEPARABLE, 0);
    ck_assert_uint_eq(passes.n, 2);
    ck_assert_double_eq(cost_of(&passes.at[0]).multiplications, 675);
    ck_assert_double_eq(cost_of(&passes.at[1]).multiplications, 9600);
    ck_assert_uint_eq(passes.at[0].groups, 3);
    ck_assert_uint_eq(passes.at[1].groups, 1);
}
END_TEST

START_TEST(spatially_separable_needs_45_and_27)
{
    struct cvy_conv_problem p = problem_case(2, 1, 1, 5, 3);
    ck_assert_double_eq(cost_of(&p).multiplications, 81);
    struct passes passes = passes_of(&p, CVY_CONV_SPATIALLY_SEPARABLE, 0);
    ck_assert_uint_eq(passes.n, 2);
    ck_assert_double_eq(cost_of(&passes.at[0]).multiplications, 45);
    ck_assert_double_eq(cost_of(&passes.at[1]).multiplications, 27);
}
END_TEST

START_TEST(spatially_separable_tends_to_two_over_the_kernel)
{
    for (size_t kernel = 3; kernel <= 7; kernel += 2) {
        struct cvy_conv_problem p = problem_case(2, 1, 1, 100000, kernel);
        struct passes passes = passes_of(&p, CVY_CONV_SPATIALLY_SEPARABLE, 0);
        double ratio = multiplications(&passes) / cost_of(&p).multiplications;
        ck_assert_double_eq_tol(ratio, 2.0 / (double)kernel, 1e-4);
    }
}
END_TEST

START_TEST(grouped_by_two_has_half_the_parameters)
{
    struct cvy_conv_problem p = problem_case(2, 64, 128, 14, 3);
    double whole = cost_of(&p).parameters;
    p.groups = 2;
    ck_assert_double_eq(cost_of(&p).parameters, whole / 2);
}
END_TEST

START_TEST(passes_map_the_same_shapes)
{
    struct test_random random = {test_seed() + 1};
    for (int round = 0; round < 2000; round++) {
        struct cvy_conv_problem p = problem_case_random(&random, round % 2);
        struct cvy_shape x, y, from, to;
        cvy_conv_x_shape(&p, &x);
        cvy_conv_y_shape(&p, &y);
        for (int kind = 0; kind < CVY_CONV_KINDS; kind++) {
            if (p.rank == 1 && kind == CVY_CONV_SPATIALLY_SEPARABLE)
                continue;
            struct passes passes = passes_of(&p, (enum cvy_conv_kind)kind, 0);
            for (size_t i = 0; i < passes.n; i++) {
                const struct cvy_conv_problem *pass = &passes.at[i];
                ck_assert_int_eq(cvy_conv_x_shape(pass, &from), CVY_OK);
                ck_assert(cvy_shape_equal(&from, i == 0 ? &x : &to));
                ck_assert_int_eq(cvy_conv_y_shape(pass, &to), CVY_OK);
                bool is_last = i + 1 == passes.n;
                ck_assert_int_eq(pass->bias, is_last && p.bias);
                ck_assert_uint_eq(pass->shuffle, is_last ? p.shuffle : 0);
            }
            ck_assert(cvy_shape_equal(&to, &y));
        }
    }
}
END_TEST

/* An axis on which a pass does not work. */
static bool is_idle(const struct cvy_conv_problem *p, size_t axis)
{
    return p->kernel[axis] == 1 && p->stride[axis] == 1 && p->pad_begin[axis] == 0 && p->pad_end[axis] == 0 &&
           p->output_padding[axis] == 0;
}

START_TEST(flattened_passes_are_lateral_then_one_axis_each)
{
    struct cvy_conv_problem p = problem_case(3, 4, 6, 9, 3);
    p.groups = 2;
    for (size_t i = 0; i < 3; i++) {
        p.stride[i] = i + 1;
        p.pad_begin[i] = 1;
    }
    struct passes passes = passes_of(&p, CVY_CONV_FLATTENED, 0);
    ck_assert_uint_eq(passes.n, 4);
    ck_assert(passes.at[0].c == 4 && passes.at[0].k == 6 && passes.at[0].groups == 2);
    for (size_t pass = 0; pass < 4; pass++)
        for (size_t axis = 0; axis < 3; axis++)
            ck_assert_int_eq(is_idle(&passes.at[pass], axis), pass != axis + 1);
    for (size_t pass = 1; pass < 4; pass++)
        ck_assert(passes.at[pass].c == 6 && passes.at[pass].k == 6 && passes.at[pass].groups == 6);
}
END_TEST

START_TEST(spatially_separable_splits_after_the_first_axis)
{
    struct cvy_conv_problem p = problem_case(3, 8, 4, 9, 3);
    p.groups = 2;
    struct passes passes = passes_of(&p, CVY_CONV_SPATIALLY_SEPARABLE, 0);
    ck_assert_uint_eq(passes.at[0].k, 4);
    ck_assert(passes.at[0].groups == 2 && passes.at[1].groups == 2);
    for (size_t axis = 0; axis < 3; axis++) {
        ck_assert_int_eq(is_idle(&passes.at[0], axis), axis != 0);
        ck_assert_int_eq(is_idle(&passes.at[1], axis), axis == 0);
    }
    passes = passes_of(&p, CVY_CONV_SPATIALLY_SEPARABLE, 10);
    ck_assert(passes.at[0].k == 10 && passes.at[1].c == 10);
}
END_TEST

START_TEST(passes_refuse_what_does_not_fit)
{
    struct cvy_conv_problem p = problem_case(1, 4, 4, 9, 3), passes[CVY_CONV_MAX_PASSES];
    size_t n = 99;
    memset(passes, 7, sizeof(passes));
    ck_assert_int_eq(cvy_conv_get_passes(&p, CVY_CONV_SPATIALLY_SEPARABLE, 0, passes, &n), CVY_ERROR_INVALID);
    ck_assert(strstr(test_log_last(), "2 or 3 spatial axes") != NULL);
    p = problem_case(2, 4, 4, 9, 3);
    p.groups = 2;
    ck_assert_int_eq(cvy_conv_get_passes(&p, CVY_CONV_SPATIALLY_SEPARABLE, 3, passes, &n), CVY_ERROR_INVALID);
    ck_assert(strstr(test_log_last(), "do not divide by groups 2") != NULL);
    ck_assert_int_eq(cvy_conv_get_passes(&p, CVY_CONV_SPATIALLY_SEPARABLE, SIZE_MAX - 1, passes, &n),
                     CVY_ERROR_INVALID);
    ck_assert_int_eq(cvy_conv_get_passes(&p, CVY_CONV_KINDS, 0, passes, &n), CVY_ERROR_INVALID);
    p.k = 0;
    ck_assert_int_eq(cvy_conv_get_passes(&p, CVY_CONV_STANDARD, 0, passes, &n), CVY_ERROR_INVALID);
    ck_assert_uint_eq(n, 99);
    ck_assert_uint_eq(passes[0].rank, (size_t)0x0707070707070707);
}
END_TEST

static struct cvy_checkerboard board_of(size_t kernel, size_t stride, size_t dilation)
{
    struct cvy_conv_problem p = problem_case(1, 1, 1, 40, kernel);
    struct cvy_checkerboard board;
    p.transposed = true;
    p.stride[0] = stride;
    p.dilation[0] = dilation;
    ck_assert_int_eq(cvy_conv_get_checkerboard(&p, &board), CVY_OK);
    return board;
}

START_TEST(checkerboards_of_known_kernels)
{
    ck_assert(!board_of(3, 2, 1).even);
    ck_assert(board_of(4, 2, 1).even);
    ck_assert(board_of(2, 2, 1).even);
    ck_assert(!board_of(5, 3, 1).even);
    ck_assert(!board_of(4, 2, 2).even);
    ck_assert(board_of(4, 2, 3).even);
    struct cvy_checkerboard board = board_of(3, 2, 1);
    ck_assert(board.least[0] == 1 && board.most[0] == 2);
    ck_assert(board.kernel_below[0] == 2 && board.kernel_above[0] == 4);
    board = board_of(2, 3, 1);
    ck_assert(board.least[0] == 0 && board.most[0] == 1);
    ck_assert(board.kernel_below[0] == 0 && board.kernel_above[0] == 3);
    board = board_of(6, 3, 1);
    ck_assert(board.kernel_below[0] == 6 && board.kernel_above[0] == 6);
    board = board_of(6, 4, 2); /* no kernel is even */
    ck_assert(!board.even && board.least[0] == 0 && board.kernel_below[0] == 0 && board.kernel_above[0] == 0);
}
END_TEST

START_TEST(checkerboard_and_counts_are_those_of_ones)
{
    struct test_random random = {test_seed() + 2};
    for (int round = 0; round < 500; round++) {
        struct cvy_conv_problem p = problem_case_random(&random, true), axis = problem_case(1, 1, 1, 1, 1);
        size_t counts[256];
        for (size_t i = 0; i < p.rank; i++) {
            axis.transposed = true;
            axis.in[0] = p.in[i];
            axis.kernel[0] = p.kernel[i];
            axis.stride[0] = p.stride[i];
            axis.dilation[0] = p.dilation[i];
            axis.pad_begin[0] = p.pad_begin[i];
            axis.pad_end[0] = p.pad_end[i];
            axis.output_padding[0] = p.output_padding[i];
            float ones[64];
            double y[256];
            for (size_t j = 0; j < 64; j++)
                ones[j] = 1;
            oracle_conv(&axis, ones, ones, NULL, y, NULL);
            struct cvy_shape shape;
            cvy_conv_y_shape(&p, &shape);
            ck_assert_int_eq(cvy_conv_count_contributions(&p, i, counts), CVY_OK);
            for (size_t j = 0; j < shape.dims[i + 2]; j++)
                ck_assert_double_eq((double)counts[j], y[j]);

            /* away from the edges: the middle of a longer x */
            axis.in[0] = 40;
            axis.pad_begin[0] = axis.pad_end[0] = axis.output_padding[0] = 0;
            oracle_conv(&axis, ones, ones, NULL, y, NULL);
            double least = y[20], most = y[20];
            for (size_t j = 10; j < 39; j++) {
                least = fmin(least, y[j]);
                most = fmax(most, y[j]);
            }
            struct cvy_checkerboard board;
            ck_assert_int_eq(cvy_conv_get_checkerboard(&p, &board), CVY_OK);
            ck_assert(p.rank > 1 || board.even == (least == most));
            ck_assert_double_eq((double)board.least[i], least);
            ck_assert_double_eq((double)board.most[i], most);
        }
    }
}
END_TEST

START_TEST(checkerboard_is_of_transposed_problems)
{
    struct cvy_conv_problem p = problem_case(2, 1, 1, 5, 3);
    struct cvy_checkerboard board = {.least = {77}};
    size_t counts[8] = {77};
    ck_assert_int_eq(cvy_conv_get_checkerboard(&p, &board), CVY_ERROR_INVALID);
    ck_assert_int_eq(cvy_conv_count_contributions(&p, 0, counts), CVY_ERROR_INVALID);
    p.transposed = true;
    ck_assert_int_eq(cvy_conv_count_contributions(&p, 2, counts), CVY_ERROR_INVALID);
    ck_assert(board.least[0] == 77 && counts[0] == 77);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("passes");
    TCase *tests = tcase_create("passes");
    tcase_add_test(tests, kinds_have_names);
    tcase_add_test(tests, depthwise_separable_needs_675_and_9600);
    tcase_add_test(tests, spatially_separable_needs_45_and_27);
    tcase_add_test(tests, spatially_separable_tends_to_two_over_the_kernel);
    tcase_add_test(tests, grouped_by_two_has_half_the_parameters);
    tcase_add_test(tests, passes_map_the_same_shapes);
    tcase_add_test(tests, flattened_passes_are_lateral_then_one_axis_each);
    tcase_add_test(tests, spatially_separable_splits_after_the_first_axis);
    tcase_add_test(tests, passes_refuse_what_does_not_fit);
    tcase_add_test(tests, checkerboards_of_known_kernels);
    tcase_add_test(tests, checkerboard_and_counts_are_those_of_ones);
    tcase_add_test(tests, checkerboard_is_of_transposed_problems);
    suite_add_tcase(suite, tests);
    return suite;
}
