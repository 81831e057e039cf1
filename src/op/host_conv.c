#include "op/host_conv.h"

#include <math.h>

#include "op/problem.h"

int64_t cvy_host_border(enum cvy_pad_mode mode, int64_t at, int64_t n)
{
    switch (mode) {
    case CVY_PAD_REFLECT:
        while (n > 1 && (at < 0 || at >= n))
            at = at < 0 ? -at : 2 * (n - 1) - at;
        return n > 1 ? at : 0;
    case CVY_PAD_REPLICATE:
        return at < 0 ? 0 : at >= n ? n - 1 : at;
    case CVY_PAD_WRAP:
        while (at < 0)
            at += n;
        return at % n;
    case CVY_PAD_CONSTANT:
        break;
    }
    return at < 0 || at >= n ? -1 : at;
}

/* What one pass over the products needs. */
struct host_conv {
    struct cvy_conv_problem p; /* three axes */
    size_t out[CVY_CONV_MAX_RANK];
    const float *x, *w;
    double *y, *scale;
};

static size_t index3(const size_t *sizes, const size_t *at)
{
    return (at[0] * sizes[1] + at[1]) * sizes[2] + at[2];
}

/* Steps `at` through a box of sizes; false behind the last. */
static bool step(const size_t *sizes, size_t *at)
{
    for (size_t i = CVY_CONV_MAX_RANK; i-- > 0;) {
        if (++at[i] < sizes[i])
            return true;
        at[i] = 0;
    }
    return false;
}

/* Channel of y that the weights' channel k is written to. */
static size_t target_channel(const struct cvy_conv_problem *p, size_t k)
{
    size_t apart = p->shuffle > 1 ? p->k / p->shuffle : 1;
    return p->shuffle > 1 ? k % apart * p->shuffle + k / apart : k;
}

/* The position on the far side of a tap: of x for one of y, transposed of y for one of x. */
static bool across(const struct host_conv *h, const size_t *near, const size_t *tap, size_t *far)
{
    for (size_t i = 0; i < CVY_CONV_MAX_RANK; i++) {
        int64_t at =
            (int64_t)(near[i] * h->p.stride[i] + tap[i] * h->p.dilation[i]) - (int64_t)h->p.pad_begin[i];
        size_t size = h->p.transposed ? h->out[i] : h->p.in[i];
        at = cvy_host_border(h->p.transposed ? CVY_PAD_CONSTANT : h->p.pad_mode, at, (int64_t)size);
        if (at < 0)
            return false;
        far[i] = (size_t)at;
    }
    return true;
}

/* All products of one input channel with one kernel, added to one output channel. */
static void add_channel(const struct host_conv *h, const float *x, const float *w, double *y, double *scale)
{
    const size_t *walked = h->p.transposed ? h->p.in : h->out;
    size_t near[CVY_CONV_MAX_RANK] = {0};
    do {
        size_t tap[CVY_CONV_MAX_RANK] = {0};
        do {
            size_t far[CVY_CONV_MAX_RANK], weight[CVY_CONV_MAX_RANK];
            if (!across(h, near, tap, far))
                continue;
            for (size_t i = 0; i < CVY_CONV_MAX_RANK; i++)
                weight[i] = h->p.flip ? h->p.kernel[i] - 1 - tap[i] : tap[i];
            const size_t *source = h->p.transposed ? near : far, *target = h->p.transposed ? far : near;
            double product = (double)x[index3(h->p.in, source)] * (double)w[index3(h->p.kernel, weight)];
            y[index3(h->out, target)] += product;
            scale[index3(h->out, target)] += fabs(product);
        } while (step(h->p.kernel, tap));
    } while (step(walked, near));
}

