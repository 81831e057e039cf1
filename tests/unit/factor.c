#include "operator_case.h"
#include "problem_case.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "oracle.h"

static struct cvy_conv_factors factors_of(const struct cvy_conv_problem *p, const float *w, size_t rank)
{
    struct cvy_conv_factors factors;
    memset(&factors, 7, sizeof(factors));
    ck_assert_int_eq(cvy_conv_factor(&factors, p, w, rank), CVY_OK);
    return factors;
}

START_TEST(sobel_and_gaussian_have_rank_1)
{
    const float kernels[][9] = {
        {1, 0, -1, 2, 0, -2, 1, 0, -1},
        {1, 2, 1, 0, 0, 0, -1, -2, -1},
        {1.f / 16, 2.f / 16, 1.f / 16, 2.f / 16, 4.f / 16, 2.f / 16, 1.f / 16, 2.f / 16, 1.f / 16}};
    struct cvy_conv_problem p = problem_case(2, 1, 1, 5, 3);
    for (size_t i = 0; i < 3; i++) {
        struct cvy_conv_factors f = factors_of(&p, kernels[i], 0);
        ck_assert_uint_eq(f.rank, 1);
        ck_assert_double_le(f.error, 1e-7);
        const float *column = f.first_w.data, *row = f.second_w.data;
        for (size_t at = 0; at < 9; at++)
            ck_assert_double_eq_tol(column[at / 3] * row[at % 3], kernels[i][at], 1e-6);
        cvy_conv_factors_finish(&f);
        ck_assert_ptr_null(f.first_w.data);
    }
}
END_TEST

/* The greatest eigenvalue of A^T A, by squaring it until its powers have one direction. */
static double greatest_square(const float a[9])
{
    double power[3][3], squared[3][3], gram[3][3];
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            power[i][j] = gram[i][j] =
                (double)a[i] * a[j] + (double)a[3 + i] * a[3 + j] + (double)a[6 + i] * a[6 + j];
    for (int round = 0; round < 40; round++) {
        double trace = power[0][0] + power[1][1] + power[2][2];
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 3; j++) {
                squared[i][j] = 0;
                for (int m = 0; m < 3; m++)
                    squared[i][j] += power[i][m] / trace * (power[m][j] / trace);
            }
        memcpy(power, squared, sizeof(power));
    }
    double value = 0, trace = power[0][0] + power[1][1] + power[2][2];
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            value += gram[i][j] * power[j][i];
    return value / trace;
}

START_TEST(rank_1_of_a_random_kernel_has_the_least_error)
{
    struct test_random random = {test_seed() + 1};
    struct cvy_conv_problem p = problem_case(2, 1, 1, 5, 3);
    for (int round = 0; round < 200; round++) {
        float w[9];
        double total = 0;
        test_random_fill(&random, w, 9);
        for (int i = 0; i < 9; i++)
            total += (double)w[i] * w[i];
        struct cvy_conv_factors f = factors_of(&p, w, 1);
        ck_assert_double_eq_tol(f.error, sqrt(fmax(0, 1 - greatest_square(w) / total)), 1e-6);
        cvy_conv_factors_finish(&f);
    }
}
END_TEST

/* y of the two passes one after the other, and of the whole, in double; returns the largest difference beside
 * the largest y. */
static double difference(const struct cvy_conv_problem *p, const float *w, const struct cvy_conv_factors *f,
                         struct test_random *random)
{
    struct cvy_shape x_shape, middle_shape, y_shape;
    cvy_conv_x_shape(p, &x_shape);
    cvy_conv_y_shape(&f->passes[0], &middle_shape);
    cvy_conv_y_shape(p, &y_shape);
    size_t x_size = case_elements(&x_shape), middle_size = case_elements(&middle_shape);
    size_t y_size = case_elements(&y_shape);
    float *x = malloc(x_size * sizeof(*x)), *middle = malloc(middle_size * sizeof(*middle)), bias[16];
    double *exact = malloc(middle_size * sizeof(*exact)), *scale = malloc(y_size * sizeof(*scale));
    double *whole = malloc(y_size * sizeof(*whole)), *both = malloc(y_size * sizeof(*both));
    test_random_fill(random, x, x_size);
    test_random_fill(random, bias, 16);
    oracle_conv(p, x, w, p->bias ? bias : NULL, whole, scale);
    oracle_conv(&f->passes[0], x, f->first_w.data, NULL, exact, NULL);
    for (size_t i = 0; i < middle_size; i++)
        middle[i] = (float)exact[i];
    oracle_conv(&f->passes[1], middle, f->second_w.data, p->bias ? bias : NULL, both, NULL);
    double most = 0, largest = 1e-30;
    for (size_t i = 0; i < y_size; i++) {
        most = fmax(most, fabs(whole[i] - both[i]));
        largest = fmax(largest, scale[i]);
    }
    free(x);
    free(middle);
    free(exact);
    free(scale);
    free(whole);
    free(both);
    return most / largest;
}

