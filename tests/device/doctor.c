/* The doctor on the device under test: it finds the true kernels right and altered ones wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "op/algo.h"
#include "op/operator.h"
#include "problem_case.h"
#include "runtime/gemm.h"
#include "runtime/launch.h"
#include "runtime/quarantine.h"
#include "runtime/source.h"
#include "runtime/store.h"
#include "support.h"

static char store_path[64];

/* A device of its own, so that nothing found here outlives a test. */
static struct cvy_device *open_device(const char *store)
{
    struct cvy_device *device = NULL;
    ck_assert_int_eq(cvy_device_open(&device, getenv("CVY_TEST_DEVICE")), CVY_OK);
    struct cvy_store_params params = {.path = store};
    if (store != NULL)
        ck_assert_int_eq(cvy_device_set_store(device, &params), CVY_OK);
    return device;
}

static void setup(void)
{
    snprintf(store_path, sizeof(store_path), "/tmp/convoy-doctor-%ld.db", (long)getpid());
    remove(store_path);
}

static void teardown(void)
{
    remove(store_path);
}

/* What is asked of one kernel's report, and the totals. */
struct seen {
    const char *program, *kernel;
    struct cvy_doctor_report report; /* program NULL: it did not come */
    char detail[512];
    size_t reports, bad, not_tried, cpu_not_tried;
};

static void take(void *user, const struct cvy_doctor_report *report)
{
    struct seen *seen = user;
    bool is_bad = report->verdict != CVY_VERDICT_RIGHT && report->verdict != CVY_VERDICT_NOT_TRIED;
    seen->reports++;
    seen->bad += is_bad;
    seen->not_tried += report->verdict == CVY_VERDICT_NOT_TRIED;
    /* what keeps tiles in local memory that is a CPU's cache, and what reads memory as one core does best */
    bool is_for_cpus = strcmp(report->program, "conv_separable") == 0 ||
                       strcmp(report->kernel, "winograd_fused") == 0 ||
                       strcmp(report->kernel, "lane_gemm") == 0;
    seen->cpu_not_tried += report->verdict == CVY_VERDICT_NOT_TRIED && is_for_cpus;
    if (report->verdict != CVY_VERDICT_RIGHT)
        printf("%s %s: %s: %s\n", report->program, report->kernel, cvy_verdict_name(report->verdict),
               report->detail);
    if (seen->program != NULL && strcmp(report->program, seen->program) == 0 &&
        strcmp(report->kernel, seen->kernel) == 0) {
        seen->report = *report;
        snprintf(seen->detail, sizeof(seen->detail), "%s", report->detail);
    }
}

static size_t examine_as(struct cvy_device *device, struct seen *seen, struct cvy_doctor_params params)
{
    size_t wrong = SIZE_MAX;
    params.seed = test_seed();
    params.report = take;
    params.user = seen;
    ck_assert_msg(cvy_doctor_run(device, &params, &wrong) == CVY_OK, "%s", test_log_last());
    ck_assert_uint_eq(wrong, seen->bad);
    if (seen->program != NULL)
        ck_assert_ptr_nonnull(seen->report.program);
    return wrong;
}

static size_t examine(struct cvy_device *device, struct seen *seen, const char *program, const char *kernel)
{
    *seen = (struct seen){.program = program, .kernel = kernel};
    return examine_as(device, seen, (struct cvy_doctor_params){.quick = true, .program = program});
}

/* y of ones: 9 everywhere where the algorithm is right. */
static enum cvy_status run_conv(struct cvy_device *device, const char *algo, const char **used)
{
    float x[25], w[9], y[9];
    struct cvy_conv_problem p = problem_case(2, 1, 1, 5, 3);
    struct cvy_conv_params params = {.algo = algo};
    for (size_t i = 0; i < 25; i++)
        x[i] = 1;
    for (size_t i = 0; i < 9; i++)
        w[i] = 1;
    test_poison(y, 9);
    enum cvy_status status = cvy_conv_run(device, &p, x, w, NULL, y, &params, used);
    for (size_t i = 0; status == CVY_OK && i < 9; i++)
        ck_assert_msg(y[i] > 8.99f && y[i] < 9.01f, "%s: y[%zu] is %g", *used, i, (double)y[i]);
    return status;
}

