/*
 * winograd: short kernels with stride 1 on H and W by fewer multiplications. A tile of x is taken to `side`
 * points an axis, there multiplied channel by channel as matrices, and taken back: 36 products make 4 x 4
 * results of a 3x3 kernel, 16 make 2 x 2. Lavin and Gray, arXiv 1509.09308. A kernel's depth counts as more
 * channels.
 *
 * Fused, a work-item takes a strip of tiles all the way through local memory, where that is a cache; split,
 * three launches pass a strip through the workspace.
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

#define MOST_SIDE 6
#define MOST_TAPS 5
#define LEAST_CHANNELS 16 /* with fewer, 5 points round much and save little; 4 keep small integers exact */
#define MOST_BLOCK_K 32   /* of the configs; bounds the weights before one is chosen */
#define MOST_LOCAL (1400 << 10)       /* of a level-2 cache of 2 MiB, beside weights, x and y */
#define MOST_SPLIT ((size_t)20 << 20) /* of a strip's workspace; longer ones are no faster */
#define CACHED_WEIGHTS (1 << 20)      /* beside a strip in a level-2 cache */
#define ITEMS_EACH 16                 /* of a launch of transforms, to every unit */
#define LEAST_PANEL 7                 /* of tiles by 2 vectors, that keep a multiplier busy */
#define CONFIG_WORKSPACE ((size_t)64 << 20)

extern const struct cvy_algo cvy_algo_winograd;

/* config->value[]; PARTS of a strip's channels, fused; STRIP: tiles of one, split */
enum { KIND, SIDE_H, SIDE_W, VECTORS, PANEL, PANELS, PARTS, STRIP };
/* values of KIND, as the kernels have them */
enum { WEIGHTS, FUSED, DATA, PRODUCTS, RESULT };

struct geometry {
    struct cvy_conv_problem p; /* three axes */
    size_t out[CVY_CONV_MAX_RANK];
    size_t c_group, k_group, lanes;
    size_t blocks;                   /* of channels of x in a group, times the kernel's depth */
    size_t points, side[2], taps[2]; /* on H and W */
    size_t tiles, tiles_h, tiles_w;  /* tiles: of the batch */
    size_t blocks_k;                 /* of VECTORS vectors of channels of y in a group */
};

static size_t lanes_of(const struct cvy_conv_problem *p, const struct cvy_device *device)
{
    size_t lanes = 1;
    while (lanes * 2 <= CVY_MIN(device->info.vector_width, 16))
        lanes *= 2;
    return p->x_block > 0 ? p->x_block : p->y_block > 0 ? p->y_block : lanes;
}

/* Tiles of an axis: those of every phase of the dilation, of which the first may have a pixel more. */
static size_t tiles_of(size_t out, size_t dilation, size_t tile)
{
    size_t least = out / dilation, longer = out % dilation;
    return longer * cvy_ceil_div(least + 1, tile) + (dilation - longer) * cvy_ceil_div(least, tile);
}

/* Results of a tile on an axis; 3 points take 3 taps for pairs. */
static size_t tile_size(size_t side, size_t taps)
{
    return side == 3 && taps == 3 ? 2 : side + 1 - taps;
}

static struct geometry geometry_of(const struct cvy_conv_problem *problem, const struct cvy_device *device,
                                   const struct cvy_algo_config *config)
{
    struct geometry s = {.p = cvy_conv_to_3d(problem), .lanes = lanes_of(problem, device)};
    cvy_conv_output_sizes(&s.p, s.out);
    s.c_group = s.p.c / s.p.groups;
    s.k_group = s.p.k / s.p.groups;
    s.blocks = cvy_ceil_div(s.c_group, s.lanes) * s.p.kernel[0];
    for (size_t i = 0; i < 2; i++) {
        s.side[i] = (size_t)config->value[SIDE_H + i];
        s.taps[i] = s.p.kernel[1 + i];
        if (s.taps[i] == 1)
            s.p.dilation[1 + i] = 1; /* no phases */
    }
    s.points = s.side[0] * s.side[1];
    s.tiles_h = tiles_of(s.out[1], s.p.dilation[1], tile_size(s.side[0], s.taps[0]));
    s.tiles_w = tiles_of(s.out[2], s.p.dilation[2], tile_size(s.side[1], s.taps[1]));
    s.tiles = s.p.n * s.out[0] * s.tiles_h * s.tiles_w;
    s.blocks_k = cvy_ceil_div(s.k_group, s.lanes * (size_t)config->value[VECTORS]);
    return s;
}

