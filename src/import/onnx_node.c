#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "import/onnx.h"

static const char *text_or(const char *text, const char *otherwise)
{
    return text != NULL && text[0] != '\0' ? text : otherwise;
}

/* The node's name; without one that of its output, or its place. */
static const char *node_name(const struct cvy_onnx_node *node, char *buffer, size_t size)
{
    const Cvy__Onnx__NodeProto *proto = node->proto;
    snprintf(buffer, size, "#%zu", node->index);
    const char *output = proto->n_output > 0 ? text_or(proto->output[0], buffer) : buffer;
    return text_or(proto->name, output);
}

void cvy_onnx_fail(struct cvy_onnx_node *node, enum cvy_status status, const char *format, ...)
{
    if (node->status != CVY_OK)
        return;
    node->status = status;
    char what[768], place[32];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    cvy_fail(status, "%s: node '%s' (%s, opset %lld): %s", node->model->file,
             node_name(node, place, sizeof(place)), text_or(node->proto->op_type, "no operator"),
             (long long)node->model->opset, what);
}

static const Cvy__Onnx__AttributeProto *find_attribute(struct cvy_onnx_node *node, const char *name)
{
    for (size_t i = 0; i < node->proto->n_attribute; i++) {
        const Cvy__Onnx__AttributeProto *attribute = node->proto->attribute[i];
        if (attribute->name == NULL || strcmp(attribute->name, name) != 0)
            continue;
        if (i < 64)
            node->used |= (uint64_t)1 << i;
        return attribute;
    }
    return NULL;
}

/* NULL when it is not there or, after a failure, of the wrong type. */
static const Cvy__Onnx__AttributeProto *typed_attribute(struct cvy_onnx_node *node, const char *name,
                                                        int type)
{
    static const char *const names[] = {"undefined", "a float", "an integer",       "a string",
                                        "a tensor",  "a graph", "a list of floats", "a list of integers"};
    const Cvy__Onnx__AttributeProto *attribute = node->status == CVY_OK ? find_attribute(node, name) : NULL;
    if (attribute == NULL || attribute->type == type)
        return attribute;
    int given = attribute->type;
    cvy_onnx_fail(node, CVY_ERROR_FORMAT, "attribute '%s' is %s, it must be %s; export the model anew", name,
                  given >= 0 && (size_t)given < CVY_COUNT(names) ? names[given] : "of another type",
                  names[type]);
    return NULL;
}

bool cvy_onnx_has(struct cvy_onnx_node *node, const char *attribute)
{
    return find_attribute(node, attribute) != NULL;
}

int64_t cvy_onnx_int(struct cvy_onnx_node *node, const char *attribute, int64_t otherwise)
{
    const Cvy__Onnx__AttributeProto *found = typed_attribute(node, attribute, CVY_ONNX_ATTR_INT);
    return found ? found->i : otherwise;
}

float cvy_onnx_float(struct cvy_onnx_node *node, const char *attribute, float otherwise)
{
    const Cvy__Onnx__AttributeProto *found = typed_attribute(node, attribute, CVY_ONNX_ATTR_FLOAT);
    return found ? found->f : otherwise;
}

int cvy_onnx_choice(struct cvy_onnx_node *node, const char *attribute, const char *const *names,
                    int otherwise)
{
    const Cvy__Onnx__AttributeProto *found = typed_attribute(node, attribute, CVY_ONNX_ATTR_STRING);
    if (found == NULL)
        return otherwise;
    for (int i = 0; names[i] != NULL; i++) {
        if (strlen(names[i]) == found->s.len && memcmp(names[i], found->s.data, found->s.len) == 0)
            return i;
    }
    cvy_onnx_fail(node, CVY_ERROR_UNSUPPORTED,
                  "attribute '%s' is '%.*s', which is not supported; docs/onnx.md lists what is", attribute,
                  (int)CVY_MIN(found->s.len, 64), found->s.data ? (const char *)found->s.data : "");
    return otherwise;
}

