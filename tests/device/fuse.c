/* Each pass over a graph, on and off: the same results but for rounding, and fewer steps. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

struct net {
    struct cvy_graph *graph;
    struct test_random random;
    size_t n_inputs;
    struct cvy_tensor inputs[2];
};

static struct net net_begin(uint64_t stream)
{
    struct net net = {.random = {test_seed() + stream}};
    ck_assert_int_eq(cvy_graph_create(&net.graph), CVY_OK);
    return net;
}

static void net_finish(struct net *net)
{
    for (size_t i = 0; i < net->n_inputs; i++)
        cvy_tensor_finish(&net->inputs[i]);
    cvy_graph_destroy(&net->graph);
}

static struct cvy_value *input(struct net *net, struct cvy_shape shape)
{
    static const char *const names[] = {"a", "b"};
    struct cvy_value *value = NULL;
    struct cvy_tensor *tensor = &net->inputs[net->n_inputs];
    ck_assert_int_eq(cvy_graph_add_input(net->graph, &value, names[net->n_inputs++], &shape), CVY_OK);
    ck_assert_int_eq(cvy_tensor_init(tensor, CVY_FLOAT32, &shape), CVY_OK);
    test_random_fill(&net->random, tensor->data, tensor->elements);
    return value;
}

/* Random, away from 0 where `positive`: variances and divisors. */
static struct cvy_value *constant(struct net *net, struct cvy_shape shape, bool positive)
{
    struct cvy_value *value = NULL;
    struct cvy_tensor tensor = {0};
    ck_assert_int_eq(cvy_tensor_init(&tensor, CVY_FLOAT32, &shape), CVY_OK);
    test_random_fill(&net->random, tensor.data, tensor.elements);
    for (size_t i = 0; positive && i < tensor.elements; i++)
        ((float *)tensor.data)[i] = 0.5f + fabsf(((float *)tensor.data)[i]);
    ck_assert_int_eq(cvy_graph_add_constant(net->graph, &value, NULL, &tensor), CVY_OK);
    cvy_tensor_finish(&tensor);
    return value;
}

static struct cvy_value *node(struct net *net, struct cvy_op op, struct cvy_value *a, struct cvy_value *b)
{
    struct cvy_value *inputs[] = {a, b}, *out = NULL;
    ck_assert_msg(cvy_graph_add_node(net->graph, &out, &op, inputs, b ? 2 : 1, NULL) == CVY_OK, "%s",
                  test_log_last());
    return out;
}

static struct cvy_value *plain(struct net *net, enum cvy_op_type type, struct cvy_value *a,
                               struct cvy_value *b)
{
    return node(net, (struct cvy_op){.type = type}, a, b);
}

/* k channels from c; 3 wide and padded, so that y has the size of x. */
static struct cvy_value *conv_of(struct net *net, struct cvy_value *x, size_t rank, size_t c, size_t k,
                                 size_t groups, bool transposed, bool bias)
{
    struct cvy_op op = {.type = CVY_OP_CONV, .conv = {.groups = groups, .transposed = transposed}};
    struct cvy_shape w = {rank + 2, {transposed ? c : k, (transposed ? k : c) / groups}};
    for (size_t i = 0; i < rank; i++) {
        op.conv.stride[i] = op.conv.dilation[i] = op.conv.pad_begin[i] = op.conv.pad_end[i] = 1;
        w.dims[i + 2] = 3;
    }
    struct cvy_value *inputs[] = {x, constant(net, w, false),
                                  bias ? constant(net, (struct cvy_shape){1, {k}}, false) : NULL};
    struct cvy_value *out = NULL;
    ck_assert_msg(cvy_graph_add_node(net->graph, &out, &op, inputs, bias ? 3 : 2, NULL) == CVY_OK, "%s",
                  test_log_last());
    return out;
}

static struct cvy_value *conv(struct net *net, struct cvy_value *x, size_t channels)
{
    return conv_of(net, x, 2, channels, channels, 1, false, true);
}

static struct cvy_value *batch_norm(struct net *net, struct cvy_value *x, size_t channels)
{
    struct cvy_op op = {.type = CVY_OP_BATCH_NORM, .batch_norm.epsilon = 1e-3f};
    struct cvy_value *inputs[5] = {x}, *out = NULL;
    for (size_t i = 1; i < 5; i++)
        inputs[i] = constant(net, (struct cvy_shape){1, {channels}}, i == 4);
    ck_assert_int_eq(cvy_graph_add_node(net->graph, &out, &op, inputs, 5, NULL), CVY_OK);
    return out;
}

