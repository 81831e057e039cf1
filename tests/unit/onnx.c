/* ONNX import: models are packed here with protobuf-c, loaded, and the graph looked at. */
#include "support.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "graph/graph.h"
#include "onnx.pb-c.h"

/* Everything of one model comes from this pool and is dropped at once. */
static union {
    max_align_t align;
    unsigned char bytes[1 << 18];
} pool;
static size_t pool_used;
static Cvy__Onnx__ModelProto model;
static Cvy__Onnx__GraphProto graph_proto;
static struct cvy_graph *graph;

static void *take(size_t bytes)
{
    void *result = pool.bytes + pool_used;
    pool_used += (bytes + 15) / 16 * 16;
    ck_assert_uint_le(pool_used, sizeof(pool));
    memset(result, 0, bytes);
    return result;
}

#define MANY 16

static void begin(int64_t opset)
{
    pool_used = 0;
    cvy_graph_destroy(&graph);
    test_log_clear();
    cvy__onnx__model_proto__init(&model);
    cvy__onnx__graph_proto__init(&graph_proto);
    Cvy__Onnx__OperatorSetIdProto *set = take(sizeof(*set));
    cvy__onnx__operator_set_id_proto__init(set);
    set->has_version = 1;
    set->version = opset;
    set->domain = (char *)"";
    model.has_ir_version = 1;
    model.ir_version = 8;
    model.graph = &graph_proto;
    model.opset_import = take(sizeof(*model.opset_import));
    model.opset_import[model.n_opset_import++] = set;
    graph_proto.name = (char *)"test";
    graph_proto.node = take(MANY * sizeof(void *));
    graph_proto.input = take(MANY * sizeof(void *));
    graph_proto.output = take(MANY * sizeof(void *));
    graph_proto.initializer = take(MANY * sizeof(void *));
}

static Cvy__Onnx__ValueInfoProto *value_info(const char *name, int type, size_t rank, const int64_t *dims)
{
    Cvy__Onnx__ValueInfoProto *info = take(sizeof(*info));
    Cvy__Onnx__TensorShapeProto *shape = take(sizeof(*shape));
    cvy__onnx__value_info_proto__init(info);
    cvy__onnx__tensor_shape_proto__init(shape);
    info->name = (char *)name;
    info->type = take(sizeof(*info->type));
    cvy__onnx__type_proto__init(info->type);
    info->type->tensor_type = take(sizeof(*info->type->tensor_type));
    cvy__onnx__type_proto__tensor__init(info->type->tensor_type);
    info->type->tensor_type->has_elem_type = 1;
    info->type->tensor_type->elem_type = type;
    info->type->tensor_type->shape = shape;
    shape->dim = take(rank * sizeof(void *));
    for (size_t i = 0; i < rank; i++) {
        shape->dim[i] = take(sizeof(*shape->dim[i]));
        cvy__onnx__tensor_shape_proto__dimension__init(shape->dim[i]);
        shape->dim[i]->has_dim_value = dims[i] != 0;
        shape->dim[i]->dim_value = dims[i];
    }
    shape->n_dim = rank;
    return info;
}

static void input(const char *name, size_t rank, const int64_t *dims)
{
    graph_proto.input[graph_proto.n_input++] = value_info(name, 1, rank, dims);
}

static void output(const char *name)
{
    graph_proto.output[graph_proto.n_output++] = value_info(name, 1, 0, NULL);
}

/* x, 1x4x8x8, goes in and y comes out. */
static void begin_xy(int64_t opset)
{
    begin(opset);
    input("x", 4, (const int64_t[]){1, 4, 8, 8});
    output("y");
}

static Cvy__Onnx__TensorProto *tensor(const char *name, int type, size_t rank, const int64_t *dims)
{
    Cvy__Onnx__TensorProto *t = take(sizeof(*t));
    cvy__onnx__tensor_proto__init(t);
    t->name = (char *)name;
    t->has_data_type = 1;
    t->data_type = type;
    t->n_dims = rank;
    t->dims = take(rank * sizeof(*dims));
    memcpy(t->dims, dims, rank * sizeof(*dims));
    return t;
}

static Cvy__Onnx__TensorProto *floats(const char *name, size_t rank, const int64_t *dims)
{
    Cvy__Onnx__TensorProto *t = tensor(name, 1, rank, dims);
    t->n_float_data = 1;
    for (size_t i = 0; i < rank; i++)
        t->n_float_data *= (size_t)dims[i];
    t->float_data = take(t->n_float_data * sizeof(float));
    for (size_t i = 0; i < t->n_float_data; i++)
        t->float_data[i] = (float)i / 4;
    return t;
}

