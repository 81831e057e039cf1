/*
 * pointwise: 1x1 convolution as one matrix product for each image and group, all of them in one launch, on x
 * as it lies: no columns, no copies. Strides, padding and the channel shuffle are done where x is read and y
 * written.
 */
#include <stdio.h>

#include "base/arith.h"
#include "op/algo.h"
#include "op/problem.h"
#include "op/rate.h"
#include "runtime/device.h"
#include "runtime/launch.h"

extern const struct cvy_algo cvy_algo_pointwise;

/* config->value[]. LANES 0: tiles in local memory, for devices with many scalar work-items. */
enum { LANES, VECTORS, BLOCK_K, SIDE, PER_ITEM };

#define DEPTH 16

static bool applicable(const struct cvy_conv_problem *p, const struct cvy_device *device, char *why,
                       size_t size)
{
    (void)device;
    if (!cvy_conv_fits_int(p, why, size))
        return false;
    for (size_t i = 0; i < p->rank; i++) {
        if (p->kernel[i] != 1) {
            snprintf(why, size, "its kernel is 1 on every axis, not %zu", p->kernel[i]);
            return false;
        }
    }
    return true;
}

static size_t volume(const size_t *axes)
{
    return axes[0] * axes[1] * axes[2];
}

/* p has three axes. */
static bool is_contiguous(const struct cvy_conv_problem *p, const size_t *out)
{
    for (size_t i = 0; i < CVY_CONV_MAX_RANK; i++) {
        if ((p->stride[i] != 1 && out[i] != 1) || p->pad_begin[i] != 0 || out[i] != p->in[i])
            return false;
    }
    return true;
}

static bool uses_lanes(const struct cvy_device *device)
{
    return device->info.type == CVY_DEVICE_CPU || device->info.vector_width > 1;
}

static void set_tiles(const struct cvy_device *device, struct cvy_algo_config *config)
{
    const size_t most = device->info.max_work_group;
    *config = (struct cvy_algo_config){{0}};
    config->value[SIDE] = most >= 256 ? 16 : most >= 64 ? 8 : most >= 16 ? 4 : 1;
    config->value[PER_ITEM] = 4;
}

/* As many vectors and channels as keep their sums in registers, and no more than there is work. */
static void set_lanes(const struct cvy_conv_problem *problem, const struct cvy_device *device, size_t most,
                      struct cvy_algo_config *config)
{
    struct cvy_conv_problem p = cvy_conv_to_3d(problem);
    size_t out[CVY_CONV_MAX_RANK], width = CVY_MIN(CVY_MAX(device->info.vector_width, 1), 16);
    cvy_conv_output_sizes(&p, out);
    size_t pixels = volume(out), lanes = 1;
    while (lanes * 2 <= width && lanes * 2 <= pixels)
        lanes *= 2;
    *config = (struct cvy_algo_config){{0}};
    config->value[LANES] = (int)lanes;
    config->value[VECTORS] = pixels >= 4 * lanes && most >= 2 ? 2 : 1;
    config->value[BLOCK_K] = 1;
    while ((size_t)config->value[BLOCK_K] * 2 <= CVY_MIN(p.k / p.groups, 8))
        config->value[BLOCK_K] *= 2;
}

static void default_config(const struct cvy_conv_problem *p, const struct cvy_device *device,
                           size_t max_workspace, struct cvy_algo_config *config)
{
    (void)max_workspace;
    if (uses_lanes(device))
        set_lanes(p, device, 2, config);
    else
        set_tiles(device, config);
}

static bool configs(const struct cvy_conv_problem *p, const struct cvy_device *device, size_t index,
                    struct cvy_algo_config *config)
{
    if (index > 2)
        return false;
    if (index == 2)
        set_tiles(device, config);
    else
        set_lanes(p, device, 1 + index, config);
    return true;
}

static size_t workspace(const struct cvy_conv_problem *p, const struct cvy_device *device,
                        const struct cvy_algo_config *config)
{
    (void)p;
    (void)device;
    (void)config;
    return 0;
}

static void describe(struct cvy_launch *launch, const struct cvy_conv_problem *p, const size_t *out,
                     const struct cvy_algo_config *config)
{
    const bool lanes = config->value[LANES] > 0;
    cvy_launch_init(launch, "conv_pointwise", lanes ? "pointwise_lanes" : "pointwise_tiles");
    size_t pixels = volume(out), vector = (size_t)(config->value[LANES] * config->value[VECTORS]);
    cvy_launch_define(launch, "CONTIGUOUS", is_contiguous(p, out) && pixels >= vector);
    cvy_launch_define(launch, "TRANSPOSED", p->transposed);
    cvy_launch_define(launch, "HAS_BIAS", p->bias);
    cvy_launch_define(launch, "PAD_MODE", p->pad_mode);
    if (lanes) {
        cvy_launch_define(launch, "LANES", (size_t)config->value[LANES]);
        cvy_launch_define(launch, "VECTORS", (size_t)config->value[VECTORS]);
        cvy_launch_define(launch, "BLOCK_K", (size_t)config->value[BLOCK_K]);
    } else {
        cvy_launch_define(launch, "SIDE", (size_t)config->value[SIDE]);
        cvy_launch_define(launch, "PER_ITEM", (size_t)config->value[PER_ITEM]);
        cvy_launch_define(launch, "DEPTH", DEPTH);
    }
}

