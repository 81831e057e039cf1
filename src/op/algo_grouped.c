/*
 * grouped: the lanes of a vector are channels of y, and each meets the channels of its own group alone.
 * Groups of few channels, depthwise convolution above all, keep a vector full where a matrix product cannot.
 * Depthwise: Howard et al., "MobileNets", arXiv 1704.04861; groups of 4 to 32: Xie et al., "ResNeXt",
 * arXiv 1611.05431.
 *
 * Where groups do not divide a block of channels, lanes multiply the other groups' channels by 0: an infinity
 * or NaN in x then reaches the neighbouring groups too.
 */
#include <limits.h>
#include <stdio.h>

#include "base/arith.h"
#include "op/algo.h"
#include "op/blocks.h"
#include "op/epilogue.h"
#include "op/problem.h"
#include "op/rate.h"
#include "op/tile.h"
#include "op/window.h"
#include "runtime/device.h"
#include "runtime/launch.h"

extern const struct cvy_algo cvy_algo_grouped;

/* config->value[] */
enum { TILE, PERMUTED };

static const struct cvy_algo_config whole = {{[TILE] = 1, [PERMUTED] = true}};

/* How the work is cut; names as in the kernel. */
struct cut {
    struct cvy_conv_problem p; /* three axes */
    size_t out[CVY_CONV_MAX_RANK];
    size_t c_group, k_group;
    size_t lanes, tile, taps, steps;
    size_t rows, tiles_w; /* rows of y and tiles of each */
    size_t sums;          /* of a pixel */
    bool permuted;
    bool converted; /* x is brought into blocks first */
};

static size_t lanes_of(const struct cvy_conv_problem *p, const struct cvy_device *device)
{
    size_t block = CVY_MAX(p->x_block, p->y_block);
    return block > 0 ? block : cvy_conv_best_block(device);
}

/* Pixels in a row where no axis matters. */
static void flatten(struct cvy_conv_problem *p)
{
    for (size_t i = 0; i < CVY_CONV_MAX_RANK; i++)
        if (p->kernel[i] != 1 || p->stride[i] != 1 || p->pad_begin[i] != 0 || p->pad_end[i] != 0)
            return;
    p->in[2] *= p->in[0] * p->in[1];
    p->in[0] = p->in[1] = 1;
}

/* Channels of x under a block of y that holds whole groups. */
static size_t width_of(const struct cut *s)
{
    return s->lanes / s->k_group * s->c_group;
}

/* Whether a block of y holds whole groups, and what lies under it is part of a block of x, one or two. */
static bool can_permute(const struct cut *s)
{
    if (s->k_group >= s->lanes || s->lanes % s->k_group != 0)
        return false;
    size_t width = width_of(s);
    return width == 2 * s->lanes || (width <= s->lanes && s->lanes % width == 0);
}

/* At once: a kernel whose taps stay in registers, and whose padding no tile's middle sees. */
static size_t taps_of(const struct cvy_conv_problem *p)
{
    size_t kernel = p->kernel[2];
    bool fits = kernel <= 7 && p->stride[2] <= 2 && p->dilation[2] == 1;
    return fits && p->pad_begin[2] < kernel && p->pad_end[2] < kernel ? kernel : 1;
}

/* The most channels of x that the groups in a block of y have. */
static size_t steps_of(const struct cut *s)
{
    if (s->permuted)
        return s->c_group;
    size_t most = 0;
    for (size_t k = 0; k < s->p.k; k += s->lanes) {
        size_t last = CVY_MIN(k + s->lanes, s->p.k) - 1;
        most = CVY_MAX(most, last / s->k_group - k / s->k_group + 1);
    }
    return most * s->c_group;
}

static struct cut cut_of(const struct cvy_conv_problem *problem, const struct cvy_device *device,
                         const struct cvy_algo_config *config)
{
    struct cut s = {.p = cvy_conv_to_3d(problem), .lanes = lanes_of(problem, device)};
    flatten(&s.p);
    cvy_conv_output_sizes(&s.p, s.out);
    s.c_group = s.p.c / s.p.groups;
    s.k_group = s.p.k / s.p.groups;
    s.permuted = config->value[PERMUTED] && can_permute(&s);
    s.converted = s.permuted && s.p.x_block == 0;
    s.sums = s.permuted && s.c_group == s.k_group ? s.c_group : 1;
    s.taps = taps_of(&s.p);
    s.steps = steps_of(&s);
    s.tile = CVY_MIN((size_t)config->value[TILE], s.out[2]);
    s.rows = s.out[0] * s.out[1];
    s.tiles_w = cvy_ceil_div(s.out[2], s.tile);
    return s;
}