static Cvy__Onnx__TensorProto *ints(const char *name, size_t count, const int64_t *values)
{
    Cvy__Onnx__TensorProto *t = tensor(name, 7, 1, (const int64_t[]){(int64_t)count});
    t->n_int64_data = count;
    t->int64_data = take(count * sizeof(int64_t));
    memcpy(t->int64_data, values, count * sizeof(int64_t));
    return t;
}

static Cvy__Onnx__TensorProto *scalar(const char *name, float value)
{
    Cvy__Onnx__TensorProto *t = floats(name, 0, (const int64_t[]){0});
    t->float_data[0] = value;
    return t;
}

static Cvy__Onnx__TensorProto *scales(const char *name, size_t count, const float *values)
{
    Cvy__Onnx__TensorProto *t = floats(name, 1, (const int64_t[]){(int64_t)count});
    memcpy(t->float_data, values, count * sizeof(float));
    return t;
}

static void constant(Cvy__Onnx__TensorProto *t)
{
    graph_proto.initializer[graph_proto.n_initializer++] = t;
}

/* inputs and outputs in one text: "x w b -> y"; "_" leaves one out */
static Cvy__Onnx__NodeProto *node(const char *op, const char *wires)
{
    Cvy__Onnx__NodeProto *n = take(sizeof(*n));
    cvy__onnx__node_proto__init(n);
    n->name = (char *)"the node";
    n->op_type = (char *)op;
    n->input = take(MANY * sizeof(char *));
    n->output = take(MANY * sizeof(char *));
    n->attribute = take(MANY * sizeof(void *));
    char *copy = take(strlen(wires) + 1);
    strcpy(copy, wires);
    bool after = false;
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " ")) {
        char *name = strcmp(word, "_") == 0 ? (char *)"" : word;
        if (strcmp(word, "->") == 0)
            after = true;
        else if (after)
            n->output[n->n_output++] = name;
        else
            n->input[n->n_input++] = name;
    }
    graph_proto.node[graph_proto.n_node++] = n;
    return n;
}

static Cvy__Onnx__AttributeProto *attribute(Cvy__Onnx__NodeProto *n, const char *name, int type)
{
    Cvy__Onnx__AttributeProto *a = take(sizeof(*a));
    cvy__onnx__attribute_proto__init(a);
    a->name = (char *)name;
    a->has_type = 1;
    a->type = type;
    n->attribute[n->n_attribute++] = a;
    return a;
}

static void attr_f(Cvy__Onnx__NodeProto *n, const char *name, float value)
{
    Cvy__Onnx__AttributeProto *a = attribute(n, name, 1);
    a->has_f = 1;
    a->f = value;
}

static void attr_i(Cvy__Onnx__NodeProto *n, const char *name, int64_t value)
{
    Cvy__Onnx__AttributeProto *a = attribute(n, name, 2);
    a->has_i = 1;
    a->i = value;
}

static void attr_s(Cvy__Onnx__NodeProto *n, const char *name, const char *value)
{
    Cvy__Onnx__AttributeProto *a = attribute(n, name, 3);
    a->has_s = 1;
    a->s.data = (uint8_t *)value;
    a->s.len = strlen(value);
}

static void attr_ints(Cvy__Onnx__NodeProto *n, const char *name, size_t count, const int64_t *values)
{
    Cvy__Onnx__AttributeProto *a = attribute(n, name, 7);
    a->n_ints = count;
    a->ints = take(count * sizeof(int64_t));
    memcpy(a->ints, values, count * sizeof(int64_t));
}

static void attr_floats(Cvy__Onnx__NodeProto *n, const char *name, size_t count, const float *values)
{
    Cvy__Onnx__AttributeProto *a = attribute(n, name, 6);
    a->n_floats = count;
    a->floats = take(count * sizeof(float));
    memcpy(a->floats, values, count * sizeof(float));
}

static enum cvy_status load(void)
{
    size_t bytes = cvy__onnx__model_proto__get_packed_size(&model);
    uint8_t *data = malloc(bytes);
    cvy__onnx__model_proto__pack(&model, data);
    enum cvy_status status = cvy_graph_load_onnx_memory(&graph, data, bytes, "test.onnx", NULL);
    free(data);
    return status;
}

