/* Plans whose values lie in blocks of channels against loops on the host, and against plans of plain values.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "op/host_op.h"
#include "op/operator.h"
#include "oracle.h"
#include "support.h"

#define MAX_VALUES 64
#define TOLERANCE 1e-4 /* of the largest value, over all layers together */

/* A graph in the making; what each value must be is known as soon as it is added. */
struct net {
    struct cvy_graph *graph;
    struct test_random random;
    size_t count;
    struct cvy_value *values[MAX_VALUES];
    struct cvy_host_tensor host[MAX_VALUES];
    struct cvy_tensor input;
};

static size_t elements(const struct cvy_shape *shape)
{
    size_t n = 1;
    for (size_t i = 0; i < shape->rank; i++)
        n *= shape->dims[i];
    return n;
}

static size_t keep(struct net *net, struct cvy_value *value, const struct cvy_shape *shape, double *values)
{
    ck_assert_uint_lt(net->count, MAX_VALUES);
    net->values[net->count] = value;
    net->host[net->count] = (struct cvy_host_tensor){CVY_FLOAT32, *shape, values};
    return net->count++;
}

static double *doubles(const float *data, size_t n)
{
    double *values = malloc(n * sizeof(*values));
    for (size_t i = 0; i < n; i++)
        values[i] = data[i];
    return values;
}

static struct net net_of(struct cvy_shape shape, uint64_t stream)
{
    struct net net = {.random = {test_seed() + stream}};
    struct cvy_value *x = NULL;
    ck_assert_int_eq(cvy_graph_create(&net.graph), CVY_OK);
    ck_assert_int_eq(cvy_graph_add_input(net.graph, &x, "x", &shape), CVY_OK);
    ck_assert_int_eq(cvy_tensor_init(&net.input, CVY_FLOAT32, &shape), CVY_OK);
    test_random_fill(&net.random, net.input.data, net.input.elements);
    keep(&net, x, &shape, doubles(net.input.data, net.input.elements));
    return net;
}

static void net_finish(struct net *net)
{
    for (size_t i = 0; i < net->count; i++)
        free(net->host[i].values);
    cvy_tensor_finish(&net->input);
    cvy_graph_destroy(&net->graph);
}

/* A constant of random values within `scale` of `center`. */
static size_t constant(struct net *net, struct cvy_shape shape, float center, float scale)
{
    struct cvy_tensor tensor;
    struct cvy_value *value = NULL;
    ck_assert_int_eq(cvy_tensor_init(&tensor, CVY_FLOAT32, &shape), CVY_OK);
    float *data = tensor.data;
    for (size_t i = 0; i < tensor.elements; i++)
        data[i] = center + scale * test_random_float(&net->random);
    ck_assert_int_eq(cvy_graph_add_constant(net->graph, &value, NULL, &tensor), CVY_OK);
    size_t index = keep(net, value, &shape, doubles(data, tensor.elements));
    cvy_tensor_finish(&tensor);
    return index;
}

static float *floats(const struct cvy_host_tensor *tensor)
{
    size_t n = elements(&tensor->shape);
    float *data = malloc(n * sizeof(*data));
    for (size_t i = 0; i < n; i++)
        data[i] = (float)tensor->values[i];
    return data;
}

static void host_conv(const struct cvy_op *op, const struct cvy_host_tensor *in, struct cvy_host_tensor *y)
{
    struct cvy_conv_problem p;
    cvy_conv_problem_init(&p, in[0].shape.rank - 2);
    p.n = in[0].shape.dims[0];
    p.c = in[0].shape.dims[1];
    p.k = y->shape.dims[1];
    p.groups = op->conv.groups;
    p.bias = true;
    for (size_t i = 0; i < p.rank; i++) {
        p.in[i] = in[0].shape.dims[i + 2];
        p.kernel[i] = in[1].shape.dims[i + 2];
        p.stride[i] = op->conv.stride[i];
        p.pad_begin[i] = op->conv.pad_begin[i];
        p.pad_end[i] = op->conv.pad_end[i];
    }
    float *x = floats(&in[0]), *w = floats(&in[1]), *bias = floats(&in[2]);
    oracle_conv(&p, x, w, bias, y->values, NULL);
    free(x);
    free(w);
    free(bias);
}

