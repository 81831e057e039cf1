#include "onnx_model.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Room in each list of a model. */
#define MANY 16

/* Everything of one model comes from this pool and is dropped at once. */
static union {
    max_align_t align;
    unsigned char bytes[1 << 18];
} pool;
static size_t pool_used;
Cvy__Onnx__ModelProto model;
Cvy__Onnx__GraphProto graph_proto;
struct cvy_graph *graph;

void *take(size_t bytes)
{
    void *result = pool.bytes + pool_used;
    pool_used += (bytes + 15) / 16 * 16;
    ck_assert_uint_le(pool_used, sizeof(pool));
    memset(result, 0, bytes);
    return result;
}

void begin(int64_t opset)
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

Cvy__Onnx__ValueInfoProto *value_info(const char *name, int type, size_t rank, const int64_t *dims)
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

void input(const char *name, size_t rank, const int64_t *dims)
{
    graph_proto.input[graph_proto.n_input++] = value_info(name, 1, rank, dims);
}

void output(const char *name)
{
    graph_proto.output[graph_proto.n_output++] = value_info(name, 1, 0, NULL);
}

void begin_xy(int64_t opset)
{
    begin(opset);
    input("x", 4, (const int64_t[]){1, 4, 8, 8});
    output("y");
}

Cvy__Onnx__TensorProto *tensor(const char *name, int type, size_t rank, const int64_t *dims)
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

Cvy__Onnx__TensorProto *floats(const char *name, size_t rank, const int64_t *dims)
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

Cvy__Onnx__TensorProto *ints(const char *name, size_t count, const int64_t *values)
{
    Cvy__Onnx__TensorProto *t = tensor(name, 7, 1, (const int64_t[]){(int64_t)count});
    t->n_int64_data = count;
    t->int64_data = take(count * sizeof(int64_t));
    memcpy(t->int64_data, values, count * sizeof(int64_t));
    return t;
}

Cvy__Onnx__TensorProto *scalar(const char *name, float value)
{
    Cvy__Onnx__TensorProto *t = floats(name, 0, (const int64_t[]){0});
    t->float_data[0] = value;
    return t;
}

Cvy__Onnx__TensorProto *scales(const char *name, size_t count, const float *values)
{
    Cvy__Onnx__TensorProto *t = floats(name, 1, (const int64_t[]){(int64_t)count});
    memcpy(t->float_data, values, count * sizeof(float));
    return t;
}

void constant(Cvy__Onnx__TensorProto *t)
{
    graph_proto.initializer[graph_proto.n_initializer++] = t;
}

Cvy__Onnx__NodeProto *node(const char *op, const char *wires)
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

Cvy__Onnx__AttributeProto *attribute(Cvy__Onnx__NodeProto *n, const char *name, int type)
{
    Cvy__Onnx__AttributeProto *a = take(sizeof(*a));
    cvy__onnx__attribute_proto__init(a);
    a->name = (char *)name;
    a->has_type = 1;
    a->type = type;
    n->attribute[n->n_attribute++] = a;
    return a;
}

void attr_f(Cvy__Onnx__NodeProto *n, const char *name, float value)
{
    Cvy__Onnx__AttributeProto *a = attribute(n, name, 1);
    a->has_f = 1;
    a->f = value;
}

void attr_i(Cvy__Onnx__NodeProto *n, const char *name, int64_t value)
{
    Cvy__Onnx__AttributeProto *a = attribute(n, name, 2);
    a->has_i = 1;
    a->i = value;
}

void attr_s(Cvy__Onnx__NodeProto *n, const char *name, const char *value)
{
    Cvy__Onnx__AttributeProto *a = attribute(n, name, 3);
    a->has_s = 1;
    a->s.data = (uint8_t *)value;
    a->s.len = strlen(value);
}

void attr_ints(Cvy__Onnx__NodeProto *n, const char *name, size_t count, const int64_t *values)
{
    Cvy__Onnx__AttributeProto *a = attribute(n, name, 7);
    a->n_ints = count;
    a->ints = take(count * sizeof(int64_t));
    memcpy(a->ints, values, count * sizeof(int64_t));
}

void attr_floats(Cvy__Onnx__NodeProto *n, const char *name, size_t count, const float *values)
{
    Cvy__Onnx__AttributeProto *a = attribute(n, name, 6);
    a->n_floats = count;
    a->floats = take(count * sizeof(float));
    memcpy(a->floats, values, count * sizeof(float));
}

enum cvy_status load(void)
{
    size_t bytes = cvy__onnx__model_proto__get_packed_size(&model);
    uint8_t *data = malloc(bytes);
    cvy__onnx__model_proto__pack(&model, data);
    enum cvy_status status = cvy_graph_load_onnx_memory(&graph, data, bytes, "test.onnx", NULL);
    free(data);
    return status;
}

const struct cvy_op *loaded(void)
{
    enum cvy_status status = load();
    ck_assert_msg(status == CVY_OK, "%s", test_log_last());
    ck_assert_uint_ge(graph->n_nodes, 1);
    return &graph->nodes[graph->n_nodes - 1]->op;
}

void refused(enum cvy_status expected, const char *words)
{
    enum cvy_status status = load();
    ck_assert_msg(status == expected, "%s instead of %s: %s", cvy_status_string(status),
                  cvy_status_string(expected), test_log_last());
    ck_assert_msg(strstr(test_log_last(), words) != NULL, "'%s' is not in: %s", words, test_log_last());
    ck_assert_msg(strncmp(test_log_last(), "test.onnx: ", 11) == 0, "%s", test_log_last());
    ck_assert_ptr_null(graph);
}
