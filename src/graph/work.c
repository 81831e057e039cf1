#include "graph/work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "op/planes.h"

/* One more entry at the end of a growing array of pointers. */
static enum cvy_status append(void ***items, size_t *count, size_t *room, void *item)
{
    if (*count == *room) {
        size_t wanted = 2 * *room + 16;
        void **grown = realloc(*items, wanted * sizeof(*grown));
        if (grown == NULL)
            return cvy_fail_memory("plan", wanted * sizeof(*grown));
        *items = grown;
        *room = wanted;
    }
    (*items)[(*count)++] = item;
    return CVY_OK;
}

static void work_destroy(struct cvy_work *work)
{
    free(work->inputs);
    free(work->fused);
    free(work);
}

void cvy_work_list_destroy(struct cvy_work_list **list)
{
    if (list == NULL || *list == NULL)
        return;
    for (size_t i = 0; i < (*list)->count; i++)
        work_destroy((*list)->items[i]);
    for (size_t i = 0; i < (*list)->n_values; i++) {
        cvy_tensor_finish(&(*list)->values[i]->own);
        free((*list)->values[i]);
    }
    free((*list)->items);
    free((*list)->values);
    free((*list)->outputs);
    free(*list);
    *list = NULL;
}

static enum cvy_status append_value(struct cvy_work_list *list, struct cvy_work_value **value)
{
    struct cvy_work_value *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return cvy_fail_memory("plan", sizeof(*made));
    enum cvy_status status = append((void ***)&list->values, &list->n_values, &list->values_room, made);
    if (status != CVY_OK) {
        free(made);
        return status;
    }
    *value = made;
    return CVY_OK;
}

static enum cvy_status copy_values(struct cvy_work_list *list, const struct cvy_graph *graph,
                                   const struct cvy_value_info *infos)
{
    for (size_t i = 0; i < graph->n_values; i++) {
        const struct cvy_value *from = graph->values[i];
        struct cvy_work_value *value;
        enum cvy_status status = append_value(list, &value);
        if (status != CVY_OK)
            return status;
        value->info = infos[i];
        value->name = from->name;
        value->constant = from->kind == CVY_VALUE_CONSTANT ? &from->tensor : NULL;
    }
    list->outputs = calloc(graph->n_outputs + 1, sizeof(*list->outputs));
    if (list->outputs == NULL)
        return cvy_fail_memory("plan", graph->n_outputs * sizeof(*list->outputs));
    list->n_outputs = graph->n_outputs;
    for (size_t i = 0; i < graph->n_outputs; i++)
        list->outputs[i] = graph->outputs[i]->value->index;
    return CVY_OK;
}

static enum cvy_status copy_node(struct cvy_work_list *list, const struct cvy_node *node)
{
    size_t few[8], *inputs = few;
    if (node->n_inputs > CVY_COUNT(few) && (inputs = calloc(node->n_inputs, sizeof(*inputs))) == NULL)
        return cvy_fail_memory("plan", node->n_inputs * sizeof(*inputs));
    for (size_t j = 0; j < node->n_inputs; j++)
        inputs[j] = node->inputs[j] ? node->inputs[j]->index : SIZE_MAX;
    struct cvy_work *work;
    enum cvy_status status = cvy_work_insert(list, NULL, &node->op, node->name, inputs, node->n_inputs,
                                             node->output->index, &work);
    if (inputs != few)
        free(inputs);
    return status;
}

enum cvy_status cvy_work_list_create(struct cvy_work_list **list, const struct cvy_graph *graph,
                                     const struct cvy_value_info *infos, struct cvy_device *device)
{
    struct cvy_work_list *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return cvy_fail_memory("plan", sizeof(*made));
    made->device = device;
    enum cvy_status status = copy_values(made, graph, infos);
    for (size_t i = 0; status == CVY_OK && i < graph->n_nodes; i++) {
        if (infos[graph->nodes[i]->output->index].needed)
            status = copy_node(made, graph->nodes[i]);
    }
    if (status != CVY_OK) {
        cvy_work_list_destroy(&made);
        return status;
    }
    cvy_work_list_tidy(made);
    *list = made;
    return CVY_OK;
}

static void read(struct cvy_work_list *list, size_t value, bool more)
{
    if (value != SIZE_MAX)
        list->values[value]->reads += more ? 1 : (size_t)-1;
}