/* Loads and returns the operator of the last node. */
static const struct cvy_op *loaded(void)
{
    enum cvy_status status = load();
    ck_assert_msg(status == CVY_OK, "%s", test_log_last());
    ck_assert_uint_ge(graph->n_nodes, 1);
    return &graph->nodes[graph->n_nodes - 1]->op;
}

static void refused(enum cvy_status expected, const char *words)
{
    enum cvy_status status = load();
    ck_assert_msg(status == expected, "%s instead of %s: %s", cvy_status_string(status),
                  cvy_status_string(expected), test_log_last());
    ck_assert_msg(strstr(test_log_last(), words) != NULL, "'%s' is not in: %s", words, test_log_last());
    ck_assert_msg(strncmp(test_log_last(), "test.onnx: ", 11) == 0, "%s", test_log_last());
    ck_assert_ptr_null(graph);
}

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

START_TEST(onnx_turns_output_shape_into_padding)
{
    begin_xy(11);
    constant(floats("w", 4, (const int64_t[]){4, 2, 3, 3}));
    Cvy__Onnx__NodeProto *n = node("ConvTranspose", "x w -> y");
    attr_ints(n, "strides", 2, (const int64_t[]){2, 2});
    attr_ints(n, "output_shape", 2, (const int64_t[]){14, 18});
    /* without padding 17x17 */
    const struct cvy_op_conv *conv = &loaded()->conv;
    ck_assert(conv->transposed);
    ck_assert_uint_eq(conv->pad_begin[0], 2);
    ck_assert_uint_eq(conv->pad_end[0], 1);
    ck_assert_uint_eq(conv->output_padding[0], 0);
    ck_assert_uint_eq(conv->pad_begin[1] + conv->pad_end[1], 0);
    ck_assert_uint_eq(conv->output_padding[1], 1);
    begin(11);
    input("x", 4, (const int64_t[]){1, 4, 0, 8});
    output("y");
    constant(floats("w", 4, (const int64_t[]){4, 2, 3, 3}));
    attr_ints(node("ConvTranspose", "x w -> y"), "output_shape", 2, (const int64_t[]){14, 18});
    refused(CVY_ERROR_UNSUPPORTED, "'output_shape'");
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
    refused(CVY_ERROR_UNSUPPORTED, "input 'min' ('low') is computed at run time");
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

START_TEST(onnx_leaves_open_dimensions_open)
{
    begin(13);
    input("x", 4, (const int64_t[]){0, 3, -1, 224});
    output("y");
    node("Relu", "x -> y");
    loaded();
    struct cvy_shape shape;
    ck_assert(cvy_graph_input_shape(graph, 0, &shape));
    ck_assert_uint_eq(shape.rank, 4);
    ck_assert_uint_eq(shape.dims[0], 0);
    ck_assert_uint_eq(shape.dims[1], 3);
    ck_assert_uint_eq(shape.dims[2], 0);
    ck_assert_uint_eq(shape.dims[3], 224);
}
END_TEST

START_TEST(onnx_converts_constants_of_other_types)
{
    /* 1.5 as float16, bfloat16 and float64 */
    static const struct {
        int type, bits;
    } rows[] = {{10, 0x3e00}, {16, 0x3fc0}, {11, 0}};
    for (size_t i = 0; i < 3; i++) {
        begin_xy(13);
        Cvy__Onnx__TensorProto *t = tensor("w", rows[i].type, 1, (const int64_t[]){1});
        int32_t bits = rows[i].bits;
        double value = 1.5;
        t->n_int32_data = rows[i].bits != 0;
        t->int32_data = &bits;
        t->n_double_data = rows[i].bits == 0;
        t->double_data = &value;
        constant(t);
        node("Mul", "x w -> y");
        loaded();
        const struct cvy_tensor *w = &graph->nodes[0]->inputs[1]->tensor;
        ck_assert_int_eq(w->dtype, CVY_FLOAT32);
        ck_assert_float_eq(*(const float *)w->data, 1.5f);
    }
    begin_xy(13);
    constant(ints("w", 1, (const int64_t[]){3}));
    node("Mul", "x w -> y");
    refused(CVY_ERROR_UNSUPPORTED, "tensor 'w' is int64 where numbers");
}
END_TEST

START_TEST(onnx_checks_the_size_of_constants)
{
    begin_xy(13);
    Cvy__Onnx__TensorProto *t = floats("w", 2, (const int64_t[]){2, 3});
    t->n_float_data = 5;
    constant(t);
    node("Mul", "x w -> y");
    refused(CVY_ERROR_FORMAT, "tensor 'w': 2x3 float32 needs 6 values, 5 are there");
    begin_xy(13);
    t = tensor("w", 1, 2, (const int64_t[]){2, 3});
    t->has_raw_data = 1;
    t->raw_data.data = (uint8_t *)"0123456789";
    t->raw_data.len = 10;
    constant(t);
    node("Mul", "x w -> y");
    refused(CVY_ERROR_FORMAT, "needs 24 bytes, 10 are there");
    begin_xy(13);
    constant(tensor("w", 1, 2, (const int64_t[]){1ll << 40, 1ll << 40}));
    node("Mul", "x w -> y");
    refused(CVY_ERROR_FORMAT, "more than this machine can address");
    begin_xy(13);
    constant(tensor("w", 1, 1, (const int64_t[]){-5}));
    node("Mul", "x w -> y");
    refused(CVY_ERROR_FORMAT, "dimension 0 is -5");
    begin_xy(13);
    constant(tensor("w", 8, 1, (const int64_t[]){1}));
    node("Mul", "x w -> y");
    refused(CVY_ERROR_UNSUPPORTED, "its elements are string");
}
END_TEST

static void external(Cvy__Onnx__TensorProto *t, const char *location, const char *offset)
{
    t->has_data_location = 1;
    t->data_location = 1;
    t->external_data = take(2 * sizeof(void *));
    t->n_external_data = 2;
    for (size_t i = 0; i < 2; i++) {
        t->external_data[i] = take(sizeof(*t->external_data[i]));
        cvy__onnx__string_string_entry_proto__init(t->external_data[i]);
        t->external_data[i]->key = (char *)(i ? "offset" : "location");
        t->external_data[i]->value = (char *)(i ? offset : location);
    }
}

START_TEST(onnx_reads_external_data_beside_the_model)
{
    char folder[] = "/tmp/convoy-onnx-XXXXXX", path[64], data[64];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/model.onnx", folder);
    snprintf(data, sizeof(data), "%s/weights.bin", folder);
    FILE *file = fopen(data, "wb");
    fwrite("skip\0\0\x20\x40", 1, 8, file); /* 2.5 at offset 4 */
    fclose(file);
    static const struct {
        const char *location, *offset, *words;
        enum cvy_status status;
    } rows[] = {
        {"weights.bin", "4", "", CVY_OK},
        {"weights.bin", "5", "needs 4 bytes, 3 are there", CVY_ERROR_FORMAT},
        {"weights.bin", "99999999999999999999", "needs 4 bytes, 0 are there", CVY_ERROR_FORMAT},
        {"weights.bin", "-4", "no number", CVY_ERROR_FORMAT},
        {"../weights.bin", "4", "outside the model's folder", CVY_ERROR_UNSUPPORTED},
        {"a/../../weights.bin", "4", "outside the model's folder", CVY_ERROR_UNSUPPORTED},
        {"/etc/passwd", "0", "outside the model's folder", CVY_ERROR_UNSUPPORTED},
        {"nothing.bin", "0", "no such file", CVY_ERROR_NOT_FOUND},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin_xy(13);
        Cvy__Onnx__TensorProto *t = tensor("w", 1, 1, (const int64_t[]){1});
        external(t, rows[i].location, rows[i].offset);
        constant(t);
        node("Mul", "x w -> y");
        size_t bytes = cvy__onnx__model_proto__get_packed_size(&model);
        uint8_t *packed = malloc(bytes);
        cvy__onnx__model_proto__pack(&model, packed);
        file = fopen(path, "wb");
        fwrite(packed, 1, bytes, file);
        fclose(file);
        free(packed);
        enum cvy_status status = cvy_graph_load_onnx(&graph, path, NULL);
        ck_assert_msg(status == rows[i].status, "%s: %s", rows[i].location, test_log_last());
        ck_assert_msg(strstr(test_log_last(), rows[i].words) != NULL, "%s", test_log_last());
        if (status == CVY_OK)
            ck_assert_float_eq(*(const float *)graph->nodes[0]->inputs[1]->tensor.data, 2.5f);
        cvy_graph_destroy(&graph);
    }
    ck_assert_int_eq(cvy_graph_load_onnx(&graph, path, &(struct cvy_onnx_params){.max_bytes = 10}),
                     CVY_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "larger than the limit of 10 bytes"));
    unlink(path);
    unlink(data);
    rmdir(folder);
}
END_TEST

