/*
 * subpixel_winograd: transposed convolutions of short strides by fewer multiplications. Each phase, the
 * positions of y a stride apart, is a convolution of stride 1 with every stride-th tap, and those few taps
 * Winograd's forms do: 100 products make the 8 x 8 results of a 4x4 kernel with stride 2 that took 256.
 * Lavin and Gray, arXiv 1509.09308. All phases share a tile of x, and one launch makes the products of all.
 */
#include <limits.h>
#include <math.h>
#include <stdio.h>

#include "base/arith.h"
#include "op/algo.h"
#include "op/epilogue.h"
#include "op/problem.h"
#include "op/rate.h"
#include "op/tile.h"
#include "runtime/device.h"
#include "runtime/launch.h"

#define MOST_TAPS 3
#define LEAST_CHANNELS 16 /* with fewer, tiles of 4 round much and save little */
#define MOST_STRIDE 4
#define MOST_STRIP ((size_t)16 << 20) /* of a strip's workspace; more leaves the caches */

extern const struct cvy_algo cvy_algo_subpixel_winograd;

/* config->value[]; STRIP: tiles of one */
enum { TILE, VECTORS, PANEL, STRIP };
/* the steps, as the kernels number them */
enum { WEIGHTS, DATA, PRODUCTS, RESULT, STEPS };

struct geometry {
    struct cvy_conv_problem p; /* three axes */
    size_t out[CVY_CONV_MAX_RANK];
    size_t lanes, blocks;      /* blocks: of channels of x */
    size_t vectors, blocks_k;  /* of channels of y; of VECTORS vectors */
    size_t tile[2], points[2]; /* on H and W */
    size_t all_points;
    size_t images, tiles, tiles_axis[2]; /* tiles: of the batch */
};

static struct geometry geometry_of(const struct cvy_conv_problem *problem,
                                   const struct cvy_algo_config *config)
{
    struct geometry s = {.p = cvy_conv_to_3d(problem), .lanes = problem->x_block};
    cvy_conv_output_sizes(&s.p, s.out);
    s.blocks = cvy_ceil_div(s.p.c, s.lanes);
    s.vectors = cvy_ceil_div(s.p.k, s.lanes);
    s.blocks_k = cvy_ceil_div(s.vectors, (size_t)config->value[VECTORS]);
    s.images = s.p.n * s.p.in[0];
    s.tiles = s.images;
    for (size_t i = 0; i < 2; i++) {
        size_t kernel = s.p.kernel[1 + i], stride = s.p.stride[1 + i];
        s.tile[i] = kernel == 1 ? 1 : (size_t)config->value[TILE];
        s.points[i] = stride * (s.tile[i] - 1) + kernel;
        s.tiles_axis[i] = cvy_ceil_div(cvy_ceil_div(s.out[1 + i], stride), s.tile[i]);
        s.tiles *= s.tiles_axis[i];
    }
    s.all_points = s.points[0] * s.points[1];
    return s;
}

static bool applicable(const struct cvy_conv_problem *problem, const struct cvy_device *device, char *why,
                       size_t size)
{
    (void)device;
    if (!cvy_conv_fits_int(problem, why, size))
        return false;
    struct cvy_conv_problem p = cvy_conv_to_3d(problem);
    if (!p.transposed || p.x_block == 0 || p.x_block != p.y_block || p.groups > 1 || p.shuffle > 1) {
        snprintf(why, size,
                 "it is for transposed convolutions with x and y in blocks of channels, neither "
                 "grouped nor shuffled");
        return false;
    }
    if (p.kernel[0] * p.stride[0] > 1 || p.pad_begin[0] + p.pad_end[0] + p.output_padding[0] > 0) {
        snprintf(why, size, "its kernels have no depth");
        return false;
    }
    bool is_wide = false;
    double packed = (double)(p.c + 16) * (double)(p.k + 80);
    for (size_t i = 1; i < CVY_CONV_MAX_RANK; i++) {
        size_t kernel = p.kernel[i], stride = p.stride[i];
        if ((kernel > 1 && p.dilation[i] > 1) || stride > MOST_STRIDE || kernel < stride ||
            kernel > MOST_TAPS * stride) {
            snprintf(why, size, "it does strides to %d and kernels of 1 to %d strides, not dilated",
                     MOST_STRIDE, MOST_TAPS);
            return false;
        }
        is_wide = is_wide || kernel > stride;
        packed *= (double)(3 * stride + kernel);
    }
    if (!is_wide || packed > INT_MAX) {
        snprintf(why, size, "it is for kernels longer than their stride, and %d transformed weights at most",
                 INT_MAX);
        return false;
    }
    return true;
}