#define MAX_OUTPUTS 2

/* Runs with the passes named left out; returns the number of steps, without conversions of layout. */
static size_t run(const struct net *net, const char *const *skipped, size_t n_skipped,
                  struct cvy_tensor outputs[MAX_OUTPUTS])
{
    struct cvy_device *device = test_device();
    struct cvy_plan_params params = {.skip_passes = skipped, .n_skip_passes = n_skipped};
    struct cvy_plan *plan = NULL;
    ck_assert_msg(cvy_plan_create(&plan, net->graph, &device, 1, &params) == CVY_OK, "%s", test_log_last());
    const size_t steps = cvy_plan_layer_count(plan) - cvy_plan_conversion_count(plan);
    /* twice: what is remembered of the first run must do for the second */
    for (int i = 0; i < 2; i++) {
        for (size_t j = 0; i > 0 && j < MAX_OUTPUTS; j++)
            cvy_tensor_finish(&outputs[j]);
        ck_assert_msg(cvy_plan_run(plan, net->inputs, outputs) == CVY_OK, "%s", test_log_last());
    }
    cvy_plan_destroy(&plan);
    return steps;
}

static void compare(const struct cvy_tensor *got, const struct cvy_tensor *expected, const char *what)
{
    const float *a = got->data, *b = expected->data;
    float most = 1;
    for (size_t i = 0; i < expected->elements; i++)
        most = fmaxf(most, fabsf(b[i]));
    ck_assert_uint_eq(got->elements, expected->elements);
    for (size_t i = 0; i < expected->elements; i++)
        ck_assert_msg(fabsf(a[i] - b[i]) <= 1e-5f * most, "%s: element %zu is %g, not %g", what, i,
                      (double)a[i], (double)b[i]);
}

/* The graph gives the same with all passes off, with all on, and with each off alone; with all on it has so
 * many steps, with all off `unfolded`. */
static void check(struct net *net, struct cvy_value *out, size_t steps, size_t unfolded)
{
    const char *all[64];
    size_t n = 0;
    struct cvy_tensor expected[MAX_OUTPUTS] = {{0}}, got[MAX_OUTPUTS] = {{0}};
    ck_assert_int_eq(cvy_graph_add_output(net->graph, out, "y"), CVY_OK);
    while ((all[n] = cvy_plan_pass_name(n)) != NULL)
        n++;
    ck_assert_uint_eq(run(net, all, n, expected), unfolded);
    for (size_t i = 0; i <= n; i++) {
        size_t count = run(net, &all[i], i < n, got);
        if (i == n)
            ck_assert_uint_eq(count, steps);
        for (size_t j = 0; j < MAX_OUTPUTS; j++) {
            if (expected[j].data != NULL)
                compare(&got[j], &expected[j], i < n ? all[i] : "all passes");
            cvy_tensor_finish(&got[j]);
        }
    }
    for (size_t j = 0; j < MAX_OUTPUTS; j++)
        cvy_tensor_finish(&expected[j]);
    net_finish(net);
}

/* One of the nodes that scale and shift channels, by constants of random broadcastable shapes. */
static struct cvy_value *scale_or_shift(struct net *net, struct cvy_value *x, size_t rank, size_t k)
{
    static const enum cvy_op_type types[] = {CVY_OP_ADD, CVY_OP_SUB, CVY_OP_MUL, CVY_OP_DIV};
    const size_t kind = test_random_range(&net->random, 0, 5);
    if (kind >= 4)
        return batch_norm(net, x, k);
    struct cvy_shape shape = {rank + 1, {k, 1, 1, 1}};
    if (test_random_range(&net->random, 0, 3) == 0)
        shape = (struct cvy_shape){rank + 2, {1, k, 1, 1, 1}};
    else if (test_random_range(&net->random, 0, 3) == 0)
        shape = (struct cvy_shape){0, {0}};
    struct cvy_value *c = constant(net, shape, types[kind] == CVY_OP_DIV);
    const bool swap = types[kind] != CVY_OP_DIV && test_random_range(&net->random, 0, 1);
    return plain(net, types[kind], swap ? c : x, swap ? x : c);
}