static size_t add(struct net *net, struct cvy_op op, const size_t *inputs, size_t n_in)
{
    struct cvy_value *values[8], *out = NULL;
    struct cvy_host_tensor in[8], y = {.dtype = CVY_FLOAT32};
    struct cvy_operand operands[8] = {{0}};
    for (size_t i = 0; i < n_in; i++) {
        values[i] = net->values[inputs[i]];
        in[i] = net->host[inputs[i]];
        operands[i] = (struct cvy_operand){.present = true, .shape = in[i].shape};
    }
    ck_assert_msg(cvy_graph_add_node(net->graph, &out, &op, values, n_in, NULL) == CVY_OK, "%s",
                  test_log_last());
    ck_assert_int_eq(cvy_operator_infer(&op, operands, n_in, &y.shape, &y.dtype), CVY_OK);
    y.values = calloc(elements(&y.shape), sizeof(double));
    if (op.type == CVY_OP_CONV)
        host_conv(&op, in, &y);
    else
        ck_assert(cvy_host_op(&op, in, n_in, &y));
    return keep(net, out, &y.shape, y.values);
}

static size_t unary(struct net *net, enum cvy_op_type type, size_t x)
{
    return add(net, (struct cvy_op){.type = type}, &x, 1);
}

static size_t binary(struct net *net, enum cvy_op_type type, size_t a, size_t b)
{
    return add(net, (struct cvy_op){.type = type}, (size_t[]){a, b}, 2);
}

static size_t conv(struct net *net, size_t x, size_t k, size_t groups, size_t kernel, size_t stride)
{
    const size_t c = net->host[x].shape.dims[1] / groups;
    struct cvy_op op = {.type = CVY_OP_CONV, .conv = {.groups = groups, .dilation = {1, 1}}};
    for (size_t i = 0; i < 2; i++) {
        op.conv.stride[i] = stride;
        op.conv.pad_begin[i] = op.conv.pad_end[i] = kernel / 2;
    }
    const float scale = 1 / sqrtf((float)(c * kernel * kernel));
    size_t w = constant(net, (struct cvy_shape){4, {k, c, kernel, kernel}}, 0, 2 * scale);
    size_t bias = constant(net, (struct cvy_shape){1, {k}}, 0, 0.5f);
    return add(net, op, (size_t[]){x, w, bias}, 3);
}

static size_t squeeze_excite(struct net *net, size_t x)
{
    size_t pooled = unary(net, CVY_OP_GLOBAL_AVERAGE_POOL, x);
    size_t gate = unary(net, CVY_OP_SIGMOID, conv(net, pooled, net->host[x].shape.dims[1], 1, 1, 1));
    return binary(net, CVY_OP_MUL, x, gate);
}

static size_t pool(struct net *net, size_t x, enum cvy_op_type type)
{
    struct cvy_op op = {.type = type, .pool = {.rank = 2, .kernel = {3, 2}, .stride = {1, 1}}};
    op.pool.dilation[0] = op.pool.dilation[1] = op.pool.pad_begin[0] = op.pool.pad_end[0] = 1;
    op.pool.pad_end[1] = 1;
    op.pool.count_include_pad = test_random_range(&net->random, 0, 1);
    return add(net, op, &x, 1);
}

static size_t batch_norm(struct net *net, size_t x)
{
    const struct cvy_shape channels = {1, {net->host[x].shape.dims[1]}};
    size_t in[5] = {x};
    for (size_t i = 1; i < 5; i++)
        in[i] = constant(net, channels, i == 1 || i == 4 ? 1 : 0, 0.5f);
    return add(net, (struct cvy_op){.type = CVY_OP_BATCH_NORM, .batch_norm = {1e-3f}}, in, 5);
}

static size_t slice(struct net *net, size_t x)
{
    const size_t c = net->host[x].shape.dims[1], begin = test_random_range(&net->random, 0, c / 2);
    const struct cvy_op op = {
        .type = CVY_OP_SLICE,
        .slice = {
            .count = 1, .axes = {1}, .begin = {(int64_t)begin}, .end = {(int64_t)(c - c / 8)}, .step = {1}}};
    return add(net, op, &x, 1);
}

