/* int8: integers, gathered; a work-item makes some channels of y at one position. Any problem of integers. */
#include "base/arith.h"
#include "op/algo.h"
#include "op/problem.h"
#include "op/quantization.h"
#include "op/rate.h"
#include "op/window.h"
#include "runtime/device.h"
#include "runtime/launch.h"

extern const struct cvy_algo cvy_algo_int8;

enum { K_TILE }; /* indices into config.value */

static bool applicable(const struct cvy_conv_problem *p, const struct cvy_device *device, char *why,
                       size_t size)
{
    (void)device;
    return cvy_conv_fits_int(p, why, size);
}

static bool configs(const struct cvy_conv_problem *p, const struct cvy_device *device, size_t index,
                    struct cvy_algo_config *config)
{
    static const int tiles[] = {4, 1, 2, 8};
    (void)p;
    (void)device;
    if (index >= CVY_COUNT(tiles))
        return false;
    *config = (struct cvy_algo_config){.value[K_TILE] = tiles[index]};
    return true;
}

static void default_config(const struct cvy_conv_problem *p, const struct cvy_device *device,
                           size_t max_workspace, struct cvy_algo_config *config)
{
    size_t k_group = p->k / p->groups;
    (void)max_workspace;
    configs(p, device, k_group == 1 ? 1 : k_group == 2 ? 2 : 0, config);
}

static void describe(struct cvy_launch *launch, const struct cvy_conv_problem *p,
                     const struct cvy_algo_config *config)
{
    cvy_launch_init(launch, "conv_int8", "conv_int8");
    cvy_launch_define(launch, "TRANSPOSED", p->transposed);
    cvy_launch_define(launch, "FLIP", p->flip);
    cvy_launch_define(launch, "HAS_BIAS", p->bias);
    cvy_launch_define(launch, "PAD_MODE", p->pad_mode);
    cvy_launch_define(launch, "SHUFFLE", p->shuffle);
    cvy_launch_define(launch, "K_TILE", (size_t)config->value[K_TILE]);
    cvy_launch_define_text(launch, "X_TYPE", cvy_dtype_cl_name(p->x_dtype));
    cvy_launch_define_text(launch, "W_TYPE", cvy_dtype_cl_name(p->w_dtype));
    cvy_launch_define_text(launch, "Y_TYPE", cvy_dtype_cl_name(p->y_dtype));
    cvy_launch_define(launch, "REQUANTISE", p->y_dtype != CVY_INT32);
    if (p->y_dtype == CVY_INT32)
        return;
    int low, high;
    cvy_dtype_range(p->y_dtype, &low, &high);
    cvy_launch_define_signed(launch, "Y_LOW", low);
    cvy_launch_define_signed(launch, "Y_HIGH", high);
}

static enum cvy_status build(struct cvy_device *device, const struct cvy_conv_problem *p,
                             const struct cvy_algo_config *config)
{
    struct cvy_launch launch;
    describe(&launch, p, config);
    return cvy_launch_prepare(device, &launch);
}

static void add_buffers(struct cvy_launch *launch, const struct cvy_conv_problem *p,
                        const struct cvy_algo_args *args)
{
    cvy_launch_buffer(launch, args->x);
    cvy_launch_buffer(launch, args->w);
    if (p->bias)
        cvy_launch_buffer(launch, args->bias);
    cvy_launch_buffer(launch, args->y);
    cvy_launch_buffer(launch, args->x_zero);
    cvy_launch_buffer(launch, args->w_zero);
    if (p->y_dtype == CVY_INT32)
        return;
    cvy_launch_buffer(launch, args->y_zero);
    cvy_launch_buffer(launch, args->x_scale);
    cvy_launch_buffer(launch, args->w_scale);
    cvy_launch_buffer(launch, args->y_scale);
}

static enum cvy_status enqueue(struct cvy_device *device, const struct cvy_conv_problem *problem,
                               const struct cvy_algo_config *config, const struct cvy_algo_args *args)
{
    struct cvy_conv_problem p = cvy_conv_to_3d(problem);
    size_t out[CVY_CONV_MAX_RANK], k_group = p.k / p.groups;
    cvy_conv_output_sizes(&p, out);
    struct cvy_launch launch;
    describe(&launch, &p, config);
    add_buffers(&launch, &p, args);
    cvy_launch_int(&launch, (args->w_zero_per_channel ? 1 : 0) | (args->w_scale_per_channel ? 2 : 0));
    cvy_launch_int(&launch, p.groups);
    cvy_launch_int(&launch, p.c / p.groups);
    cvy_launch_int(&launch, k_group);
    cvy_window_argument(&launch, &p, out);
    size_t tiles = cvy_ceil_div(k_group, (size_t)config->value[K_TILE]);
    cvy_launch_range(&launch, 3, (size_t[]){out[2], out[0] * out[1], p.n * p.groups * tiles}, NULL);
    return cvy_launch_run(device, &launch);
}

static double estimate(const struct cvy_conv_problem *p, const struct cvy_device *device,
                       const struct cvy_algo_config *config)
{
    (void)config;
    struct cvy_conv_cost cost;
    if (cvy_conv_get_cost(p, &cost) != CVY_OK)
        return 1e30;
    return 20e-6 + 2 * cost.multiplications / (0.02 * cvy_rate_flops(device)) +
           cost.bytes / cvy_rate_bytes(device);
}

const struct cvy_algo cvy_algo_int8 = {
    .id = "int8",
    .programs = {"conv_int8"},
    .for_integers = true,
    .applicable = applicable,
    .default_config = default_config,
    .configs = configs,
    .build = build,
    .enqueue = enqueue,
    .estimate = estimate,
};
