#include <string.h>

#include "base/arith.h"
#include "op/algo.h"

extern const struct cvy_algo cvy_algo_depthwise;
extern const struct cvy_algo cvy_algo_depthwise_blocks;
extern const struct cvy_algo cvy_algo_direct;
extern const struct cvy_algo cvy_algo_grouped;
extern const struct cvy_algo cvy_algo_im2col;
extern const struct cvy_algo cvy_algo_implicit_gemm;
extern const struct cvy_algo cvy_algo_int8;
extern const struct cvy_algo cvy_algo_narrow;
extern const struct cvy_algo cvy_algo_pointwise;
extern const struct cvy_algo cvy_algo_pointwise_blocks;
extern const struct cvy_algo cvy_algo_ref;
extern const struct cvy_algo cvy_algo_subpixel;
extern const struct cvy_algo cvy_algo_subpixel_blocks;
extern const struct cvy_algo cvy_algo_subpixel_winograd;
extern const struct cvy_algo cvy_algo_winograd;

/* Considered in this order; at equal estimates the earlier wins. */
static const struct cvy_algo *const algos[] = {
    &cvy_algo_depthwise,
    &cvy_algo_depthwise_blocks,
    &cvy_algo_pointwise,
    &cvy_algo_pointwise_blocks,
    &cvy_algo_narrow,
    &cvy_algo_winograd,
    &cvy_algo_direct,
    &cvy_algo_subpixel,
    &cvy_algo_subpixel_blocks,
    &cvy_algo_subpixel_winograd,
    &cvy_algo_implicit_gemm,
    &cvy_algo_grouped,
    &cvy_algo_im2col,
    &cvy_algo_int8,
    &cvy_algo_ref,
};

const struct cvy_algo *cvy_algo_at(size_t index)
{
    return index < CVY_COUNT(algos) ? algos[index] : NULL;
}

const struct cvy_algo *cvy_algo_by_name(const char *id)
{
    for (size_t i = 0; i < CVY_COUNT(algos); i++)
        if (strcmp(algos[i]->id, id) == 0)
            return algos[i];
    return NULL;
}

size_t cvy_algo_workspace(const struct cvy_algo *algo, const struct cvy_conv_problem *p,
                          const struct cvy_device *device, const struct cvy_algo_config *config)
{
    return algo->workspace != NULL ? algo->workspace(p, device, config) : 0;
}
