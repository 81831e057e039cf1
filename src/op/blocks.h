/* blocks.h - a plain tensor in blocks of channels (conv.h). */
#ifndef CVY_OP_BLOCKS_H
#define CVY_OP_BLOCKS_H

#include <convoy/device.h>

struct cvy_blocks {
    size_t n, channels, pixels, block;
};

/* Compiles what the next one launches. */
enum cvy_status cvy_blocks_build(struct cvy_device *device, size_t block);
/* Fills the last block up with zeros. */
enum cvy_status cvy_blocks_from_plain(struct cvy_device *device, const struct cvy_blocks *sizes,
                                      const struct cvy_buffer *plain, struct cvy_buffer *blocked);

#endif
