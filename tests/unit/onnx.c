/* ONNX operators: what the graph makes of each, and what is refused. */
#include "onnx_model.h"

#include <math.h>
#include <string.h>

START_TEST(onnx_reads_operators_without_attributes)
{
    static const struct {
        const char *op, *wires;
        enum cvy_op_type type;
    } rows[] = {
        {"Relu", "x -> y", CVY_OP_RELU},
        {"Sigmoid", "x -> y", CVY_OP_SIGMOID},
        {"Tanh", "x -> y", CVY_OP_TANH},
        {"Identity", "x -> y", CVY_OP_IDENTITY},
        {"Dropout", "x -> y", CVY_OP_IDENTITY},
        {"Dropout", "x -> y mask", CVY_OP_IDENTITY},
        {"Add", "x x -> y", CVY_OP_ADD},
        {"Sub", "x x -> y", CVY_OP_SUB},
        {"Mul", "x w -> y", CVY_OP_MUL},
        {"Div", "x w -> y", CVY_OP_DIV},
        {"PRelu", "x w -> y", CVY_OP_PRELU},
        {"GlobalAveragePool", "x -> y", CVY_OP_GLOBAL_AVERAGE_POOL},
        {"Transpose", "x -> y", CVY_OP_TRANSPOSE},
    };
    for (int64_t opset = 7; opset <= 21; opset++) {
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            begin_xy(opset);
            constant(floats("w", 3, (const int64_t[]){4, 1, 1}));
            node(rows[i].op, rows[i].wires);
            ck_assert_int_eq(loaded()->type, rows[i].type);
            ck_assert_str_eq(cvy_graph_input_name(graph, 0), "x");
            ck_assert_str_eq(cvy_graph_output_name(graph, 0), "y");
            ck_assert_str_eq(graph->nodes[0]->name, "the node");
        }
    }
}
END_TEST

START_TEST(onnx_reads_conv)
{
    begin_xy(11);
    constant(floats("w", 4, (const int64_t[]){6, 2, 3, 5}));
    constant(floats("b", 1, (const int64_t[]){6}));
    Cvy__Onnx__NodeProto *n = node("Conv", "x w b -> y");
    attr_ints(n, "kernel_shape", 2, (const int64_t[]){3, 5});
    attr_ints(n, "strides", 2, (const int64_t[]){2, 1});
    attr_ints(n, "dilations", 2, (const int64_t[]){1, 3});
    attr_ints(n, "pads", 4, (const int64_t[]){1, 2, 3, 4});
    attr_i(n, "group", 2);
    const struct cvy_op *op = loaded();
    ck_assert_int_eq(op->type, CVY_OP_CONV);
    ck_assert_uint_eq(op->conv.groups, 2);
    ck_assert_uint_eq(op->conv.stride[0], 2);
    ck_assert_uint_eq(op->conv.stride[1], 1);
    ck_assert_uint_eq(op->conv.dilation[1], 3);
    ck_assert_uint_eq(op->conv.pad_begin[0], 1);
    ck_assert_uint_eq(op->conv.pad_begin[1], 2);
    ck_assert_uint_eq(op->conv.pad_end[0], 3);
    ck_assert_uint_eq(op->conv.pad_end[1], 4);
    ck_assert(!op->conv.transposed);
    ck_assert_uint_eq(graph->nodes[0]->n_inputs, 3);
    const struct cvy_tensor *w = &graph->nodes[0]->inputs[1]->tensor;
    ck_assert_uint_eq(w->elements, 180);
    ck_assert_float_eq(((const float *)w->data)[7], 1.75f);
}
END_TEST