static bool applicable(const struct cvy_conv_problem *problem, const struct cvy_device *device, char *why,
                       size_t size)
{
    if (!cvy_conv_fits_int(problem, why, size))
        return false;
    struct cvy_conv_problem p = cvy_conv_to_3d(problem);
    size_t c_group = p.c / p.groups, k_group = p.k / p.groups, weights;
    if (p.transposed || p.shuffle > 1) {
        snprintf(why, size, "it does neither transposed convolutions nor shuffled channels");
        return false;
    }
    if (p.stride[1] != 1 || p.stride[2] != 1) {
        snprintf(why, size, "it does strides of 1; this one has %zux%zu", p.stride[1], p.stride[2]);
        return false;
    }
    if (p.kernel[1] > MOST_TAPS || p.kernel[2] > MOST_TAPS || p.kernel[1] * p.kernel[2] == 1) {
        snprintf(why, size, "it does kernels of 1 to %d, not of 1x1; this one has %zux%zu", MOST_TAPS,
                 p.kernel[1], p.kernel[2]);
        return false;
    }
    if (CVY_MAX(p.kernel[1], p.kernel[2]) > 3 && c_group < LEAST_CHANNELS) {
        snprintf(why, size, "kernels above 3 take 6 points, for which %zu channels are too few", c_group);
        return false;
    }
    size_t block = CVY_MAX(p.x_block, p.y_block);
    if (block > 0 && p.groups > 1 && (c_group % block != 0 || k_group % block != 0)) {
        snprintf(why, size, "its groups have %zu and %zu channels, which are no whole blocks of %zu", c_group,
                 k_group, block);
        return false;
    }
    size_t lanes = lanes_of(problem, device);
    if (!cvy_mul(cvy_round_up(c_group, lanes) * p.groups, cvy_round_up(k_group, MOST_BLOCK_K), &weights) ||
        weights > (size_t)INT_MAX / (MOST_SIDE * MOST_SIDE) / p.kernel[0]) {
        snprintf(why, size, "its transformed weights are more than the %d that a kernel's int can count",
                 INT_MAX);
        return false;
    }
    return true;
}

/* Floats that a panel of `tiles` tiles has in V and M together, of all groups. */
static size_t scratch_of(const struct geometry *s, const struct cvy_algo_config *config, size_t groups,
                         size_t blocks_k, size_t tiles)
{
    return groups * s->points * s->lanes * cvy_round_up(tiles, (size_t)config->value[PANEL]) *
           (s->blocks + blocks_k * (size_t)config->value[VECTORS]);
}

static size_t local_bytes(const struct geometry *s, const struct cvy_algo_config *config)
{
    size_t tiles = (size_t)config->value[PANEL] * (size_t)config->value[PANELS];
    return scratch_of(s, config, 1, 1, tiles) * sizeof(float);
}

static size_t workspace(const struct cvy_conv_problem *p, const struct cvy_device *device,
                        const struct cvy_algo_config *config)
{
    if (config->value[KIND] == FUSED)
        return 0;
    struct geometry s = geometry_of(p, device, config);
    return scratch_of(&s, config, s.p.groups, s.blocks_k, (size_t)config->value[STRIP]) * sizeof(float);
}

/* How much longer it takes until all units are done than if they were done together. Strips are of equal
 * length, but for the last; a strip is so many items. */
static double imbalance(double tiles, double strip, double items, const struct cvy_device *device)
{
    const double units = (double)CVY_MAX(device->info.compute_units, 1);
    const double whole = floor(tiles / strip), rest = tiles - whole * strip;
    double longest = ceil(whole * items / units) * strip;
    if (fmod(whole * items, units) == 0)
        longest += ceil(items / units) * rest;
    return longest * units / (tiles * items);
}