/* Elements of the packed weights; may be too many for size_t, hence a double. */
static double packed_count(const struct cut *s)
{
    return (double)cvy_round_up(s->p.k, s->lanes) * (double)s->steps *
           (double)(s->p.kernel[0] * s->p.kernel[1] * s->p.kernel[2]);
}

static struct cvy_blocks x_blocks(const struct cut *s)
{
    return (struct cvy_blocks){s->p.n, s->p.c, s->p.in[0] * s->p.in[1] * s->p.in[2], s->lanes};
}

static double converted_count(const struct cut *s)
{
    struct cvy_blocks x = x_blocks(s);
    return s->converted ? (double)cvy_round_up(x.channels, x.block) * (double)x.n * (double)x.pixels : 0;
}

static bool applicable(const struct cvy_conv_problem *p, const struct cvy_device *device, char *why,
                       size_t size)
{
    if (!cvy_conv_fits_int(p, why, size))
        return false;
    if (p->groups == 1 || p->transposed) {
        snprintf(why, size, "it does forward convolutions in groups only; %s",
                 p->transposed ? "this one is transposed" : "groups is 1");
        return false;
    }
    if (lanes_of(p, device) == 0) {
        snprintf(why, size, "plain tensors suit it only where vectors do the work");
        return false;
    }
    struct cut s = cut_of(p, device, &whole);
    if (packed_count(&s) > INT_MAX || converted_count(&s) > INT_MAX) {
        snprintf(why, size, "its packed %s more than the %d that a kernel's int can count",
                 packed_count(&s) > INT_MAX ? "weights are" : "x is", INT_MAX);
        return false;
    }
    return true;
}

/* The tile that fills rows of y best; its sums, with taps and a pixel, stay in registers. */
static size_t best_tile(size_t out_w, size_t most)
{
    size_t best = 1, least = SIZE_MAX;
    for (size_t tile = 1; tile <= CVY_MIN(out_w, most); tile++) {
        size_t cost = cvy_ceil_div(out_w, tile) * (tile + 2);
        if (cost <= least) {
            least = cost;
            best = tile;
        }
    }
    return best;
}

static void fill_config(const struct cut *s, size_t most_tile, bool permuted, struct cvy_algo_config *config)
{
    /* fewer weights wait in registers where there are sums for each step */
    if (permuted && s->sums > 1)
        most_tile = CVY_MAX(most_tile * 12 / 7 / s->sums, 1);
    *config = (struct cvy_algo_config){{0}};
    config->value[TILE] = (int)best_tile(s->out[2], most_tile);
    config->value[PERMUTED] = permuted;
}

static void default_config(const struct cvy_conv_problem *p, const struct cvy_device *device,
                           size_t max_workspace, struct cvy_algo_config *config)
{
    struct cut s = cut_of(p, device, &whole);
    fill_config(&s, device->info.vector_width >= 16 ? 14 : 8,
                (size_t)converted_count(&s) <= max_workspace / sizeof(float), config);
}

static bool configs(const struct cvy_conv_problem *p, const struct cvy_device *device, size_t index,
                    struct cvy_algo_config *config)
{
    static const struct {
        size_t tile;
        bool permuted;
    } points[] = {{14, true}, {8, true}, {20, true}, {4, true}, {14, false}, {8, false}};
    if (index >= CVY_COUNT(points))
        return false;
    struct cut s = cut_of(p, device, &whole);
    fill_config(&s, points[index].tile, points[index].permuted, config);
    return true;
}

static size_t workspace(const struct cvy_conv_problem *p, const struct cvy_device *device,
                        const struct cvy_algo_config *config)
{
    struct cut s = cut_of(p, device, config);
    return (size_t)converted_count(&s) * sizeof(float);
}

