// depthwise.cl - one channel of x and one kernel: the sums at LANES neighbouring positions along W.
// STEP: the stride along W where it is 1 or 2, else 0. PAD_MODE; FLIP: 0 or 1.
#include "border.cl"
#include "lane.cl"

#if FLIP
#define TAP(tap, kernel_size) ((kernel_size) - 1 - (tap))
#else
#define TAP(tap, kernel_size) (tap)
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

// The pixels at first, first + stride, ... of the row of x that begins at `row`.
lanes load_row(__global const float *x, int row, int first, int in_w, int stride, int x_count)
{
#if STEP
    const int length = LANES * STEP;
    if (first >= 0 && first + length <= in_w)
        return LOAD_STEPS(x + row + first);
#if PAD_MODE == 0
    // beside the row lie its neighbours: loaded, then dropped
    if (row + first >= 0 && row + first + length <= x_count) {
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

// Sizes of one depthwise convolution.
struct depthwise {
    int x_count; // elements of x
    int in_d, in_h, in_w;
    int kernel_d, kernel_h, kernel_w;
    int stride_d, stride_h, stride_w;
    int dilation_d, dilation_h, dilation_w;
    int pad_d, pad_h, pad_w;
};

// At o, p and q, q + 1, ... The channel of x begins at plane x_plane, the kernel at plane w_plane of w.
lanes depthwise_sum(__global const float *restrict x, __global const float *restrict w, struct depthwise a,
                    int x_plane, int w_plane, int o, int p, int q)
{
    lanes sum = 0.0f;
    for (int z = 0; z < a.kernel_d; z++) {
        const int d = border(o * a.stride_d - a.pad_d + z * a.dilation_d, a.in_d);
        if (d < 0)
            continue;
        for (int r = 0; r < a.kernel_h; r++) {
            const int h = border(p * a.stride_h - a.pad_h + r * a.dilation_h, a.in_h);
            if (h < 0)
                continue;
            const int x_row = ((x_plane + d) * a.in_h + h) * a.in_w;
            const int w_row = ((w_plane + TAP(z, a.kernel_d)) * a.kernel_h + TAP(r, a.kernel_h)) * a.kernel_w;
            for (int s = 0; s < a.kernel_w; s++) {
                const int first = q * a.stride_w - a.pad_w + s * a.dilation_w;
                sum += w[w_row + TAP(s, a.kernel_w)] *
                       load_row(x, x_row, first, a.in_w, a.stride_w, a.x_count);
            }
        }
    }
    return sum;
}
