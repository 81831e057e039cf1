#include <string.h>

#include "support.h"

static void expect_words(const char *words)
{
    ck_assert_msg(strstr(test_log_last(), words) != NULL, "'%s' lacks '%s'", test_log_last(), words);
    test_log_clear();
}

static struct cvy_graph *graph_with_input(struct cvy_value **x)
{
    struct cvy_graph *graph;
    struct cvy_shape shape = {4, {0, 3, 8, 8}};
    ck_assert_int_eq(cvy_graph_create(&graph), CVY_OK);
    ck_assert_int_eq(cvy_graph_add_input(graph, x, "x", &shape), CVY_OK);
    return graph;
}

START_TEST(graph_lists_inputs_and_outputs_in_order)
{
    struct cvy_value *x, *any;
    struct cvy_graph *graph = graph_with_input(&x);
    ck_assert_int_eq(cvy_graph_add_input(graph, &any, "any", NULL), CVY_OK);
    ck_assert_int_eq(cvy_graph_add_output(graph, x, "b"), CVY_OK);
    ck_assert_int_eq(cvy_graph_add_output(graph, x, "a"), CVY_OK);
    ck_assert_uint_eq(cvy_graph_input_count(graph), 2);
    ck_assert_uint_eq(cvy_graph_output_count(graph), 2);
    ck_assert_str_eq(cvy_graph_input_name(graph, 1), "any");
    ck_assert_str_eq(cvy_graph_output_name(graph, 0), "b");
    ck_assert_str_eq(cvy_graph_output_name(graph, 1), "a");
    ck_assert_ptr_null(cvy_graph_input_name(graph, 2));
    ck_assert_ptr_null(cvy_graph_output_name(graph, 2));
    struct cvy_shape shape = {0}, declared = {4, {0, 3, 8, 8}};
    ck_assert(cvy_graph_input_shape(graph, 0, &shape));
    ck_assert(cvy_shape_equal(&shape, &declared));
    ck_assert(!cvy_graph_input_shape(graph, 1, &shape));
    ck_assert(!cvy_graph_input_shape(graph, 2, &shape));
    cvy_graph_destroy(&graph);
    ck_assert_ptr_null(graph);
    cvy_graph_destroy(&graph);
    cvy_graph_destroy(NULL);
}
END_TEST

START_TEST(graph_refuses_names_that_are_taken_or_empty)
{
    struct cvy_value *x, *untouched = NULL;
    struct cvy_graph *graph = graph_with_input(&x);
    ck_assert_int_eq(cvy_graph_add_input(graph, &untouched, "x", NULL), CVY_ERROR_INVALID);
    expect_words("two inputs have the name 'x'");
    ck_assert_int_eq(cvy_graph_add_input(graph, &untouched, "", NULL), CVY_ERROR_INVALID);
    ck_assert_ptr_null(untouched);
    ck_assert_int_eq(cvy_graph_add_output(graph, x, "y"), CVY_OK);
    test_log_clear();
    ck_assert_int_eq(cvy_graph_add_output(graph, x, "y"), CVY_ERROR_INVALID);
    expect_words("two outputs have the name 'y'");
    ck_assert_int_eq(cvy_graph_add_output(graph, x, NULL), CVY_ERROR_INVALID);
    ck_assert_uint_eq(cvy_graph_input_count(graph), 1);
    ck_assert_uint_eq(cvy_graph_output_count(graph), 1);
    cvy_graph_destroy(&graph);
}
END_TEST

START_TEST(graph_refuses_a_wrong_number_of_inputs_by_node_name)
{
    struct cvy_value *x, *out = NULL;
    struct cvy_graph *graph = graph_with_input(&x);
    struct cvy_value *three[] = {x, x, x}, *hole[] = {x, NULL};
    struct cvy_op add = {.type = CVY_OP_ADD}, none = {.type = CVY_OP_TYPES};
    ck_assert_int_eq(cvy_graph_add_node(graph, &out, &add, three, 3, "sum"), CVY_ERROR_INVALID);
    expect_words("node 'sum' (Add): 3 inputs given, it takes at most 2");
    ck_assert_int_eq(cvy_graph_add_node(graph, &out, &add, three, 1, "sum"), CVY_ERROR_INVALID);
    expect_words("node 'sum' (Add): 1 inputs given, 2 are needed");
    ck_assert_int_eq(cvy_graph_add_node(graph, &out, &add, hole, 2, "sum"), CVY_ERROR_INVALID);
    expect_words("node 'sum' (Add): input 1 is needed");
    ck_assert_int_eq(cvy_graph_add_node(graph, &out, &none, three, 1, "odd"), CVY_ERROR_INVALID);
    expect_words("node 'odd'");
    ck_assert_ptr_null(out);
    cvy_graph_destroy(&graph);
}
END_TEST

START_TEST(graph_refuses_values_of_another_graph)
{
    struct cvy_value *x, *stranger, *out = NULL;
    struct cvy_graph *graph = graph_with_input(&x), *other = graph_with_input(&stranger);
    struct cvy_value *inputs[] = {x, stranger};
    struct cvy_op add = {.type = CVY_OP_ADD};
    ck_assert_int_eq(cvy_graph_add_node(graph, &out, &add, inputs, 2, "sum"), CVY_ERROR_INVALID);
    expect_words("input 1 belongs to another graph");
    ck_assert_int_eq(cvy_graph_add_output(graph, stranger, "y"), CVY_ERROR_INVALID);
    expect_words("output 'y' is no value of this graph");
    ck_assert_ptr_null(out);
    cvy_graph_destroy(&graph);
    cvy_graph_destroy(&other);
}
END_TEST