void cvy_work_list_tidy(struct cvy_work_list *list)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i]->gone)
            work_destroy(list->items[i]);
        else
            list->items[kept++] = list->items[i];
    }
    list->count = kept;
    for (size_t i = 0; i < list->n_values; i++) {
        list->values[i]->maker = NULL;
        list->values[i]->reads = 0;
    }
    for (size_t i = 0; i < list->n_outputs; i++)
        read(list, list->outputs[i], true);
    for (size_t i = 0; i < list->count; i++) {
        struct cvy_work *work = list->items[i];
        list->values[work->output]->maker = work;
        for (size_t j = 0; j < work->n_inputs; j++)
            read(list, work->inputs[j], true);
    }
}

struct cvy_operand cvy_work_operand(const struct cvy_work_list *list, const struct cvy_work *work,
                                    size_t index)
{
    if (index >= work->n_inputs || work->inputs[index] == SIZE_MAX)
        return (struct cvy_operand){0};
    const struct cvy_work_value *value = list->values[work->inputs[index]];
    return (struct cvy_operand){.present = true,
                                .shape = value->info.shape,
                                .dtype = value->info.dtype,
                                .constant = value->constant,
                                .block = value->info.block};
}

struct cvy_work *cvy_work_maker(const struct cvy_work_list *list, size_t value)
{
    return value != SIZE_MAX ? list->values[value]->maker : NULL;
}

struct cvy_work *cvy_work_only_maker(const struct cvy_work_list *list, size_t value)
{
    return value != SIZE_MAX && list->values[value]->reads == 1 ? list->values[value]->maker : NULL;
}

const struct cvy_tensor *cvy_work_constant(const struct cvy_work_list *list, const struct cvy_work *work,
                                           size_t index)
{
    return cvy_work_operand(list, work, index).constant;
}

enum cvy_status cvy_work_add_value(struct cvy_work_list *list, const struct cvy_shape *shape,
                                   enum cvy_dtype dtype, const char *name, size_t *value)
{
    size_t bytes;
    enum cvy_status status = cvy_shape_elements(shape, &bytes);
    if (status != CVY_OK)
        return status;
    if (!cvy_mul(bytes, cvy_dtype_size(dtype), &bytes))
        return cvy_fail(CVY_ERROR_INVALID, "plan: a value has more bytes than this machine can address");
    struct cvy_work_value *made;
    if ((status = append_value(list, &made)) != CVY_OK)
        return status;
    made->info = (struct cvy_value_info){.needed = true, .shape = *shape, .dtype = dtype, .bytes = bytes};
    made->name = name;
    *value = list->n_values - 1;
    return CVY_OK;
}

enum cvy_status cvy_work_set_block(struct cvy_work_list *list, size_t value, size_t block)
{
    struct cvy_value_info *info = &list->values[value]->info;
    const size_t bytes = cvy_layout_bytes(&info->shape, block);
    if (bytes == SIZE_MAX)
        return cvy_fail(
            CVY_ERROR_UNSUPPORTED,
            "plan: a value in blocks of %zu channels has more elements than a kernel's int counts", block);
    info->bytes = bytes;
    info->block = block;
    return CVY_OK;
}

enum cvy_status cvy_work_add_constant(struct cvy_work_list *list, struct cvy_tensor *tensor, size_t *value)
{
    enum cvy_status status = cvy_work_add_value(list, &tensor->shape, tensor->dtype, NULL, value);
    if (status != CVY_OK)
        return status;
    struct cvy_work_value *made = list->values[*value];
    made->own = *tensor;
    made->constant = &made->own;
    *tensor = (struct cvy_tensor){0};
    return CVY_OK;
}

static size_t position_of(const struct cvy_work_list *list, const struct cvy_work *work)
{
    size_t at = 0;
    while (at < list->count && list->items[at] != work)
        at++;
    return at;
}