/* Floats that so many tiles have in V and M together. */
static size_t scratch_of(const struct geometry *s, const struct cvy_algo_config *config, size_t tiles)
{
    size_t rounded = cvy_round_up(tiles, (size_t)config->value[PANEL]);
    size_t vectors = s->blocks_k * (size_t)config->value[VECTORS];
    return s->all_points * s->lanes * (rounded * (s->blocks + vectors) + 1 + s->blocks_k);
}

static size_t workspace(const struct cvy_conv_problem *p, const struct cvy_device *device,
                        const struct cvy_algo_config *config)
{
    (void)device;
    struct geometry s = geometry_of(p, config);
    return scratch_of(&s, config, (size_t)config->value[STRIP]) * sizeof(float);
}

static size_t weights_count(const struct geometry *s, const struct cvy_algo_config *config)
{
    return s->all_points * s->blocks_k * (size_t)config->value[VECTORS] * s->blocks * s->lanes * s->lanes;
}

static size_t prepared_bytes(const struct cvy_conv_problem *p, const struct cvy_device *device,
                             const struct cvy_algo_config *config)
{
    (void)device;
    struct geometry s = geometry_of(p, config);
    return weights_count(&s, config) * sizeof(float);
}

/* Vector operations of one tile's transforms, loads and stores included; in: the values of an axis before. */
static double transform_steps(const size_t in[2], const size_t out[2])
{
    double rows = (double)in[0] * (double)(in[1] + 3 * out[1]);
    return rows + (double)out[1] * (double)(in[0] + 3 * out[0]);
}

/* Expected seconds. Weights that no cache holds come at the pace of the memory. */
static double estimate(const struct cvy_conv_problem *p, const struct cvy_device *device,
                       const struct cvy_algo_config *config)
{
    const struct cvy_device_rates *rates = cvy_rates(device);
    struct geometry s = geometry_of(p, config);
    size_t panel = (size_t)config->value[PANEL], strip = (size_t)config->value[STRIP], span[2], out[2];
    for (size_t i = 0; i < 2; i++) {
        span[i] = s.tile[i] + cvy_ceil_div(s.p.kernel[1 + i], s.p.stride[1 + i]);
        out[i] = s.tile[i] * s.p.stride[1 + i];
    }
    double vector = 2 * (double)s.lanes / rates->flops, tiles = (double)s.tiles;
    double of_x = tiles * (double)s.blocks * transform_steps(span, s.points) * vector;
    double of_y = tiles * (double)s.vectors * transform_steps(s.points, out) * vector;
    double strips = ceil(tiles / (double)strip), weights = (double)weights_count(&s, config);
    double rounded = (double)(cvy_round_up(s.tiles, panel));
    double share = cvy_tile_share(device, config->value[VECTORS], (double)panel, 0);
    double products = 2 * rounded * weights / (0.95 * share * rates->flops);
    double bytes = weights * sizeof(float);
    double rate =
        cvy_weights_are_cached(device, bytes) ? rates->cache_bytes : CVY_WEIGHT_RATE * rates->memory_bytes;
    double stream = strips * bytes / rate;
    double between = 4 * (double)scratch_of(&s, config, s.tiles) * sizeof(float) / rates->cache_bytes;
    return STEPS * strips * rates->launch_seconds + CVY_MAX(products, stream) +
           0.3 * CVY_MIN(products, stream) + of_x + of_y + 0.5 * between;
}