START_TEST(scales_and_shifts_behind_a_conv_are_in_its_weights)
{
    for (size_t round = 0; round < 8; round++) {
        struct net net = net_begin(10 + round);
        const size_t rank = 1 + round % 3, groups = round < 3 ? 1 : 2, nodes = 1 + round % 4;
        struct cvy_value *x = input(&net, (struct cvy_shape){rank + 2, {2, 4, 5, 4, 3}});
        struct cvy_value *y = conv_of(&net, x, rank, 4, 6, groups, round % 2, round % 3 == 0);
        for (size_t i = 0; i < nodes; i++)
            y = scale_or_shift(&net, y, rank, 6);
        check(&net, y, 1, 1 + nodes);
    }
}
END_TEST

START_TEST(scales_and_shifts_behind_a_gemm_are_in_its_matrix)
{
    for (size_t round = 0; round < 4; round++) {
        struct net net = net_begin(20 + round);
        struct cvy_op op = {.type = CVY_OP_GEMM,
                            .gemm = {.alpha = 0.5f, .beta = 2, .transpose_b = round % 2}};
        struct cvy_value *x = input(&net, (struct cvy_shape){2, {3, 5}}), *y = NULL;
        struct cvy_value *inputs[] = {
            x,
            constant(&net, (struct cvy_shape){2, {op.gemm.transpose_b ? 7 : 5, op.gemm.transpose_b ? 5 : 7}},
                     false),
            round < 2 ? constant(&net, (struct cvy_shape){1, {round ? 1 : 7}}, false) : NULL};
        ck_assert_int_eq(cvy_graph_add_node(net.graph, &y, &op, inputs, round < 2 ? 3 : 2, NULL), CVY_OK);
        y = batch_norm(&net, y, 7);
        y = plain(&net, CVY_OP_ADD, y, constant(&net, (struct cvy_shape){1, {7}}, false));
        check(&net, y, 1, 3);
    }
}
END_TEST

START_TEST(scales_and_shifts_behind_batch_normalization_are_in_it)
{
    for (size_t round = 0; round < 4; round++) {
        struct net net = net_begin(25 + round);
        struct cvy_value *y = batch_norm(&net, input(&net, (struct cvy_shape){4, {2, 6, 4, 3}}), 6);
        y = scale_or_shift(&net, scale_or_shift(&net, y, 2, 6), 2, 6);
        check(&net, y, 1, 3);
    }
}
END_TEST

START_TEST(what_is_no_scale_of_channels_stays)
{
    for (size_t round = 0; round < 4; round++) {
        struct net net = net_begin(30 + round);
        struct cvy_value *x = input(&net, (struct cvy_shape){4, {1, 3, 4, 4}}), *y = conv(&net, x, 3), *z;
        if (round == 0) /* of rows, not channels */
            z = plain(&net, CVY_OP_MUL, y, constant(&net, (struct cvy_shape){2, {4, 1}}, false));
        else if (round == 1) /* of what another reads, too */
            z = plain(&net, CVY_OP_SUB,
                      plain(&net, CVY_OP_MUL, y, constant(&net, (struct cvy_shape){0}, false)), y);
        else if (round == 2) /* a constant divided */
            z = plain(&net, CVY_OP_DIV, constant(&net, (struct cvy_shape){0}, false), y);
        else /* behind another operator */
            z = plain(&net, CVY_OP_MUL, plain(&net, CVY_OP_TANH, x, NULL),
                      constant(&net, (struct cvy_shape){0}, false));
        check(&net, z, round == 1 ? 3 : 2, round == 1 ? 3 : 2);
    }
}
END_TEST

START_TEST(activation_behind_a_conv_is_its_end)
{
    const struct cvy_op ops[] = {
        {.type = CVY_OP_RELU},
        {.type = CVY_OP_LEAKY_RELU, .leaky_relu.alpha = 0.3f},
        {.type = CVY_OP_CLIP, .clip = {-0.25f, 0.5f}},
        {.type = CVY_OP_SIGMOID},
        {.type = CVY_OP_TANH},
    };
    for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
        struct net net = net_begin(40 + i);
        struct cvy_value *x = input(&net, (struct cvy_shape){4, {2, 3, 4, 5}});
        check(&net, node(&net, ops[i], batch_norm(&net, conv(&net, x, 3), 3), NULL), 1, 3);
    }
}
END_TEST