START_TEST(every_kernel_is_right_and_tried)
{
    struct cvy_device *device = open_device(NULL);
    struct seen seen = {0};
    ck_assert_uint_eq(examine_as(device, &seen, (struct cvy_doctor_params){.quick = true}), 0);
    ck_assert_uint_eq(seen.not_tried - seen.cpu_not_tried, 0);
    if (cvy_device_get_info(device)->type == CVY_DEVICE_CPU)
        ck_assert_uint_eq(seen.not_tried, 0);
    ck_assert_uint_gt(seen.reports, 10);
    cvy_device_destroy(&device);
}
END_TEST

START_TEST(kernel_that_computes_wrongly_is_named_and_avoided_in_later_processes)
{
    struct cvy_device *device = open_device(store_path);
    struct seen seen;
    const char *used = NULL;
    char why[400];
    struct cvy_conv_problem p = problem_case(2, 1, 1, 5, 3);
    test_alter_kernel(device, "conv_ref", "sum += STORED_LOAD(x", "sum -= STORED_LOAD(x");
    ck_assert_uint_eq(examine(device, &seen, "conv_ref", "conv_ref"), 1);
    ck_assert_int_eq(seen.report.verdict, CVY_VERDICT_WRONG);
    ck_assert_uint_gt(seen.report.wrong, 0);
    ck_assert_ptr_nonnull(strstr(seen.detail, "should be"));
    cvy_device_destroy(&device);

    /* as another process would */
    device = open_device(store_path);
    test_alter_kernel(device, "conv_ref", "sum += STORED_LOAD(x", "sum -= STORED_LOAD(x");
    ck_assert_int_eq(run_conv(device, NULL, &used), CVY_OK);
    ck_assert_str_ne(used, "ref");
    ck_assert_int_eq(run_conv(device, "ref", &used), CVY_ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "conv_ref of conv_ref.cl"));
    ck_assert_ptr_nonnull(strstr(test_log_last(), "--forget"));
    ck_assert(!cvy_conv_algo_applies(device, &p, "ref", why, sizeof(why)));
    ck_assert_ptr_nonnull(strstr(why, "--forget"));
    ck_assert(cvy_conv_algo_applies(device, &p, "im2col", why, sizeof(why)));

    /* the true source was never found wrong */
    ck_assert_int_eq(cvy_device_set_kernel_source(device, "conv_ref", NULL), CVY_OK);
    ck_assert_int_eq(run_conv(device, "ref", &used), CVY_OK);
    cvy_device_destroy(&device);

    device = open_device(store_path);
    size_t count = 0;
    ck_assert_int_eq(cvy_doctor_forget(device, &count), CVY_OK);
    ck_assert_uint_eq(count, 1);
    cvy_device_destroy(&device);
    device = open_device(store_path);
    test_alter_kernel(device, "conv_ref", "sum += STORED_LOAD(x", "sum -= STORED_LOAD(x");
    ck_assert(cvy_conv_algo_applies(device, &p, "ref", why, sizeof(why)));
    cvy_device_destroy(&device);
}
END_TEST

START_TEST(kernel_found_right_again_is_released)
{
    struct cvy_device *device = open_device(store_path);
    struct seen seen;
    const char *used = NULL;
    ck_assert_int_eq(cvy_quarantine_add(device, "conv_ref", "conv_ref", "a test"), CVY_OK);
    ck_assert_int_eq(run_conv(device, "ref", &used), CVY_ERROR_UNSUPPORTED);
    ck_assert_uint_eq(examine(device, &seen, "conv_ref", "conv_ref"), 0);
    ck_assert_int_eq(seen.report.verdict, CVY_VERDICT_RIGHT);
    ck_assert_uint_eq(seen.reports, 1);
    const size_t quick = seen.report.checks;
    seen = (struct seen){.program = "conv_ref", .kernel = "conv_ref"};
    ck_assert_uint_eq(examine_as(device, &seen, (struct cvy_doctor_params){.program = "conv_ref"}), 0);
    ck_assert_uint_gt(seen.report.checks, quick);
    ck_assert_int_eq(run_conv(device, "ref", &used), CVY_OK);
    cvy_device_destroy(&device);
    device = open_device(store_path);
    ck_assert_int_eq(run_conv(device, "ref", &used), CVY_OK);
    cvy_device_destroy(&device);
}
END_TEST

