#include "conv_case.h"
#include "problem_case.h"

/* Convolutions in groups, as networks have them: what small random problems do not reach. */
struct row {
    size_t c, k, groups, kernel, stride, dilation;
};

static const struct row rows[] = {
    /* depthwise, with and without a multiplier */
    {24, 24, 24, 3, 1, 1},
    {58, 58, 58, 3, 2, 1},
    {32, 32, 32, 5, 2, 1},
    {20, 20, 20, 7, 1, 1},
    {17, 17, 17, 9, 1, 1},
    {33, 33, 33, 3, 1, 2},
    {18, 36, 18, 3, 1, 1},
    {5, 80, 5, 3, 2, 1},
    {6, 18, 6, 3, 1, 1},
    /* groups that share a block */
    {32, 32, 16, 3, 1, 1},
    {64, 64, 16, 3, 1, 1},
    {48, 48, 6, 3, 2, 1},
    {40, 20, 10, 3, 1, 1},
    {64, 32, 8, 3, 1, 1},
    {20, 40, 10, 3, 1, 1},
    /* across blocks */
    {30, 30, 10, 3, 1, 1},
    {60, 45, 3, 1, 1, 1},
    {36, 72, 3, 1, 2, 1},
    {64, 32, 2, 3, 1, 2},
};

static struct cvy_conv_problem problem_of(const struct row *row, struct test_random *random)
{
    struct cvy_conv_problem p = problem_case(2, row->c, row->k, 1, row->kernel);
    p.n = test_random_range(random, 1, 2);
    p.groups = row->groups;
    for (size_t i = 0; i < 2; i++) {
        size_t window = row->dilation * (row->kernel - 1) + 1;
        p.in[i] = test_random_range(random, window, window + (test_small() ? 4 : 32));
        p.stride[i] = row->stride;
        p.dilation[i] = row->dilation;
        p.pad_begin[i] = test_random_range(random, 0, row->kernel / 2);
        p.pad_end[i] = test_random_range(random, 0, row->kernel / 2);
    }
    p.bias = test_random_range(random, 0, 1);
    p.accumulate = test_random_range(random, 0, 3) == 0;
    p.activation = test_random_range(random, 0, 3) == 0 ? CVY_ACTIVATION_SIGMOID : CVY_ACTIVATION_NONE;
    p.shuffle = test_random_range(random, 0, 3) == 0 ? p.groups : 0;
    return p;
}

static void run_in_layout(const struct row *row, bool x_blocked, bool y_blocked)
{
    struct test_random random = {test_seed() + (uint64_t)(row - rows)};
    struct cvy_conv_problem p = problem_of(row, &random);
    /* the widest as often as all others */
    size_t block = test_block(test_random_range(&random, 0, 1) ? 0 : test_random_range(&random, 1, 3));
    p.x_block = x_blocked ? block : 0;
    p.y_block = y_blocked ? block : 0;
    struct case_data data;
    case_data_make(&data, &p, &random);
    case_run_conv(&p, &data, "grouped", 0);
    char why[256];
    if (cvy_conv_algo_applies(test_device(), &p, "depthwise_blocks", why, sizeof(why)))
        case_run_conv(&p, &data, "depthwise_blocks", 0);
    case_data_free(&data);
}

START_TEST(grouped_conv_agrees_with_the_oracle_from_blocks_to_blocks)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        run_in_layout(&rows[i], true, true);
}
END_TEST

START_TEST(grouped_conv_agrees_with_the_oracle_between_blocks_and_plain_tensors)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        run_in_layout(&rows[i], i % 2 == 0, i % 2 != 0);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("grouped");
    TCase *tests = tcase_create("grouped");
    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, grouped_conv_agrees_with_the_oracle_from_blocks_to_blocks);
    tcase_add_test(tests, grouped_conv_agrees_with_the_oracle_between_blocks_and_plain_tensors);
    suite_add_tcase(suite, tests);
    return suite;
}