static enum cvy_status build(struct cvy_device *device, const struct cvy_conv_problem *problem,
                             const struct cvy_algo_config *config)
{
    struct cvy_conv_problem p = cvy_conv_to_3d(problem);
    size_t out[CVY_CONV_MAX_RANK];
    cvy_conv_output_sizes(&p, out);
    struct cvy_launch launch;
    describe(&launch, &p, out, config);
    enum cvy_status status = cvy_launch_build(device, &launch);
    cvy_launch_finish(&launch);
    return status;
}

static void set_range(struct cvy_launch *launch, const struct cvy_algo_config *config, size_t pixels,
                      size_t k_group, size_t planes)
{
    if (config->value[LANES] > 0) {
        size_t vector = (size_t)(config->value[LANES] * config->value[VECTORS]);
        size_t global[] = {cvy_ceil_div(pixels, vector),
                           cvy_ceil_div(k_group, (size_t)config->value[BLOCK_K]), planes};
        cvy_launch_range(launch, 3, global, (size_t[]){1, 1, 1});
    } else {
        size_t side = (size_t)config->value[SIDE], tile = side * (size_t)config->value[PER_ITEM];
        size_t global[] = {cvy_ceil_div(pixels, tile) * side, cvy_ceil_div(k_group, tile) * side, planes};
        cvy_launch_range(launch, 3, global, (size_t[]){side, side, 1});
    }
}

static void add_axes(struct cvy_launch *launch, const size_t *axes)
{
    for (size_t i = 0; i < CVY_CONV_MAX_RANK; i++)
        cvy_launch_int(launch, axes[i]);
}

static enum cvy_status enqueue(struct cvy_device *device, const struct cvy_conv_problem *problem,
                               const struct cvy_algo_config *config, const struct cvy_algo_args *args)
{
    struct cvy_conv_problem p = cvy_conv_to_3d(problem);
    size_t out[CVY_CONV_MAX_RANK];
    cvy_conv_output_sizes(&p, out);
    struct cvy_launch launch;
    describe(&launch, &p, out, config);
    cvy_launch_buffer(&launch, args->x);
    cvy_launch_buffer(&launch, args->w);
    if (p.bias)
        cvy_launch_buffer(&launch, args->bias);
    cvy_launch_buffer(&launch, args->y);
    cvy_launch_int(&launch, p.n * p.groups);
    cvy_launch_int(&launch, p.groups);
    cvy_launch_int(&launch, p.c / p.groups);
    cvy_launch_int(&launch, p.k / p.groups);
    cvy_launch_int(&launch, p.shuffle);
    add_axes(&launch, p.in);
    add_axes(&launch, out);
    add_axes(&launch, p.stride);
    add_axes(&launch, p.pad_begin);
    set_range(&launch, config, volume(out), p.k / p.groups, p.n * p.groups);
    enum cvy_status status = cvy_launch_enqueue(device, &launch);
    cvy_launch_finish(&launch);
    return status;
}

static double estimate(const struct cvy_conv_problem *problem, const struct cvy_device *device,
                       const struct cvy_algo_config *config)
{
    struct cvy_conv_cost cost;
    struct cvy_conv_problem p = cvy_conv_to_3d(problem);
    size_t out[CVY_CONV_MAX_RANK];
    cvy_conv_output_sizes(&p, out);
    if (cvy_conv_get_cost(problem, &cost) != CVY_OK)
        return 1e30;
    double share = is_contiguous(&p, out) ? 0.4 : 0.1;
    /* whole blocks are computed, and every element of y reads all channels, hit or not */
    double block = config->value[LANES] > 0 ? (double)config->value[BLOCK_K] : 16;
    double k_group = (double)(p.k / p.groups), blocks = (double)cvy_ceil_div(p.k / p.groups, (size_t)block);
    double taken = (double)p.n * (double)p.c * (double)volume(out) * CVY_MAX(k_group, blocks * block);
    return 10e-6 + 2 * taken / (share * cvy_rate_flops(&device->info)) +
           cost.bytes / cvy_rate_bytes(&device->info);
}

const struct cvy_algo cvy_algo_pointwise = {
    .id = "pointwise",
    .programs = {"conv_pointwise"},
    .applicable = applicable,
    .default_config = default_config,
    .configs = configs,
    .workspace = workspace,
    .build = build,
    .enqueue = enqueue,
    .estimate = estimate,
};
