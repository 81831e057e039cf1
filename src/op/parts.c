#include "op/parts.h"

#include "base/arith.h"
#include "op/planes.h"
#include "runtime/launch.h"

#define SCATTERED 4 /* as many times longer than whole vectors */

static void describe_rows(struct cvy_launch *launch, const struct cvy_device *device)
{
    cvy_launch_init(launch, "parts", "move_rows");
    cvy_launch_define(launch, "IN_BLOCKS", 0);
    cvy_launch_define(launch, "LANES", cvy_plain_lanes(device));
}

enum cvy_status cvy_rows_prepare(struct cvy_device *device, struct cvy_rows *rows)
{
    struct cvy_launch launch;
    cvy_rows_share(device, rows->size, rows->rows, &rows->run, &rows->each);
    describe_rows(&launch, device);
    return cvy_launch_prepare(device, &launch);
}

enum cvy_status cvy_rows_enqueue(struct cvy_device *device, const struct cvy_rows *rows, struct cvy_buffer *x,
                                 struct cvy_buffer *y)
{
    struct cvy_launch launch;
    describe_rows(&launch, device);
    cvy_launch_buffer(&launch, x);
    cvy_launch_buffer(&launch, y);
    cvy_launch_struct(&launch,
                      (size_t[]){rows->rows, rows->size, rows->run, rows->each, rows->x_at, rows->x_step,
                                 rows->y_at, rows->y_step},
                      8);
    cvy_launch_share(&launch);
    const size_t range[] = {cvy_ceil_div(rows->size, rows->run), cvy_ceil_div(rows->rows, rows->each)};
    cvy_launch_range(&launch, 2, range, NULL);
    return cvy_launch_run(device, &launch);
}

/* Whether every block of y that gets any is one of x. */
static bool is_whole(const struct cvy_channels *c)
{
    const bool ends_whole = c->count % c->block == 0 ||
                            (c->to + c->count == c->y_channels && c->from + c->count == c->x_channels);
    return c->shuffle <= 1 && c->from % c->block == 0 && c->to % c->block == 0 && ends_whole;
}

static void describe_channels(struct cvy_launch *launch, const struct cvy_channels *c)
{
    cvy_launch_init(launch, "parts", "move_channels");
    cvy_launch_define(launch, "IN_BLOCKS", 1);
    cvy_launch_define(launch, "LANES", c->block);
    cvy_launch_define(launch, "WHOLE", is_whole(c));
}

/* Of y, that get any. */
static size_t blocks_of(const struct cvy_channels *c)
{
    return cvy_ceil_div(c->to + c->count, c->block) - c->to / c->block;
}

enum cvy_status cvy_channels_prepare(struct cvy_device *device, struct cvy_channels *c)
{
    const size_t planes = c->images * blocks_of(c);
    const double bytes = 2 * sizeof(float) * (double)planes * (double)(c->pixels * c->block);
    struct cvy_launch launch;
    c->run = cvy_planes_share(device, c->pixels, planes, bytes * (is_whole(c) ? 1 : SCATTERED));
    describe_channels(&launch, c);
    return cvy_launch_prepare(device, &launch);
}

enum cvy_status cvy_channels_enqueue(struct cvy_device *device, const struct cvy_channels *c,
                                     struct cvy_buffer *x, struct cvy_buffer *y)
{
    const size_t blocks = blocks_of(c);
    struct cvy_launch launch;
    describe_channels(&launch, c);
    cvy_launch_buffer(&launch, x);
    cvy_launch_buffer(&launch, y);
    cvy_launch_struct(&launch,
                      (size_t[]){c->images, blocks, c->to / c->block, c->pixels, c->run, c->from, c->to,
                                 c->count, c->x_channels, c->y_channels, c->shuffle},
                      11);
    cvy_launch_share(&launch);
    cvy_launch_range(&launch, 3, (size_t[]){cvy_ceil_div(c->pixels, c->run), blocks, c->images}, NULL);
    return cvy_launch_run(device, &launch);
}
