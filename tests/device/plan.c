#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "oracle.h"
#include "problem_case.h"
#include "support.h"

#define N 2
#define C 4
#define H 9
#define W 7
#define COUNT (N * C * H * W)

static const struct cvy_shape whole = {4, {N, C, H, W}};

static void check_close(const float *got, const double *expected, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(fabs(got[i] - expected[i]) <= 1e-5 * (1 + fabs(expected[i])), "element %zu: %g, not %g",
                      i, (double)got[i], expected[i]);
}

static struct cvy_graph *graph_with_input(struct cvy_value **x, const struct cvy_shape *shape)
{
    struct cvy_graph *graph;
    ck_assert_int_eq(cvy_graph_create(&graph), CVY_OK);
    ck_assert_int_eq(cvy_graph_add_input(graph, x, "x", shape), CVY_OK);
    return graph;
}

static struct cvy_value *node(struct cvy_graph *graph, struct cvy_op op, struct cvy_value *a,
                              struct cvy_value *b, const char *name)
{
    struct cvy_value *inputs[] = {a, b}, *out;
    ck_assert_int_eq(cvy_graph_add_node(graph, &out, &op, inputs, b ? 2 : 1, name), CVY_OK);
    return out;
}

static struct cvy_value *unary(struct cvy_graph *graph, enum cvy_op_type type, struct cvy_value *a)
{
    return node(graph, (struct cvy_op){.type = type}, a, NULL, NULL);
}

static struct cvy_value *binary(struct cvy_graph *graph, enum cvy_op_type type, struct cvy_value *a,
                                struct cvy_value *b)
{
    return node(graph, (struct cvy_op){.type = type}, a, b, NULL);
}

static struct cvy_op flat_reshape(void)
{
    struct cvy_op op = {.type = CVY_OP_RESHAPE};
    op.reshape.rank = 2;
    op.reshape.dims[0] = N;
    op.reshape.dims[1] = -1;
    return op;
}

static struct cvy_op conv_op(void)
{
    return (struct cvy_op){
        .type = CVY_OP_CONV,
        .conv = {.groups = 1, .stride = {1, 1}, .dilation = {1, 1}, .pad_begin = {1, 1}, .pad_end = {1, 1}}};
}

static struct cvy_conv_problem conv_problem(size_t n, size_t h)
{
    struct cvy_conv_problem problem = problem_case_padded(2, C, C, W, 3);
    problem.n = n;
    problem.in[0] = h;
    return problem;
}

static struct cvy_tensor random_tensor(struct test_random *random, const struct cvy_shape *shape)
{
    struct cvy_tensor tensor;
    ck_assert_int_eq(cvy_tensor_init(&tensor, CVY_FLOAT32, shape), CVY_OK);
    test_random_fill(random, tensor.data, tensor.elements);
    return tensor;
}

static struct cvy_value *constant(struct cvy_graph *graph, const struct cvy_tensor *tensor)
{
    struct cvy_value *value;
    ck_assert_int_eq(cvy_graph_add_constant(graph, &value, NULL, tensor), CVY_OK);
    return value;
}

static struct cvy_plan *compile(struct cvy_graph **graph, const struct cvy_plan_params *params)
{
    struct cvy_device *device = test_device();
    struct cvy_plan *plan = NULL;
    ck_assert_msg(cvy_plan_create(&plan, *graph, &device, 1, params) == CVY_OK, "%s", test_log_last());
    /* the plan must not need the graph */
    cvy_graph_destroy(graph);
    return plan;
}

static void output(struct cvy_graph *graph, struct cvy_value *value, const char *name)
{
    ck_assert_int_eq(cvy_graph_add_output(graph, value, name), CVY_OK);
}

/* relu(conv(x) + x) with a branch that nothing needs */
static struct cvy_graph *residual(const struct cvy_shape *shape, const struct cvy_tensor *w)
{
    struct cvy_value *x;
    struct cvy_graph *graph = graph_with_input(&x, shape);
    struct cvy_value *y = node(graph, conv_op(), x, constant(graph, w), "conv1");
    unary(graph, CVY_OP_TANH, y);
    output(graph, unary(graph, CVY_OP_RELU, binary(graph, CVY_OP_ADD, y, x)), "y");
    return graph;
}

