/* model_shapes.c - shapes of a model's inputs, those given for open dimensions among them. */
#include "model_shapes.h"

#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct model {
    const char *command; /* for messages */
    const struct cvy_graph *graph;
    size_t n_inputs;
    struct cvy_shape *shapes;
    bool *given;
};

/* "1x3x224x224" */
static bool parse_shape(const char *text, struct cvy_shape *shape)
{
    *shape = (struct cvy_shape){0};
    for (const char *at = text;; at++) {
        char number[24];
        const size_t digits = strcspn(at, "x");
        snprintf(number, sizeof(number), "%.*s", (int)(digits < 23 ? digits : 23), at);
        if (digits > 22 || shape->rank == CVY_MAX_RANK ||
            !cvy_cli_parse_size(number, &shape->dims[shape->rank]) || shape->dims[shape->rank] == 0) {
            return false;
        }
        shape->rank++;
        at += digits;
        if (*at == '\0') {
            return true;
        }
    }
}

static bool is_open(const struct model *model, size_t input)
{
    struct cvy_shape shape;
    if (!cvy_graph_input_shape(model->graph, input, &shape)) {
        return true;
    }
    for (size_t i = 0; i < shape.rank; i++) {
        if (shape.dims[i] == 0) {
            return true;
        }
    }
    return false;
}

/* The input of that name; without a name the only one with open dimensions. */
static size_t find_input(const struct model *model, const char *name, size_t length)
{
    size_t found = SIZE_MAX;
    for (size_t i = 0; i < model->n_inputs; i++) {
        const char *input = cvy_graph_input_name(model->graph, i);
        if (name ? strlen(input) == length && strncmp(input, name, length) == 0 : is_open(model, i)) {
            if (found != SIZE_MAX) {
                return SIZE_MAX;
            }
            found = i;
        }
    }
    return found;
}

/* Names may hold '=', shapes do not. */
static int take_shape(struct model *model, const char *argument)
{
    const char *equals = strrchr(argument, '=');
    const char *text = equals ? equals + 1 : argument;
    struct cvy_shape shape;
    if (!parse_shape(text, &shape)) {
        return cvy_cli_usage(model->command, "--shape %s: not [NAME=]SIZExSIZE..., such as 1x3x224x224",
                             argument);
    }
    const size_t input = find_input(model, equals ? argument : NULL, (size_t)(text - argument) - 1);
    if (input == SIZE_MAX && equals) {
        return cvy_cli_usage(model->command, "--shape %s: the model has no input of that name", argument);
    }
    if (input == SIZE_MAX) {
        return cvy_cli_usage(model->command, "--shape %s: not clear which input is meant; give NAME=%s",
                             argument, text);
    }
    if (model->given[input]) {
        return cvy_cli_usage(model->command, "--shape %s: the shape of '%s' is given a second time; drop one",
                             argument, cvy_graph_input_name(model->graph, input));
    }
    model->given[input] = true;
    model->shapes[input] = shape;
    return CVY_CLI_OK;
}

int cvy_model_shapes(const struct cvy_graph *graph, struct cvy_shape *shapes, bool *given,
                     const char *const *texts, size_t n_texts, const char *command)
{
    struct model model = {command, graph, cvy_graph_input_count(graph), shapes, given};
    for (size_t i = 0; i < n_texts; i++) {
        int status = take_shape(&model, texts[i]);
        if (status != CVY_CLI_OK) {
            return status;
        }
    }
    for (size_t i = 0; i < model.n_inputs; i++) {
        const char *name = cvy_graph_input_name(graph, i);
        char text[128];
        if (given[i]) {
            continue;
        }
        const bool ranked = cvy_graph_input_shape(graph, i, &shapes[i]);
        if (is_open(&model, i)) {
            return cvy_cli_usage(command,
                                 "input '%s' has open dimensions (%s%s); give --shape %s=SIZExSIZE...", name,
                                 ranked ? "0 in " : "any rank",
                                 ranked ? cvy_shape_format(&shapes[i], text, sizeof(text)) : "", name);
        }
    }
    return CVY_CLI_OK;
}
