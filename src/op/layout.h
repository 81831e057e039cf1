/* layout.h - what it takes to bring a tensor into blocks of channels, or out of them. */
#ifndef CVY_OP_LAYOUT_H
#define CVY_OP_LAYOUT_H

#include <convoy/device.h>
#include <convoy/tensor.h>

/* Whether the plain tensor of this shape, of rank 3 or more, lies in memory as that in blocks does. */
bool cvy_layout_is_same(const struct cvy_shape *shape, size_t block);
double cvy_layout_seconds(const struct cvy_device *device, const struct cvy_shape *shape, size_t block);

#endif
