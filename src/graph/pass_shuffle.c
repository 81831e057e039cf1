/*
 * Channel shuffle (ShuffleNet: Zhang et al., arXiv 1707.01083):
 *   Reshape, Transpose, Reshape that exchange two factors of the channels -> ChannelShuffle
 *   Conv, [elementwise], ChannelShuffle                                   -> Conv that writes shuffled
 */
#include "base/log.h"
#include "graph/passes.h"

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

static enum cvy_status fold_shuffle(struct cvy_work_list *list, struct cvy_work *merge)
{
    struct cvy_work *transpose =
        merge->op.type == CVY_OP_RESHAPE ? cvy_work_only_maker(list, merge->inputs[0]) : NULL;
    struct cvy_work *split = transpose != NULL && transpose->op.type == CVY_OP_TRANSPOSE
                                 ? cvy_work_only_maker(list, transpose->inputs[0])
                                 : NULL;
    if (split == NULL || split->op.type != CVY_OP_RESHAPE)
        return CVY_OK;
    size_t groups =
        shuffle_groups(&list->values[split->inputs[0]]->info.shape, &list->values[split->output]->info.shape,
                       &transpose->op, &list->values[merge->output]->info.shape);
    if (groups == 0)
        return CVY_OK;
    cvy_log(CVY_LOG_DEBUG, "plan: '%s', '%s' and '%s' are a channel shuffle in %zu groups", split->name,
            transpose->name, merge->name, groups);
    enum cvy_status status = cvy_work_note(merge, split);
    if (status == CVY_OK)
        status = cvy_work_note(merge, transpose);
    if (status == CVY_OK)
        status = cvy_work_set_input(list, merge, 0, split->inputs[0]);
    cvy_work_remove(list, transpose);
    cvy_work_remove(list, split);
    merge->op = (struct cvy_op){.type = CVY_OP_CHANNEL_SHUFFLE, .channel_shuffle.groups = groups};
    return status;
}

enum cvy_status cvy_pass_shuffle(struct cvy_work_list *list)
{
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < list->count; i++)
        status = fold_shuffle(list, list->items[i]);
    return status;
}

/* Every element by itself, whatever its channel. */
static bool is_elementwise(const struct cvy_op *op)
{
    enum cvy_activation activation;
    float alpha, beta;
    return op->type == CVY_OP_IDENTITY || cvy_op_activation(op, &activation, &alpha, &beta);
}

static enum cvy_status shuffle_in_conv(struct cvy_work_list *list, struct cvy_work *shuffle)
{
    struct cvy_work *before = cvy_work_only_maker(list, shuffle->inputs[0]), *conv = before;
    while (conv != NULL && is_elementwise(&conv->op))
        conv = cvy_work_only_maker(list, conv->inputs[0]);
    if (conv == NULL || conv->op.type != CVY_OP_CONV || conv->op.conv.shuffle > 1 || conv->n_inputs > 3)
        return CVY_OK;
    conv->op.conv.shuffle = shuffle->op.channel_shuffle.groups;
    cvy_log(CVY_LOG_DEBUG, "plan: '%s' writes its channels shuffled", conv->name);
    if (before == conv)
        return cvy_work_absorb(list, conv, shuffle);
    enum cvy_status status = cvy_work_note(conv, shuffle);
    if (status == CVY_OK)
        cvy_work_take_output(list, before, shuffle);
    return status;
}

enum cvy_status cvy_pass_shuffle_write(struct cvy_work_list *list)
{
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < list->count; i++) {
        if (list->items[i]->op.type == CVY_OP_CHANNEL_SHUFFLE)
            status = shuffle_in_conv(list, list->items[i]);
    }
    return status;
}
