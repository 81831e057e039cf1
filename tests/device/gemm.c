#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/device.h"
#include "runtime/gemm.h"
#include "support.h"

/* What one random problem needs on the host. */
struct gemm_case {
    struct cvy_gemm g;
    float *a, *b, *c, *expect;
    size_t a_count, b_count, c_count;
    struct cvy_buffer *a_buffer, *b_buffer, *c_buffer;
};

static float *fill(struct test_random *r, size_t count)
{
    float *data = malloc(count * sizeof(*data));
    ck_assert_ptr_nonnull(data);
    test_random_fill(r, data, count);
    return data;
}

static struct cvy_buffer *upload(const float *data, size_t count)
{
    struct cvy_buffer *buffer = NULL;
    ck_assert_int_eq(cvy_buffer_create(&buffer, test_device(), count * sizeof(*data)), CVY_OK);
    ck_assert_int_eq(cvy_buffer_write(buffer, 0, count * sizeof(*data), data), CVY_OK);
    return buffer;
}

static void expect(struct gemm_case *t)
{
    const struct cvy_gemm *g = &t->g;
    for (size_t i = 0; i < t->c_count; i++)
        t->expect[i] = t->c[i];
    for (size_t i = 0; i < g->m; i++) {
        for (size_t j = 0; j < g->n; j++) {
            double sum = 0;
            for (size_t p = 0; p < g->k; p++) {
                size_t ai = g->transpose_a ? p * g->lda + i : i * g->lda + p;
                size_t bi = g->transpose_b ? j * g->ldb + p : p * g->ldb + j;
                sum += (double)t->a[g->a_offset + ai] * (double)t->b[g->b_offset + bi];
            }
            float *c = &t->expect[g->c_offset + i * g->ldc + j];
            *c = (float)(g->alpha * sum + (g->beta != 0 ? (double)g->beta * (double)*c : 0));
        }
    }
}

static void begin(struct gemm_case *t, struct test_random *r, size_t most)
{
    struct cvy_gemm *g = &t->g;
    g->transpose_a = test_random_range(r, 0, 1);
    g->transpose_b = test_random_range(r, 0, 1);
    g->m = test_random_range(r, 1, most);
    g->n = test_random_range(r, 1, most);
    g->k = test_random_range(r, 1, most);
    g->alpha = test_random_float(r) + 1.5f;
    g->beta = test_random_range(r, 0, 1) ? test_random_float(r) : 0.0f;
    size_t gap = test_random_range(r, 0, 3);
    g->a_offset = test_random_range(r, 0, 5);
    g->b_offset = test_random_range(r, 0, 5);
    g->c_offset = test_random_range(r, 0, 5);
    g->lda = (g->transpose_a ? g->m : g->k) + gap;
    g->ldb = (g->transpose_b ? g->k : g->n) + gap;
    g->ldc = g->n + gap;
    t->a_count = g->a_offset + g->lda * (g->transpose_a ? g->k : g->m);
    t->b_count = g->b_offset + g->ldb * (g->transpose_b ? g->n : g->k);
    t->c_count = g->c_offset + g->ldc * g->m;
    t->a = fill(r, t->a_count);
    t->b = fill(r, t->b_count);
    t->c = fill(r, t->c_count);
    t->expect = fill(r, t->c_count);
    if (g->beta == 0.0f)
        test_poison(t->c, t->c_count);
    g->a = t->a_buffer = upload(t->a, t->a_count);
    g->b = t->b_buffer = upload(t->b, t->b_count);
    g->c = t->c_buffer = upload(t->c, t->c_count);
    expect(t);
}

/* Also what lies between the rows of C must be as before. */
static void finish(struct gemm_case *t)
{
    const struct cvy_gemm *g = &t->g;
    ck_assert_int_eq(cvy_buffer_read(t->c_buffer, 0, t->c_count * sizeof(float), t->c), CVY_OK);
    for (size_t i = 0; i < t->c_count; i++) {
        if (isnan(t->expect[i]) && isnan(t->c[i]))
            continue;
        double error = fabs((double)t->c[i] - (double)t->expect[i]);
        ck_assert_msg(
            error <= 1e-5 * (double)(g->k + 8),
            "m %zu n %zu k %zu ta %d tb %d offsets %zu %zu %zu ld %zu %zu %zu beta %g: element %zu is %g, "
            "expected %g",
            g->m, g->n, g->k, g->transpose_a, g->transpose_b, g->a_offset, g->b_offset, g->c_offset, g->lda,
            g->ldb, g->ldc, (double)g->beta, i, (double)t->c[i], (double)t->expect[i]);
    }
    cvy_buffer_destroy(&t->a_buffer);
    cvy_buffer_destroy(&t->b_buffer);
    cvy_buffer_destroy(&t->c_buffer);
    free(t->a);
    free(t->b);
    free(t->c);
    free(t->expect);
}

static void run_clblast(struct gemm_case *t, size_t temporary_offset)
{
    struct cvy_buffer *temporary = NULL;
    size_t bytes = cvy_gemm_workspace(test_device(), &t->g);
    if (bytes > 0) {
        ck_assert_int_eq(cvy_buffer_create(&temporary, test_device(), bytes + temporary_offset), CVY_OK);
    }
    ck_assert_msg(cvy_gemm_enqueue(test_device(), &t->g, temporary, temporary_offset) == CVY_OK, "%s",
                  test_log_last());
    cvy_buffer_destroy(&temporary);
}