START_TEST(kernel_that_lies_in_one_mode_is_told_from_its_companions)
{
    struct cvy_device *device = open_device(NULL);
    struct seen seen;
    const char *used = NULL;
    test_alter_kernel(device, "conv_im2col", "columns[id] = value;",
                      "columns[id] = value + (PAD_MODE == 2);");
    seen = (struct seen){.program = "conv_im2col", .kernel = "im2col"};
    ck_assert_uint_eq(examine_as(device, &seen, (struct cvy_doctor_params){.quick = true}), 1);
    ck_assert_int_eq(seen.report.verdict, CVY_VERDICT_WRONG);
    ck_assert_ptr_nonnull(strstr(seen.detail, "replicate"));
    ck_assert_int_eq(run_conv(device, "im2col", &used), CVY_ERROR_UNSUPPORTED);
    ck_assert_int_eq(run_conv(device, NULL, &used), CVY_OK);
    cvy_device_destroy(&device);
}
END_TEST

START_TEST(kernels_that_write_nothing_nan_or_too_much_are_wrong)
{
    static const struct {
        const char *program, *kernel, *from, *to;
    } cases[] = {
        {"batch_norm", "batch_norm", "id.y >= p.count", "id.y >= 0"},
        {"softmax", "softmax", "largest = x[0], sum = 0.0f", "largest = x[0], sum = NAN"},
        {"gemm", "gemm", "*target = alpha * sum[i][j];", "*target = alpha * sum[j][i];"},
        {"unary", "unary", "p.run, p.size)", "p.run, p.size) + 5"},
    };
    struct cvy_device *device = open_device(NULL);
    struct seen seen;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        test_alter_kernel(device, cases[i].program, cases[i].from, cases[i].to);
        ck_assert_uint_eq(examine(device, &seen, cases[i].program, cases[i].kernel), 1);
        ck_assert_int_eq(seen.report.verdict, CVY_VERDICT_WRONG);
        ck_assert_int_eq(cvy_device_set_kernel_source(device, cases[i].program, NULL), CVY_OK);
    }
    cvy_device_destroy(&device);
}
END_TEST

START_TEST(kernel_that_does_not_build_is_told_and_avoided)
{
    struct cvy_device *device = open_device(NULL);
    struct seen seen;
    const char *used = NULL;
    test_alter_kernel(device, "conv_ref", "float sum = 0;", "float sum = nonsense;");
    ck_assert_uint_eq(examine(device, &seen, "conv_ref", "conv_ref"), 1);
    ck_assert_int_eq(seen.report.verdict, CVY_VERDICT_NO_BUILD);
    ck_assert_int_eq(run_conv(device, NULL, &used), CVY_OK);
    ck_assert_str_ne(used, "ref");
    cvy_device_destroy(&device);
}
END_TEST

START_TEST(kernel_that_builds_but_cannot_be_launched_is_told)
{
    struct cvy_device *device = open_device(NULL);
    struct seen seen;
    test_alter_kernel(device, "gather", "int inner)", "int inner, int one_more)");
    ck_assert_uint_eq(examine(device, &seen, "gather", "gather"), 1);
    ck_assert_int_eq(seen.report.verdict, CVY_VERDICT_NO_RUN);
    cvy_device_destroy(&device);
}
END_TEST

START_TEST(operator_without_another_kernel_fails_instead_of_lying)
{
    struct cvy_device *device = open_device(NULL);
    struct seen seen;
    test_alter_kernel(device, "pool", "fmax(sum", "fmin(sum");
    ck_assert_uint_eq(examine(device, &seen, "pool", "max_pool"), 1);
    struct cvy_op op = {.type = CVY_OP_MAX_POOL,
                        .pool = {.rank = 1, .kernel = {2}, .stride = {1}, .dilation = {1}}};
    struct cvy_operand in = {.present = true, .shape = {3, {1, 1, 4}}};
    struct cvy_operator_params params = {.max_workspace = 1};
    struct cvy_operator *made = NULL;
    test_log_clear();
    ck_assert_int_eq(cvy_operator_create(&made, device, &op, &in, 1, &params), CVY_ERROR_UNSUPPORTED);
    ck_assert_ptr_null(made);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "kernel max_pool of pool.cl"));
    /* its neighbour in the file is innocent */
    op.type = CVY_OP_AVERAGE_POOL;
    ck_assert_int_eq(cvy_operator_create(&made, device, &op, &in, 1, &params), CVY_OK);
    cvy_operator_destroy(&made);
    cvy_device_destroy(&device);
}
END_TEST

