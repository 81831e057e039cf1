/*
 * subpixel_blocks: transposed convolution where x or y lies in blocks of channels, for devices whose
 * work-items fill vector registers. Each phase, the positions of y a multiple of stride apart, is a
 * convolution of stride 1 with the taps that reach it; of few channels all phases together are one with more
 * channels. Shi et al., "Is the deconvolution layer the same as a convolutional layer?", arXiv 1609.07009.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arith.h"
#include "base/log.h"
#include "op/algo.h"
#include "op/epilogue.h"
#include "op/problem.h"
#include "op/rate.h"
#include "op/tile.h"
#include "op/window.h"
#include "runtime/device.h"
#include "runtime/launch.h"

#define PLAN 8 /* ints of a phase at the head of the packed weights, as the kernels have it */
#define MOST_PHASES 4096
#define MOST_PIXELS 16
#define MOST_ROUNDS 32768               /* what the loops of a work-item may do on any driver */
#define CHUNK_BYTES ((size_t)192 << 10) /* of x that stay in a core's cache beside a phase's weights */

extern const struct cvy_algo cvy_algo_subpixel_blocks;

/* config->value[] */
enum { LANES, BLOCKS, PIXELS, MERGED };

/* From the grid to x, on one axis and in one phase: offsets least, least + step, ... */
struct offsets {
    int64_t least;
    size_t count;
};

struct geometry {
    struct cvy_conv_problem p; /* three axes */
    size_t out[CVY_CONV_MAX_RANK], grid[CVY_CONV_MAX_RANK], step[CVY_CONV_MAX_RANK];
    size_t c_group, k_group;
    size_t phases, channels;         /* phases, and channels of each, that are computed one by one */
    size_t width, panels;            /* channels of a panel; panels of a phase */
    size_t rows;                     /* channels of x that a panel reads */
    size_t shift[CVY_CONV_MAX_RANK]; /* how far before y the first position of the grid begins */
    bool flat;                       /* the grid is as large as x: its tiles need not end with its rows */
};

/* Of one phase. */
static struct offsets phase_offsets(const struct cvy_conv_problem *p, size_t axis, size_t phase)
{
    size_t stride = p->stride[axis], dilation = p->dilation[axis], tap = 0;
    size_t reach = phase + p->pad_begin[axis], every = stride / cvy_gcd(stride, dilation);
    while (tap < every && (reach + tap * dilation * (stride - 1)) % stride != 0)
        tap++;
    if (tap == every || tap >= p->kernel[axis])
        return (struct offsets){0, 0};
    size_t count = (p->kernel[axis] - 1 - tap) / every + 1, last = tap + (count - 1) * every;
    return (struct offsets){((int64_t)reach - (int64_t)(last * dilation)) / (int64_t)stride, count};
}

/* Of all phases, from the least to the greatest. */
static struct offsets merged_offsets(const struct cvy_conv_problem *p, size_t axis)
{
    int64_t least = INT64_MAX, most = INT64_MIN;
    size_t step = p->dilation[axis] / cvy_gcd(p->stride[axis], p->dilation[axis]);
    for (size_t i = 0; i < p->stride[axis]; i++) {
        struct offsets one = phase_offsets(p, axis, i);
        if (one.count == 0)
            continue;
        least = CVY_MIN(least, one.least);
        most = CVY_MAX(most, one.least + (int64_t)((one.count - 1) * step));
    }
    return least > most ? (struct offsets){0, 0} : (struct offsets){least, (size_t)(most - least) + 1};
}

/* Of phases that begin so far before y, merged ones need the fewest offsets. */
static size_t best_shift(const struct cvy_conv_problem *problem, size_t axis)
{
    struct cvy_conv_problem p = *problem;
    size_t best = 0, least = SIZE_MAX;
    for (size_t i = 0; i < p.stride[axis] && i <= problem->pad_begin[axis]; i++) {
        p.pad_begin[axis] = problem->pad_begin[axis] - i;
        size_t count = merged_offsets(&p, axis).count;
        if (count < least) {
            least = count;
            best = i;
        }
    }
    return best;
}

