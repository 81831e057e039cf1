#include "operator_case.h"
#include "problem_case.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "oracle.h"

static struct cvy_sparse_matrix *matrix_of(const struct cvy_conv_problem *p, const float *w)
{
    struct cvy_sparse_matrix *matrix = NULL;
    ck_assert_int_eq(cvy_conv_matrix_create(&matrix, p, w, 0), CVY_OK);
    return matrix;
}

START_TEST(matrix_of_3x3_on_4x4_is_4x16)
{
    struct cvy_conv_problem p = problem_case(2, 1, 1, 4, 3);
    const float w[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    struct cvy_sparse_matrix *matrix = matrix_of(&p, w);
    ck_assert(matrix->rows == 4 && matrix->columns == 16 && matrix->entries == 36);
    const float rows[4][16] = {{1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0, 0, 0, 0, 0},
                               {0, 1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0, 0, 0, 0},
                               {0, 0, 0, 0, 1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0},
                               {0, 0, 0, 0, 0, 1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9}};
    for (size_t row = 0; row < 4; row++) {
        float dense[16] = {0};
        for (size_t i = matrix->row_start[row]; i < matrix->row_start[row + 1]; i++)
            dense[matrix->column[i]] = matrix->value[i];
        ck_assert_mem_eq(dense, rows[row], sizeof(dense));
    }
    cvy_sparse_matrix_destroy(&matrix);
    ck_assert_ptr_null(matrix);
}
END_TEST

static void check_well_formed(const struct cvy_sparse_matrix *matrix)
{
    ck_assert_uint_eq(matrix->row_start[0], 0);
    ck_assert_uint_eq(matrix->row_start[matrix->rows], matrix->entries);
    for (size_t row = 0; row < matrix->rows; row++)
        for (size_t i = matrix->row_start[row]; i < matrix->row_start[row + 1]; i++) {
            ck_assert_uint_lt(matrix->column[i], matrix->columns);
            ck_assert(i == matrix->row_start[row] || matrix->column[i - 1] < matrix->column[i]);
        }
}

/* M in, or M^T in, against the oracle's answer to the problem. */
static void check_product(const struct cvy_sparse_matrix *matrix, bool transposed,
                          const struct cvy_conv_problem *p, const float *in, const float *w)
{
    size_t count = transposed ? matrix->columns : matrix->rows;
    double *want = malloc(count * sizeof(*want)), *scale = malloc(count * sizeof(*scale));
    float *got = malloc(count * sizeof(*got));
    test_poison(got, count);
    oracle_conv(p, in, w, NULL, want, scale);
    cvy_sparse_matrix_multiply(matrix, transposed, in, got);
    for (size_t i = 0; i < count; i++)
        ck_assert_double_le(fabs(got[i] - want[i]), scale[i] * 64 * FLT_EPSILON + FLT_MIN);
    free(want);
    free(scale);
    free(got);
}

static void check_random(struct test_random *random, bool transposed)
{
    struct cvy_conv_problem p = problem_case_random(random, transposed), back;
    struct cvy_shape x_shape, w_shape, y_shape;
    p.n = 1;
    p.bias = false;
    cvy_conv_x_shape(&p, &x_shape);
    cvy_conv_w_shape(&p, &w_shape);
    cvy_conv_y_shape(&p, &y_shape);
    size_t x_size = case_elements(&x_shape), w_size = case_elements(&w_shape);
    size_t y_size = case_elements(&y_shape);
    float *x = malloc(x_size * sizeof(*x)), *w = malloc(w_size * sizeof(*w)),
          *y = malloc(y_size * sizeof(*y));
    test_random_fill(random, x, x_size);
    test_random_fill(random, w, w_size);
    test_random_fill(random, y, y_size);
    struct cvy_sparse_matrix *matrix = matrix_of(&p, w);
    ck_assert(matrix->rows == y_size && matrix->columns == x_size);
    check_well_formed(matrix);
    check_product(matrix, false, &p, x, w);
    p.shuffle = 0;
    p.pad_mode = CVY_PAD_CONSTANT;
    if (!transposed) {
        cvy_sparse_matrix_destroy(&matrix);
        matrix = matrix_of(&p, w);
        ck_assert_int_eq(cvy_conv_transpose(&p, &back), CVY_OK);
        check_product(matrix, true, &back, y, w);
    }
    cvy_sparse_matrix_destroy(&matrix);
    free(x);
    free(w);
    free(y);
}

START_TEST(matrix_times_x_is_the_convolution_and_its_transpose_the_transposed)
{
    struct test_random random = {test_seed() + 1};
    for (int round = 0; round < 400; round++)
        check_random(&random, false);
}
END_TEST

START_TEST(matrix_of_a_transposed_convolution_times_x_is_it)
{
    struct test_random random = {test_seed() + 2};
    for (int round = 0; round < 400; round++)
        check_random(&random, true);
}
END_TEST

START_TEST(matrix_of_the_transposed_is_the_transposed_matrix)
{
    struct test_random random = {test_seed() + 3};
    for (int round = 0; round < 200; round++) {
        struct cvy_conv_problem p = problem_case_random(&random, false), back;
        p.pad_mode = CVY_PAD_CONSTANT;
        p.shuffle = 0;
        float w[9 * 3 * 64];
        test_random_fill(&random, w, sizeof(w) / sizeof(*w));
        ck_assert_int_eq(cvy_conv_transpose(&p, &back), CVY_OK);
        struct cvy_sparse_matrix *there = matrix_of(&p, w), *here = matrix_of(&back, w);
        ck_assert(there->rows == here->columns && there->columns == here->rows);
        ck_assert_uint_eq(there->entries, here->entries);
        size_t next[4096]; /* the next entry of each row of `here`; rows of `there` are walked in order */
        memcpy(next, here->row_start, here->rows * sizeof(*next));
        for (size_t row = 0; row < there->rows; row++)
            for (size_t i = there->row_start[row]; i < there->row_start[row + 1]; i++) {
                size_t twin = next[there->column[i]]++;
                ck_assert(here->column[twin] == row && here->value[twin] == there->value[i]);
            }
        cvy_sparse_matrix_destroy(&there);
        cvy_sparse_matrix_destroy(&here);
    }
}
END_TEST

START_TEST(matrix_refuses_too_many_entries)
{
    struct cvy_conv_problem p = problem_case(2, 1, 1, 4, 3);
    const float w[9] = {0};
    struct cvy_sparse_matrix *matrix = NULL;
    ck_assert_int_eq(cvy_conv_matrix_create(&matrix, &p, w, 35), CVY_ERROR_UNSUPPORTED);
    ck_assert(strstr(test_log_last(), "more than 35 entries") != NULL);
    ck_assert_int_eq(cvy_conv_matrix_create(&matrix, &p, w, 3), CVY_ERROR_UNSUPPORTED);
    ck_assert(strstr(test_log_last(), "4 rows") != NULL);
    p.in[0] = (size_t)1 << 40;
    ck_assert_int_eq(cvy_conv_matrix_create(&matrix, &p, w, 0), CVY_ERROR_UNSUPPORTED);
    p.in[0] = 30000;
    p.in[1] = 30000;
    ck_assert_int_eq(cvy_conv_matrix_create(&matrix, &p, w, 0), CVY_ERROR_UNSUPPORTED);
    p.kernel[0] = 0;
    ck_assert_int_eq(cvy_conv_matrix_create(&matrix, &p, w, 0), CVY_ERROR_INVALID);
    ck_assert_ptr_null(matrix);
    p = problem_case(2, 1, 1, 4, 3);
    ck_assert_int_eq(cvy_conv_matrix_create(&matrix, &p, w, 36), CVY_OK);
    cvy_sparse_matrix_destroy(&matrix);
    cvy_sparse_matrix_destroy(&matrix);
    cvy_sparse_matrix_destroy(NULL);
}
END_TEST

START_TEST(matrix_may_be_empty)
{
    struct cvy_conv_problem p = problem_case(1, 1, 1, 2, 1);
    const float w[] = {3}, x[] = {4, 5};
    p.transposed = true;
    p.stride[0] = 9;
    p.pad_begin[0] = 1;
    p.pad_end[0] = 4; /* y: the gap between what x[0] and x[1] reach */
    struct cvy_sparse_matrix *matrix = matrix_of(&p, w);
    float y[8];
    ck_assert(matrix->rows == 5 && matrix->entries == 0);
    test_poison(y, 5);
    cvy_sparse_matrix_multiply(matrix, false, x, y);
    for (size_t i = 0; i < 5; i++)
        ck_assert_float_eq(y[i], 0);
    cvy_sparse_matrix_destroy(&matrix);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("matrix");
    TCase *tests = tcase_create("matrix");
    tcase_add_test(tests, matrix_of_3x3_on_4x4_is_4x16);
    tcase_add_test(tests, matrix_times_x_is_the_convolution_and_its_transpose_the_transposed);
    tcase_add_test(tests, matrix_of_a_transposed_convolution_times_x_is_it);
    tcase_add_test(tests, matrix_of_the_transposed_is_the_transposed_matrix);
    tcase_add_test(tests, matrix_refuses_too_many_entries);
    tcase_add_test(tests, matrix_may_be_empty);
    suite_add_tcase(suite, tests);
    return suite;
}
