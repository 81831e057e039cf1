#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "conv_case.h"
#include "problem_case.h"
#include "runtime/buffer.h"
#include "runtime/device.h"
#include "runtime/launch.h"
#include "runtime/team.h"

/* Launches that follow each other without a wait, as a team's members run them, and again from recordings.
 * The results must be those of the same launches waited for one by one, to the last bit. */

#define CHANNELS 32
#define SIDE 14
#define COUNT (CHANNELS * SIDE * SIDE)
#define BYTES (COUNT * sizeof(float))

/* 3x3 from CHANNELS to CHANNELS, in blocks of channels where the device has them; y does not grow on the way.
 */
static struct cvy_conv *make_conv(struct cvy_device *device, struct test_random *random, bool accumulate)
{
    static float w[CHANNELS * CHANNELS * 9];
    struct cvy_conv_problem p = problem_case_padded(2, CHANNELS, CHANNELS, SIDE, 3);
    struct cvy_conv *conv = NULL;
    p.x_block = p.y_block = cvy_conv_best_block(device);
    p.accumulate = accumulate;
    test_random_fill(random, w, sizeof(w) / sizeof(w[0]));
    for (size_t i = 0; i < sizeof(w) / sizeof(w[0]); i++)
        w[i] *= 0.1f;
    ck_assert_msg(cvy_conv_create(&conv, device, &p, w, NULL, NULL) == CVY_OK, "%s", test_log_last());
    return conv;
}

static struct cvy_buffer *make_buffer(struct cvy_device *device, struct test_random *random)
{
    static float values[COUNT];
    struct cvy_buffer *buffer = NULL;
    test_random_fill(random, values, COUNT);
    ck_assert_int_eq(cvy_buffer_upload(&buffer, device, BYTES, values), CVY_OK);
    return buffer;
}

struct chain {
    struct cvy_device *device;
    struct cvy_conv *forth, *back, *add;
    struct cvy_buffer *a, *b, *c;
};

static struct chain make_chain(struct cvy_device *device)
{
    struct test_random random = {test_seed()};
    struct chain chain = {.device = device};
    chain.forth = make_conv(device, &random, false);
    chain.back = make_conv(device, &random, false);
    chain.add = make_conv(device, &random, true);
    chain.a = make_buffer(device, &random);
    chain.b = make_buffer(device, &random);
    chain.c = make_buffer(device, &random);
    return chain;
}

static void finish_chain(struct chain *chain)
{
    cvy_conv_destroy(&chain->forth);
    cvy_conv_destroy(&chain->back);
    cvy_conv_destroy(&chain->add);
    cvy_buffer_destroy(&chain->a);
    cvy_buffer_destroy(&chain->b);
    cvy_buffer_destroy(&chain->c);
}

/* a to b and back, both added up in c, with copies between now and then: those go through the device's queue.
 */
static void run_chain(struct chain *chain, size_t steps, bool wait, float *result)
{
    struct test_random random = {test_seed()};
    for (size_t i = 0; i < steps; i++) {
        ck_assert_int_eq(cvy_conv_enqueue(chain->forth, chain->a, chain->b, NULL, 0, NULL), CVY_OK);
        if (wait)
            ck_assert_int_eq(cvy_device_finish(chain->device), CVY_OK);
        if (test_random_range(&random, 0, 4) == 0)
            ck_assert_int_eq(cvy_buffer_copy(chain->c, 0, chain->a, 0, BYTES / 2), CVY_OK);
        ck_assert_int_eq(cvy_conv_enqueue(chain->back, chain->b, chain->a, NULL, 0, NULL), CVY_OK);
        if (wait)
            ck_assert_int_eq(cvy_device_finish(chain->device), CVY_OK);
        ck_assert_int_eq(cvy_conv_enqueue(chain->add, test_random_range(&random, 0, 3) ? chain->a : chain->b,
                                          chain->c, NULL, 0, NULL),
                         CVY_OK);
        if (wait)
            ck_assert_int_eq(cvy_device_finish(chain->device), CVY_OK);
    }
    ck_assert_int_eq(cvy_buffer_read(chain->c, 0, BYTES, result), CVY_OK);
}

