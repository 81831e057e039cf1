/* Measured choices: the search, what it keeps, and what convolutions make of it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conv_case.h"
#include "op/host_conv.h"
#include "op/problem.h"
#include "op/tune_parts.h"
#include "oracle.h"
#include "problem_case.h"
#include "runtime/device.h"
#include "runtime/quarantine.h"

static char path[64];

static void setup(void)
{
    snprintf(path, sizeof(path), "/tmp/convoy-tune-%ld.txt", (long)getpid());
    remove(path);
}

static void teardown(void)
{
    remove(path);
}

/* A device of its own, so that nothing learnt here outlives a test. */
static struct cvy_device *open_device(void)
{
    struct cvy_device *device = NULL;
    ck_assert_int_eq(cvy_device_open(&device, getenv("CVY_TEST_DEVICE")), CVY_OK);
    return device;
}

/* Small enough that launching is all that any algorithm does: none looks hopeless. */
static struct cvy_conv_problem tiny(void)
{
    return problem_case_padded(2, 2, 3, 6, 3);
}

struct watch {
    size_t calls, cancel_after; /* 0: never */
    size_t refused;
    double shortest;
};

static void watch(void *user, const struct cvy_tune_progress *progress)
{
    struct watch *seen = user;
    seen->calls++;
    seen->refused += progress->last.seconds < 0;
    ck_assert_uint_ge(progress->total, progress->done);
    ck_assert_ptr_nonnull(progress->last.algo);
}

static bool cancel(void *user)
{
    const struct watch *seen = user;
    return seen->cancel_after > 0 && seen->calls >= seen->cancel_after;
}

static struct cvy_tune_result tune(struct cvy_device *device, const struct cvy_conv_problem *p,
                                   struct watch *seen)
{
    struct cvy_tune_params params = {.progress = watch, .cancel = cancel, .user = seen};
    struct cvy_tune_result result = {0};
    ck_assert_msg(cvy_tune_conv(device, p, &params, &result) == CVY_OK, "%s", test_log_last());
    return result;
}

static const char *chosen_algo(struct cvy_device *device, const struct cvy_conv_problem *p,
                               size_t max_workspace)
{
    const struct cvy_algo *algo = NULL;
    struct cvy_algo_config config;
    ck_assert_int_eq(cvy_find_algo(device, p, NULL, max_workspace, &algo, &config), CVY_OK);
    return algo->id;
}

static size_t count_times(struct cvy_device *device)
{
    size_t count = SIZE_MAX;
    ck_assert_int_eq(cvy_tune_count(device, &count), CVY_OK);
    return count;
}

START_TEST(tuned_convolution_takes_the_fastest_and_is_right)
{
    struct test_random random = {test_seed() + 1};
    struct cvy_conv_problem p = problem_case_padded(2, test_small() ? 4 : 32, 24, test_small() ? 6 : 20, 3);
    struct watch seen = {0};
    struct cvy_tune_result result = tune(test_device(), &p, &seen);
    ck_assert(result.complete && !result.cancelled);
    ck_assert_uint_gt(result.measured, 0);
    ck_assert_ptr_nonnull(result.estimated.algo);
    ck_assert(result.best.seconds > 0 && result.best.seconds <= result.estimated.seconds);
    ck_assert_str_eq(chosen_algo(test_device(), &p, SIZE_MAX), result.best.algo);
    /* the times are those of every epilogue */
    p.bias = p.accumulate = true;
    p.activation = CVY_ACTIVATION_RELU;
    struct case_data data;
    case_data_make(&data, &p, &random);
    case_run_conv(&p, &data, NULL, 0);
    case_data_free(&data);
}
END_TEST

START_TEST(search_that_is_cancelled_goes_on_where_it_was)
{
    struct cvy_device *device = open_device();
    struct cvy_conv_problem p = tiny();
    struct watch first = {.cancel_after = 1}, second = {0}, third = {.calls = 1, .cancel_after = 1};
    struct cvy_tune_result result = tune(device, &p, &first);
    ck_assert(result.cancelled && !result.complete);
    ck_assert_uint_eq(result.measured, 1);
    ck_assert_uint_eq(count_times(device), 1);
    ck_assert_str_eq(chosen_algo(device, &p, SIZE_MAX), result.best.algo);
    result = tune(device, &p, &second);
    ck_assert(result.complete && !result.cancelled);
    ck_assert_uint_gt(result.measured, 1);
    ck_assert_uint_eq(count_times(device), result.measured);
    result = tune(device, &p, &third);
    /* nothing was left that could have been cancelled */
    ck_assert(result.complete && !result.cancelled);
    ck_assert_uint_eq(third.calls, 1);
    ck_assert_ptr_nonnull(result.best.algo);
    cvy_device_destroy(&device);
}
END_TEST