static void residual_oracle(const struct cvy_tensor *x, const struct cvy_tensor *w, double *y)
{
    struct cvy_conv_problem problem = conv_problem(x->shape.dims[0], x->shape.dims[2]);
    oracle_conv(&problem, x->data, w->data, NULL, y, NULL);
    for (size_t i = 0; i < x->elements; i++)
        y[i] = fmax(0, y[i] + ((const float *)x->data)[i]);
}

static const struct cvy_shape w_shape = {4, {C, C, 3, 3}};

START_TEST(plan_runs_a_residual_block_and_measures_it)
{
    struct test_random random = {test_seed() + 1};
    struct cvy_tensor w = random_tensor(&random, &w_shape), x = random_tensor(&random, &whole), y = {0};
    struct cvy_graph *graph = residual(&whole, &w);
    struct cvy_plan *plan = compile(&graph, &(struct cvy_plan_params){.profile = true});
    double expected[COUNT];
    residual_oracle(&x, &w, expected);
    ck_assert_uint_eq(cvy_plan_layer_count(plan), 3);
    ck_assert_int_eq(cvy_plan_run(plan, &x, &y), CVY_OK);
    check_close(y.data, expected, COUNT);
    for (size_t i = 0; i < 3; i++) {
        struct cvy_plan_layer layer;
        ck_assert_int_eq(cvy_plan_get_layer(plan, i, &layer), CVY_OK);
        ck_assert(layer.milliseconds >= 0 && layer.milliseconds < 60e3);
        ck_assert(cvy_shape_equal(&layer.output, &whole));
        ck_assert_int_eq(layer.flops > 0, i == 0);
    }
    cvy_tensor_finish(&y);
    cvy_tensor_finish(&x);
    cvy_tensor_finish(&w);
    cvy_plan_destroy(&plan);
}
END_TEST

START_TEST(plan_takes_open_dimensions_from_the_given_shape)
{
    struct test_random random = {test_seed() + 2};
    struct cvy_tensor w = random_tensor(&random, &w_shape);
    for (size_t h = 5; h < 8; h++) {
        struct cvy_shape open = {4, {0, C, 0, W}}, given = {4, {1, C, h, W}};
        struct cvy_tensor x = random_tensor(&random, &given), y = {0};
        struct cvy_graph *graph = residual(&open, &w);
        struct cvy_plan *plan =
            compile(&graph, &(struct cvy_plan_params){.input_shapes = &given, .n_input_shapes = 1});
        double expected[COUNT];
        residual_oracle(&x, &w, expected);
        ck_assert_int_eq(cvy_plan_run(plan, &x, &y), CVY_OK);
        check_close(y.data, expected, x.elements);
        cvy_tensor_finish(&y);
        cvy_tensor_finish(&x);
        cvy_plan_destroy(&plan);
    }
    cvy_tensor_finish(&w);
}
END_TEST

START_TEST(plan_gives_out_inputs_aliases_constants_and_duplicates)
{
    struct test_random random = {test_seed() + 3};
    struct cvy_tensor c = random_tensor(&random, &whole), x = random_tensor(&random, &whole), y[6] = {{0}};
    struct cvy_value *in;
    struct cvy_graph *graph = graph_with_input(&in, &whole);
    struct cvy_value *kept = constant(graph, &c), *relu = unary(graph, CVY_OP_RELU, in);
    output(graph, in, "x"); /* as ONNX has it: a name that is input and output */
    output(graph, node(graph, flat_reshape(), in, NULL, NULL), "flat");
    output(graph, kept, "constant");
    output(graph, relu, "first");
    output(graph, relu, "second");
    output(graph, node(graph, flat_reshape(), unary(graph, CVY_OP_IDENTITY, relu), NULL, NULL), "third");
    struct cvy_plan *plan = compile(&graph, NULL);
    ck_assert_msg(cvy_plan_run(plan, &x, y) == CVY_OK, "%s", test_log_last());
    ck_assert_mem_eq(y[0].data, x.data, x.bytes);
    ck_assert_mem_eq(y[1].data, x.data, x.bytes);
    ck_assert_uint_eq(y[1].shape.rank, 2);
    ck_assert_mem_eq(y[2].data, c.data, c.bytes);
    for (size_t i = 0; i < COUNT; i++) {
        double expected = fmax(0, ((float *)x.data)[i]);
        for (size_t j = 3; j < 6; j++)
            ck_assert_double_eq(((float *)y[j].data)[i], expected);
    }
    for (size_t i = 0; i < 6; i++)
        cvy_tensor_finish(&y[i]);
    cvy_tensor_finish(&x);
    cvy_tensor_finish(&c);
    cvy_plan_destroy(&plan);
}
END_TEST