size_t cvy_onnx_ints(struct cvy_onnx_node *node, const char *attribute, int64_t *values, size_t max)
{
    const Cvy__Onnx__AttributeProto *found = typed_attribute(node, attribute, CVY_ONNX_ATTR_INTS);
    if (found == NULL)
        return 0;
    if (found->n_ints > max) {
        cvy_onnx_fail(node, CVY_ERROR_UNSUPPORTED,
                      "attribute '%s' has %zu entries, at most %zu are supported", attribute, found->n_ints,
                      max);
        return 0;
    }
    for (size_t i = 0; i < found->n_ints; i++)
        values[i] = found->ints[i];
    return found->n_ints;
}

size_t cvy_onnx_floats(struct cvy_onnx_node *node, const char *attribute, float *values, size_t max)
{
    const Cvy__Onnx__AttributeProto *found = typed_attribute(node, attribute, CVY_ONNX_ATTR_FLOATS);
    if (found == NULL)
        return 0;
    if (found->n_floats > max) {
        cvy_onnx_fail(node, CVY_ERROR_UNSUPPORTED,
                      "attribute '%s' has %zu entries, at most %zu are supported", attribute, found->n_floats,
                      max);
        return 0;
    }
    for (size_t i = 0; i < found->n_floats; i++)
        values[i] = found->floats[i];
    return found->n_floats;
}

const Cvy__Onnx__TensorProto *cvy_onnx_tensor_attribute(struct cvy_onnx_node *node, const char *attribute)
{
    const Cvy__Onnx__AttributeProto *found = typed_attribute(node, attribute, CVY_ONNX_ATTR_TENSOR);
    if (found != NULL && found->t == NULL)
        cvy_onnx_fail(node, CVY_ERROR_FORMAT, "attribute '%s' has no tensor; export the model anew",
                      attribute);
    return found ? found->t : NULL;
}

bool cvy_onnx_has_input(const struct cvy_onnx_node *node, size_t index)
{
    return index < node->proto->n_input && node->proto->input[index][0] != '\0';
}

/* Whether a node from this one on makes the value: then the order is wrong, or there is a cycle. */
static bool made_later(const struct cvy_onnx_node *node, const char *name)
{
    const Cvy__Onnx__GraphProto *graph = node->model->proto;
    for (size_t i = node->index; i < graph->n_node; i++) {
        for (size_t j = 0; j < graph->node[i]->n_output; j++) {
            if (strcmp(graph->node[i]->output[j], name) == 0)
                return true;
        }
    }
    return false;
}

struct cvy_onnx_value *cvy_onnx_input(struct cvy_onnx_node *node, size_t index)
{
    if (node->status != CVY_OK || !cvy_onnx_has_input(node, index))
        return NULL;
    const char *name = node->proto->input[index];
    struct cvy_onnx_value *value = cvy_onnx_find(node->model, name);
    if (value == NULL && made_later(node, name))
        cvy_onnx_fail(node, CVY_ERROR_FORMAT,
                      "input '%s' is made by this node or a later one; remove the cycle, or sort the nodes",
                      name);
    else if (value == NULL)
        cvy_onnx_fail(node, CVY_ERROR_FORMAT, "input '%s' is defined nowhere; export the model anew", name);
    else if (value->absent != NULL)
        cvy_onnx_fail(node, CVY_ERROR_UNSUPPORTED, "input '%s' %s", name, value->absent);
    return node->status == CVY_OK ? value : NULL;
}

const struct cvy_tensor *cvy_onnx_constant(struct cvy_onnx_node *node, size_t index, const char *what)
{
    struct cvy_onnx_value *value = cvy_onnx_input(node, index);
    if (value == NULL)
        return NULL;
    if (!value->constant) {
        cvy_onnx_fail(
            node, CVY_ERROR_UNSUPPORTED,
            "%s ('%s') is computed at run time, it must be a constant; simplify the model (onnxsim)", what,
            value->name);
        return NULL;
    }
    enum cvy_status status = cvy_onnx_read_constant(node->model, value);
    if (status != CVY_OK)
        node->status = status;
    return status == CVY_OK ? &value->tensor : NULL;
}