static float in_flight[COUNT], one_by_one[COUNT];

static size_t steps(void)
{
    return test_small() ? 3 : 60;
}

/* With a team, and when the caller has taken the queue. A device of the test's own: only the first has a
 * team. */
START_TEST(launches_in_flight_give_what_they_give_one_by_one)
{
    struct cvy_device *device = NULL;
    ck_assert_int_eq(cvy_device_open(&device, getenv("CVY_TEST_DEVICE")), CVY_OK);
    struct chain first = make_chain(device), second = make_chain(device);
    test_poison(in_flight, COUNT);
    run_chain(&second, steps(), true, one_by_one);
    run_chain(&first, steps(), false, in_flight);
    ck_assert(one_by_one[0] == one_by_one[0]);
    ck_assert_msg(memcmp(in_flight, one_by_one, BYTES) == 0, "launches overtook each other");

    ck_assert_ptr_nonnull(cvy_device_cl_queue(device));
    ck_assert_uint_eq(cvy_team_size(device), 1);
    run_chain(&second, steps(), true, one_by_one);
    run_chain(&first, steps(), false, in_flight);
    ck_assert_msg(memcmp(in_flight, one_by_one, BYTES) == 0, "launches overtook each other, without a team");
    finish_chain(&first);
    finish_chain(&second);
    cvy_device_destroy(&device);
}
END_TEST

/* Others want the cores: the team rests, then works again. */
START_TEST(launches_in_flight_are_right_on_a_busy_machine)
{
    struct cvy_device *device = NULL;
    pid_t others[4];
    ck_assert_int_eq(cvy_device_open(&device, getenv("CVY_TEST_DEVICE")), CVY_OK);
    struct chain first = make_chain(device), second = make_chain(device);
    test_poison(in_flight, COUNT);
    run_chain(&second, steps(), true, one_by_one);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        others[i] = fork();
        if (others[i] == 0)
            for (;;)
                ;
    }
    run_chain(&first, steps(), false, in_flight);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        kill(others[i], SIGKILL);
        waitpid(others[i], NULL, 0);
    }
    ck_assert(one_by_one[0] == one_by_one[0]);
    ck_assert_msg(memcmp(in_flight, one_by_one, BYTES) == 0, "launches overtook each other");
    finish_chain(&first);
    finish_chain(&second);
    cvy_device_destroy(&device);
}
END_TEST

/* Adds 1 to y[id], the first ids slowly: members that are done with theirs take over. */
static const char counting[] =
    "struct counting { int slow, looks; };\n"
    "APART void count_work(int3 id, __global float *restrict y, struct counting s)\n"
    "{\n"
    "    volatile int looks = id.x < s.slow ? s.looks : 0;\n"
    "    while (looks > 0)\n"
    "        looks--;\n"
    "    y[id.x] += 1;\n"
    "}\n"
    "#define ARGUMENTS(IN, OUT, VALUE, LAST) OUT(y) LAST(struct counting, s)\n"
    "TEAM_KERNEL(count, WORK_GROUP(1, 1, 1), ARGUMENTS)\n";

static void count(struct cvy_device *device, struct cvy_buffer *y, size_t groups, size_t slow,
                  bool is_balanced)
{
    struct cvy_launch launch;
    cvy_launch_init(&launch, "pad", "count");
    cvy_launch_define(&launch, "LANES", 4);
    cvy_launch_define(&launch, "PAD_MODE", 0);
    cvy_launch_buffer(&launch, y);
    cvy_launch_struct(&launch, (size_t[]){slow, 3000}, 2);
    if (is_balanced)
        cvy_launch_balance(&launch);
    else
        cvy_launch_share(&launch);
    cvy_launch_range(&launch, 1, &groups, (size_t[]){1});
    ck_assert_msg(cvy_launch_run(device, &launch) == CVY_OK, "%s", test_log_last());
}

