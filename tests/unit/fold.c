/* What the host computes when a plan is made: shapes of exporters, constants. */
#include "support.h"

#include <math.h>
#include <string.h>

#include "graph/fold.h"

static struct cvy_graph *graph, *folded;
static struct cvy_value *x;

/* A graph with the input x of open dimensions. */
static void begin(size_t rank)
{
    struct cvy_shape open = {.rank = rank};
    cvy_graph_destroy(&folded);
    cvy_graph_destroy(&graph);
    ck_assert_int_eq(cvy_graph_create(&graph), CVY_OK);
    ck_assert_int_eq(cvy_graph_add_input(graph, &x, "x", &open), CVY_OK);
}

static void end(void)
{
    cvy_graph_destroy(&folded);
    cvy_graph_destroy(&graph);
}

static struct cvy_value *add(struct cvy_op op, struct cvy_value *a, struct cvy_value *b, struct cvy_value *c)
{
    struct cvy_value *inputs[] = {a, b, c}, *out = NULL;
    ck_assert_msg(cvy_graph_add_node(graph, &out, &op, inputs,
                                     c   ? 3
                                     : b ? 2
                                         : 1,
                                     NULL) == CVY_OK,
                  "%s", test_log_last());
    return out;
}

static struct cvy_value *constant(enum cvy_dtype dtype, struct cvy_shape shape, const double *values)
{
    struct cvy_tensor wide, tensor;
    struct cvy_value *made = NULL;
    ck_assert_int_eq(cvy_tensor_init(&wide, CVY_FLOAT64, &shape), CVY_OK);
    memcpy(wide.data, values, wide.bytes);
    ck_assert_int_eq(cvy_tensor_convert(&tensor, &wide, dtype), CVY_OK);
    ck_assert_int_eq(cvy_graph_add_constant(graph, &made, NULL, &tensor), CVY_OK);
    cvy_tensor_finish(&wide);
    cvy_tensor_finish(&tensor);
    return made;
}

#define INTS(count, ...) constant(CVY_INT64, (struct cvy_shape){1, {count}}, (const double[]){__VA_ARGS__})
#define FLOATS(count, ...) \
    constant(CVY_FLOAT32, (struct cvy_shape){1, {count}}, (const double[]){__VA_ARGS__})

static enum cvy_status fold_to(struct cvy_value *out, struct cvy_shape shape)
{
    if (graph->n_outputs == 0)
        ck_assert_int_eq(cvy_graph_add_output(graph, out, "y"), CVY_OK);
    cvy_graph_destroy(&folded);
    return cvy_graph_fold(&folded, graph, &shape, 1);
}

static void fold(struct cvy_value *out, struct cvy_shape shape)
{
    ck_assert_msg(fold_to(out, shape) == CVY_OK, "%s", test_log_last());
}

/* out must be a constant of these values. */
static void expect(struct cvy_value *out, enum cvy_dtype dtype, size_t count, const double *values)
{
    fold(out, (struct cvy_shape){2, {3, 5}});
    const struct cvy_value *y = folded->outputs[0]->value;
    struct cvy_tensor wide;
    ck_assert_int_eq(y->kind, CVY_VALUE_CONSTANT);
    ck_assert_int_eq(y->tensor.dtype, dtype);
    ck_assert_uint_eq(y->tensor.elements, count);
    ck_assert_int_eq(cvy_tensor_convert(&wide, &y->tensor, CVY_FLOAT64), CVY_OK);
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(fabs(((double *)wide.data)[i] - values[i]) < 1e-6, "element %zu: %g, not %g", i,
                      ((double *)wide.data)[i], values[i]);
    cvy_tensor_finish(&wide);
}

static struct cvy_op op(enum cvy_op_type type)
{
    return (struct cvy_op){.type = type};
}

static struct cvy_op concat(void)
{
    return (struct cvy_op){.type = CVY_OP_CONCAT, .axis = 0};
}