static struct geometry geometry_of(const struct cvy_conv_problem *problem,
                                   const struct cvy_algo_config *config)
{
    struct geometry s = {.p = cvy_conv_to_3d(problem)};
    const struct cvy_conv_problem *p = &s.p;
    bool merged = config->value[MERGED];
    cvy_conv_output_sizes(p, s.out);
    s.c_group = p->c / p->groups;
    s.k_group = p->k / p->groups;
    s.phases = 1;
    s.flat = true;
    for (size_t i = 0; i < CVY_CONV_MAX_RANK; i++) {
        s.step[i] = merged ? 1 : p->dilation[i] / cvy_gcd(p->stride[i], p->dilation[i]);
        s.phases *= p->stride[i];
        s.shift[i] = merged ? best_shift(p, i) : 0;
        s.p.pad_begin[i] -= s.shift[i];
        s.grid[i] = cvy_ceil_div(s.out[i] + s.shift[i], p->stride[i]);
        s.flat = s.flat && s.grid[i] == p->in[i];
    }
    s.channels = merged ? s.phases * s.k_group : s.k_group;
    s.phases = merged ? 1 : s.phases;
    s.width = (size_t)(config->value[LANES] * config->value[BLOCKS]);
    s.panels = cvy_ceil_div(s.channels, s.width);
    /* x is read by whole blocks; a group may begin and end within one */
    size_t chunk = CVY_MAX(p->x_block, 1);
    s.rows =
        cvy_round_up(s.c_group + (s.c_group % chunk != 0 && p->groups > 1 ? chunk : 0), CVY_MIN(chunk, 4));
    return s;
}

static struct offsets axis_offsets(const struct geometry *s, bool merged, size_t axis, size_t phase)
{
    return merged ? merged_offsets(&s->p, axis) : phase_offsets(&s->p, axis, phase);
}

/* Fills PLAN ints for each phase, or only counts their taps. */
static size_t make_plan(const struct geometry *s, bool merged, int32_t *plan)
{
    const size_t *stride = s->p.stride;
    size_t taps = 0;
    for (size_t i = 0; i < s->phases; i++) {
        const size_t at[] = {i / (stride[1] * stride[2]), i / stride[2] % stride[1], i % stride[2]};
        size_t count = 1;
        for (size_t a = 0; a < CVY_CONV_MAX_RANK; a++) {
            struct offsets offsets = axis_offsets(s, merged, a, at[a]);
            count *= offsets.count;
            if (plan != NULL) {
                plan[i * PLAN + 2 * a] = (int32_t)offsets.least;
                plan[i * PLAN + 2 * a + 1] = (int32_t)offsets.count;
            }
        }
        if (plan != NULL) {
            plan[i * PLAN + 6] = (int32_t)taps;
            plan[i * PLAN + 7] = (int32_t)count;
        }
        taps += count;
    }
    return taps;
}

static bool is_merged(const struct cvy_algo_config *config)
{
    return config->value[MERGED] != 0;
}

static size_t weights_start(const struct geometry *s)
{
    return cvy_round_up(s->phases * PLAN, 16);
}

static size_t weights_count(const struct geometry *s, const struct cvy_algo_config *config)
{
    return s->p.groups * make_plan(s, is_merged(config), NULL) * s->panels * s->rows * s->width;
}

static bool applicable(const struct cvy_conv_problem *p, const struct cvy_device *device, char *why,
                       size_t size)
{
    (void)device;
    if (!cvy_conv_fits_int(p, why, size))
        return false;
    if (!p->transposed || (p->x_block == 0 && p->y_block == 0)) {
        snprintf(why, size, "it is for transposed convolutions with x or y in blocks of channels");
        return false;
    }
    double phases = 1, taps = 1, packed = (double)p->groups;
    for (size_t i = 0; i < p->rank; i++) {
        phases *= (double)p->stride[i];
        /* offsets of merged phases, at most */
        taps *= 2 + (double)(p->kernel[i] * p->dilation[i]) / (double)p->stride[i];
    }
    packed *= taps * (double)(p->c / p->groups + 16) * (phases * (double)(p->k / p->groups) + 80);
    if (phases > MOST_PHASES || packed * phases > INT_MAX)
        snprintf(why, size, "its packed weights may be more than the %d that a kernel's int can count",
                 INT_MAX);
    return phases <= MOST_PHASES && packed * phases <= INT_MAX;
}

static size_t tiles_of(const struct geometry *s, const struct cvy_algo_config *config)
{
    size_t pixels = (size_t)config->value[PIXELS];
    return s->flat ? cvy_ceil_div(s->grid[0] * s->grid[1] * s->grid[2], pixels)
                   : s->grid[0] * s->grid[1] * cvy_ceil_div(s->grid[2], pixels);
}

