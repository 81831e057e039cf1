#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conv_case.h"
#include "oracle.h"
#include "problem_case.h"
#include "runtime/device.h"
#include "runtime/device_part.h"
#include "runtime/team.h"

/* Parts of a device as devices of their own, and devices that share cores. */

static const char *whole(void)
{
    static char selector[64];
    snprintf(selector, sizeof(selector), "%s", cvy_device_get_info(test_device())->selector);
    return selector;
}

static enum cvy_status open_part(struct cvy_device **device, size_t part, size_t parts)
{
    char selector[128];
    snprintf(selector, sizeof(selector), "%s/%zuof%zu", whole(), part, parts);
    return cvy_device_open(device, selector);
}

static bool divides(void)
{
    const struct cvy_device_info *info = cvy_device_get_info(test_device());
    return info->compute_units >= 2 && cvy_device_divides(cvy_device_cl_id(test_device()));
}

static void check_conv(struct cvy_device *device)
{
    struct test_random random = {test_seed()};
    struct cvy_conv_problem p = problem_case_padded(2, 8, 16, 9, 3);
    static float x[8 * 81], w[16 * 8 * 9], y[16 * 81];
    static double expected[16 * 81];
    test_random_fill(&random, x, 8 * 81);
    test_random_fill(&random, w, 16 * 8 * 9);
    test_poison(y, 16 * 81);
    oracle_conv(&p, x, w, NULL, expected, NULL);
    ck_assert_msg(cvy_conv_run(device, &p, x, w, NULL, y, NULL, NULL) == CVY_OK, "%s", test_log_last());
    for (size_t i = 0; i < 16 * 81; i++)
        ck_assert_double_eq_tol(y[i], expected[i], 1e-3);
}

START_TEST(halves_of_a_device_are_devices)
{
    struct cvy_device *first = NULL, *second = NULL;
    char selector[128];
    if (!divides()) {
        ck_assert_int_eq(open_part(&first, 1, 2), CVY_ERROR_UNSUPPORTED);
        ck_assert_ptr_null(first);
        ck_assert_ptr_nonnull(strstr(test_log_last(), "whole"));
        return;
    }
    ck_assert_msg(open_part(&first, 1, 2) == CVY_OK, "%s", test_log_last());
    ck_assert_msg(open_part(&second, 2, 2) == CVY_OK, "%s", test_log_last());
    const struct cvy_device_info *info = cvy_device_get_info(second);
    ck_assert_uint_eq(info->compute_units, cvy_device_get_info(test_device())->compute_units / 2);
    snprintf(selector, sizeof(selector), "%s/2of2", whole());
    ck_assert_str_eq(info->selector, selector);
    ck_assert(!cvy_cores_meet(&first->cores, &second->cores));
    ck_assert(cvy_cores_meet(&first->cores, &test_device()->cores));
    check_conv(first);
    check_conv(second);
    cvy_device_destroy(&first);
    check_conv(second);
    cvy_device_destroy(&second);
}
END_TEST

START_TEST(parts_that_are_none_are_refused)
{
    static const char *const ends[] = {"0of2", "3of2", "1of", "1o2", "1of2of3", "2of1", "1of99999"};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        struct cvy_device *device = NULL;
        char selector[128];
        snprintf(selector, sizeof(selector), "%s/%s", whole(), ends[i]);
        test_log_clear();
        ck_assert_int_ne(cvy_device_open(&device, selector), CVY_OK);
        ck_assert_ptr_null(device);
        ck_assert_msg(test_log_last()[0] != '\0', "%s", selector);
    }
}
END_TEST

/* What was learnt of a whole device is not true of a part. */
START_TEST(a_part_is_known_by_another_identity)
{
    struct cvy_device *first = NULL, *second = NULL;
    if (!divides())
        return;
    ck_assert_int_eq(open_part(&first, 1, 2), CVY_OK);
    ck_assert_int_eq(open_part(&second, 2, 2), CVY_OK);
    ck_assert(!cvy_hash_equal(cvy_device_identity(first), cvy_device_identity(test_device())));
    ck_assert(cvy_hash_equal(cvy_device_identity(first), cvy_device_identity(second)));
    cvy_device_destroy(&first);
    cvy_device_destroy(&second);
}
END_TEST

/* Every device of the platform, as far as they are on the same cores: two teams could wait for ever. */
START_TEST(devices_on_the_same_cores_have_one_team)
{
    struct cvy_platform_list *list = NULL;
    struct cvy_device *devices[8];
    size_t n = 0, teams = 0;
    ck_assert_int_eq(cvy_platform_list_create(&list), CVY_OK);
    for (size_t i = 0; i < list->n_platforms; i++) {
        for (size_t j = 0; j < list->platforms[i].n_devices && n < 8; j++)
            n += cvy_device_open(&devices[n], list->platforms[i].devices[j].selector) == CVY_OK;
    }
    for (size_t i = 0; i < n; i++)
        teams += cvy_team_size(devices[i]) > 1;
    for (size_t i = 0; i < n; i++)
        check_conv(devices[i]);
    ck_assert_uint_le(teams, 1);
    for (size_t i = 0; i < n; i++)
        cvy_device_destroy(&devices[i]);
    cvy_platform_list_destroy(&list);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("parts of devices");
    TCase *tests = tcase_create("parts");
    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, halves_of_a_device_are_devices);
    tcase_add_test(tests, parts_that_are_none_are_refused);
    tcase_add_test(tests, a_part_is_known_by_another_identity);
    tcase_add_test(tests, devices_on_the_same_cores_have_one_team);
    suite_add_tcase(suite, tests);
    return suite;
}
