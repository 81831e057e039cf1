/*
 * im2col: the convolution as matrix products, in strips that keep the columns under a byte budget.
 *
 * Forward: columns of a strip of output pixels, then y = w * columns. Transposed: columns = w^T * x for a
 * strip of channels (and, where one channel is too much, of input pixels), then a gather of columns into y.
 * A 1x1 kernel at stride 1 without padding multiplies x as it lies.
 * Chellapilla, Puri, Simard, "High Performance Convolutional Neural Networks for Document Processing", 2006.
 */
#include <convoy/gemm_tune.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/arith.h"
#include "op/algo.h"
#include "op/epilogue.h"
#include "op/problem.h"
#include "op/rate.h"
#include "op/window.h"
#include "runtime/device.h"
#include "runtime/gemm.h"
#include "runtime/launch.h"

#define COLUMNS_BUDGET ((size_t)32 << 20) /* more only costs memory: a strip this long fills any device */

#define PIECE ((size_t)2048) /* pixels of a channel, or of a row of columns, that a work-group copies */

#define TILE 16.0            /* of a product: usual sides are its multiples */
#define STRIP_SECONDS 100e-6 /* launches of a strip, those within the product too */

extern const struct cvy_algo cvy_algo_im2col;

/* config->value[] */
enum { STRIP_PIXELS, STRIP_CHANNELS };

struct geometry {
    struct cvy_conv_problem p; /* three axes */
    size_t out[CVY_CONV_MAX_RANK];
    size_t c_group, k_group, taps;
    size_t x_pixels, y_pixels;
    bool finish;           /* a pass over y adds the bias and applies the activation */
    bool direct;           /* no columns: x is the matrix */
    size_t strip_pixels;   /* of y forward, of x transposed */
    size_t strip_channels; /* of y, transposed only */
    size_t apart;          /* from one channel of a group to the next in y, in channels: 1 unless shuffled */
};

static size_t volume(const size_t *axes)
{
    return axes[0] * axes[1] * axes[2];
}

static struct geometry geometry_of(const struct cvy_conv_problem *problem,
                                   const struct cvy_algo_config *config)
{
    struct geometry s = {.p = cvy_conv_to_3d(problem), .direct = true};
    cvy_conv_output_sizes(&s.p, s.out);
    s.c_group = s.p.c / s.p.groups;
    s.k_group = s.p.k / s.p.groups;
    s.apart = s.p.shuffle > 1 ? s.p.groups : 1;
    s.finish = s.p.bias || s.p.activation != CVY_ACTIVATION_NONE;
    s.taps = volume(s.p.kernel);
    s.x_pixels = volume(s.p.in);
    s.y_pixels = volume(s.out);
    for (size_t i = 0; i < CVY_CONV_MAX_RANK; i++)
        s.direct = s.direct && s.p.kernel[i] == 1 && s.p.stride[i] == 1 && s.p.pad_begin[i] == 0 &&
                   s.out[i] == s.p.in[i];
    s.strip_pixels = (size_t)config->value[STRIP_PIXELS];
    s.strip_channels = (size_t)config->value[STRIP_CHANNELS];
    return s;
}

static size_t strip_limit(const struct geometry *s)
{
    return s->p.transposed && !s->direct ? s->x_pixels : s->y_pixels;
}

static size_t column_rows(const struct geometry *s, size_t channels)
{
    if (s->direct)
        return 0;
    return s->taps * (s->p.transposed ? channels : s->c_group);
}

/* Where the first channel of group g of image n begins in y. */
static size_t y_channel(const struct geometry *s, size_t n, size_t g, size_t channel)
{
    size_t first = s->apart > 1 ? g + channel * s->apart : g * s->k_group + channel;
    return (n * s->p.k + first) * s->y_pixels;
}

