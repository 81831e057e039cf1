/*
 * implicit_gemm: weights times the columns of im2col, which are gathered into local memory and nowhere else.
 * For devices that run many work-items at once; any problem on plain tensors. Transposed convolutions are one
 * product for each remainder of the stride. Chetlur et al., "cuDNN", arXiv 1410.0759, section 3.
 */
#include <limits.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arith.h"
#include "op/algo.h"
#include "op/epilogue.h"
#include "op/problem.h"
#include "op/rate.h"
#include "op/storage.h"
#include "runtime/device.h"
#include "runtime/launch.h"

#define MOST_BLOCK 128 /* of channels, and of pixels */
#define MOST_DEPTH 16
#define MOST_PIECES 16
#define CPU_SHARE 0.08

extern const struct cvy_algo cvy_algo_implicit_gemm;

/* config->value[]. As the kernel's macros: side_k x side_p work-items make per_k x per_p each; and the pieces
 * of each sum, for y too small to keep the device busy. */
enum { SIDE_K, SIDE_P, PER_K, PER_P, DEPTH, PIECES };

/* SIDE_K is a multiple of PER_P, BLOCK_K of 4, DEPTH of SIDE_K / PER_P. */
static const struct cvy_algo_config tiles[] = {
    {{8, 8, 8, 8, 8}},  {{16, 16, 8, 8, 8}}, {{16, 16, 4, 4, 16}}, {{8, 8, 4, 4, 16}},
    {{4, 16, 4, 4, 8}}, {{4, 16, 2, 4, 8}},  {{4, 16, 1, 4, 8}},
};

struct geometry {
    struct cvy_conv_problem p; /* three axes */
    size_t out[CVY_CONV_MAX_RANK];
    size_t x_step[CVY_CONV_MAX_RANK], y_step[CVY_CONV_MAX_RANK];
    size_t classes; /* of positions of y */
    size_t c_group, k_group;
    size_t taps;    /* of the class that has most */
    size_t columns; /* pixels of the largest class, of all images */
};

static struct geometry geometry_of(const struct cvy_conv_problem *problem)
{
    struct geometry s = {.p = cvy_conv_to_3d(problem), .classes = 1, .taps = 1};
    cvy_conv_output_sizes(&s.p, s.out);
    s.c_group = s.p.c / s.p.groups;
    s.k_group = s.p.k / s.p.groups;
    s.columns = s.p.n;
    for (size_t i = 0; i < CVY_CONV_MAX_RANK; i++) {
        s.x_step[i] = s.p.transposed ? 1 : s.p.stride[i];
        s.y_step[i] = s.p.transposed ? CVY_MIN(s.p.stride[i], s.out[i]) : 1;
        s.classes *= s.y_step[i];
        s.columns *= cvy_ceil_div(s.out[i], s.y_step[i]);
        size_t step = s.p.transposed ? s.p.stride[i] / cvy_gcd(s.p.stride[i], s.p.dilation[i]) : 1;
        s.taps *= cvy_ceil_div(s.p.kernel[i], step);
    }
    return s;
}

static size_t items_of(const struct cvy_algo_config *config)
{
    return (size_t)(config->value[SIDE_K] * config->value[SIDE_P]);
}

static size_t block_k_of(const struct cvy_algo_config *config)
{
    return (size_t)(config->value[SIDE_K] * config->value[PER_K]);
}

static size_t block_p_of(const struct cvy_algo_config *config)
{
    return (size_t)(config->value[SIDE_P] * config->value[PER_P]);
}

static size_t blocks_of(const struct geometry *s, const struct cvy_algo_config *config)
{
    return cvy_ceil_div(s->k_group, block_k_of(config));
}

/* Products of a class, in whole steps. */
static size_t entries_of(const struct geometry *s, const struct cvy_algo_config *config)
{
    return cvy_round_up(s->taps * s->c_group, (size_t)config->value[DEPTH]);
}

static bool tile_fits(const struct cvy_algo_config *config, const struct cvy_device_info *info)
{
    size_t local = (block_k_of(config) + block_p_of(config)) * (size_t)config->value[DEPTH] * sizeof(float) +
                   block_p_of(config) * sizeof(int);
    return local <= info->local_bytes && items_of(config) <= info->max_work_group &&
           (size_t)config->value[SIDE_P] <= info->max_work_item_sizes[0] &&
           (size_t)config->value[SIDE_K] <= info->max_work_item_sizes[1];
}

