/* ref: the definition, gathered by one work-item for each element of y. Any problem on any device. */
#include "base/arith.h"
#include "op/algo.h"
#include "op/epilogue.h"
#include "op/problem.h"
#include "op/rate.h"
#include "op/storage.h"
#include "op/window.h"
#include "runtime/device.h"
#include "runtime/launch.h"

extern const struct cvy_algo cvy_algo_ref;

static bool applicable(const struct cvy_conv_problem *p, const struct cvy_device *device, char *why,
                       size_t size)
{
    (void)device;
    return cvy_conv_fits_int(p, why, size);
}

static void default_config(const struct cvy_conv_problem *p, const struct cvy_device *device,
                           size_t max_workspace, struct cvy_algo_config *config)
{
    (void)p;
    (void)device;
    (void)max_workspace;
    *config = (struct cvy_algo_config){{0}};
}

static bool configs(const struct cvy_conv_problem *p, const struct cvy_device *device, size_t index,
                    struct cvy_algo_config *config)
{
    default_config(p, device, 0, config);
    return index == 0;
}

static void describe(struct cvy_launch *launch, const struct cvy_conv_problem *p)
{
    cvy_launch_init(launch, "conv_ref", "conv_ref");
    cvy_launch_define(launch, "TRANSPOSED", p->transposed);
    cvy_launch_define(launch, "FLIP", p->flip);
    cvy_epilogue_define(launch, p);
    cvy_storage_define(launch, p);
    cvy_launch_define(launch, "PAD_MODE", p->pad_mode);
}

static enum cvy_status build(struct cvy_device *device, const struct cvy_conv_problem *p,
                             const struct cvy_algo_config *config)
{
    (void)config;
    struct cvy_launch launch;
    describe(&launch, p);
    return cvy_launch_prepare(device, &launch);
}

static enum cvy_status enqueue(struct cvy_device *device, const struct cvy_conv_problem *problem,
                               const struct cvy_algo_config *config, const struct cvy_algo_args *args)
{
    (void)config;
    struct cvy_conv_problem p = cvy_conv_to_3d(problem);
    size_t out[CVY_CONV_MAX_RANK];
    cvy_conv_output_sizes(&p, out);
    size_t x_block = CVY_MAX(p.x_block, 1), y_block = CVY_MAX(p.y_block, 1);
    size_t count = p.n * cvy_round_up(p.k, y_block) * out[0] * out[1] * out[2];
    struct cvy_launch launch;
    describe(&launch, &p);
    cvy_launch_buffer(&launch, args->x);
    cvy_launch_buffer(&launch, args->w);
    cvy_epilogue_arguments(&launch, &p, args->bias);
    cvy_launch_buffer(&launch, args->y);
    cvy_launch_int(&launch, count);
    cvy_launch_int(&launch, x_block);
    cvy_launch_int(&launch, y_block);
    cvy_launch_int(&launch, p.groups);
    cvy_launch_int(&launch, p.c / p.groups);
    cvy_launch_int(&launch, p.k / p.groups);
    cvy_launch_int(&launch, p.shuffle);
    cvy_window_argument(&launch, &p, out);
    cvy_launch_range(&launch, 1, &count, NULL);
    return cvy_launch_run(device, &launch);
}

static double estimate(const struct cvy_conv_problem *p, const struct cvy_device *device,
                       const struct cvy_algo_config *config)
{
    (void)config;
    struct cvy_conv_cost cost;
    if (cvy_conv_get_cost(p, &cost) != CVY_OK)
        return 1e30;
    double taken = cost.multiplications;
    /* the gather tries every tap for every element of y, also those that fall between strides */
    for (size_t i = 0; p->transposed && i < p->rank; i++)
        taken *= (double)CVY_MIN(p->stride[i], p->kernel[i]);
    return 20e-6 + 2 * taken / (0.01 * cvy_rate_flops(device)) + cost.bytes / cvy_rate_bytes(device);
}

const struct cvy_algo cvy_algo_ref = {
    .id = "ref",
    .programs = {"conv_ref"},
    .takes_blocks = true,
    .takes_half = true,
    .applicable = applicable,
    .default_config = default_config,
    .configs = configs,
    .build = build,
    .enqueue = enqueue,
    .estimate = estimate,
};
