/*
 * depthwise_blocks: depthwise convolution where x and y lie in blocks of channels: a tile of a row of y in
 * registers. Howard et al., "MobileNets", arXiv 1704.04861.
 *
 * Where a row is more than one tile, padding is multiplied too: an infinite weight makes NaN there.
 */
#include <stdio.h>

#include "base/arith.h"
#include "op/algo.h"
#include "op/epilogue.h"
#include "op/problem.h"
#include "op/rate.h"
#include "op/tile.h"
#include "op/window.h"
#include "runtime/device.h"
#include "runtime/launch.h"

extern const struct cvy_algo cvy_algo_depthwise_blocks;

#define MOST_KERNEL_W 9 /* whose taps stay in registers */
#define MOST_STRIDE_W 4
#define MOST_TILE 16

/* config->value[] */
enum { TILE };

/* Names as in the kernel. */
struct cut {
    struct cvy_conv_problem p; /* three axes */
    size_t out[CVY_CONV_MAX_RANK];
    size_t lanes, taps, tile;
    size_t seen;  /* pixels of a row of x */
    size_t tiles; /* of a row of y */
    size_t rows;  /* of y, of all blocks */
};

static struct cut cut_of(const struct cvy_conv_problem *problem, const struct cvy_algo_config *config)
{
    struct cut s = {.p = cvy_conv_to_3d(problem), .lanes = problem->x_block};
    cvy_conv_output_sizes(&s.p, s.out);
    s.taps = s.p.kernel[0] * s.p.kernel[1] * s.p.kernel[2];
    s.tile = CVY_MIN((size_t)config->value[TILE], s.out[2]);
    s.seen = (s.tile - 1) * s.p.stride[2] + (s.p.kernel[2] - 1) * s.p.dilation[2] + 1;
    s.tiles = cvy_ceil_div(s.out[2], s.tile);
    s.rows = s.p.n * cvy_ceil_div(s.p.k, s.lanes) * s.out[0] * s.out[1];
    return s;
}

static bool applicable(const struct cvy_conv_problem *p, const struct cvy_device *device, char *why,
                       size_t size)
{
    (void)device;
    if (!cvy_conv_fits_int(p, why, size))
        return false;
    size_t last = p->rank - 1;
    if (p->groups != p->c || p->k != p->c || p->transposed || p->shuffle > 1) {
        snprintf(why, size,
                 "it does forward depthwise convolutions with as many channels of y as of x, not "
                 "shuffled");
        return false;
    }
    if (p->x_block == 0 || p->y_block == 0) {
        snprintf(why, size, "it is for x and y in blocks of channels; %s is plain",
                 p->x_block == 0 ? "x" : "y");
        return false;
    }
    if (p->kernel[last] > MOST_KERNEL_W || p->stride[last] > MOST_STRIDE_W ||
        p->dilation[last] > MOST_KERNEL_W) {
        snprintf(why, size,
                 "it is compiled for kernels up to %d along W, strides up to %d and dilations up to %d",
                 MOST_KERNEL_W, MOST_STRIDE_W, MOST_KERNEL_W);
        return false;
    }
    return true;
}

/* Of the taps along an axis, those that lie on x, at the average position of y. */
static double taps_on_x(const struct cvy_conv_problem *p, size_t axis, size_t out)
{
    double begin = (double)p->pad_begin[axis], end = (double)p->pad_end[axis];
    double missed =
        (begin * (begin + 1) + end * (end + 1)) / (double)(2 * p->stride[axis] * p->dilation[axis]);
    return CVY_MAX((double)p->kernel[axis] - missed / (double)out, 1);
}

/* Vector instructions for all of y; the constants were measured. */
static double work_of(const struct cut *s)
{
    const struct cvy_conv_problem *p = &s->p;
    double tile = (double)s->tile;
    double rows = taps_on_x(p, 0, s->out[0]) * taps_on_x(p, 1, s->out[1]);
    double new_rows = (double)CVY_MIN(p->stride[1], p->kernel[1]);
    double work = rows * (tile * (double)p->kernel[2] + 3) + 0.5 * tile;
    work += 0.8 * tile * new_rows * (double)CVY_MIN(p->stride[2], p->kernel[2]);
    return (double)s->rows * ((double)s->tiles * work + 8);
}

static void best_tile(const struct cvy_conv_problem *p, size_t most, struct cvy_algo_config *config)
{
    double least = 0;
    for (int tile = 1; tile <= (int)most; tile++) {
        struct cvy_algo_config next = {{[TILE] = tile}};
        struct cut s = cut_of(p, &next);
        if (tile == 1 || work_of(&s) < least) {
            least = work_of(&s);
            *config = next;
        }
    }
}

static void default_config(const struct cvy_conv_problem *p, const struct cvy_device *device,
                           size_t max_workspace, struct cvy_algo_config *config)
{
    (void)max_workspace;
    best_tile(p, device->info.vector_width >= 16 ? MOST_TILE : 8, config);
}

static bool configs(const struct cvy_conv_problem *p, const struct cvy_device *device, size_t index,
                    struct cvy_algo_config *config)
{
    (void)device;
    static const size_t most[] = {MOST_TILE, 8, 12, 4};
    if (index >= CVY_COUNT(most))
        return false;
    best_tile(p, most[index], config);
    return true;
}

static size_t prepared_bytes(const struct cvy_conv_problem *p, const struct cvy_device *device,
                             const struct cvy_algo_config *config)
{
    (void)device;
    struct cut s = cut_of(p, config);
    /* and a block of zeros */
    return (cvy_round_up(p->k, s.lanes) * s.taps + s.lanes) * sizeof(float);
}

