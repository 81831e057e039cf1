/* explain.h - what 'convoy explain' finds out about convolutions and models, and how it prints it. */
#ifndef TOOLS_EXPLAIN_H
#define TOOLS_EXPLAIN_H

#include "cli.h"
#include "descriptor.h"

struct cJSON;

/* One way to lead from the same x to the same y. */
struct cvy_alternative {
    char name[48];
    bool given; /* it is the problem itself */
    bool fits;
    char why[256]; /* why it does not fit */
    size_t n_passes;
    struct cvy_conv_problem passes[CVY_CONV_MAX_PASSES];
    struct cvy_conv_cost costs[CVY_CONV_MAX_PASSES];
    double multiplications, parameters;
    double ratio; /* multiplications over those of the standard convolution */
};
/* The kinds, groups of 2, 4, 8, and the given number of groups. */
#define CVY_MAX_ALTERNATIVES (CVY_CONV_KINDS + 4)

struct cvy_explanation {
    const struct cvy_conv_problem *problem;
    const char *text; /* the descriptor */
    const char *name; /* "" = none */
    const struct cvy_device *device;
    char device_text[256]; /* the device, or why there is none */
    struct cvy_shape x, w, y;
    struct cvy_conv_cost cost;
    struct cvy_receptive_field field[CVY_CONV_MAX_RANK];
    struct cvy_alternative alternatives[CVY_MAX_ALTERNATIVES];
    size_t n_alternatives;
    bool matrix;
};

/* Fills everything but problem, text, name, device, device_text and matrix, which are given. */
bool cvy_explanation_fill(struct cvy_explanation *explanation, int verbose);
bool cvy_explanation_print(const struct cvy_explanation *explanation);
bool cvy_explanation_print_json(const struct cvy_explanation *explanation);

/* While it is on, the first error of the library goes to text instead of to stderr. */
void cvy_capture_begin(char *text, size_t size);
void cvy_capture_end(int verbose);

/* The part about a transposed problem. */
bool cvy_transposed_print(const struct cvy_conv_problem *problem);
struct cJSON *cvy_transposed_json(const struct cvy_conv_problem *problem);

/* The matrix; false, with a message, where it is too large to print. */
bool cvy_matrix_print(const struct cvy_conv_problem *problem);
struct cJSON *cvy_matrix_json(const struct cvy_conv_problem *problem);

/* A row for each layer, and the totals. model: its file; NULL for a stack of descriptors. */
bool cvy_layers_print(const struct cvy_layer *layers, size_t count, const char *model, bool json);
int cvy_explain_stack(const struct cvy_descriptor *descriptors, const char *const *texts, size_t count,
                      bool json);

/* "86,400". Returns text. */
const char *cvy_format_count(double value, char *text, size_t size);
/* "12 %"; a digit after the point below 10. */
const char *cvy_format_percent(double ratio, char *text, size_t size);
/* "3x3" of a value for each axis. */
const char *cvy_format_axes(const size_t *values, size_t rank, char *text, size_t size);
const char *cvy_format_field(const struct cvy_receptive_field *field, size_t axes, char *text, size_t size);
/* 'H' of axis 0 of rank 2. */
char cvy_axis_letter(size_t rank, size_t axis);
struct cJSON *cvy_json_axes(const size_t *values, size_t rank);

#endif
