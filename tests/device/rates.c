/* What the device is found to do in a second: measured, kept, guessed where it cannot be measured. */
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/store.h"
#include "support.h"

#define FIGURES 5

static char path[64];

static void setup(void)
{
    snprintf(path, sizeof(path), "/tmp/convoy-rates-XXXXXX");
    int file = mkstemp(path);
    ck_assert_int_ge(file, 0);
    close(file);
    unlink(path);
}

static void teardown(void)
{
    unlink(path);
}

static struct cvy_device *open_device(bool with_store)
{
    struct cvy_device *device = NULL;
    ck_assert_int_eq(cvy_device_open(&device, getenv("CVY_TEST_DEVICE")), CVY_OK);
    if (with_store)
        ck_assert_int_eq(cvy_device_set_store(device, &(struct cvy_store_params){.path = path}), CVY_OK);
    return device;
}

static struct cvy_device_rates rates_of(struct cvy_device *device)
{
    struct cvy_device_rates rates;
    memset(&rates, 0xaa, sizeof(rates));
    ck_assert_int_eq(cvy_device_get_rates(device, &rates), CVY_OK);
    ck_assert(rates.flops > 0 && isfinite(rates.flops));
    ck_assert(rates.memory_bytes > 0 && isfinite(rates.memory_bytes));
    ck_assert(rates.cache_bytes > 0 && isfinite(rates.cache_bytes));
    ck_assert(rates.launch_seconds > 0 && rates.launch_seconds < 1);
    ck_assert(rates.group_seconds > 0 && rates.group_seconds < 1);
    return rates;
}

/* In a process, or as good as one. */
static struct cvy_device_rates rates_with_store(struct cvy_build_stats *stats)
{
    struct cvy_device *device = open_device(true);
    struct cvy_device_rates rates = rates_of(device);
    cvy_device_get_build_stats(device, stats);
    cvy_device_destroy(&device);
    return rates;
}

static bool equal(const struct cvy_device_rates *a, const struct cvy_device_rates *b)
{
    return a->is_measured == b->is_measured && a->flops == b->flops && a->memory_bytes == b->memory_bytes &&
           a->cache_bytes == b->cache_bytes && a->launch_seconds == b->launch_seconds &&
           a->group_seconds == b->group_seconds;
}

START_TEST(rates_are_measured_once_for_a_device)
{
    struct cvy_device *device = open_device(false);
    struct cvy_device_rates first = rates_of(device), second = rates_of(device);
    ck_assert(first.is_measured);
    ck_assert(equal(&first, &second));
    /* several times more than any device has, several times less than an interpreter */
    const struct cvy_device_info *info = cvy_device_get_info(device);
    ck_assert(first.flops < 1e14 * (double)info->compute_units && first.flops > 1e4);
    ck_assert(first.memory_bytes < 1e14 && first.memory_bytes > 1e4);
    cvy_device_destroy(&device);
}
END_TEST

START_TEST(rates_need_a_device_and_a_place)
{
    struct cvy_device *device = open_device(false);
    struct cvy_device_rates rates;
    ck_assert_int_eq(cvy_device_get_rates(NULL, &rates), CVY_ERROR_INVALID);
    ck_assert_int_eq(cvy_device_get_rates(device, NULL), CVY_ERROR_INVALID);
    cvy_device_destroy(&device);
}
END_TEST

/* Figures of unsteady runs are not kept: a few tries on a machine where others work too. */
static struct cvy_device_rates keep_rates(void)
{
    struct cvy_build_stats stats;
    for (int i = 0; i < 20; i++) {
        struct cvy_device_rates first = rates_with_store(&stats), second = rates_with_store(&stats);
        if (equal(&first, &second)) {
            ck_assert_uint_eq(stats.compiled + stats.loaded, 0);
            return first;
        }
    }
    ck_abort_msg("the rates were not kept");
}

START_TEST(later_processes_take_rates_from_the_store)
{
    ck_assert(keep_rates().is_measured);
}
END_TEST

static struct cvy_hash stored_key(void)
{
    struct cvy_hash key = {0, 0};
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(
        sqlite3_prepare_v2(db, "SELECT key FROM program WHERE length(payload)=?1", -1, &statement, NULL),
        SQLITE_OK);
    sqlite3_bind_int64(statement, 1, FIGURES * sizeof(double));
    ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
    ck_assert_int_eq(sqlite3_column_bytes(statement, 0), sizeof(key));
    memcpy(&key, sqlite3_column_blob(statement, 0), sizeof(key));
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return key;
}

START_TEST(impossible_rates_in_the_store_are_measured_again)
{
    const double wrong[] = {(double)NAN, INFINITY, 0, -1, 1e30};
    const struct cvy_device_rates right = keep_rates();
    const struct cvy_hash key = stored_key();
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        double figures[FIGURES] = {right.flops, right.memory_bytes, right.cache_bytes, right.launch_seconds,
                                   right.group_seconds};
        figures[i] = wrong[i];
        struct cvy_store *store = cvy_store_open(path, 0);
        cvy_store_put(store, key, figures, sizeof(figures));
        cvy_store_close(&store);
        struct cvy_build_stats stats;
        ck_assert(rates_with_store(&stats).is_measured);
        ck_assert_uint_gt(stats.compiled + stats.loaded, 0);
    }
}
END_TEST

START_TEST(rates_are_guessed_where_kernels_do_not_build_or_do_nothing)
{
    static const char *const sources[] = {
        "__kernel void multiply_add(",
        "__kernel void multiply_add(__global float *y, float a, float b, int rounds) {}\n"
        "__kernel void copy(__global float *x, __global float *y, int piece, int rounds) {}\n"
        "__kernel void nothing(__global float *y, int never) {}\n",
    };
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        struct cvy_device *device = open_device(false);
        ck_assert_int_eq(cvy_device_set_kernel_source(device, "rates", sources[i]), CVY_OK);
        struct cvy_device_rates rates = rates_of(device);
        ck_assert(!rates.is_measured);
        ck_assert(rates.flops > 1e8 && rates.memory_bytes > 1e8);
        cvy_device_destroy(&device);
    }
}
END_TEST

START_TEST(rates_do_not_wait_for_the_queue)
{
    struct cvy_device *device = open_device(false);
    cl_int error;
    cl_event gate = clCreateUserEvent(cvy_device_cl_context(device), &error);
    ck_assert_int_eq(error, CL_SUCCESS);
    ck_assert_int_eq(clEnqueueBarrierWithWaitList(cvy_device_cl_queue(device), 1, &gate, NULL), CL_SUCCESS);
    ck_assert(rates_of(device).is_measured);
    ck_assert_int_eq(clSetUserEventStatus(gate, CL_COMPLETE), CL_SUCCESS);
    ck_assert_int_eq(cvy_device_finish(device), CVY_OK);
    clReleaseEvent(gate);
    cvy_device_destroy(&device);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("rates");
    TCase *tests = tcase_create("rates");
    tcase_set_timeout(tests, 0);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, rates_are_measured_once_for_a_device);
    tcase_add_test(tests, rates_need_a_device_and_a_place);
    tcase_add_test(tests, later_processes_take_rates_from_the_store);
    tcase_add_test(tests, impossible_rates_in_the_store_are_measured_again);
    tcase_add_test(tests, rates_are_guessed_where_kernels_do_not_build_or_do_nothing);
    tcase_add_test(tests, rates_do_not_wait_for_the_queue);
    suite_add_tcase(suite, tests);
    return suite;
}