/* The share of a kernel's depth that meets x, on average, where every panel has one depth. */
static double depth_share(const struct geometry *s, const struct cvy_algo_config *config)
{
    const struct cvy_conv_problem *p = &s->p;
    size_t met = 0;
    if (p->pad_mode != CVY_PAD_CONSTANT || s->tiles_h * s->tiles_w % (size_t)config->value[PANEL] != 0)
        return 1;
    for (size_t z = 0; z < p->kernel[0]; z++) {
        size_t at = z * p->dilation[0], pad = p->pad_begin[0], stride = p->stride[0];
        size_t begin = at < pad ? cvy_ceil_div(pad - at, stride) : 0;
        size_t end = p->in[0] + pad > at ? cvy_ceil_div(p->in[0] + pad - at, stride) : 0;
        end = CVY_MIN(end, s->out[0]);
        met += begin < end ? end - begin : 0;
    }
    return (double)met / (double)(s->out[0] * p->kernel[0]);
}

/*
 * Expected seconds. Products run near the peak, but where weights that no near cache holds are used for a
 * panel only they come at the pace of the memory, or of the last cache, and some of that waiting always
 * shows. Transforms are counted in operations for each value. All measured with 16 to 512 channels.
 */
static double seconds_of(const struct geometry *s, const struct cvy_device *device,
                         const struct cvy_algo_config *config)
{
    const struct cvy_device_rates *rates = cvy_rates(device);
    const int *value = config->value;
    bool is_fused = value[KIND] == FUSED;
    double panel = value[PANEL], strip = is_fused ? panel * value[PANELS] : value[STRIP];
    double strips = ceil((double)s->tiles / strip), groups = (double)s->p.groups;
    double c_round = (double)(s->blocks * s->lanes);
    double k_round = (double)(s->blocks_k * (size_t)value[VECTORS] * s->lanes);
    double tiles = (double)cvy_round_up(s->tiles, (size_t)value[PANEL]);
    double values = tiles * (double)s->points * groups;

    /* x and y pass while little multiplies; where no cache holds them y is read before it is written */
    double tensors = (double)(s->p.n * s->p.c * s->p.in[0] * s->p.in[1] * s->p.in[2]) +
                     (double)(s->p.n * s->p.k * s->out[0] * s->out[1] * s->out[2]);
    double memory = (cvy_streams(device, tensors * sizeof(float)) ? 1.2 : 0.3) * tensors * sizeof(float) /
                    rates->memory_bytes;
    double each = s->side[0] == 1 || s->side[1] == 1 ? 20 : 14; /* a line's wait for loads and stores */
    double of_x = values * c_round * (s->p.x_block > 0 ? each : 50) / rates->flops;
    double of_y = values * k_round * (s->p.y_block > 0 ? each : 50) / rates->flops;
    double steps = panel * value[VECTORS]; /* multiplications for so many loads: */
    double products = 2 * values * c_round * k_round / ((is_fused ? 0.95 : 0.9) * rates->flops) *
                      CVY_MAX(1, 0.6 * (panel + value[VECTORS]) / steps + 0.6) * depth_share(s, config);
    double weights = (double)s->points * groups * c_round * k_round * sizeof(float);
    double pace = cvy_weights_are_cached(device, weights) ? rates->cache_bytes : rates->memory_bytes;
    double stream = weights > CACHED_WEIGHTS ? strips * weights / pace : 0;
    double of_first_panels = products * CVY_MIN(strips * panel / (double)s->tiles, 1);
    double seconds = products + CVY_MAX(0, stream - of_first_panels) + 0.35 * stream;
    if (device->info.type != CVY_DEVICE_CPU)
        seconds *= 20; /* one work-item to a work-group */
    if (is_fused) {
        seconds =
            imbalance(tiles, strip, value[PARTS] * groups, device) * (seconds + of_x * value[PARTS] + of_y);
        return rates->launch_seconds + seconds + memory;
    }
    double between = 2 * values * (c_round + k_round) * sizeof(float) / (0.7 * rates->cache_bytes);
    return 3 * strips * rates->launch_seconds + seconds + of_x + of_y + between + memory;
}