static size_t prepared_bytes(const struct cvy_conv_problem *p, const struct cvy_device *device,
                             const struct cvy_algo_config *config)
{
    struct cut s = cut_of(p, device, config);
    return (size_t)packed_count(&s) * sizeof(float);
}

static enum cvy_status prepare(struct cvy_device *device, const struct cvy_conv_problem *p,
                               const struct cvy_algo_config *config, struct cvy_buffer *w,
                               struct cvy_buffer *prepared)
{
    struct cut s = cut_of(p, device, config);
    size_t count = (size_t)packed_count(&s);
    struct cvy_launch launch;
    cvy_launch_init(&launch, "grouped_pack", "grouped_pack");
    cvy_launch_buffer(&launch, w);
    cvy_launch_buffer(&launch, prepared);
    cvy_launch_sizes(&launch, (size_t[]){count, s.lanes, s.taps, s.steps, s.permuted, p->flip, s.p.k}, 7);
    cvy_launch_int(&launch, s.c_group);
    cvy_launch_int(&launch, s.k_group);
    cvy_launch_sizes(&launch, s.p.kernel, CVY_CONV_MAX_RANK);
    cvy_launch_range(&launch, 1, &count, NULL);
    return cvy_launch_run(device, &launch);
}

static void describe(struct cvy_launch *launch, const struct cut *s)
{
    bool is_shuffled = s->p.shuffle > 1;
    cvy_launch_init(launch, "conv_grouped", "conv_grouped");
    cvy_launch_define(launch, "LANES", s->lanes);
    cvy_launch_define(launch, "TILE", s->tile);
    cvy_launch_define(launch, "TAPS", s->taps);
    cvy_launch_define(launch, "STEP", s->p.stride[2] <= 2 ? s->p.stride[2] : 0);
    /* worth it where there is work in each of them */
    bool unrolled = s->sums > 1 && s->p.kernel[0] == 1 && s->p.kernel[1] <= 3;
    cvy_launch_define(launch, "KERNEL_H", unrolled ? s->p.kernel[1] : 0);
    cvy_launch_define(launch, "PERMUTED", s->permuted);
    if (s->permuted) {
        cvy_launch_define(launch, "C_GROUP", s->c_group);
        cvy_launch_define(launch, "K_GROUP", s->k_group);
        cvy_launch_define(launch, "WIDTH", width_of(s));
    }
    cvy_launch_define(launch, "X_BLOCKED", s->p.x_block > 0 || s->converted);
    cvy_launch_define(launch, "Y_BLOCKED", s->p.y_block > 0);
    cvy_launch_define(launch, "SCATTERED", s->p.y_block == 0 || is_shuffled);
    cvy_launch_define(launch, "PAD_MODE", s->p.pad_mode);
    cvy_epilogue_define(launch, &s->p);
}

static enum cvy_status build(struct cvy_device *device, const struct cvy_conv_problem *p,
                             const struct cvy_algo_config *config)
{
    struct cut s = cut_of(p, device, config);
    struct cvy_launch launch;
    describe(&launch, &s);
    enum cvy_status status = cvy_launch_prepare(device, &launch);
    if (status == CVY_OK && s.converted)
        status = cvy_blocks_build(device, s.lanes);
    if (status != CVY_OK)
        return status;
    cvy_launch_init(&launch, "grouped_pack", "grouped_pack");
    return cvy_launch_prepare(device, &launch);
}

/* Vector instructions of a tile, all of one block of y. */
static double tile_work(const struct cut *s)
{
    double rows = (double)(s->p.kernel[0] * s->p.kernel[1]);
    double seen = (double)((s->tile - 1) * s->p.stride[2] + s->p.kernel[2]);
    double permuted = s->permuted && s->c_group != s->k_group ? seen : 0;
    double gathered = 2 * (double)(s->tile * (s->sums - 1));
    const double begun = 24; /* what a tile costs beside its taps, measured */
    return rows * (double)s->steps * ((double)(s->tile * s->p.kernel[2]) + permuted) + gathered + begun;
}

/* All tiles, of all images. */
static size_t all_tiles(const struct cut *s)
{
    return s->rows * s->tiles_w * s->p.n * cvy_ceil_div(s->p.k, s->lanes);
}

