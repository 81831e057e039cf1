/* window.h - the host's side of struct window in cl/window.cl. */
#ifndef CVY_OP_WINDOW_H
#define CVY_OP_WINDOW_H

#include <convoy/conv.h>

#include "runtime/launch.h"

/* One argument: all sizes along the three axes of p (cvy_conv_to_3d() makes a problem have them); out: y's.
 */
void cvy_window_argument(struct cvy_launch *launch, const struct cvy_conv_problem *p, const size_t *out);

#endif
