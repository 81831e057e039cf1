/* parts.h - launches of cl/parts.cl: a part of a tensor goes to its place in another. */
#ifndef CVY_OP_PARTS_H
#define CVY_OP_PARTS_H

#include <convoy/device.h>

/* Rows of `size` floats: from x_at on, x_step from one to the next, to y_at on and y_step. */
struct cvy_rows {
    size_t rows, size, x_at, x_step, y_at, y_step;
    size_t run, each; /* floats of a row, and rows, that a work-item does; cvy_rows_prepare() sets them */
};

enum cvy_status cvy_rows_prepare(struct cvy_device *device, struct cvy_rows *rows);
enum cvy_status cvy_rows_enqueue(struct cvy_device *device, const struct cvy_rows *rows, struct cvy_buffer *x,
                                 struct cvy_buffer *y);

/* `count` channels, from `from` on of x, shuffled in `shuffle` groups (conv.h; 0: not), become those from
 * `to` on of y; both lie in blocks of `block`. Those that end y fill its last block up with zeros. */
struct cvy_channels {
    size_t block, images, pixels, from, to, count, x_channels, y_channels, shuffle;
    size_t run; /* pixels that a work-item does; cvy_channels_prepare() sets it */
};

enum cvy_status cvy_channels_prepare(struct cvy_device *device, struct cvy_channels *channels);
enum cvy_status cvy_channels_enqueue(struct cvy_device *device, const struct cvy_channels *channels,
                                     struct cvy_buffer *x, struct cvy_buffer *y);

#endif