static struct cvy_value *scalar(struct net *net, enum cvy_op_type type, struct cvy_value *x, float value)
{
    struct cvy_value *c = NULL;
    struct cvy_tensor tensor = {0};
    ck_assert_int_eq(cvy_tensor_init(&tensor, CVY_FLOAT32, &(struct cvy_shape){0}), CVY_OK);
    *(float *)tensor.data = value;
    ck_assert_int_eq(cvy_graph_add_constant(net->graph, &c, NULL, &tensor), CVY_OK);
    cvy_tensor_finish(&tensor);
    return plain(net, type, x, c);
}

static struct cvy_value *clip(struct net *net, struct cvy_value *x, float most)
{
    return node(net, (struct cvy_op){.type = CVY_OP_CLIP, .clip = {0, most}}, x, NULL);
}

/* The spelling `index` of an activation, with the nodes that it takes; false: there is none. */
static bool spell(struct net *net, size_t index, struct cvy_value *x, struct cvy_value **y, size_t *nodes)
{
    const struct cvy_op hard = {.type = CVY_OP_HARD_SIGMOID, .activation = {1.0f / 6, 0.5f}};
    const float root = 0.70710678f;
    struct cvy_value *f,
        *spelt[] = {
            plain(net, CVY_OP_MUL, plain(net, CVY_OP_SIGMOID, x, NULL), x),
            plain(net, CVY_OP_MUL, x, node(net, hard, x, NULL)),
            scalar(net, CVY_OP_DIV, plain(net, CVY_OP_MUL, x, clip(net, scalar(net, CVY_OP_ADD, x, 3), 6)),
                   6),
            plain(net, CVY_OP_MUL, x,
                  scalar(net, CVY_OP_MUL, clip(net, scalar(net, CVY_OP_ADD, x, 3), 6), 1.0f / 6)),
            scalar(net, CVY_OP_DIV, clip(net, scalar(net, CVY_OP_ADD, x, 3), 6), 6),
            (f = plain(net, CVY_OP_ERF, scalar(net, CVY_OP_DIV, x, 1 / root), NULL),
             scalar(net, CVY_OP_MUL, plain(net, CVY_OP_MUL, x, scalar(net, CVY_OP_ADD, f, 1)), 0.5f)),
            (f = plain(net, CVY_OP_ERF, scalar(net, CVY_OP_MUL, x, root), NULL),
             plain(net, CVY_OP_MUL, scalar(net, CVY_OP_MUL, x, 0.5f), scalar(net, CVY_OP_ADD, f, 1))),
            plain(net, CVY_OP_MUL, x, plain(net, CVY_OP_TANH, plain(net, CVY_OP_SOFTPLUS, x, NULL), NULL)),
            scalar(net, CVY_OP_PRELU, x, 0.3f),
        };
    static const size_t sizes[] = {2, 2, 4, 4, 3, 5, 5, 3, 1};
    if (index >= sizeof(sizes) / sizeof(*sizes))
        return false;
    *y = spelt[index];
    *nodes = sizes[index];
    return true;
}

START_TEST(activation_of_several_nodes_is_the_end_of_a_conv)
{
    struct cvy_value *y;
    for (size_t i = 0, nodes;; i++) {
        struct net net = net_begin(100 + i);
        struct cvy_value *x = conv(&net, input(&net, (struct cvy_shape){4, {1, 3, 6, 5}}), 3);
        if (!spell(&net, i, x, &y, &nodes)) {
            net_finish(&net);
            break;
        }
        check(&net, y, 1, 1 + nodes);
    }
}
END_TEST

