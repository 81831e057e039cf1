/* strided.h - y is x read with other strides (cl/strided.cl): launches, and the operators that do no more. */
#ifndef CVY_OP_STRIDED_H
#define CVY_OP_STRIDED_H

#include "op/operator.h"
#include "op/parts.h"

/* table: rank, sizes of y, strides of x. offset: of y's first element in x. */
enum cvy_status cvy_strided_build(struct cvy_device *device);
enum cvy_status cvy_strided_enqueue(struct cvy_device *device, struct cvy_buffer *x, struct cvy_buffer *y,
                                    struct cvy_buffer *table, size_t count, size_t offset);

/* The whole of an operator's state; an init sets it by cvy_strided_set(), or in blocks its channels. */
struct cvy_strided {
    struct cvy_operator base;
    struct cvy_buffer *table;
    size_t offset;
    struct cvy_channels channels; /* prepared: what is read where x and y lie in blocks */
};

enum cvy_status cvy_strided_set(struct cvy_operator *self, size_t rank, const size_t *sizes,
                                const int64_t *strides, size_t offset);
/* Members of its class. */
enum cvy_status cvy_strided_enqueue_operator(struct cvy_operator *self, struct cvy_buffer *const *in,
                                             size_t n_in, struct cvy_buffer *out,
                                             struct cvy_buffer *workspace);
void cvy_strided_finish(struct cvy_operator *self);

#endif