/* The constant in another type; false when it is not there, too long, or on failure. */
static bool constant_list(struct cvy_onnx_node *node, size_t index, const char *what, size_t max,
                          bool integer, struct cvy_tensor *list)
{
    const struct cvy_tensor *tensor = cvy_onnx_constant(node, index, what);
    if (tensor == NULL)
        return false;
    bool is_integer = tensor->dtype == CVY_INT64 || tensor->dtype == CVY_INT32;
    bool is_float =
        tensor->dtype == CVY_FLOAT32 || tensor->dtype == CVY_FLOAT64 || tensor->dtype == CVY_FLOAT16;
    if (integer ? !is_integer : !is_float) {
        cvy_onnx_fail(node, CVY_ERROR_FORMAT, "%s is %s, it must be %s; export the model anew", what,
                      cvy_dtype_name(tensor->dtype), integer ? "int64" : "float32");
        return false;
    }
    if (tensor->elements > max || tensor->shape.rank > 1) {
        cvy_onnx_fail(node, CVY_ERROR_UNSUPPORTED,
                      "%s has %zu entries in %zu dimensions, a list of at most %zu is supported", what,
                      tensor->elements, tensor->shape.rank, max);
        return false;
    }
    enum cvy_status status = cvy_tensor_convert(list, tensor, integer ? CVY_INT64 : CVY_FLOAT32);
    if (status != CVY_OK)
        node->status = status;
    return status == CVY_OK;
}

size_t cvy_onnx_constant_ints(struct cvy_onnx_node *node, size_t index, const char *what, int64_t *values,
                              size_t max)
{
    struct cvy_tensor list = {0};
    if (!constant_list(node, index, what, max, true, &list))
        return 0;
    size_t count = list.elements;
    memcpy(values, list.data, list.bytes);
    cvy_tensor_finish(&list);
    return count;
}

size_t cvy_onnx_constant_floats(struct cvy_onnx_node *node, size_t index, const char *what, float *values,
                                size_t max)
{
    struct cvy_tensor list = {0};
    if (!constant_list(node, index, what, max, false, &list))
        return 0;
    size_t count = list.elements;
    memcpy(values, list.data, list.bytes);
    cvy_tensor_finish(&list);
    return count;
}

size_t cvy_onnx_rank(struct cvy_onnx_node *node, size_t index)
{
    const struct cvy_onnx_value *value = cvy_onnx_input(node, index);
    return value ? value->rank : CVY_ONNX_OPEN_RANK;
}

size_t cvy_onnx_axis(struct cvy_onnx_node *node, int64_t axis, size_t rank)
{
    if (axis >= -(int64_t)rank && axis < (int64_t)rank)
        return (size_t)(axis < 0 ? axis + (int64_t)rank : axis);
    cvy_onnx_fail(node, CVY_ERROR_FORMAT, "axis %lld of a tensor of rank %zu; it must be from %lld to %lld",
                  (long long)axis, rank, -(long long)rank, (long long)rank - 1);
    return 0;
}

bool cvy_onnx_is_computed(struct cvy_onnx_node *node, size_t index)
{
    const struct cvy_onnx_value *value = cvy_onnx_input(node, index);
    return value != NULL && !value->constant;
}

struct cvy_value *cvy_onnx_graph_value(struct cvy_onnx_node *node, size_t index)
{
    struct cvy_onnx_value *value = cvy_onnx_input(node, index);
    if (value == NULL)
        return NULL;
    if (value->constant)
        node->status = cvy_onnx_add_constant(node->model, value);
    return node->status == CVY_OK ? value->value : NULL;
}

