/*
 * direct: the definition itself, for devices whose work-items fill vector registers. The sums of some blocks
 * of channels by some pixels of a row stay in registers while the taps and the channels of x go by; nothing
 * is copied but the weights, packed once. Zhang, Franchetti, Low, "High Performance Zero-Memory Overhead
 * Direct Convolutions", arXiv 1809.10170.
 */
#include <limits.h>
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

#define MOST_BLOCKS 4
#define MOST_PANEL (MOST_BLOCKS * 16)
#define CHUNK_BYTES ((size_t)32 << 10)
#define MOST_ROUNDS 32768 /* what the loops of a work-item may do on any driver */

extern const struct cvy_algo cvy_algo_direct;

/* config->value[] */
enum { LANES, BLOCKS, PIXELS };

struct geometry {
    struct cvy_conv_problem p; /* three axes */
    size_t out[CVY_CONV_MAX_RANK];
    size_t c_group, k_group, taps;
    size_t x_block, y_block; /* 1: plain */
    size_t x_channels;       /* of a group in a block of x */
    size_t x_blocks;         /* of a group */
    size_t lanes, blocks, pixels;
    size_t panels; /* of a group */
    size_t across; /* tiles in a row of y */
    bool whole;    /* blocks of y are written at once */
};

/* Groups that are parts of blocks: their channels fill vectors that are parts of the registers. */
static bool shares_blocks(const struct cvy_conv_problem *p)
{
    size_t c_group = p->c / p->groups;
    return p->groups > 1 && p->x_block == p->y_block && p->c == p->k && c_group >= 8 &&
           c_group < p->x_block && p->x_block % c_group == 0 && p->c % p->x_block == 0;
}

static struct geometry geometry_of(const struct cvy_conv_problem *problem,
                                   const struct cvy_algo_config *config)
{
    struct geometry s = {.p = cvy_conv_to_3d(problem)};
    cvy_conv_output_sizes(&s.p, s.out);
    s.c_group = s.p.c / s.p.groups;
    s.k_group = s.p.k / s.p.groups;
    s.taps = s.p.kernel[0] * s.p.kernel[1] * s.p.kernel[2];
    s.x_block = CVY_MAX(s.p.x_block, 1);
    s.y_block = CVY_MAX(s.p.y_block, 1);
    s.x_channels = shares_blocks(&s.p) ? s.c_group : s.x_block;
    s.x_blocks = cvy_ceil_div(s.c_group, s.x_channels);
    s.lanes = (size_t)config->value[LANES];
    s.blocks = (size_t)config->value[BLOCKS];
    s.pixels = (size_t)config->value[PIXELS];
    s.panels = cvy_ceil_div(s.k_group, s.lanes * s.blocks);
    s.across = cvy_ceil_div(s.out[2], s.pixels);
    s.whole = s.y_block % s.lanes == 0 && s.p.shuffle <= 1;
    return s;
}

/* Rounds of the innermost loop for a tile, by four. */
static size_t tile_rounds(const struct geometry *s)
{
    return s->x_blocks * s->taps * cvy_ceil_div(s->x_channels, 4);
}

static size_t widest_block(const struct cvy_conv_problem *p)
{
    return CVY_MAX(p->x_block, p->y_block);
}

static bool straddles(size_t group, size_t block, size_t groups)
{
    return groups > 1 && block > 0 && group % block != 0;
}

