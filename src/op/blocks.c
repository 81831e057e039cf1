#include "op/blocks.h"

#include <convoy/conv.h>

#include "base/arith.h"
#include "op/rate.h"
#include "op/tile.h"
#include "runtime/device.h"
#include "runtime/launch.h"

static const char from_plain[] = "blocks_from_plain", to_plain[] = "blocks_to_plain";

static void describe(struct cvy_launch *launch, const char *kernel, size_t block)
{
    cvy_launch_init(launch, "blocks", kernel);
    cvy_launch_define(launch, "LANES", block);
}

enum cvy_status cvy_blocks_build(struct cvy_device *device, size_t block)
{
    struct cvy_launch launch;
    describe(&launch, from_plain, block);
    return cvy_launch_prepare(device, &launch);
}

static size_t blocks_of(const struct cvy_blocks *sizes)
{
    return cvy_ceil_div(sizes->channels, sizes->block);
}

size_t cvy_blocks_bytes(const struct cvy_blocks *sizes)
{
    return sizes->n * blocks_of(sizes) * sizes->block * sizes->pixels * sizeof(float);
}

#define CACHED_BYTES ((size_t)4 << 20) /* that may still be in a cache which all units share */

/* Read and written once. */
static double moving_seconds(const struct cvy_device *device, const struct cvy_blocks *sizes)
{
    const struct cvy_device_rates *rates = cvy_rates(device);
    size_t bytes = cvy_blocks_bytes(sizes);
    double rate =
        bytes <= CACHED_BYTES ? (rates->memory_bytes + rates->cache_bytes) / 2 : rates->memory_bytes;
    return 2 * (double)bytes / rate;
}

/* How many squares of a block a work-item moves. */
static size_t share(const struct cvy_device *device, const struct cvy_blocks *sizes)
{
    size_t squares = cvy_ceil_div(sizes->pixels, sizes->block);
    double units = (double)CVY_MAX(device->info.compute_units, 1);
    return cvy_share(device, squares, blocks_of(sizes) * sizes->n, squares,
                     moving_seconds(device, sizes) * units);
}

double cvy_blocks_seconds(const struct cvy_device *device, const struct cvy_blocks *sizes)
{
    double units = (double)CVY_MAX(device->info.compute_units, 1);
    return cvy_share_seconds(device, cvy_ceil_div(sizes->pixels, sizes->block), blocks_of(sizes) * sizes->n,
                             share(device, sizes), moving_seconds(device, sizes) * units);
}

static enum cvy_status move(struct cvy_device *device, const struct cvy_blocks *sizes, const char *kernel,
                            const struct cvy_buffer *from, struct cvy_buffer *to)
{
    size_t each = share(device, sizes), blocks = blocks_of(sizes);
    struct cvy_launch launch;
    describe(&launch, kernel, sizes->block);
    cvy_launch_buffer(&launch, from);
    cvy_launch_buffer(&launch, to);
    cvy_launch_struct(&launch, (size_t[]){sizes->channels, sizes->pixels, blocks, each * sizes->block}, 4);
    size_t runs = cvy_ceil_div(cvy_ceil_div(sizes->pixels, sizes->block), each);
    cvy_launch_share(&launch);
    cvy_launch_range(&launch, 3, (size_t[]){runs, blocks, sizes->n}, (size_t[]){1, 1, 1});
    return cvy_launch_run(device, &launch);
}

enum cvy_status cvy_blocks_from_plain(struct cvy_device *device, const struct cvy_blocks *sizes,
                                      const struct cvy_buffer *plain, struct cvy_buffer *blocked)
{
    return move(device, sizes, from_plain, plain, blocked);
}

enum cvy_status cvy_blocks_to_plain(struct cvy_device *device, const struct cvy_blocks *sizes,
                                    const struct cvy_buffer *blocked, struct cvy_buffer *plain)
{
    return move(device, sizes, to_plain, blocked, plain);
}

size_t cvy_conv_best_block(const struct cvy_device *device)
{
    const struct cvy_device_info *info = &device->info;
    size_t block = 2;
    while (block * 2 <= CVY_MIN(info->vector_width, 16))
        block *= 2;
    return info->type == CVY_DEVICE_CPU && info->vector_width >= 2 ? block : 0;
}
