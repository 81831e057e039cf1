/* storage.h - the host's side of cl/storage.cl, for kernels that take float16 as well as float32. */
#ifndef CVY_OP_STORAGE_H
#define CVY_OP_STORAGE_H

#include <convoy/conv.h>

#include "runtime/launch.h"

/* HALF */
static inline void cvy_storage_define(struct cvy_launch *launch, const struct cvy_conv_problem *p)
{
    cvy_launch_define(launch, "HALF", p->x_dtype == CVY_FLOAT16);
}

#endif
