#include "op/planes.h"

#include <limits.h>

#include <convoy/conv.h>

#include "base/arith.h"
#include "op/table.h"
#include "op/tile.h"
#include "runtime/launch.h"

#define CACHED_BYTES ((double)(8 << 20)) /* that may still be in a cache which all units share */

double cvy_moving_seconds(const struct cvy_device *device, double bytes)
{
    const struct cvy_device_rates *rates = cvy_rates(device);
    return bytes /
           (bytes <= CACHED_BYTES ? (rates->memory_bytes + rates->cache_bytes) / 2 : rates->memory_bytes);
}

size_t cvy_planes_share(const struct cvy_device *device, size_t total, size_t planes, double bytes)
{
    if (device->info.type != CVY_DEVICE_CPU)
        return 1;
    double units = (double)CVY_MAX(device->info.compute_units, 1);
    return cvy_share(device, total, planes, total, cvy_moving_seconds(device, bytes) * units);
}

void cvy_rows_share(const struct cvy_device *device, size_t size, size_t rows, size_t *run, size_t *each)
{
    const size_t lanes = cvy_plain_lanes(device), vectors = cvy_ceil_div(size, lanes);
    /* a short row takes as long as a whole vector, at least */
    const double bytes = 2 * sizeof(float) * (double)rows * (double)(vectors * lanes);
    *run = lanes * cvy_planes_share(device, vectors, rows, bytes);
    *each = *run < size ? 1 : cvy_planes_share(device, rows, 1, bytes);
}

size_t cvy_plain_lanes(const struct cvy_device *device)
{
    return CVY_MAX(cvy_conv_best_block(device), 1);
}

struct cvy_planes cvy_planes_of(const struct cvy_device *device, const struct cvy_shape *shape, size_t block,
                                size_t inner, double bytes)
{
    struct cvy_planes planes = {.lanes = block > 0 ? block : cvy_plain_lanes(device)};
    if (block > 0) {
        planes.channels = shape->dims[1];
        planes.blocks = cvy_ceil_div(planes.channels, block);
        planes.count = shape->dims[0] * planes.blocks;
        planes.size = cvy_span_elements(shape, 2, shape->rank) * block;
    } else {
        planes.count = cvy_span_elements(shape, 0, CVY_MIN(inner, shape->rank));
        planes.size = cvy_span_elements(shape, CVY_MIN(inner, shape->rank), shape->rank);
    }
    double all = bytes * (double)planes.count * (double)planes.size;
    planes.run =
        planes.lanes * cvy_planes_share(device, cvy_ceil_div(planes.size, planes.lanes), planes.count, all);
    return planes;
}

void cvy_planes_define(struct cvy_launch *launch, const struct cvy_planes *planes)
{
    cvy_launch_define(launch, "LANES", planes->lanes);
    cvy_launch_define(launch, "IN_BLOCKS", planes->blocks > 0);
    cvy_launch_define(launch, "TAIL", planes->blocks > 0 && planes->channels % planes->lanes != 0);
}

void cvy_planes_argument(struct cvy_launch *launch, const struct cvy_planes *planes, const size_t *more,
                         size_t count)
{
    size_t values[CVY_LAUNCH_MAX_INTS] = {planes->count, planes->size, planes->run, planes->blocks,
                                          planes->channels};
    for (size_t i = 0; i < count; i++)
        values[5 + i] = more[i];
    cvy_launch_struct(launch, values, 5 + count);
}

void cvy_planes_range(struct cvy_launch *launch, const struct cvy_planes *planes)
{
    cvy_launch_share(launch);
    cvy_launch_range(launch, 2, (size_t[]){cvy_ceil_div(planes->size, planes->run), planes->count}, NULL);
}

size_t cvy_layout_bytes(const struct cvy_shape *shape, size_t block)
{
    size_t floats = 1;
    for (size_t i = 0; i < shape->rank; i++) {
        size_t dim = i == 1 && block > 0 ? cvy_round_up(shape->dims[i], block) : shape->dims[i];
        if (!cvy_mul(floats, dim, &floats) || floats > INT_MAX)
            return SIZE_MAX;
    }
    return floats * sizeof(float);
}