START_TEST(onnx_reads_auto_pad)
{
    static const char *const names[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"};
    for (int i = 0; i < 4; i++) {
        begin_xy(13);
        constant(floats("w", 4, (const int64_t[]){4, 4, 3, 3}));
        attr_s(node("Conv", "x w -> y"), "auto_pad", names[i]);
        ck_assert_int_eq(loaded()->conv.auto_pad, i);
    }
    begin_xy(13);
    constant(floats("w", 4, (const int64_t[]){4, 4, 3, 3}));
    attr_s(node("Conv", "x w -> y"), "auto_pad", "SAME");
    refused(CVY_ERROR_UNSUPPORTED, "'auto_pad' is 'SAME'");
}
END_TEST

START_TEST(onnx_refuses_impossible_conv)
{
    static const struct {
        const char *attribute;
        size_t count;
        int64_t values[8];
        const char *words;
    } rows[] = {
        {"strides", 2, {0, 1}, "'strides' has the entry 0; it must be from 1"},
        {"strides", 3, {1, 1, 1}, "'strides' has 3 entries, 2 spatial axes need 2"},
        {"strides", 4, {1, 1, 1, 1}, "at most 3 are supported"},
        {"dilations", 2, {1, -1}, "'dilations' has the entry -1"},
        {"dilations", 2, {1, 1ll << 40}, "'dilations' has the entry 1099511627776"},
        {"pads", 4, {0, 0, -1, 0}, "'pads' has the entry -1"},
        {"pads", 3, {0, 0, 0}, "'pads' has 3 entries"},
        {"kernel_shape", 2, {5, 3}, "'kernel_shape' says 5 on spatial axis 0, its weights have 3"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin_xy(11);
        constant(floats("w", 4, (const int64_t[]){4, 4, 3, 3}));
        attr_ints(node("Conv", "x w -> y"), rows[i].attribute, rows[i].count, rows[i].values);
        refused(rows[i].values[0] == 1 && rows[i].count == 4 && rows[i].attribute[0] == 's'
                    ? CVY_ERROR_UNSUPPORTED
                    : CVY_ERROR_INVALID,
                rows[i].words);
        ck_assert_ptr_nonnull(strstr(test_log_last(), "node 'the node' (Conv, opset 11)"));
    }
}
END_TEST

START_TEST(onnx_reads_output_shape_with_and_without_batch_and_channels)
{
    begin_xy(11);
    constant(floats("w", 4, (const int64_t[]){4, 2, 3, 3}));
    Cvy__Onnx__NodeProto *n = node("ConvTranspose", "x w -> y");
    attr_ints(n, "strides", 2, (const int64_t[]){2, 2});
    attr_ints(n, "output_shape", 2, (const int64_t[]){14, 18});
    const struct cvy_op_conv *conv = &loaded()->conv;
    ck_assert(conv->transposed);
    ck_assert_uint_eq(conv->output_shape[0], 14);
    ck_assert_uint_eq(conv->output_shape[1], 18);
    ck_assert_uint_eq(conv->output_shape[2], 0);
    /* sizes need not be known before the plan */
    begin(11);
    input("x", 4, (const int64_t[]){1, 4, 0, 8});
    output("y");
    constant(floats("w", 4, (const int64_t[]){4, 2, 3, 3}));
    attr_ints(node("ConvTranspose", "x w -> y"), "output_shape", 4, (const int64_t[]){1, 2, 8, 9});
    ck_assert_uint_eq(loaded()->conv.output_shape[0], 8);
    ck_assert_uint_eq(graph->nodes[0]->op.conv.output_shape[1], 9);
    begin_xy(11);
    constant(floats("w", 4, (const int64_t[]){4, 2, 3, 3}));
    attr_ints(node("ConvTranspose", "x w -> y"), "output_shape", 3, (const int64_t[]){14, 18, 1});
    refused(CVY_ERROR_INVALID, "attribute 'output_shape' has 3 entries, 2 are needed");
}
END_TEST

START_TEST(onnx_reads_conv_transpose)
{
    begin_xy(11);
    constant(floats("w", 4, (const int64_t[]){4, 2, 9, 9}));
    Cvy__Onnx__NodeProto *n = node("ConvTranspose", "x w -> y");
    attr_ints(n, "strides", 2, (const int64_t[]){2, 3});
    attr_ints(n, "pads", 4, (const int64_t[]){4, 4, 4, 4});
    attr_ints(n, "output_padding", 2, (const int64_t[]){1, 2});
    const struct cvy_op *op = loaded();
    ck_assert(op->conv.transposed);
    ck_assert_uint_eq(op->conv.output_padding[1], 2);
    ck_assert_uint_eq(op->conv.pad_end[1], 4);
}
END_TEST

START_TEST(onnx_reads_pools)
{
    begin_xy(12);
    Cvy__Onnx__NodeProto *n = node("MaxPool", "x -> y");
    attr_ints(n, "kernel_shape", 2, (const int64_t[]){3, 2});
    attr_ints(n, "strides", 2, (const int64_t[]){2, 1});
    attr_i(n, "ceil_mode", 1);
    attr_i(n, "storage_order", 1);
    const struct cvy_op *op = loaded();
    ck_assert_int_eq(op->type, CVY_OP_MAX_POOL);
    ck_assert_uint_eq(op->pool.rank, 2);
    ck_assert_uint_eq(op->pool.kernel[0], 3);
    ck_assert_uint_eq(op->pool.kernel[1], 2);
    ck_assert_uint_eq(op->pool.stride[0], 2);
    ck_assert_uint_eq(op->pool.dilation[1], 1);
    ck_assert(op->pool.ceil_mode);
    begin_xy(19);
    n = node("AveragePool", "x -> y");
    attr_ints(n, "kernel_shape", 2, (const int64_t[]){3, 3});
    attr_ints(n, "dilations", 2, (const int64_t[]){2, 1});
    attr_i(n, "count_include_pad", 1);
    op = loaded();
    ck_assert_int_eq(op->type, CVY_OP_AVERAGE_POOL);
    ck_assert(op->pool.count_include_pad);
    ck_assert_uint_eq(op->pool.dilation[0], 2);
    begin_xy(12);
    node("MaxPool", "x -> y");
    refused(CVY_ERROR_FORMAT, "'kernel_shape' is missing");
    begin_xy(12);
    attr_ints(node("MaxPool", "x -> z y"), "kernel_shape", 2, (const int64_t[]){2, 2});
    refused(CVY_ERROR_UNSUPPORTED, "output 'y' is an extra output");
}
END_TEST

START_TEST(onnx_reads_clip_of_both_kinds)
{
    begin_xy(7);
    Cvy__Onnx__NodeProto *n = node("Clip", "x -> y");
    attr_f(n, "min", -1);
    attr_f(n, "max", 6);
    ck_assert_float_eq(loaded()->clip.min, -1);
    ck_assert_float_eq(graph->nodes[0]->op.clip.max, 6);
    begin_xy(11);
    constant(scalar("six", 6));
    node("Clip", "x _ six -> y");
    ck_assert_float_eq(loaded()->clip.max, 6);
    ck_assert(isinf(graph->nodes[0]->op.clip.min));
    begin_xy(11);
    input("low", 0, NULL);
    node("Clip", "x low -> y");
    loaded();
    ck_assert_int_eq(graph->nodes[0]->op.type, CVY_OP_MAX);
    ck_assert_ptr_eq(graph->nodes[0]->inputs[1], graph->inputs[1]);
}
END_TEST

START_TEST(onnx_reads_pad_of_all_kinds)
{
    begin_xy(10);
    Cvy__Onnx__NodeProto *n = node("Pad", "x -> y");
    attr_ints(n, "pads", 8, (const int64_t[]){0, 0, 1, 2, 0, 0, -3, 4});
    attr_s(n, "mode", "reflect");
    const struct cvy_op *op = loaded();
    ck_assert_int_eq(op->pad.mode, CVY_PAD_REFLECT);
    ck_assert_uint_eq(op->pad.rank, 4);
    ck_assert_int_eq(op->pad.begin[3], 2);
    ck_assert_int_eq(op->pad.end[2], -3);
    begin_xy(18);
    constant(ints("pads", 4, (const int64_t[]){1, 2, 3, 4}));
    constant(scalar("value", 7));
    constant(ints("axes", 2, (const int64_t[]){-1, 2}));
    node("Relu", "x -> r");
    node("Pad", "r pads value axes -> y");
    op = loaded();
    ck_assert_uint_eq(op->pad.rank, 4);
    ck_assert_float_eq(op->pad.value, 7);
    ck_assert_int_eq(op->pad.begin[3], 1);
    ck_assert_int_eq(op->pad.begin[2], 2);
    ck_assert_int_eq(op->pad.end[3], 3);
    ck_assert_int_eq(op->pad.end[2], 4);
    ck_assert_int_eq(op->pad.end[0], 0);
    begin_xy(18);
    constant(ints("pads", 4, (const int64_t[]){1, 2, 3, 4}));
    constant(ints("axes", 2, (const int64_t[]){-1, 3}));
    node("Pad", "x pads _ axes -> y");
    refused(CVY_ERROR_INVALID, "names dimension 3 twice");
    begin_xy(18);
    constant(ints("pads", 6, (const int64_t[]){1, 2, 3, 4, 5, 6}));
    node("Pad", "x pads -> y");
    refused(CVY_ERROR_INVALID, "entries for 3 dimensions, its input has 4");
}
END_TEST

START_TEST(onnx_reads_resize_of_all_kinds)
{
    begin_xy(8);
    Cvy__Onnx__NodeProto *n = node("Upsample", "x -> y");
    attr_floats(n, "scales", 4, (const float[]){1, 1, 2, 3});
    attr_s(n, "mode", "linear");
    const struct cvy_op_resize *resize = &loaded()->resize;
    ck_assert_int_eq(resize->mode, CVY_RESIZE_LINEAR);
    ck_assert_int_eq(resize->coordinates, CVY_RESIZE_ASYMMETRIC);
    ck_assert_float_eq(resize->scales[3], 3);
    begin_xy(10);
    constant(scales("s", 4, (const float[]){1, 1, 0.5f, 0.25f}));
    node("Resize", "x s -> y");
    resize = &loaded()->resize;
    ck_assert_int_eq(resize->mode, CVY_RESIZE_NEAREST);
    ck_assert_int_eq(resize->nearest, CVY_RESIZE_CEIL);
    begin_xy(13);
    constant(ints("sizes", 4, (const int64_t[]){1, 4, 20, 30}));
    n = node("Resize", "x _ _ sizes -> y");
    attr_s(n, "mode", "cubic");
    attr_s(n, "coordinate_transformation_mode", "align_corners");
    attr_i(n, "exclude_outside", 1);
    attr_f(n, "cubic_coeff_a", -0.5f);
    resize = &loaded()->resize;
    ck_assert_int_eq(resize->mode, CVY_RESIZE_CUBIC);
    ck_assert_int_eq(resize->coordinates, CVY_RESIZE_ALIGN_CORNERS);
    ck_assert_uint_eq(resize->sizes[3], 30);
    ck_assert_float_eq(resize->cubic_a, -0.5f);
    ck_assert(resize->exclude_outside);
    begin_xy(18);
    constant(scales("s", 2, (const float[]){2, 3}));
    n = node("Resize", "x _ s -> y");
    attr_ints(n, "axes", 2, (const int64_t[]){3, 2});
    attr_s(n, "nearest_mode", "ceil");
    resize = &loaded()->resize;
    ck_assert_uint_eq(resize->rank, 4);
    ck_assert_float_eq(resize->scales[0], 1);
    ck_assert_float_eq(resize->scales[2], 3);
    ck_assert_float_eq(resize->scales[3], 2);
    ck_assert_int_eq(resize->nearest, CVY_RESIZE_CEIL);
    ck_assert_int_eq(resize->coordinates, CVY_RESIZE_HALF_PIXEL);
}
END_TEST

START_TEST(onnx_refuses_impossible_resize)
{
    static const float values[] = {NAN, INFINITY, -1, 0, 1e30f};
    for (size_t i = 0; i < 5; i++) {
        begin_xy(13);
        constant(scales("s", 4, (const float[]){1, 1, 2, values[i]}));
        node("Resize", "x _ s -> y");
        refused(CVY_ERROR_INVALID, "it must be positive and finite");
    }
    begin_xy(13);
    constant(ints("s", 4, (const int64_t[]){1, 4, -2, 8}));
    node("Resize", "x _ _ s -> y");
    refused(CVY_ERROR_INVALID, "'sizes' has the entry -2");
    begin_xy(18);
    constant(scales("s", 4, (const float[]){1, 1, 2, 2}));
    attr_i(node("Resize", "x _ s -> y"), "antialias", 1);
    refused(CVY_ERROR_UNSUPPORTED, "antialias is not supported");
    begin_xy(13);
    constant(scales("s", 4, (const float[]){1, 1, 2, 2}));
    attr_s(node("Resize", "x _ s -> y"), "coordinate_transformation_mode", "tf_crop_and_resize");
    refused(CVY_ERROR_UNSUPPORTED, "tf_crop_and_resize");
}
END_TEST

START_TEST(onnx_reads_reshape_from_every_kind_of_constant)
{
    begin_xy(14);
    constant(ints("shape", 3, (const int64_t[]){0, -1, 16}));
    node("Reshape", "x shape -> y");
    const struct cvy_op *op = loaded();
    ck_assert_uint_eq(op->reshape.rank, 3);
    ck_assert_int_eq(op->reshape.dims[1], -1);
    ck_assert(!op->reshape.allow_zero);
    begin_xy(13);
    attr_ints(node("Constant", "-> c"), "value_ints", 2, (const int64_t[]){4, 64});
    node("Identity", "c -> shape");
    node("Reshape", "x shape -> y");
    ck_assert_int_eq(loaded()->reshape.dims[1], 64);
    ck_assert_uint_eq(graph->n_nodes, 1);
    begin_xy(13);
    attribute(node("Constant", "-> shape"), "value", 4)->t = ints("inner", 1, (const int64_t[]){256});
    node("Reshape", "x shape -> y");
    ck_assert_int_eq(loaded()->reshape.dims[0], 256);
    begin_xy(13);
    constant(ints("shape", 2, (const int64_t[]){1ll << 40, 1ll << 40}));
    node("Reshape", "x shape -> y");
    refused(CVY_ERROR_INVALID, "more elements than this machine");
    begin_xy(13);
    constant(ints("shape", 2, (const int64_t[]){-1, -1}));
    node("Reshape", "x shape -> y");
    refused(CVY_ERROR_INVALID, "one -1");
    begin_xy(13);
    constant(scales("shape", 2, (const float[]){NAN, 4}));
    node("Reshape", "x shape -> y");
    refused(CVY_ERROR_FORMAT, "input 'shape' is float32, it must be int64");
}
END_TEST

START_TEST(onnx_reads_the_other_attributes)
{
    begin_xy(11);
    attr_f(node("LeakyRelu", "x -> y"), "alpha", 0.25f);
    ck_assert_float_eq(loaded()->leaky_relu.alpha, 0.25f);
    begin_xy(11);
    attr_i(node("Softmax", "x -> y"), "axis", 2);
    ck_assert(loaded()->softmax.flatten);
    begin_xy(13);
    node("Softmax", "x -> y");
    ck_assert_int_eq(loaded()->softmax.axis, -1);
    ck_assert(!graph->nodes[0]->op.softmax.flatten);
    begin_xy(11);
    attr_i(node("Flatten", "x -> y"), "axis", -2);
    ck_assert_int_eq(loaded()->axis, -2);
    begin_xy(11);
    attr_i(node("Concat", "x x x -> y"), "axis", 3);
    ck_assert_int_eq(loaded()->axis, 3);
    ck_assert_uint_eq(graph->nodes[0]->n_inputs, 3);
    begin_xy(11);
    attr_ints(node("Transpose", "x -> y"), "perm", 4, (const int64_t[]){0, 3, 1, 2});
    ck_assert_uint_eq(loaded()->transpose.order[1], 3);
    begin_xy(11);
    Cvy__Onnx__NodeProto *n = node("DepthToSpace", "x -> y");
    attr_i(n, "blocksize", 2);
    attr_s(n, "mode", "CRD");
    ck_assert_uint_eq(loaded()->depth_to_space.block, 2);
    ck_assert(graph->nodes[0]->op.depth_to_space.column_row_depth);
    begin_xy(11);
    constant(floats("b", 2, (const int64_t[]){3, 8}));
    n = node("Gemm", "x b -> y");
    attr_i(n, "transB", 1);
    attr_f(n, "alpha", 0.5f);
    ck_assert(loaded()->gemm.transpose_b);
    ck_assert_float_eq(graph->nodes[0]->op.gemm.alpha, 0.5f);
    ck_assert_float_eq(graph->nodes[0]->op.gemm.beta, 1);
    begin_xy(9);
    constant(floats("p", 1, (const int64_t[]){4}));
    attr_f(node("BatchNormalization", "x p p p p -> y"), "epsilon", 0.125f);
    ck_assert_float_eq(loaded()->batch_norm.epsilon, 0.125f);
    begin_xy(15);
    constant(floats("p", 1, (const int64_t[]){4}));
    attr_i(node("BatchNormalization", "x p p p p -> y"), "training_mode", 1);
    refused(CVY_ERROR_UNSUPPORTED, "training_mode");
    begin_xy(11);
    attr_ints(node("Transpose", "x -> y"), "perm", 4, (const int64_t[]){0, 3, 3, 2});
    refused(CVY_ERROR_INVALID, "'perm' has the entry 3");
}
END_TEST

START_TEST(onnx_reads_inputs_with_an_initializer_as_constants)
{
    begin_xy(7);
    input("w", 3, (const int64_t[]){4, 1, 1});
    constant(floats("w", 3, (const int64_t[]){4, 1, 1}));
    node("Mul", "x w -> y");
    ck_assert_int_eq(loaded()->type, CVY_OP_MUL);
    ck_assert_uint_eq(cvy_graph_input_count(graph), 1);
}
END_TEST

static void teardown(void)
{
    cvy_graph_destroy(&graph);
}

Suite *test_suite(void)
{
    Suite *suite = suite_create("onnx");
    TCase *tcase = tcase_create("onnx");
    tcase_add_checked_fixture(tcase, NULL, teardown);
    tcase_add_test(tcase, onnx_reads_operators_without_attributes);
    tcase_add_test(tcase, onnx_reads_conv);
    tcase_add_test(tcase, onnx_reads_auto_pad);
    tcase_add_test(tcase, onnx_refuses_impossible_conv);
    tcase_add_test(tcase, onnx_reads_output_shape_with_and_without_batch_and_channels);
    tcase_add_test(tcase, onnx_reads_conv_transpose);
    tcase_add_test(tcase, onnx_reads_pools);
    tcase_add_test(tcase, onnx_reads_clip_of_both_kinds);
    tcase_add_test(tcase, onnx_reads_pad_of_all_kinds);
    tcase_add_test(tcase, onnx_reads_resize_of_all_kinds);
    tcase_add_test(tcase, onnx_refuses_impossible_resize);
    tcase_add_test(tcase, onnx_reads_reshape_from_every_kind_of_constant);
    tcase_add_test(tcase, onnx_reads_the_other_attributes);
    tcase_add_test(tcase, onnx_reads_inputs_with_an_initializer_as_constants);
    suite_add_tcase(suite, tcase);
    return suite;
}
