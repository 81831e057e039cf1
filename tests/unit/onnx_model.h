/* onnx_model.h - ONNX models put together in memory, for the suites of the import floor. */
#ifndef TESTS_UNIT_ONNX_MODEL_H
#define TESTS_UNIT_ONNX_MODEL_H

#include "support.h"

#include "graph/graph.h"
#include "onnx.pb-c.h"

/* The model under construction, its graph in the file, and what loading made of it. */
extern Cvy__Onnx__ModelProto model;
extern Cvy__Onnx__GraphProto graph_proto;
extern struct cvy_graph *graph;

/* Zeroed memory that lives until begin(). */
void *take(size_t bytes);
/* A new model of that opset; drops the one before and its graph. */
void begin(int64_t opset);
Cvy__Onnx__ValueInfoProto *value_info(const char *name, int type, size_t rank, const int64_t *dims);
void input(const char *name, size_t rank, const int64_t *dims);
void output(const char *name);
/* x, 1x4x8x8, goes in and y comes out. */
void begin_xy(int64_t opset);
Cvy__Onnx__TensorProto *tensor(const char *name, int type, size_t rank, const int64_t *dims);
/* 0, 0.25, 0.5, ... */
Cvy__Onnx__TensorProto *floats(const char *name, size_t rank, const int64_t *dims);
Cvy__Onnx__TensorProto *ints(const char *name, size_t count, const int64_t *values);
Cvy__Onnx__TensorProto *scalar(const char *name, float value);
Cvy__Onnx__TensorProto *scales(const char *name, size_t count, const float *values);
/* Adds an initializer. */
void constant(Cvy__Onnx__TensorProto *t);
/* inputs and outputs in one text: "x w b -> y"; "_" leaves one out */
Cvy__Onnx__NodeProto *node(const char *op, const char *wires);
Cvy__Onnx__AttributeProto *attribute(Cvy__Onnx__NodeProto *n, const char *name, int type);
void attr_f(Cvy__Onnx__NodeProto *n, const char *name, float value);
void attr_i(Cvy__Onnx__NodeProto *n, const char *name, int64_t value);
void attr_s(Cvy__Onnx__NodeProto *n, const char *name, const char *value);
void attr_ints(Cvy__Onnx__NodeProto *n, const char *name, size_t count, const int64_t *values);
void attr_floats(Cvy__Onnx__NodeProto *n, const char *name, size_t count, const float *values);
/* Packs the model and loads it into graph. */
enum cvy_status load(void);
/* Loads and returns the operator of the last node. */
const struct cvy_op *loaded(void);
/* Loading must fail so, with these words in the message. */
void refused(enum cvy_status expected, const char *words);

#endif