/* The product of a strip of group g of image n. Buffers are still missing. */
static struct cvy_gemm product_of(const struct geometry *s, size_t n, size_t g, size_t first, size_t pixels,
                                  size_t first_channel, size_t channels)
{
    size_t x_group = (n * s->p.c + g * s->c_group) * s->x_pixels;
    size_t w_group = g * s->c_group * s->k_group * s->taps;
    struct cvy_gemm gemm = {.alpha = 1, .n = pixels, .transpose_a = s->p.transposed, .a_offset = w_group};
    gemm.lda = (s->p.transposed ? s->k_group : s->c_group) * s->taps;
    if (s->p.transposed && !s->direct) {
        gemm.m = channels * s->taps;
        gemm.k = s->c_group;
        gemm.a_offset += first_channel * s->taps;
        gemm.b_offset = x_group + first;
        gemm.ldb = s->x_pixels;
        gemm.ldc = pixels;
        return gemm;
    }
    gemm.m = s->k_group;
    gemm.k = s->c_group * s->taps;
    gemm.b_offset = s->direct ? x_group + first : 0;
    gemm.ldb = s->direct ? s->x_pixels : pixels;
    gemm.c_offset = y_channel(s, n, g, 0) + first;
    gemm.ldc = s->apart * s->y_pixels;
    gemm.beta = s->p.accumulate ? 1 : 0;
    return gemm;
}

static size_t temporary_offset(const struct geometry *s, const struct cvy_device *device)
{
    size_t align = CVY_MAX(device->info.base_align, sizeof(float));
    return cvy_round_up(column_rows(s, s->strip_channels) * s->strip_pixels * sizeof(float), align);
}

/* Which copies the product makes depends on sizes and offsets: asks for each kind that will come. */
static size_t temporary_bytes(const struct geometry *s, const struct cvy_device *device)
{
    size_t limit = strip_limit(s), most = 0;
    const size_t pixels[] = {s->strip_pixels, limit % s->strip_pixels};
    const size_t channels[] = {s->strip_channels, s->k_group % s->strip_channels};
    for (size_t i = 0; i < 8; i++) {
        size_t some_pixels = pixels[i & 1], some_channels = channels[i >> 1 & 1];
        if (some_pixels == 0 || some_channels == 0)
            continue;
        bool last = i & 4;
        struct cvy_gemm gemm =
            product_of(s, last ? s->p.n - 1 : 0, last ? s->p.groups - 1 : 0, last ? limit - some_pixels : 0,
                       some_pixels, last ? s->k_group - some_channels : 0, some_channels);
        size_t bytes = cvy_gemm_workspace(device, &gemm);
        most = CVY_MAX(most, bytes);
    }
    return most;
}

static size_t total_bytes(const struct geometry *s, const struct cvy_device *device)
{
    size_t bytes;
    return cvy_add(temporary_offset(s, device), temporary_bytes(s, device), &bytes) ? bytes : SIZE_MAX;
}

/* Strips of equal length, the longest not above `longest`. */
static size_t even_strip(size_t total, size_t longest)
{
    return cvy_ceil_div(total, cvy_ceil_div(total, CVY_MAX(longest, 1)));
}

/* The longest strips whose columns keep to budget, shortened until the temporary fits too. */
static void fit(const struct cvy_conv_problem *problem, const struct cvy_device *device, size_t budget,
                size_t max_workspace, struct cvy_algo_config *config)
{
    *config = (struct cvy_algo_config){.value = {1, 1}};
    struct geometry s = geometry_of(problem, config);
    size_t limit = strip_limit(&s);
    size_t columns = CVY_MIN(CVY_MIN(budget, max_workspace), (size_t)INT_MAX) / sizeof(float);
    bool by_channels = s.p.transposed && !s.direct;
    s.strip_pixels = s.strip_channels = 1;
    size_t rows = CVY_MAX(column_rows(&s, 1), 1);
    s.strip_pixels = even_strip(limit, CVY_MIN(limit, columns / rows));
    if (by_channels)
        s.strip_channels = even_strip(s.k_group, CVY_MIN(s.k_group, columns / rows / s.strip_pixels));
    while (total_bytes(&s, device) > max_workspace && (s.strip_channels > 1 || s.strip_pixels > 1)) {
        if (s.strip_channels > 1)
            s.strip_channels = even_strip(s.k_group, s.strip_channels / 2);
        else
            s.strip_pixels = even_strip(limit, s.strip_pixels / 2);
    }
    config->value[STRIP_PIXELS] = (int)s.strip_pixels;
    config->value[STRIP_CHANNELS] = (int)s.strip_channels;
}

