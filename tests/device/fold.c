/* What a plan folds together must give what the nodes give one by one. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "oracle.h"
#include "support.h"

/* A graph in the making, its input, its weights and what must come out. */
struct net {
    struct cvy_graph *graph;
    struct cvy_value *x;
    struct cvy_shape shape;
    struct cvy_tensor input;
    struct test_random random;
};

static struct cvy_tensor random_tensor(struct test_random *random, const struct cvy_shape *shape)
{
    struct cvy_tensor tensor;
    ck_assert_int_eq(cvy_tensor_init(&tensor, CVY_FLOAT32, shape), CVY_OK);
    test_random_fill(random, tensor.data, tensor.elements);
    return tensor;
}

static struct net net_of(struct cvy_shape shape, uint64_t stream)
{
    struct net net = {.shape = shape, .random = {test_seed() + stream}};
    ck_assert_int_eq(cvy_graph_create(&net.graph), CVY_OK);
    ck_assert_int_eq(cvy_graph_add_input(net.graph, &net.x, "x", &shape), CVY_OK);
    net.input = random_tensor(&net.random, &shape);
    return net;
}

static struct cvy_value *add(struct net *net, struct cvy_op op, struct cvy_value *a, struct cvy_value *w)
{
    struct cvy_value *inputs[] = {a, w}, *out = NULL;
    ck_assert_msg(cvy_graph_add_node(net->graph, &out, &op, inputs, w ? 2 : 1, NULL) == CVY_OK, "%s",
                  test_log_last());
    return out;
}

static struct cvy_value *reshape(struct net *net, struct cvy_value *a, size_t rank, const int64_t *dims)
{
    struct cvy_op op = {.type = CVY_OP_RESHAPE, .reshape.rank = rank};
    memcpy(op.reshape.dims, dims, rank * sizeof(*dims));
    return add(net, op, a, NULL);
}

/* The three nodes by which exporters spell a channel shuffle. */
static struct cvy_value *spelt_shuffle(struct net *net, struct cvy_value *a, const struct cvy_shape *shape,
                                       size_t groups, bool swap_back)
{
    int64_t n = (int64_t)shape->dims[0], c = (int64_t)shape->dims[1], g = (int64_t)groups;
    int64_t h = (int64_t)shape->dims[2], w = (int64_t)shape->dims[3];
    struct cvy_op op = {.type = CVY_OP_TRANSPOSE, .transpose = {.rank = 5, .order = {0, 2, 1, 3, 4}}};
    if (swap_back)
        op.transpose.order[3] = 4, op.transpose.order[4] = 3;
    struct cvy_value *split = reshape(net, a, 5, (int64_t[]){n, g, c / g, h, w});
    return reshape(net, add(net, op, split, NULL), 4, (int64_t[]){n, c, h, w});
}

/* Runs the graph with `out` as its output and returns that; layers receives the number of steps. */
static struct cvy_tensor run(struct net *net, struct cvy_value *out, size_t *layers)
{
    struct cvy_plan *plan = NULL;
    struct cvy_device *device = test_device();
    struct cvy_tensor y = {0};
    ck_assert_int_eq(cvy_graph_add_output(net->graph, out, "y"), CVY_OK);
    ck_assert_msg(cvy_plan_create(&plan, net->graph, &device, 1, NULL) == CVY_OK, "%s", test_log_last());
    ck_assert_msg(cvy_plan_run(plan, &net->input, &y) == CVY_OK, "%s", test_log_last());
    *layers = cvy_plan_layer_count(plan) - cvy_plan_conversion_count(plan);
    cvy_plan_destroy(&plan);
    return y;
}

static void net_finish(struct net *net, struct cvy_tensor *y)
{
    cvy_tensor_finish(&net->input);
    cvy_tensor_finish(y);
    cvy_graph_destroy(&net->graph);
}

static void check(const float *got, const double *expected, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(fabs(got[i] - expected[i]) <= 1e-5 * (1 + fabs(expected[i])), "element %zu: %g, not %g",
                      i, (double)got[i], expected[i]);
}

