// pool.cl - largest or mean value of each window; a vector is a block of channels, or one number of a plain
// tensor (LANES 1). Planes as in planes.cl, those of y.
#include "prelude.cl"
#include "team.cl"
#include "planes.cl"

// One axis, with its padding.
struct axis {
    int in, out, window, stride, dilation, pad_begin, pad_end;
};

struct sizes {
    struct planes p;
    int include_pad;
    struct axis d, h, w;
};

// Taps of the window at `at` that lie on x; padded: that lie on x or its padding.
struct taps {
    int begin, first, last, padded;
};

ALWAYS_INLINE int reached(int distance, int dilation)
{
    return distance <= 0 ? 0 : dilation == 1 ? distance : (distance + dilation - 1) / dilation;
}

ALWAYS_INLINE struct taps taps_of(struct axis a, int at)
{
    struct taps taps;
    taps.begin = at * a.stride - a.pad_begin;
    taps.first = min(reached(-taps.begin, a.dilation), a.window);
    taps.last = min(reached(a.in - taps.begin, a.dilation), a.window);
    taps.padded = min(reached(a.in + a.pad_end - taps.begin, a.dilation), a.window);
    return taps;
}

#if LARGEST
#define WORK max_pool_work
#define START (-INFINITY)
#define JOIN(sum, value) fmax(sum, value)
#else
#define WORK average_pool_work
#define START 0.0f
#define JOIN(sum, value) ((sum) + (value))
#endif

ALWAYS_INLINE lanes joined(__global const float *x, struct sizes s, struct taps d, struct taps h,
                           struct taps w)
{
    lanes sum = START;
    const int step = s.w.dilation * LANES;
    for (int z = d.first; z < d.last; z++) {
        for (int r = h.first; r < h.last; r++) {
            const int row = (d.begin + z * s.d.dilation) * s.h.in + h.begin + r * s.h.dilation;
            __global const float *from = x + (row * s.w.in + w.begin + w.first * s.w.dilation) * LANES;
            for (int t = w.first; t < w.last; t++, from += step)
                sum = JOIN(sum, LANES_LOAD(from));
        }
    }
    return sum;
}

ALWAYS_INLINE lanes mean(lanes sum, int include_pad, struct taps d, struct taps h, struct taps w)
{
    const int n = include_pad ? d.padded * h.padded * w.padded
                              : (d.last - d.first) * (h.last - h.first) * (w.last - w.first);
    // a window wholly in the padding has no mean; ONNX Runtime and PyTorch give 0
    return n > 0 ? sum / (float)n : (lanes)0.0f;
}

// Dimensions: runs, planes.
APART void WORK(int3 id, __global const float *restrict x, __global float *restrict y, struct sizes s)
{
    if (id.y >= s.p.count)
        return;
    int i = id.x * s.p.run / LANES;
    const int end = min((id.x + 1) * s.p.run, s.p.size) / LANES, k = PLANE_CHANNEL(id.y, s.p);
    x += id.y * s.d.in * s.h.in * s.w.in * LANES;
    y += id.y * s.p.size;
    while (i < end) {
        const int row = i / s.w.out, begin = i - row * s.w.out;
        const struct taps d = taps_of(s.d, row / s.h.out), h = taps_of(s.h, row % s.h.out);
        for (int q = begin; q < s.w.out && i < end; q++, i++) {
            const struct taps w = taps_of(s.w, q);
            lanes value = joined(x, s, d, h, w);
#if !LARGEST
            value = mean(value, s.include_pad, d, h, w);
#endif
            LANES_STORE(filled_up(value, k, s.p.channels), y + i * LANES);
        }
    }
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(x) OUT(y) LAST(struct sizes, s)
#if LARGEST
TEAM_KERNEL(max_pool, ANY_WORK_GROUP, ARGUMENTS)
#else
TEAM_KERNEL(average_pool, ANY_WORK_GROUP, ARGUMENTS)
#endif
