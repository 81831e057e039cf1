/*
 * depthwise: every channel of x has kernels of its own (groups == c; any depth multiplier). Too little work
 * for a matrix product: a work-item makes vectors of pixels along W straight from x.
 * Howard et al., "MobileNets", arXiv 1704.04861; Chollet, "Xception", arXiv 1610.02357.
 */
#include <limits.h>
#include <stdio.h>

#include "base/arith.h"
#include "op/algo.h"
#include "op/epilogue.h"
#include "op/problem.h"
#include "op/rate.h"
#include "op/window.h"
#include "runtime/device.h"
#include "runtime/launch.h"

extern const struct cvy_algo cvy_algo_depthwise;

/* config->value[] */
enum { LANES, ITEMS_W, ITEMS_H, ROWS, BLOCK_H };

static bool applicable(const struct cvy_conv_problem *p, const struct cvy_device *device, char *why,
                       size_t size)
{
    (void)device;
    if (!cvy_conv_fits_int(p, why, size))
        return false;
    if (p->groups != p->c) {
        snprintf(why, size, "it wants each of the %zu channels in a group of its own; groups is %zu", p->c,
                 p->groups);
        return false;
    }
    if (p->transposed) {
        snprintf(why, size, "it does forward convolutions only");
        return false;
    }
    /* work-items count to the end of the last vector, and on by a row */
    size_t last = p->rank - 1, out[CVY_CONV_MAX_RANK];
    cvy_conv_output_sizes(p, out);
    double reach = ((double)out[last] + 16) * (double)p->stride[last] +
                   (double)p->kernel[last] * (double)p->dilation[last];
    if (out[last] > INT_MAX / 4 || reach > INT_MAX) {
        snprintf(why, size, "rows of %zu at stride %zu are longer than its work-items can count", out[last],
                 p->stride[last]);
        return false;
    }
    return true;
}

static size_t power_of_two(size_t least, size_t most)
{
    size_t power = 1;
    while (power < least && power * 2 <= most)
        power *= 2;
    return power;
}

/* The narrowest vector that needs no more steps along a row than the widest. */
static size_t lanes_for(size_t out_w, size_t widest)
{
    size_t lanes = power_of_two(out_w, widest);
    while (lanes > 1 && cvy_ceil_div(out_w, lanes / 2) == cvy_ceil_div(out_w, lanes))
        lanes /= 2;
    return lanes;
}

/* One work-item a work-group where vectors do the work, 64 or fewer otherwise. */
static void fill_config(const struct cvy_conv_problem *problem, const struct cvy_device *device, size_t lanes,
                        size_t items, struct cvy_algo_config *config)
{
    struct cvy_conv_problem p = cvy_conv_to_3d(problem);
    size_t out[CVY_CONV_MAX_RANK];
    cvy_conv_output_sizes(&p, out);
    size_t items_w = power_of_two(cvy_ceil_div(out[2], lanes), items);
    size_t rows = out[0] * out[1], strips = rows;
    if (items == 1) {
        /* enough strips to keep all units busy to the end, long enough to be worth starting */
        strips = cvy_ceil_div(16 * CVY_MAX(device->info.compute_units, 1), p.n * p.k);
        strips = CVY_MIN(strips, cvy_ceil_div(rows * out[2], 256));
    }
    *config = (struct cvy_algo_config){{0}};
    config->value[LANES] = (int)lanes;
    config->value[ITEMS_W] = (int)items_w;
    config->value[ITEMS_H] = (int)(items / items_w);
    bool neighbours = p.stride[1] == 1 && p.dilation[1] == 1;
    size_t block = items == 1 && neighbours ? CVY_MIN(out[1], 4) : 1;
    config->value[BLOCK_H] = (int)block;
    config->value[ROWS] = (int)cvy_round_up(cvy_ceil_div(rows, strips), block);
}

static void default_config(const struct cvy_conv_problem *p, const struct cvy_device *device,
                           size_t max_workspace, struct cvy_algo_config *config)
{
    (void)max_workspace;
    const struct cvy_device_info *info = &device->info;
    size_t out[CVY_CONV_MAX_RANK];
    cvy_conv_output_sizes(p, out);
    if (info->type == CVY_DEVICE_CPU && info->vector_width > 1)
        fill_config(p, device, lanes_for(out[p->rank - 1], CVY_MIN(info->vector_width, 16)), 1, config);
    else
        fill_config(p, device, 1, power_of_two(64, info->max_work_group), config);
}

