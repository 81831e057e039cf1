/*
 * pointwise_blocks: a 1x1 kernel where x or y lies in blocks of channels, for devices whose work-items fill
 * vector registers: the sums of some blocks of channels by some pixels stay in registers while the channels
 * of x go by. Grouped ones too: weights are zero where a block reaches into another group.
 */
#include <limits.h>
#include <stdio.h>

#include "base/arith.h"
#include "op/algo.h"
#include "op/epilogue.h"
#include "op/pointwise.h"
#include "op/rate.h"
#include "op/tile.h"
#include "op/window.h"
#include "runtime/device.h"
#include "runtime/launch.h"

#define CHUNK_BYTES ((size_t)512 << 10) /* of x that stay in a core's cache while the weights go by */
#define WEIGHT_BYTES ((size_t)32 << 10) /* that stay in the cache next to the registers while x goes by */
#define MOST_ROUNDS 32768               /* what the loops of a work-item may do on any driver */

extern const struct cvy_algo cvy_algo_pointwise_blocks;

/* config->value[] */
enum { LANES, BLOCKS, PIXELS };

static bool applicable(const struct cvy_conv_problem *p, const struct cvy_device *device, char *why,
                       size_t size)
{
    (void)device;
    if (!cvy_pointwise_applies(p, why, size))
        return false;
    size_t packed, width = CVY_TILE_MOST_BLOCKS * 16, across = 2 + width / (p->k / p->groups);
    if (p->x_block == 0 && p->y_block == 0) {
        snprintf(why, size, "it is for x or y in blocks of channels; these are plain");
        return false;
    }
    if (!cvy_mul(p->k + width, across * (p->c / p->groups + 16), &packed) || packed > INT_MAX) {
        snprintf(why, size, "its packed weights are more than the %d that a kernel's int can count", INT_MAX);
        return false;
    }
    return true;
}

struct panels {
    size_t width, count;        /* channels of y in a panel; panels */
    size_t most_rows, all_rows; /* channels of x that a panel reads; that all of them do */
};

/* From the first channel's group to the last one's. */
static size_t panel_rows(const struct cvy_pointwise *s, size_t width, size_t panel)
{
    size_t last = CVY_MIN((panel + 1) * width, s->p.k) - 1;
    return (last / s->k_group + 1 - panel * width / s->k_group) * s->c_group;
}

static struct panels panels_of(const struct cvy_pointwise *s, const struct cvy_algo_config *config)
{
    size_t width = (size_t)(config->value[LANES] * config->value[BLOCKS]);
    struct panels panels = {.width = width, .count = cvy_ceil_div(s->p.k, width)};
    for (size_t i = 0; i < panels.count; i++) {
        size_t rows = panel_rows(s, width, i);
        panels.most_rows = CVY_MAX(panels.most_rows, rows);
        panels.all_rows += rows;
    }
    return panels;
}

static void set_config(const struct cvy_pointwise *s, const struct cvy_device *device, size_t blocks,
                       size_t spare, struct cvy_algo_config *config)
{
    size_t lanes = CVY_MAX(s->p.x_block, s->p.y_block);
    size_t pixels = CVY_MIN(cvy_tile_pixels(lanes, blocks, spare), 14); /* more do not profit */
    *config = (struct cvy_algo_config){{0}};
    config->value[LANES] = (int)lanes;
    config->value[BLOCKS] = (int)blocks;
    config->value[PIXELS] = (int)cvy_tile_piece(device, s->pixels, blocks, pixels);
}

/* Whether sums can wait in y. */
static bool is_direct(const struct cvy_conv_problem *p)
{
    return p->y_block > 0 && p->shuffle <= 1;
}

/* Seconds that a unit alone would need for all arithmetic, tails included. */
static double unit_seconds(const struct cvy_pointwise *s, const struct cvy_device *device,
                           const struct cvy_algo_config *config, struct panels panels)
{
    double blocks = config->value[BLOCKS], pixels = config->value[PIXELS];
    double work = (double)s->p.n * (double)(panels.all_rows * panels.width) *
                  (double)cvy_round_up(s->pixels, (size_t)config->value[PIXELS]);
    /* where sums wait in y, the weights at hand stay in the nearest cache */
    double weights =
        is_direct(&s->p) ? 0 : (double)(panels.count * panels.width * panels.most_rows) * sizeof(float);
    double share = cvy_tile_share(device, blocks, pixels, weights);
    return 2 * work * (double)CVY_MAX(device->info.compute_units, 1) / (share * cvy_rate_flops(device));
}

static void default_config(const struct cvy_conv_problem *p, const struct cvy_device *device,
                           size_t max_workspace, struct cvy_algo_config *config)
{
    (void)max_workspace;
    cvy_least_config(&cvy_algo_pointwise_blocks, p, device, CVY_TILE_MOST_BLOCKS, config);
}

