#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oracle.h"
#include "problem_case.h"
#include "runtime/buffer.h"
#include "shard_case.h"

/* Devices that fail, by the layer in tests/fault, which also counts launches. */

static const struct cvy_shape shape = {4, {5, 3, 15, 15}};

static void arm(struct cvy_device *device, const char *function, size_t number, bool stays)
{
    char text[128];
    snprintf(text, sizeof(text), "%s:%zu%s@%p", function, number, stays ? "+" : "",
             (void *)cvy_device_cl_context(device));
    ck_assert_int_eq(setenv("CVY_FAULT", text, 1), 0);
}

static void disarm(void)
{
    setenv("CVY_FAULT", "", 1);
    /* the layer looks at it in the next call */
    cvy_device_finish(test_device());
}

static long fired(void)
{
    const char *text = getenv("CVY_FAULT_FIRED");
    return text != NULL ? strtol(text, NULL, 10) : 0;
}

START_TEST(the_layer_is_loaded)
{
    shard_open_pair();
    ck_assert_msg(getenv("CVY_FAULT_LAYER") != NULL, "OPENCL_LAYERS was ignored");
}
END_TEST

struct job {
    struct cvy_plan *plan;
    struct cvy_tensor x, expected;
};

static struct job begin(enum cvy_split split)
{
    struct job job = {.x = shard_input(&shape)};
    const struct cvy_plan_params params = {.split = split};
    struct cvy_plan *whole = NULL;
    shard_open_pair();
    struct cvy_graph *graph = shard_batch_network(&shape);
    ck_assert_msg(cvy_plan_create(&whole, graph, shard_pair, 1, NULL) == CVY_OK, "%s", test_log_last());
    ck_assert_int_eq(cvy_plan_run(whole, &job.x, &job.expected), CVY_OK);
    ck_assert_msg(cvy_plan_create(&job.plan, graph, shard_pair, 2, &params) == CVY_OK, "%s", test_log_last());
    cvy_graph_destroy(&graph);
    cvy_plan_destroy(&whole);
    test_log_clear();
    return job;
}

static void finish(struct job *job)
{
    cvy_plan_destroy(&job->plan);
    cvy_tensor_finish(&job->x);
    cvy_tensor_finish(&job->expected);
}

static void check_run(struct job *job, size_t warnings)
{
    struct cvy_tensor got = {0};
    ck_assert_msg(cvy_plan_run(job->plan, &job->x, &got) == CVY_OK, "%s", test_log_last());
    shard_check_equal(&got, &job->expected);
    cvy_tensor_finish(&got);
    ck_assert_uint_eq(test_log_warnings(), warnings);
    ck_assert_uint_eq(test_log_errors(), 0);
}

/* One of the calls of a run fails, and the device with it: right results, one warning, also later. */
static void check_failing(enum cvy_split split, size_t device, const char *function, size_t number,
                          bool stays)
{
    struct job job = begin(split);
    const long before = fired();
    check_run(&job, 0);
    arm(shard_pair[device], function, number, stays);
    check_run(&job, 1);
    ck_assert_msg(fired() > before, "%s was not called %zu times", function, number);
    disarm();
    check_run(&job, 1);
    finish(&job);
}

START_TEST(work_of_a_device_that_fails_is_done_by_the_other)
{
    static const char *const functions[] = {"clEnqueueNDRangeKernel", "clEnqueueWriteBuffer",
                                            "clEnqueueReadBuffer", "clWaitForEvents"};
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
        check_failing(CVY_SPLIT_BATCH, i % 2, functions[i], 1, i > 0);
    check_failing(CVY_SPLIT_BATCH, 1, "clEnqueueNDRangeKernel", 3, true);
}
END_TEST

START_TEST(so_are_its_channels_in_several_stages)
{
    for (size_t device = 0; device < 2; device++)
        check_failing(CVY_SPLIT_CHANNELS, device, "clEnqueueNDRangeKernel", 1 + device, true);
}
END_TEST

START_TEST(when_every_device_fails_the_run_does)
{
    struct job job = begin(CVY_SPLIT_BATCH);
    struct cvy_tensor got = {0};
    arm(shard_pair[0], "clEnqueueNDRangeKernel", 1, true);
    check_run(&job, 1);
    arm(shard_pair[1], "clEnqueueNDRangeKernel", 2, true);
    ck_assert_int_eq(cvy_plan_run(job.plan, &job.x, &got), CVY_ERROR_DEVICE);
    ck_assert_ptr_null(got.data);
    ck_assert_uint_eq(test_log_errors(), 1);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "every device has failed"));
    disarm();
    finish(&job);
}
END_TEST

START_TEST(a_device_that_fails_at_once_makes_no_plan)
{
    struct cvy_plan *plan = NULL;
    /* left to itself the plan may do without the device */
    const struct cvy_plan_params params = {.split = CVY_SPLIT_BATCH};
    shard_open_pair();
    struct cvy_graph *graph = shard_batch_network(&shape);
    test_log_clear();
    arm(shard_pair[1], "clEnqueueWriteBuffer", 1, true);
    ck_assert_int_ne(cvy_plan_create(&plan, graph, shard_pair, 2, &params), CVY_OK);
    ck_assert_ptr_null(plan);
    ck_assert_uint_ge(test_log_errors(), 1);
    disarm();
    ck_assert_msg(cvy_plan_create(&plan, graph, shard_pair, 2, &params) == CVY_OK, "%s", test_log_last());
    cvy_plan_destroy(&plan);
    cvy_graph_destroy(&graph);
}
END_TEST