/* x.reshape(x.shape[0], -1) as PyTorch spells it */
START_TEST(fold_computes_shapes_anew_for_each_plan)
{
    begin(4);
    struct cvy_value *n = add(op(CVY_OP_GATHER), add(op(CVY_OP_SHAPE), x, NULL, NULL),
                              constant(CVY_INT64, (struct cvy_shape){0}, (const double[]){0}), NULL);
    struct cvy_value *dims = add(concat(), add(op(CVY_OP_UNSQUEEZE), n, INTS(1, 0), NULL), INTS(1, -1), NULL);
    struct cvy_value *y = add(op(CVY_OP_RESHAPE), x, dims, NULL);
    for (size_t batch = 1; batch < 4; batch++) {
        fold(y, (struct cvy_shape){4, {batch, 2, 3, 5}});
        ck_assert_uint_eq(folded->n_nodes, 1);
        ck_assert_int_eq(folded->nodes[0]->op.type, CVY_OP_RESHAPE);
        ck_assert_uint_eq(folded->nodes[0]->n_inputs, 1);
        const struct cvy_shape *shape = &folded->outputs[0]->value->shape;
        ck_assert_uint_eq(shape->rank, 2);
        ck_assert_uint_eq(shape->dims[0], batch);
        ck_assert_uint_eq(shape->dims[1], 30);
    }
    end();
}
END_TEST

START_TEST(fold_divides_integers_towards_zero_and_floats_not)
{
    begin(2);
    expect(add(op(CVY_OP_DIV), INTS(3, 7, -7, 6), INTS(1, 2), NULL), CVY_INT64, 3,
           (const double[]){3, -3, 3});
    begin(2);
    expect(add(op(CVY_OP_DIV), FLOATS(2, 7, -7), FLOATS(1, 2), NULL), CVY_FLOAT32, 2,
           (const double[]){3.5, -3.5});
    begin(2);
    struct cvy_op cast = {.type = CVY_OP_CAST, .cast.dtype = CVY_INT32};
    expect(add(cast, FLOATS(3, 2.9, -2.9, 0.5), NULL, NULL), CVY_INT32, 3, (const double[]){2, -2, 0});
    begin(2);
    cast.cast.dtype = CVY_BOOL;
    expect(add(cast, FLOATS(3, 0.25, 0, -3), NULL, NULL), CVY_BOOL, 3, (const double[]){1, 0, 1});
    begin(2);
    cast.cast.dtype = CVY_INT64; /* as it is already */
    struct cvy_value *shape = add(cast, add(op(CVY_OP_SHAPE), x, NULL, NULL), NULL, NULL);
    expect(add(concat(), shape, INTS(1, 9), NULL), CVY_INT64, 3, (const double[]){3, 5, 9});
    end();
}
END_TEST

START_TEST(fold_cuts_repeats_chooses_and_counts)
{
    begin(2);
    struct cvy_value *shape = add(op(CVY_OP_SHAPE), x, NULL, NULL);
    expect(add(op(CVY_OP_RANGE), INTS(1, 7), INTS(1, 0), INTS(1, -3)), CVY_INT64, 3,
           (const double[]){7, 4, 1});
    begin(2);
    struct cvy_op backwards = {.type = CVY_OP_SLICE, .slice = {1, {0}, {-1}, {INT64_MIN}, {-2}}};
    expect(add(backwards, INTS(5, 1, 2, 3, 4, 5), NULL, NULL), CVY_INT64, 3, (const double[]){5, 3, 1});
    begin(2);
    shape = add(op(CVY_OP_SHAPE), x, NULL, NULL);
    struct cvy_value *small = add(op(CVY_OP_LESS), shape, INTS(1, 4), NULL);
    expect(add(op(CVY_OP_WHERE), small, INTS(1, -9), shape), CVY_INT64, 2, (const double[]){-9, 5});
    begin(2);
    expect(add(op(CVY_OP_TILE), FLOATS(2, 1.5, 2), INTS(1, 2), NULL), CVY_FLOAT32, 4,
           (const double[]){1.5, 2, 1.5, 2});
    begin(2);
    struct cvy_op fill = {.type = CVY_OP_CONSTANT_OF_SHAPE, .fill = {CVY_FLOAT32, 0.25}};
    shape = add(op(CVY_OP_SHAPE), x, NULL, NULL);
    struct cvy_value *filled = add(fill, shape, NULL, NULL);
    expect(add(op(CVY_OP_REDUCE_SUM), filled, NULL, NULL), CVY_FLOAT32, 1, (const double[]){3.75});
    end();
}
END_TEST

