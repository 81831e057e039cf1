/*
 * subpixel: transposed convolution without zeros inserted. The positions of y fall into stride classes on
 * every axis; each is a small dense convolution with the taps that can reach it. All of them run in one
 * launch. Shi et al., "Is the deconvolution layer the same as a convolutional layer?", arXiv 1609.07009.
 */
#include <stdio.h>

#include "base/arith.h"
#include "op/algo.h"
#include "op/epilogue.h"
#include "op/problem.h"
#include "op/rate.h"
#include "op/window.h"
#include "runtime/device.h"
#include "runtime/launch.h"

extern const struct cvy_algo cvy_algo_subpixel;

/* config->value[] */
enum { LANES, VECTORS, BLOCK_K };

static bool applicable(const struct cvy_conv_problem *p, const struct cvy_device *device, char *why,
                       size_t size)
{
    (void)device;
    if (!cvy_conv_fits_int(p, why, size))
        return false;
    if (!p->transposed)
        snprintf(why, size, "it is for transposed convolutions");
    return p->transposed;
}

static void set_config(const struct cvy_conv_problem *p, size_t most_lanes, size_t vectors,
                       struct cvy_algo_config *config)
{
    /* no wider than a class of positions */
    size_t positions = p->in[p->rank - 1], lanes = 1;
    while (lanes * 2 <= CVY_MIN(most_lanes, 16) && lanes < positions)
        lanes *= 2;
    *config = (struct cvy_algo_config){{0}};
    config->value[LANES] = (int)lanes;
    config->value[VECTORS] = (int)(positions >= 2 * lanes ? vectors : 1);
    config->value[BLOCK_K] = 1;
    while ((size_t)config->value[BLOCK_K] * 2 <= CVY_MIN(p->k / p->groups, 8))
        config->value[BLOCK_K] *= 2;
}

static void default_config(const struct cvy_conv_problem *p, const struct cvy_device *device,
                           size_t max_workspace, struct cvy_algo_config *config)
{
    (void)max_workspace;
    const bool cpu = device->info.type == CVY_DEVICE_CPU;
    set_config(p, cpu ? CVY_MAX(device->info.vector_width, 1) : 1, cpu ? 2 : 1, config);
}

static bool configs(const struct cvy_conv_problem *p, const struct cvy_device *device, size_t index,
                    struct cvy_algo_config *config)
{
    const size_t width = CVY_MAX(device->info.vector_width, 1);
    const struct {
        size_t lanes, vectors;
    } points[] = {{1, 1}, {4, 1}, {width, 1}, {width, 2}};
    if (index >= CVY_COUNT(points))
        return false;
    set_config(p, points[index].lanes, points[index].vectors, config);
    return true;
}

static void describe(struct cvy_launch *launch, const struct cvy_conv_problem *p,
                     const struct cvy_algo_config *config)
{
    cvy_launch_init(launch, "conv_subpixel", "subpixel");
    cvy_launch_define(launch, "FLIP", p->flip);
    cvy_epilogue_define(launch, p);
    cvy_launch_define(launch, "LANES", (size_t)config->value[LANES]);
    cvy_launch_define(launch, "VECTORS", (size_t)config->value[VECTORS]);
    cvy_launch_define(launch, "BLOCK_K", (size_t)config->value[BLOCK_K]);
}

static enum cvy_status build(struct cvy_device *device, const struct cvy_conv_problem *p,
                             const struct cvy_algo_config *config)
{
    struct cvy_launch launch;
    describe(&launch, p, config);
    return cvy_launch_prepare(device, &launch);
}

static enum cvy_status enqueue(struct cvy_device *device, const struct cvy_conv_problem *problem,
                               const struct cvy_algo_config *config, const struct cvy_algo_args *args)
{
    struct cvy_conv_problem p = cvy_conv_to_3d(problem);
    size_t out[CVY_CONV_MAX_RANK], steps[CVY_CONV_MAX_RANK];
    cvy_conv_output_sizes(&p, out);
    for (size_t i = 0; i < CVY_CONV_MAX_RANK; i++)
        steps[i] = p.stride[i] / cvy_gcd(p.stride[i], p.dilation[i]);
    struct cvy_launch launch;
    describe(&launch, &p, config);
    cvy_launch_buffer(&launch, args->x);
    cvy_launch_buffer(&launch, args->w);
    cvy_epilogue_arguments(&launch, &p, args->bias);
    cvy_launch_buffer(&launch, args->y);
    cvy_launch_int(&launch, p.n * p.groups);
    cvy_launch_int(&launch, p.groups);
    cvy_launch_int(&launch, p.c / p.groups);
    cvy_launch_int(&launch, p.k / p.groups);
    cvy_launch_int(&launch, p.shuffle);
    cvy_launch_sizes(&launch, steps, CVY_CONV_MAX_RANK);
    cvy_window_argument(&launch, &p, out);
    size_t width = (size_t)(config->value[LANES] * config->value[VECTORS]);
    size_t blocks = cvy_ceil_div(p.k / p.groups, (size_t)config->value[BLOCK_K]);
    size_t global[] = {p.stride[2] * cvy_ceil_div(out[2], p.stride[2] * width), out[0] * out[1],
                       p.n * p.groups * blocks};
    if (width > 1)
        cvy_launch_share(&launch);
    cvy_launch_range(&launch, 3, global, width > 1 ? (size_t[]){1, 1, 1} : NULL);
    return cvy_launch_run(device, &launch);
}

static double estimate(const struct cvy_conv_problem *p, const struct cvy_device *device,
                       const struct cvy_algo_config *config)
{
    struct cvy_conv_cost cost;
    if (cvy_conv_get_cost(p, &cost) != CVY_OK)
        return 1e30;
    double share = device->info.type == CVY_DEVICE_CPU ? 0.09 : 0.05;
    size_t lanes = (size_t)config->value[LANES], in = p->in[p->rank - 1];
    /* vectors that reach beyond x are computed in full */
    double waste = (double)(cvy_ceil_div(in, lanes) * lanes) / (double)in;
    return 10e-6 + 2 * cost.multiplications * waste / (share * cvy_rate_flops(device)) +
           cost.bytes / cvy_rate_bytes(device);
}

const struct cvy_algo cvy_algo_subpixel = {
    .id = "subpixel",
    .programs = {"conv_subpixel"},
    .applicable = applicable,
    .default_config = default_config,
    .configs = configs,
    .build = build,
    .enqueue = enqueue,
    .estimate = estimate,
};