START_TEST(each_work_group_is_done_once_whoever_does_it)
{
    static const size_t totals[] = {1, 2, 3, 7, 16, 17, 100, 1000};
    static float counts[1000];
    struct cvy_device *device = NULL;
    struct cvy_buffer *y = NULL;
    struct test_random random = {test_seed() + 4};
    size_t expected[1001] = {0};
    ck_assert_int_eq(cvy_device_open(&device, getenv("CVY_TEST_DEVICE")), CVY_OK);
    test_alter_kernel(device, "pad", "TEAM_KERNEL(pad, ANY_WORK_GROUP, ARGUMENTS)", counting);
    ck_assert_int_eq(cvy_buffer_upload(&y, device, sizeof(counts), counts), CVY_OK);
    /* more than the board has room for; kernels stay for some, and have just left, or are leaving, at others
     */
    for (int i = 0; i < 3000; i++) {
        const size_t groups = totals[test_random_range(&random, 0, sizeof(totals) / sizeof(totals[0]) - 1)];
        const bool is_slow = test_random_range(&random, 0, 2) == 0;
        count(device, y, groups, is_slow ? groups / 3 : 0, test_random_range(&random, 0, 2) > 0);
        expected[groups]++;
        if (test_random_range(&random, 0, 1500) == 0)
            ck_assert_int_eq(cvy_device_finish(device), CVY_OK);
        const double end = cvy_now() + (i % 1500 > 1400 ? 1e-6 * test_random_range(&random, 0, 80) : 0);
        while (cvy_now() < end)
            ;
    }
    test_poison(counts, 1000);
    ck_assert_int_eq(cvy_buffer_read(y, 0, sizeof(counts), counts), CVY_OK);
    for (size_t i = 1000, times = 0; i > 0; i--) {
        times += expected[i]; /* the launches that have a work-group of this number */
        ck_assert_msg(counts[i - 1] == (float)times, "work-group %zu was done %g times of %zu", i - 1,
                      counts[i - 1], times);
    }
    cvy_buffer_destroy(&y);
    cvy_device_destroy(&device);
}
END_TEST

/* y[id] = the work-groups of the command. */
static const char groups_of_a_command[] =
    "struct counting { int slow, looks; };\n"
    "APART void count_work(int3 id, __global float *restrict y, struct counting s)\n"
    "{\n"
    "    y[id.x] = get_num_groups(0);\n"
    "}\n"
    "#define ARGUMENTS(IN, OUT, VALUE, LAST) OUT(y) LAST(struct counting, s)\n"
    "TEAM_KERNEL(count, WORK_GROUP(1, 1, 1), ARGUMENTS)\n";

/* Kernels are compiled for the team; without it the driver has a work-group for each core. */
START_TEST(all_cores_work_where_the_caller_has_the_queue)
{
    static float counts[16];
    struct cvy_device *device = NULL;
    struct cvy_buffer *y = NULL;
    ck_assert_int_eq(cvy_device_open(&device, getenv("CVY_TEST_DEVICE")), CVY_OK);
    const size_t members = cvy_team_size(device);
    ck_assert_ptr_nonnull(cvy_device_cl_queue(device));
    test_alter_kernel(device, "pad", "TEAM_KERNEL(pad, ANY_WORK_GROUP, ARGUMENTS)", groups_of_a_command);
    test_poison(counts, 16);
    ck_assert_int_eq(cvy_buffer_upload(&y, device, sizeof(counts), counts), CVY_OK);
    count(device, y, 16, 0, false);
    ck_assert_int_eq(cvy_buffer_read(y, 0, sizeof(counts), counts), CVY_OK);
    for (size_t i = 0; i < 16; i++)
        ck_assert_float_eq(counts[i], members > 1 ? (float)members : 16);
    cvy_buffer_destroy(&y);
    cvy_device_destroy(&device);
}
END_TEST