START_TEST(full_rank_reproduces_every_convolution)
{
    struct test_random random = {test_seed() + 2};
    for (int round = 0; round < 400; round++) {
        struct cvy_conv_problem p = problem_case_random(&random, round % 2);
        float w[9 * 3 * 64];
        if (p.rank == 1)
            continue;
        test_random_fill(&random, w, sizeof(w) / sizeof(*w));
        size_t rows = p.c / p.groups * p.kernel[0], columns = p.k / p.groups;
        for (size_t i = 1; i < p.rank; i++)
            columns *= p.kernel[i];
        struct cvy_conv_factors f = factors_of(&p, w, rows < columns ? rows : columns);
        ck_assert_double_le(f.error, 1e-6);
        ck_assert_double_le(difference(&p, w, &f, &random), 1e-5);
        struct cvy_shape shape;
        for (size_t pass = 0; pass < 2; pass++) {
            ck_assert_int_eq(cvy_conv_w_shape(&f.passes[pass], &shape), CVY_OK);
            ck_assert(cvy_shape_equal(&shape, pass == 0 ? &f.first_w.shape : &f.second_w.shape));
        }
        cvy_conv_factors_finish(&f);
    }
}
END_TEST

/* Weights (k, c, r, s) of a forward problem that are sums of `rank` products in each group. */
static void make_low_rank(struct test_random *random, const struct cvy_conv_problem *p, size_t rank, float *w)
{
    size_t c_group = p->c / p->groups, k_group = p->k / p->groups, taps = p->kernel[0] * p->kernel[1];
    float first[256], second[256];
    for (size_t i = 0; i < p->k * c_group * taps; i++)
        w[i] = 0;
    for (size_t g = 0; g < p->groups; g++)
        for (size_t m = 0; m < rank; m++) {
            test_random_fill(random, first, c_group * p->kernel[0]);
            test_random_fill(random, second, k_group * p->kernel[1]);
            for (size_t k = 0; k < k_group; k++)
                for (size_t c = 0; c < c_group; c++)
                    for (size_t t = 0; t < taps; t++)
                        w[((g * k_group + k) * c_group + c) * taps + t] +=
                            first[c * p->kernel[0] + t / p->kernel[1]] *
                            second[k * p->kernel[1] + t % p->kernel[1]];
        }
}

START_TEST(rank_0_finds_the_least_exact_rank)
{
    struct test_random random = {test_seed() + 3};
    for (size_t rank = 1; rank <= 8; rank++)
        for (size_t groups = 1; groups <= 2; groups++) {
            struct cvy_conv_problem p = problem_case(2, 4 * groups, 5 * groups, 8, 3);
            float w[10 * 4 * 9];
            p.groups = groups;
            make_low_rank(&random, &p, rank, w);
            struct cvy_conv_factors f = factors_of(&p, w, 0);
            ck_assert_uint_eq(f.rank, rank);
            ck_assert_double_le(f.error, 1e-6);
            ck_assert_double_le(difference(&p, w, &f, &random), 1e-5);
            cvy_conv_factors_finish(&f);
        }
}
END_TEST

START_TEST(rank_0_draws_the_line_at_a_millionth)
{
    struct test_random random = {test_seed() + 6};
    struct cvy_conv_problem p = problem_case(2, 1, 1, 8, 3);
    for (int round = 0; round < 1000; round++) {
        float a[6], b[6], w[9];
        double second = round % 2 ? 1e-6 : 1e-7 * (double)test_random_range(&random, 1, 100);
        test_random_fill(&random, a, 6);
        test_random_fill(&random, b, 6);
        for (size_t i = 0; i < 9; i++)
            w[i] = (float)((double)a[i / 3] * b[i % 3] + second * a[3 + i / 3] * b[3 + i % 3]);
        struct cvy_conv_factors f = factors_of(&p, w, 0);
        ck_assert_double_le(f.error, 1e-6);
        if (f.rank > 1) {
            struct cvy_conv_factors less = factors_of(&p, w, f.rank - 1);
            ck_assert_double_gt(less.error, 1e-6);
            cvy_conv_factors_finish(&less);
        }
        cvy_conv_factors_finish(&f);
    }
}
END_TEST