/* Strips of panels, parts of channels: within the local memory, and items for every unit. */
static bool fill_fused(const struct geometry *s, const struct cvy_device *device, size_t panels, size_t parts,
                       struct cvy_algo_config *config)
{
    config->value[PANELS] = (int)panels;
    config->value[PARTS] = (int)parts;
    size_t budget = CVY_MIN((size_t)device->info.local_bytes, (size_t)MOST_LOCAL);
    return !device->info.local_is_dedicated && local_bytes(s, config) <= budget &&
           panels <= cvy_ceil_div(s->tiles, (size_t)config->value[PANEL]) && parts <= s->blocks_k;
}

/* Strips as long as the workspace allows. */
static void fill_split(const struct geometry *s, size_t max_workspace, struct cvy_algo_config *config)
{
    size_t panel = (size_t)config->value[PANEL], panels = cvy_ceil_div(s->tiles, panel);
    size_t each = scratch_of(s, config, s->p.groups, s->blocks_k, panel) * sizeof(float);
    size_t fit = CVY_MAX(CVY_MIN(max_workspace, (size_t)MOST_SPLIT) / each, 1);
    config->value[STRIP] = (int)(cvy_ceil_div(panels, cvy_ceil_div(panels, fit)) * panel);
    config->value[PANELS] = (int)CVY_MIN(panels, 8);
}

/* Whether so many points do for the taps of an axis. Those of pairs need phases of at most two pixels, with
 * nothing else under the middle tap's neighbours. */
static bool suits(const struct cvy_conv_problem *p, size_t axis, size_t side)
{
    size_t out[CVY_CONV_MAX_RANK], taps = p->kernel[axis];
    cvy_conv_output_sizes(p, out);
    if (side != 3 || taps != 3)
        return taps == 1 || side > taps;
    return p->pad_mode == CVY_PAD_CONSTANT && out[axis] == p->in[axis] &&
           out[axis] <= 2 * p->dilation[axis] && p->pad_begin[axis] == p->dilation[axis];
}

/* The index-th way to do it; false: there is none such. */
static bool candidate(const struct cvy_conv_problem *p, const struct cvy_device *device, size_t index,
                      size_t max_workspace, struct cvy_algo_config *config)
{
    static const int sides[][2] = {{6, 6}, {4, 4}, {5, 5}, {4, 6}, {3, 3}};
    static const struct {
        int kind, panel;
        size_t panels, parts;
    } ways[] = {{FUSED, 14, 1, 1}, {FUSED, 14, 2, 1}, {FUSED, 14, 4, 1}, {FUSED, 14, 1, 2},
                {FUSED, 14, 2, 2}, {FUSED, 14, 4, 2}, {PRODUCTS, 14},    {PRODUCTS, 1}};
    const int *side = sides[index % CVY_COUNT(sides)], way = (int)(index / CVY_COUNT(sides));
    const struct cvy_conv_problem whole = cvy_conv_to_3d(p);
    *config = (struct cvy_algo_config){{ways[way].kind}};
    if (side[0] != side[1] && (whole.kernel[1] == 1 || whole.kernel[2] == 1))
        return false; /* another is the same */
    for (size_t i = 0; i < 2; i++) {
        size_t taps = whole.kernel[1 + i];
        if (!suits(&whole, 1 + i, (size_t)side[i]))
            return false;
        config->value[SIDE_H + i] = taps > 1 ? side[i] : 1;
    }
    size_t lanes = lanes_of(p, device);
    config->value[VECTORS] = p->k / p->groups > lanes ? 2 : 1;
    struct geometry s = geometry_of(p, device, config);
    size_t panels = cvy_ceil_div(s.tiles, (size_t)ways[way].panel);
    config->value[PANEL] = (int)cvy_ceil_div(s.tiles, panels);
    /* panels of one depth alone leave out what its kernel's depth does not meet */
    size_t plane = s.tiles_h * s.tiles_w, piece = cvy_even_piece(plane, (size_t)ways[way].panel);
    if (s.p.kernel[0] > 1 && piece >= LEAST_PANEL && plane % piece == 0)
        config->value[PANEL] = (int)piece;
    if (ways[way].kind == FUSED)
        return fill_fused(&s, device, ways[way].panels, ways[way].parts, config);
    fill_split(&s, max_workspace, config);
    return true;
}
#define CANDIDATES 40
#define CONFIGS 35 /* a tile at a time is for tiny workspaces */