START_TEST(onnx_names_what_it_does_not_support)
{
    begin_xy(17);
    node("LSTM", "x -> y");
    refused(CVY_ERROR_UNSUPPORTED,
            "node 'the node' (LSTM, opset 17): operator LSTM of domain ai.onnx is not supported");
    begin_xy(17);
    node("Conv", "x x -> y")->domain = (char *)"com.example";
    refused(CVY_ERROR_UNSUPPORTED, "operator Conv of domain com.example is not supported");
    begin_xy(6);
    node("Relu", "x -> y");
    refused(CVY_ERROR_UNSUPPORTED, "opset 6; 7 and later are read");
    begin_xy(11);
    attr_floats(node("Upsample", "x -> y"), "scales", 4, (const float[]){1, 1, 2, 2});
    refused(CVY_ERROR_UNSUPPORTED, "does not exist in this opset");
    begin_xy(13);
    graph_proto.input[graph_proto.n_input++] = value_info("i", 7, 0, NULL);
    node("Relu", "x -> y");
    refused(CVY_ERROR_UNSUPPORTED, "input 'i' is int64");
}
END_TEST

START_TEST(onnx_goes_on_with_a_newer_opset)
{
    begin_xy(99);
    node("Relu", "x -> y");
    ck_assert_int_eq(loaded()->type, CVY_OP_RELU);
}
END_TEST