static size_t resize(struct net *net, size_t x)
{
    const bool linear = test_random_range(&net->random, 0, 1);
    struct cvy_op op = {.type = CVY_OP_RESIZE,
                        .resize = {.mode = linear ? CVY_RESIZE_LINEAR : CVY_RESIZE_NEAREST,
                                   .nearest = CVY_RESIZE_FLOOR, /* the host's loops know no other */
                                   .rank = 4,
                                   .scales = {1, 1, 2, 1.5f}}};
    return net->host[x].shape.dims[2] > 8 ? x : add(net, op, &x, 1);
}

static size_t shuffle(struct net *net, size_t x)
{
    const struct cvy_op op = {.type = CVY_OP_CHANNEL_SHUFFLE, .channel_shuffle = {2}};
    return net->host[x].shape.dims[1] % 2 != 0 ? x : add(net, op, &x, 1);
}

/* Another value of x's image, of any channels or of as many. */
static size_t companion(struct net *net, size_t x, bool as_many)
{
    for (int tries = 0; tries < 16; tries++) {
        size_t i = test_random_range(&net->random, 0, net->count - 1);
        struct cvy_shape shape = net->host[i].shape, wanted = net->host[x].shape;
        if (!as_many && shape.rank == 4)
            shape.dims[1] = wanted.dims[1];
        if (cvy_shape_equal(&shape, &wanted))
            return i;
    }
    return x;
}

static size_t grow(struct net *net, size_t x)
{
    static const size_t channels[] = {3, 8, 17, 24, 32, 58};
    const size_t c = net->host[x].shape.dims[1];
    struct cvy_op op = {0};
    switch (test_random_range(&net->random, 0, 16)) {
    case 0:
        return conv(net, x, c, c, 3, 1);
    case 1:
        return unary(net, CVY_OP_RELU, x);
    case 2:
        return unary(net, CVY_OP_SIGMOID, x);
    case 3:
        return pool(net, x, CVY_OP_MAX_POOL);
    case 4:
        return pool(net, x, CVY_OP_AVERAGE_POOL);
    case 5:
        return squeeze_excite(net, x);
    case 6:
        return batch_norm(net, x);
    case 7:
        op.axis = 1;
        op.type = CVY_OP_CONCAT;
        return c > 64 ? x : add(net, op, (size_t[]){x, companion(net, x, false), x}, 3);
    case 8:
        return binary(net, CVY_OP_ADD, companion(net, x, true), x);
    case 9:
        return binary(net, CVY_OP_MUL, constant(net, (struct cvy_shape){3, {c, 1, 1}}, 1, 0.5f), x);
    case 10:
        return binary(net, CVY_OP_SUB, x, constant(net, (struct cvy_shape){.rank = 0}, 0, 1));
    case 11:
        return binary(net, CVY_OP_PRELU, x, constant(net, (struct cvy_shape){4, {1, c, 1, 1}}, 0, 1));
    case 12:
        return slice(net, x);
    case 13:
        return resize(net, x);
    case 14:
        return shuffle(net, x);
    default:
        return conv(net, x, channels[test_random_range(&net->random, 0, 5)], 1,
                    test_random_range(&net->random, 0, 1) ? 3 : 1, 1);
    }
}

static void check(const struct cvy_tensor *got, const struct cvy_host_tensor *expected)
{
    double largest = 1;
    ck_assert(cvy_shape_equal(&got->shape, &expected->shape));
    for (size_t i = 0; i < got->elements; i++)
        largest = fmax(largest, fabs(expected->values[i]));
    for (size_t i = 0; i < got->elements; i++)
        ck_assert_msg(fabs(((float *)got->data)[i] - expected->values[i]) <= TOLERANCE * largest,
                      "element %zu of %zu: %g, not %g", i, got->elements, (double)((float *)got->data)[i],
                      expected->values[i]);
}

/* Runs the graph and checks both outputs; returns the number of conversions. */
static size_t run(struct net *net, const struct cvy_plan_params *params, const size_t outputs[2])
{
    struct cvy_plan *plan = NULL;
    struct cvy_device *device = test_device();
    struct cvy_tensor y[2] = {{0}};
    ck_assert_msg(cvy_plan_create(&plan, net->graph, &device, 1, params) == CVY_OK, "%s", test_log_last());
    ck_assert_msg(cvy_plan_run(plan, &net->input, y) == CVY_OK, "%s", test_log_last());
    for (size_t i = 0; i < 2; i++) {
        check(&y[i], &net->host[outputs[i]]);
        cvy_tensor_finish(&y[i]);
    }
    size_t conversions = cvy_plan_conversion_count(plan);
    cvy_plan_destroy(&plan);
    return conversions;
}

