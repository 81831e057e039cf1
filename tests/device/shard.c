#include <math.h>
#include <string.h>

#include "graph/parting.h"
#include "oracle.h"
#include "problem_case.h"
#include "runtime/rates.h"
#include "shard_case.h"

/* Plans on several devices. Their results are those of the same graph on one. */

static struct cvy_plan *compile(struct cvy_graph *graph, size_t n_devices, enum cvy_split split)
{
    struct cvy_plan *plan = NULL;
    const struct cvy_plan_params params = {.split = split};
    ck_assert_msg(cvy_plan_create(&plan, graph, shard_pair, n_devices, &params) == CVY_OK, "%s",
                  test_log_last());
    return plan;
}

/* Runs the network in one piece and split, twice, on other data the second time. */
static void check_network(const struct cvy_shape *shape, enum cvy_split split, bool drops_x)
{
    shard_open_pair();
    struct cvy_graph *graph = shard_network(shape);
    struct cvy_plan *whole = compile(graph, 1, CVY_SPLIT_AUTO), *both = NULL;
    const struct cvy_plan_params params = {.split = split};
    enum cvy_status status = cvy_plan_create(&both, graph, shard_pair, 2, &params);
    cvy_graph_destroy(&graph);
    if (drops_x) {
        ck_assert_int_eq(status, CVY_ERROR_UNSUPPORTED);
        ck_assert_ptr_nonnull(strstr(test_log_last(), "'x'"));
        cvy_plan_destroy(&whole);
        return;
    }
    ck_assert_msg(status == CVY_OK, "%s", test_log_last());
    struct cvy_tensor x = shard_input(shape);
    for (int i = 0; i < 2; i++) {
        struct cvy_tensor expected[SHARD_OUTPUTS] = {{0}}, got[SHARD_OUTPUTS] = {{0}};
        ck_assert_int_eq(cvy_plan_run(whole, &x, expected), CVY_OK);
        ck_assert_msg(cvy_plan_run(both, &x, got) == CVY_OK, "%s", test_log_last());
        for (size_t j = 0; j < SHARD_OUTPUTS; j++) {
            shard_check_equal(&got[j], &expected[j]);
            cvy_tensor_finish(&got[j]);
            cvy_tensor_finish(&expected[j]);
        }
        ((float *)x.data)[i] += 5;
    }
    cvy_tensor_finish(&x);
    cvy_plan_destroy(&whole);
    cvy_plan_destroy(&both);
}

static const struct cvy_shape many = {4, {5, 3, 15, 15}}, one = {4, {1, 3, 15, 15}};
/* so many that a device many times slower than the other still gets one */
static const struct cvy_shape crowd = {4, {40, 3, 15, 15}};

START_TEST(channels_are_divided_among_devices)
{
    check_network(&one, CVY_SPLIT_CHANNELS, false);
    check_network(&many, CVY_SPLIT_CHANNELS, false);
}
END_TEST

START_TEST(the_best_way_is_taken)
{
    check_network(&one, CVY_SPLIT_AUTO, false);
    check_network(&many, CVY_SPLIT_AUTO, false);
}
END_TEST

START_TEST(an_output_that_is_an_input_is_no_batch)
{
    check_network(&many, CVY_SPLIT_BATCH, true);
}
END_TEST

static void check_batch(struct cvy_plan *both, struct cvy_plan *whole)
{
    struct cvy_tensor x = shard_input(&crowd), expected = {0}, got = {0};
    ck_assert_int_eq(cvy_plan_run(whole, &x, &expected), CVY_OK);
    ck_assert_msg(cvy_plan_run(both, &x, &got) == CVY_OK, "%s", test_log_last());
    shard_check_equal(&got, &expected);
    cvy_tensor_finish(&x);
    cvy_tensor_finish(&got);
    cvy_tensor_finish(&expected);
}