/* Two teams on the same cores could wait for each other for ever. */
START_TEST(a_device_opened_twice_has_one_team)
{
    struct cvy_device *first = NULL, *second = NULL;
    ck_assert_int_eq(cvy_device_open(&first, getenv("CVY_TEST_DEVICE")), CVY_OK);
    ck_assert_int_eq(cvy_device_open(&second, getenv("CVY_TEST_DEVICE")), CVY_OK);
    if (cvy_team_size(first) > 1)
        ck_assert_uint_eq(cvy_team_size(second), 1);
    cvy_device_destroy(&first);
    cvy_device_destroy(&second);
}
END_TEST

/* Other buffers, other values in the same ones, another source of the kernels: what was recorded must not be
 * what is launched. */
START_TEST(enqueued_again_takes_what_is_new)
{
    struct cvy_device *device = NULL;
    struct test_random random = {test_seed() + 1};
    static float values[COUNT], again[COUNT];
    ck_assert_int_eq(cvy_device_open(&device, getenv("CVY_TEST_DEVICE")), CVY_OK);
    struct cvy_conv *conv = make_conv(device, &random, false);
    struct cvy_buffer *x = make_buffer(device, &random), *other = make_buffer(device, &random);
    struct cvy_buffer *y = make_buffer(device, &random);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(cvy_conv_enqueue(conv, x, y, NULL, 0, NULL), CVY_OK);
    ck_assert_int_eq(cvy_buffer_read(y, 0, BYTES, values), CVY_OK);
    ck_assert_int_eq(cvy_conv_enqueue(conv, other, y, NULL, 0, NULL), CVY_OK);
    ck_assert_int_eq(cvy_buffer_read(y, 0, BYTES, again), CVY_OK);
    ck_assert_msg(memcmp(values, again, BYTES) != 0, "x was another one");
    ck_assert_int_eq(cvy_buffer_copy(other, 0, x, 0, BYTES), CVY_OK);
    test_poison(values, COUNT);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(cvy_buffer_write(y, 0, BYTES, values), CVY_OK);
        ck_assert_int_eq(cvy_conv_enqueue(conv, x, y, NULL, 0, NULL), CVY_OK);
        ck_assert_int_eq(cvy_buffer_read(y, 0, BYTES, one_by_one), CVY_OK);
        ck_assert_msg(memcmp(one_by_one, again, BYTES) == 0, "x held other values");
    }
    cvy_conv_destroy(&conv);
    cvy_buffer_destroy(&x);
    cvy_buffer_destroy(&other);
    cvy_buffer_destroy(&y);
    cvy_device_destroy(&device);
}
END_TEST

/* Memory of the caller's has no address that a team's kernels could take: they are launched otherwise, in
 * order with the team's. */