static bool applicable(const struct cvy_conv_problem *p, const struct cvy_device *device, char *why,
                       size_t size)
{
    (void)device;
    if (!cvy_conv_fits_int(p, why, size))
        return false;
    struct geometry s = geometry_of(p, &(struct cvy_algo_config){.value = {1, 1}});
    if (s.taps * s.c_group > INT_MAX || s.taps * s.k_group > INT_MAX) {
        snprintf(why, size, "the matrix of columns has more rows than a kernel's int can count");
        return false;
    }
    if (p->shuffle > 1 && p->shuffle != p->groups) {
        snprintf(why, size, "it shuffles channels in as many groups as the convolution has, %zu, not in %zu",
                 p->groups, p->shuffle);
        return false;
    }
    return true;
}

static void default_config(const struct cvy_conv_problem *p, const struct cvy_device *device,
                           size_t max_workspace, struct cvy_algo_config *config)
{
    fit(p, device, COLUMNS_BUDGET, max_workspace, config);
}

static bool configs(const struct cvy_conv_problem *p, const struct cvy_device *device, size_t index,
                    struct cvy_algo_config *config)
{
    static const size_t budgets[] = {COLUMNS_BUDGET, (size_t)1 << 20, (size_t)4 << 20, (size_t)128 << 20};
    if (index >= CVY_COUNT(budgets))
        return false;
    fit(p, device, budgets[index], SIZE_MAX, config);
    return true;
}

static size_t workspace(const struct cvy_conv_problem *p, const struct cvy_device *device,
                        const struct cvy_algo_config *config)
{
    struct geometry s = geometry_of(p, config);
    return total_bytes(&s, device);
}

/* Of a work-group that copies: vectors of a CPU are filled by one work-item's loop. */
static size_t items_of(const struct cvy_device *device)
{
    const struct cvy_device_info *info = &device->info;
    return info->type == CVY_DEVICE_CPU ? 1 : CVY_MIN((size_t)64, info->max_work_group);
}

static void describe(struct cvy_launch *launch, const struct cvy_device *device, const struct geometry *s,
                     const char *kernel)
{
    const bool finishes = strcmp(kernel, "finish") == 0;
    cvy_launch_init(launch, "conv_im2col", kernel);
    cvy_launch_define(launch, "FINISH", finishes);
    cvy_launch_define(launch, "ITEMS", items_of(device));
    if (finishes) {
        struct cvy_conv_problem once = s->p;
        once.accumulate = false; /* the products did */
        cvy_launch_define(launch, "LANES", CVY_MAX(cvy_conv_best_block(device), (size_t)1));
        cvy_epilogue_define(launch, &once);
    } else {
        cvy_launch_define(launch, "FLIP", s->p.flip);
        cvy_launch_define(launch, "PAD_MODE", s->p.pad_mode);
    }
}

static enum cvy_status build_kernel(struct cvy_device *device, const struct geometry *s, const char *kernel)
{
    struct cvy_launch launch;
    describe(&launch, device, s, kernel);
    return cvy_launch_prepare(device, &launch);
}

static enum cvy_status build(struct cvy_device *device, const struct cvy_conv_problem *p,
                             const struct cvy_algo_config *config)
{
    struct geometry s = geometry_of(p, config);
    bool gathers = p->transposed && !s.direct;
    enum cvy_status status = CVY_OK;
    if (!s.direct)
        status = build_kernel(device, &s, gathers ? "col2im" : "im2col");
    if (status == CVY_OK && s.finish)
        status = build_kernel(device, &s, "finish");
    return status;
}

static enum cvy_status finish_launch(struct cvy_device *device, struct cvy_launch *launch, size_t count)
{
    cvy_launch_range(launch, 1, &count, NULL);
    return cvy_launch_run(device, launch);
}