START_TEST(a_batch_is_divided_among_devices)
{
    shard_open_pair();
    struct cvy_graph *graph = shard_batch_network(&crowd);
    struct cvy_plan *both = compile(graph, 2, CVY_SPLIT_BATCH), *whole = compile(graph, 1, CVY_SPLIT_AUTO);
    cvy_graph_destroy(&graph);
    check_batch(both, whole);
    const double speeds[] = {cvy_rates(shard_pair[0])->flops, cvy_rates(shard_pair[1])->flops};
    const bool share = (double)crowd.dims[0] * fmin(speeds[0], speeds[1]) > fmax(speeds[0], speeds[1]);
    bool seen[2] = {false, false};
    for (size_t i = 0; i < cvy_plan_layer_count(both); i++) {
        struct cvy_plan_layer layer;
        ck_assert_int_eq(cvy_plan_get_layer(both, i, &layer), CVY_OK);
        seen[0] = seen[0] || layer.device == shard_pair[0];
        seen[1] = seen[1] || layer.device == shard_pair[1];
        ck_assert(!share || layer.output.dims[0] < crowd.dims[0]);
    }
    ck_assert(!share || (seen[0] && seen[1]));
    cvy_plan_destroy(&both);
    cvy_plan_destroy(&whole);
}
END_TEST

START_TEST(buffers_may_be_on_any_device)
{
    shard_open_pair();
    struct cvy_graph *graph = shard_batch_network(&crowd);
    struct cvy_plan *both = compile(graph, 2, CVY_SPLIT_BATCH), *whole = compile(graph, 1, CVY_SPLIT_AUTO);
    struct cvy_tensor x = shard_input(&crowd), expected = {0}, got;
    struct cvy_buffer *in = NULL, *out = NULL;
    struct cvy_event *event = NULL;
    cvy_graph_destroy(&graph);
    ck_assert_int_eq(cvy_plan_run(whole, &x, &expected), CVY_OK);
    ck_assert_int_eq(cvy_tensor_init(&got, CVY_FLOAT32, &expected.shape), CVY_OK);
    ck_assert_int_eq(cvy_buffer_create(&in, shard_pair[1], x.bytes), CVY_OK);
    ck_assert_int_eq(cvy_buffer_create(&out, shard_pair[0], got.bytes), CVY_OK);
    ck_assert_int_eq(cvy_buffer_write(in, 0, x.bytes, x.data), CVY_OK);
    const struct cvy_binding bindings[] = {{"x", in}, {"y", out}};
    ck_assert_msg(cvy_plan_enqueue(both, bindings, 2, NULL, 0, &event) == CVY_OK, "%s", test_log_last());
    ck_assert_int_eq(cvy_event_wait(event), CVY_OK);
    ck_assert_int_eq(cvy_buffer_read(out, 0, got.bytes, got.data), CVY_OK);
    shard_check_equal(&got, &expected);
    cvy_event_destroy(&event);
    cvy_buffer_destroy(&in);
    cvy_buffer_destroy(&out);
    cvy_tensor_finish(&x);
    cvy_tensor_finish(&got);
    cvy_tensor_finish(&expected);
    cvy_plan_destroy(&both);
    cvy_plan_destroy(&whole);
}
END_TEST

static size_t count_layers(const struct cvy_plan *plan, const char *op)
{
    size_t count = 0;
    for (size_t i = 0; i < cvy_plan_layer_count(plan); i++) {
        struct cvy_plan_layer layer;
        ck_assert_int_eq(cvy_plan_get_layer(plan, i, &layer), CVY_OK);
        count += strstr(layer.op, op) != NULL;
    }
    return count;
}