static void add_outputs(struct net *net, const size_t outputs[2])
{
    ck_assert_int_eq(cvy_graph_add_output(net->graph, net->values[outputs[0]], "a"), CVY_OK);
    ck_assert_int_eq(cvy_graph_add_output(net->graph, net->values[outputs[1]], "b"), CVY_OK);
}

static const char *const skipped[] = {"layout"};
static const struct cvy_plan_params plain = {.skip_passes = skipped, .n_skip_passes = 1};
static const struct cvy_plan_params chosen;

START_TEST(random_graphs_are_right_in_every_layout)
{
    const bool few = test_small() || test_compiles_slowly();
    size_t converted = 0;
    for (size_t round = 0; round < (few ? 2 : 6); round++) {
        const size_t side = test_small() ? 3 : 6, n = test_small() ? 1 : 2;
        struct net net = net_of((struct cvy_shape){4, {n, round % 2 ? 3 : 20, side + 1, side}}, 100 + round);
        size_t x = conv(&net, 0, 24, 1, 3, 1), middle = x;
        for (int i = 0; i < (few ? 4 : 8) && net.count < MAX_VALUES - 12; i++) {
            x = grow(&net, x);
            middle = test_random_range(&net.random, 0, 3) == 0 ? x : middle;
        }
        const size_t outputs[] = {x, middle};
        add_outputs(&net, outputs);
        const struct cvy_plan_params forced = {.block = few || round % 2 ? 4 : 16};
        converted += run(&net, &forced, outputs);
        if (round < 2) {
            ck_assert_uint_eq(run(&net, &plain, outputs), 0);
            run(&net, &chosen, outputs);
        }
        net_finish(&net);
    }
    ck_assert_uint_gt(converted, 0);
}
END_TEST

START_TEST(values_stay_in_blocks_between_layers)
{
    struct net net = net_of((struct cvy_shape){4, {1, 16, 5, 5}}, 200);
    size_t a = unary(&net, CVY_OP_RELU, conv(&net, 0, 32, 1, 1, 1));
    size_t b = binary(&net, CVY_OP_ADD, pool(&net, conv(&net, a, 32, 1, 1, 1), CVY_OP_MAX_POOL), a);
    const size_t outputs[] = {b, unary(&net, CVY_OP_GLOBAL_AVERAGE_POOL, b)};
    add_outputs(&net, outputs);
    const struct cvy_plan_params forced = {.block = test_block(0)};
    /* the first output alone: x is read plain, and a mean of whole blocks lies as the plain one does */
    ck_assert_uint_eq(run(&net, &forced, outputs), 1);
    net_finish(&net);
}
END_TEST

START_TEST(readers_share_a_conversion)
{
    struct net net = net_of((struct cvy_shape){4, {1, 8, 3, 4}}, 300);
    const struct cvy_op op = {.type = CVY_OP_TRANSPOSE, .transpose = {.rank = 4, .order = {0, 2, 3, 1}}};
    size_t a = conv(&net, 0, 8, 1, 1, 1);
    const size_t outputs[] = {add(&net, op, &a, 1), add(&net, op, &a, 1)};
    add_outputs(&net, outputs);
    const struct cvy_plan_params forced = {.block = 4};
    ck_assert_uint_eq(run(&net, &forced, outputs), 1);
    net_finish(&net);
}
END_TEST

START_TEST(block_that_no_vector_has_is_refused)
{
    struct net net = net_of((struct cvy_shape){4, {1, 8, 3, 4}}, 400);
    struct cvy_device *device = test_device();
    struct cvy_plan *plan = NULL;
    const size_t a = unary(&net, CVY_OP_RELU, 0), outputs[] = {a, a};
    add_outputs(&net, outputs);
    const struct cvy_plan_params params = {.block = 12};
    ck_assert_int_eq(cvy_plan_create(&plan, net.graph, &device, 1, &params), CVY_ERROR_INVALID);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "blocks of 12"));
    net_finish(&net);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("layout");
    TCase *tests = tcase_create("layout");
    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, random_graphs_are_right_in_every_layout);
    tcase_add_test(tests, values_stay_in_blocks_between_layers);
    tcase_add_test(tests, readers_share_a_conversion);
    tcase_add_test(tests, block_that_no_vector_has_is_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