/* A step of 8 where that keeps it within a tap. */
static bool nth_tile(const struct geometry *s, const struct cvy_device_info *info, size_t index, int pieces,
                     struct cvy_algo_config *config)
{
    for (size_t i = 0; i < CVY_COUNT(tiles); i++) {
        if (!tile_fits(&tiles[i], info) || index-- > 0)
            continue;
        *config = tiles[i];
        config->value[PIECES] = pieces;
        if (s->c_group % (size_t)config->value[DEPTH] != 0 && s->c_group % 8 == 0)
            config->value[DEPTH] = 8;
        return true;
    }
    return false;
}

static bool applicable(const struct cvy_conv_problem *p, const struct cvy_device *device, char *why,
                       size_t size)
{
    if (!cvy_conv_fits_int(p, why, size))
        return false;
    struct geometry s = geometry_of(p);
    struct cvy_algo_config config;
    if (!nth_tile(&s, &device->info, 0, 1, &config)) {
        snprintf(why, size, "it needs work-groups of 64; the device has %zu, and %llu bytes of local memory",
                 device->info.max_work_group, (unsigned long long)device->info.local_bytes);
        return false;
    }
    if (s.columns > INT_MAX - MOST_BLOCK) {
        snprintf(why, size, "y has %zu pixels; its tiles count to %d", s.columns, INT_MAX - MOST_BLOCK);
        return false;
    }
    /* SIZE_MAX: more than can be counted */
    size_t packed = s.taps * s.c_group + MOST_DEPTH;
    size_t channels = p->groups * cvy_round_up(s.k_group, MOST_BLOCK) + 4;
    if (!cvy_mul(packed, s.classes, &packed) || !cvy_mul(packed, channels, &packed) || packed > INT_MAX) {
        snprintf(why, size, "its packed weights are more than the %d that a kernel's int can count", INT_MAX);
        return false;
    }
    return true;
}

static size_t pieces_of(const struct cvy_algo_config *config)
{
    return (size_t)config->value[PIECES];
}

static double y_elements(const struct geometry *s)
{
    return (double)s->p.n * (double)s->p.k * (double)(s->out[0] * s->out[1] * s->out[2]);
}

/* Entries of a piece, in whole steps. */
static size_t span_of(const struct geometry *s, const struct cvy_algo_config *config)
{
    size_t span = cvy_ceil_div(entries_of(s, config), pieces_of(config));
    return cvy_round_up(span, (size_t)config->value[DEPTH]);
}

static size_t workspace(const struct cvy_conv_problem *p, const struct cvy_device *device,
                        const struct cvy_algo_config *config)
{
    (void)device;
    struct geometry s = geometry_of(p);
    double bytes = y_elements(&s) * (double)pieces_of(config) * sizeof(float);
    if (pieces_of(config) == 1)
        return 0;
    return bytes < (double)(SIZE_MAX / 2) ? (size_t)bytes : SIZE_MAX;
}

/* What a work-item's instructions do for the sum, of all that it issues in a step. */
static double efficiency(const struct geometry *s, const struct cvy_algo_config *config)
{
    const int *value = config->value;
    const double sums = (double)value[PER_K] * value[PER_P];
    const double reads = (double)value[PER_K] / 2 + (double)value[PER_P] / 4;
    const double fetch_x = s->c_group % (size_t)value[DEPTH] == 0 ? 3 : 16;
    const double fetches = fetch_x * value[PER_P] / value[SIDE_K] + (double)value[PER_K] / value[SIDE_P];
    return sums / (sums + reads + fetches);
}

static double estimate(const struct cvy_conv_problem *p, const struct cvy_device *device,
                       const struct cvy_algo_config *config)
{
    struct cvy_conv_cost cost;
    if (cvy_conv_get_cost(p, &cost) != CVY_OK)
        return 1e30;
    const struct cvy_device_info *info = &device->info;
    struct geometry s = geometry_of(p);
    double groups = (double)cvy_ceil_div(s.columns, block_p_of(config)) *
                    (double)(blocks_of(&s, config) * p->groups * s.classes * pieces_of(config));
    double products = (double)(block_k_of(config) * block_p_of(config)) * (double)span_of(&s, config);
    double units = info->compute_units > 0 ? (double)info->compute_units : 1;
    double rounds = (double)(size_t)(groups / units + 0.999);
    /* fewer work-items on a unit than this leave it waiting for memory and its own pipelines */
    double busy = CVY_MIN(rounds * (double)items_of(config) / 256, 1);
    double part = efficiency(&s, config), share = 0.75 * busy * part;
    if (info->type == CVY_DEVICE_CPU)
        share = CPU_SHARE * part * part; /* measured */
    else if (!info->local_is_dedicated)
        share *= 0.4;
    const struct cvy_device_rates *rates = cvy_rates(device);
    double join = 0;
    if (pieces_of(config) > 1)
        join = rates->launch_seconds +
               2 * sizeof(float) * (double)pieces_of(config) * y_elements(&s) / rates->memory_bytes;
    return join + rates->launch_seconds + groups * rates->group_seconds +
           rounds * units * 2 * products / (share * rates->flops) + cost.bytes / rates->memory_bytes;
}

