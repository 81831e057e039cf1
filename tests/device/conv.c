#include "base/arith.h"
#include "conv_case.h"
#include "op/algo.h"
#include "oracle.h"
#include "problem_case.h"
#include "runtime/device.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of one algorithm. */
struct share {
    size_t count;
    double seconds;
};

static bool each_has_run(const struct share *shares)
{
    for (size_t a = 0; cvy_algo_at(a) != NULL; a++) {
        const struct cvy_algo *algo = cvy_algo_at(a);
        /* those for integers have a suite of their own */
        if (shares[a].count == 0 && !algo->for_integers && test_takes(algo->id))
            return false;
    }
    return true;
}

/* Compiling takes most of the time of an algorithm that has a program for each of many forms: after so many
 * problems of this run, or fewer where compilers take long, it has the others of the next. */
#define MOST_SECONDS 2
static bool has_had_enough(const char *algo, const struct share *share)
{
    const bool takes_all = strcmp(algo, "ref") == 0 || strcmp(algo, "im2col") == 0;
    if (share->seconds > (takes_all ? 3 : 1) * MOST_SECONDS)
        return share->count >= 3;
    return !takes_all && share->count >= test_programs();
}

/* Every other time so little scratch memory that the work is cut to strips, where the algorithm can. */
static size_t random_workspace(const char *name, const struct cvy_conv_problem *p, struct test_random *random)
{
    const struct cvy_algo *algo = cvy_algo_by_name(name);
    const size_t little = 1 << 14;
    struct cvy_algo_config config;
    if (test_random_range(random, 0, 1) == 1)
        return 0;
    algo->default_config(p, test_device(), little, &config);
    return cvy_algo_workspace(algo, p, test_device(), &config) <= little ? little : 0;
}

/* So many problems, and more until every algorithm has had one. */
START_TEST(conv_agrees_with_the_oracle_on_random_problems)
{
    struct test_random random = {test_seed() + 1};
    size_t least = test_small() ? 25 : 500, problems = 0;
    struct share shares[32] = {{0}};
    for (; problems < least || (problems < 100 * least && !each_has_run(shares)); problems++) {
        struct cvy_conv_problem p = case_random_problem(&random);
        case_random_storage(&p, &random);
        struct case_data data;
        case_data_make(&data, &p, &random);
        const char *algo;
        for (size_t a = 0; (algo = cvy_conv_algo_name(a)) != NULL; a++) {
            char why[256];
            if (!test_takes(algo) || has_had_enough(algo, &shares[a]) ||
                !cvy_conv_algo_applies(test_device(), &p, algo, why, sizeof(why)))
                continue;
            const double start = cvy_now();
            case_run_conv(&p, &data, algo, random_workspace(algo, &p, &random));
            shares[a].seconds += cvy_now() - start;
            shares[a].count++;
        }
        case_data_free(&data);
    }
    for (size_t a = 0; cvy_conv_algo_name(a) != NULL; a++)
        printf("%s: %zu of %zu problems, %.1f s\n", cvy_conv_algo_name(a), shares[a].count, problems,
               shares[a].seconds);
    ck_assert(each_has_run(shares));
}
END_TEST

/* Tile sizes that suit another device must be right on this one too. */
START_TEST(conv_agrees_with_the_oracle_in_any_config)
{
    struct test_random random = {test_seed() + 8};
    size_t problems = test_small() ? 2 : 1 + test_programs() / 3;
    const struct cvy_algo *algo;
    for (size_t a = 0; (algo = cvy_algo_at(a)) != NULL; a++) {
        const double start = cvy_now();
        for (size_t i = 0; i < problems && !algo->for_integers && test_takes(algo->id); i++) {
            if (i > 0 && cvy_now() - start > MOST_SECONDS)
                break;
            struct cvy_conv_problem p;
            char why[256];
            do {
                p = case_random_problem(&random);
                case_random_storage(&p, &random);
            } while (!cvy_algo_applies(algo, &p, test_device(), why, sizeof(why)));
            struct case_data data;
            case_data_make(&data, &p, &random);
            struct cvy_algo_config config;
            size_t n_configs = 0;
            while (algo->configs(&p, test_device(), n_configs, &config))
                n_configs++;
            /* each is a program to compile: one of them, others the next time */
            for (size_t j = 0; j < CVY_MIN(n_configs, 1); j++) {
                size_t c = test_random_range(&random, 0, n_configs - 1);
                algo->configs(&p, test_device(), c, &config);
                char name[80];
                snprintf(name, sizeof(name), "%s, config %zu", algo->id, c);
                case_run_config(&p, &data, algo, &config);
                case_check_y(&p, &data, name);
            }
            case_data_free(&data);
        }
    }
}
END_TEST