/* Whether a product of 2 x 2 matrices of ones was made by our own kernel. */
static bool uses_own_gemm(struct cvy_device *device)
{
    float ones[4] = {1, 1, 1, 1}, y[4];
    struct cvy_buffer *in = NULL, *out = NULL, *temporary = NULL;
    struct cvy_launch_trace trace = {0};
    ck_assert_int_eq(cvy_buffer_create(&in, device, sizeof(ones)), CVY_OK);
    ck_assert_int_eq(cvy_buffer_create(&out, device, sizeof(y)), CVY_OK);
    ck_assert_int_eq(cvy_buffer_write(in, 0, sizeof(ones), ones), CVY_OK);
    struct cvy_gemm gemm = {
        .m = 2, .n = 2, .k = 2, .alpha = 1, .a = in, .b = in, .c = out, .lda = 2, .ldb = 2, .ldc = 2};
    size_t bytes = cvy_gemm_workspace(device, &gemm);
    if (bytes > 0)
        ck_assert_int_eq(cvy_buffer_create(&temporary, device, bytes), CVY_OK);
    cvy_launch_set_trace(device, &trace);
    ck_assert_int_eq(cvy_gemm_enqueue(device, &gemm, temporary, 0), CVY_OK);
    cvy_launch_set_trace(device, NULL);
    ck_assert_int_eq(cvy_buffer_read(out, 0, sizeof(y), y), CVY_OK);
    for (size_t i = 0; i < 4; i++)
        ck_assert(y[i] > 1.99f && y[i] < 2.01f);
    cvy_buffer_destroy(&in);
    cvy_buffer_destroy(&out);
    cvy_buffer_destroy(&temporary);
    ck_assert_uint_eq(trace.n, 1);
    return strcmp(trace.seen[0].program, "gemm") == 0;
}

START_TEST(product_by_clblast_that_is_wrong_is_made_by_our_kernel)
{
    struct cvy_device *device = open_device(store_path);
    struct cvy_conv_problem p = problem_case(2, 1, 1, 5, 3);
    const char *used = NULL;
    char why[400];
    ck_assert(!uses_own_gemm(device));
    ck_assert_int_eq(cvy_quarantine_add(device, CVY_CLBLAST_PROGRAM, CVY_CLBLAST_KERNEL, "a test"), CVY_OK);
    ck_assert(uses_own_gemm(device));
    cvy_device_destroy(&device);
    device = open_device(store_path);
    ck_assert(uses_own_gemm(device));
    ck_assert_int_eq(run_conv(device, "im2col", &used), CVY_OK);
    /* both wrong: no product is to be had */
    ck_assert_int_eq(cvy_quarantine_add(device, "gemm", "gemm", "a test"), CVY_OK);
    ck_assert(!cvy_conv_algo_applies(device, &p, "im2col", why, sizeof(why)));
    ck_assert_ptr_nonnull(strstr(why, "matrix product"));
    ck_assert_int_eq(run_conv(device, NULL, &used), CVY_OK);
    ck_assert_str_ne(used, "im2col");
    ck_assert_int_eq(cvy_doctor_forget(device, NULL), CVY_OK);
    ck_assert(!uses_own_gemm(device));
    cvy_device_destroy(&device);
}
END_TEST

START_TEST(conv_with_no_algorithm_left_says_why)
{
    struct cvy_device *device = open_device(NULL);
    const char *used = NULL;
    const struct cvy_algo *algo;
    for (size_t a = 0; (algo = cvy_algo_at(a)) != NULL; a++) {
        for (size_t i = 0; i < 4 && algo->programs[i] != NULL; i++) {
            char kernel[64];
            const char *text = cvy_device_get_kernel_source(NULL, algo->programs[i]);
            ck_assert_ptr_nonnull(text);
            ck_assert(cvy_source_kernel(text, 0, kernel, sizeof(kernel)));
            ck_assert_int_eq(cvy_quarantine_add(device, algo->programs[i], kernel, "a test"), CVY_OK);
        }
        ck_assert_msg(algo->programs[0] != NULL, "%s names no programs", algo->id);
    }
    ck_assert_int_eq(run_conv(device, NULL, &used), CVY_ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "wrong results here"));
    ck_assert_ptr_nonnull(strstr(test_log_last(), "convoy doctor --forget"));
    cvy_device_destroy(&device);
}
END_TEST