static void default_config(const struct cvy_conv_problem *p, const struct cvy_device *device,
                           size_t max_workspace, struct cvy_algo_config *config)
{
    struct geometry s = geometry_of(p);
    struct cvy_algo_config next;
    double least = 0;
    for (int pieces = 1; pieces <= MOST_PIECES; pieces *= 2) {
        for (size_t i = 0; nth_tile(&s, &device->info, i, pieces, &next); i++) {
            double seconds = estimate(p, device, &next);
            if ((pieces > 1 && workspace(p, device, &next) > max_workspace) ||
                (least > 0 && seconds >= least))
                continue;
            least = seconds;
            *config = next;
        }
    }
}

static bool configs(const struct cvy_conv_problem *p, const struct cvy_device *device, size_t index,
                    struct cvy_algo_config *config)
{
    struct geometry s = geometry_of(p);
    /* the first tile in pieces too, then each as it is */
    return index == 0 ? nth_tile(&s, &device->info, 0, 4, config)
                      : nth_tile(&s, &device->info, index - 1, 1, config);
}

static size_t prepared_bytes(const struct cvy_conv_problem *p, const struct cvy_device *device,
                             const struct cvy_algo_config *config)
{
    (void)device;
    struct geometry s = geometry_of(p);
    size_t entries = entries_of(&s, config);
    size_t weights = p->groups * blocks_of(&s, config) * block_k_of(config) * entries;
    return s.classes * ((1 + entries) * sizeof(cl_int4) + weights * sizeof(float));
}

static void describe_pack(struct cvy_launch *launch, const struct geometry *s)
{
    cvy_launch_init(launch, "conv_implicit_gemm", "pack");
    cvy_launch_define(launch, "STAGE", 1);
    cvy_launch_define(launch, "TRANSPOSED", s->p.transposed);
    cvy_launch_define(launch, "FLIP", s->p.flip);
    cvy_storage_define(launch, &s->p);
}

static enum cvy_status prepare(struct cvy_device *device, const struct cvy_conv_problem *p,
                               const struct cvy_algo_config *config, struct cvy_buffer *w,
                               struct cvy_buffer *prepared)
{
    struct geometry s = geometry_of(p);
    size_t entries = entries_of(&s, config), blocks = blocks_of(&s, config), steps[CVY_CONV_MAX_RANK];
    size_t columns = p->groups * blocks * block_k_of(config);
    for (size_t i = 0; i < CVY_CONV_MAX_RANK; i++)
        steps[i] = s.p.stride[i] / cvy_gcd(s.p.stride[i], s.p.dilation[i]);
    struct cvy_launch launch;
    describe_pack(&launch, &s);
    cvy_launch_buffer(&launch, w);
    cvy_launch_buffer(&launch, prepared);
    cvy_launch_int(&launch, columns);
    cvy_launch_int(&launch, entries);
    cvy_launch_int(&launch, s.c_group);
    cvy_launch_int(&launch, s.k_group);
    cvy_launch_int(&launch, block_k_of(config));
    cvy_launch_int(&launch, blocks);
    cvy_launch_int(&launch, s.p.in[0] * s.p.in[1] * s.p.in[2]);
    cvy_launch_sizes(&launch, s.y_step, CVY_CONV_MAX_RANK);
    cvy_launch_sizes(&launch, s.p.kernel, CVY_CONV_MAX_RANK);
    cvy_launch_sizes(&launch, s.p.stride, CVY_CONV_MAX_RANK);
    cvy_launch_sizes(&launch, s.p.dilation, CVY_CONV_MAX_RANK);
    cvy_launch_sizes(&launch, s.p.pad_begin, CVY_CONV_MAX_RANK);
    cvy_launch_sizes(&launch, steps, CVY_CONV_MAX_RANK);
    cvy_launch_range(&launch, 2, (size_t[]){columns, s.classes * entries}, NULL);
    return cvy_launch_run(device, &launch);
}

