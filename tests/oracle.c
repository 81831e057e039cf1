#include "oracle.h"

#include <math.h>

/* One axis of the relation between the dense side (forward: y) and the side that strides reach (forward: x).
 */
struct axis {
    long in, out, kernel, stride, dilation, pad;
};

static struct axis axis_of(const struct cvy_conv_problem *p, size_t fixed)
{
    struct axis a = {1, 1, 1, 1, 1, 0};
    size_t missing = 3 - p->rank;
    if (fixed < missing)
        return a;
    size_t i = fixed - missing;
    a.in = (long)p->in[i];
    a.kernel = (long)p->kernel[i];
    a.stride = (long)p->stride[i];
    a.dilation = (long)p->dilation[i];
    a.pad = (long)p->pad_begin[i];
    long pads = a.pad + (long)p->pad_end[i], window = a.dilation * (a.kernel - 1) + 1;
    a.out = p->transposed ? (a.in - 1) * a.stride + window + (long)p->output_padding[i] - pads
                          : (a.in + pads - window) / a.stride + 1;
    return a;
}

struct sums {
    double *y, *scale;
};

static void add(struct sums sums, long at, double product)
{
    sums.y[at] += product;
    if (sums.scale != NULL)
        sums.scale[at] += fabs(product);
}

/* Where position p of an axis of n is read: steps back and forth as a pen would; -1: nowhere. */
static long fold(enum cvy_pad_mode mode, long p, long n)
{
    long at = 0, step = 1;
    if (p >= 0 && p < n)
        return p;
    if (mode == CVY_PAD_CONSTANT)
        return -1;
    if (mode == CVY_PAD_REPLICATE)
        return p < 0 ? 0 : n - 1;
    for (long i = labs(p); i > 0; i--) {
        if (mode == CVY_PAD_WRAP) {
            at += p < 0 ? -1 : 1;
            at = at < 0 ? n - 1 : at == n ? 0 : at;
        } else if (n > 1) {
            step = at + step < 0 || at + step == n ? -step : step;
            at += step;
        }
    }
    return at;
}

/* All of one channel of x meeting one of y: walks the dense side, so transposed scatters as it is defined. */
static void add_channels(const struct cvy_conv_problem *p, const struct axis a[3], const float *x,
                         const float *w, struct sums sums, long y_start)
{
    long dense[3], wide[3];
    for (int i = 0; i < 3; i++) {
        dense[i] = p->transposed ? a[i].in : a[i].out;
        wide[i] = p->transposed ? a[i].out : a[i].in;
    }
    long taps = a[0].kernel * a[1].kernel * a[2].kernel, points = dense[0] * dense[1] * dense[2];
    for (long point = 0; point < points; point++) {
        long at[3] = {point / dense[2] / dense[1], point / dense[2] % dense[1], point % dense[2]};
        for (long tap = 0; tap < taps; tap++) {
            long t[3] = {tap / a[2].kernel / a[1].kernel, tap / a[2].kernel % a[1].kernel, tap % a[2].kernel};
            long far = 0;
            int inside = 1;
            for (int i = 0; i < 3; i++) {
                long reach = at[i] * a[i].stride - a[i].pad + t[i] * a[i].dilation;
                reach = fold(p->pad_mode, reach, wide[i]);
                inside = inside && reach >= 0;
                far = far * wide[i] + reach;
            }
            if (!inside)
                continue;
            double weight = w[p->flip ? taps - 1 - tap : tap]; /* reversing every axis reverses the order */
            if (p->transposed)
                add(sums, y_start + far, weight * x[point]);
            else
                add(sums, y_start + point, weight * x[far]);
        }
    }
}

void oracle_conv(const struct cvy_conv_problem *p, const float *x, const float *w, const float *bias,
                 double *y, double *scale)
{
    struct axis a[3] = {axis_of(p, 0), axis_of(p, 1), axis_of(p, 2)};
    long x_size = a[0].in * a[1].in * a[2].in, y_size = a[0].out * a[1].out * a[2].out;
    long taps = a[0].kernel * a[1].kernel * a[2].kernel;
    long c_group = (long)(p->c / p->groups), k_group = (long)(p->k / p->groups);
    struct sums sums = {y, scale};
    for (long n = 0; n < (long)p->n; n++) {
        for (long k = 0; k < (long)p->k; k++) {
            long in_shuffle = p->shuffle > 1 ? (long)(p->k / p->shuffle) : (long)p->k;
            long at = p->shuffle > 1 ? k % in_shuffle * (long)p->shuffle + k / in_shuffle : k;
            long start = (n * (long)p->k + at) * y_size, group = k / k_group;
            for (long i = 0; i < y_size; i++) {
                y[start + i] = bias != NULL ? bias[k] : 0;
                if (scale != NULL)
                    scale[start + i] = fabs(y[start + i]);
            }
            for (long c = group * c_group; c < (group + 1) * c_group; c++) {
                long filter = p->transposed ? c * k_group + k % k_group : k * c_group + c % c_group;
                add_channels(p, a, x + (n * (long)p->c + c) * x_size, w + filter * taps, sums, start);
            }
        }
    }
}