/* Groups of 8 channels in blocks of 16. */
START_TEST(direct_takes_groups_that_are_parts_of_blocks)
{
    struct test_random random = {test_seed() + 10};
    for (size_t i = 0; i < (test_small() ? 2 : 6); i++) {
        struct cvy_conv_problem p = problem_case_padded(2, 32, 32, 11 + 3 * i, i == 3 ? 5 : 3);
        p.n = 2;
        p.groups = 4;
        p.x_block = p.y_block = 16;
        p.in[0] = 6;
        p.bias = i % 2;
        p.accumulate = i == 2;
        p.flip = i == 3;
        p.stride[1] = 1 + i % 2;
        p.shuffle = i == 4 ? 4 : 0;
        p.pad_mode = i == 5 ? CVY_PAD_REPLICATE : CVY_PAD_CONSTANT;
        p.pad_begin[1] = i == 1 ? 9 : p.pad_begin[1]; /* more than a tile's pixels may see no x */
        struct case_data data;
        case_data_make(&data, &p, &random);
        case_run_conv(&p, &data, "direct", 0);
        case_data_free(&data);
    }
}
END_TEST

/* One channel of y to as many as there may be, of blocks that are not full, for every kind of edge. */
START_TEST(narrow_takes_every_window)
{
    struct test_random random = {test_seed() + 15};
    static const size_t channels[] = {1, 3, 8, 2, 1, 4};
    const size_t block = test_block(0);
    for (size_t i = 0; i < (test_small() ? 2 : 6); i++) {
        struct cvy_conv_problem p = problem_case_padded(1 + i % 3, 5 + 7 * i, channels[i], 7 + 2 * i, 3);
        const size_t last = p.rank - 1;
        p.n = 1 + i % 2;
        p.x_block = block;
        p.y_block = i % 2 && p.k <= block ? block : 0;
        p.bias = i % 2;
        p.accumulate = i == 2;
        p.flip = i == 3;
        p.stride[last] = 1 + i % 3;
        p.dilation[0] = i == 4 ? 2 : 1;
        p.pad_mode = (enum cvy_pad_mode)(i % 4);
        p.pad_begin[last] = i == 4 ? 9 : p.pad_begin[last]; /* more than a tile's pixels may see no x */
        p.activation = i == 5 ? CVY_ACTIVATION_RELU : CVY_ACTIVATION_NONE;
        struct case_data data;
        case_data_make(&data, &p, &random);
        case_run_conv(&p, &data, "narrow", 0);
        case_data_free(&data);
    }
}
END_TEST

/* Groups of 6 channels begin within blocks of 16, and what is shuffled cannot wait in y. */
START_TEST(pointwise_blocks_shuffles_groups_that_begin_within_blocks)
{
    struct test_random random = {test_seed() + 14};
    for (size_t i = 0; i < 2; i++) {
        struct cvy_conv_problem p = problem_case(2, 24 + 112 * i, 112 + 24 * i, 9, 1);
        p.groups = p.shuffle = 4;
        p.x_block = p.y_block = 16;
        p.bias = i == 0;
        struct case_data data;
        case_data_make(&data, &p, &random);
        case_run_conv(&p, &data, "pointwise_blocks", 0);
        case_data_free(&data);
    }
}
END_TEST

/* So many channels that the weights of some serve all pixels first, and y holds the sums meanwhile. */
START_TEST(pointwise_blocks_adds_up_channels_in_parts)
{
    struct test_random random = {test_seed() + 11};
    const size_t block = test_block(0);
    for (size_t i = 0; i < (test_small() ? 2 : 4); i++) {
        struct cvy_conv_problem p = problem_case(2, 17600 / block, i == 2 ? 36 : 40, 9, 1);
        p.x_block = i == 3 ? 0 : block;
        p.y_block = block;
        p.groups = i == 2 ? 2 : 1;
        p.bias = i % 2 == 0;
        p.accumulate = i == 1;
        p.activation = CVY_ACTIVATION_RELU;
        p.stride[0] = i == 1 ? 2 : 1;
        struct case_data data;
        case_data_make(&data, &p, &random);
        case_run_conv(&p, &data, "pointwise_blocks", 1 << 20);
        case_data_free(&data);
    }
}
END_TEST