START_TEST(error_falls_with_rank_and_is_that_of_the_product)
{
    struct test_random random = {test_seed() + 4};
    struct cvy_conv_problem p = problem_case(2, 2, 3, 8, 3);
    float w[3 * 2 * 9];
    double before = 1;
    test_random_fill(&random, w, sizeof(w) / sizeof(*w));
    for (size_t rank = 1; rank <= 6; rank++) {
        struct cvy_conv_factors f = factors_of(&p, w, rank);
        const float *first = f.first_w.data, *second = f.second_w.data;
        double sum = 0, total = 0;
        for (size_t at = 0; at < 3 * 2 * 9; at++) {
            size_t k = at / 18, c = at / 9 % 2, r = at / 3 % 3, s = at % 3;
            double product = 0;
            for (size_t m = 0; m < rank; m++)
                product += (double)first[(m * 2 + c) * 3 + r] * second[(k * rank + m) * 3 + s];
            sum += (w[at] - product) * (w[at] - product);
            total += (double)w[at] * w[at];
        }
        ck_assert_double_eq_tol(f.error, sqrt(sum / total), 1e-12);
        ck_assert_double_lt(f.error, before);
        before = f.error;
        cvy_conv_factors_finish(&f);
    }
    ck_assert_double_le(before, 1e-6);
}
END_TEST

START_TEST(depthwise_kernels_are_factored_each_by_itself)
{
    struct test_random random = {test_seed() + 5};
    struct cvy_conv_problem p = problem_case(2, 6, 6, 8, 5);
    float w[6 * 25];
    p.groups = 6;
    make_low_rank(&random, &p, 1, w);
    struct cvy_conv_factors f = factors_of(&p, w, 0);
    ck_assert(f.rank == 1 && f.passes[0].k == 6 && f.passes[0].groups == 6 && f.passes[1].groups == 6);
    ck_assert_double_le(difference(&p, w, &f, &random), 1e-5);
    cvy_conv_factors_finish(&f);
}
END_TEST

START_TEST(weights_of_zeros_have_no_error)
{
    struct cvy_conv_problem p = problem_case(2, 2, 2, 5, 3);
    const float w[36] = {0};
    struct cvy_conv_factors f = factors_of(&p, w, 0);
    ck_assert(f.rank == 1 && f.error == 0);
    const float *first = f.first_w.data;
    ck_assert_float_eq(first[0], 0);
    cvy_conv_factors_finish(&f);
}
END_TEST

START_TEST(factor_refuses_what_has_no_factors)
{
    struct cvy_conv_problem p = problem_case(2, 1, 1, 5, 3);
    float w[9] = {1, 2, 3};
    struct cvy_conv_factors f = {.rank = 77};
    ck_assert_int_eq(cvy_conv_factor(&f, &p, w, 4), CVY_ERROR_INVALID);
    ck_assert(strstr(test_log_last(), "rank 4 of a kernel that is 3 x 3") != NULL);
    w[5] = INFINITY;
    ck_assert_int_eq(cvy_conv_factor(&f, &p, w, 1), CVY_ERROR_INVALID);
    ck_assert(strstr(test_log_last(), "weight 5") != NULL);
    p.rank = 1;
    ck_assert_int_eq(cvy_conv_factor(&f, &p, w, 1), CVY_ERROR_INVALID);
    ck_assert_uint_eq(f.rank, 77);
    cvy_conv_factors_finish(NULL);
    memset(&f, 0, sizeof(f));
    cvy_conv_factors_finish(&f);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("factor");
    TCase *tests = tcase_create("factor");
    tcase_add_test(tests, sobel_and_gaussian_have_rank_1);
    tcase_add_test(tests, rank_1_of_a_random_kernel_has_the_least_error);
    tcase_add_test(tests, full_rank_reproduces_every_convolution);
    tcase_add_test(tests, rank_0_finds_the_least_exact_rank);
    tcase_add_test(tests, rank_0_draws_the_line_at_a_millionth);
    tcase_add_test(tests, error_falls_with_rank_and_is_that_of_the_product);
    tcase_add_test(tests, depthwise_kernels_are_factored_each_by_itself);
    tcase_add_test(tests, weights_of_zeros_have_no_error);
    tcase_add_test(tests, factor_refuses_what_has_no_factors);
    suite_add_tcase(suite, tests);
    return suite;
}