START_TEST(search_keeps_to_its_budget)
{
    struct cvy_device *device = open_device();
    struct cvy_conv_problem p = problem_case_padded(2, 16, 16, 24, 3);
    struct cvy_tune_params params = {.budget = 1e-6};
    struct cvy_tune_result result;
    cvy_tune_conv(device, &p, &params, NULL); /* whatever is measured once has been */
    double begin = cvy_now();
    ck_assert_int_eq(cvy_tune_conv(device, &p, &params, &result), CVY_OK);
    ck_assert(cvy_now() - begin < 0.05);
    ck_assert(!result.complete && !result.cancelled);
    ck_assert_uint_eq(result.measured, 0);
    ck_assert_ptr_null(result.best.algo);
    cvy_device_destroy(&device);
}
END_TEST

/* Leaves one algorithm to choose. */
static void admit_only(struct cvy_device *device, const char *id)
{
    const struct cvy_algo *algo;
    for (size_t a = 0; (algo = cvy_algo_at(a)) != NULL; a++) {
        if (strcmp(algo->id, id) != 0)
            ck_assert_int_eq(cvy_quarantine_add(device, algo->programs[0], "any", "not for this test"),
                             CVY_OK);
    }
}

START_TEST(search_refuses_what_gives_wrong_results)
{
    struct cvy_device *device = open_device();
    struct cvy_conv_problem p = tiny();
    struct watch seen = {0};
    admit_only(device, "ref");
    test_alter_kernel(device, "conv_ref", "sum += STORED_LOAD(x", "sum -= STORED_LOAD(x");
    struct cvy_tune_result result = tune(device, &p, &seen);
    ck_assert_uint_ge(result.refused, 1);
    ck_assert_uint_eq(result.refused, seen.refused);
    ck_assert_ptr_null(result.best.algo);
    /* it is not tried again, but its true source is */
    seen.calls = 0;
    tune(device, &p, &seen);
    ck_assert_uint_eq(seen.calls, 0);
    ck_assert_int_eq(cvy_device_set_kernel_source(device, "conv_ref", NULL), CVY_OK);
    result = tune(device, &p, &seen);
    ck_assert_str_eq(result.best.algo, "ref");
    cvy_device_destroy(&device);
}
END_TEST

START_TEST(search_goes_on_where_a_kernel_does_not_build)
{
    struct cvy_device *device = open_device();
    struct cvy_conv_problem p = tiny();
    struct watch seen = {0};
    char first[64];
    snprintf(first, sizeof(first), "%s", chosen_algo(device, &p, SIZE_MAX));
    ck_assert_int_eq(cvy_device_set_kernel_source(device, cvy_algo_by_name(first)->programs[0], "#error\n"),
                     CVY_OK);
    struct cvy_tune_result result = tune(device, &p, &seen);
    ck_assert_uint_ge(result.refused, 1);
    ck_assert_uint_eq(result.refused, seen.refused);
    ck_assert_ptr_nonnull(result.best.algo);
    ck_assert_str_ne(result.best.algo, first);
    ck_assert_str_ne(result.estimated.algo, first);
    cvy_device_destroy(&device);
}
END_TEST

/* Says that an algorithm, as it is by default, took so long. */
static void put_time(struct cvy_device *device, const struct cvy_conv_problem *p, const char *id,
                     double seconds)
{
    struct cvy_tuned row = {.algo = cvy_algo_by_name(id), .rounds = 3, .seconds = seconds};
    row.algo->default_config(p, device, (size_t)256 << 20, &row.config);
    ck_assert(cvy_tunedb_put(device, p, &row));
}