static void set_config(const struct cvy_conv_problem *p, const struct cvy_device *device, size_t blocks,
                       size_t most, bool merged, struct cvy_algo_config *config)
{
    size_t lanes = CVY_MAX(p->x_block, p->y_block);
    *config = (struct cvy_algo_config){{0}};
    config->value[LANES] = (int)lanes;
    config->value[BLOCKS] = (int)blocks;
    config->value[MERGED] = merged;
    struct geometry s = geometry_of(p, config);
    size_t row = s.flat ? s.grid[0] * s.grid[1] * s.grid[2] : s.grid[2];
    most = CVY_MIN(cvy_tile_pixels(lanes, blocks, 2), most);
    config->value[PIXELS] = (int)cvy_tile_piece(device, row, blocks, most);
}

/* Pairs of a tap and a position of the grid from which it leads to x, of all phases. */
static double seen_pairs(const struct geometry *s, bool merged)
{
    double pairs = 1;
    for (size_t a = 0; a < CVY_CONV_MAX_RANK; a++) {
        double of_axis = 0;
        for (size_t i = 0; i < (merged ? 1 : s->p.stride[a]); i++) {
            struct offsets offsets = axis_offsets(s, merged, a, i);
            for (size_t j = 0; j < offsets.count; j++) {
                int64_t offset = offsets.least + (int64_t)(j * s->step[a]);
                int64_t begin = CVY_MAX(-offset, 0);
                int64_t end = CVY_MIN((int64_t)s->grid[a], (int64_t)s->p.in[a] - offset);
                of_axis += (double)CVY_MAX(end - begin, 0);
            }
        }
        pairs *= of_axis;
    }
    return pairs;
}

/* Seconds of all arithmetic that is done, of one unit. */
static double arithmetic_seconds(const struct cvy_conv_problem *p, const struct cvy_device *device,
                                 const struct cvy_algo_config *config)
{
    struct geometry s = geometry_of(p, config);
    double blocks = config->value[BLOCKS], pairs = seen_pairs(&s, is_merged(config));
    double visits = CVY_MIN(pairs, (double)(tiles_of(&s, config) * make_plan(&s, is_merged(config), NULL)));
    double rows = (double)(p->n * p->groups * s.panels * s.rows);
    double pixels = pairs / CVY_MAX(visits, 1), weights = (double)weights_count(&s, config);
    bool is_cached = weights * sizeof(float) <= CVY_TILE_CACHE_BYTES * (double)(s.panels * s.phases);
    double share = 1 / (1 + 0.1 / (blocks * blocks) + (is_cached ? 0.3 : 1.3) / pixels);
    share *= CVY_MIN(1, blocks * pixels / 4); /* fewer sums than a multiplier's latency needs */
    /* pixels that are left out still have to be asked about */
    pairs += 0.1 * visits * ((double)config->value[PIXELS] - pixels) / blocks;
    return 2 * rows * pairs * (double)s.width / (share * cvy_rate_flops(device));
}

#define CONFIGS 16

static bool configs(const struct cvy_conv_problem *p, const struct cvy_device *device, size_t index,
                    struct cvy_algo_config *config)
{
    static const struct {
        size_t blocks, pixels;
    } tiles[] = {{1, 16}, {2, 8}, {2, 12}, {3, 8}, {4, 6}, {5, 4}, {4, 1}, {1, 8}};
    if (index >= CVY_COUNT(tiles) * 2)
        return false;
    set_config(p, device, tiles[index / 2].blocks, tiles[index / 2].pixels, index % 2, config);
    return true;
}

static double estimate(const struct cvy_conv_problem *p, const struct cvy_device *device,
                       const struct cvy_algo_config *config)
{
    struct cvy_conv_cost cost;
    if (cvy_conv_get_cost(p, &cost) != CVY_OK)
        return 1e30;
    struct geometry s = geometry_of(p, config);
    double seconds = arithmetic_seconds(p, device, config);
    double weights = (double)weights_count(&s, config) * sizeof(float);
    if (device->info.cache_bytes > 0 && !cvy_weights_are_cached(device, weights)) {
        double stream = weights / (CVY_WEIGHT_RATE * cvy_rate_bytes(device));
        return CVY_SHARE_LAUNCH + CVY_MAX(seconds, stream) + 0.3 * CVY_MIN(seconds, stream);
    }
    return CVY_SHARE_LAUNCH + seconds + CVY_TILE_MEMORY_SHARE * cost.bytes / cvy_rate_bytes(device);
}

static void default_config(const struct cvy_conv_problem *p, const struct cvy_device *device,
                           size_t max_workspace, struct cvy_algo_config *config)
{
    (void)max_workspace;
    cvy_least_config(&cvy_algo_subpixel_blocks, p, device, CONFIGS, config);
}