static struct cvy_op conv_op(size_t groups)
{
    return (struct cvy_op){.type = CVY_OP_CONV,
                           .conv = {.groups = groups, .stride = {1, 1, 1}, .dilation = {1, 1, 1}}};
}

static struct cvy_conv_problem problem_of(const struct cvy_shape *x, size_t k, size_t groups, size_t kernel)
{
    struct cvy_conv_problem p;
    cvy_conv_problem_init(&p, x->rank - 2);
    p.n = x->dims[0];
    p.c = x->dims[1];
    p.k = k;
    p.groups = groups;
    for (size_t i = 0; i < p.rank; i++) {
        p.in[i] = x->dims[i + 2];
        p.kernel[i] = kernel;
    }
    return p;
}

static struct cvy_value *weights(struct net *net, const struct cvy_conv_problem *p, struct cvy_tensor *w)
{
    struct cvy_shape shape;
    struct cvy_value *value = NULL;
    ck_assert_int_eq(cvy_conv_w_shape(p, &shape), CVY_OK);
    *w = random_tensor(&net->random, &shape);
    ck_assert_int_eq(cvy_graph_add_constant(net->graph, &value, NULL, w), CVY_OK);
    return value;
}

START_TEST(reshape_transpose_reshape_is_one_channel_shuffle)
{
    struct cvy_shape shape = {4, {2, 12, 5, 3}};
    struct net net = net_of(shape, 1);
    struct cvy_value *relu = add(&net, (struct cvy_op){.type = CVY_OP_RELU}, net.x, NULL);
    /* read twice, so that nothing before can take it over */
    struct cvy_value *shuffled = spelt_shuffle(&net, relu, &shape, 3, false);
    size_t layers = 0;
    struct cvy_tensor y = run(&net, add(&net, (struct cvy_op){.type = CVY_OP_ADD}, shuffled, relu), &layers);
    const float *x = net.input.data;
    for (size_t i = 0; i < y.elements; i++) {
        size_t plane = i / 15, n = plane / 12, c = plane % 12,
               from = (n * 12 + c % 3 * 4 + c / 3) * 15 + i % 15;
        ck_assert(((float *)y.data)[i] == fmaxf(x[from], 0) + fmaxf(x[i], 0));
    }
    ck_assert_uint_eq(layers, 3);
    net_finish(&net, &y);
}
END_TEST

START_TEST(conv_before_a_shuffle_writes_its_channels_shuffled)
{
    struct cvy_shape shape = {4, {2, 6, 7, 5}};
    for (size_t kernel = 1; kernel <= 3; kernel += 2) {
        struct net net = net_of(shape, 2);
        struct cvy_conv_problem p = problem_of(&shape, 9, 3, kernel);
        struct cvy_tensor w;
        struct cvy_value *conv = add(&net, conv_op(3), net.x, weights(&net, &p, &w));
        struct cvy_value *relu = add(&net, (struct cvy_op){.type = CVY_OP_RELU}, conv, NULL);
        struct cvy_shape y_shape;
        ck_assert_int_eq(cvy_conv_y_shape(&p, &y_shape), CVY_OK);
        size_t layers = 0;
        struct cvy_tensor y = run(&net, spelt_shuffle(&net, relu, &y_shape, 3, false), &layers);
        double *plain = malloc(y.elements * sizeof(*plain)),
               *expected = malloc(y.elements * sizeof(*expected));
        oracle_conv(&p, net.input.data, w.data, NULL, plain, NULL);
        size_t pixels = y_shape.dims[2] * y_shape.dims[3];
        for (size_t i = 0; i < y.elements; i++) {
            size_t plane = i / pixels, n = plane / 9, c = plane % 9;
            expected[i] = fmax(plain[(n * 9 + c % 3 * 3 + c / 3) * pixels + i % pixels], 0);
        }
        check(y.data, expected, y.elements);
        ck_assert_uint_eq(layers, 1);
        free(plain);
        free(expected);
        cvy_tensor_finish(&w);
        net_finish(&net, &y);
    }
}
END_TEST