static struct cvy_onnx_value *define_output(struct cvy_onnx_node *node, size_t index)
{
    const Cvy__Onnx__NodeProto *proto = node->proto;
    struct cvy_onnx_value *value = NULL;
    if (node->status != CVY_OK)
        return NULL;
    if (index >= proto->n_output || proto->output[index][0] == '\0')
        cvy_onnx_fail(node, CVY_ERROR_FORMAT, "it has no output; export the model anew");
    else if (cvy_onnx_find(node->model, proto->output[index]) != NULL)
        cvy_onnx_fail(node, CVY_ERROR_FORMAT,
                      "its output '%s' has the name of another value; export the model anew",
                      proto->output[index]);
    else
        node->status = cvy_onnx_define(node->model, proto->output[index], &value);
    return node->status == CVY_OK ? value : NULL;
}

/* The first output, and those that are not computed. */
static struct cvy_onnx_value *define_outputs(struct cvy_onnx_node *node)
{
    struct cvy_onnx_value *first = define_output(node, 0);
    for (size_t i = 1; i < node->proto->n_output && node->status == CVY_OK; i++) {
        struct cvy_onnx_value *value = node->proto->output[i][0] != '\0' ? define_output(node, i) : NULL;
        if (value != NULL)
            value->absent = "is an extra output that only training needs; export the model for inference";
    }
    return node->status == CVY_OK ? first : NULL;
}

struct cvy_value *cvy_onnx_add(struct cvy_onnx_node *node, const struct cvy_op *op,
                               struct cvy_value *const *inputs, size_t n_inputs)
{
    struct cvy_value *made = NULL;
    char place[32];
    if (node->status == CVY_OK)
        node->status = cvy_graph_add_node(node->model->graph, &made, op, inputs, n_inputs,
                                          node_name(node, place, sizeof(place)));
    return node->status == CVY_OK ? made : NULL;
}

static void emit_to(struct cvy_onnx_node *node, const struct cvy_op *op, struct cvy_value *const *inputs,
                    size_t n_inputs, size_t rank, struct cvy_onnx_value *output)
{
    if (output == NULL)
        return;
    output->value = cvy_onnx_add(node, op, inputs, n_inputs);
    output->rank = rank;
}

void cvy_onnx_emit_output(struct cvy_onnx_node *node, const struct cvy_op *op,
                          struct cvy_value *const *inputs, size_t n_inputs, size_t rank, size_t index)
{
    emit_to(node, op, inputs, n_inputs, rank, define_output(node, index));
}

void cvy_onnx_emit_values(struct cvy_onnx_node *node, const struct cvy_op *op,
                          struct cvy_value *const *inputs, size_t n_inputs, size_t rank)
{
    emit_to(node, op, inputs, n_inputs, rank, define_outputs(node));
}

void cvy_onnx_emit(struct cvy_onnx_node *node, const struct cvy_op *op, size_t n_inputs, size_t rank)
{
    struct cvy_value **inputs = calloc(n_inputs + 1, sizeof(struct cvy_value *));
    if (inputs == NULL) {
        node->status = cvy_fail_memory("inputs of a node", n_inputs * sizeof(*inputs));
        return;
    }
    for (size_t i = 0; i < n_inputs && node->status == CVY_OK; i++)
        inputs[i] = cvy_onnx_graph_value(node, i);
    cvy_onnx_emit_values(node, op, inputs, n_inputs, rank);
    free(inputs);
}

void cvy_onnx_emit_constant(struct cvy_onnx_node *node, struct cvy_tensor *tensor,
                            const Cvy__Onnx__TensorProto *proto)
{
    struct cvy_onnx_value *output = node->status == CVY_OK ? define_outputs(node) : NULL;
    if (output == NULL) {
        cvy_tensor_finish(tensor);
        return;
    }
    output->constant = true;
    output->proto = proto;
    if (tensor != NULL)
        output->tensor = *tensor;
    output->rank = proto ? proto->n_dims : output->tensor.shape.rank;
}
