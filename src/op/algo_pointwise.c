/*
 * pointwise: a 1x1 kernel is a product of matrices for each image and group, all in one launch. x is read
 * where it lies, with strides and padding; nothing is copied but the weights, packed once.
 * Lin, Chen, Yan, "Network in Network", arXiv 1312.4400; grouped: Zhang et al., arXiv 1707.01083.
 */
#include <limits.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arith.h"
#include "op/algo.h"
#include "op/epilogue.h"
#include "op/pointwise.h"
#include "op/rate.h"
#include "op/window.h"
#include "op/tile.h"
#include "runtime/device.h"
#include "runtime/launch.h"

#define MOST_BLOCK_K 64
#define MOST_PRIVATE_BLOCK_K 14 /* channels of y that a work-item keeps in registers */

#define CHUNK_BYTES ((size_t)256 << 10) /* of x that stay in a core's cache */
#define MOST_ROUNDS 32768               /* what the loops of a work-item may do on any driver */

extern const struct cvy_algo cvy_algo_pointwise;

/* config->value[] of both kinds of kernel, then of each */
enum { KIND, BLOCK_K };
enum { LANES = 2, VECTORS, ITEMS };
enum { SIDE = 2, PER_P, DEPTH };
/* values of KIND, as the kernels have them */
enum { PACK, IN_LANES, IN_TILES };

static bool applicable(const struct cvy_conv_problem *p, const struct cvy_device *device, char *why,
                       size_t size)
{
    (void)device;
    if (!cvy_pointwise_applies(p, why, size))
        return false;
    size_t packed;
    if (!cvy_mul(p->c, cvy_round_up(p->k / p->groups, MOST_BLOCK_K), &packed) || packed > INT_MAX) {
        snprintf(why, size, "its packed weights are more than the %d that a kernel's int can count", INT_MAX);
        return false;
    }
    return true;
}

/* The widest vector of the device that is not wider than what there is. */
static size_t vector_for(const struct cvy_device *device, size_t pixels)
{
    size_t vector = 1;
    while (vector < 16 && vector * 2 <= device->info.vector_width && vector < pixels)
        vector *= 2;
    return vector;
}

static void lanes_config(const struct cvy_pointwise *s, size_t vector, size_t vectors, size_t block_k,
                         size_t items, struct cvy_algo_config *config)
{
    *config = (struct cvy_algo_config){{0}};
    config->value[KIND] = IN_LANES;
    config->value[BLOCK_K] = (int)cvy_even_piece(s->k_group, block_k);
    config->value[LANES] = (int)vector;
    config->value[VECTORS] = (int)vectors;
    config->value[ITEMS] = (int)items;
}

static void tiles_config(size_t side, size_t per_k, size_t per_p, size_t depth,
                         struct cvy_algo_config *config)
{
    *config = (struct cvy_algo_config){{0}};
    config->value[KIND] = IN_TILES;
    config->value[BLOCK_K] = (int)(side * per_k);
    config->value[SIDE] = (int)side;
    config->value[PER_P] = (int)per_p;
    config->value[DEPTH] = (int)depth;
}

static void default_config(const struct cvy_conv_problem *p, const struct cvy_device *device,
                           size_t max_workspace, struct cvy_algo_config *config)
{
    (void)max_workspace;
    struct cvy_pointwise s = cvy_pointwise_of(p);
    const struct cvy_device_info *info = &device->info;
    if (info->vector_width > 1) {
        size_t vector = vector_for(device, s.pixels);
        bool several = !s.mapped && s.pixels >= 2 * vector;
        lanes_config(&s, vector, several ? 2 : 1, MOST_PRIVATE_BLOCK_K, 1, config);
    } else if (info->max_work_group < 64 || (info->type != CVY_DEVICE_CPU && !info->local_is_dedicated)) {
        lanes_config(&s, 1, 1, 8, CVY_MIN(info->max_work_group, 64), config);
    } else {
        size_t side = info->max_work_group >= 256 && s.k_group > 16 ? 16 : 8;
        tiles_config(side, s.k_group > 2 * side ? 4 : s.k_group > side ? 2 : 1, 4, 16, config);
    }
}

