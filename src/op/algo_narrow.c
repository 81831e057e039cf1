/*
 * narrow: few channels of y, from x in blocks. What is a vector of channels of y elsewhere would be nearly
 * empty; here it is one of channels of x, the sums of all its numbers are made at the end.
 */
#include <limits.h>
#include <stdio.h>

#include "base/arith.h"
#include "op/algo.h"
#include "op/epilogue.h"
#include "op/problem.h"
#include "op/rate.h"
#include "op/tile.h"
#include "op/window.h"
#include "runtime/device.h"
#include "runtime/launch.h"

#define MOST_CHANNELS 8   /* of y */
#define MOST_PIXELS 12    /* more than a multiplier's latency needs */
#define MOST_ROUNDS 32768 /* what the loops of a work-item may do on any driver */
#define SHARE 0.6         /* of the peak: as many numbers are loaded as multiplied */
#define TOTAL_ROUNDS 5    /* that adding up a vector's numbers takes as long as */

extern const struct cvy_algo cvy_algo_narrow;

/* config->value[] */
enum { PIXELS };

struct geometry {
    struct cvy_conv_problem p; /* three axes */
    size_t out[CVY_CONV_MAX_RANK];
    size_t taps, x_blocks, y_block; /* y_block 1: plain */
    size_t pixels, across;          /* across: tiles in a row of y */
};

static struct geometry geometry_of(const struct cvy_conv_problem *problem,
                                   const struct cvy_algo_config *config)
{
    struct geometry s = {.p = cvy_conv_to_3d(problem)};
    cvy_conv_output_sizes(&s.p, s.out);
    s.taps = s.p.kernel[0] * s.p.kernel[1] * s.p.kernel[2];
    s.x_blocks = cvy_ceil_div(s.p.c, s.p.x_block);
    s.y_block = CVY_MAX(s.p.y_block, 1);
    s.pixels = (size_t)config->value[PIXELS];
    s.across = cvy_ceil_div(s.out[2], s.pixels);
    return s;
}

static bool applicable(const struct cvy_conv_problem *p, const struct cvy_device *device, char *why,
                       size_t size)
{
    size_t packed = 1;
    (void)device;
    if (!cvy_conv_fits_int(p, why, size))
        return false;
    if (p->transposed || p->groups > 1 || p->x_block == 0) {
        snprintf(why, size, "it does forward convolutions of one group, of x in blocks of channels");
        return false;
    }
    if (p->k > MOST_CHANNELS || (p->y_block > 0 && p->k > p->y_block)) {
        snprintf(why, size, "y has %zu channels, more than %d or than a block", p->k, MOST_CHANNELS);
        return false;
    }
    for (size_t i = 0; i < p->rank; i++)
        packed = cvy_mul(packed, p->kernel[i], &packed) ? packed : SIZE_MAX;
    if (!cvy_mul(packed, cvy_ceil_div(p->c, p->x_block), &packed) || packed > MOST_ROUNDS) {
        snprintf(why, size, "%zu channels of x times its taps are more than its loops count", p->c);
        return false;
    }
    return true;
}

static void default_config(const struct cvy_conv_problem *p, const struct cvy_device *device,
                           size_t max_workspace, struct cvy_algo_config *config)
{
    (void)device;
    (void)max_workspace;
    size_t out[CVY_CONV_MAX_RANK];
    cvy_conv_output_sizes(p, out);
    const size_t most = CVY_MIN(cvy_tile_pixels(p->x_block, p->k, 2), MOST_PIXELS);
    *config = (struct cvy_algo_config){{0}};
    config->value[PIXELS] = (int)cvy_even_piece(out[p->rank - 1], most);
}

static bool configs(const struct cvy_conv_problem *p, const struct cvy_device *device, size_t index,
                    struct cvy_algo_config *config)
{
    default_config(p, device, 0, config);
    return index == 0;
}

/* How long one unit of the device would take. */
static double unit_seconds(const struct geometry *s, const struct cvy_device *device)
{
    const double sums = (double)(s->p.n * s->p.k * s->out[0] * s->out[1]) * (double)(s->across * s->pixels);
    const double vectors = sums * (double)(s->x_blocks * s->taps + TOTAL_ROUNDS);
    const double units = (double)CVY_MAX(device->info.compute_units, 1);
    const double lanes = (double)CVY_MAX(s->p.x_block, device->info.vector_width);
    const bool fills_registers = device->info.type == CVY_DEVICE_CPU && device->info.vector_width > 1;
    return 2 * vectors * lanes * units / (SHARE * cvy_rate_flops(device)) * (fills_registers ? 1 : 20);
}

