#include "op/pointwise.h"

#include <limits.h>
#include <stdio.h>

#include "base/arith.h"
#include "op/problem.h"

struct cvy_pointwise cvy_pointwise_of(const struct cvy_conv_problem *problem)
{
    struct cvy_pointwise s = {.p = cvy_conv_to_3d(problem)};
    cvy_conv_output_sizes(&s.p, s.out);
    s.c_group = s.p.c / s.p.groups;
    s.k_group = s.p.k / s.p.groups;
    s.pixels = s.out[0] * s.out[1] * s.out[2];
    for (size_t i = 0; i < CVY_CONV_MAX_RANK; i++)
        s.mapped =
            s.mapped || (s.p.stride[i] > 1 && s.out[i] > 1) || s.p.pad_begin[i] > 0 || s.out[i] != s.p.in[i];
    return s;
}

bool cvy_pointwise_applies(const struct cvy_conv_problem *p, char *why, size_t size)
{
    if (!cvy_conv_fits_int(p, why, size))
        return false;
    for (size_t i = 0; i < p->rank; i++) {
        if (p->kernel[i] != 1) {
            snprintf(why, size, "it does kernels of 1 on every axis; this one has %zu", p->kernel[i]);
            return false;
        }
    }
    size_t pixels = cvy_pointwise_of(p).pixels;
    if (pixels > INT_MAX - CVY_POINTWISE_MOST_TILE) {
        snprintf(why, size, "y has %zu pixels in a channel; its tiles count to %d", pixels,
                 INT_MAX - CVY_POINTWISE_MOST_TILE);
        return false;
    }
    return true;
}

void cvy_pointwise_define(struct cvy_launch *launch, const struct cvy_pointwise *s)
{
    cvy_launch_define(launch, "MAPPED", s->mapped);
    cvy_launch_define(launch, "TRANSPOSED", s->mapped && s->p.transposed);
    cvy_launch_define(launch, "PAD_MODE", s->mapped ? (size_t)s->p.pad_mode : 0);
}