static bool configs(const struct cvy_conv_problem *p, const struct cvy_device *device, size_t index,
                    struct cvy_algo_config *config)
{
    static const struct {
        size_t lanes, items;
    } points[] = {{16, 1}, {8, 1}, {4, 1}, {2, 1}, {1, 64}, {2, 64}, {4, 64}, {1, 256}};
    if (index >= CVY_COUNT(points))
        return false;
    fill_config(p, device, points[index].lanes,
                power_of_two(points[index].items, device->info.max_work_group), config);
    return true;
}

static void describe(struct cvy_launch *launch, const struct cvy_conv_problem *p,
                     const struct cvy_algo_config *config)
{
    struct cvy_conv_problem axes = cvy_conv_to_3d(p);
    size_t stride = axes.stride[2];
    /* the usual kernels are compiled for their size */
    bool fixed = axes.kernel[1] == axes.kernel[2] && (axes.kernel[1] == 3 || axes.kernel[1] == 5);
    cvy_launch_init(launch, "conv_depthwise", "conv_depthwise");
    cvy_launch_define(launch, "LANES", (size_t)config->value[LANES]);
    cvy_launch_define(launch, "ITEMS_W", (size_t)config->value[ITEMS_W]);
    cvy_launch_define(launch, "ITEMS_H", (size_t)config->value[ITEMS_H]);
    cvy_launch_define(launch, "BLOCK_H", (size_t)config->value[BLOCK_H]);
    cvy_launch_define(launch, "KERNEL_H", fixed ? axes.kernel[1] : 0);
    cvy_launch_define(launch, "KERNEL_W", fixed ? axes.kernel[2] : 0);
    cvy_launch_define(launch, "STEP", stride <= 2 ? stride : 0);
    cvy_launch_define(launch, "FLIP", p->flip);
    cvy_epilogue_define(launch, p);
    cvy_launch_define(launch, "PAD_MODE", p->pad_mode);
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
    size_t out[CVY_CONV_MAX_RANK];
    cvy_conv_output_sizes(&p, out);
    size_t lanes = (size_t)config->value[LANES], rows = (size_t)config->value[ROWS];
    size_t items_w = (size_t)config->value[ITEMS_W], items_h = (size_t)config->value[ITEMS_H];
    struct cvy_launch launch;
    describe(&launch, &p, config);
    cvy_launch_buffer(&launch, args->x);
    cvy_launch_buffer(&launch, args->w);
    cvy_epilogue_arguments(&launch, &p, args->bias);
    cvy_launch_buffer(&launch, args->y);
    cvy_launch_int(&launch, p.n * p.c * p.in[0] * p.in[1] * p.in[2]);
    cvy_launch_int(&launch, p.k);
    cvy_launch_int(&launch, p.k / p.c);
    cvy_launch_int(&launch, p.shuffle);
    cvy_launch_int(&launch, rows);
    /* where one work-item is a work-group it goes along the whole row */
    size_t along = items_w * items_h == 1 ? 1 : cvy_round_up(cvy_ceil_div(out[2], lanes), items_w);
    cvy_launch_int(&launch, along);
    cvy_window_argument(&launch, &p, out);
    if (items_w * items_h == 1)
        cvy_launch_share(&launch);
    cvy_launch_range(&launch, 3, (size_t[]){along, cvy_ceil_div(out[0] * out[1], rows), p.n * p.k},
                     (size_t[]){items_w, items_h, 1});
    return cvy_launch_run(device, &launch);
}

static double estimate(const struct cvy_conv_problem *p, const struct cvy_device *device,
                       const struct cvy_algo_config *config)
{
    struct cvy_conv_cost cost;
    if (cvy_conv_get_cost(p, &cost) != CVY_OK)
        return 1e30;
    size_t out[CVY_CONV_MAX_RANK];
    cvy_conv_output_sizes(p, out);
    size_t across = out[p->rank - 1], lanes = (size_t)config->value[LANES];
    double waste = (double)cvy_round_up(across, lanes) / (double)across;
    if (p->stride[p->rank - 1] > 2)
        waste *= 4; /* lanes are gathered one by one */
    return 20e-6 + 2 * cost.multiplications * waste / (0.25 * cvy_rate_flops(device)) +
           cost.bytes / cvy_rate_bytes(device);
}

const struct cvy_algo cvy_algo_depthwise = {
    .id = "depthwise",
    .programs = {"conv_depthwise"},
    .applicable = applicable,
    .default_config = default_config,
    .configs = configs,
    .build = build,
    .enqueue = enqueue,
    .estimate = estimate,
};