static bool candidate(const struct cvy_conv_problem *p, size_t index, size_t max_workspace,
                      struct cvy_algo_config *config)
{
    static const int ways[][3] = {{4, 2, 14}, {4, 1, 16}, {4, 4, 6}, {2, 2, 14},
                                  {2, 1, 16}, {2, 4, 6},  {4, 4, 1}, {2, 4, 1}};
    if (index >= CVY_COUNT(ways))
        return false;
    *config = (struct cvy_algo_config){{ways[index][0], ways[index][1], 1}};
    struct geometry s = geometry_of(p, config);
    size_t panel = cvy_even_piece(s.tiles, (size_t)ways[index][2]);
    config->value[PANEL] = (int)panel;
    size_t fit = CVY_MIN(max_workspace, MOST_STRIP) / (scratch_of(&s, config, panel) * sizeof(float));
    config->value[STRIP] = (int)(cvy_even_piece(cvy_ceil_div(s.tiles, panel), CVY_MAX(fit, 1)) * panel);
    return true;
}

static bool configs(const struct cvy_conv_problem *p, const struct cvy_device *device, size_t index,
                    struct cvy_algo_config *config)
{
    (void)device;
    return candidate(p, index, MOST_STRIP, config);
}

static void default_config(const struct cvy_conv_problem *p, const struct cvy_device *device,
                           size_t max_workspace, struct cvy_algo_config *config)
{
    struct cvy_algo_config next;
    double least = INFINITY;
    for (size_t i = 0; candidate(p, i, max_workspace, &next); i++) {
        if (next.value[TILE] == 4 && p->c < LEAST_CHANNELS)
            continue;
        double seconds = estimate(p, device, &next);
        if (workspace(p, device, &next) > max_workspace)
            seconds += 1e9; /* only if there is no other */
        if (seconds < least) {
            least = seconds;
            *config = next;
        }
    }
}

static void describe(struct cvy_launch *launch, const struct geometry *s,
                     const struct cvy_algo_config *config, int step)
{
    static const char *const names[] = {[WEIGHTS] = "subpixel_winograd_weights",
                                        [DATA] = "subpixel_winograd_data",
                                        [PRODUCTS] = "subpixel_winograd_products",
                                        [RESULT] = "subpixel_winograd_result"};
    const struct cvy_conv_problem *p = &s->p;
    cvy_launch_init(launch, "conv_subpixel_winograd", names[step]);
    cvy_launch_define(launch, "KIND", (size_t)step);
    cvy_launch_define(launch, "LANES", step == WEIGHTS ? 1 : s->lanes);
    cvy_launch_define(launch, "KERNEL_H", p->kernel[1]);
    cvy_launch_define(launch, "KERNEL_W", p->kernel[2]);
    cvy_launch_define(launch, "STRIDE_H", p->stride[1]);
    cvy_launch_define(launch, "STRIDE_W", p->stride[2]);
    cvy_launch_define(launch, "PAD_H", p->pad_begin[1]);
    cvy_launch_define(launch, "PAD_W", p->pad_begin[2]);
    cvy_launch_define(launch, "TILE_H", s->tile[0]);
    cvy_launch_define(launch, "TILE_W", s->tile[1]);
    if (step == WEIGHTS)
        cvy_launch_define(launch, "FLIP", p->flip);
    else
        cvy_launch_define(launch, "PANEL", (size_t)config->value[PANEL]);
    if (step != WEIGHTS)
        cvy_launch_define(launch, "VECTORS", (size_t)config->value[VECTORS]);
    if (step == RESULT)
        cvy_epilogue_define(launch, p);
}

static enum cvy_status prepare(struct cvy_device *device, const struct cvy_conv_problem *p,
                               const struct cvy_algo_config *config, struct cvy_buffer *w,
                               struct cvy_buffer *prepared)
{
    struct geometry s = geometry_of(p, config);
    size_t count = weights_count(&s, config) / s.all_points;
    struct cvy_launch launch;
    describe(&launch, &s, config, WEIGHTS);
    cvy_launch_buffer(&launch, w);
    cvy_launch_buffer(&launch, prepared);
    cvy_launch_int(&launch, count);
    cvy_launch_int(&launch, (size_t)config->value[VECTORS] * s.lanes);
    cvy_launch_int(&launch, s.blocks * s.lanes);
    cvy_launch_int(&launch, p->c);
    cvy_launch_int(&launch, p->k);
    cvy_launch_range(&launch, 2, (size_t[]){count, s.p.stride[1] * s.p.stride[2]}, NULL);
    return cvy_launch_run(device, &launch);
}

