/* What the device is found to do in a second: measured, kept, guessed where it cannot be measured. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/rates.h"
#include "runtime/store.h"
#include "support.h"

#define FIGURES 5

static char path[64];
static bool was_unsteady;

static void listen(void *user, enum cvy_log_level level, const char *message)
{
    (void)user;
    (void)level;
    was_unsteady = was_unsteady || strstr(message, "too unsteady") != NULL;
}

static void setup(void)
{
    was_unsteady = false;
    cvy_log_set_callback(listen, NULL, CVY_LOG_INFO);
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

static bool is_kept(const struct cvy_device *device)
{
    void *payload = NULL;
    size_t bytes = 0;
    struct cvy_store *store = cvy_store_open(path, 0);
    const bool found = cvy_store_get(store, cvy_rates_key(device), &payload, &bytes);
    ck_assert(!found || bytes == FIGURES * sizeof(double));
    free(payload);
    cvy_store_close(&store);
    return found;
}

START_TEST(rates_of_steady_runs_are_kept)
{
    struct cvy_device *device = open_device(true);
    ck_assert(!is_kept(device));
    ck_assert(rates_of(device).is_measured);
    ck_assert(is_kept(device) != was_unsteady);
    cvy_device_destroy(&device);
}
END_TEST

/* Opens a device whose store has these figures. */
static struct cvy_device *open_with(const double figures[FIGURES])
{
    struct cvy_device *device = open_device(false);
    struct cvy_store *store = cvy_store_open(path, 0);
    ck_assert_ptr_nonnull(store);
    cvy_store_put(store, cvy_rates_key(device), figures, FIGURES * sizeof(*figures));
    cvy_store_close(&store);
    cvy_device_destroy(&device);
    return open_device(true);
}

/* Better than measured in part. */
static const double likely[FIGURES] = {1e6, 9e13, 3e4, 2e-9, 5e-2};

START_TEST(later_processes_take_rates_from_the_store)
{
    struct cvy_device *device = open_with(likely);
    struct cvy_device_rates rates = rates_of(device);
    struct cvy_build_stats stats;
    ck_assert(equal(&rates, &(struct cvy_device_rates){true, 1e6, 9e13, 3e4, 2e-9, 5e-2}));
    cvy_device_get_build_stats(device, &stats);
    ck_assert_uint_eq(stats.compiled + stats.loaded, 0);
    cvy_device_destroy(&device);
}
END_TEST

START_TEST(measuring_again_never_makes_rates_worse)
{
    struct cvy_device *device = open_with(likely);
    struct cvy_device_rates again, known;
    ck_assert_int_eq(cvy_device_measure_rates(NULL, &again), CVY_ERROR_INVALID);
    ck_assert_int_eq(cvy_device_measure_rates(device, NULL), CVY_ERROR_INVALID);
    const struct cvy_device_rates before = rates_of(device);
    ck_assert_int_eq(cvy_device_measure_rates(device, &again), CVY_OK);
    ck_assert(again.is_measured);
    ck_assert(again.flops >= before.flops && again.memory_bytes >= before.memory_bytes);
    ck_assert(again.cache_bytes >= before.cache_bytes);
    ck_assert(again.launch_seconds <= before.launch_seconds && again.group_seconds <= before.group_seconds);
    ck_assert(!equal(&again, &before));
    /* others may be reading the figures that this device had */
    known = rates_of(device);
    ck_assert(equal(&known, &before));
    cvy_device_destroy(&device);
}
END_TEST

START_TEST(impossible_rates_in_the_store_are_measured_again)
{
    const double wrong[] = {(double)NAN, INFINITY, 0, -1, 1e30};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        double figures[FIGURES];
        struct cvy_build_stats stats;
        memcpy(figures, likely, sizeof(figures));
        figures[i] = wrong[i];
        struct cvy_device *device = open_with(figures);
        ck_assert(rates_of(device).is_measured);
        cvy_device_get_build_stats(device, &stats);
        ck_assert_uint_gt(stats.compiled + stats.loaded, 0);
        cvy_device_destroy(&device);
    }
}
END_TEST

START_TEST(rates_are_guessed_where_kernels_do_not_build_or_run)
{
    static const char *const sources[] = {
        "__kernel void multiply_add(",
        "__kernel void multiply_add(__global float *y, float a, float b, int rounds) {}\n"
        "__kernel void copy(int other_arguments) {}\n",
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
    tcase_add_test(tests, rates_of_steady_runs_are_kept);
    tcase_add_test(tests, later_processes_take_rates_from_the_store);
    tcase_add_test(tests, measuring_again_never_makes_rates_worse);
    tcase_add_test(tests, impossible_rates_in_the_store_are_measured_again);
    tcase_add_test(tests, rates_are_guessed_where_kernels_do_not_build_or_run);
    tcase_add_test(tests, rates_do_not_wait_for_the_queue);
    suite_add_tcase(suite, tests);
    return suite;
}
