#include "op/separable.h"

#include <limits.h>
#include <stdio.h>

#include "base/arith.h"
#include "op/epilogue.h"
#include "op/problem.h"
#include "op/rate.h"
#include "op/window.h"
#include "runtime/device.h"
#include "runtime/launch.h"
#include "runtime/quarantine.h"

/* How the work is cut. Sizes of the passes have three axes. */
struct cut {
    struct cvy_conv_problem depthwise, pointwise;
    size_t out[CVY_CONV_MAX_RANK];
    size_t lanes, vectors, block_k;
    size_t rows;       /* of y for each work-item */
    size_t tile_width; /* pixels between two channels of the tile */
    size_t tile_bytes;
};

static struct cut cut_of(const struct cvy_separable *s, const struct cvy_device *device)
{
    struct cut c = {.depthwise = cvy_conv_to_3d(&s->depthwise), .pointwise = cvy_conv_to_3d(&s->pointwise)};
    cvy_conv_output_sizes(&c.depthwise, c.out);
    const size_t width = CVY_MIN(CVY_MAX(device->info.vector_width, 1), 16), y_rows = c.out[0] * c.out[1];
    c.lanes = 1;
    while (c.lanes * 2 <= width && c.lanes < c.out[2])
        c.lanes *= 2;
    /* a tile that stays in the nearest caches, and enough of them for every compute unit */
    const size_t units = CVY_MAX(device->info.compute_units, 1);
    const size_t most_pixels = CVY_MAX(((size_t)256 << 10) / sizeof(float) / c.depthwise.k, 2 * c.lanes);
    c.rows = CVY_MAX(most_pixels / c.out[2], 1);
    c.rows = CVY_MIN(c.rows, CVY_MAX(y_rows * c.depthwise.n / (2 * units), 1));
    c.rows = CVY_MIN(c.rows, y_rows);
    c.rows = cvy_ceil_div(y_rows, cvy_ceil_div(y_rows, c.rows));
    c.vectors = c.rows * c.out[2] >= 2 * c.lanes ? 2 : 1;
    /* pieces of equal size, each of which fits the registers */
    const size_t k_group = c.pointwise.k / c.pointwise.groups;
    c.block_k = cvy_ceil_div(k_group, cvy_ceil_div(k_group, 14));
    c.tile_width = cvy_round_up(CVY_MAX(c.rows * c.out[2], c.lanes * c.vectors), c.lanes);
    if (!cvy_mul(c.tile_width * sizeof(float), c.depthwise.k, &c.tile_bytes))
        c.tile_bytes = SIZE_MAX;
    return c;
}

/* Rounds of all loops of a work-item, none of them unrolled, from above. */
static double steps_of(const struct cut *c)
{
    const struct cvy_conv_problem *d = &c->depthwise, *p = &c->pointwise;
    const double tile = (double)(c->rows * c->out[2]), width = (double)(c->lanes * c->vectors);
    const double blocks = (double)(p->groups * cvy_ceil_div(p->k / p->groups, c->block_k));
    const double taps = (double)(d->kernel[0] * (1 + d->kernel[1] * (1 + d->kernel[2])));
    const double each = (double)(c->block_k + 1) * (double)(c->vectors + 1);
    const double vectors = (double)(p->c / p->groups) * each + 2 * each + (double)c->block_k * width;
    return (double)d->k * (tile * (2 + taps) + (double)c->rows + 1) + blocks * (tile / width + 1) * vectors;
}

bool cvy_separable_applies(const struct cvy_separable *s, const struct cvy_device *device, char *why,
                           size_t size)
{
    if (!cvy_conv_fits_int(&s->depthwise, why, size) || !cvy_conv_fits_int(&s->pointwise, why, size))
        return false;
    if (s->depthwise.transposed) {
        snprintf(why, size, "its depthwise pass is transposed");
        return false;
    }
    if (device->info.type != CVY_DEVICE_CPU) {
        snprintf(why, size, "one work-item makes a whole tile, which only fills the registers of a CPU");
        return false;
    }
    struct cut c = cut_of(s, device);
    size_t packed;
    const size_t k_group = c.pointwise.k / c.pointwise.groups;
    if (!cvy_mul(c.pointwise.c, cvy_round_up(k_group, c.block_k), &packed) || packed > INT_MAX) {
        snprintf(why, size, "its packed weights are more than the %d that a kernel's int can count", INT_MAX);
        return false;
    }
    if (c.tile_bytes > device->info.local_bytes) {
        snprintf(why, size, "%zu channels of a row of %zu need %zu bytes of local memory; there are %llu",
                 c.depthwise.k, c.out[2], c.tile_bytes, (unsigned long long)device->info.local_bytes);
        return false;
    }
    const double steps = steps_of(&c), most = UINT16_MAX;
    if (device->info.vector_width < 2 && steps > most) {
        /* llvmpipe leaves loops after so many rounds and says nothing */
        snprintf(why, size, "a work-item takes %.0f steps; without vectors at most %.0f are dared", steps,
                 most);
        return false;
    }
    if (cvy_quarantine_has(device, "conv_separable", NULL, NULL, 0)) {
        snprintf(why, size,
                 "its kernel gave wrong results on this device and driver; 'convoy doctor --forget' "
                 "admits it untested");
        return false;
    }
    return true;
}