START_TEST(conv_chooses_an_algorithm_that_is_right)
{
    struct test_random random = {test_seed() + 2};
    size_t in = test_small() ? 8 : 40;
    struct cvy_conv_problem p = problem_case_padded(2, 16, 24, in, 3);
    p.bias = true;
    struct case_data data;
    case_data_make(&data, &p, &random);
    case_run_conv(&p, &data, NULL, 0);
    case_data_free(&data);
}
END_TEST

START_TEST(conv_of_float16_is_left_to_those_that_take_it)
{
    struct test_random random = {test_seed() + 9};
    struct cvy_conv_problem p = problem_case_padded(2, 3, 5, 9, 3);
    p.x_dtype = p.w_dtype = p.y_dtype = CVY_FLOAT16;
    char why[256];
    ck_assert(cvy_conv_algo_applies(test_device(), &p, "ref", why, sizeof(why)));
    ck_assert(!cvy_conv_algo_applies(test_device(), &p, "im2col", why, sizeof(why)));
    ck_assert_ptr_nonnull(strstr(why, "float16"));
    struct case_data data;
    case_data_make(&data, &p, &random);
    case_run_conv(&p, &data, NULL, 0);
    case_data_free(&data);
}
END_TEST

START_TEST(conv_runs_again_on_new_input_after_an_event)
{
    struct test_random random = {test_seed() + 3};
    struct cvy_conv_problem p = problem_case_padded(2, 3, 5, 9, 3);
    p.bias = true;
    struct case_data data;
    case_data_make(&data, &p, &random);
    struct cvy_conv *conv = NULL;
    struct cvy_buffer *x = NULL, *y = NULL;
    struct cvy_event *first = NULL, *second = NULL;
    ck_assert_int_eq(cvy_conv_create(&conv, test_device(), &p, data.w, data.bias, NULL), CVY_OK);
    ck_assert_int_eq(cvy_buffer_create(&x, test_device(), data.x_count * sizeof(float)), CVY_OK);
    ck_assert_int_eq(cvy_buffer_create(&y, test_device(), data.y_count * sizeof(float)), CVY_OK);
    ck_assert_int_eq(cvy_buffer_write(x, 0, data.x_count * sizeof(float), data.x), CVY_OK);
    ck_assert_int_eq(cvy_conv_enqueue(conv, x, y, NULL, 0, &first), CVY_OK);
    ck_assert_int_eq(cvy_event_wait(first), CVY_OK);
    test_random_fill(&random, data.x, data.x_count);
    oracle_conv(&p, data.x, data.w, data.bias, data.expected, data.scale);
    ck_assert_int_eq(cvy_buffer_write(x, 0, data.x_count * sizeof(float), data.x), CVY_OK);
    ck_assert_int_eq(cvy_conv_enqueue(conv, x, y, &first, 1, &second), CVY_OK);
    ck_assert_int_eq(cvy_event_wait(second), CVY_OK);
    ck_assert_int_eq(cvy_buffer_read(y, 0, data.y_count * sizeof(float), data.y), CVY_OK);
    case_check_y(&p, &data, cvy_conv_get_algo(conv));
    cvy_event_destroy(&first);
    cvy_event_destroy(&second);
    cvy_buffer_destroy(&x);
    cvy_buffer_destroy(&y);
    cvy_conv_destroy(&conv);
    ck_assert_ptr_null(conv);
    case_data_free(&data);
}
END_TEST

