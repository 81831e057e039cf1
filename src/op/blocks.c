#include "op/blocks.h"

#include <convoy/conv.h>

#include "base/arith.h"
#include "runtime/device.h"
#include "runtime/launch.h"

static void describe(struct cvy_launch *launch, size_t block)
{
    cvy_launch_init(launch, "blocks", "blocks_from_plain");
    cvy_launch_define(launch, "BLOCK", block);
}

enum cvy_status cvy_blocks_build(struct cvy_device *device, size_t block)
{
    struct cvy_launch launch;
    describe(&launch, block);
    return cvy_launch_prepare(device, &launch);
}

enum cvy_status cvy_blocks_from_plain(struct cvy_device *device, const struct cvy_blocks *sizes,
                                      const struct cvy_buffer *plain, struct cvy_buffer *blocked)
{
    struct cvy_launch launch;
    describe(&launch, sizes->block);
    cvy_launch_buffer(&launch, plain);
    cvy_launch_buffer(&launch, blocked);
    cvy_launch_int(&launch, sizes->channels);
    cvy_launch_int(&launch, sizes->pixels);
    cvy_launch_range(&launch, 3,
                     (size_t[]){sizes->pixels, cvy_ceil_div(sizes->channels, sizes->block), sizes->n}, NULL);
    return cvy_launch_run(device, &launch);
}

size_t cvy_conv_best_block(const struct cvy_device *device)
{
    const struct cvy_device_info *info = &device->info;
    size_t block = 2;
    while (block * 2 <= CVY_MIN(info->vector_width, 16))
        block *= 2;
    return info->type == CVY_DEVICE_CPU && info->vector_width >= 2 ? block : 0;
}