static bool applicable(const struct cvy_conv_problem *p, const struct cvy_device *device, char *why,
                       size_t size)
{
    if (!cvy_conv_fits_int(p, why, size))
        return false;
    if (p->transposed) {
        snprintf(why, size, "it does forward convolutions only");
        return false;
    }
    if (widest_block(p) == 0 && device->info.vector_width < 2) {
        snprintf(why, size, "it is for devices whose work-items fill vector registers");
        return false;
    }
    size_t c_group = p->c / p->groups, k_group = p->k / p->groups;
    if (!shares_blocks(p) &&
        (straddles(c_group, p->x_block, p->groups) || straddles(k_group, p->y_block, p->groups))) {
        snprintf(why, size,
                 "its blocks of %zu channels hold channels of several groups (%zu in, %zu out each)",
                 widest_block(p), c_group, k_group);
        return false;
    }
    struct geometry s = geometry_of(p, &(struct cvy_algo_config){.value = {16, 1, 1}});
    size_t packed;
    if (!cvy_mul(cvy_round_up(k_group, MOST_PANEL) * p->groups, s.taps, &packed) ||
        !cvy_mul(packed, c_group + 16, &packed) || packed > INT_MAX || tile_rounds(&s) > MOST_ROUNDS) {
        snprintf(why, size, "%zu channels of x times %zu taps are more than its loops count", c_group,
                 s.taps);
        return false;
    }
    return true;
}

/* As many pixels as registers hold sums of, beside a vector of each block and what the compiler needs. */
static void set_config(const struct cvy_conv_problem *p, const struct cvy_device *device, size_t blocks,
                       size_t spare, struct cvy_algo_config *config)
{
    size_t lanes = shares_blocks(p) ? p->c / p->groups : widest_block(p), out[CVY_CONV_MAX_RANK];
    cvy_conv_output_sizes(p, out);
    if (lanes == 0)
        for (lanes = 2; lanes * 2 <= CVY_MIN(device->info.vector_width, 16) && lanes < p->k / p->groups;)
            lanes *= 2;
    size_t registers = CVY_MAX(lanes, device->info.vector_width) >= 16 ? 32 : 16, width = out[p->rank - 1];
    size_t most = CVY_MAX((registers - spare - blocks) / blocks, 1);
    *config = (struct cvy_algo_config){{0}};
    config->value[LANES] = (int)lanes;
    config->value[BLOCKS] = (int)blocks;
    config->value[PIXELS] = (int)cvy_tile_piece(device, width, blocks, most);
}

/* Tiles of y, of all panels. */
static double tiles(const struct geometry *s)
{
    return (double)(s->p.n * s->p.groups * s->panels) * (double)(s->out[0] * s->out[1] * s->across);
}

/* Positions of y where a tap of the axis meets x, in whole pieces, summed over the taps. */
static double met(const struct geometry *s, size_t axis, size_t piece)
{
    const struct cvy_conv_problem *p = &s->p;
    size_t out = s->out[axis], stride = p->stride[axis], in = p->in[axis], sum = 0;
    if (p->pad_mode != CVY_PAD_CONSTANT)
        return (double)(p->kernel[axis] * cvy_round_up(out, piece));
    for (size_t r = 0; r < p->kernel[axis]; r++) {
        size_t at = r * p->dilation[axis], pad = p->pad_begin[axis];
        size_t begin = at < pad ? cvy_ceil_div(pad - at, stride) : 0;
        size_t end = in + pad > at ? CVY_MIN(cvy_ceil_div(in + pad - at, stride), out) : 0;
        if (begin < end)
            sum += cvy_round_up(end, piece) - begin / piece * piece;
    }
    return (double)sum;
}