START_TEST(onnx_refuses_broken_wiring)
{
    begin_xy(13);
    node("Add", "x nothing -> y");
    refused(CVY_ERROR_FORMAT, "input 'nothing' is defined nowhere");
    begin_xy(13);
    node("Add", "x z -> y");
    node("Relu", "y -> z");
    refused(CVY_ERROR_FORMAT, "input 'z' is made by this node or a later one");
    begin_xy(13);
    node("Relu", "x -> y");
    node("Tanh", "x -> y");
    refused(CVY_ERROR_FORMAT, "'y' has the name of another value");
    begin_xy(13);
    input("x", 1, (const int64_t[]){1});
    node("Relu", "x -> y");
    refused(CVY_ERROR_FORMAT, "two values are named 'x'");
    begin_xy(13);
    node("Relu", "x -> z");
    refused(CVY_ERROR_FORMAT, "output 'y' is made by no node");
    begin_xy(13);
    node("Relu", "x ->");
    refused(CVY_ERROR_FORMAT, "it has no output");
    begin_xy(13);
    node("Add", "x -> y");
    refused(CVY_ERROR_FORMAT, "it has 1 inputs, it needs 2");
    begin_xy(13);
    node("Dropout", "x -> z mask");
    node("Add", "z mask -> y");
    refused(CVY_ERROR_UNSUPPORTED, "input 'mask' is an extra output");
    begin(13);
    input("x", 1, (const int64_t[]){-3});
    output("y");
    node("Relu", "x -> y");
    refused(CVY_ERROR_FORMAT, "input 'x' has the dimension -3");
    begin(13);
    input("x", 2, (const int64_t[]){1ll << 40, 1ll << 40});
    output("y");
    node("Relu", "x -> y");
    refused(CVY_ERROR_FORMAT, "input 'x' is larger than this machine");
}
END_TEST

START_TEST(onnx_refuses_attributes_of_the_wrong_type)
{
    begin_xy(13);
    attr_f(node("Softmax", "x -> y"), "axis", 1);
    refused(CVY_ERROR_FORMAT, "attribute 'axis' is a float, it must be an integer");
    begin_xy(13);
    attr_i(node("LeakyRelu", "x -> y"), "alpha", 1);
    refused(CVY_ERROR_FORMAT, "attribute 'alpha' is an integer, it must be a float");
    begin_xy(13);
    attr_i(node("MaxPool", "x -> y"), "kernel_shape", 1);
    refused(CVY_ERROR_FORMAT, "'kernel_shape' is an integer, it must be a list of integers");
    begin_xy(13);
    attr_i(node("Constant", "-> y"), "value", 1);
    refused(CVY_ERROR_FORMAT, "'value' is an integer, it must be a tensor");
}
END_TEST