/* What the depthwise pass makes costs nothing more while the caches hold it. Beyond that the tiles save
 * writing and reading it, but the products on them, whose ends do not fill vectors, are a fifth slower.
 * Measured on a CPU with 2 MiB of cache for each core. */
bool cvy_separable_is_faster(const struct cvy_separable *s, const struct cvy_device *device)
{
    const double cache = 1 << 20;
    struct cut c = cut_of(s, device);
    struct cvy_conv_cost cost;
    if (cvy_conv_get_cost(&c.pointwise, &cost) != CVY_OK)
        return false;
    const double pixels = (double)c.out[0] * (double)c.out[1] * (double)c.out[2];
    const double between = sizeof(float) * (double)c.pointwise.n * (double)c.pointwise.c * pixels;
    const size_t tile = c.rows * c.out[2];
    const double waste = (double)cvy_round_up(tile, c.lanes * c.vectors) / (double)tile;
    const double lost = (1.2 * waste - 1) * 2 * cost.multiplications / cvy_rate_flops(device);
    return between > cache && 2 * between / (3 * cvy_rate_bytes(device)) > lost;
}

static void describe(struct cvy_launch *launch, const struct cut *c, const char *kernel)
{
    const size_t stride = c->depthwise.stride[2];
    cvy_launch_init(launch, "conv_separable", kernel);
    cvy_launch_define(launch, "LANES", c->lanes);
    cvy_launch_define(launch, "VECTORS", c->vectors);
    cvy_launch_define(launch, "BLOCK_K", c->block_k);
    cvy_launch_define(launch, "STEP", stride <= 2 ? stride : 0);
    cvy_launch_define(launch, "PAD_MODE", c->depthwise.pad_mode);
    cvy_launch_define(launch, "FLIP", c->depthwise.flip);
    cvy_launch_define(launch, "HAS_BETWEEN", c->depthwise.bias);
    cvy_epilogue_define(launch, &c->pointwise);
}

enum cvy_status cvy_separable_build(struct cvy_device *device, const struct cvy_separable *s)
{
    static const char *const kernels[] = {"separable_pack", "separable"};
    struct cut c = cut_of(s, device);
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < CVY_COUNT(kernels); i++) {
        struct cvy_launch launch;
        describe(&launch, &c, kernels[i]);
        status = cvy_launch_prepare(device, &launch);
    }
    return status;
}

/* applies() has seen to it that this fits. */
static size_t packed_count(const struct cut *c)
{
    return c->pointwise.c * cvy_round_up(c->pointwise.k / c->pointwise.groups, c->block_k);
}

size_t cvy_separable_packed_bytes(const struct cvy_separable *s, const struct cvy_device *device)
{
    struct cut c = cut_of(s, device);
    return packed_count(&c) * sizeof(float);
}

enum cvy_status cvy_separable_pack(struct cvy_device *device, const struct cvy_separable *s,
                                   struct cvy_buffer *w_pointwise, struct cvy_buffer *packed)
{
    struct cut c = cut_of(s, device);
    const size_t count = packed_count(&c);
    struct cvy_launch launch;
    describe(&launch, &c, "separable_pack");
    cvy_launch_buffer(&launch, w_pointwise);
    cvy_launch_buffer(&launch, packed);
    cvy_launch_int(&launch, count);
    cvy_launch_int(&launch, c.pointwise.c / c.pointwise.groups);
    cvy_launch_int(&launch, c.pointwise.k / c.pointwise.groups);
    cvy_launch_range(&launch, 1, &count, NULL);
    return cvy_launch_run(device, &launch);
}

enum cvy_status cvy_separable_enqueue(struct cvy_device *device, const struct cvy_separable *s,
                                      const struct cvy_separable_args *args)
{
    struct cut c = cut_of(s, device);
    const struct cvy_conv_problem *d = &c.depthwise, *p = &c.pointwise;
    struct cvy_launch launch;
    describe(&launch, &c, "separable");
    cvy_launch_buffer(&launch, args->x);
    cvy_launch_buffer(&launch, args->w_depthwise);
    cvy_launch_buffer(&launch, args->packed);
    if (d->bias)
        cvy_launch_buffer(&launch, args->bias_between);
    cvy_epilogue_arguments(&launch, p, args->bias);
    cvy_launch_buffer(&launch, args->y);
    cvy_launch_int(&launch, c.tile_width);
    cvy_launch_int(&launch, c.rows);
    cvy_launch_int(&launch, d->k / d->c);
    cvy_launch_int(&launch, p->groups);
    cvy_launch_int(&launch, p->c / p->groups);
    cvy_launch_int(&launch, p->k / p->groups);
    cvy_launch_int(&launch, p->shuffle);
    cvy_launch_int(&launch, d->n);
    cvy_launch_balance(&launch);
    cvy_window_argument(&launch, d, c.out);
    cvy_launch_local(&launch, c.tile_bytes);
    cvy_launch_range(&launch, 2, (size_t[]){cvy_ceil_div(c.out[0] * c.out[1], c.rows), d->n},
                     (size_t[]){1, 1});
    return cvy_launch_run(device, &launch);
}