/* The share of the peak that a tile reaches; the constants were measured. */
static double share_of_peak(const struct cut *s, const struct cvy_device *device)
{
    if (device->info.type != CVY_DEVICE_CPU)
        return 0.02;
    double steps = s->p.stride[2] == 1 ? 0.7 : 0.5;
    return s->steps == 1 ? 0.45 : steps;
}

/* What one unit alone would need. */
static double unit_seconds(const struct cut *s, const struct cvy_device *device)
{
    double units = (double)CVY_MAX(device->info.compute_units, 1);
    double lanes = (double)CVY_MAX(device->info.vector_width, 1);
    double work = tile_work(s) * (double)all_tiles(s);
    if (s->p.y_block == 0 || s->p.shuffle > 1)
        work += 3 * (double)(s->lanes * s->tile * all_tiles(s));
    return 2 * work * lanes * units / (share_of_peak(s, device) * cvy_rate_flops(device));
}

/* Where there is little arithmetic, it is a matter of the caches. */
static bool is_balanced(const struct cut *s)
{
    return s->steps > 1;
}

/* Tiles that one work-item makes. */
static size_t tiles_each(const struct cut *s, const struct cvy_device *device)
{
    size_t tiles = all_tiles(s);
    double alone = unit_seconds(s, device);
    return is_balanced(s) ? cvy_balance(device, tiles, 1, tiles, alone)
                          : cvy_share(device, tiles, 1, tiles, alone);
}

static enum cvy_status enqueue(struct cvy_device *device, const struct cvy_conv_problem *problem,
                               const struct cvy_algo_config *config, const struct cvy_algo_args *args)
{
    struct cut s = cut_of(problem, device, config);
    const struct cvy_conv_problem *p = &s.p;
    size_t tiles = tiles_each(&s, device);
    if (s.converted) {
        struct cvy_blocks sizes = x_blocks(&s);
        enum cvy_status status = cvy_blocks_from_plain(device, &sizes, args->x, args->workspace);
        if (status != CVY_OK)
            return status;
    }
    struct cvy_launch launch;
    describe(&launch, &s);
    cvy_launch_buffer(&launch, s.converted ? args->workspace : args->x);
    cvy_launch_buffer(&launch, args->w);
    cvy_epilogue_arguments(&launch, p, args->bias);
    cvy_launch_buffer(&launch, args->y);
    cvy_launch_struct(&launch, (size_t[]){p->n, p->c, p->k, s.c_group, s.k_group, s.steps, p->shuffle, tiles},
                      8);
    cvy_window_argument(&launch, p, s.out);
    if (is_balanced(&s))
        cvy_launch_balance(&launch);
    else
        cvy_launch_share(&launch);
    cvy_launch_range(&launch, 1, (size_t[]){cvy_ceil_div(all_tiles(&s), tiles)}, (size_t[]){1});
    return cvy_launch_run(device, &launch);
}

static double estimate(const struct cvy_conv_problem *problem, const struct cvy_device *device,
                       const struct cvy_algo_config *config)
{
    struct cut s = cut_of(problem, device, config);
    struct cvy_conv_cost cost;
    if (cvy_conv_get_cost(problem, &cost) != CVY_OK)
        return 1e30;
    double bytes = cost.bytes + 2 * sizeof(float) * converted_count(&s);
    double alone = unit_seconds(&s, device);
    /* depthwise arithmetic hides little of what no cache holds */
    double share = s.steps == 1 && cvy_streams(device, bytes) ? 0.9 : CVY_TILE_MEMORY_SHARE;
    return cvy_share_seconds(device, all_tiles(&s), 1, tiles_each(&s, device), alone) +
           share * bytes / cvy_rate_bytes(device);
}

const struct cvy_algo cvy_algo_grouped = {
    .id = "grouped",
    .programs = {"conv_grouped", "grouped_pack", "blocks"},
    .takes_blocks = true,
    .applicable = applicable,
    .default_config = default_config,
    .configs = configs,
    .workspace = workspace,
    .prepared_bytes = prepared_bytes,
    .prepare = prepare,
    .build = build,
    .enqueue = enqueue,
    .estimate = estimate,
};