static size_t prepared_bytes(const struct cvy_conv_problem *p, const struct cvy_device *device,
                             const struct cvy_algo_config *config)
{
    (void)device;
    struct geometry s = geometry_of(p, config);
    return (weights_start(&s) + weights_count(&s, config)) * sizeof(float);
}

/* The head of the packed weights: the plan. */
static enum cvy_status write_head(const struct geometry *s, bool merged, struct cvy_buffer *prepared)
{
    size_t bytes = weights_start(s) * sizeof(int32_t);
    int32_t *head = calloc(1, bytes);
    if (head == NULL)
        return cvy_fail_memory("a convolution's plan", bytes);
    make_plan(s, merged, head);
    enum cvy_status status = cvy_buffer_write(prepared, 0, bytes, head);
    free(head);
    return status;
}

static void describe_pack(struct cvy_launch *launch, const struct cvy_conv_problem *p,
                          const struct cvy_algo_config *config)
{
    cvy_launch_init(launch, "conv_subpixel_blocks", "pack");
    cvy_launch_define(launch, "PACK", 1);
    cvy_launch_define(launch, "X_BLOCK", p->x_block);
    cvy_launch_define(launch, "FLIP", p->flip);
    cvy_launch_define(launch, "MERGED", is_merged(config));
}

static enum cvy_status prepare(struct cvy_device *device, const struct cvy_conv_problem *p,
                               const struct cvy_algo_config *config, struct cvy_buffer *w,
                               struct cvy_buffer *prepared)
{
    struct geometry s = geometry_of(p, config);
    enum cvy_status status = write_head(&s, is_merged(config), prepared);
    if (status != CVY_OK)
        return status;
    size_t most_taps = 1;
    for (size_t a = 0; a < CVY_CONV_MAX_RANK; a++) {
        size_t most = 0;
        for (size_t i = 0; i < s.p.stride[a]; i++) {
            struct offsets offsets = axis_offsets(&s, is_merged(config), a, i);
            most = CVY_MAX(most, offsets.count);
        }
        most_taps *= most;
    }
    struct cvy_launch launch;
    describe_pack(&launch, p, config);
    cvy_launch_buffer(&launch, w);
    cvy_launch_buffer(&launch, prepared);
    cvy_launch_int(&launch, weights_start(&s));
    cvy_launch_int(&launch, s.phases);
    cvy_launch_int(&launch, s.panels);
    cvy_launch_int(&launch, s.width);
    cvy_launch_int(&launch, s.rows);
    cvy_launch_int(&launch, s.c_group);
    cvy_launch_int(&launch, s.k_group);
    cvy_launch_int(&launch, make_plan(&s, is_merged(config), NULL));
    cvy_launch_sizes(&launch, s.step, CVY_CONV_MAX_RANK);
    cvy_launch_sizes(&launch, s.p.kernel, CVY_CONV_MAX_RANK);
    cvy_launch_sizes(&launch, s.p.stride, CVY_CONV_MAX_RANK);
    cvy_launch_sizes(&launch, s.p.dilation, CVY_CONV_MAX_RANK);
    cvy_launch_sizes(&launch, s.p.pad_begin, CVY_CONV_MAX_RANK);
    cvy_launch_range(&launch, 3, (size_t[]){s.rows * s.width, most_taps * s.panels, s.phases * p->groups},
                     NULL);
    return cvy_launch_run(device, &launch);
}

static double tensor_bytes(const struct geometry *s)
{
    double x = (double)(s->p.c * s->p.in[0] * s->p.in[1] * s->p.in[2]);
    double y = (double)(s->p.k * s->out[0] * s->out[1] * s->out[2]);
    return (x + y) * (double)s->p.n * sizeof(float);
}

static void describe(struct cvy_launch *launch, const struct cvy_device *device, const struct geometry *s,
                     const struct cvy_algo_config *config)
{
    size_t lanes = (size_t)config->value[LANES];
    size_t flat = s->flat;
    bool side_by_side = s->p.groups == 1 || s->k_group % lanes == 0;
    cvy_launch_init(launch, "conv_subpixel_blocks", "subpixel_blocks");
    cvy_launch_define(launch, "PACK", 0);
    cvy_launch_define(launch, "X_BLOCK", s->p.x_block);
    cvy_launch_define(launch, "Y_BLOCK", s->p.y_block);
    cvy_launch_define(launch, "MERGED", is_merged(config));
    cvy_launch_define(launch, "FLAT", flat);
    cvy_launch_define(launch, "STREAM", cvy_streams(device, tensor_bytes(s)));
    cvy_launch_define(launch, "IS_DIRECT",
                      s->p.y_block > 0 && s->p.shuffle <= 1 && side_by_side && !is_merged(config));
    cvy_launch_define(launch, "LANES", lanes);
    cvy_launch_define(launch, "BLOCKS", (size_t)config->value[BLOCKS]);
    cvy_launch_define(launch, "PIXELS", (size_t)config->value[PIXELS]);
    cvy_epilogue_define(launch, &s->p);
}