static bool configs(const struct cvy_conv_problem *p, const struct cvy_device *device, size_t index,
                    struct cvy_algo_config *config)
{
    static const struct {
        size_t vectors, block_k;
    } lanes[] = {{2, 14}, {1, 14}, {3, 8}, {1, 8}, {1, 28}};
    static const struct {
        size_t side, per_k, per_p, depth;
    } tiles[] = {{8, 4, 4, 16}, {16, 4, 4, 16}, {8, 1, 4, 8}, {8, 8, 4, 8}};
    const struct cvy_device_info *info = &device->info;
    struct cvy_pointwise s = cvy_pointwise_of(p);
    size_t vector = CVY_MAX(vector_for(device, s.pixels), info->type == CVY_DEVICE_CPU ? 4 : 1);
    if (index < CVY_COUNT(lanes)) {
        size_t items = info->type == CVY_DEVICE_CPU ? 1 : CVY_MIN(info->max_work_group, 64);
        lanes_config(&s, vector, lanes[index].vectors, lanes[index].block_k, items, config);
        return true;
    }
    index -= CVY_COUNT(lanes);
    if (index >= CVY_COUNT(tiles))
        return false;
    size_t most = 8;
    while (most < tiles[index].side && most * most * 4 <= info->max_work_group)
        most *= 2;
    tiles_config(most, tiles[index].per_k, tiles[index].per_p, tiles[index].depth, config);
    return info->max_work_group >= most * most;
}

static size_t blocks_of(const struct cvy_pointwise *s, const struct cvy_algo_config *config)
{
    return cvy_ceil_div(s->k_group, (size_t)config->value[BLOCK_K]);
}

static size_t packed_count(const struct cvy_pointwise *s, const struct cvy_algo_config *config)
{
    return s->p.c * blocks_of(s, config) * (size_t)config->value[BLOCK_K];
}

static size_t prepared_bytes(const struct cvy_conv_problem *p, const struct cvy_device *device,
                             const struct cvy_algo_config *config)
{
    (void)device;
    struct cvy_pointwise s = cvy_pointwise_of(p);
    return packed_count(&s, config) * sizeof(float);
}

static void describe_pack(struct cvy_launch *launch)
{
    cvy_launch_init(launch, "conv_pointwise", "pack");
    cvy_launch_define(launch, "KIND", PACK);
}

static enum cvy_status prepare(struct cvy_device *device, const struct cvy_conv_problem *p,
                               const struct cvy_algo_config *config, struct cvy_buffer *w,
                               struct cvy_buffer *prepared)
{
    struct cvy_pointwise s = cvy_pointwise_of(p);
    size_t count = packed_count(&s, config);
    struct cvy_launch launch;
    describe_pack(&launch);
    cvy_launch_buffer(&launch, w);
    cvy_launch_buffer(&launch, prepared);
    cvy_launch_int(&launch, count);
    cvy_launch_int(&launch, (size_t)config->value[BLOCK_K]);
    cvy_launch_int(&launch, blocks_of(&s, config));
    cvy_launch_int(&launch, s.c_group);
    cvy_launch_int(&launch, s.k_group);
    cvy_launch_int(&launch, p->transposed);
    cvy_launch_range(&launch, 1, &count, NULL);
    return cvy_launch_run(device, &launch);
}

static void describe(struct cvy_launch *launch, const struct cvy_pointwise *s,
                     const struct cvy_algo_config *config)
{
    static const char *const names[][3] = {
        [IN_LANES] = {"LANES", "VECTORS", "ITEMS"}, [IN_TILES] = {"SIDE", "PER_P", "DEPTH"}};
    int kind = config->value[KIND];
    cvy_launch_init(launch, "conv_pointwise", kind == IN_LANES ? "pointwise_lanes" : "pointwise_tiles");
    cvy_launch_define(launch, "KIND", (size_t)kind);
    cvy_launch_define(launch, "BLOCK_K", (size_t)config->value[BLOCK_K]);
    for (size_t i = 0; i < 3; i++)
        cvy_launch_define(launch, names[kind][i], (size_t)config->value[2 + i]);
    cvy_pointwise_define(launch, s);
    cvy_epilogue_define(launch, &s->p);
}

static enum cvy_status build(struct cvy_device *device, const struct cvy_conv_problem *p,
                             const struct cvy_algo_config *config)
{
    struct cvy_pointwise s = cvy_pointwise_of(p);
    struct cvy_launch launch;
    describe_pack(&launch);
    enum cvy_status status = cvy_launch_prepare(device, &launch);
    if (status != CVY_OK)
        return status;
    describe(&launch, &s, config);
    return cvy_launch_prepare(device, &launch);
}

/* Seconds that a unit alone would need for the arithmetic; whole tiles are computed, of y also where a
 * transposed problem's strides leave holes. */
static double unit_seconds(const struct cvy_pointwise *s, const struct cvy_device *device,
                           const struct cvy_algo_config *config)
{
    const int *value = config->value;
    bool lanes = value[KIND] == IN_LANES, cpu = device->info.type == CVY_DEVICE_CPU;
    size_t tile = (size_t)(lanes ? value[LANES] * value[VECTORS] : value[SIDE] * value[PER_P]);
    double taken = (double)(s->p.n * s->p.groups) * (double)(blocks_of(s, config) * (size_t)value[BLOCK_K]) *
                   (double)cvy_round_up(s->pixels, tile) * (double)s->c_group;
    double share = !lanes ? (cpu ? 0.05 : 0.3) : s->mapped || s->pixels < tile ? 0.42 : 0.9;
    return 2 * taken * (double)CVY_MAX(device->info.compute_units, 1) / (share * cvy_rate_flops(device));
}