static void default_config(const struct cvy_conv_problem *p, const struct cvy_device *device,
                           size_t max_workspace, struct cvy_algo_config *config)
{
    double best = INFINITY;
    for (size_t i = 0; i < CANDIDATES; i++) {
        struct cvy_algo_config next;
        if (!candidate(p, device, i, max_workspace, &next))
            continue;
        bool has_5 = next.value[SIDE_H] > 4 || next.value[SIDE_W] > 4;
        if (has_5 && p->c / p->groups < LEAST_CHANNELS)
            continue;
        struct geometry s = geometry_of(p, device, &next);
        double seconds = seconds_of(&s, device, &next);
        if (workspace(p, device, &next) > max_workspace)
            seconds += 1e9; /* only if there is no other */
        if (seconds < best) {
            best = seconds;
            *config = next;
        }
    }
}

static bool configs(const struct cvy_conv_problem *p, const struct cvy_device *device, size_t index,
                    struct cvy_algo_config *config)
{
    for (size_t i = 0; i < CONFIGS; i++) {
        if (candidate(p, device, i, CONFIG_WORKSPACE, config) && index-- == 0)
            return true;
    }
    return false;
}

static size_t weights_count(const struct geometry *s, const struct cvy_algo_config *config)
{
    return s->p.groups * s->blocks_k * (size_t)config->value[VECTORS] * s->lanes * s->blocks * s->lanes;
}

static size_t prepared_bytes(const struct cvy_conv_problem *p, const struct cvy_device *device,
                             const struct cvy_algo_config *config)
{
    struct geometry s = geometry_of(p, device, config);
    return weights_count(&s, config) * s.points * sizeof(float);
}

static void describe(struct cvy_launch *launch, const struct geometry *s,
                     const struct cvy_algo_config *config, int kind)
{
    static const char *const names[] = {[WEIGHTS] = "winograd_weights",
                                        [FUSED] = "winograd_fused",
                                        [DATA] = "winograd_data",
                                        [PRODUCTS] = "winograd_products",
                                        [RESULT] = "winograd_result"};
    cvy_launch_init(launch, "conv_winograd", names[kind]);
    cvy_launch_define(launch, "KIND", (size_t)kind);
    cvy_launch_define(launch, "SIDE_H", s->side[0]);
    cvy_launch_define(launch, "SIDE_W", s->side[1]);
    cvy_launch_define(launch, "TAPS_H", s->taps[0]);
    cvy_launch_define(launch, "TAPS_W", s->taps[1]);
    cvy_launch_define(launch, "LANES", kind == WEIGHTS ? 1 : s->lanes);
    if (kind == WEIGHTS)
        return;
    cvy_launch_define(launch, "VECTORS", (size_t)config->value[VECTORS]);
    cvy_launch_define(launch, "PANEL", (size_t)config->value[PANEL]);
    if (kind == FUSED)
        cvy_launch_define(launch, "STRIP", (size_t)config->value[PANEL] * (size_t)config->value[PANELS]);
    if (kind == FUSED || kind == DATA)
        cvy_launch_define(launch, "X_BLOCK", s->p.x_block);
    if (kind != RESULT)
        cvy_launch_define(launch, "PAD_MODE", s->p.pad_mode);
    if (kind == FUSED || kind == RESULT) {
        cvy_launch_define(launch, "Y_BLOCK", s->p.y_block);
        cvy_epilogue_define(launch, &s->p);
    }
}

static enum cvy_status prepare(struct cvy_device *device, const struct cvy_conv_problem *p,
                               const struct cvy_algo_config *config, struct cvy_buffer *w,
                               struct cvy_buffer *prepared)
{
    struct geometry s = geometry_of(p, device, config);
    size_t count = weights_count(&s, config);
    struct cvy_launch launch;
    describe(&launch, &s, config, WEIGHTS);
    cvy_launch_buffer(&launch, w);
    cvy_launch_buffer(&launch, prepared);
    cvy_launch_int(&launch, count);
    cvy_launch_int(&launch, (size_t)config->value[VECTORS] * s.lanes);
    cvy_launch_int(&launch, s.blocks / s.p.kernel[0] * s.lanes);
    cvy_launch_int(&launch, s.blocks_k);
    cvy_launch_int(&launch, s.c_group);
    cvy_launch_int(&launch, s.k_group);
    cvy_launch_int(&launch, s.p.kernel[0]);
    cvy_launch_int(&launch, s.p.flip);
    cvy_launch_range(&launch, 1, &count, NULL);
    return cvy_launch_run(device, &launch);
}

