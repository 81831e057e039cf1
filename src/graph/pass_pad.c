/* Pad, Conv -> Conv that pads. A Pad that others read too goes only when the last of them pads for itself. */
#include "base/log.h"
#include "graph/passes.h"

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

static enum cvy_status pad_in_conv(struct cvy_work_list *list, struct cvy_work *conv)
{
    struct cvy_work *pad = cvy_work_maker(list, conv->inputs[0]);
    struct cvy_op_conv *c = &conv->op.conv;
    if (pad == NULL || pad->op.type != CVY_OP_PAD || !can_pad(c, &pad->op.pad))
        return CVY_OK;
    for (size_t i = 0; i + 2 < pad->op.pad.rank; i++) {
        bool valid = c->auto_pad == CVY_PAD_VALID;
        c->pad_begin[i] = (valid ? 0 : c->pad_begin[i]) + (size_t)pad->op.pad.begin[i + 2];
        c->pad_end[i] = (valid ? 0 : c->pad_end[i]) + (size_t)pad->op.pad.end[i + 2];
    }
    c->auto_pad = CVY_PAD_EXPLICIT;
    c->pad_mode = pad->op.pad.mode;
    enum cvy_status status = cvy_work_set_input(list, conv, 0, pad->inputs[0]);
    if (status == CVY_OK)
        status = cvy_work_note(conv, pad);
    cvy_log(CVY_LOG_DEBUG, "plan: '%s' pads for itself, without '%s'", conv->name, pad->name);
    cvy_work_prune(list, pad->output);
    return status;
}

enum cvy_status cvy_pass_pad(struct cvy_work_list *list)
{
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < list->count; i++) {
        if (list->items[i]->op.type == CVY_OP_CONV)
            status = pad_in_conv(list, list->items[i]);
    }
    return status;
}