START_TEST(conv_keeps_to_the_workspace_it_is_given)
{
    float *w = calloc(64 * 64 * 9, sizeof(float));
    struct cvy_conv_problem p = problem_case_padded(2, 64, 64, 56, 3);
    for (int transposed = 0; transposed < 2; transposed++) {
        p.transposed = transposed;
        size_t limits[] = {0, 4 << 20, 1 << 20}, last = SIZE_MAX;
        for (size_t i = 0; i < 3; i++) {
            struct cvy_conv *conv = NULL;
            struct cvy_conv_params params = {.algo = "im2col", .max_workspace = limits[i]};
            ck_assert_msg(cvy_conv_create(&conv, test_device(), &p, w, NULL, &params) == CVY_OK, "%s",
                          test_log_last());
            size_t bytes = cvy_conv_get_workspace(conv);
            ck_assert_uint_gt(bytes, 0);
            ck_assert_uint_lt(bytes, last);
            if (limits[i] > 0)
                ck_assert_uint_le(bytes, limits[i]);
            last = bytes;
            cvy_conv_destroy(&conv);
        }
    }
    free(w);
}
END_TEST

/* One pixel at a stride of 2: y's pixels are x's, although x is padded. */
START_TEST(pointwise_conv_is_right_where_padding_is_never_seen)
{
    struct test_random random = {test_seed() + 10};
    struct cvy_conv_problem p = problem_case(2, 16, 16, 1, 1);
    char why[160];
    const char *algo;
    p.stride[0] = p.stride[1] = 2;
    p.pad_end[0] = 1;
    for (p.x_block = p.y_block = 0; p.x_block <= 16; p.x_block = p.y_block += 16) {
        struct case_data data;
        case_data_make(&data, &p, &random);
        for (size_t a = 0; (algo = cvy_conv_algo_name(a)) != NULL; a++) {
            if (cvy_conv_algo_applies(test_device(), &p, algo, why, sizeof(why)))
                case_run_conv(&p, &data, algo, 0);
        }
        case_data_free(&data);
    }
}
END_TEST

START_TEST(transposed_conv_adds_up_strips_of_input_pixels)
{
    struct test_random random = {test_seed() + 6};
    struct cvy_conv_problem p = problem_case(2, 2, 3, 24, 5);
    p.pad_begin[0] = p.pad_begin[1] = p.pad_end[0] = p.pad_end[1] = 1;
    p.transposed = p.bias = true;
    p.stride[0] = p.stride[1] = 2;
    struct case_data data;
    case_data_make(&data, &p, &random);
    /* less than the columns of one channel, 25 * 24 * 24 floats */
    case_run_conv(&p, &data, "im2col", 1 << 15);
    case_data_free(&data);
}
END_TEST

START_TEST(conv_falls_back_when_the_workspace_is_too_small)
{
    struct test_random random = {test_seed() + 4};
    struct cvy_conv_problem p = problem_case_padded(2, 64, 64, 4, 3);
    struct case_data data;
    case_data_make(&data, &p, &random);
    struct cvy_conv_params params = {.algo = "im2col", .max_workspace = 4};
    ck_assert_int_eq(cvy_conv_run(test_device(), &p, data.x, data.w, NULL, data.y, &params, NULL),
                     CVY_ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "bytes of workspace and may use 4"));
    case_run_conv(&p, &data, NULL, 4);
    case_data_free(&data);
}
END_TEST

START_TEST(conv_names_an_unknown_algorithm)
{
    struct cvy_conv_problem p = problem_case_padded(2, 1, 1, 4, 3);
    float x[16] = {0}, w[9] = {0}, y[16];
    struct cvy_conv_params params = {.algo = "magic"};
    test_log_clear();
    ck_assert_int_eq(cvy_conv_run(test_device(), &p, x, w, NULL, y, &params, NULL), CVY_ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "'magic'"));
    char why[64];
    ck_assert(!cvy_conv_algo_applies(test_device(), &p, "magic", why, sizeof(why)));
    ck_assert_ptr_nonnull(strstr(why, "'magic'"));
}
END_TEST