static bool configs(const struct cvy_conv_problem *p, const struct cvy_device *device, size_t index,
                    struct cvy_algo_config *config)
{
    if (index >= 2 * CVY_TILE_MOST_BLOCKS)
        return false;
    struct cvy_pointwise s = cvy_pointwise_of(p);
    set_config(&s, device, 1 + index % CVY_TILE_MOST_BLOCKS, index < CVY_TILE_MOST_BLOCKS ? 4 : 1, config);
    return true;
}

static size_t prepared_bytes(const struct cvy_conv_problem *p, const struct cvy_device *device,
                             const struct cvy_algo_config *config)
{
    (void)device;
    struct cvy_pointwise s = cvy_pointwise_of(p);
    struct panels panels = panels_of(&s, config);
    return panels.count * panels.width * panels.most_rows * sizeof(float);
}

static size_t x_blocks(const struct cvy_conv_problem *p)
{
    return cvy_ceil_div(p->c, CVY_MAX(p->x_block, 1));
}

static size_t workspace(const struct cvy_conv_problem *p, const struct cvy_device *device,
                        const struct cvy_algo_config *config)
{
    (void)device;
    (void)config;
    struct cvy_pointwise s = cvy_pointwise_of(p);
    return s.mapped ? p->n * x_blocks(p) * CVY_MAX(p->x_block, 1) * s.pixels * sizeof(float) : 0;
}

/* What is done before: "pack" to weights, "pick" to an x whose pixels are not y's. */
static void describe_first(struct cvy_launch *launch, const struct cvy_pointwise *s, const char *kernel)
{
    cvy_launch_init(launch, "conv_pointwise_blocks", kernel);
    cvy_launch_define(launch, "PACK", 1);
    cvy_launch_define(launch, "X_BLOCK", s->p.x_block);
    cvy_launch_define(launch, "LANES", CVY_MAX(s->p.x_block, 1));
    cvy_pointwise_define(launch, s);
}

static enum cvy_status prepare(struct cvy_device *device, const struct cvy_conv_problem *p,
                               const struct cvy_algo_config *config, struct cvy_buffer *w,
                               struct cvy_buffer *prepared)
{
    struct cvy_pointwise s = cvy_pointwise_of(p);
    struct panels panels = panels_of(&s, config);
    size_t count = panels.count * panels.width * panels.most_rows;
    struct cvy_launch launch;
    describe_first(&launch, &s, "pack");
    cvy_launch_buffer(&launch, w);
    cvy_launch_buffer(&launch, prepared);
    cvy_launch_int(&launch, count);
    cvy_launch_int(&launch, panels.width);
    cvy_launch_int(&launch, panels.most_rows);
    cvy_launch_int(&launch, p->k);
    cvy_launch_int(&launch, s.c_group);
    cvy_launch_int(&launch, s.k_group);
    cvy_launch_int(&launch, p->transposed);
    cvy_launch_range(&launch, 1, &count, NULL);
    return cvy_launch_run(device, &launch);
}

/* How the work is shared out. */
struct cut {
    struct panels panels;
    size_t tiles, planes; /* of pixels; rows of them that lie side by side */
    size_t each;          /* tiles that one work-item makes, one after the other */
    size_t channels;      /* of x, whose weights serve all these tiles before the next ones do */
    double seconds;       /* that a unit alone would need */
};

static struct cut cut_of(const struct cvy_pointwise *s, const struct cvy_device *device,
                         const struct cvy_algo_config *config)
{
    struct panels panels = panels_of(s, config);
    size_t rows = panels.most_rows, tile = (size_t)config->value[PIXELS];
    size_t most = CVY_MIN(CHUNK_BYTES / (tile * rows * sizeof(float)), MOST_ROUNDS / rows);
    struct cut cut = {.panels = panels,
                      .tiles = cvy_ceil_div(s->pixels, tile),
                      .planes = panels.count * s->p.n,
                      .seconds = unit_seconds(s, device, config, panels)};
    cut.each = cvy_balance(device, cut.tiles, cut.planes, CVY_MAX(most, 1), cut.seconds);
    size_t fit = is_direct(&s->p) && cut.each > 1 ? WEIGHT_BYTES / (panels.width * sizeof(float)) : rows;
    cut.channels = cvy_round_up(cvy_even_piece(rows, CVY_MAX(fit, 1)), CVY_MAX(s->p.x_block, 1));
    /* pieces end with a block of x, groups may begin within one: what cannot wait must still be one piece */
    if (!is_direct(&s->p))
        cut.channels += s->p.x_block;
    return cut;
}

static void describe(struct cvy_launch *launch, const struct cvy_device *device,
                     const struct cvy_pointwise *s, const struct cvy_algo_config *config)
{
    cvy_launch_init(launch, "conv_pointwise_blocks", "pointwise_blocks");
    cvy_launch_define(launch, "PACK", 0);
    cvy_launch_define(launch, "X_BLOCK", s->p.x_block);
    cvy_launch_define(launch, "Y_BLOCK", s->p.y_block);
    cvy_launch_define(launch, "SHUFFLE", s->p.shuffle > 1);
    cvy_launch_define(launch, "LANES", (size_t)config->value[LANES]);
    cvy_launch_define(launch, "BLOCKS", (size_t)config->value[BLOCKS]);
    cvy_launch_define(launch, "PIXELS", (size_t)config->value[PIXELS]);
    double y = (double)s->p.k * (double)s->pixels,
           x = (double)s->p.c * (double)s->p.in[0] * (double)s->p.in[1] * (double)s->p.in[2];
    cvy_launch_define(launch, "STREAM", cvy_streams(device, (double)s->p.n * (x + y) * sizeof(float)));
    cvy_epilogue_define(launch, &s->p);
}

