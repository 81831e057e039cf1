/* onnx.h - what the files that read ONNX share. Public graph API and src/base only. */
#ifndef CVY_IMPORT_ONNX_H
#define CVY_IMPORT_ONNX_H

#include <convoy/import.h>

#include "onnx.pb-c.h"

#define CVY_ONNX_OLDEST 6
#define CVY_ONNX_NEWEST 21 /* the newest opset whose operators were compared with what is done here */
#define CVY_ONNX_OPEN_RANK SIZE_MAX

/* TensorProto.DataType */
enum {
    CVY_ONNX_FLOAT = 1,
    CVY_ONNX_UINT8 = 2,
    CVY_ONNX_INT8 = 3,
    CVY_ONNX_UINT16 = 4,
    CVY_ONNX_INT16 = 5,
    CVY_ONNX_INT32 = 6,
    CVY_ONNX_INT64 = 7,
    CVY_ONNX_STRING = 8,
    CVY_ONNX_BOOL = 9,
    CVY_ONNX_FLOAT16 = 10,
    CVY_ONNX_DOUBLE = 11,
    CVY_ONNX_UINT32 = 12,
    CVY_ONNX_UINT64 = 13,
    CVY_ONNX_BFLOAT16 = 16,
};

/* AttributeProto.AttributeType */
enum {
    CVY_ONNX_ATTR_FLOAT = 1,
    CVY_ONNX_ATTR_INT = 2,
    CVY_ONNX_ATTR_STRING = 3,
    CVY_ONNX_ATTR_TENSOR = 4,
    CVY_ONNX_ATTR_FLOATS = 6,
    CVY_ONNX_ATTR_INTS = 7,
};

/* One named value of the model. */
struct cvy_onnx_value {
    const char *name;
    struct cvy_value *value;             /* in the graph; a constant gets there when a node wants it */
    const Cvy__Onnx__TensorProto *proto; /* of an initializer or Constant */
    struct cvy_tensor tensor;            /* the same, once read; data NULL before */
    bool constant;
    const char *absent;     /* why neither value nor constant: the value cannot be used */
    size_t rank;            /* CVY_ONNX_OPEN_RANK = not known before the plan */
    struct cvy_shape shape; /* of a graph input; rank 0 where open */
};

/* A model being read. */
struct cvy_onnx {
    const char *file;
    const char *folder; /* of external data; NULL for a model in memory */
    int64_t opset;
    const Cvy__Onnx__GraphProto *proto;
    struct cvy_graph *graph;
    struct cvy_onnx_value *values;
    size_t n_values, max_values;
    size_t *slots;  /* hash table: index into values plus 1, 0 = free */
    size_t n_slots; /* a power of two */
};

/* A node being read. The first failure sticks: what follows returns harmless values and adds nothing. */
struct cvy_onnx_node {
    struct cvy_onnx *model;
    const Cvy__Onnx__NodeProto *proto;
    size_t index;
    enum cvy_status status;
    uint64_t used; /* attributes that were asked for, by index */
};

/* onnx_values.c */
enum cvy_status cvy_onnx_values_init(struct cvy_onnx *model);
void cvy_onnx_values_finish(struct cvy_onnx *model);
/* NULL when unknown. */
struct cvy_onnx_value *cvy_onnx_find(const struct cvy_onnx *model, const char *name);
/* A new value; CVY_ERROR_FORMAT when the name is taken or empty. */
enum cvy_status cvy_onnx_define(struct cvy_onnx *model, const char *name, struct cvy_onnx_value **value);
/* Reads a constant's data, once. */
enum cvy_status cvy_onnx_read_constant(struct cvy_onnx *model, struct cvy_onnx_value *value);
/* Puts a constant into the graph, once: floats as float32, int8, uint8, int32, int64 and bool as they are. */
enum cvy_status cvy_onnx_add_constant(struct cvy_onnx *model, struct cvy_onnx_value *value);

/* onnx_tensor.c: where stands in messages. */
enum cvy_status cvy_onnx_tensor_read(struct cvy_tensor *tensor, const Cvy__Onnx__TensorProto *proto,
                                     const char *where, const char *folder);
/* "float32"..., for messages about types of the format. */
const char *cvy_onnx_type_name(int type);

/* onnx_node.c */
void cvy_onnx_fail(struct cvy_onnx_node *node, enum cvy_status status, const char *format, ...)
    CVY_PRINTF(3, 4);
bool cvy_onnx_has(struct cvy_onnx_node *node, const char *attribute);
int64_t cvy_onnx_int(struct cvy_onnx_node *node, const char *attribute, int64_t otherwise);
float cvy_onnx_float(struct cvy_onnx_node *node, const char *attribute, float otherwise);
/* Index of the attribute's text among NULL-terminated names; otherwise when it is not there. */
int cvy_onnx_choice(struct cvy_onnx_node *node, const char *attribute, const char *const *names,
                    int otherwise);
