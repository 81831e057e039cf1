/*
 * planes.h - a tensor as kernels see it that go over it once: planes of floats that lie side by side, and how
 * that work is cut into work-items (cl/planes.cl).
 */
#ifndef CVY_OP_PLANES_H
#define CVY_OP_PLANES_H

#include <convoy/device.h>
#include <convoy/tensor.h>

struct cvy_launch;

struct cvy_planes {
    size_t count, size;      /* planes; floats of each */
    size_t lanes;            /* of a kernel's vectors */
    size_t blocks, channels; /* in blocks of `lanes` channels: of an image; plain: 0, 0 */
    size_t run;              /* floats of a plane that a work-item does: whole vectors */
};

/* Seconds that all units together take to move so many bytes. */
double cvy_moving_seconds(const struct cvy_device *device, double bytes);
/* How many of `total` pieces of each of `planes` planes a work-item does, where all of them move `bytes`. On
 * a device of many small work-items: one. */
size_t cvy_planes_share(const struct cvy_device *device, size_t total, size_t planes, double bytes);

/* How rows of floats that are copied are cut: how many floats of a row, and rows, a work-item does. */
void cvy_rows_share(const struct cvy_device *device, size_t size, size_t rows, size_t *run, size_t *each);

/* Floats of a vector in kernels for plain tensors. */
size_t cvy_plain_lanes(const struct cvy_device *device);

/* A tensor of the shape: in blocks (0: plain) a block of channels of an image is a plane; plain, the
 * dimensions from `inner` on are one. bytes: that are moved for each float. */
struct cvy_planes cvy_planes_of(const struct cvy_device *device, const struct cvy_shape *shape, size_t block,
                                size_t inner, double bytes);

/* LANES, IN_BLOCKS, TAIL. */
void cvy_planes_define(struct cvy_launch *launch, const struct cvy_planes *planes);
/* struct planes, and `count` ints behind it in the same struct. */
void cvy_planes_argument(struct cvy_launch *launch, const struct cvy_planes *planes, const size_t *more,
                         size_t count);
/* The range of runs and planes, shared. */
void cvy_planes_range(struct cvy_launch *launch, const struct cvy_planes *planes);

/* Bytes of a float32 tensor of the shape in blocks of so many channels; 0: plain. SIZE_MAX: too many for a
 * kernel's int. */
size_t cvy_layout_bytes(const struct cvy_shape *shape, size_t block);

#endif