START_TEST(memory_that_is_the_callers_is_taken_too)
{
    struct cvy_device *device = NULL;
    struct test_random random = {test_seed() + 3};
    static float values[COUNT];
    ck_assert_int_eq(cvy_device_open(&device, getenv("CVY_TEST_DEVICE")), CVY_OK);
    struct cvy_conv *conv = make_conv(device, &random, false);
    struct cvy_buffer *x = make_buffer(device, &random), *y = make_buffer(device, &random), *own = NULL;
    cl_int error;
    cl_mem memory = clCreateBuffer(cvy_device_cl_context(device), CL_MEM_READ_WRITE, BYTES, NULL, &error);
    ck_assert_int_eq(error, CL_SUCCESS);
    ck_assert_int_eq(cvy_buffer_adopt(&own, device, memory), CVY_OK);
    ck_assert_int_eq(cvy_conv_enqueue(conv, x, y, NULL, 0, NULL), CVY_OK);
    ck_assert_int_eq(cvy_conv_enqueue(conv, y, x, NULL, 0, NULL), CVY_OK);
    ck_assert_int_eq(cvy_buffer_read(x, 0, BYTES, one_by_one), CVY_OK);
    for (int i = 0; i < 4; i++) {
        test_poison(values, COUNT);
        ck_assert_int_eq(cvy_buffer_write(own, 0, BYTES, values), CVY_OK);
        ck_assert_int_eq(cvy_conv_enqueue(conv, x, y, NULL, 0, NULL), CVY_OK);
        ck_assert_int_eq(cvy_conv_enqueue(conv, y, own, NULL, 0, NULL), CVY_OK);
        ck_assert_int_eq(cvy_conv_enqueue(conv, own, y, NULL, 0, NULL), CVY_OK);
        ck_assert_int_eq(cvy_conv_enqueue(conv, y, x, NULL, 0, NULL), CVY_OK);
    }
    ck_assert_int_eq(cvy_buffer_read(x, 0, BYTES, in_flight), CVY_OK);
    /* the same eight steps further, in the device's own memory */
    ck_assert_int_eq(cvy_buffer_write(x, 0, BYTES, one_by_one), CVY_OK);
    for (int i = 0; i < 8; i++) {
        ck_assert_int_eq(cvy_conv_enqueue(conv, x, y, NULL, 0, NULL), CVY_OK);
        ck_assert_int_eq(cvy_conv_enqueue(conv, y, x, NULL, 0, NULL), CVY_OK);
    }
    ck_assert_int_eq(cvy_buffer_read(x, 0, BYTES, one_by_one), CVY_OK);
    ck_assert(one_by_one[0] == one_by_one[0]);
    ck_assert_msg(memcmp(in_flight, one_by_one, BYTES) == 0, "the caller's memory makes a difference");
    cvy_conv_destroy(&conv);
    cvy_buffer_destroy(&x);
    cvy_buffer_destroy(&y);
    cvy_buffer_destroy(&own);
    clReleaseMemObject(memory);
    cvy_device_destroy(&device);
}
END_TEST

/* An algorithm that takes blocks of channels alone does plain tensors through a conversion; tails of channels
 * and of pixels, few pixels, y that is added to. */
START_TEST(plain_tensors_are_converted_for_algorithms_in_blocks)
{
    static const size_t rows[][4] = {
        {18, 35, 5, 1}, {16, 16, 2, 3}, {33, 8, 9, 3}, {3, 50, 7, 2}, {40, 3, 6, 3}};
    struct test_random random = {test_seed() + 2};
    if (cvy_conv_best_block(test_device()) == 0)
        return;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cvy_conv_problem p = problem_case(2, rows[i][0], rows[i][1], rows[i][2], rows[i][3]);
        struct case_data data;
        p.n = 2;
        p.transposed = true;
        p.stride[1] = 2;
        p.bias = i % 2;
        p.accumulate = i % 3 == 0;
        case_data_make(&data, &p, &random);
        case_run_conv(&p, &data, "subpixel_blocks", 0);
        case_data_free(&data);
    }
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("team");
    TCase *tests = tcase_create("team");
    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, launches_in_flight_give_what_they_give_one_by_one);
    tcase_add_test(tests, launches_in_flight_are_right_on_a_busy_machine);
    tcase_add_test(tests, each_work_group_is_done_once_whoever_does_it);
    tcase_add_test(tests, all_cores_work_where_the_caller_has_the_queue);
    tcase_add_test(tests, a_device_opened_twice_has_one_team);
    tcase_add_test(tests, enqueued_again_takes_what_is_new);
    tcase_add_test(tests, memory_that_is_the_callers_is_taken_too);
    tcase_add_test(tests, plain_tensors_are_converted_for_algorithms_in_blocks);
    suite_add_tcase(suite, tests);
    return suite;
}