START_TEST(plan_writes_in_place_only_over_values_that_nothing_else_needs)
{
    struct test_random random = {test_seed() + 4};
    struct cvy_tensor x = random_tensor(&random, &whole), y[3] = {{0}};
    struct cvy_value *in;
    struct cvy_graph *graph = graph_with_input(&in, &whole);
    struct cvy_value *a = binary(graph, CVY_OP_ADD, in, in), *b = unary(graph, CVY_OP_RELU, a);
    struct cvy_value *c = binary(graph, CVY_OP_MUL, b, b), *d = binary(graph, CVY_OP_SUB, c, a);
    struct cvy_op concat = {.type = CVY_OP_CONCAT, .axis = 1};
    struct cvy_value *flat = node(graph, flat_reshape(), d, NULL, NULL);
    output(graph, d, "d");
    output(graph, node(graph, concat, unary(graph, CVY_OP_RELU, flat), flat, NULL), "joined");
    output(graph, unary(graph, CVY_OP_RELU, d), "last"); /* the last look at d, which goes out as it was */
    struct cvy_plan *plan = compile(&graph, NULL);
    ck_assert_int_eq(cvy_plan_run(plan, &x, y), CVY_OK);
    size_t row = COUNT / N;
    for (size_t i = 0; i < COUNT; i++) {
        double sum = 2.0 * ((float *)x.data)[i], positive = fmax(0, sum), last = positive * positive - sum;
        ck_assert_double_lt(fabs(((float *)y[2].data)[i] - fmax(0, last)), 1e-5);
        const float *joined = (float *)y[1].data + i / row * 2 * row + i % row;
        ck_assert_double_lt(fabs(((float *)y[0].data)[i] - last), 1e-5);
        ck_assert_double_lt(fabs(joined[0] - fmax(0, last)), 1e-5);
        ck_assert_double_lt(fabs(joined[row] - last), 1e-5);
    }
    for (size_t i = 0; i < 3; i++)
        cvy_tensor_finish(&y[i]);
    cvy_tensor_finish(&x);
    cvy_plan_destroy(&plan);
}
END_TEST

START_TEST(plan_reuses_memory_along_a_chain_and_runs_twice_without_waiting)
{
    struct test_random random = {test_seed() + 5};
    struct cvy_tensor w = random_tensor(&random, &w_shape), x[2];
    struct cvy_value *in, *value;
    struct cvy_graph *graph = graph_with_input(&in, &whole);
    for (size_t i = 0; i < w.elements; i++)
        ((float *)w.data)[i] *= 0.2f;
    value = in;
    for (int i = 0; i < 6; i++)
        value = node(graph, conv_op(), value, constant(graph, &w), NULL);
    output(graph, value, "y");
    struct cvy_plan *plan = compile(&graph, NULL);
    struct cvy_plan_memory memory;
    cvy_plan_get_memory(plan, &memory);
    ck_assert_uint_eq(memory.without_reuse, 5 * COUNT * sizeof(float));
    ck_assert_uint_lt(memory.intermediates, 3 * COUNT * sizeof(float));
    struct cvy_buffer *buffers[4];
    struct cvy_event *event[2] = {NULL, NULL};
    float got[COUNT];
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(cvy_buffer_create(&buffers[i], test_device(), sizeof(got)), CVY_OK);
    for (size_t i = 0; i < 2; i++) {
        x[i] = random_tensor(&random, &whole);
        test_poison(got, COUNT);
        ck_assert_int_eq(cvy_buffer_write(buffers[i], 0, sizeof(got), x[i].data), CVY_OK);
        ck_assert_int_eq(cvy_buffer_write(buffers[2 + i], 0, sizeof(got), got), CVY_OK);
    }
    for (size_t i = 0; i < 2; i++) {
        struct cvy_binding bindings[] = {{"y", buffers[2 + i]}, {"x", buffers[i]}};
        ck_assert_int_eq(cvy_plan_enqueue(plan, bindings, 2, event, i, &event[i]), CVY_OK);
    }
    ck_assert_int_eq(cvy_event_wait(event[1]), CVY_OK);
    struct cvy_conv_problem problem = conv_problem(N, H);
    for (size_t i = 0; i < 2; i++) {
        double expected[COUNT];
        for (int layer = 0; layer < 6; layer++) {
            oracle_conv(&problem, x[i].data, w.data, NULL, expected, NULL);
            for (size_t j = 0; j < COUNT; j++)
                ((float *)x[i].data)[j] = (float)expected[j];
        }
        ck_assert_int_eq(cvy_buffer_read(buffers[2 + i], 0, sizeof(got), got), CVY_OK);
        check_close(got, expected, COUNT);
        cvy_event_destroy(&event[i]);
        cvy_tensor_finish(&x[i]);
    }
    for (size_t i = 0; i < 4; i++)
        cvy_buffer_destroy(&buffers[i]);
    cvy_tensor_finish(&w);
    cvy_plan_destroy(&plan);
}
END_TEST