START_TEST(quarantine_outlives_the_eviction_of_programs)
{
    struct cvy_device *device = open_device(store_path);
    ck_assert_int_eq(cvy_quarantine_add(device, "pad", "pad", "a test"), CVY_OK);
    cvy_device_destroy(&device);
    struct cvy_store *store = cvy_store_open(store_path, 1000);
    ck_assert_ptr_nonnull(store);
    for (uint64_t i = 0; i < 20; i++) {
        char payload[900] = {0};
        cvy_store_put(store, (struct cvy_hash){i, i}, payload, sizeof(payload));
    }
    cvy_store_close(&store);
    device = open_device(store_path);
    ck_assert(cvy_quarantine_has(device, "pad", "pad", NULL, 0));
    ck_assert(!cvy_quarantine_has(device, "pool", NULL, NULL, 0));
    /* what one store says is carried into the next */
    char other[80];
    snprintf(other, sizeof(other), "%s.other", store_path);
    struct cvy_store_params params = {.path = other};
    ck_assert_int_eq(cvy_device_set_store(device, &params), CVY_OK);
    cvy_device_destroy(&device);
    device = open_device(other);
    ck_assert(cvy_quarantine_has(device, "pad", "pad", NULL, 0));
    cvy_device_destroy(&device);
    remove(other);
}
END_TEST

START_TEST(kernels_are_found_between_attributes_and_comments)
{
    static const char text[] =
        "// __kernel void no(\n/* kernel void no( */\nint helper(int a);\n"
        "__kernel __attribute__((reqd_work_group_size(A, (B), 1)))\nvoid one(int a) {}\n"
        "kernel void\n/* here */ two (\nint a) { one(a); }\n";
    char name[8];
    ck_assert(cvy_source_kernel(text, 0, name, sizeof(name)));
    ck_assert_str_eq(name, "one");
    ck_assert(cvy_source_kernel(text, 1, name, sizeof(name)));
    ck_assert_str_eq(name, "two");
    ck_assert(!cvy_source_kernel(text, 2, name, sizeof(name)));
}
END_TEST

START_TEST(unknown_kernel_files_are_refused)
{
    ck_assert_ptr_null(cvy_device_get_kernel_source(NULL, "magic"));
    ck_assert_int_eq(cvy_device_set_kernel_source(test_device(), "magic", ""), CVY_ERROR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "'magic'"));
    const struct cvy_doctor_params magic = {.program = "magic"};
    test_log_clear();
    ck_assert_int_eq(cvy_doctor_run(test_device(), &magic, NULL), CVY_ERROR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "'magic'"));
    size_t files = 0;
    for (const char *name; (name = cvy_kernel_file_name(files)) != NULL; files++)
        ck_assert_ptr_nonnull(cvy_device_get_kernel_source(test_device(), name));
    ck_assert_uint_gt(files, 5);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("doctor");
    TCase *tests = tcase_create("doctor");
    tcase_set_timeout(tests, 0);
    tcase_add_checked_fixture(tests, setup, teardown);
    test_device();
    tcase_add_test(tests, every_kernel_is_right_and_tried);
    /* the rest runs the doctor again and again, and does not differ from driver to driver */
    if (!test_small()) {
        tcase_add_test(tests, kernel_that_computes_wrongly_is_named_and_avoided_in_later_processes);
        tcase_add_test(tests, kernel_found_right_again_is_released);
        tcase_add_test(tests, kernel_that_lies_in_one_mode_is_told_from_its_companions);
        tcase_add_test(tests, kernels_that_write_nothing_nan_or_too_much_are_wrong);
        tcase_add_test(tests, kernel_that_does_not_build_is_told_and_avoided);
        tcase_add_test(tests, kernel_that_builds_but_cannot_be_launched_is_told);
        tcase_add_test(tests, operator_without_another_kernel_fails_instead_of_lying);
    }
    tcase_add_test(tests, product_by_clblast_that_is_wrong_is_made_by_our_kernel);
    tcase_add_test(tests, conv_with_no_algorithm_left_says_why);
    tcase_add_test(tests, quarantine_outlives_the_eviction_of_programs);
    tcase_add_test(tests, kernels_are_found_between_attributes_and_comments);
    tcase_add_test(tests, unknown_kernel_files_are_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