START_TEST(what_is_almost_an_activation_stays)
{
    for (size_t round = 0; round < 4; round++) {
        struct net net = net_begin(110 + round);
        struct cvy_value *x = conv(&net, input(&net, (struct cvy_shape){4, {1, 3, 6, 5}}), 3), *y;
        if (round == 0) /* of 2 x */
            y = plain(&net, CVY_OP_MUL, x, plain(&net, CVY_OP_SIGMOID, scalar(&net, CVY_OP_MUL, x, 2), NULL));
        else if (round == 1) /* 2 instead of 3 */
            y = scalar(&net, CVY_OP_DIV,
                       plain(&net, CVY_OP_MUL, x, clip(&net, scalar(&net, CVY_OP_ADD, x, 2), 6)), 6);
        else if (round == 2) /* 5 instead of 6 */
            y = scalar(&net, CVY_OP_DIV,
                       plain(&net, CVY_OP_MUL, x, clip(&net, scalar(&net, CVY_OP_ADD, x, 3), 5)), 6);
        else /* not halved */
            y = plain(&net, CVY_OP_MUL, x,
                      scalar(&net, CVY_OP_ADD,
                             plain(&net, CVY_OP_ERF, scalar(&net, CVY_OP_MUL, x, 0.70710678f), NULL), 1));
        check(&net, y, round == 0 ? 4 : 5, round == 0 ? 4 : 5);
    }
}
END_TEST

START_TEST(residual_add_is_done_by_the_conv_before_it)
{
    for (size_t round = 0; round < 4; round++) {
        struct net net = net_begin(50 + round);
        struct cvy_value *x = input(&net, (struct cvy_shape){4, {1, 4, 5, 6}});
        struct cvy_value *stem = plain(&net, CVY_OP_RELU, conv(&net, x, 4), NULL);
        struct cvy_value *inner = plain(&net, CVY_OP_RELU, conv(&net, stem, 4), NULL);
        struct cvy_value *end = conv(&net, inner, 4);
        /* the block's own input, or a convolution of it made after the other */
        struct cvy_value *other = round < 2 ? stem : batch_norm(&net, conv(&net, stem, 4), 4);
        struct cvy_value *sum = plain(&net, CVY_OP_ADD, round % 2 ? other : end, round % 2 ? end : other);
        check(&net, plain(&net, CVY_OP_RELU, sum, NULL), round < 2 ? 3 : 4, round < 2 ? 7 : 9);
    }
}
END_TEST

START_TEST(residual_that_is_needed_later_is_added_apart)
{
    for (size_t round = 0; round < 4; round++) {
        struct net net = net_begin(60 + round);
        struct cvy_value *x = input(&net, (struct cvy_shape){4, {1, 4, 5, 6}});
        struct cvy_value *stem = plain(&net, CVY_OP_RELU, conv(&net, x, 4), NULL);
        struct cvy_value *y = conv(&net, round == 0 ? x : stem, 4);
        struct cvy_value *sum = plain(&net, CVY_OP_ADD, y, round == 0 ? x : stem);
        if (round == 2) /* an output */
            ck_assert_int_eq(cvy_graph_add_output(net.graph, stem, "stem"), CVY_OK);
        if (round == 3)
            sum = plain(&net, CVY_OP_MUL, sum, stem);
        /* an input of the graph; the convolution's own x; an output; read again behind */
        check(&net, sum, round == 0 ? 2 : round == 3 ? 4 : 3, round == 0 ? 2 : round == 3 ? 5 : 4);
    }
}
END_TEST

/* The operator itself, with a residual that cannot be written over: a graph's input. */
START_TEST(conv_node_may_have_a_residual_and_an_activation)
{
    struct net net = net_begin(70);
    struct cvy_value *x = input(&net, (struct cvy_shape){4, {1, 3, 4, 4}});
    struct cvy_value *r = input(&net, (struct cvy_shape){4, {1, 3, 4, 4}});
    struct cvy_value *w = constant(&net, (struct cvy_shape){4, {3, 3, 1, 1}}, false), *y = NULL;
    struct cvy_op op = {.type = CVY_OP_CONV, .conv = {.groups = 1, .stride = {1, 1}, .dilation = {1, 1}}};
    struct cvy_value *whole = NULL, *inputs[] = {x, w, NULL, r};
    y = plain(&net, CVY_OP_RELU, plain(&net, CVY_OP_ADD, node(&net, op, x, w), r), NULL);
    op.conv.activation = CVY_ACTIVATION_RELU;
    ck_assert_int_eq(cvy_graph_add_node(net.graph, &whole, &op, inputs, 4, NULL), CVY_OK);
    ck_assert_int_eq(cvy_graph_add_output(net.graph, whole, "whole"), CVY_OK);
    ck_assert_int_eq(cvy_graph_add_output(net.graph, y, "y"), CVY_OK);
    struct cvy_tensor out[MAX_OUTPUTS] = {{0}};
    run(&net, NULL, 0, out);
    compare(&out[0], &out[1], "residual");
    for (size_t i = 0; i < MAX_OUTPUTS; i++)
        cvy_tensor_finish(&out[i]);
    net_finish(&net);
}
END_TEST