static enum cvy_status build(struct cvy_device *device, const struct cvy_conv_problem *p,
                             const struct cvy_algo_config *config)
{
    struct geometry s = geometry_of(p, config);
    enum cvy_status status = CVY_OK;
    for (int i = 0; i < STEPS && status == CVY_OK; i++) {
        struct cvy_launch launch;
        describe(&launch, &s, config, i);
        status = cvy_launch_prepare(device, &launch);
    }
    return status;
}

/* One step for the tiles from `first` on. */
static enum cvy_status run_step(struct cvy_device *device, const struct geometry *s,
                                const struct cvy_algo_config *config, const struct cvy_algo_args *args,
                                int step, size_t first, size_t tiles)
{
    size_t panels = cvy_ceil_div(tiles, (size_t)config->value[PANEL]);
    size_t shape[] = {first,      tiles,      s->tiles_axis[0], s->tiles_axis[1], s->blocks, s->vectors,
                      s->p.in[0], s->p.in[1], s->p.in[2],       s->out[1],        s->out[2], s->p.k};
    struct cvy_launch launch;
    describe(&launch, s, config, step);
    cvy_launch_buffer(&launch, step == DATA ? args->x : step == PRODUCTS ? args->w : args->workspace);
    if (step == RESULT)
        cvy_epilogue_arguments(&launch, &s->p, args->bias);
    cvy_launch_buffer(&launch, step == RESULT ? args->y : args->workspace);
    if (step == PRODUCTS) {
        cvy_launch_int(&launch, tiles);
        cvy_launch_int(&launch, s->blocks);
        cvy_launch_int(&launch, s->blocks_k);
    } else {
        cvy_launch_struct(&launch, shape, CVY_COUNT(shape));
    }
    size_t range[] = {step == PRODUCTS ? s->blocks_k : panels, step == DATA       ? s->blocks
                                                               : step == PRODUCTS ? s->all_points
                                                                                  : s->vectors};
    cvy_launch_balance(&launch);
    cvy_launch_range(&launch, 2, range, (size_t[]){1, 1});
    return cvy_launch_run(device, &launch);
}

static enum cvy_status enqueue(struct cvy_device *device, const struct cvy_conv_problem *p,
                               const struct cvy_algo_config *config, const struct cvy_algo_args *args)
{
    struct geometry s = geometry_of(p, config);
    size_t strip = (size_t)config->value[STRIP];
    enum cvy_status status = CVY_OK;
    for (size_t first = 0; first < s.tiles && status == CVY_OK; first += strip) {
        for (int step = DATA; step < STEPS && status == CVY_OK; step++)
            status = run_step(device, &s, config, args, step, first, CVY_MIN(strip, s.tiles - first));
    }
    return status;
}

/* By how much the form of 2 or 4 results and so many taps amplifies an axis at most: the products of |A|, |G|
 * and the sum of a row of |B|, over the points, for the worst result and tap. */
static double error(const struct cvy_conv_problem *p, const struct cvy_algo_config *config)
{
    static const double of_2[] = {1, 1, 4, 4}, of_4[] = {1, 1, 11.4, 29.4};
    struct cvy_conv_problem whole = cvy_conv_to_3d(p);
    double bound = (double)p->c + 32;
    for (size_t i = 1; i < CVY_CONV_MAX_RANK; i++) {
        size_t taps = cvy_ceil_div(whole.kernel[i], whole.stride[i]);
        bound *= config->value[TILE] == 4 ? of_4[taps] : of_2[taps];
    }
    return bound;
}

const struct cvy_algo cvy_algo_subpixel_winograd = {
    .id = "subpixel_winograd",
    .programs = {"conv_subpixel_winograd"},
    .takes_blocks = true,
    .applicable = applicable,
    .default_config = default_config,
    .configs = configs,
    .workspace = workspace,
    .prepared_bytes = prepared_bytes,
    .prepare = prepare,
    .build = build,
    .enqueue = enqueue,
    .error = error,
    .estimate = estimate,
};