/* How the lanes' work is shared out: runs of tiles of pixels, whose x stays in a core's cache while the
 * channels of y go by. */
struct cut {
    size_t tiles, planes, each;
};

static struct cut cut_of(const struct cvy_pointwise *s, const struct cvy_device *device,
                         const struct cvy_algo_config *config)
{
    const int *value = config->value;
    size_t tile = (size_t)value[LANES] * (size_t)value[VECTORS];
    struct cut cut = {cvy_ceil_div(s->pixels, tile), blocks_of(s, config) * s->p.n * s->p.groups, 1};
    size_t most = CVY_MIN(CHUNK_BYTES / (tile * s->c_group * sizeof(float)), MOST_ROUNDS / s->c_group);
    if (value[ITEMS] == 1)
        cut.each =
            cvy_balance(device, cut.tiles, cut.planes, CVY_MAX(most, 1), unit_seconds(s, device, config));
    return cut;
}

static enum cvy_status enqueue_lanes(struct cvy_device *device, struct cvy_launch *launch,
                                     const struct cvy_pointwise *s, const struct cvy_algo_config *config)
{
    struct cut cut = cut_of(s, device, config);
    size_t blocks = blocks_of(s, config), items = (size_t)config->value[ITEMS];
    size_t sizes[] = {s->p.groups, s->c_group, s->k_group, blocks, s->p.shuffle, cut.each};
    cvy_launch_struct(launch, sizes, CVY_COUNT(sizes));
    cvy_window_argument(launch, &s->p, s->out);
    size_t runs = cvy_ceil_div(cut.tiles, cut.each);
    cvy_launch_range(launch, 3, (size_t[]){blocks, runs, s->p.n * s->p.groups}, (size_t[]){1, items, 1});
    if (items == 1)
        cvy_launch_balance(launch);
    return cvy_launch_run(device, launch);
}

static enum cvy_status enqueue_tiles(struct cvy_device *device, struct cvy_launch *launch,
                                     const struct cvy_pointwise *s, const struct cvy_algo_config *config)
{
    size_t side = (size_t)config->value[SIDE];
    size_t tiles = cvy_ceil_div(s->pixels, side * (size_t)config->value[PER_P]);
    cvy_launch_int(launch, s->p.groups);
    cvy_launch_int(launch, s->c_group);
    cvy_launch_int(launch, s->k_group);
    cvy_launch_int(launch, s->p.shuffle);
    cvy_window_argument(launch, &s->p, s->out);
    cvy_launch_range(launch, 3, (size_t[]){tiles * side, blocks_of(s, config) * side, s->p.n * s->p.groups},
                     (size_t[]){side, side, 1});
    return cvy_launch_run(device, launch);
}

static enum cvy_status enqueue(struct cvy_device *device, const struct cvy_conv_problem *p,
                               const struct cvy_algo_config *config, const struct cvy_algo_args *args)
{
    struct cvy_pointwise s = cvy_pointwise_of(p);
    struct cvy_launch launch;
    describe(&launch, &s, config);
    cvy_launch_buffer(&launch, args->x);
    cvy_launch_buffer(&launch, args->w);
    cvy_epilogue_arguments(&launch, p, args->bias);
    cvy_launch_buffer(&launch, args->y);
    return config->value[KIND] == IN_LANES ? enqueue_lanes(device, &launch, &s, config)
                                           : enqueue_tiles(device, &launch, &s, config);
}

static double estimate(const struct cvy_conv_problem *p, const struct cvy_device *device,
                       const struct cvy_algo_config *config)
{
    struct cvy_conv_cost cost;
    if (cvy_conv_get_cost(p, &cost) != CVY_OK)
        return 1e30;
    struct cvy_pointwise s = cvy_pointwise_of(p);
    double seconds = unit_seconds(&s, device, config), bytes = cost.bytes / cvy_rate_bytes(device);
    if (config->value[KIND] != IN_LANES)
        return 20e-6 + seconds / (double)CVY_MAX(device->info.compute_units, 1) + bytes;
    struct cut cut = cut_of(&s, device, config);
    return cvy_share_seconds(device, cut.tiles, cut.planes, cut.each, seconds) + bytes / 2;
}

const struct cvy_algo cvy_algo_pointwise = {
    .id = "pointwise",
    .programs = {"conv_pointwise"},
    .applicable = applicable,
    .default_config = default_config,
    .configs = configs,
    .prepared_bytes = prepared_bytes,
    .prepare = prepare,
    .build = build,
    .enqueue = enqueue,
    .estimate = estimate,
};