/* One convolution of any kind, against the definition. */
static void check_conv(size_t round)
{
    struct test_random random = {test_seed() + round};
    const bool transposed = round % 3 == 2;
    const size_t groups = test_random_range(&random, 1, 4), n = test_random_range(&random, 1, 3);
    struct cvy_conv_problem p = problem_case_padded(2, groups * test_random_range(&random, 1, 5),
                                                    groups * test_random_range(&random, 1, 20), 7, 3);
    p.n = n;
    p.groups = groups;
    p.transposed = transposed;
    p.bias = true;
    if (p.k < 2)
        return;
    struct cvy_shape x_shape, w_shape, y_shape;
    struct cvy_value *x;
    ck_assert_msg(cvy_conv_x_shape(&p, &x_shape) == CVY_OK && cvy_conv_w_shape(&p, &w_shape) == CVY_OK &&
                      cvy_conv_y_shape(&p, &y_shape) == CVY_OK,
                  "%s", test_log_last());
    struct shard_builder b = shard_begin(&x, &x_shape);
    struct cvy_value *w = shard_constant(&b, w_shape, 1),
                     *bias = shard_constant(&b, (struct cvy_shape){1, {p.k}}, 1);
    struct cvy_op op = cvy_op_from_problem(CVY_OP_CONV, &p);
    ck_assert_int_eq(cvy_graph_add_output(b.graph, shard_node(&b, op, x, w, bias), "y"), CVY_OK);
    /* the same numbers again */
    struct test_random again = {test_seed()};
    static float w_data[1 << 14], bias_data[128];
    static double expected[1 << 14];
    size_t w_elements = 1;
    for (size_t i = 0; i < w_shape.rank; i++)
        w_elements *= w_shape.dims[i];
    test_random_fill(&again, w_data, w_elements);
    test_random_fill(&again, bias_data, p.k);
    struct cvy_tensor in = shard_input(&x_shape), out = {0};
    oracle_conv(&p, in.data, w_data, bias_data, expected, NULL);
    struct cvy_plan *plan = compile(b.graph, 2, CVY_SPLIT_CHANNELS);
    cvy_graph_destroy(&b.graph);
    /* one that is much faster may get all of a few channels */
    ck_assert_uint_le(count_layers(plan, "Conv"), 2);
    ck_assert_msg(cvy_plan_run(plan, &in, &out) == CVY_OK, "%s", test_log_last());
    for (size_t i = 0; i < out.elements; i++)
        ck_assert_msg(fabs(((float *)out.data)[i] - expected[i]) <= 1e-3 * (1 + fabs(expected[i])),
                      "round %zu, element %zu: %g, not %g", round, i, (double)((float *)out.data)[i],
                      expected[i]);
    cvy_tensor_finish(&in);
    cvy_tensor_finish(&out);
    cvy_plan_destroy(&plan);
}

START_TEST(any_convolution_is_divided_by_groups_or_channels)
{
    shard_open_pair();
    for (size_t round = 0; round < (test_programs() < 7 ? 3 : 7); round++)
        check_conv(round);
}
END_TEST

START_TEST(what_cannot_be_divided_says_why)
{
    shard_open_pair();
    struct cvy_value *x;
    struct shard_builder b = shard_begin(&x, &many);
    struct cvy_op op = {.type = CVY_OP_TRANSPOSE, .transpose = {.rank = 4, .order = {1, 0, 2, 3}}};
    ck_assert_int_eq(cvy_graph_add_output(b.graph, shard_node(&b, op, x, NULL, NULL), "y"), CVY_OK);
    struct cvy_plan *plan = NULL;
    for (int split = CVY_SPLIT_BATCH; split <= CVY_SPLIT_CHANNELS; split++) {
        const struct cvy_plan_params params = {.split = (enum cvy_split)split};
        ck_assert_int_eq(cvy_plan_create(&plan, b.graph, shard_pair, 2, &params), CVY_ERROR_UNSUPPORTED);
        ck_assert_ptr_null(plan);
        ck_assert_ptr_nonnull(
            strstr(test_log_last(), split == CVY_SPLIT_BATCH ? "the batch" : "no convolution"));
    }
    struct cvy_device *same[] = {shard_pair[0], shard_pair[0]};
    ck_assert_int_eq(cvy_plan_create(&plan, b.graph, same, 2, NULL), CVY_ERROR_INVALID);
    ck_assert_int_eq(cvy_plan_create(&plan, b.graph, same, 0, NULL), CVY_ERROR_INVALID);
    cvy_graph_destroy(&b.graph);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("plans on several devices");
    TCase *tests = tcase_create("shards");
    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, a_batch_is_divided_among_devices);
    tcase_add_test(tests, an_output_that_is_an_input_is_no_batch);
    tcase_add_test(tests, channels_are_divided_among_devices);
    tcase_add_test(tests, any_convolution_is_divided_by_groups_or_channels);
    tcase_add_test(tests, the_best_way_is_taken);
    tcase_add_test(tests, buffers_may_be_on_any_device);
    tcase_add_test(tests, what_cannot_be_divided_says_why);
    suite_add_tcase(suite, tests);
    return suite;
}