#define LAYERS 3
#define SETS 6
#define RUNS 20

/* A thread that enqueues runs of a plan that another one uses, too. */
struct runner {
    struct cvy_plan *plan;
    const struct cvy_tensor *w;
    struct cvy_tensor x[SETS];
    struct cvy_buffer *in[SETS], *out[SETS];
    enum cvy_status status;
    pthread_t thread;
};

/* Some pairs of buffers come again at once, some after more others than a plan remembers. */
static void *enqueue_runs(void *user)
{
    struct runner *runner = user;
    for (size_t i = 0; i < RUNS && runner->status == CVY_OK; i++) {
        const size_t set = i < RUNS / 2 ? i % 2 : i % SETS;
        struct cvy_binding bindings[] = {{"x", runner->in[set]}, {"y", runner->out[set]}};
        runner->status = cvy_plan_enqueue(runner->plan, bindings, 2, NULL, 0, NULL);
    }
    return NULL;
}

static void init_runner(struct runner *runner, struct cvy_plan *plan, const struct cvy_tensor *w,
                        struct test_random *random)
{
    float poison[COUNT];
    test_poison(poison, COUNT);
    *runner = (struct runner){.plan = plan, .w = w};
    for (size_t i = 0; i < SETS; i++) {
        runner->x[i] = random_tensor(random, &whole);
        ck_assert_int_eq(cvy_buffer_create(&runner->in[i], test_device(), sizeof(poison)), CVY_OK);
        ck_assert_int_eq(cvy_buffer_create(&runner->out[i], test_device(), sizeof(poison)), CVY_OK);
        ck_assert_int_eq(cvy_buffer_write(runner->in[i], 0, sizeof(poison), runner->x[i].data), CVY_OK);
        ck_assert_int_eq(cvy_buffer_write(runner->out[i], 0, sizeof(poison), poison), CVY_OK);
    }
}

static void check_runner(struct runner *runner)
{
    const struct cvy_conv_problem problem = conv_problem(N, H);
    ck_assert_int_eq(runner->status, CVY_OK);
    for (size_t i = 0; i < SETS; i++) {
        float got[COUNT];
        double expected[COUNT];
        for (int layer = 0; layer < LAYERS; layer++) {
            oracle_conv(&problem, runner->x[i].data, runner->w->data, NULL, expected, NULL);
            for (size_t j = 0; j < COUNT; j++)
                ((float *)runner->x[i].data)[j] = (float)expected[j];
        }
        ck_assert_int_eq(cvy_buffer_read(runner->out[i], 0, sizeof(got), got), CVY_OK);
        check_close(got, expected, COUNT);
        cvy_buffer_destroy(&runner->in[i]);
        cvy_buffer_destroy(&runner->out[i]);
        cvy_tensor_finish(&runner->x[i]);
    }
}

START_TEST(plan_has_runs_of_several_threads_in_flight)
{
    struct test_random random = {test_seed() + 6};
    for (size_t in_flight = 0; in_flight < 4; in_flight++) {
        struct cvy_tensor w = random_tensor(&random, &w_shape);
        struct cvy_value *value;
        struct cvy_graph *graph = graph_with_input(&value, &whole);
        for (size_t i = 0; i < w.elements; i++)
            ((float *)w.data)[i] *= 0.2f;
        for (int i = 0; i < LAYERS; i++)
            value = node(graph, conv_op(), value, constant(graph, &w), NULL);
        output(graph, value, "y");
        struct cvy_plan *plan = compile(&graph, &(struct cvy_plan_params){.in_flight = in_flight});
        struct runner runners[2];
        for (size_t i = 0; i < 2; i++)
            init_runner(&runners[i], plan, &w, &random);
        for (size_t i = 0; i < 2; i++)
            ck_assert_int_eq(pthread_create(&runners[i].thread, NULL, enqueue_runs, &runners[i]), 0);
        for (size_t i = 0; i < 2; i++)
            pthread_join(runners[i].thread, NULL);
        for (size_t i = 0; i < 2; i++)
            check_runner(&runners[i]);
        cvy_tensor_finish(&w);
        cvy_plan_destroy(&plan);
    }
}
END_TEST