START_TEST(chains_that_change_nothing_are_left_out)
{
    const struct cvy_op swap = {.type = CVY_OP_TRANSPOSE, .transpose = {.rank = 4, .order = {0, 2, 3, 1}}};
    const struct cvy_op back = {.type = CVY_OP_TRANSPOSE, .transpose = {.rank = 4, .order = {0, 3, 1, 2}}};
    const struct cvy_op flat = {.type = CVY_OP_RESHAPE, .reshape = {.rank = 2, .dims = {0, -1}}};
    const struct cvy_op whole = {.type = CVY_OP_RESHAPE, .reshape = {.rank = 4, .dims = {2, 3, 4, 5}}};
    const struct cvy_op thin = {.type = CVY_OP_RESHAPE, .reshape = {.rank = 4, .dims = {2, 1, 60, 1}}};
    for (size_t round = 0; round < 4; round++) {
        struct net net = net_begin(80 + round);
        struct cvy_value *x = input(&net, (struct cvy_shape){4, {2, 3, 4, 5}});
        struct cvy_value *y = plain(&net, CVY_OP_IDENTITY, conv(&net, x, 3), NULL);
        if (round == 0) /* back again, so that the activation meets the convolution */
            y = node(&net, back, node(&net, swap, y, NULL), NULL);
        else if (round == 1)
            y = node(&net, whole, node(&net, flat, y, NULL), NULL);
        else if (round == 2) /* one transpose is left of two */
            y = node(&net, swap, node(&net, swap, y, NULL), NULL);
        else /* dimensions of size 1 move for nothing */
            y = node(&net, swap, node(&net, thin, y, NULL), NULL);
        y = plain(&net, CVY_OP_RELU, plain(&net, CVY_OP_IDENTITY, y, NULL), NULL);
        check(&net, y, round < 2 ? 1 : round == 2 ? 3 : 2, round == 1 ? 2 : round == 3 ? 3 : 4);
    }
}
END_TEST

static struct cvy_value *concat(struct net *net, struct cvy_value *a, struct cvy_value *b, int64_t axis)
{
    return node(net, (struct cvy_op){.type = CVY_OP_CONCAT, .axis = axis}, a, b);
}

/* Where the layers lie of a plan of plain tensors, without running it. */
static void places(const struct net *net, struct cvy_plan_layer *layers, size_t n)
{
    struct cvy_device *device = test_device();
    struct cvy_plan *plan = NULL;
    struct cvy_plan_params params = {.skip_passes = (const char *const[]){"layout"}, .n_skip_passes = 1};
    ck_assert_int_eq(cvy_plan_create(&plan, net->graph, &device, 1, &params), CVY_OK);
    ck_assert_uint_eq(cvy_plan_layer_count(plan), n);
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(cvy_plan_get_layer(plan, i, &layers[i]), CVY_OK);
    cvy_plan_destroy(&plan);
}

/* As DenseNet does: each convolution's y behind all those before it, and other nodes that read parts. */
START_TEST(what_is_concatenated_is_made_in_its_place)
{
    struct cvy_plan_layer layers[6];
    for (int twice = 0; twice < 2; twice++) {
        struct net net = net_begin(90);
        struct cvy_value *x = input(&net, (struct cvy_shape){4, {1, 4, 8, 16}});
        struct cvy_value *a = conv(&net, x, 4), *b = conv(&net, a, 4);
        struct cvy_value *ab = concat(&net, a, b, 1), *c = conv(&net, ab, 8), *abc = concat(&net, ab, c, -3);
        struct cvy_value *y = plain(&net, CVY_OP_GLOBAL_AVERAGE_POOL, abc, NULL);
        if (twice) {
            check(&net, y, 6, 6);
            continue;
        }
        ck_assert_int_eq(cvy_graph_add_output(net.graph, y, "y"), CVY_OK);
        places(&net, layers, 6);
        const size_t channel = 8 * 16 * sizeof(float), base = layers[4].place.offset;
        ck_assert_str_eq(layers[4].op, "Concat");
        ck_assert_uint_eq(layers[4].place.bytes, 16 * channel);
        ck_assert_uint_eq(layers[0].place.offset, base);
        ck_assert_uint_eq(layers[1].place.offset, base + 4 * channel);
        ck_assert_uint_eq(layers[3].place.offset, base + 8 * channel);
        net_finish(&net);
    }
}
END_TEST

