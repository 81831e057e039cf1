/* blocks.h - between plain tensors and blocks of channels (conv.h). */
#ifndef CVY_OP_BLOCKS_H
#define CVY_OP_BLOCKS_H

#include <convoy/device.h>

struct cvy_blocks {
    size_t n, channels, pixels, block;
};

/* Compiles what the next two launch. */
enum cvy_status cvy_blocks_build(struct cvy_device *device, size_t block);
/* Fills the last block up with zeros. */
enum cvy_status cvy_blocks_from_plain(struct cvy_device *device, const struct cvy_blocks *sizes,
                                      const struct cvy_buffer *plain, struct cvy_buffer *blocked);
enum cvy_status cvy_blocks_to_plain(struct cvy_device *device, const struct cvy_blocks *sizes,
                                    const struct cvy_buffer *blocked, struct cvy_buffer *plain);
/* What either is expected to take. */
double cvy_blocks_seconds(const struct cvy_device *device, const struct cvy_blocks *sizes);
size_t cvy_blocks_bytes(const struct cvy_blocks *sizes);

#endif