static const struct cvy_shape broad = {4, {1, 16, 24, 24}}, broad_w = {4, {16, 16, 3, 3}};

/* Three convolutions that have much to gain from scratch memory. */
static enum cvy_status compile_broad(struct cvy_plan **plan, const struct cvy_tensor *w, size_t max_memory)
{
    struct cvy_device *device = test_device();
    struct cvy_plan_params params = {.max_memory = max_memory};
    struct cvy_value *value;
    struct cvy_graph *graph = graph_with_input(&value, &broad);
    for (int i = 0; i < 3; i++)
        value = node(graph, conv_op(), value, constant(graph, w), NULL);
    output(graph, value, "y");
    enum cvy_status status = cvy_plan_create(plan, graph, &device, 1, &params);
    cvy_graph_destroy(&graph);
    return status;
}

/* The number in the last message that follows "is ". */
static size_t smallest_ceiling(void)
{
    const char *at = test_log_last(), *found = NULL;
    for (at = strstr(at, " is "); at != NULL; at = strstr(at + 1, " is "))
        found = at + 4;
    ck_assert_ptr_nonnull(found);
    return strtoull(found, NULL, 10);
}

START_TEST(plan_keeps_within_a_ceiling_or_names_the_smallest)
{
    struct test_random random = {test_seed() + 7};
    struct cvy_tensor w = random_tensor(&random, &broad_w), x = random_tensor(&random, &broad), wanted = {0};
    struct cvy_plan *plan = NULL;
    struct cvy_plan_memory memory;
    for (size_t i = 0; i < w.elements; i++)
        ((float *)w.data)[i] *= 0.1f;
    ck_assert_int_eq(compile_broad(&plan, &w, 0), CVY_OK);
    cvy_plan_get_memory(plan, &memory);
    const size_t generous = memory.total;
    ck_assert_uint_eq(generous, memory.constants + memory.prepared + memory.peak);
    ck_assert_int_eq(cvy_plan_run(plan, &x, &wanted), CVY_OK);
    cvy_plan_destroy(&plan);
    ck_assert_int_eq(compile_broad(&plan, &w, 1), CVY_ERROR_DEVICE_MEMORY);
    const size_t least = smallest_ceiling();
    ck_assert_uint_le(least, generous);
    /* two values between layers at once, and the weights, once for each layer */
    ck_assert_uint_ge(least, 2 * x.bytes + 3 * w.bytes);
    ck_assert_int_eq(compile_broad(&plan, &w, least - 1), CVY_ERROR_DEVICE_MEMORY);
    ck_assert_uint_eq(smallest_ceiling(), least);
    for (int i = 0; i <= 4; i++) {
        const size_t ceiling = least + (generous - least) / 4 * (size_t)i;
        struct cvy_tensor got = {0};
        ck_assert_int_eq(compile_broad(&plan, &w, ceiling), CVY_OK);
        cvy_plan_get_memory(plan, &memory);
        ck_assert_uint_le(memory.total, ceiling);
        ck_assert_int_eq(cvy_plan_run(plan, &x, &got), CVY_OK);
        for (size_t j = 0; j < got.elements; j++)
            ck_assert_float_le(fabsf(((float *)got.data)[j] - ((float *)wanted.data)[j]), 1e-3f);
        cvy_tensor_finish(&got);
        cvy_plan_destroy(&plan);
    }
    cvy_tensor_finish(&wanted);
    cvy_tensor_finish(&x);
    cvy_tensor_finish(&w);
}
END_TEST

