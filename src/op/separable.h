/*
 * separable.h - a depthwise separable convolution in one launch (cl/conv_separable.cl): what the depthwise
 * pass makes of a few rows stays in local memory for the pointwise pass.
 */
#ifndef CVY_OP_SEPARABLE_H
#define CVY_OP_SEPARABLE_H

#include <convoy/conv.h>

/* Both passes as cvy_conv_get_passes() gives them: the first depthwise, the second 1x1. */
struct cvy_separable {
    struct cvy_conv_problem depthwise, pointwise;
};

struct cvy_separable_args {
    struct cvy_buffer *x, *w_depthwise, *y;
    struct cvy_buffer *packed;              /* the pointwise weights, by cvy_separable_pack() */
    struct cvy_buffer *bias_between, *bias; /* NULL where the pass has none */
};

/* Whether it can be done on the device; if not, why (cut to size). */
bool cvy_separable_applies(const struct cvy_separable *s, const struct cvy_device *device, char *why,
                           size_t size);
/* Whether that is expected to be faster than the two passes. */
bool cvy_separable_is_faster(const struct cvy_separable *s, const struct cvy_device *device);
enum cvy_status cvy_separable_build(struct cvy_device *device, const struct cvy_separable *s);
/* The pointwise weights in the order that the kernel reads them. */
size_t cvy_separable_packed_bytes(const struct cvy_separable *s, const struct cvy_device *device);
enum cvy_status cvy_separable_pack(struct cvy_device *device, const struct cvy_separable *s,
                                   struct cvy_buffer *w_pointwise, struct cvy_buffer *packed);
enum cvy_status cvy_separable_enqueue(struct cvy_device *device, const struct cvy_separable *s,
                                      const struct cvy_separable_args *args);

#endif