/* A model with a little of everything; the bytes are the caller's. */
static uint8_t *pack_specimen(size_t *bytes)
{
    begin_xy(13);
    constant(floats("w", 4, (const int64_t[]){4, 4, 3, 3}));
    constant(ints("shape", 2, (const int64_t[]){1, -1}));
    constant(scales("s", 4, (const float[]){1, 1, 2, 2}));
    Cvy__Onnx__NodeProto *n = node("Conv", "x w -> a");
    attr_ints(n, "pads", 4, (const int64_t[]){1, 1, 1, 1});
    attr_s(n, "auto_pad", "NOTSET");
    attr_f(node("LeakyRelu", "a -> b"), "alpha", 0.1f);
    node("Resize", "b _ s -> c");
    node("Reshape", "c shape -> d");
    attr_i(node("Softmax", "d -> y"), "axis", 1);
    *bytes = cvy__onnx__model_proto__get_packed_size(&model);
    uint8_t *data = malloc(*bytes);
    cvy__onnx__model_proto__pack(&model, data);
    return data;
}

START_TEST(onnx_refuses_a_model_cut_anywhere)
{
    size_t bytes;
    uint8_t *data = pack_specimen(&bytes);
    ck_assert_msg(cvy_graph_load_onnx_memory(&graph, data, bytes, "test.onnx", NULL) == CVY_OK, "%s",
                  test_log_last());
    cvy_graph_destroy(&graph);
    for (size_t length = 0; length < bytes; length++) {
        uint8_t *cut = malloc(length ? length : 1); /* exactly as long, so that reading on is noticed */
        memcpy(cut, data, length);
        test_log_clear();
        enum cvy_status status = cvy_graph_load_onnx_memory(&graph, cut, length, "test.onnx", NULL);
        ck_assert_msg(status == CVY_ERROR_FORMAT, "%zu bytes: %s", length, cvy_status_string(status));
        ck_assert_msg(strstr(test_log_last(), "truncated or no ONNX") != NULL, "%s", test_log_last());
        free(cut);
    }
    free(data);
}
END_TEST

START_TEST(onnx_survives_random_damage)
{
    struct test_random random = {test_seed() + 2};
    size_t bytes, accepted = 0;
    uint8_t *data = pack_specimen(&bytes);
    uint8_t *damaged = malloc(bytes);
    for (int i = 0; i < 5000; i++) {
        memcpy(damaged, data, bytes);
        for (size_t n = test_random_range(&random, 1, 8); n > 0; n--)
            damaged[test_random_range(&random, 0, bytes - 1)] ^= (uint8_t)test_random_range(&random, 1, 255);
        enum cvy_status status = cvy_graph_load_onnx_memory(&graph, damaged, bytes, "test.onnx", NULL);
        ck_assert(status == CVY_OK || graph == NULL);
        accepted += status == CVY_OK;
        cvy_graph_destroy(&graph);
    }
    /* damage to weights cannot be noticed */
    ck_assert_uint_gt(accepted, 0);
    free(damaged);
    free(data);
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
    tcase_add_test(tcase, onnx_turns_output_shape_into_padding);
    tcase_add_test(tcase, onnx_reads_conv_transpose);
    tcase_add_test(tcase, onnx_reads_pools);
    tcase_add_test(tcase, onnx_reads_clip_of_both_kinds);
    tcase_add_test(tcase, onnx_reads_pad_of_all_kinds);
    tcase_add_test(tcase, onnx_reads_resize_of_all_kinds);
    tcase_add_test(tcase, onnx_refuses_impossible_resize);
    tcase_add_test(tcase, onnx_reads_reshape_from_every_kind_of_constant);
    tcase_add_test(tcase, onnx_reads_the_other_attributes);
    tcase_add_test(tcase, onnx_reads_inputs_with_an_initializer_as_constants);
    tcase_add_test(tcase, onnx_leaves_open_dimensions_open);
    tcase_add_test(tcase, onnx_converts_constants_of_other_types);
    tcase_add_test(tcase, onnx_checks_the_size_of_constants);
    tcase_add_test(tcase, onnx_reads_external_data_beside_the_model);
    tcase_add_test(tcase, onnx_names_what_it_does_not_support);
    tcase_add_test(tcase, onnx_goes_on_with_a_newer_opset);
    tcase_add_test(tcase, onnx_refuses_broken_wiring);
    tcase_add_test(tcase, onnx_refuses_attributes_of_the_wrong_type);
    tcase_add_test(tcase, onnx_refuses_a_model_cut_anywhere);
    tcase_add_test(tcase, onnx_survives_random_damage);
    suite_add_tcase(suite, tcase);
    return suite;
}