START_TEST(choice_follows_times_as_far_as_they_hold)
{
    struct cvy_device *device = open_device();
    struct cvy_conv_problem p = problem_case_padded(2, 24, 24, 12, 3), other = p;
    const size_t plenty = (size_t)256 << 20;
    put_time(device, &p, "im2col", 1e-6);
    put_time(device, &p, "ref", 1e-5);
    ck_assert_str_eq(chosen_algo(device, &p, plenty), "im2col");
    put_time(device, &p, "winograd", 1e-7);
    ck_assert_str_eq(chosen_algo(device, &p, plenty), "winograd");
    p.strict = true;
    ck_assert_str_eq(chosen_algo(device, &p, plenty), "im2col");
    p.strict = false;
    put_time(device, &p, "winograd", 1);
    /* ref needs no workspace and is the next best */
    ck_assert_str_eq(chosen_algo(device, &p, 4), "ref");
    put_time(device, &p, "ref", 1e-7);
    ck_assert_str_eq(chosen_algo(device, &p, plenty), "ref");
    other.in[0]++;
    ck_assert_str_ne(chosen_algo(device, &other, plenty), "ref");
    /* a kernel that has changed is another one */
    test_alter_kernel(device, "conv_ref", "sum += STORED_LOAD(x", "sum += 1 * STORED_LOAD(x");
    ck_assert_str_eq(chosen_algo(device, &p, plenty), "im2col");
    cvy_device_destroy(&device);
}
END_TEST

START_TEST(choice_ignores_configs_that_the_algorithm_does_not_have)
{
    struct cvy_device *device = open_device();
    struct cvy_conv_problem p = problem_case_padded(2, 24, 24, 12, 3);
    struct cvy_tuned row = {.algo = cvy_algo_by_name("im2col"), .rounds = 3, .seconds = 1e-9};
    put_time(device, &p, "ref", 1e-6);
    row.config.value[0] = 12345;
    row.config.value[7] = -1;
    ck_assert(cvy_tunedb_put(device, &p, &row));
    ck_assert_str_eq(chosen_algo(device, &p, SIZE_MAX), "ref");
    cvy_device_destroy(&device);
}
END_TEST

START_TEST(keys_tell_apart_what_times_differ_by)
{
    struct cvy_conv_problem p = problem_case_padded(2, 16, 16, 8, 3), q = p;
    char a[CVY_TUNEDB_KEY], b[CVY_TUNEDB_KEY];
    size_t *const fields[] = {&q.n,         &q.c,         &q.k,           &q.groups,       &q.in[1],
                              &q.kernel[0], &q.stride[1], &q.dilation[0], &q.pad_begin[1], &q.pad_end[0],
                              &q.shuffle,   &q.x_block,   &q.y_block};
    cvy_tunedb_key(&p, a, sizeof(a));
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        q = p;
        *fields[i] += 4;
        cvy_tunedb_key(&q, b, sizeof(b));
        ck_assert_msg(strcmp(a, b) != 0, "field %zu: %s", i, b);
    }
    q = p;
    q.shuffle = 1;
    q.bias = q.accumulate = true;
    q.activation = CVY_ACTIVATION_CLIP;
    q.in[2] = 77; /* beyond the rank */
    cvy_tunedb_key(&q, b, sizeof(b));
    ck_assert_str_eq(a, b);
    q.transposed = true;
    cvy_tunedb_key(&q, b, sizeof(b));
    ck_assert_str_ne(a, b);
}
END_TEST

START_TEST(configs_are_read_back_as_written)
{
    struct test_random random = {test_seed() + 2};
    for (size_t round = 0; round < 200; round++) {
        const struct cvy_algo *algo = cvy_algo_at(round % 4), *read = NULL;
        struct cvy_algo_config config = {{0}}, again = {{9}};
        for (size_t i = 0; i < test_random_range(&random, 0, 8); i++)
            config.value[i] = (int)test_random_range(&random, 0, 3000) - 1000;
        char text[160];
        cvy_tunedb_format(algo, &config, text, sizeof(text));
        ck_assert_msg(cvy_tunedb_parse(text, &read, &again), "%s", text);
        ck_assert_ptr_eq(algo, read);
        ck_assert_msg(memcmp(&config, &again, sizeof(config)) == 0, "%s", text);
    }
    const char *const bad[] = {"ref",    "ref ",    "ref x",     "ref 1,",  "ref 01",
                               "none 1", "ref 1 2", "ref 1,2.5", "ref 1,0", "ref 1,2,3,4,5,6,7,8,9"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const struct cvy_algo *algo;
        struct cvy_algo_config config;
        ck_assert_msg(!cvy_tunedb_parse(bad[i], &algo, &config), "%s", bad[i]);
    }
}
END_TEST

static void write_file(const char *text)
{
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(text, 1, strlen(text), file), strlen(text));
    fclose(file);
}

static void read_file(char *text, size_t size)
{
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
}

