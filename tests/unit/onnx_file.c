/* ONNX files: constants, external data, broken wiring, damage. */
#include "onnx_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    loaded();
    ck_assert_int_eq(graph->nodes[0]->inputs[1]->tensor.dtype, CVY_INT64);
    begin_xy(13);
    constant(tensor("w", 5, 1, (const int64_t[]){0}));
    node("Mul", "x w -> y");
    refused(CVY_ERROR_UNSUPPORTED, "tensor 'w' is int16 where numbers");
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
    begin_xy(5);
    node("Relu", "x -> y");
    refused(CVY_ERROR_UNSUPPORTED, "opset 5; 6 and later are read");
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
    Suite *suite = suite_create("onnx_file");
    TCase *tcase = tcase_create("onnx_file");
    tcase_add_checked_fixture(tcase, NULL, teardown);
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