START_TEST(conv_refuses_what_an_int_cannot_count)
{
    struct cvy_conv_problem p = problem_case_padded(2, 1, 1, 65536, 3);
    char why[256];
    const char *algo;
    for (size_t a = 0; (algo = cvy_conv_algo_name(a)) != NULL; a++) {
        ck_assert(!cvy_conv_algo_applies(test_device(), &p, algo, why, sizeof(why)));
        ck_assert_ptr_nonnull(strstr(why, cvy_algo_at(a)->for_integers ? "float32" : "4294967296 elements"));
    }
    /* what only whole tiles exceed is left to algorithms without them */
    struct cvy_conv_problem row = problem_case(1, 1, 1, 2147483647 - 100, 1);
    ck_assert(cvy_conv_algo_applies(test_device(), &row, "ref", why, sizeof(why)));
    ck_assert(!cvy_conv_algo_applies(test_device(), &row, "pointwise", why, sizeof(why)));
    ck_assert(!cvy_conv_algo_applies(test_device(), &row, "depthwise", why, sizeof(why)));
    float w[9] = {0};
    struct cvy_conv *conv = NULL;
    /* where x is also more than the device allows at once, that is what the caller is told */
    bool too_large = cvy_device_get_info(test_device())->max_alloc_bytes < (uint64_t)65536 * 65536 * 4;
    ck_assert_int_eq(cvy_conv_create(&conv, test_device(), &p, w, NULL, NULL),
                     too_large ? CVY_ERROR_DEVICE_MEMORY : CVY_ERROR_UNSUPPORTED);
    ck_assert_ptr_null(conv);
}
END_TEST

START_TEST(conv_wants_bias_and_problem_to_agree)
{
    struct cvy_conv_problem p = problem_case_padded(2, 1, 1, 4, 3);
    float w[9] = {0}, bias[1] = {0};
    struct cvy_conv *conv = NULL;
    ck_assert_int_eq(cvy_conv_create(&conv, test_device(), &p, w, bias, NULL), CVY_ERROR_INVALID);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "bias"));
    p.bias = true;
    ck_assert_int_eq(cvy_conv_create(&conv, test_device(), &p, w, NULL, NULL), CVY_ERROR_INVALID);
    ck_assert_ptr_null(conv);
}
END_TEST

START_TEST(conv_refuses_buffers_that_are_too_small)
{
    struct cvy_conv_problem p = problem_case_padded(2, 1, 1, 4, 3);
    float w[9] = {0};
    struct cvy_conv *conv = NULL;
    struct cvy_buffer *small = NULL;
    ck_assert_int_eq(cvy_conv_create(&conv, test_device(), &p, w, NULL, NULL), CVY_OK);
    ck_assert_int_eq(cvy_buffer_create(&small, test_device(), 60), CVY_OK);
    ck_assert_int_eq(cvy_conv_enqueue(conv, small, small, NULL, 0, NULL), CVY_ERROR_INVALID);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "has 60 bytes but needs 64"));
    cvy_buffer_destroy(&small);
    cvy_conv_destroy(&conv);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("conv");
    TCase *many = tcase_create("random problems"), *tests = tcase_create("single problems");
    tcase_set_timeout(many, 0);
    tcase_set_timeout(tests, 0);
    tcase_add_test(many, conv_agrees_with_the_oracle_on_random_problems);
    tcase_add_test(many, conv_agrees_with_the_oracle_in_any_config);
    tcase_add_test(many, direct_takes_groups_that_are_parts_of_blocks);
    tcase_add_test(tests, narrow_takes_every_window);
    tcase_add_test(tests, pointwise_blocks_shuffles_groups_that_begin_within_blocks);
    tcase_add_test(tests, pointwise_blocks_adds_up_channels_in_parts);
    tcase_add_test(tests, conv_chooses_an_algorithm_that_is_right);
    tcase_add_test(tests, conv_of_float16_is_left_to_those_that_take_it);
    tcase_add_test(tests, conv_runs_again_on_new_input_after_an_event);
    tcase_add_test(tests, conv_keeps_to_the_workspace_it_is_given);
    tcase_add_test(tests, pointwise_conv_is_right_where_padding_is_never_seen);
    tcase_add_test(tests, transposed_conv_adds_up_strips_of_input_pixels);
    tcase_add_test(tests, conv_falls_back_when_the_workspace_is_too_small);
    tcase_add_test(tests, conv_names_an_unknown_algorithm);
    tcase_add_test(tests, conv_refuses_what_an_int_cannot_count);
    tcase_add_test(tests, conv_wants_bias_and_problem_to_agree);
    tcase_add_test(tests, conv_refuses_buffers_that_are_too_small);
    suite_add_tcase(suite, many);
    suite_add_tcase(suite, tests);
    return suite;
}