static enum cvy_status enqueue_finish(struct cvy_device *device, const struct geometry *s,
                                      const struct cvy_algo_args *args)
{
    const size_t items = items_of(device), piece = CVY_MIN(PIECE, s->y_pixels);
    struct cvy_launch launch;
    describe(&launch, device, s, "finish");
    cvy_epilogue_arguments(&launch, &s->p, args->bias);
    cvy_launch_buffer(&launch, args->y);
    cvy_launch_int(&launch, s->y_pixels);
    cvy_launch_int(&launch, piece);
    cvy_launch_int(&launch, s->p.k);
    cvy_launch_int(&launch, s->p.shuffle);
    cvy_launch_range(&launch, 3, (size_t[]){items, cvy_ceil_div(s->y_pixels, piece), s->p.n * s->p.k},
                     (size_t[]){items, 1, 1});
    return cvy_launch_run(device, &launch);
}

static enum cvy_status enqueue_im2col(struct cvy_device *device, const struct geometry *s,
                                      const struct cvy_algo_args *args, size_t x_offset, size_t first,
                                      size_t pixels)
{
    const size_t items = items_of(device), out_w = s->out[2];
    const size_t all_lines = (first + pixels - 1) / out_w - first / out_w + 1;
    const size_t lines = CVY_MIN(cvy_ceil_div(PIECE, out_w), all_lines);
    struct cvy_launch launch;
    describe(&launch, device, s, "im2col");
    cvy_launch_buffer(&launch, args->x);
    cvy_launch_buffer(&launch, args->workspace);
    cvy_launch_int(&launch, x_offset);
    cvy_launch_int(&launch, first);
    cvy_launch_int(&launch, pixels);
    cvy_launch_int(&launch, lines);
    cvy_window_argument(&launch, &s->p, s->out);
    cvy_launch_range(&launch, 3, (size_t[]){items, cvy_ceil_div(all_lines, lines), column_rows(s, 0)},
                     (size_t[]){items, 1, 1});
    return cvy_launch_run(device, &launch);
}

static enum cvy_status enqueue_col2im(struct cvy_device *device, const struct geometry *s,
                                      const struct cvy_algo_args *args, size_t image, size_t g,
                                      size_t channel, size_t channels, size_t first, size_t pixels)
{
    size_t count = channels * s->y_pixels;
    struct cvy_launch launch;
    describe(&launch, device, s, "col2im");
    cvy_launch_buffer(&launch, args->workspace);
    cvy_launch_buffer(&launch, args->y);
    cvy_launch_int(&launch, count);
    cvy_launch_int(&launch, y_channel(s, image, g, channel));
    cvy_launch_int(&launch, s->apart);
    cvy_launch_int(&launch, first);
    cvy_launch_int(&launch, pixels);
    cvy_launch_int(&launch, first > 0 || s->p.accumulate);
    cvy_window_argument(&launch, &s->p, s->out);
    return finish_launch(device, &launch, count);
}

static enum cvy_status multiply(struct cvy_device *device, const struct geometry *s,
                                const struct cvy_algo_args *args, struct cvy_gemm gemm)
{
    bool gathers = s->p.transposed && !s->direct;
    gemm.a = args->w;
    gemm.b = gathers || s->direct ? args->x : args->workspace;
    gemm.c = gathers ? args->workspace : args->y;
    return cvy_gemm_enqueue(device, &gemm, args->workspace, temporary_offset(s, device));
}

static enum cvy_status enqueue_forward(struct cvy_device *device, const struct geometry *s,
                                       const struct cvy_algo_args *args, size_t n, size_t g)
{
    enum cvy_status status = CVY_OK;
    for (size_t first = 0; status == CVY_OK && first < s->y_pixels; first += s->strip_pixels) {
        size_t pixels = CVY_MIN(s->strip_pixels, s->y_pixels - first);
        if (!s->direct)
            status =
                enqueue_im2col(device, s, args, (n * s->p.c + g * s->c_group) * s->x_pixels, first, pixels);
        if (status == CVY_OK)
            status = multiply(device, s, args, product_of(s, n, g, first, pixels, 0, s->k_group));
    }
    return status;
}