/* Launches of three runs of a convolution, whose result is checked. */
static long count_launches(const struct cvy_conv_problem *p, const char *algo, const float *x, const float *w,
                           const double *expected, size_t elements)
{
    struct cvy_device *device = shard_pair[0];
    struct cvy_conv *conv = NULL;
    struct cvy_buffer *in = NULL, *out = NULL;
    const struct cvy_conv_params params = {.algo = algo};
    static float y[1 << 14];
    size_t bytes;
    ck_assert_int_eq(cvy_conv_x_bytes(p, &bytes), CVY_OK);
    ck_assert_msg(cvy_conv_create(&conv, device, p, w, NULL, &params) == CVY_OK, "%s", test_log_last());
    ck_assert_int_eq(cvy_buffer_upload(&in, device, bytes, x), CVY_OK);
    test_poison(y, elements);
    ck_assert_int_eq(cvy_buffer_upload(&out, device, elements * sizeof(float), y), CVY_OK);
    setenv("CVY_FAULT_CALLS", "0", 1);
    disarm();
    arm(device, "clEnqueueNDRangeKernel", 1000000, false);
    for (int i = 0; i < 3; i++)
        ck_assert_msg(cvy_conv_enqueue(conv, in, out, NULL, 0, NULL) == CVY_OK, "%s", test_log_last());
    ck_assert_int_eq(cvy_device_finish(device), CVY_OK);
    const long calls = strtol(getenv("CVY_FAULT_CALLS"), NULL, 10);
    disarm();
    ck_assert_int_eq(cvy_buffer_read(out, 0, elements * sizeof(float), y), CVY_OK);
    for (size_t i = 0; i < elements; i++)
        ck_assert_msg(fabs(y[i] - expected[i]) <= 1e-3 * (1 + fabs(expected[i])),
                      "%s: element %zu: %g, not %g", algo, i, (double)y[i], expected[i]);
    cvy_buffer_destroy(&in);
    cvy_buffer_destroy(&out);
    cvy_conv_destroy(&conv);
    return calls;
}

/* Every algorithm, with its launches whole and cut. */
static void check_cut(struct cvy_conv_problem p)
{
    static float x[1 << 14], w[1 << 14];
    static double expected[1 << 14];
    struct test_random random = {test_seed()};
    struct cvy_shape y;
    size_t elements, cut = 0;
    test_random_fill(&random, x, sizeof(x) / sizeof(x[0]));
    test_random_fill(&random, w, sizeof(w) / sizeof(w[0]));
    ck_assert_int_eq(cvy_conv_y_shape(&p, &y), CVY_OK);
    ck_assert_int_eq(cvy_shape_elements(&y, &elements), CVY_OK);
    oracle_conv(&p, x, w, NULL, expected, NULL);
    for (size_t i = 0; cvy_conv_algo_name(i) != NULL; i++) {
        const char *algo = cvy_conv_algo_name(i);
        if (!cvy_conv_algo_applies(shard_pair[0], &p, algo, NULL, 0))
            continue;
        cvy_device_set_max_launch(shard_pair[0], 0);
        const long whole = count_launches(&p, algo, x, w, expected, elements);
        cvy_device_set_max_launch(shard_pair[0], 1e-4);
        ck_assert_double_eq_tol(cvy_device_get_max_launch(shard_pair[0]), 1e-4, 1e-12);
        const long pieces = count_launches(&p, algo, x, w, expected, elements);
        cvy_device_set_max_launch(shard_pair[0], 0);
        ck_assert_int_ge(pieces, whole);
        cut += pieces > whole;
    }
    ck_assert_uint_ge(cut, 1);
}

START_TEST(long_launches_are_cut)
{
    shard_open_pair();
    struct cvy_conv_problem p = problem_case_padded(2, 16, 32, 12, 3);
    p.n = 2;
    check_cut(p);
    p.kernel[0] = p.kernel[1] = 1;
    p.pad_begin[0] = p.pad_begin[1] = p.pad_end[0] = p.pad_end[1] = 0;
    check_cut(p);
    p = problem_case_padded(2, 16, 16, 12, 3);
    p.groups = 16;
    check_cut(p);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("devices that fail");
    TCase *tests = tcase_create("fault");
    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, the_layer_is_loaded);
    tcase_add_test(tests, work_of_a_device_that_fails_is_done_by_the_other);
    tcase_add_test(tests, so_are_its_channels_in_several_stages);
    tcase_add_test(tests, when_every_device_fails_the_run_does);
    tcase_add_test(tests, a_device_that_fails_at_once_makes_no_plan);
    tcase_add_test(tests, long_launches_are_cut);
    suite_add_tcase(suite, tests);
    return suite;
}
