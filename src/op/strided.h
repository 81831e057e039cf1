/* strided.h - y is x read with other strides (cl/strided.cl): a view, and the operators that do no more. */
#ifndef CVY_OP_STRIDED_H
#define CVY_OP_STRIDED_H

#include "op/operator.h"
#include "op/parts.h"

/* How y is read from x, and how that is cut into work-items. */
struct cvy_view {
    size_t a, b, outer, run_a, run_b, each, offset; /* struct sizes of cl/strided.cl */
    bool in_rows;
    struct cvy_buffer *table;
};

/* sizes: of y; strides: of x, for each of them, at most 2 * CVY_MAX_RANK. offset: of y's first element in x.
 */
enum cvy_status cvy_view_prepare(struct cvy_view *view, struct cvy_device *device, size_t rank,
                                 const size_t *sizes, const int64_t *strides, size_t offset);
enum cvy_status cvy_view_enqueue(const struct cvy_view *view, struct cvy_device *device,
                                 const struct cvy_buffer *x, struct cvy_buffer *y);
void cvy_view_finish(struct cvy_view *view);

/* The whole of an operator's state; an init sets it by cvy_strided_set(), or in blocks its channels. */
struct cvy_strided {
    struct cvy_operator base;
    struct cvy_view view;
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