static enum cvy_status prepare(struct cvy_device *device, const struct cvy_conv_problem *p,
                               const struct cvy_algo_config *config, struct cvy_buffer *w,
                               struct cvy_buffer *prepared)
{
    struct cut s = cut_of(p, config);
    size_t count = prepared_bytes(p, device, config) / sizeof(float);
    struct cvy_launch launch;
    cvy_launch_init(&launch, "grouped_pack", "grouped_pack");
    cvy_launch_buffer(&launch, w);
    cvy_launch_buffer(&launch, prepared);
    cvy_launch_sizes(&launch, (size_t[]){count, s.lanes, 1, 1, true, p->flip, p->k, 1, 1}, 9);
    cvy_launch_sizes(&launch, s.p.kernel, CVY_CONV_MAX_RANK);
    cvy_launch_range(&launch, 1, &count, NULL);
    return cvy_launch_run(device, &launch);
}

static bool is_streamed(const struct cut *s, const struct cvy_device *device)
{
    double x = (double)(s->p.n * s->p.c) * (double)(s->p.in[0] * s->p.in[1] * s->p.in[2]);
    double y = (double)(s->rows * s->lanes) * (double)s->out[2];
    return cvy_streams(device, (x + y) * sizeof(float));
}

static void describe(struct cvy_launch *launch, const struct cvy_device *device, const struct cut *s)
{
    const struct cvy_conv_problem *p = &s->p;
    cvy_launch_init(launch, "conv_depthwise_blocks", "conv_depthwise_blocks");
    cvy_launch_define(launch, "LANES", s->lanes);
    cvy_launch_define(launch, "TILE_W", s->tile);
    cvy_launch_define(launch, "KERNEL_W", p->kernel[2]);
    cvy_launch_define(launch, "STRIDE_W", p->stride[2]);
    cvy_launch_define(launch, "DILATION_W", p->dilation[2]);
    /* the first tile begins in the padding, the last ends there; some between may too */
    size_t begin = CVY_MIN(p->pad_begin[2], s->seen);
    size_t last = (s->out[2] - s->tile) * p->stride[2], in_end = p->in[2] + p->pad_begin[2];
    size_t end = in_end > last ? CVY_MIN(in_end - last, s->seen) : 0;
    cvy_launch_define(launch, "BEGIN", begin);
    cvy_launch_define(launch, "END", end);
    cvy_launch_define(launch, "ONE_TILE", s->tiles == 1);
    cvy_launch_define(launch, "TAIL", p->k % s->lanes != 0);
    cvy_launch_define(launch, "STREAM", is_streamed(s, device));
    cvy_launch_define(launch, "PAD_MODE", p->pad_mode);
    cvy_epilogue_define(launch, p);
}

static enum cvy_status build(struct cvy_device *device, const struct cvy_conv_problem *p,
                             const struct cvy_algo_config *config)
{
    struct cut s = cut_of(p, config);
    struct cvy_launch launch;
    describe(&launch, device, &s);
    enum cvy_status status = cvy_launch_prepare(device, &launch);
    if (status != CVY_OK)
        return status;
    cvy_launch_init(&launch, "grouped_pack", "grouped_pack");
    return cvy_launch_prepare(device, &launch);
}

/* What one unit alone would need. */
static double unit_seconds(const struct cut *s, const struct cvy_device *device)
{
    double units = (double)CVY_MAX(device->info.compute_units, 1);
    double lanes = (double)CVY_MAX(device->info.vector_width, 1);
    double share = device->info.type == CVY_DEVICE_CPU ? 1 : 0.02;
    return 2 * work_of(s) * lanes * units / (share * cvy_rate_flops(device));
}

static enum cvy_status enqueue(struct cvy_device *device, const struct cvy_conv_problem *problem,
                               const struct cvy_algo_config *config, const struct cvy_algo_args *args)
{
    struct cut s = cut_of(problem, config);
    size_t rows = cvy_share(device, s.rows, 1, s.rows, unit_seconds(&s, device));
    struct cvy_launch launch;
    describe(&launch, device, &s);
    cvy_launch_buffer(&launch, args->x);
    cvy_launch_buffer(&launch, args->w);
    cvy_epilogue_arguments(&launch, &s.p, args->bias);
    cvy_launch_buffer(&launch, args->y);
    cvy_launch_struct(&launch, (size_t[]){s.p.n * cvy_ceil_div(s.p.k, s.lanes), s.p.k, rows}, 3);
    cvy_window_argument(&launch, &s.p, s.out);
    cvy_launch_share(&launch);
    cvy_launch_range(&launch, 1, (size_t[]){cvy_ceil_div(s.rows, rows)}, (size_t[]){1});
    return cvy_launch_run(device, &launch);
}

static double estimate(const struct cvy_conv_problem *p, const struct cvy_device *device,
                       const struct cvy_algo_config *config)
{
    struct cut s = cut_of(p, config);
    struct cvy_conv_cost cost;
    if (cvy_conv_get_cost(p, &cost) != CVY_OK)
        return 1e30;
    double alone = unit_seconds(&s, device);
    size_t piece = cvy_share(device, s.rows, 1, s.rows, alone);
    return cvy_share_seconds(device, s.rows, 1, piece, alone) +
           (is_streamed(&s, device) ? 0.9 : CVY_TILE_MEMORY_SHARE) * cost.bytes / cvy_rate_bytes(device);
}

const struct cvy_algo cvy_algo_depthwise_blocks = {
    .id = "depthwise_blocks",
    .programs = {"conv_depthwise_blocks", "grouped_pack"},
    .takes_blocks = true,
    .applicable = applicable,
    .default_config = default_config,
    .configs = configs,
    .prepared_bytes = prepared_bytes,
    .prepare = prepare,
    .build = build,
    .enqueue = enqueue,
    .estimate = estimate,
};