static enum cvy_status enqueue_transposed(struct cvy_device *device, const struct geometry *s,
                                          const struct cvy_algo_args *args, size_t n, size_t g)
{
    for (size_t channel = 0; channel < s->k_group; channel += s->strip_channels) {
        size_t channels = CVY_MIN(s->strip_channels, s->k_group - channel);
        for (size_t first = 0; first < s->x_pixels; first += s->strip_pixels) {
            size_t pixels = CVY_MIN(s->strip_pixels, s->x_pixels - first);
            enum cvy_status status =
                multiply(device, s, args, product_of(s, n, g, first, pixels, channel, channels));
            if (status == CVY_OK)
                status = enqueue_col2im(device, s, args, n, g, channel, channels, first, pixels);
            if (status != CVY_OK)
                return status;
        }
    }
    return CVY_OK;
}

static enum cvy_status enqueue(struct cvy_device *device, const struct cvy_conv_problem *p,
                               const struct cvy_algo_config *config, const struct cvy_algo_args *args)
{
    struct geometry s = geometry_of(p, config);
    bool gathers = p->transposed && !s.direct;
    enum cvy_status status = CVY_OK;
    for (size_t n = 0; status == CVY_OK && n < p->n; n++)
        for (size_t g = 0; status == CVY_OK && g < p->groups; g++)
            status = gathers ? enqueue_transposed(device, &s, args, n, g)
                             : enqueue_forward(device, &s, args, n, g);
    if (status == CVY_OK && s.finish)
        status = enqueue_finish(device, &s, args);
    return status;
}

/* Products a second, as tuning measured them, or as CLBlast was seen to do with its own parameters. */
static double product_rate(const struct cvy_device *device)
{
    double gflops;
    cvy_gemm_setting_get(device, &gflops);
    double share = device->info.type == CVY_DEVICE_CPU ? 0.07 : 0.3;
    return gflops > 0 ? 1e9 * gflops : share * cvy_rate_flops(device);
}

/* How much more than a matrix's side its tiles are. */
static double whole_tiles(double side)
{
    return ceil(side / TILE) * TILE / side;
}

static double estimate(const struct cvy_conv_problem *p, const struct cvy_device *device,
                       const struct cvy_algo_config *config)
{
    struct cvy_conv_cost cost;
    if (cvy_conv_get_cost(p, &cost) != CVY_OK)
        return 1e30;
    struct geometry s = geometry_of(p, config);
    bool gathers = p->transposed && !s.direct;
    double strips = (double)p->n * (double)p->groups * (double)cvy_ceil_div(strip_limit(&s), s.strip_pixels);
    if (gathers)
        strips *= (double)cvy_ceil_div(s.k_group, s.strip_channels);
    double columns = s.direct ? 0
                              : (double)p->n * (double)s.taps * (double)(gathers ? p->k : p->c) *
                                    (double)strip_limit(&s) * sizeof(float);
    /* GEMM kernels compute whole tiles */
    double m = (double)(gathers ? CVY_MIN(s.strip_channels, s.k_group) * s.taps : s.k_group);
    double n = (double)s.strip_pixels;
    double waste = whole_tiles(m) * whole_tiles(n);
    double finish = s.finish ? 2.0 * (double)(s.p.n * s.p.k * s.y_pixels) * sizeof(float) : 0;
    return strips * STRIP_SECONDS + 2 * cost.multiplications * waste / product_rate(device) +
           (cost.bytes + 3 * columns + finish) / cvy_rate_bytes(device);
}

const struct cvy_algo cvy_algo_im2col = {
    .id = "im2col",
    .programs = {"conv_im2col"},
    .uses_gemm = true,
    .applicable = applicable,
    .default_config = default_config,
    .configs = configs,
    .workspace = workspace,
    .build = build,
    .enqueue = enqueue,
    .estimate = estimate,
};