/* Rows of y for a work-item. */
static size_t share(const struct geometry *s, const struct cvy_device *device)
{
    const size_t most = CVY_MAX(MOST_ROUNDS / (s->across * s->x_blocks * s->taps), 1);
    return cvy_share(device, s->out[0] * s->out[1], s->p.n, most, unit_seconds(s, device));
}

static double estimate(const struct cvy_conv_problem *p, const struct cvy_device *device,
                       const struct cvy_algo_config *config)
{
    struct geometry s = geometry_of(p, config);
    struct cvy_conv_cost cost;
    if (cvy_conv_get_cost(p, &cost) != CVY_OK)
        return 1e30;
    return cvy_share_seconds(device, s.out[0] * s.out[1], s.p.n, share(&s, device),
                             unit_seconds(&s, device)) +
           CVY_TILE_MEMORY_SHARE * cost.bytes / cvy_rate_bytes(device);
}

static size_t packed_count(const struct geometry *s)
{
    return s->x_blocks * s->p.x_block * s->taps * s->p.k;
}

static size_t prepared_bytes(const struct cvy_conv_problem *p, const struct cvy_device *device,
                             const struct cvy_algo_config *config)
{
    (void)device;
    struct geometry s = geometry_of(p, config);
    return packed_count(&s) * sizeof(float);
}

static void describe(struct cvy_launch *launch, const struct geometry *s, const char *kernel)
{
    cvy_launch_init(launch, "conv_narrow", kernel);
    cvy_launch_define(launch, "LANES", s->p.x_block);
    cvy_launch_define(launch, "K", s->p.k);
    cvy_launch_define(launch, "PIXELS", s->pixels);
    cvy_launch_define(launch, "Y_BLOCK", s->y_block);
    cvy_launch_define(launch, "STRIDE_W", s->p.stride[2]);
    cvy_launch_define(launch, "PAD_MODE", s->p.pad_mode);
    cvy_epilogue_define(launch, &s->p);
}

static enum cvy_status build(struct cvy_device *device, const struct cvy_conv_problem *p,
                             const struct cvy_algo_config *config)
{
    struct geometry s = geometry_of(p, config);
    struct cvy_launch launch;
    describe(&launch, &s, "narrow_pack");
    enum cvy_status status = cvy_launch_prepare(device, &launch);
    if (status != CVY_OK)
        return status;
    describe(&launch, &s, "narrow");
    return cvy_launch_prepare(device, &launch);
}

static enum cvy_status prepare(struct cvy_device *device, const struct cvy_conv_problem *p,
                               const struct cvy_algo_config *config, struct cvy_buffer *w,
                               struct cvy_buffer *prepared)
{
    struct geometry s = geometry_of(p, config);
    size_t count = packed_count(&s);
    struct cvy_launch launch;
    describe(&launch, &s, "narrow_pack");
    cvy_launch_buffer(&launch, w);
    cvy_launch_buffer(&launch, prepared);
    cvy_launch_sizes(&launch, (size_t[]){count, s.p.c, s.taps, p->flip}, 4);
    cvy_launch_range(&launch, 1, &count, NULL);
    return cvy_launch_run(device, &launch);
}

static enum cvy_status enqueue(struct cvy_device *device, const struct cvy_conv_problem *p,
                               const struct cvy_algo_config *config, const struct cvy_algo_args *args)
{
    struct geometry s = geometry_of(p, config);
    const size_t rows = share(&s, device);
    struct cvy_launch launch;
    describe(&launch, &s, "narrow");
    cvy_launch_share(&launch);
    cvy_launch_buffer(&launch, args->x);
    cvy_launch_buffer(&launch, args->w);
    cvy_epilogue_arguments(&launch, p, args->bias);
    cvy_launch_buffer(&launch, args->y);
    cvy_launch_struct(&launch, (size_t[]){rows, s.p.c}, 2);
    cvy_window_argument(&launch, &s.p, s.out);
    cvy_launch_range(&launch, 2, (size_t[]){cvy_ceil_div(s.out[0] * s.out[1], rows), s.p.n},
                     (size_t[]){1, 1});
    return cvy_launch_run(device, &launch);
}

const struct cvy_algo cvy_algo_narrow = {
    .id = "narrow",
    .programs = {"conv_narrow"},
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