START_TEST(fold_borrows_weights_and_leaves_out_what_nothing_needs)
{
    begin(2);
    struct cvy_value *w = FLOATS(5, 1, 2, 3, 4, 5);
    struct cvy_value *y = add(op(CVY_OP_MUL), x, w, NULL);
    /* made for its shape alone */
    struct cvy_value *unused = add(op(CVY_OP_EXP), x, NULL, NULL);
    struct cvy_value *dims = add(op(CVY_OP_SHAPE), unused, NULL, NULL);
    y = add(op(CVY_OP_RESHAPE), y, dims, NULL);
    fold(y, (struct cvy_shape){2, {3, 5}});
    size_t muls = 0;
    for (size_t i = 0; i < folded->n_nodes; i++) {
        if (folded->nodes[i]->op.type != CVY_OP_MUL)
            continue;
        muls++;
        ck_assert_ptr_eq(folded->nodes[i]->inputs[1]->tensor.data, w->tensor.data);
    }
    ck_assert_uint_eq(muls, 1);
    struct cvy_layer_list *list = NULL;
    struct cvy_shape shape = {2, {3, 5}};
    ck_assert_int_eq(cvy_graph_describe(graph, &shape, 1, &list), CVY_OK);
    ck_assert_uint_eq(list->count, 2);
    ck_assert_str_eq(list->layers[0].op, "Mul");
    ck_assert_str_eq(list->layers[1].op, "Reshape");
    cvy_layer_list_destroy(&list);
    end();
}
END_TEST

START_TEST(fold_rejects_a_shape_that_the_network_computes)
{
    begin(1);
    struct cvy_op cast = {.type = CVY_OP_CAST, .cast.dtype = CVY_INT64};
    struct cvy_value *y = add(op(CVY_OP_RESHAPE), x, add(cast, x, NULL, NULL), NULL);
    ck_assert_int_eq(fold_to(y, (struct cvy_shape){1, {2}}), CVY_ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(
        strstr(test_log_last(), "Cast: its inputs must be constants or follow from shapes"));
    begin(1);
    y = add(op(CVY_OP_RESHAPE), x, add(op(CVY_OP_NEG), x, NULL, NULL), NULL);
    ck_assert_int_eq(fold_to(y, (struct cvy_shape){1, {2}}), CVY_ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "Reshape: its shape must be a constant, or follow"));
    begin(2);
    y = add(op(CVY_OP_GATHER), x, INTS(1, 3), NULL);
    ck_assert_int_eq(fold_to(y, (struct cvy_shape){2, {3, 5}}), CVY_ERROR_INVALID);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "Gather: index 3 is outside a dimension of size 3"));
    end();
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("fold");
    TCase *tcase = tcase_create("fold");
    tcase_add_test(tcase, fold_computes_shapes_anew_for_each_plan);
    tcase_add_test(tcase, fold_divides_integers_towards_zero_and_floats_not);
    tcase_add_test(tcase, fold_cuts_repeats_chooses_and_counts);
    tcase_add_test(tcase, fold_borrows_weights_and_leaves_out_what_nothing_needs);
    tcase_add_test(tcase, fold_rejects_a_shape_that_the_network_computes);
    suite_add_tcase(suite, tcase);
    return suite;
}
