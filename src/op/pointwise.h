/* pointwise.h - what the algorithms for 1x1 kernels have in common. */
#ifndef CVY_OP_POINTWISE_H
#define CVY_OP_POINTWISE_H

#include "op/algo.h"
#include "runtime/launch.h"

#define CVY_POINTWISE_MOST_TILE 65536 /* pixels of a work-group, amply */

struct cvy_pointwise {
    struct cvy_conv_problem p; /* three axes */
    size_t out[CVY_CONV_MAX_RANK];
    size_t c_group, k_group, pixels;
    bool mapped; /* y's pixels are not simply x's */
};

struct cvy_pointwise cvy_pointwise_of(const struct cvy_conv_problem *problem);

/* Whether the kernel is 1 on every axis and its tiles can be counted; if not, `why` tells. */
bool cvy_pointwise_applies(const struct cvy_conv_problem *p, char *why, size_t size);

/* The macros of a kernel that includes cl/pixel.cl. */
void cvy_pointwise_define(struct cvy_launch *launch, const struct cvy_pointwise *s);

#endif