static void add_image(const struct host_conv *h, size_t n)
{
    const struct cvy_conv_problem *p = &h->p;
    size_t c_group = p->c / p->groups, k_group = p->k / p->groups;
    size_t x_pixels = p->in[0] * p->in[1] * p->in[2], y_pixels = h->out[0] * h->out[1] * h->out[2];
    size_t taps = p->kernel[0] * p->kernel[1] * p->kernel[2];
    for (size_t k = 0; k < p->k; k++) {
        size_t group = k / k_group, at = (n * p->k + target_channel(p, k)) * y_pixels;
        for (size_t i = 0; i < c_group; i++) {
            size_t c = group * c_group + i;
            size_t w = p->transposed ? c * k_group + k % k_group : k * c_group + i;
            add_channel(h, h->x + (n * p->c + c) * x_pixels, h->w + w * taps, h->y + at, h->scale + at);
        }
    }
}

void cvy_host_conv(const struct cvy_conv_problem *problem, const float *x, const float *w, const float *bias,
                   double *y, double *scale)
{
    struct host_conv h = {.p = cvy_conv_to_3d(problem), .x = x, .w = w, .y = y, .scale = scale};
    cvy_conv_output_sizes(&h.p, h.out);
    size_t y_pixels = h.out[0] * h.out[1] * h.out[2];
    for (size_t n = 0; n < h.p.n; n++) {
        for (size_t k = 0; k < h.p.k; k++) {
            size_t at = (n * h.p.k + target_channel(&h.p, k)) * y_pixels;
            for (size_t i = 0; i < y_pixels; i++) {
                y[at + i] = bias != NULL ? (double)bias[k] : 0;
                scale[at + i] = fabs(y[at + i]);
            }
        }
        add_image(&h, n);
    }
}

/* The position of x that a tap reads for one of y in a transposed convolution. */
static bool back_across(const struct host_conv *h, const size_t *position, const size_t *tap, size_t *far)
{
    for (size_t i = 0; i < CVY_CONV_MAX_RANK; i++) {
        size_t reached = position[i] + h->p.pad_begin[i], skipped = tap[i] * h->p.dilation[i];
        if (reached < skipped || (reached - skipped) % h->p.stride[i] != 0)
            return false;
        far[i] = (reached - skipped) / h->p.stride[i];
        if (far[i] >= h->p.in[i])
            return false;
    }
    return true;
}

/* The weights' channel that is written to a channel of y. */
static size_t source_channel(const struct cvy_conv_problem *p, size_t channel)
{
    size_t apart = p->shuffle > 1 ? p->k / p->shuffle : 1;
    return p->shuffle > 1 ? channel % p->shuffle * apart + channel / p->shuffle : channel;
}

static size_t x_index(const struct cvy_conv_problem *p, size_t n, size_t c, size_t pixel)
{
    size_t block = p->x_block > 0 ? p->x_block : 1, blocks = (p->c + block - 1) / block;
    size_t pixels = p->in[0] * p->in[1] * p->in[2];
    return ((n * blocks + c / block) * pixels + pixel) * block + c % block;
}

double cvy_host_conv_element(const struct cvy_conv_problem *problem, const float *x, const float *w, size_t n,
                             size_t channel, const size_t *position, double *scale)
{
    struct host_conv h = {.p = cvy_conv_to_3d(problem), .x = x, .w = w};
    const struct cvy_conv_problem *p = &h.p;
    size_t c_group = p->c / p->groups, k_group = p->k / p->groups, k = source_channel(p, channel);
    size_t taps = p->kernel[0] * p->kernel[1] * p->kernel[2], tap[CVY_CONV_MAX_RANK] = {0};
    double sum = 0;
    *scale = 0;
    do {
        size_t far[CVY_CONV_MAX_RANK], weight[CVY_CONV_MAX_RANK];
        if (!(p->transposed ? back_across(&h, position, tap, far) : across(&h, position, tap, far)))
            continue;
        for (size_t i = 0; i < CVY_CONV_MAX_RANK; i++)
            weight[i] = p->flip ? p->kernel[i] - 1 - tap[i] : tap[i];
        for (size_t i = 0; i < c_group; i++) {
            size_t c = k / k_group * c_group + i;
            size_t matrix = p->transposed ? c * k_group + k % k_group : k * c_group + i;
            double product = (double)x[x_index(p, n, c, index3(p->in, far))] *
                             (double)w[matrix * taps + index3(p->kernel, weight)];
            sum += product;
            *scale += fabs(product);
        }
    } while (step(p->kernel, tap));
    return sum;
}