/* Number of entries, at most max; 0 when it is not there. */
size_t cvy_onnx_ints(struct cvy_onnx_node *node, const char *attribute, int64_t *values, size_t max);
size_t cvy_onnx_floats(struct cvy_onnx_node *node, const char *attribute, float *values, size_t max);
const Cvy__Onnx__TensorProto *cvy_onnx_tensor_attribute(struct cvy_onnx_node *node, const char *attribute);

bool cvy_onnx_has_input(const struct cvy_onnx_node *node, size_t index);
/* NULL when it is not there, or on failure. */
struct cvy_onnx_value *cvy_onnx_input(struct cvy_onnx_node *node, size_t index);
/* The same for one that must be constant. what names it: "shape". */
const struct cvy_tensor *cvy_onnx_constant(struct cvy_onnx_node *node, size_t index, const char *what);
/* Entries of a constant integer (float) input, at most max; 0 when it is not there or empty. */
size_t cvy_onnx_constant_ints(struct cvy_onnx_node *node, size_t index, const char *what, int64_t *values,
                              size_t max);
size_t cvy_onnx_constant_floats(struct cvy_onnx_node *node, size_t index, const char *what, float *values,
                                size_t max);
/* Rank of an input; CVY_ONNX_OPEN_RANK when not known. */
size_t cvy_onnx_rank(struct cvy_onnx_node *node, size_t index);
/* "axis" within -rank..rank-1, made positive; needs a known rank. */
size_t cvy_onnx_axis(struct cvy_onnx_node *node, int64_t axis, size_t rank);

/* Whether an input is there and no constant: what it stands for is read when a plan is made. */
bool cvy_onnx_is_computed(struct cvy_onnx_node *node, size_t index);
/* An input as a value of the graph, constants too; NULL when it is not there, or on failure. */
struct cvy_value *cvy_onnx_graph_value(struct cvy_onnx_node *node, size_t index);
/* Adds op with values of the graph; NULL on failure. For operators that are several here. */
struct cvy_value *cvy_onnx_add(struct cvy_onnx_node *node, const struct cvy_op *op,
                               struct cvy_value *const *inputs, size_t n_inputs);
/* The same, and defines output `index` with it. */
void cvy_onnx_emit_output(struct cvy_onnx_node *node, const struct cvy_op *op,
                          struct cvy_value *const *inputs, size_t n_inputs, size_t rank, size_t index);
/* The same with the first output; further ones exist, but cannot be used. */
void cvy_onnx_emit_values(struct cvy_onnx_node *node, const struct cvy_op *op,
                          struct cvy_value *const *inputs, size_t n_inputs, size_t rank);
/* Adds op with the node's first n_inputs inputs, and defines its first output. */
void cvy_onnx_emit(struct cvy_onnx_node *node, const struct cvy_op *op, size_t n_inputs, size_t rank);
/* The node's first output is a constant: a tensor (taken over) or a TensorProto of the model. */
void cvy_onnx_emit_constant(struct cvy_onnx_node *node, struct cvy_tensor *tensor,
                            const Cvy__Onnx__TensorProto *proto);

/* onnx_ops.c: reads the node, of any operator. */
enum cvy_status cvy_onnx_read_node(struct cvy_onnx *model, size_t index);

/* What to do with one operator: the opsets in which it exists, how many inputs it may have. */
struct cvy_onnx_operator {
    const char *name;
    int first_opset, last_opset;
    size_t min_inputs, max_inputs;
    void (*read)(struct cvy_onnx_node *node);
};
/* The tables of onnx_ops_element.c and onnx_ops_shape.c. */
extern const struct cvy_onnx_operator cvy_onnx_element_operators[], cvy_onnx_shape_operators[];
extern const size_t cvy_onnx_n_element_operators, cvy_onnx_n_shape_operators;

/* What convolutions have in common; weights: the index of that input. */
void cvy_onnx_read_conv(struct cvy_onnx_node *node, size_t weights, struct cvy_op_conv *conv);

/* Operators that fill files of their own. */
void cvy_onnx_conv(struct cvy_onnx_node *node);
void cvy_onnx_conv_transpose(struct cvy_onnx_node *node);
void cvy_onnx_max_pool(struct cvy_onnx_node *node);
void cvy_onnx_average_pool(struct cvy_onnx_node *node);
void cvy_onnx_pad(struct cvy_onnx_node *node);
void cvy_onnx_conv_integer(struct cvy_onnx_node *node);
void cvy_onnx_qlinear_conv(struct cvy_onnx_node *node);
void cvy_onnx_quantize_linear(struct cvy_onnx_node *node);
void cvy_onnx_dequantize_linear(struct cvy_onnx_node *node);
void cvy_onnx_resize(struct cvy_onnx_node *node);
void cvy_onnx_upsample(struct cvy_onnx_node *node);

#endif