START_TEST(transpose_that_is_no_shuffle_stays)
{
    struct cvy_shape shape = {4, {1, 4, 3, 3}};
    struct net net = net_of(shape, 3);
    size_t layers = 0;
    struct cvy_tensor y = run(&net, spelt_shuffle(&net, net.x, &shape, 2, true), &layers);
    const float *x = net.input.data;
    for (size_t i = 0; i < y.elements; i++) {
        size_t c = i / 9, h = i / 3 % 3, w = i % 3;
        ck_assert(((float *)y.data)[i] == x[(c % 2 * 2 + c / 2) * 9 + w * 3 + h]);
    }
    net_finish(&net, &y);
}
END_TEST

/* A Pad before a convolution, in every mode; own padding of the convolution where that can be added. */
START_TEST(pad_before_a_conv_is_done_inside_it)
{
    for (int round = 0; round < 8; round++) {
        struct cvy_shape shape = {4, {2, 3, 6, 5}};
        struct net net = net_of(shape, 4);
        struct cvy_op pad = {.type = CVY_OP_PAD, .pad = {.mode = (enum cvy_pad_mode)(round % 4), .rank = 4}};
        struct cvy_conv_problem p = problem_of(&shape, 4, 1, 3);
        p.pad_mode = pad.pad.mode;
        for (size_t i = 0; i < 2; i++) {
            p.pad_begin[i] = test_random_range(&net.random, 0, 3);
            p.pad_end[i] = test_random_range(&net.random, 0, 3);
            pad.pad.begin[i + 2] = (int64_t)p.pad_begin[i];
            pad.pad.end[i + 2] = (int64_t)p.pad_end[i];
        }
        struct cvy_op conv = conv_op(1);
        if (round >= 4 && p.pad_mode == CVY_PAD_CONSTANT)
            conv.conv.pad_begin[0] = 1, p.pad_begin[0] += 1;
        struct cvy_tensor w;
        struct cvy_value *padded = add(&net, pad, net.x, NULL);
        struct cvy_value *out = add(&net, conv, padded, weights(&net, &p, &w));
        if (round >= 4) /* someone else reads it too: then it is still made */
            ck_assert_int_eq(cvy_graph_add_output(net.graph, padded, "padded"), CVY_OK);
        struct cvy_plan *plan = NULL;
        struct cvy_device *device = test_device();
        struct cvy_tensor y[2] = {{0}};
        ck_assert_int_eq(cvy_graph_add_output(net.graph, out, "y"), CVY_OK);
        ck_assert_msg(cvy_plan_create(&plan, net.graph, &device, 1, NULL) == CVY_OK, "%s", test_log_last());
        ck_assert_msg(cvy_plan_run(plan, &net.input, y) == CVY_OK, "%s", test_log_last());
        ck_assert_uint_eq(cvy_plan_layer_count(plan) - cvy_plan_conversion_count(plan), round >= 4 ? 2 : 1);
        struct cvy_tensor *got = &y[round >= 4];
        double *expected = malloc(got->elements * sizeof(*expected));
        oracle_conv(&p, net.input.data, w.data, NULL, expected, NULL);
        check(got->data, expected, got->elements);
        free(expected);
        cvy_plan_destroy(&plan);
        cvy_tensor_finish(&w);
        cvy_tensor_finish(&y[1]);
        net_finish(&net, &y[0]);
    }
}
END_TEST

START_TEST(pad_with_a_value_or_on_channels_stays_a_step)
{
    for (int round = 0; round < 2; round++) {
        struct cvy_shape shape = {4, {1, 2, 4, 4}};
        struct net net = net_of(shape, 5);
        struct cvy_op pad = {.type = CVY_OP_PAD, .pad = {.rank = 4, .begin = {0, 0, 1, 1}}};
        if (round == 0)
            pad.pad.value = 1.5f;
        else
            pad.pad.end[1] = 1;
        struct cvy_shape padded = {4, {1, round == 0 ? 2 : 3, 5, 5}};
        struct cvy_conv_problem p = problem_of(&padded, 2, 1, 3);
        struct cvy_tensor w;
        struct cvy_value *value = add(&net, pad, net.x, NULL);
        size_t layers = 0;
        struct cvy_tensor y = run(&net, add(&net, conv_op(1), value, weights(&net, &p, &w)), &layers);
        ck_assert_uint_eq(layers, 2);
        float large[3 * 25];
        for (size_t i = 0; i < 75; i++) {
            size_t c = i / 25, row = i / 5 % 5, column = i % 5;
            large[i] = c < 2 && row > 0 && column > 0
                           ? ((float *)net.input.data)[c * 16 + (row - 1) * 4 + column - 1]
                           : pad.pad.value;
        }
        double expected[2 * 9];
        oracle_conv(&p, large, w.data, NULL, expected, NULL);
        check(y.data, expected, y.elements);
        cvy_tensor_finish(&w);
        net_finish(&net, &y);
    }
}
END_TEST