START_TEST(times_go_through_a_file)
{
    struct cvy_device *from = open_device(), *to = open_device();
    struct cvy_conv_problem p = problem_case_padded(2, 24, 24, 12, 3);
    char text[4000], again[4000];
    size_t count = 0;
    put_time(from, &p, "ref", 1e-9);
    put_time(from, &p, "im2col", 1e-3);
    ck_assert_int_eq(cvy_tune_export(from, path), CVY_OK);
    read_file(text, sizeof(text));
    ck_assert_msg(strncmp(text, "# convoy measured times 1\n", 26) == 0, "%s", text);
    ck_assert_str_ne(chosen_algo(to, &p, SIZE_MAX), "ref");
    ck_assert_int_eq(cvy_tune_import(to, path, &count), CVY_OK);
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(count_times(to), 2);
    ck_assert_str_eq(chosen_algo(to, &p, SIZE_MAX), "ref");
    ck_assert_int_eq(cvy_tune_export(to, path), CVY_OK);
    read_file(again, sizeof(again));
    ck_assert_str_eq(text, again);
    cvy_device_destroy(&from);
    cvy_device_destroy(&to);
}
END_TEST

START_TEST(times_measured_before_there_is_a_store_go_into_it)
{
    struct cvy_conv_problem p = problem_case_padded(2, 24, 24, 12, 3);
    struct cvy_store_params params = {.path = path};
    for (size_t i = 0; i < 2; i++) {
        struct cvy_device *device = open_device();
        if (i == 0)
            put_time(device, &p, "ref", 1e-9);
        ck_assert_int_eq(cvy_device_set_store(device, &params), CVY_OK);
        ck_assert_uint_eq(count_times(device), 1);
        ck_assert_str_eq(chosen_algo(device, &p, SIZE_MAX), "ref");
        cvy_device_destroy(&device);
    }
}
END_TEST

#define HASH "00112233445566778899aabbccddeeff"
#define OTHER "ffeeddccbbaa99887766554433221100"
#define HEADER "# convoy measured times 1\n"

START_TEST(of_two_times_the_newer_stays)
{
    struct cvy_device *device = open_device();
    char text[1000];
    const char *const newer = HASH "\tconv n1\tref 4\t" OTHER "\t2\t500\t2000\n";
    const char *const older = HASH "\tconv n1\tref 4\t" HASH "\t3\t400\t1999\n";
    const char *const orders[][2] = {{newer, older}, {older, newer}};
    for (size_t i = 0; i < 2; i++) {
        for (size_t f = 0; f < 2; f++) {
            snprintf(text, sizeof(text), HEADER "%s", orders[i][f]);
            write_file(text);
            ck_assert_msg(cvy_tune_import(device, path, NULL) == CVY_OK, "%s", test_log_last());
        }
        ck_assert_int_eq(cvy_tune_export(device, path), CVY_OK);
        read_file(text, sizeof(text));
        ck_assert_str_eq(text + strlen(HEADER), newer);
    }
    cvy_device_destroy(&device);
}
END_TEST

START_TEST(exported_lines_are_sorted_as_text)
{
    /* devices whose hashes lie in memory in the opposite order */
    static const char sorted[] = HEADER "00000000000000000000000000000001\tconv\tref 4\t" HASH "\t1\t5\t7\n"
                                        "00000000000000000000000000000100\tconv\tref 2\t" HASH "\t1\t5\t7\n"
                                        "00000000000000000000000000000100\tconv\tref 4\t" HASH "\t1\t5\t7\n";
    char text[1000];
    struct cvy_device *device = open_device();
    write_file(sorted);
    ck_assert_int_eq(cvy_tune_import(device, path, NULL), CVY_OK);
    ck_assert_int_eq(cvy_tune_export(device, path), CVY_OK);
    read_file(text, sizeof(text));
    ck_assert_str_eq(text, sorted);
    cvy_device_destroy(&device);
}
END_TEST