/* Everything that may keep an input of a Concat from lying in it: the results must be right all the same. */
START_TEST(concat_of_what_cannot_lie_in_it_copies)
{
    for (int round = 0; round < 8; round++) {
        struct net net = net_begin(91);
        const size_t images = round == 0 ? 2 : 1, columns = round == 1 ? 3 : 16;
        struct cvy_value *x = input(&net, (struct cvy_shape){4, {images, 4, 8, columns}});
        struct cvy_value *a = plain(&net, CVY_OP_TANH, conv(&net, x, 4), NULL), *b = conv(&net, a, 4), *y;
        if (round == 2) /* the same twice */
            y = concat(&net, a, a, 1);
        else if (round == 3) /* a constant, which is there before */
            y = concat(&net, constant(&net, (struct cvy_shape){4, {1, 4, 8, columns}}, false), a, 1);
        else
            y = concat(&net, a, b, round == 0 ? 0 : 1);
        if (round == 4) /* an input that is an output */
            ck_assert_int_eq(cvy_graph_add_output(net.graph, a, "a"), CVY_OK);
        struct cvy_value *pool = plain(&net, CVY_OP_SIGMOID, y, NULL);
        if (round == 5) /* written over, while an input is still to be read */
            pool = plain(&net, CVY_OP_MUL, plain(&net, CVY_OP_GLOBAL_AVERAGE_POOL, a, NULL),
                         plain(&net, CVY_OP_GLOBAL_AVERAGE_POOL, plain(&net, CVY_OP_RELU, b, NULL), NULL)),
            pool = concat(&net, pool, plain(&net, CVY_OP_GLOBAL_AVERAGE_POOL, y, NULL), 1);
        if (round == 6) { /* in the middle of a chain of Concats, and overwritten between */
            struct cvy_value *tail = concat(&net, pool, b, 1);
            pool =
                concat(&net, tail, plain(&net, CVY_OP_SIGMOID, plain(&net, CVY_OP_TANH, a, NULL), NULL), 1);
            pool = plain(&net, CVY_OP_SIGMOID, pool, NULL);
        }
        if (round == 7)
            pool = concat(&net, concat(&net, y, pool, 1), concat(&net, b, y, 1), 1);
        struct cvy_tensor off[MAX_OUTPUTS] = {{0}}, on[MAX_OUTPUTS] = {{0}};
        ck_assert_int_eq(cvy_graph_add_output(net.graph, plain(&net, CVY_OP_TANH, pool, NULL), "y"), CVY_OK);
        run(&net, (const char *const[]){"concat"}, 1, off);
        run(&net, NULL, 0, on);
        for (size_t j = 0; j < MAX_OUTPUTS; j++) {
            if (off[j].data != NULL)
                compare(&on[j], &off[j], "concat");
            cvy_tensor_finish(&off[j]);
            cvy_tensor_finish(&on[j]);
        }
        net_finish(&net);
    }
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("fuse");
    TCase *tests = tcase_create("fuse");
    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, scales_and_shifts_behind_a_conv_are_in_its_weights);
    tcase_add_test(tests, scales_and_shifts_behind_a_gemm_are_in_its_matrix);
    tcase_add_test(tests, scales_and_shifts_behind_batch_normalization_are_in_it);
    tcase_add_test(tests, what_is_no_scale_of_channels_stays);
    tcase_add_test(tests, activation_behind_a_conv_is_its_end);
    tcase_add_test(tests, activation_of_several_nodes_is_the_end_of_a_conv);
    tcase_add_test(tests, what_is_almost_an_activation_stays);
    tcase_add_test(tests, residual_add_is_done_by_the_conv_before_it);
    tcase_add_test(tests, residual_that_is_needed_later_is_added_apart);
    tcase_add_test(tests, conv_node_may_have_a_residual_and_an_activation);
    tcase_add_test(tests, chains_that_change_nothing_are_left_out);
    tcase_add_test(tests, what_is_concatenated_is_made_in_its_place);
    tcase_add_test(tests, concat_of_what_cannot_lie_in_it_copies);
    suite_add_tcase(suite, tests);
    return suite;
}