static enum cvy_status build(struct cvy_device *device, const struct cvy_conv_problem *p,
                             const struct cvy_algo_config *config)
{
    static const int fused[] = {WEIGHTS, FUSED}, split[] = {WEIGHTS, DATA, PRODUCTS, RESULT};
    bool is_fused = config->value[KIND] == FUSED;
    struct geometry s = geometry_of(p, device, config);
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; i < (is_fused ? CVY_COUNT(fused) : CVY_COUNT(split)) && status == CVY_OK; i++) {
        struct cvy_launch launch;
        describe(&launch, &s, config, is_fused ? fused[i] : split[i]);
        status = cvy_launch_prepare(device, &launch);
    }
    return status;
}

static void add_shape(struct cvy_launch *launch, const struct geometry *s, size_t first, size_t tiles)
{
    const struct cvy_conv_problem *p = &s->p;
    size_t values[] = {first,           tiles,        s->tiles_h,     s->tiles_w,      p->groups,
                       s->c_group,      s->k_group,   p->in[0],       p->in[1],        p->in[2],
                       s->out[0],       s->out[1],    s->out[2],      p->pad_begin[0], p->pad_begin[1],
                       p->pad_begin[2], p->stride[0], p->dilation[0], p->dilation[1],  p->dilation[2],
                       p->kernel[0]};
    cvy_launch_struct(launch, values, CVY_COUNT(values));
}

static void range(struct cvy_launch *launch, size_t x, size_t y, size_t z)
{
    cvy_launch_balance(launch);
    cvy_launch_range(launch, 3, (size_t[]){x, y, z}, (size_t[]){1, 1, 1});
}

static enum cvy_status enqueue_fused(struct cvy_device *device, const struct geometry *s,
                                     const struct cvy_algo_config *config, const struct cvy_algo_args *args)
{
    struct cvy_launch launch;
    describe(&launch, s, config, FUSED);
    cvy_launch_buffer(&launch, args->x);
    cvy_launch_buffer(&launch, args->w);
    cvy_epilogue_arguments(&launch, &s->p, args->bias);
    cvy_launch_buffer(&launch, args->y);
    size_t strip = (size_t)config->value[PANEL] * (size_t)config->value[PANELS];
    cvy_launch_int(&launch, (size_t)config->value[PARTS]);
    add_shape(&launch, s, 0, s->tiles);
    cvy_launch_local(&launch, local_bytes(s, config));
    range(&launch, cvy_ceil_div(s->tiles, strip), (size_t)config->value[PARTS], s->p.groups);
    return cvy_launch_run(device, &launch);
}

/* How many of the `vectors` of channels a work-item transforms for a panel of tiles. */
static size_t vectors_at_once(const struct geometry *s, const struct cvy_device *device,
                              const struct cvy_algo_config *config, size_t tiles, size_t vectors)
{
    size_t panels = cvy_ceil_div(tiles, (size_t)config->value[PANEL]) * s->p.groups;
    size_t items = (size_t)ITEMS_EACH * CVY_MAX(device->info.compute_units, 1);
    return cvy_even_piece(vectors, CVY_MAX(vectors * panels / items, 1));
}

static void range_of_panels(struct cvy_launch *launch, const struct geometry *s,
                            const struct cvy_algo_config *config, size_t tiles, size_t vectors, size_t piece)
{
    range(launch, cvy_ceil_div(vectors, piece), cvy_ceil_div(tiles, (size_t)config->value[PANEL]),
          s->p.groups);
}

