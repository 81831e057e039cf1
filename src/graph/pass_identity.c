/*
 * Nodes that give back what they are given, and chains that do so together:
 *   Identity, Reshape and Flatten to the same shape -> nothing
 *   Reshape, Reshape                                -> the second
 *   Transpose, Transpose                            -> one, or nothing
 *   Transpose that moves only dimensions of size 1  -> Reshape, which costs nothing
 */
#include "graph/passes.h"

static const struct cvy_shape *shape_of(const struct cvy_work_list *list, size_t value)
{
    return &list->values[value]->info.shape;
}

/* Whether the output is the input in another shape. */
static bool is_alias(const struct cvy_work_list *list, const struct cvy_work *work)
{
    return work != NULL && cvy_operator_class_of(work->op.type)->is_alias &&
           list->values[work->inputs[0]]->info.dtype == list->values[work->output]->info.dtype;
}

/* second reads what first does. */
static enum cvy_status read_past(struct cvy_work_list *list, struct cvy_work *second,
                                 const struct cvy_work *first)
{
    enum cvy_status status = cvy_work_note(second, first);
    if (status == CVY_OK)
        status = cvy_work_set_input(list, second, 0, first->inputs[0]);
    cvy_work_prune(list, first->output);
    return status;
}

/* What input dimension each dimension of the output is, rank of them. */
static void order_of(const struct cvy_op *op, size_t rank, size_t *order)
{
    for (size_t i = 0; i < rank; i++)
        order[i] = op->transpose.rank != 0 ? op->transpose.order[i] : rank - 1 - i;
}

/* A Reshape to the shape of the output. */
static void make_reshape(struct cvy_work_list *list, struct cvy_work *work)
{
    const struct cvy_shape *shape = shape_of(list, work->output);
    work->op = (struct cvy_op){.type = CVY_OP_RESHAPE, .reshape.rank = shape->rank};
    for (size_t i = 0; i < shape->rank; i++)
        work->op.reshape.dims[i] = (int64_t)shape->dims[i];
    cvy_work_cut_inputs(list, work, 1);
}

static enum cvy_status join_transposes(struct cvy_work_list *list, struct cvy_work *second)
{
    const struct cvy_work *first = cvy_work_maker(list, second->inputs[0]);
    if (first == NULL || first->op.type != CVY_OP_TRANSPOSE)
        return CVY_OK;
    size_t rank = shape_of(list, second->output)->rank, a[CVY_MAX_RANK], b[CVY_MAX_RANK];
    order_of(&first->op, rank, a);
    order_of(&second->op, rank, b);
    second->op.transpose.rank = rank;
    for (size_t i = 0; i < rank; i++)
        second->op.transpose.order[i] = a[b[i]];
    return read_past(list, second, first);
}

/* Whether all dimensions larger than 1 keep their order. */
static bool moves_nothing(const struct cvy_op *transpose, const struct cvy_shape *x)
{
    size_t order[CVY_MAX_RANK], last = 0;
    order_of(transpose, x->rank, order);
    for (size_t i = 0; i < x->rank; i++) {
        if (x->dims[order[i]] == 1)
            continue;
        if (order[i] < last)
            return false;
        last = order[i];
    }
    return true;
}

static enum cvy_status join_aliases(struct cvy_work_list *list, struct cvy_work *second)
{
    const struct cvy_work *first = cvy_work_maker(list, second->inputs[0]);
    if (!is_alias(list, first))
        return CVY_OK;
    make_reshape(list, second);
    return read_past(list, second, first);
}

static enum cvy_status simplify(struct cvy_work_list *list, struct cvy_work *work)
{
    enum cvy_status status = CVY_OK;
    if (work->op.type == CVY_OP_TRANSPOSE) {
        status = join_transposes(list, work);
        if (moves_nothing(&work->op, shape_of(list, work->inputs[0])))
            make_reshape(list, work);
    }
    if (status != CVY_OK || !is_alias(list, work))
        return status;
    status = join_aliases(list, work);
    const size_t from = work->inputs[0];
    if (status == CVY_OK && cvy_shape_equal(shape_of(list, from), shape_of(list, work->output))) {
        cvy_work_replace_value(list, work->output, from);
        cvy_work_remove(list, work);
    }
    return status;
}

enum cvy_status cvy_pass_identity(struct cvy_work_list *list)
{
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < list->count; i++) {
        if (!list->items[i]->gone)
            status = simplify(list, list->items[i]);
    }
    return status;
}