START_TEST(bad_files_are_refused_whole)
{
    static const struct {
        const char *text, *words;
    } files[] = {
        {"", "empty"},
        {"garbage\n", ":1: not '# convoy"},
        {"# convoy measured times 2\n", ":1: not '# convoy"},
        {HEADER HASH "\tconv\tref 4\t" OTHER "\t2\t500\n", ":2: it has fewer"},
        {HEADER HASH "\tconv\tref 4\t" OTHER "\t2\t500\t1\t1\n", ":2: it has more"},
        {HEADER HASH "\tconv\tref 4\t" OTHER "\t2\t500\t1\n\n", ":3: it has fewer"},
        {HEADER "# a remark\n" HASH "\tconv\tref 4\t" OTHER "\t2\t5e3\t1\n", ":3: the sixth field"},
        {HEADER HASH "0\tconv\tref 4\t" OTHER "\t2\t500\t1\n", ":2: the first or the fourth"},
        {HEADER HASH "g\tconv\tref 4\t" OTHER "\t2\t500\t1\n", ":2: the first or the fourth"},
        {HEADER HASH "\tconv\tref 4\tG" OTHER "\t2\t500\t1\n", ":2: the first or the fourth"},
        {HEADER HASH "\t\tref 4\t" OTHER "\t2\t500\t1\n", ":2: its problem or"},
        {HEADER HASH "\tconv\tref\033 4\t" OTHER "\t2\t500\t1\n", ":2: its problem or"},
        {HEADER HASH "\tconv\tref 4\t" OTHER "\t10\t500\t1\n", ":2: the fifth field"},
        {HEADER HASH "\tconv\tref 4\t" OTHER "\t-1\t500\t1\n", ":2: the fifth field"},
        {HEADER HASH "\tconv\tref 4\t" OTHER "\t1\t0\t1\n", ":2: the sixth field"},
        {HEADER HASH "\tconv\tref 4\t" OTHER "\t1\t99999999999999999999\t1\n", ":2: the sixth field"},
        {HEADER HASH "\tconv\tref 4\t" OTHER "\t1\t5\t\n", ":2: the seventh field"},
    };
    struct cvy_device *device = open_device();
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        write_file(files[i].text);
        test_log_clear();
        ck_assert_int_eq(cvy_tune_import(device, path, NULL), CVY_ERROR_FORMAT);
        ck_assert_msg(strstr(test_log_last(), files[i].words) != NULL, "file %zu: %s", i, test_log_last());
        ck_assert_msg(strstr(test_log_last(), path) != NULL, "%s", test_log_last());
        ck_assert_uint_eq(count_times(device), 0);
    }
    remove(path);
    ck_assert_int_eq(cvy_tune_import(device, path, NULL), CVY_ERROR_NOT_FOUND);
    ck_assert_int_ne(cvy_tune_export(device, "/nowhere/at/all.txt"), CVY_OK);
    cvy_device_destroy(&device);
}
END_TEST

START_TEST(elements_of_the_host_agree_with_the_oracle)
{
    struct test_random random = {test_seed() + 3};
    for (size_t i = 0; i < (test_small() ? 20 : 200); i++) {
        struct cvy_conv_problem p = case_random_problem(&random), p3;
        p = cvy_tune_bare(&p);
        p.x_block = 0;
        struct case_data data;
        case_data_make(&data, &p, &random);
        p3 = cvy_conv_to_3d(&p);
        size_t out[CVY_CONV_MAX_RANK];
        cvy_conv_output_sizes(&p3, out);
        for (size_t e = 0; e < data.y_count; e++) {
            size_t pixel = e % (out[0] * out[1] * out[2]), channel = e / (out[0] * out[1] * out[2]);
            size_t at[] = {pixel / out[2] / out[1], pixel / out[2] % out[1], pixel % out[2]};
            double scale,
                value = cvy_host_conv_element(&p, data.x, data.w, channel / p.k, channel % p.k, at, &scale);
            ck_assert_double_eq_tol(value, data.expected[e], 1e-9);
            ck_assert_double_eq_tol(scale, data.scale[e], 1e-9);
        }
        case_data_free(&data);
    }
}
END_TEST

static enum cvy_tune_verdict judge(struct cvy_tune_data *data, const float *y)
{
    enum cvy_tune_verdict verdict;
    ck_assert_int_eq(cvy_buffer_write(data->y_buffer, 0, data->y_count * sizeof(float), y), CVY_OK);
    ck_assert_int_eq(cvy_tune_data_judge(data, false, &verdict), CVY_OK);
    return verdict;
}