START_TEST(gemm_of_our_own_agrees_with_double_loops)
{
    struct test_random r = {test_seed() + 1};
    for (size_t i = 0; i < (test_small() ? 3 : 60); i++) {
        struct gemm_case t = {0};
        begin(&t, &r, i % 2 ? 90 : 9);
        ck_assert_int_eq(cvy_gemm_enqueue_plain(test_device(), &t.g), CVY_OK);
        finish(&t);
    }
}
END_TEST

START_TEST(gemm_agrees_with_double_loops)
{
    struct test_random r = {test_seed() + 2};
    for (size_t i = 0; i < (test_small() ? 2 : 30); i++) {
        struct gemm_case t = {0};
        begin(&t, &r, i % 2 ? 130 : 17);
        run_clblast(&t, 0);
        finish(&t);
    }
}
END_TEST

START_TEST(gemm_too_large_for_the_direct_kernel_uses_temporary_memory_at_an_offset)
{
    struct test_random r = {test_seed() + 3};
    if (test_small())
        return;
    struct gemm_case big = {
        .g = {.m = 150, .n = 3000, .k = 130, .alpha = 1, .lda = 130, .ldb = 3000, .ldc = 3000}};
    big.a = fill(&r, big.a_count = 150 * 130);
    big.b = fill(&r, big.b_count = 130 * 3000);
    big.c = fill(&r, big.c_count = 150 * 3000);
    big.expect = fill(&r, big.c_count);
    test_poison(big.c, big.c_count);
    big.g.a = big.a_buffer = upload(big.a, big.a_count);
    big.g.b = big.b_buffer = upload(big.b, big.b_count);
    big.g.c = big.c_buffer = upload(big.c, big.c_count);
    expect(&big);
    run_clblast(&big, 12);
    finish(&big);
}
END_TEST

START_TEST(gemm_without_an_inner_dimension_scales_c)
{
    struct test_random r = {test_seed() + 4};
    for (int which = 0; which < 2; which++) {
        struct gemm_case t = {.g = {.m = 5, .n = 7, .k = 0, .alpha = 1, .beta = 0.5f, .ldc = 7}};
        t.c = fill(&r, t.c_count = 35);
        t.expect = fill(&r, 35);
        t.g.c = t.c_buffer = upload(t.c, 35);
        expect(&t);
        enum cvy_status status = which ? cvy_gemm_enqueue(test_device(), &t.g, NULL, 0)
                                       : cvy_gemm_enqueue_plain(test_device(), &t.g);
        ck_assert_msg(status == CVY_OK, "%s", test_log_last());
        finish(&t);
    }
}
END_TEST

START_TEST(gemm_that_clblast_refused_goes_to_our_own_kernel)
{
    struct test_random r = {test_seed() + 5};
    struct gemm_case t = {0};
    struct cvy_device *device = test_device();
    begin(&t, &r, 40);
    bool refused = device->clblast_refused;
    device->clblast_refused = true;
    size_t workspace = cvy_gemm_workspace(device, &t.g);
    enum cvy_status status = cvy_gemm_enqueue(device, &t.g, NULL, 0);
    device->clblast_refused = refused;
    ck_assert_uint_eq(workspace, 0);
    ck_assert_msg(status == CVY_OK, "%s", test_log_last());
    finish(&t);
}
END_TEST

START_TEST(gemm_of_no_rows_does_nothing)
{
    struct cvy_gemm g = {.m = 0, .n = 4, .k = 4};
    ck_assert_int_eq(cvy_gemm_enqueue(test_device(), &g, NULL, 0), CVY_OK);
    ck_assert_uint_eq(cvy_gemm_workspace(test_device(), &g), 0);
}
END_TEST

START_TEST(gemm_rejects_a_matrix_that_leaves_its_buffer)
{
    struct cvy_buffer *buffer = NULL;
    ck_assert_int_eq(cvy_buffer_create(&buffer, test_device(), 64 * sizeof(float)), CVY_OK);
    struct cvy_gemm g = {.m = 8,
                         .n = 8,
                         .k = 8,
                         .a = buffer,
                         .b = buffer,
                         .c = buffer,
                         .lda = 8,
                         .ldb = 8,
                         .ldc = 8,
                         .b_offset = 1};
    test_log_clear();
    ck_assert_int_eq(cvy_gemm_enqueue(test_device(), &g, NULL, 0), CVY_ERROR_INVALID);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "gemm: B ends at byte 260"));
    g.b_offset = 0;
    g.ldc = 7;
    ck_assert_int_eq(cvy_gemm_enqueue_plain(test_device(), &g), CVY_ERROR_INVALID);
    cvy_buffer_destroy(&buffer);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("gemm");
    TCase *tests = tcase_create("gemm");
    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, gemm_of_our_own_agrees_with_double_loops);
    tcase_add_test(tests, gemm_agrees_with_double_loops);
    tcase_add_test(tests, gemm_too_large_for_the_direct_kernel_uses_temporary_memory_at_an_offset);
    tcase_add_test(tests, gemm_without_an_inner_dimension_scales_c);
    tcase_add_test(tests, gemm_that_clblast_refused_goes_to_our_own_kernel);
    tcase_add_test(tests, gemm_of_no_rows_does_nothing);
    tcase_add_test(tests, gemm_rejects_a_matrix_that_leaves_its_buffer);
    suite_add_tcase(suite, tests);
    return suite;
}