/* How long one unit of the device would take for all of them. */
static double unit_seconds(const struct geometry *s, const struct cvy_device *device)
{
    double units = (double)CVY_MAX(device->info.compute_units, 1);
    double blocks = (double)s->blocks, pixels = (double)s->pixels;
    /* each vector of weights is loaded for some pixels, each pixel for some blocks; measured */
    double efficiency = 0.95 / (1 + cvy_broadcast_cost(device) / (blocks * blocks) + 0.5 / pixels);
    efficiency *= CVY_MIN(1, blocks * pixels / 8); /* fewer than a multiplier's latency needs */
    double sums = tiles(s) * pixels * blocks * (double)s->lanes;
    double taps = met(s, 0, 1) * met(s, 1, 1) * met(s, 2, s->pixels) /
                  (double)(s->out[0] * s->out[1] * s->across * s->pixels);
    double flops = 2 * sums * (double)(s->x_blocks * s->x_channels) * taps;
    double seconds = flops * units / (efficiency * cvy_rate_flops(device));
    if (!s->whole)
        seconds += sums * 2e-9; /* written number by number */
    if (s->lanes < device->info.vector_width)
        seconds *= 1.15; /* parts of registers; measured where they take half as long as whole ones */
    bool fills_registers = device->info.type == CVY_DEVICE_CPU && device->info.vector_width >= s->lanes;
    return seconds * (fills_registers ? 1 : 20);
}

/* How the work is shared out: rows of y for a work-item, and blocks of x whose weights it uses for all of
 * them before the next ones. */
static void share(const struct geometry *s, const struct cvy_device *device, size_t *rows, size_t *chunk)
{
    size_t all = s->out[0] * s->out[1], most = CVY_MAX(MOST_ROUNDS / (s->across * tile_rounds(s)), 1);
    *rows = cvy_balance(device, all, s->panels * s->p.groups * s->p.n, most, unit_seconds(s, device));
    size_t weights = s->taps * s->x_channels * s->lanes * s->blocks * sizeof(float);
    *chunk = s->x_blocks;
    if (s->whole && *rows * s->across > 1)
        *chunk =
            cvy_ceil_div(s->x_blocks, cvy_ceil_div(s->x_blocks * weights, CVY_MAX(CHUNK_BYTES, weights)));
}

static double estimate(const struct cvy_conv_problem *p, const struct cvy_device *device,
                       const struct cvy_algo_config *config)
{
    struct geometry s = geometry_of(p, config);
    struct cvy_conv_cost cost;
    if (cvy_conv_get_cost(p, &cost) != CVY_OK)
        return 1e30;
    size_t rows, chunk;
    share(&s, device, &rows, &chunk);
    /* each panel goes through the whole image of x */
    double x = (double)(s.c_group * s.p.in[0] * s.p.in[1] * s.p.in[2]) * sizeof(float), again = 0;
    if (cvy_streams(device, 4 * x))
        again = (double)(s.p.n * s.p.groups * (s.panels - 1)) * x;
    return cvy_share_seconds(device, s.out[0] * s.out[1], s.panels * s.p.groups * s.p.n, rows,
                             unit_seconds(&s, device)) +
           (CVY_TILE_MEMORY_SHARE * cost.bytes + again) / cvy_rate_bytes(device);
}

static void default_config(const struct cvy_conv_problem *p, const struct cvy_device *device,
                           size_t max_workspace, struct cvy_algo_config *config)
{
    (void)max_workspace;
    cvy_least_config(&cvy_algo_direct, p, device, MOST_BLOCKS, config);
}

static bool configs(const struct cvy_conv_problem *p, const struct cvy_device *device, size_t index,
                    struct cvy_algo_config *config)
{
    static const size_t spares[] = {1, 0, 4};
    if (index >= MOST_BLOCKS * CVY_COUNT(spares))
        return false;
    set_config(p, device, 1 + index % MOST_BLOCKS, spares[index / MOST_BLOCKS], config);
    return true;
}

static size_t packed_count(const struct geometry *s)
{
    return s->p.groups * s->panels * s->lanes * s->blocks * s->x_blocks * s->x_channels * s->taps;
}

static size_t prepared_bytes(const struct cvy_conv_problem *p, const struct cvy_device *device,
                             const struct cvy_algo_config *config)
{
    (void)device;
    struct geometry s = geometry_of(p, config);
    return packed_count(&s) * sizeof(float);
}

static double tensor_bytes(const struct geometry *s)
{
    double x = (double)s->p.c * (double)(s->p.in[0] * s->p.in[1] * s->p.in[2]);
    double y = (double)s->p.k * (double)(s->out[0] * s->out[1] * s->out[2]);
    return (double)s->p.n * (x + y) * sizeof(float);
}