static void describe(struct cvy_launch *launch, const struct geometry *s,
                     const struct cvy_algo_config *config)
{
    static const char *const names[] = {"SIDE_K", "SIDE_P", "PER_K", "PER_P", "DEPTH"};
    bool is_split = pieces_of(config) > 1;
    cvy_launch_init(launch, "conv_implicit_gemm", "implicit_gemm");
    cvy_launch_define(launch, "STAGE", 2);
    for (size_t i = 0; i < CVY_COUNT(names); i++)
        cvy_launch_define(launch, names[i], (size_t)config->value[i]);
    cvy_launch_define(launch, "SAME_TAP", s->c_group % (size_t)config->value[DEPTH] == 0);
    cvy_launch_define(launch, "PAD_MODE", (size_t)s->p.pad_mode);
    cvy_launch_define(launch, "SPLIT", is_split);
    cvy_storage_define(launch, &s->p);
    if (!is_split)
        cvy_epilogue_define(launch, &s->p);
}

static void describe_join(struct cvy_launch *launch, const struct geometry *s)
{
    cvy_launch_init(launch, "conv_implicit_gemm", "join");
    cvy_launch_define(launch, "STAGE", 3);
    cvy_storage_define(launch, &s->p);
    cvy_epilogue_define(launch, &s->p);
}

static enum cvy_status build(struct cvy_device *device, const struct cvy_conv_problem *p,
                             const struct cvy_algo_config *config)
{
    struct geometry s = geometry_of(p);
    struct cvy_launch launch;
    describe_pack(&launch, &s);
    enum cvy_status status = cvy_launch_prepare(device, &launch);
    if (status != CVY_OK)
        return status;
    describe(&launch, &s, config);
    status = cvy_launch_prepare(device, &launch);
    if (status != CVY_OK || pieces_of(config) == 1)
        return status;
    describe_join(&launch, &s);
    return cvy_launch_prepare(device, &launch);
}

static enum cvy_status enqueue_join(struct cvy_device *device, const struct geometry *s,
                                    const struct cvy_algo_config *config, const struct cvy_algo_args *args)
{
    struct cvy_launch launch;
    size_t pixels = s->out[0] * s->out[1] * s->out[2], count = s->p.n * s->p.k * pixels;
    describe_join(&launch, s);
    cvy_launch_buffer(&launch, args->workspace);
    cvy_epilogue_arguments(&launch, &s->p, args->bias);
    cvy_launch_buffer(&launch, args->y);
    cvy_launch_int(&launch, count);
    cvy_launch_int(&launch, pieces_of(config));
    cvy_launch_int(&launch, pixels);
    cvy_launch_int(&launch, s->p.k);
    cvy_launch_int(&launch, s->p.shuffle);
    cvy_launch_range(&launch, 1, &count, NULL);
    return cvy_launch_run(device, &launch);
}

static enum cvy_status enqueue(struct cvy_device *device, const struct cvy_conv_problem *p,
                               const struct cvy_algo_config *config, const struct cvy_algo_args *args)
{
    struct geometry s = geometry_of(p);
    bool is_split = pieces_of(config) > 1;
    struct cvy_launch launch;
    describe(&launch, &s, config);
    cvy_launch_buffer(&launch, args->x);
    cvy_launch_buffer(&launch, args->w);
    if (!is_split)
        cvy_epilogue_arguments(&launch, p, args->bias);
    cvy_launch_buffer(&launch, is_split ? args->workspace : args->y);
    cvy_launch_int(&launch, p->n);
    cvy_launch_int(&launch, p->groups);
    cvy_launch_int(&launch, s.c_group);
    cvy_launch_int(&launch, s.k_group);
    cvy_launch_int(&launch, p->shuffle);
    cvy_launch_int(&launch, entries_of(&s, config));
    cvy_launch_int(&launch, span_of(&s, config));
    cvy_launch_sizes(&launch, s.p.in, CVY_CONV_MAX_RANK);
    cvy_launch_sizes(&launch, s.out, CVY_CONV_MAX_RANK);
    cvy_launch_sizes(&launch, s.x_step, CVY_CONV_MAX_RANK);
    cvy_launch_sizes(&launch, s.y_step, CVY_CONV_MAX_RANK);
    size_t side_k = (size_t)config->value[SIDE_K], side_p = (size_t)config->value[SIDE_P];
    size_t global[] = {cvy_ceil_div(s.columns, block_p_of(config)) * side_p, blocks_of(&s, config) * side_k,
                       p->groups * s.classes * pieces_of(config)};
    cvy_launch_range(&launch, 3, global, (size_t[]){side_p, side_k, 1});
    enum cvy_status status = cvy_launch_run(device, &launch);
    return status == CVY_OK && is_split ? enqueue_join(device, &s, config, args) : status;
}

const struct cvy_algo cvy_algo_implicit_gemm = {
    .id = "implicit_gemm",
    .programs = {"conv_implicit_gemm"},
    .takes_half = true,
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
