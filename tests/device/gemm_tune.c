#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/gemm.h"
#include "support.h"

/* Right on every device and of any CLBlast: what CLBlast itself has for devices it does not know, but one
 * value. */
static const char good[] =
    "Xgemm:GEMMK=0,KREG=1,KWG=16,KWI=2,MDIMA=4,MDIMC=4,MWG=16,NDIMB=4,NDIMC=4,NWG=16,SA=0,SB=0,STRM=0,STRN=0,"
    "VWM=2,VWN=2 GemmRoutine:XGEMM_MIN_INDIRECT_SIZE=1";
/* Vectors of three: no kernel of CLBlast compiles with them. */
static const char unbuildable[] =
    "Xgemm:GEMMK=0,KREG=1,KWG=16,KWI=2,MDIMA=1,MDIMC=1,MWG=12,NDIMB=1,NDIMC=1,NWG=12,SA=0,SB=0,STRM=0,STRN=0,"
    "VWM=3,VWN=3 GemmRoutine:XGEMM_MIN_INDIRECT_SIZE=1";

static char path[64];

static void setup(void)
{
    snprintf(path, sizeof(path), "/tmp/convoy-gemm-XXXXXX");
    int file = mkstemp(path);
    ck_assert_int_ge(file, 0);
    close(file);
}

static void teardown(void)
{
    remove(path);
}

/* Another device object of the device under test; store: with the store of this test. */
static struct cvy_device *another(bool store)
{
    struct cvy_device *device = NULL;
    struct cvy_store_params params = {.path = path};
    ck_assert_int_eq(cvy_device_adopt(&device, cvy_device_cl_context(test_device()),
                                      cvy_device_cl_id(test_device()), NULL),
                     CVY_OK);
    if (store)
        ck_assert_int_eq(cvy_device_set_store(device, &params), CVY_OK);
    return device;
}

/* A product with dimensions that no tile divides, against loops in double. */
static void multiply(struct cvy_device *device, struct test_random *r)
{
    enum { M = 37, N = 51, K = 45 };
    static float a[M * K], b[K * N], c[M * N];
    struct cvy_buffer *buffers[4] = {NULL};
    struct cvy_gemm g = {.m = M, .n = N, .k = K, .alpha = 1, .lda = K, .ldb = N, .ldc = N};
    test_random_fill(r, a, M * K);
    test_random_fill(r, b, K * N);
    test_poison(c, M * N);
    size_t bytes[4] = {sizeof(a), sizeof(b), sizeof(c), cvy_gemm_workspace(device, &g)};
    void *data[3] = {a, b, c};
    for (size_t i = 0; i < 4; i++) {
        if (bytes[i] > 0)
            ck_assert_int_eq(cvy_buffer_create(&buffers[i], device, bytes[i]), CVY_OK);
        if (i < 3)
            ck_assert_int_eq(cvy_buffer_write(buffers[i], 0, bytes[i], data[i]), CVY_OK);
    }
    g.a = buffers[0];
    g.b = buffers[1];
    g.c = buffers[2];
    ck_assert_msg(cvy_gemm_enqueue(device, &g, buffers[3], 0) == CVY_OK, "%s", test_log_last());
    ck_assert_int_eq(cvy_buffer_read(buffers[2], 0, sizeof(c), c), CVY_OK);
    for (size_t i = 0; i < M * N; i++) {
        double sum = 0;
        for (size_t l = 0; l < K; l++)
            sum += (double)a[i / N * K + l] * (double)b[l * N + i % N];
        ck_assert_msg(fabs((double)c[i] - sum) <= 1e-5 * K, "element %zu is %g, expected %g", i, (double)c[i],
                      sum);
    }
    for (size_t i = 0; i < 4; i++)
        cvy_buffer_destroy(&buffers[i]);
}

START_TEST(settings_begin_with_clblasts_own_and_end)
{
    char setting[CVY_GEMM_SETTING_BYTES], earlier[64][CVY_GEMM_SETTING_BYTES];
    size_t n = 0;
    for (; cvy_gemm_setting_at(test_device(), n, "Best:A=1", setting, sizeof(setting)); n++) {
        ck_assert_uint_lt(n, 64);
        ck_assert((n == 0) == (setting[0] == '\0'));
        for (size_t i = 0; i < n; i++)
            ck_assert_str_ne(setting, earlier[i]);
        strcpy(earlier[n], setting);
    }
    ck_assert_uint_ge(n, 10);
    ck_assert_int_eq(strncmp(earlier[n - 1], "Best:A=1 ", 9), 0);
}
END_TEST