START_TEST(judge_finds_single_wrong_elements)
{
    struct test_random random = {test_seed() + 4};
    struct cvy_conv_problem p = problem_case_padded(2, 7, 9, test_small() ? 12 : 40, 3);
    struct cvy_tune_data data;
    ck_assert_int_eq(cvy_tune_data_init(&data, test_device(), &p), CVY_OK);
    double *expected = malloc(data.y_count * sizeof(double)), *scale = malloc(data.y_count * sizeof(double));
    float *y = malloc(data.y_count * sizeof(float));
    oracle_conv(&p, data.x, data.w, NULL, expected, scale);
    for (size_t i = 0; i < data.y_count; i++)
        y[i] = (float)expected[i];
    /* one wrong element may escape the first look, and is found out when a right result comes */
    size_t bad;
    do {
        bad = test_random_range(&random, 0, data.y_count - 1);
        y[bad] += 0.5f;
        if (judge(&data, y) == CVY_TUNE_RIGHT)
            break;
        y[bad] = (float)expected[bad];
    } while (true);
    y[bad] = (float)expected[bad];
    ck_assert_int_eq(judge(&data, y), CVY_TUNE_EARLIER_WRONG);
    ck_assert_int_eq(judge(&data, y), CVY_TUNE_RIGHT);
    for (size_t i = 0; i < 20; i++) {
        bad = test_random_range(&random, 0, data.y_count - 1);
        y[bad] = i % 2 ? NAN : y[bad] - 0.25f;
        ck_assert_int_eq(judge(&data, y), CVY_TUNE_WRONG);
        y[bad] = (float)expected[bad];
    }
    ck_assert_int_eq(judge(&data, y), CVY_TUNE_RIGHT);
    ck_assert_int_eq(cvy_tune_data_poison(&data), CVY_OK);
    enum cvy_tune_verdict verdict;
    ck_assert_int_eq(cvy_tune_data_judge(&data, false, &verdict), CVY_OK);
    ck_assert_int_eq(verdict, CVY_TUNE_WRONG);
    free(expected);
    free(scale);
    free(y);
    cvy_tune_data_finish(&data);
}
END_TEST

START_TEST(blocked_problems_are_tuned_too)
{
    struct cvy_device *device = open_device();
    struct cvy_conv_problem p = problem_case_padded(2, 6, 10, 6, 3);
    struct watch seen = {0};
    p.x_block = p.y_block = 4;
    struct cvy_tune_result result = tune(device, &p, &seen);
    ck_assert(result.complete);
    ck_assert_uint_eq(result.refused, 0);
    ck_assert_ptr_nonnull(result.best.algo);
    cvy_device_destroy(&device);
}
END_TEST

START_TEST(integers_and_impossible_problems_are_refused)
{
    struct cvy_conv_problem p = problem_case_padded(2, 4, 4, 6, 3);
    p.stride[0] = 0;
    ck_assert_int_eq(cvy_tune_conv(test_device(), &p, NULL, NULL), CVY_ERROR_INVALID);
    p = problem_case_padded(2, 4, 4, 6, 3);
    p.x_dtype = p.w_dtype = CVY_INT8;
    p.y_dtype = CVY_INT32;
    ck_assert_int_eq(cvy_tune_conv(test_device(), &p, NULL, NULL), CVY_ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "float32"));
    ck_assert_int_eq(cvy_tune_conv(NULL, &p, NULL, NULL), CVY_ERROR_INVALID);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("tune");
    TCase *tests = tcase_create("tune");
    tcase_set_timeout(tests, 0);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, tuned_convolution_takes_the_fastest_and_is_right);
    tcase_add_test(tests, search_that_is_cancelled_goes_on_where_it_was);
    tcase_add_test(tests, search_keeps_to_its_budget);
    tcase_add_test(tests, search_refuses_what_gives_wrong_results);
    tcase_add_test(tests, search_goes_on_where_a_kernel_does_not_build);
    tcase_add_test(tests, choice_follows_times_as_far_as_they_hold);
    tcase_add_test(tests, choice_ignores_configs_that_the_algorithm_does_not_have);
    tcase_add_test(tests, keys_tell_apart_what_times_differ_by);
    tcase_add_test(tests, configs_are_read_back_as_written);
    tcase_add_test(tests, times_go_through_a_file);
    tcase_add_test(tests, times_measured_before_there_is_a_store_go_into_it);
    tcase_add_test(tests, of_two_times_the_newer_stays);
    tcase_add_test(tests, exported_lines_are_sorted_as_text);
    tcase_add_test(tests, bad_files_are_refused_whole);
    tcase_add_test(tests, elements_of_the_host_agree_with_the_oracle);
    tcase_add_test(tests, judge_finds_single_wrong_elements);
    tcase_add_test(tests, blocked_problems_are_tuned_too);
    tcase_add_test(tests, integers_and_impossible_problems_are_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
