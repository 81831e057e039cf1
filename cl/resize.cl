// resize.cl - y is a weighted sum of taps, separable over the dimensions.
#include "prelude.cl"

#if GENERAL

// table: rank, sizes of y, strides of x, taps of each dimension, begin of its taps in index and weights.

__kernel void resize(__global const float *x, __global float *y, __global const int *table,
                     __global const int *index, __global const float *weights, int count)
{
    int i = LINEAR_ID;
    if (i >= count)
        return;
    int rank = table[0];
    // begin of this position's taps along each dimension
    int begin[8];
    int combinations = 1, rest = i;
    for (int d = rank; d > 0; d--) {
        int taps = table[2 * rank + d];
        begin[d - 1] = table[3 * rank + d] + rest % table[d] * taps;
        rest /= table[d];
        combinations *= taps;
    }
    float sum = 0.0f;
    for (int c = 0; c < combinations; c++) {
        int at = 0;
        float weight = 1.0f;
        rest = c;
        for (int d = rank; d > 0; d--) {
            int taps = table[2 * rank + d];
            int tap = begin[d - 1] + rest % taps;
            rest /= taps;
            at += index[tap] * table[rank + d];
            weight *= weights[tap];
        }
        // a weight of 0 must not bring in an infinity or NaN
        if (weight != 0.0f)
            sum += weight * x[at];
    }
    y[i] = sum;
}

#else

#include "team.cl"
#include "planes.cl"

// One axis, its taps for each position of y, and where they begin in index and weights.
struct axis {
    int in, out, taps, begin;
};

struct sizes {
    struct planes p;
    struct axis d, h, w;
};

// Dimensions: runs, planes. A vector is a block of channels, or one number of a plain tensor (LANES 1).
APART void resize_planes_work(int3 id, __global const float *restrict x, __global float *restrict y,
                              __global const float *restrict indices, __global const float *restrict weights,
                              struct sizes s)
{
    if (id.y >= s.p.count)
        return;
    __global const int *index = (__global const int *)indices;
    const int end = min((id.x + 1) * s.p.run, s.p.size) / LANES, k = PLANE_CHANNEL(id.y, s.p);
    x += id.y * s.d.in * s.h.in * s.w.in * LANES;
    y += id.y * s.p.size;
    for (int i = id.x * s.p.run / LANES; i < end; i++) {
        const int row = i / s.w.out;
        const int in_d = s.d.begin + row / s.h.out * s.d.taps, in_h = s.h.begin + row % s.h.out * s.h.taps;
        const int in_w = s.w.begin + (i - row * s.w.out) * s.w.taps;
        lanes sum = 0.0f;
        for (int z = in_d; z < in_d + s.d.taps; z++) {
            for (int r = in_h; r < in_h + s.h.taps; r++) {
                const int from = (index[z] * s.h.in + index[r]) * s.w.in;
                for (int t = in_w; t < in_w + s.w.taps; t++) {
                    const float weight = weights[z] * weights[r] * weights[t];
                    // a weight of 0 must not bring in an infinity or NaN
                    if (weight != 0.0f)
                        sum += weight * LANES_LOAD(x + (from + index[t]) * LANES);
                }
            }
        }
        LANES_STORE(filled_up(sum, k, s.p.channels), y + i * LANES);
    }
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(x) OUT(y) IN(indices) IN(weights) LAST(struct sizes, s)
TEAM_KERNEL(resize_planes, ANY_WORK_GROUP, ARGUMENTS)

#endif
