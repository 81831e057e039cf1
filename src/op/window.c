#include "op/window.h"

#include <string.h>

#include "base/arith.h"

#define AXES CVY_CONV_MAX_RANK

void cvy_window_argument(struct cvy_launch *launch, const struct cvy_conv_problem *p, const size_t *out)
{
    const size_t *const parts[] = {p->in, out, p->kernel, p->stride, p->dilation, p->pad_begin};
    size_t values[CVY_COUNT(parts) * AXES];
    for (size_t i = 0; i < CVY_COUNT(parts); i++)
        memcpy(values + i * AXES, parts[i], AXES * sizeof(*values));
    cvy_launch_struct(launch, values, CVY_COUNT(values));
}
