/* workload.c - gathers convolutions to be measured. */
#include "workload.h"

#include "batch.h"
#include "cli.h"
#include "model_layers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int add(struct cvy_workload *workload, const struct cvy_conv_problem *problem, const char *text,
               const char *name)
{
    struct cvy_workload_item *grown = realloc(workload->items, (workload->count + 1) * sizeof(*grown));
    if (grown) {
        workload->items = grown;
    }
    /* a line of MIOpenDriver says it itself */
    const char *front = problem->transposed && !cvy_descriptor_is_miopen(text) ? "--deconv " : "";
    const size_t size = strlen(front) + strlen(text) + 1;
    char *copy = grown ? malloc(size) : NULL;
    if (!copy) {
        cvy_cli_error("out of memory");
        return CVY_CLI_FAILED;
    }
    snprintf(copy, size, "%s%s", front, text);
    struct cvy_workload_item *item = &grown[workload->count++];
    *item = (struct cvy_workload_item){.problem = *problem, .text = copy, .count = 1};
    snprintf(item->name, sizeof(item->name), "%s", name);
    return CVY_CLI_OK;
}

int cvy_workload_add(struct cvy_workload *workload, const char *text, const char *command,
                     const struct cvy_descriptor_options *options)
{
    struct cvy_descriptor descriptor = {.command = command};
    int status = cvy_descriptor_parse(&descriptor, text, options);
    return status == CVY_CLI_OK ? add(workload, &descriptor.problem, text, descriptor.name) : status;
}

int cvy_workload_add_batch(struct cvy_workload *workload, const char *path, const char *command,
                           const struct cvy_descriptor_options *defaults)
{
    struct cvy_batch batch;
    int status = cvy_batch_load(&batch, path, command, defaults);
    for (size_t i = 0; status == CVY_CLI_OK && i < batch.count; i++) {
        const struct cvy_descriptor *descriptor = &batch.items[i].descriptor;
        status = add(workload, &descriptor->problem, batch.items[i].text, descriptor->name);
    }
    cvy_batch_finish(&batch);
    return status;
}

/* Field by field: what lies between the fields, and behind the axes there are, is not theirs. */
static bool are_equal(const struct cvy_conv_problem *a, const struct cvy_conv_problem *b)
{
    if (a->rank != b->rank || a->n != b->n || a->c != b->c || a->k != b->k || a->groups != b->groups ||
        a->pad_mode != b->pad_mode || a->shuffle != b->shuffle || a->transposed != b->transposed ||
        a->flip != b->flip || a->bias != b->bias || a->accumulate != b->accumulate ||
        a->activation != b->activation) {
        return false;
    }
    for (size_t i = 0; i < a->rank; i++) {
        if (a->in[i] != b->in[i] || a->kernel[i] != b->kernel[i] || a->stride[i] != b->stride[i] ||
            a->dilation[i] != b->dilation[i] || a->pad_begin[i] != b->pad_begin[i] ||
            a->pad_end[i] != b->pad_end[i] || a->output_padding[i] != b->output_padding[i]) {
            return false;
        }
    }
    return true;
}

/* The problem in benchdnn's words, as far as they go: bias, padding other than zeros and the like have none.
 */
static void format_descriptor(const struct cvy_conv_problem *problem, char *text, size_t size)
{
    const char *letters = "dhw" + (3 - problem->rank);
    struct cvy_shape y = {0};
    cvy_conv_y_shape(problem, &y);
    size_t used = (size_t)snprintf(text, size, "g%zumb%zuic%zuoc%zu", problem->groups, problem->n, problem->c,
                                   problem->k);
    for (size_t i = 0; i < problem->rank && used < size; i++) {
        const char l = letters[i];
        used += (size_t)snprintf(text + used, size - used, "_i%c%zuo%c%zuk%c%zus%c%zup%c%zud%c%zu", l,
                                 problem->in[i], l, y.dims[2 + i], l, problem->kernel[i], l,
                                 problem->stride[i], l, problem->pad_begin[i], l, problem->dilation[i] - 1);
    }
}

static int add_layer(struct cvy_workload *workload, size_t first, const struct cvy_layer *layer)
{
    char text[512];
    for (size_t i = first; i < workload->count; i++) {
        if (are_equal(&workload->items[i].problem, layer->conv)) {
            workload->items[i].count++;
            return CVY_CLI_OK;
        }
    }
    format_descriptor(layer->conv, text, sizeof(text));
    return add(workload, layer->conv, text, layer->name);
}

int cvy_workload_add_model(struct cvy_workload *workload, const char *path, const char *const *shapes,
                           size_t n_shapes, const char *command)
{
    struct cvy_graph *graph = NULL;
    struct cvy_layer_list *list = NULL;
    const size_t first = workload->count;
    int status = cvy_model_layers(&graph, &list, path, shapes, n_shapes, command);
    for (size_t i = 0; status == CVY_CLI_OK && i < list->count; i++) {
        const struct cvy_layer *layer = &list->layers[i];
        if (layer->conv && !cvy_conv_is_integer(layer->conv)) {
            status = add_layer(workload, first, layer);
        }
    }
    if (status == CVY_CLI_OK && workload->count == first) {
        cvy_cli_error("%s: no convolution of 32-bit floats in it", path);
        status = CVY_CLI_FAILED;
    }
    cvy_layer_list_destroy(&list);
    cvy_graph_destroy(&graph);
    return status;
}

const char *cvy_workload_label(const struct cvy_workload_item *item)
{
    return item->name[0] ? item->name : item->text;
}

void cvy_workload_choose_blocks(struct cvy_conv_problem *problem, const struct cvy_device *device)
{
    const size_t block = cvy_conv_best_block(device);
    problem->x_block = problem->c < block ? 0 : block;
    problem->y_block = problem->k < block / 2 ? 0 : block;
}

void cvy_workload_finish(struct cvy_workload *workload)
{
    for (size_t i = 0; i < workload->count; i++) {
        free(workload->items[i].text);
    }
    free(workload->items);
    *workload = (struct cvy_workload){0};
}