enum cvy_status cvy_work_insert(struct cvy_work_list *list, const struct cvy_work *before,
                                const struct cvy_op *op, const char *name, const size_t *inputs,
                                size_t n_inputs, size_t output, struct cvy_work **work)
{
    struct cvy_work *made = calloc(1, sizeof(*made));
    size_t *copied = calloc(n_inputs + 1, sizeof(*copied));
    enum cvy_status status = CVY_OK;
    if (made == NULL || copied == NULL)
        status = cvy_fail_memory("plan", n_inputs * sizeof(*copied));
    if (status == CVY_OK)
        status = append((void ***)&list->items, &list->count, &list->room, made);
    if (status != CVY_OK) {
        free(made);
        free(copied);
        return status;
    }
    *made = (struct cvy_work){.op = *op, .name = name, .n_inputs = n_inputs, .output = output};
    made->inputs = copied;
    for (size_t i = 0; i < n_inputs; i++) {
        copied[i] = inputs[i];
        read(list, inputs[i], true);
    }
    list->values[output]->maker = made;
    size_t at = before != NULL ? position_of(list, before) : list->count - 1;
    memmove(&list->items[at + 1], &list->items[at], (list->count - 1 - at) * sizeof(*list->items));
    list->items[at] = made;
    *work = made;
    return CVY_OK;
}

enum cvy_status cvy_work_set_input(struct cvy_work_list *list, struct cvy_work *work, size_t index,
                                   size_t value)
{
    if (index >= work->n_inputs) {
        size_t *grown = realloc(work->inputs, (index + 1) * sizeof(*grown));
        if (grown == NULL)
            return cvy_fail_memory("plan", (index + 1) * sizeof(*grown));
        work->inputs = grown;
        while (work->n_inputs <= index)
            grown[work->n_inputs++] = SIZE_MAX;
    }
    read(list, value, true);
    read(list, work->inputs[index], false);
    work->inputs[index] = value;
    return CVY_OK;
}

void cvy_work_cut_inputs(struct cvy_work_list *list, struct cvy_work *work, size_t count)
{
    while (work->n_inputs > count)
        read(list, work->inputs[--work->n_inputs], false);
}

void cvy_work_replace_value(struct cvy_work_list *list, size_t from, size_t to)
{
    for (size_t i = 0; i < list->n_outputs; i++)
        list->outputs[i] = list->outputs[i] == from ? to : list->outputs[i];
    for (size_t i = 0; i < list->count; i++) {
        struct cvy_work *work = list->items[i];
        for (size_t j = 0; !work->gone && j < work->n_inputs; j++)
            work->inputs[j] = work->inputs[j] == from ? to : work->inputs[j];
    }
    list->values[to]->reads += list->values[from]->reads;
    list->values[from]->reads = 0;
}

void cvy_work_remove(struct cvy_work_list *list, struct cvy_work *work)
{
    work->gone = true;
    for (size_t i = 0; i < work->n_inputs; i++)
        read(list, work->inputs[i], false);
    if (list->values[work->output]->maker == work)
        list->values[work->output]->maker = NULL;
}

void cvy_work_prune(struct cvy_work_list *list, size_t value)
{
    struct cvy_work *maker = cvy_work_maker(list, value);
    if (maker == NULL || list->values[value]->reads != 0)
        return;
    cvy_work_remove(list, maker);
    for (size_t i = 0; i < maker->n_inputs; i++)
        cvy_work_prune(list, maker->inputs[i]);
}

void cvy_work_take_output(struct cvy_work_list *list, struct cvy_work *kept, struct cvy_work *last)
{
    cvy_work_remove(list, last);
    list->values[kept->output]->maker = NULL;
    list->values[last->output]->maker = kept;
    kept->output = last->output;
}

enum cvy_status cvy_work_absorb(struct cvy_work_list *list, struct cvy_work *kept, struct cvy_work *last)
{
    enum cvy_status status = cvy_work_note(kept, last);
    if (status == CVY_OK)
        cvy_work_take_output(list, kept, last);
    return status;
}

enum cvy_status cvy_work_note(struct cvy_work *kept, const struct cvy_work *done)
{
    const char *before = kept->fused ? kept->fused : "", *name = cvy_op_name(&done->op);
    const char *inner = done->fused ? done->fused : "";
    const char *comma = before[0] != '\0' ? ", " : "", *and = inner[0] != '\0' ? ", " : "";
    const char form[] = "%s%s%s '%s'%s%s";
    int size = snprintf(NULL, 0, form, before, comma, name, done->name, and, inner) + 1;
    char *text = malloc((size_t)size);
    if (text == NULL)
        return cvy_fail_memory("plan", (size_t)size);
    snprintf(text, (size_t)size, form, before, comma, name, done->name, and, inner);
    free(kept->fused);
    kept->fused = text;
    return CVY_OK;
}
