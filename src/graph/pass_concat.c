/*
 * Concat whose inputs lie one behind the other in its output, so that they can be written there at once:
 * along a dimension before which there are only those of size 1 and, in blocks of channels, where each input
 * but the last fills its blocks. place.c does so where their lives allow it.
 */
#include "graph/passes.h"

static bool joins_slices(const struct cvy_work_list *list, const struct cvy_work *concat)
{
    const struct cvy_value_info *y = &list->values[concat->output]->info;
    const int64_t axis = concat->op.axis + (concat->op.axis < 0 ? (int64_t)y->shape.rank : 0);
    for (int64_t d = 0; d < axis; d++) {
        if (y->shape.dims[d] != 1)
            return false;
    }
    for (size_t i = 0; y->block > 0 && i + 1 < concat->n_inputs; i++) {
        if (axis != 1 || list->values[concat->inputs[i]]->info.shape.dims[1] % y->block != 0)
            return false;
    }
    return true;
}

enum cvy_status cvy_pass_concat(struct cvy_work_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        struct cvy_work *work = list->items[i];
        work->joins_slices = work->op.type == CVY_OP_CONCAT && joins_slices(list, work);
    }
    return CVY_OK;
}
