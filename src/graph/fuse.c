#include "graph/fuse.h"

#include <stdlib.h>

#include "base/log.h"

/* The list being folded, and who makes and who reads each value. */
struct fuser {
    struct cvy_work_list *list;
    const struct cvy_value_info *values;
    size_t *maker; /* of each value: index into list->items; SIZE_MAX: an input or a constant */
    size_t *reads; /* of each value: by how many inputs of nodes, and outputs of the graph */
};

void cvy_work_list_destroy(struct cvy_work_list **list)
{
    if (list == NULL || *list == NULL)
        return;
    free((*list)->items);
    free((*list)->indices);
    free(*list);
    *list = NULL;
}

static enum cvy_status copy_nodes(struct cvy_work_list *list, const struct cvy_graph *graph,
                                  const struct cvy_value_info *values)
{
    size_t n_indices = 0;
    for (size_t i = 0; i < graph->n_nodes; i++)
        n_indices += graph->nodes[i]->n_inputs;
    list->items = calloc(graph->n_nodes + 1, sizeof(*list->items));
    list->indices = calloc(n_indices + 1, sizeof(*list->indices));
    if (list->items == NULL || list->indices == NULL)
        return cvy_fail_memory("plan", graph->n_nodes * sizeof(*list->items));
    size_t *indices = list->indices;
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const struct cvy_node *node = graph->nodes[i];
        if (!values[node->output->index].needed)
            continue;
        struct cvy_work *work = &list->items[list->count++];
        *work = (struct cvy_work){.op = node->op,
                                  .name = node->name,
                                  .n_inputs = node->n_inputs,
                                  .inputs = indices,
                                  .output = node->output->index};
        for (size_t j = 0; j < node->n_inputs; j++)
            *indices++ = node->inputs[j] ? node->inputs[j]->index : SIZE_MAX;
    }
    return CVY_OK;
}

static void count_reads(struct fuser *f, const struct cvy_graph *graph)
{
    for (size_t i = 0; i < graph->n_values; i++)
        f->maker[i] = SIZE_MAX;
    for (size_t i = 0; i < graph->n_outputs; i++)
        f->reads[graph->outputs[i]->value->index]++;
    for (size_t i = 0; i < f->list->count; i++) {
        const struct cvy_work *work = &f->list->items[i];
        f->maker[work->output] = i;
        for (size_t j = 0; j < work->n_inputs; j++) {
            if (work->inputs[j] != SIZE_MAX)
                f->reads[work->inputs[j]]++;
        }
    }
}

/* The node that makes the first input of work and works for it alone; NULL: there is none. */
static struct cvy_work *only_source(const struct fuser *f, const struct cvy_work *work)
{
    size_t value = work->n_inputs > 0 ? work->inputs[0] : SIZE_MAX;
    if (value == SIZE_MAX || f->maker[value] == SIZE_MAX || f->reads[value] != 1)
        return NULL;
    return &f->list->items[f->maker[value]];
}

/* `last` is done by `kept`, which makes its output from now on. */
static void absorb(struct fuser *f, struct cvy_work *kept, struct cvy_work *last)
{
    last->gone = true;
    f->maker[last->output] = (size_t)(kept - f->list->items);
    kept->output = last->output;
}

/* [N, C, ...] -> [N, g, C/g, ...] -> [N, C/g, g, ...] -> [N, C, ...]; g, or 0. */
static size_t shuffle_groups(const struct cvy_shape *x, const struct cvy_shape *split,
                             const struct cvy_op *transpose, const struct cvy_shape *y)
{
    size_t rest_x = 1, rest_split = 1, rank = split->rank;
    if (!cvy_shape_equal(x, y) || x->rank < 2 || rank < 3 || transpose->transpose.rank != rank)
        return 0;
    for (size_t i = 2; i < x->rank; i++)
        rest_x *= x->dims[i];
    for (size_t i = 3; i < rank; i++)
        rest_split *= split->dims[i];
    for (size_t i = 0; i < rank; i++) {
        size_t wanted = i == 1 ? 2 : i == 2 ? 1 : i;
        if (transpose->transpose.order[i] != wanted)
            return 0;
    }
    bool same =
        split->dims[0] == x->dims[0] && split->dims[1] * split->dims[2] == x->dims[1] && rest_split == rest_x;
    return same ? split->dims[1] : 0;
}

static void fold_shuffle(struct fuser *f, struct cvy_work *merge)
{
    struct cvy_work *transpose = merge->op.type == CVY_OP_RESHAPE ? only_source(f, merge) : NULL;
    struct cvy_work *split =
        transpose != NULL && transpose->op.type == CVY_OP_TRANSPOSE ? only_source(f, transpose) : NULL;
    if (split == NULL || split->op.type != CVY_OP_RESHAPE)
        return;
    size_t groups = shuffle_groups(&f->values[split->inputs[0]].shape, &f->values[split->output].shape,
                                   &transpose->op, &f->values[merge->output].shape);
    if (groups == 0)
        return;
    cvy_log(CVY_LOG_DEBUG, "plan: '%s', '%s' and '%s' are a channel shuffle in %zu groups", split->name,
            transpose->name, merge->name, groups);
    transpose->gone = split->gone = true;
    merge->op = (struct cvy_op){.type = CVY_OP_CHANNEL_SHUFFLE, .channel_shuffle.groups = groups};
    merge->inputs[0] = split->inputs[0];
}