static void describe(struct cvy_launch *launch, const struct cvy_device *device, const struct geometry *s,
                     const char *kernel)
{
    cvy_launch_init(launch, "conv_direct", kernel);
    cvy_launch_define(launch, "LANES", s->lanes);
    cvy_launch_define(launch, "BLOCKS", s->blocks);
    cvy_launch_define(launch, "PIXELS", s->pixels);
    cvy_launch_define(launch, "X_BLOCK", s->x_block);
    cvy_launch_define(launch, "CHANNELS", s->x_channels);
    cvy_launch_define(launch, "Y_BLOCK", s->y_block);
    cvy_launch_define(launch, "SHUFFLED", s->p.shuffle > 1);
    cvy_launch_define(launch, "STREAM", cvy_streams(device, tensor_bytes(s)));
    cvy_launch_define(launch, "STRIDE_W", s->p.stride[2]);
    cvy_launch_define(launch, "PAD_MODE", s->p.pad_mode);
    cvy_epilogue_define(launch, &s->p);
}

static enum cvy_status build(struct cvy_device *device, const struct cvy_conv_problem *p,
                             const struct cvy_algo_config *config)
{
    struct geometry s = geometry_of(p, config);
    struct cvy_launch launch;
    describe(&launch, device, &s, "direct_pack");
    enum cvy_status status = cvy_launch_prepare(device, &launch);
    if (status != CVY_OK)
        return status;
    describe(&launch, device, &s, "direct");
    return cvy_launch_prepare(device, &launch);
}

static enum cvy_status prepare(struct cvy_device *device, const struct cvy_conv_problem *p,
                               const struct cvy_algo_config *config, struct cvy_buffer *w,
                               struct cvy_buffer *prepared)
{
    struct geometry s = geometry_of(p, config);
    size_t count = packed_count(&s);
    struct cvy_launch launch;
    describe(&launch, device, &s, "direct_pack");
    cvy_launch_buffer(&launch, w);
    cvy_launch_buffer(&launch, prepared);
    cvy_launch_int(&launch, count);
    cvy_launch_int(&launch, s.panels);
    cvy_launch_int(&launch, s.c_group);
    cvy_launch_int(&launch, s.k_group);
    cvy_launch_int(&launch, s.taps);
    cvy_launch_int(&launch, p->flip);
    cvy_launch_range(&launch, 1, &count, NULL);
    return cvy_launch_run(device, &launch);
}

static enum cvy_status enqueue(struct cvy_device *device, const struct cvy_conv_problem *p,
                               const struct cvy_algo_config *config, const struct cvy_algo_args *args)
{
    struct geometry s = geometry_of(p, config);
    size_t rows, chunk;
    share(&s, device, &rows, &chunk);
    struct cvy_launch launch;
    describe(&launch, device, &s, "direct");
    cvy_launch_balance(&launch);
    cvy_launch_buffer(&launch, args->x);
    cvy_launch_buffer(&launch, args->w);
    cvy_epilogue_arguments(&launch, p, args->bias);
    cvy_launch_buffer(&launch, args->y);
    cvy_launch_struct(&launch,
                      (size_t[]){s.p.groups, s.panels, s.c_group, s.k_group, s.p.shuffle, rows, chunk}, 7);
    cvy_window_argument(&launch, &s.p, s.out);
    size_t strips = cvy_ceil_div(s.out[0] * s.out[1], rows);
    cvy_launch_range(&launch, 3, (size_t[]){strips, s.p.groups * s.panels, s.p.n}, (size_t[]){1, 1, 1});
    return cvy_launch_run(device, &launch);
}

const struct cvy_algo cvy_algo_direct = {
    .id = "direct",
    .programs = {"conv_direct"},
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