START_TEST(text_that_is_no_setting_is_refused)
{
    static const char *const texts[] = {"Xgemm:KWG",   "Xgemm:KWG=", "Xgemm:KWG=1x",
                                        "Xgemm:KWG=1", "Magic:A=1",  "Xgemm"};
    struct cvy_device *device = another(true);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        test_log_clear();
        ck_assert_int_eq(cvy_gemm_setting_keep(device, texts[i], 1), CVY_ERROR_INVALID);
        ck_assert_int_eq(strncmp(test_log_last(), "gemm: ", 6), 0);
    }
    ck_assert_str_eq(cvy_gemm_setting_get(device, NULL), "");
    cvy_device_destroy(&device);
    device = another(true);
    ck_assert_str_eq(cvy_gemm_setting_get(device, NULL), "");
    cvy_device_destroy(&device);
}
END_TEST

START_TEST(a_setting_that_was_kept_is_in_force_with_the_same_store)
{
    struct test_random r = {test_seed() + 1};
    double gflops = 0;
    struct cvy_device *device = another(true);
    ck_assert_int_eq(cvy_gemm_setting_keep(device, good, 12.5), CVY_OK);
    ck_assert_str_eq(cvy_gemm_setting_get(device, &gflops), good);
    multiply(device, &r);
    cvy_device_destroy(&device);
    device = another(true);
    ck_assert_str_eq(cvy_gemm_setting_get(device, &gflops), good);
    ck_assert(gflops == 12.5);
    ck_assert_int_eq(cvy_gemm_setting_try(device, good, 1, &gflops), CVY_ERROR_INVALID);
    ck_assert_int_eq(cvy_gemm_setting_keep(device, "", 0), CVY_OK);
    cvy_device_destroy(&device);
    device = another(true);
    ck_assert_str_eq(cvy_gemm_setting_get(device, &gflops), "");
    ck_assert(gflops == 0);
    cvy_device_destroy(&device);
}
END_TEST

START_TEST(a_setting_that_no_longer_builds_is_dropped_and_forgotten)
{
    struct test_random r = {test_seed() + 2};
    struct cvy_device *device = another(true);
    ck_assert_int_eq(cvy_gemm_setting_keep(device, unbuildable, 99), CVY_OK);
    cvy_device_destroy(&device);
    device = another(true);
    ck_assert_str_eq(cvy_gemm_setting_get(device, NULL), unbuildable);
    multiply(device, &r);
    ck_assert_str_eq(cvy_gemm_setting_get(device, NULL), "");
    multiply(device, &r);
    cvy_device_destroy(&device);
    device = another(true);
    ck_assert_str_eq(cvy_gemm_setting_get(device, NULL), "");
    cvy_device_destroy(&device);
}
END_TEST

START_TEST(a_trial_tells_right_settings_from_others)
{
    double gflops = -1;
    struct cvy_device *device = another(false);
    test_log_clear();
    ck_assert_int_eq(cvy_gemm_setting_try(device, unbuildable, test_seed(), &gflops), CVY_ERROR_BUILD);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "CLBlast refuses the setting"));
    ck_assert(gflops == -1);
    cvy_device_destroy(&device);
    device = another(false);
    ck_assert_msg(cvy_gemm_setting_try(device, good, test_seed(), &gflops) == CVY_OK, "%s", test_log_last());
    ck_assert(gflops > 0);
    cvy_device_destroy(&device);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("gemm_tune");
    TCase *tests = tcase_create("gemm_tune");
    tcase_set_timeout(tests, 0);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, settings_begin_with_clblasts_own_and_end);
    tcase_add_test(tests, text_that_is_no_setting_is_refused);
    tcase_add_test(tests, a_setting_that_was_kept_is_in_force_with_the_same_store);
    tcase_add_test(tests, a_setting_that_no_longer_builds_is_dropped_and_forgotten);
    tcase_add_test(tests, a_trial_tells_right_settings_from_others);
    suite_add_tcase(suite, tests);
    return suite;
}