static enum cvy_status enqueue_data(struct cvy_device *device, const struct geometry *s,
                                    const struct cvy_algo_config *config, const struct cvy_algo_args *args,
                                    size_t first, size_t tiles)
{
    struct cvy_launch launch;
    describe(&launch, s, config, DATA);
    cvy_launch_buffer(&launch, args->x);
    cvy_launch_buffer(&launch, args->workspace);
    size_t piece = vectors_at_once(s, device, config, tiles, s->blocks);
    cvy_launch_int(&launch, piece);
    add_shape(&launch, s, first, tiles);
    range_of_panels(&launch, s, config, tiles, s->blocks, piece);
    return cvy_launch_run(device, &launch);
}

static enum cvy_status enqueue_products(struct cvy_device *device, const struct geometry *s,
                                        const struct cvy_algo_config *config,
                                        const struct cvy_algo_args *args, size_t first, size_t tiles)
{
    size_t piece = (size_t)config->value[PANEL] * (size_t)config->value[PANELS];
    struct cvy_launch launch;
    describe(&launch, s, config, PRODUCTS);
    cvy_launch_buffer(&launch, args->w);
    cvy_launch_buffer(&launch, args->workspace);
    cvy_launch_int(&launch, (size_t)config->value[PANELS]);
    add_shape(&launch, s, first, tiles);
    range(&launch, cvy_ceil_div(tiles, piece), s->blocks_k * s->points, s->p.groups);
    return cvy_launch_run(device, &launch);
}

static enum cvy_status enqueue_result(struct cvy_device *device, const struct geometry *s,
                                      const struct cvy_algo_config *config, const struct cvy_algo_args *args,
                                      size_t first, size_t tiles)
{
    struct cvy_launch launch;
    describe(&launch, s, config, RESULT);
    cvy_launch_buffer(&launch, args->workspace);
    cvy_epilogue_arguments(&launch, &s->p, args->bias);
    cvy_launch_buffer(&launch, args->y);
    size_t vectors = cvy_ceil_div(s->k_group, s->lanes);
    size_t piece = vectors_at_once(s, device, config, tiles, vectors);
    cvy_launch_int(&launch, piece);
    add_shape(&launch, s, first, tiles);
    range_of_panels(&launch, s, config, tiles, vectors, piece);
    return cvy_launch_run(device, &launch);
}

static enum cvy_status enqueue(struct cvy_device *device, const struct cvy_conv_problem *p,
                               const struct cvy_algo_config *config, const struct cvy_algo_args *args)
{
    struct geometry s = geometry_of(p, device, config);
    if (config->value[KIND] == FUSED)
        return enqueue_fused(device, &s, config, args);
    enum cvy_status status = CVY_OK;
    size_t strip = (size_t)config->value[STRIP];
    for (size_t first = 0; first < s.tiles && status == CVY_OK; first += strip) {
        size_t tiles = CVY_MIN(strip, s.tiles - first);
        status = enqueue_data(device, &s, config, args, first, tiles);
        if (status == CVY_OK)
            status = enqueue_products(device, &s, config, args, first, tiles);
        if (status == CVY_OK)
            status = enqueue_result(device, &s, config, args, first, tiles);
    }
    return status;
}

/* A form of 6 points amplifies an axis by (10 + 10) / 6 + 32 * 12 / 24 + 10 at most, of 5 by (10 + 10) / 6 +
 * 16 * 12 / 24, of 3 or 4 by 4: the products of |A|, |G| and the sum of a row of |B|, over the points, for
 * the worst result and tap. */
static double error(const struct cvy_conv_problem *p, const struct cvy_algo_config *config)
{
    double bound = (double)(p->c / p->groups * (p->rank > 2 ? p->kernel[0] : 1)) + 32;
    static const double amplified[MOST_SIDE + 1] = {1, 1, 1, 4, 4, 11.4, 29.4};
    for (int i = SIDE_H; i <= SIDE_W; i++)
        bound *= amplified[config->value[i]];
    return bound;
}

static double estimate(const struct cvy_conv_problem *p, const struct cvy_device *device,
                       const struct cvy_algo_config *config)
{
    struct geometry s = geometry_of(p, device, config);
    return seconds_of(&s, device, config);
}

const struct cvy_algo cvy_algo_winograd = {
    .id = "winograd",
    .programs = {"conv_winograd"},
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