static enum cvy_status build(struct cvy_device *device, const struct cvy_conv_problem *p,
                             const struct cvy_algo_config *config)
{
    struct geometry s = geometry_of(p, config);
    struct cvy_launch launch;
    describe_pack(&launch, p, config);
    enum cvy_status status = cvy_launch_prepare(device, &launch);
    if (status != CVY_OK)
        return status;
    describe(&launch, device, &s, config);
    return cvy_launch_prepare(device, &launch);
}

/* Tiles of the grid that one work-item makes of a panel, one after the other. */
static size_t tiles_each(const struct geometry *s, const struct cvy_device *device,
                         const struct cvy_algo_config *config, size_t taps, double seconds)
{
    size_t tiles = tiles_of(s, config),
           rounds = taps * (s->rows / CVY_MIN(CVY_MAX(s->p.x_block, 1), 4) * 5 / 4 + 4);
    size_t bytes = (size_t)config->value[PIXELS] * s->rows * sizeof(float);
    size_t most = CVY_MAX(CVY_MIN(CHUNK_BYTES / bytes, MOST_ROUNDS / rounds), 1);
    return cvy_balance(device, tiles, s->panels * s->p.groups * s->p.n, most, seconds);
}

/* Whether less comes from beyond the caches when pixels wait for all panels, not panels for all pixels. */
static bool panels_first(const struct geometry *s, double weights, size_t chunks)
{
    double x = (double)(s->p.n * s->p.c / s->p.groups * s->p.in[0] * s->p.in[1] * s->p.in[2]) * sizeof(float);
    double first = x + weights * (weights > CVY_TILE_CACHE_BYTES ? (double)(chunks * s->p.n) : 1);
    double last = weights + x * (x > CVY_TILE_CACHE_BYTES ? (double)s->panels : 1);
    return first < last;
}

static enum cvy_status enqueue(struct cvy_device *device, const struct cvy_conv_problem *p,
                               const struct cvy_algo_config *config, const struct cvy_algo_args *args)
{
    struct geometry s = geometry_of(p, config);
    size_t taps = make_plan(&s, is_merged(config), NULL), tiles = tiles_of(&s, config);
    double seconds = arithmetic_seconds(p, device, config) * (double)CVY_MAX(device->info.compute_units, 1);
    size_t each = tiles_each(&s, device, config, taps, seconds), chunks = cvy_ceil_div(tiles, each);
    double weights = (double)weights_count(&s, config) / (double)p->groups * sizeof(float);
    bool first = panels_first(&s, weights, chunks);
    struct cvy_launch launch;
    describe(&launch, device, &s, config);
    cvy_launch_buffer(&launch, args->x);
    cvy_launch_buffer(&launch, args->w);
    cvy_epilogue_arguments(&launch, p, args->bias);
    cvy_launch_buffer(&launch, args->y);
    size_t x_image = cvy_round_up(p->c, CVY_MAX(p->x_block, 1)) * s.p.in[0] * s.p.in[1] * s.p.in[2];
    size_t y_image = cvy_round_up(p->k, CVY_MAX(p->y_block, 1)) * s.out[0] * s.out[1] * s.out[2];
    size_t values[] = {
        weights_start(&s), tiles,     each,      first,     s.phases,   s.panels,   s.rows,    taps,
        x_image,           y_image,   p->k,      s.c_group, s.k_group,  p->shuffle, s.step[0], s.step[1],
        s.step[2],         s.grid[0], s.grid[1], s.grid[2], s.shift[0], s.shift[1], s.shift[2]};
    cvy_launch_struct(&launch, values, CVY_COUNT(values));
    cvy_window_argument(&launch, &s.p, s.out);
    size_t panels = s.panels * p->groups;
    size_t range[] = {first ? panels : chunks, first ? chunks : p->n, first ? p->n : panels};
    cvy_launch_balance(&launch);
    cvy_launch_range(&launch, 3, range, (size_t[]){1, 1, 1});
    return cvy_launch_run(device, &launch);
}

const struct cvy_algo cvy_algo_subpixel_blocks = {
    .id = "subpixel_blocks",
    .programs = {"conv_subpixel_blocks"},
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