static enum cvy_status build(struct cvy_device *device, const struct cvy_conv_problem *p,
                             const struct cvy_algo_config *config)
{
    struct cvy_pointwise s = cvy_pointwise_of(p);
    struct cvy_launch launch;
    describe_first(&launch, &s, "pack");
    enum cvy_status status = cvy_launch_prepare(device, &launch);
    if (status != CVY_OK)
        return status;
    describe(&launch, device, &s, config);
    status = cvy_launch_prepare(device, &launch);
    if (status != CVY_OK || !s.mapped)
        return status;
    describe_first(&launch, &s, "pick");
    return cvy_launch_prepare(device, &launch);
}

/* Whether less comes from beyond the caches when panels wait for all pixels, not pixels for all panels. */
static bool panels_last(const struct cvy_pointwise *s, const struct panels *panels, size_t chunks)
{
    double weights = (double)(panels->count * panels->width * panels->most_rows) * sizeof(float);
    double x = (double)(s->p.n * s->p.c * s->pixels) * sizeof(float);
    double first = weights > CVY_TILE_CACHE_BYTES ? weights * (double)(chunks * s->p.n) + x : weights + x;
    double last = x > CVY_TILE_CACHE_BYTES ? x * (double)panels->count + weights : weights + x;
    return last < first;
}

/* The pixels that y is made of, from x to the workspace. */
static enum cvy_status pick(struct cvy_device *device, const struct cvy_pointwise *s,
                            const struct cvy_algo_args *args)
{
    struct cvy_launch launch;
    describe_first(&launch, s, "pick");
    cvy_launch_buffer(&launch, args->x);
    cvy_launch_buffer(&launch, args->workspace);
    cvy_window_argument(&launch, &s->p, s->out);
    cvy_launch_share(&launch);
    cvy_launch_range(&launch, 3, (size_t[]){s->p.n * x_blocks(&s->p), 1, 1}, (size_t[]){1, 1, 1});
    return cvy_launch_run(device, &launch);
}

static enum cvy_status enqueue(struct cvy_device *device, const struct cvy_conv_problem *p,
                               const struct cvy_algo_config *config, const struct cvy_algo_args *args)
{
    struct cvy_pointwise s = cvy_pointwise_of(p);
    struct cut cut = cut_of(&s, device, config);
    size_t chunks = cvy_ceil_div(cut.tiles, cut.each);
    bool last = panels_last(&s, &cut.panels, chunks);
    enum cvy_status status = s.mapped ? pick(device, &s, args) : CVY_OK;
    if (status != CVY_OK)
        return status;
    struct cvy_launch launch;
    describe(&launch, device, &s, config);
    cvy_launch_buffer(&launch, s.mapped ? args->workspace : args->x);
    cvy_launch_buffer(&launch, args->w);
    cvy_epilogue_arguments(&launch, p, args->bias);
    cvy_launch_buffer(&launch, args->y);
    size_t x_image = x_blocks(p) * CVY_MAX(p->x_block, 1) * s.pixels;
    size_t y_image = cvy_round_up(p->k, CVY_MAX(p->y_block, 1)) * s.pixels;
    cvy_launch_struct(&launch,
                      (size_t[]){last, cut.each, cut.panels.most_rows, cut.channels, s.pixels, x_image,
                                 y_image, p->k, s.c_group, s.k_group, p->shuffle},
                      11);
    size_t global[] = {last ? p->n : cut.panels.count, chunks, last ? cut.panels.count : p->n};
    cvy_launch_balance(&launch);
    cvy_launch_range(&launch, 3, global, (size_t[]){1, 1, 1});
    return cvy_launch_run(device, &launch);
}

static double estimate(const struct cvy_conv_problem *p, const struct cvy_device *device,
                       const struct cvy_algo_config *config)
{
    struct cvy_conv_cost cost;
    if (cvy_conv_get_cost(p, &cost) != CVY_OK)
        return 1e30;
    struct cvy_pointwise s = cvy_pointwise_of(p);
    struct cut cut = cut_of(&s, device, config);
    double picks = s.mapped ? 2.0 * (double)workspace(p, device, config) / cvy_rates(device)->cache_bytes : 0;
    return picks + cvy_share_seconds(device, cut.tiles, cut.planes, cut.each, cut.seconds) +
           CVY_TILE_MEMORY_SHARE * cost.bytes / cvy_rate_bytes(device);
}

const struct cvy_algo cvy_algo_pointwise_blocks = {
    .id = "pointwise_blocks",
    .programs = {"conv_pointwise_blocks"},
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
