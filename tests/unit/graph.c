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

Suite *test_suite(void)
{
    Suite *suite = suite_create("graph");
    TCase *tcase = tcase_create("graph");
    tcase_add_test(tcase, graph_lists_inputs_and_outputs_in_order);
    tcase_add_test(tcase, graph_refuses_names_that_are_taken_or_empty);
    tcase_add_test(tcase, graph_refuses_a_wrong_number_of_inputs_by_node_name);
    tcase_add_test(tcase, graph_refuses_values_of_another_graph);
    suite_add_tcase(suite, tcase);
    return suite;
}
