/* Conv, Relu -> Conv that ends with it; the same for every activation that conv.h knows. */
#include "graph/passes.h"

static enum cvy_status activate(struct cvy_work_list *list, struct cvy_work *unary)
{
    enum cvy_activation activation;
    float alpha, beta;
    if (!cvy_op_activation(&unary->op, &activation, &alpha, &beta))
        return CVY_OK;
    struct cvy_work *conv = cvy_work_only_maker(list, unary->inputs[0]);
    if (conv == NULL || conv->op.type != CVY_OP_CONV || conv->op.conv.activation != CVY_ACTIVATION_NONE)
        return CVY_OK;
    conv->op.conv.activation = activation;
    conv->op.conv.alpha = alpha;
    conv->op.conv.beta = beta;
    return cvy_work_absorb(list, conv, unary);
}

enum cvy_status cvy_pass_activation(struct cvy_work_list *list)
{
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < list->count; i++)
        status = activate(list, list->items[i]);
    return status;
}