/* Every element by itself, whatever its channel. */
static bool is_elementwise(enum cvy_op_type type)
{
    return type == CVY_OP_RELU || type == CVY_OP_LEAKY_RELU || type == CVY_OP_CLIP ||
           type == CVY_OP_SIGMOID || type == CVY_OP_TANH || type == CVY_OP_IDENTITY;
}

static void shuffle_in_conv(struct fuser *f, struct cvy_work *shuffle)
{
    struct cvy_work *before = only_source(f, shuffle), *conv = before;
    while (conv != NULL && is_elementwise(conv->op.type))
        conv = only_source(f, conv);
    if (conv == NULL || conv->op.type != CVY_OP_CONV || conv->op.conv.shuffle > 1)
        return;
    conv->op.conv.shuffle = shuffle->op.channel_shuffle.groups;
    cvy_log(CVY_LOG_DEBUG, "plan: '%s' writes its channels shuffled", conv->name);
    absorb(f, before, shuffle);
}

/* Whether conv can do what pad does. */
static bool can_pad(const struct cvy_op_conv *conv, const struct cvy_op_pad *pad)
{
    if (conv->transposed || (conv->auto_pad != CVY_PAD_EXPLICIT && conv->auto_pad != CVY_PAD_VALID) ||
        (pad->mode == CVY_PAD_CONSTANT && pad->value != 0) || pad->rank < 3)
        return false;
    for (size_t i = 0; i < pad->rank; i++) {
        bool channel = i < 2 && (pad->begin[i] != 0 || pad->end[i] != 0);
        if (channel || pad->begin[i] < 0 || pad->end[i] < 0)
            return false;
    }
    for (size_t i = 0; i < CVY_CONV_MAX_RANK; i++) {
        bool pads = conv->auto_pad == CVY_PAD_EXPLICIT && (conv->pad_begin[i] > 0 || conv->pad_end[i] > 0);
        if (pads && (pad->mode != CVY_PAD_CONSTANT || conv->pad_mode != CVY_PAD_CONSTANT))
            return false;
    }
    return true;
}

static void pad_in_conv(struct fuser *f, struct cvy_work *conv)
{
    size_t value = conv->inputs[0];
    struct cvy_work *pad = f->maker[value] == SIZE_MAX ? NULL : &f->list->items[f->maker[value]];
    struct cvy_op_conv *c = &conv->op.conv;
    if (pad == NULL || pad->op.type != CVY_OP_PAD || !can_pad(c, &pad->op.pad))
        return;
    for (size_t i = 0; i + 2 < pad->op.pad.rank; i++) {
        bool valid = c->auto_pad == CVY_PAD_VALID;
        c->pad_begin[i] = (valid ? 0 : c->pad_begin[i]) + (size_t)pad->op.pad.begin[i + 2];
        c->pad_end[i] = (valid ? 0 : c->pad_end[i]) + (size_t)pad->op.pad.end[i + 2];
    }
    c->auto_pad = CVY_PAD_EXPLICIT;
    c->pad_mode = pad->op.pad.mode;
    conv->inputs[0] = pad->inputs[0];
    f->reads[pad->inputs[0]]++;
    cvy_log(CVY_LOG_DEBUG, "plan: '%s' pads for itself, without '%s'", conv->name, pad->name);
    if (--f->reads[value] == 0) {
        pad->gone = true;
        f->reads[pad->inputs[0]]--;
    }
}

static void fold(struct fuser *f)
{
    for (size_t i = 0; i < f->list->count; i++)
        fold_shuffle(f, &f->list->items[i]);
    for (size_t i = 0; i < f->list->count; i++) {
        struct cvy_work *work = &f->list->items[i];
        if (work->op.type == CVY_OP_CHANNEL_SHUFFLE)
            shuffle_in_conv(f, work);
        else if (work->op.type == CVY_OP_CONV)
            pad_in_conv(f, work);
    }
}

enum cvy_status cvy_work_list_create(struct cvy_work_list **list, const struct cvy_graph *graph,
                                     const struct cvy_value_info *values)
{
    struct cvy_work_list *made = calloc(1, sizeof(*made));
    struct fuser f = {.list = made, .values = values};
    f.maker = calloc(graph->n_values + 1, sizeof(*f.maker));
    f.reads = calloc(graph->n_values + 1, sizeof(*f.reads));
    enum cvy_status status = CVY_OK;
    if (made == NULL || f.maker == NULL || f.reads == NULL)
        status = cvy_fail_memory("plan", graph->n_values * sizeof(*f.maker));
    if (status == CVY_OK)
        status = copy_nodes(made, graph, values);
    if (status == CVY_OK) {
        count_reads(&f, graph);
        fold(&f);
        *list = made;
        made = NULL;
    }
    free(f.maker);
    free(f.reads);
    cvy_work_list_destroy(&made);
    return status;
}