static struct cvy_value *constant(struct cvy_graph *graph, struct cvy_shape shape)
{
    struct cvy_tensor tensor;
    struct cvy_value *value = NULL;
    ck_assert_int_eq(cvy_tensor_init(&tensor, CVY_FLOAT32, &shape), CVY_OK);
    ck_assert_int_eq(cvy_graph_add_constant(graph, &value, NULL, &tensor), CVY_OK);
    cvy_tensor_finish(&tensor);
    return value;
}

/* Two dilated convolutions, a pool, a depthwise separable convolution, and a Gemm that nothing needs. */
START_TEST(graph_describes_its_layers_without_a_device)
{
    struct cvy_value *x, *value, *unneeded;
    struct cvy_graph *graph = graph_with_input(&x);
    struct cvy_op conv = {.type = CVY_OP_CONV, .conv = {.groups = 1, .stride = {1, 1}, .dilation = {1, 1}}};
    struct cvy_value *inputs[4] = {x, constant(graph, (struct cvy_shape){4, {6, 3, 3, 3}}),
                                   constant(graph, (struct cvy_shape){1, {6}})};
    ck_assert_int_eq(cvy_graph_add_node(graph, &value, &conv, inputs, 3, "first"), CVY_OK);
    conv.conv.dilation[1] = 2;
    inputs[0] = value;
    inputs[1] = constant(graph, (struct cvy_shape){4, {6, 6, 1, 3}});
    ck_assert_int_eq(cvy_graph_add_node(graph, &value, &conv, inputs, 2, "second"), CVY_OK);
    struct cvy_op pool = {.type = CVY_OP_MAX_POOL,
                          .pool = {.rank = 2, .kernel = {2, 1}, .stride = {2, 1}, .dilation = {1, 1}}};
    ck_assert_int_eq(cvy_graph_add_node(graph, &value, &pool, &value, 1, "pool"), CVY_OK);
    conv.type = CVY_OP_DEPTHWISE_SEPARABLE_CONV;
    conv.conv.dilation[1] = 1;
    inputs[0] = value;
    inputs[1] = constant(graph, (struct cvy_shape){4, {6, 1, 3, 1}});
    inputs[2] = constant(graph, (struct cvy_shape){4, {4, 6, 1, 1}});
    ck_assert_int_eq(cvy_graph_add_node(graph, &value, &conv, inputs, 3, "pair"), CVY_OK);
    struct cvy_op relu = {.type = CVY_OP_RELU};
    ck_assert_int_eq(cvy_graph_add_node(graph, &unneeded, &relu, &value, 1, "unneeded"), CVY_OK);
    ck_assert_int_eq(cvy_graph_add_output(graph, value, "y"), CVY_OK);
    struct cvy_layer_list *list = NULL;
    struct cvy_shape shape = {4, {2, 3, 8, 8}};
    ck_assert_msg(cvy_graph_describe(graph, &shape, 1, &list) == CVY_OK, "%s", test_log_last());
    ck_assert_uint_eq(list->count, 4);
    const struct cvy_layer *layer = list->layers;
    ck_assert_str_eq(layer[0].name, "first");
    ck_assert_ptr_nonnull(layer[0].conv);
    ck_assert(layer[0].conv->bias);
    ck_assert(layer[0].multiplications == 2. * 6 * 6 * 6 * 27 && layer[0].parameters == 6 * 27 + 6);
    ck_assert(layer[0].bytes == 4. * (2 * 3 * 64 + 6 * 27 + 6 + 2 * 6 * 36));
    ck_assert(layer[1].field[0].size == 3 && layer[1].field[1].size == 7);
    ck_assert_uint_eq(layer[1].conv->dilation[1], 2);
    ck_assert(layer[2].conv == NULL && layer[2].multiplications == 0);
    ck_assert(layer[2].field[0].size == 4 && layer[2].field[0].jump == 2 && layer[2].field[1].size == 7);
    ck_assert_str_eq(layer[3].op, "DepthwiseSeparableConv");
    ck_assert(layer[3].multiplications == 2. * 1 * 2 * (6 * 3 + 24));
    ck_assert(layer[3].field[0].size == 8 && layer[3].axes == 2);
    struct cvy_shape wanted = {4, {2, 4, 1, 2}};
    ck_assert(cvy_shape_equal(&layer[3].output, &wanted));
    cvy_layer_list_destroy(&list);
    ck_assert_ptr_null(list);
    shape.dims[1] = 4;
    ck_assert_int_eq(cvy_graph_describe(graph, &shape, 1, &list), CVY_ERROR_INVALID);
    expect_words("input 'x'");
    ck_assert_ptr_null(list);
    cvy_graph_destroy(&graph);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("graph");
    TCase *tcase = tcase_create("graph");
    tcase_add_test(tcase, graph_lists_inputs_and_outputs_in_order);
    tcase_add_test(tcase, graph_refuses_names_that_are_taken_or_empty);
    tcase_add_test(tcase, graph_refuses_a_wrong_number_of_inputs_by_node_name);
    tcase_add_test(tcase, graph_refuses_values_of_another_graph);
    tcase_add_test(tcase, graph_describes_its_layers_without_a_device);
    suite_add_tcase(suite, tcase);
    return suite;
}