static void expect_refusal(struct cvy_plan *plan, const struct cvy_binding *bindings, size_t n_bindings,
                           const char *words)
{
    test_log_clear();
    ck_assert_int_eq(cvy_plan_enqueue(plan, bindings, n_bindings, NULL, 0, NULL), CVY_ERROR_INVALID);
    ck_assert_msg(strstr(test_log_last(), words) != NULL, "'%s' lacks '%s'", test_log_last(), words);
}

START_TEST(plan_refuses_wrong_bindings_by_name)
{
    struct cvy_value *in;
    struct cvy_graph *graph = graph_with_input(&in, &whole);
    output(graph, unary(graph, CVY_OP_RELU, in), "y");
    struct cvy_plan *plan = compile(&graph, NULL);
    struct cvy_buffer *enough, *small;
    ck_assert_int_eq(cvy_buffer_create(&enough, test_device(), COUNT * sizeof(float)), CVY_OK);
    ck_assert_int_eq(cvy_buffer_create(&small, test_device(), COUNT * sizeof(float) - 4), CVY_OK);
    struct cvy_binding bindings[] = {{"x", enough}, {"y", small}, {"z", enough}};
    expect_refusal(plan, bindings, 1, "output 'y' is not bound");
    expect_refusal(plan, bindings, 2, "output 'y' needs 2016 bytes, its buffer has 2012");
    bindings[1].buffer = enough;
    expect_refusal(plan, bindings, 3, "'z' is bound twice, or names no input or output");
    expect_refusal(plan, bindings + 1, 2, "input 'x' is not bound");
    cvy_buffer_destroy(&enough);
    cvy_buffer_destroy(&small);
    cvy_plan_destroy(&plan);
}
END_TEST

static void expect_no_plan(const struct cvy_graph *graph, const struct cvy_shape *shape, const char *words)
{
    struct cvy_device *device = test_device();
    struct cvy_plan *plan = NULL;
    test_log_clear();
    struct cvy_plan_params params = {.input_shapes = shape, .n_input_shapes = shape != NULL};
    ck_assert_int_eq(cvy_plan_create(&plan, graph, &device, 1, &params), CVY_ERROR_INVALID);
    ck_assert_ptr_null(plan);
    ck_assert_msg(strstr(test_log_last(), words) != NULL, "'%s' lacks '%s'", test_log_last(), words);
}

START_TEST(plan_names_the_input_or_node_whose_shape_is_wrong)
{
    struct test_random random = {test_seed() + 6};
    struct cvy_tensor w = random_tensor(&random, &w_shape);
    struct cvy_shape open = {4, {0, 0, H, W}}, rank3 = {3, {N, C, H}}, wide = {4, {N, C, H, W + 1}};
    struct cvy_shape channels = {4, {N, C + 1, H, W}}, empty = {4, {N, 0, H, W}}, rank9 = {9, {1}};
    struct cvy_graph *graph = residual(&open, &w);
    expect_no_plan(graph, NULL, "input 'x' is declared 0x0x9x7");
    expect_no_plan(graph, &rank3, "input 'x' has shape 2x4x9, but the graph declares 0x0x9x7");
    expect_no_plan(graph, &wide, "input 'x' has shape 2x4x9x8, but the graph declares 0x0x9x7");
    expect_no_plan(graph, &empty, "input 'x' of shape 2x0x9x7 has no elements");
    expect_no_plan(graph, &rank9, "input 'x' has rank 9");
    expect_no_plan(graph, &channels, "node 'conv1' (Conv): ");
    cvy_graph_destroy(&graph);
    cvy_tensor_finish(&w);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("plan");
    TCase *tcase = tcase_create("plan");
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, plan_runs_a_residual_block_and_measures_it);
    tcase_add_test(tcase, plan_takes_open_dimensions_from_the_given_shape);
    tcase_add_test(tcase, plan_gives_out_inputs_aliases_constants_and_duplicates);
    tcase_add_test(tcase, plan_writes_in_place_only_over_values_that_nothing_else_needs);
    tcase_add_test(tcase, plan_reuses_memory_along_a_chain_and_runs_twice_without_waiting);
    tcase_add_test(tcase, plan_has_runs_of_several_threads_in_flight);
    tcase_add_test(tcase, plan_keeps_within_a_ceiling_or_names_the_smallest);
    tcase_add_test(tcase, plan_refuses_wrong_bindings_by_name);
    tcase_add_test(tcase, plan_names_the_input_or_node_whose_shape_is_wrong);
    suite_add_tcase(suite, tcase);
    return suite;
}