START_TEST(pass_that_is_skipped_leaves_its_nodes)
{
    struct cvy_shape shape = {4, {1, 6, 4, 3}};
    struct net net = net_of(shape, 6);
    struct cvy_device *device = test_device();
    struct cvy_tensor y[2] = {{0}};
    ck_assert_int_eq(
        cvy_graph_add_output(net.graph, spelt_shuffle(&net, net.x, &shape, 2, false), "shuffled"), CVY_OK);
    for (size_t off = 0; off < 2; off++) {
        struct cvy_plan_params params = {.skip_passes = (const char *const[]){"shuffle"},
                                         .n_skip_passes = off};
        struct cvy_plan *plan = NULL;
        struct cvy_plan_layer layer;
        ck_assert_int_eq(cvy_plan_create(&plan, net.graph, &device, 1, &params), CVY_OK);
        ck_assert_int_eq(cvy_plan_run(plan, &net.input, &y[off]), CVY_OK);
        ck_assert_int_eq(cvy_plan_get_layer(plan, 0, &layer), CVY_OK);
        ck_assert_str_eq(layer.op, off ? "Transpose" : "ChannelShuffle");
        ck_assert_int_eq(strncmp(layer.fused, "Reshape", 7) == 0, !off);
        ck_assert_int_eq(layer.place.kind, CVY_PLAN_PLACE_OUTPUT);
        cvy_plan_destroy(&plan);
    }
    ck_assert_int_eq(memcmp(y[0].data, y[1].data, y[0].bytes), 0);
    cvy_tensor_finish(&y[1]);
    net_finish(&net, &y[0]);
}
END_TEST

START_TEST(name_of_no_pass_is_refused_with_a_list)
{
    struct net net = net_of((struct cvy_shape){1, {3}}, 7);
    struct cvy_device *device = test_device();
    struct cvy_plan_params params = {.skip_passes = (const char *const[]){"none-such"}, .n_skip_passes = 1};
    struct cvy_plan *plan = NULL;
    ck_assert_int_eq(cvy_graph_add_output(net.graph, net.x, "y"), CVY_OK);
    ck_assert_int_eq(cvy_plan_create(&plan, net.graph, &device, 1, &params), CVY_ERROR_INVALID);
    ck_assert_ptr_null(plan);
    for (size_t i = 0; cvy_plan_pass_name(i) != NULL; i++)
        ck_assert_ptr_nonnull(strstr(test_log_last(), cvy_plan_pass_name(i)));
    ck_assert_ptr_nonnull(strstr(test_log_last(), "none-such"));
    ck_assert_ptr_null(cvy_plan_pass_description(1000));
    cvy_tensor_finish(&net.input);
    cvy_graph_destroy(&net.graph);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("fold");
    TCase *tests = tcase_create("fold");
    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, reshape_transpose_reshape_is_one_channel_shuffle);
    tcase_add_test(tests, conv_before_a_shuffle_writes_its_channels_shuffled);
    tcase_add_test(tests, transpose_that_is_no_shuffle_stays);
    tcase_add_test(tests, pad_before_a_conv_is_done_inside_it);
    tcase_add_test(tests, pad_with_a_value_or_on_channels_stays_a_step);
    tcase_add_test(tests, pass_that_is_skipped_leaves_its_nodes);
    tcase_add_test(tests, name_of_no_pass_is_refused_with_a_list);
    suite_add_tcase(suite, tests);
    return suite;
}
