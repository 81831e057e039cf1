// depthwise.cl - one channel of x and one kernel: the sums at LANES neighbouring positions along W.
// STEP: the stride along W where it is 1 or 2, else 0. PAD_MODE; FLIP: 0 or 1.
// BLOCK_H: rows at once, more than 1 only where stride and dilation along H are 1. KERNEL_H, KERNEL_W: the
// kernel's size where it is fixed, else 0.
#include "lane.cl"
#include "window.cl"

#ifndef BLOCK_H
#define BLOCK_H 1
#endif

#if KERNEL_H
#define UNROLL_TAPS _Pragma("unroll")
#else
#define UNROLL_TAPS
#endif

// What `from` .. from + LANES * STEP - 1 hold at every STEP-th place.
#if STEP == 1
#define LOAD_STEPS(from) LANES_LOAD(from)
#elif STEP == 2 && LANES == 1
#define LOAD_STEPS(from) (*(from))
#elif STEP == 2 && LANES == 16
#define LOAD_STEPS(from) ((float16)(vload16(0, from).even, vload16(1, from).even))
#elif STEP == 2 && LANES == 8
#define LOAD_STEPS(from) (vload16(0, from).even)
#elif STEP == 2 && LANES == 4
#define LOAD_STEPS(from) (vload8(0, from).even)
#elif STEP == 2 && LANES == 2
#define LOAD_STEPS(from) (vload4(0, from).even)
#endif

// The pixels at first, first + stride, ... of the row of x that begins at `row`; inside: all lie on it.
lanes load_row(__global const float *x, int row, int first, bool inside, int in_w, int stride, int x_count)
{
#if STEP
    if (inside)
        return LOAD_STEPS(x + row + first);
#if PAD_MODE == 0
    // beside the row lie its neighbours: loaded, then dropped
    if (row + first >= 0 && row + first + LANES * STEP <= x_count) {
        const lanes_int at = first + STEP * LANES_NUMBERS;
        return select((lanes)(0.0f), LOAD_STEPS(x + row + first), at >= 0 && at < in_w);
    }
#endif
#endif
    float part[LANES];
    for (int j = 0; j < LANES; j++) {
        const int at = border(first + j * stride, in_w);
        part[j] = at >= 0 ? x[row + at] : 0.0f;
    }
    return LANES_LOAD(part);
}

// At o, p, q, q + 1, ... and the BLOCK_H - 1 rows after p. The channel begins at plane x_plane of x, which
// has x_count elements, the kernel at plane w_plane of w.
void depthwise_sums(__global const float *restrict x, __global const float *restrict w, struct window win,
                    int x_count, int x_plane, int w_plane, int o, int p, int q, lanes *sum)
{
#if KERNEL_H
    const int kernel_h = KERNEL_H, kernel_w = KERNEL_W;
#else
    const int kernel_h = win.kernel_h, kernel_w = win.kernel_w;
#endif
    const int first = q * win.stride_w - win.pad_w;
    const bool inside = first >= 0 && first + (kernel_w - 1) * win.dilation_w + LANES * STEP <= win.in_w;
    UNROLL
    for (int j = 0; j < BLOCK_H; j++)
        sum[j] = 0.0f;
    for (int z = 0; z < win.kernel_d; z++) {
        const int d = border(o * win.stride_d - win.pad_d + z * win.dilation_d, win.in_d);
        if (d < 0)
            continue;
        __global const float *weights = w + (w_plane + TAP(z, win.kernel_d)) * kernel_h * kernel_w;
        // rows of x that any of the rows of y sees
        UNROLL_TAPS
        for (int i = 0; i < kernel_h + BLOCK_H - 1; i++) {
            const int h = border(p * win.stride_h - win.pad_h + i * win.dilation_h, win.in_h);
            if (h < 0)
                continue;
            const int x_row = ((x_plane + d) * win.in_h + h) * win.in_w;
            UNROLL_TAPS
            for (int s = 0; s < kernel_w; s++) {
                const lanes value =
                    load_row(x, x_row, first + s * win.dilation_w, inside, win.in_w, win.stride_w, x_count);
                UNROLL
                for (int j = 0; j < BLOCK_H; j++)
                    if (i >= j && i - j < kernel_h)
                        sum[j] += weights[TAP(i - j, kernel_h) * kernel_w + TAP(s, kernel_w)] * value;
            }
        }
    }
}

#if BLOCK_H == 1
lanes depthwise_sum(__global const float *restrict x, __global const float *restrict w, struct window win,
                    int x_count, int x_plane, int w_plane, int o, int p, int q)
{
    lanes sum;
    depthwise_sums(x, w, win, x_count, x_plane, w_plane, o, p, q, &sum);
    return sum;
}
#endif
