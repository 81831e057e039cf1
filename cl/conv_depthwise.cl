// conv_depthwise.cl - each channel of x convolved with kernels of its own; LANES pixels along W at once.
// LANES; ITEMS_W x ITEMS_H work-items a work-group; STEP: the stride along W where it is 1 or 2, else 0.
// PAD_MODE; FLIP, HAS_BIAS: 0 or 1. Sizes are arguments: one program serves every shape.
#include "prelude.cl"
#include "border.cl"
#include "shuffle.cl"
#include "epilogue.cl"
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

// Dimensions: along W, strips of `rows` rows of a channel of y, images times channels of w.
__kernel __attribute__((reqd_work_group_size(ITEMS_W, ITEMS_H, 1)))
void conv_depthwise(__global const float *restrict x, __global const float *restrict w,
#if HAS_BIAS
                    __global const float *restrict bias,
#endif
                    __global float *restrict y, int x_count, int channels, int multiplier, int shuffle,
                    int rows, int in_d, int in_h, int in_w, int out_d, int out_h, int out_w,
                    int kernel_d, int kernel_h, int kernel_w, int stride_d, int stride_h, int stride_w,
                    int dilation_d, int dilation_h, int dilation_w, int pad_d, int pad_h, int pad_w)
{
    const int plane = get_global_id(2);
    const int k = plane % channels, n = plane / channels;
    const int first_row = (int)get_global_id(1) * rows, end_row = min(first_row + rows, out_d * out_h);
    const int x_plane = plane / multiplier * in_d;
    const int w_plane = k * kernel_d;
    const int y_plane = (n * channels + shuffled_to(k, channels, shuffle)) * out_d * out_h;
    for (int row = first_row; row < end_row; row++) {
        const int o = row / out_h, p = row % out_h;
        for (int q = (int)get_global_id(0) * LANES; q < out_w; q += (int)get_global_size(0) * LANES) {
            lanes sum = 0.0f;
            for (int z = 0; z < kernel_d; z++) {
                const int d = border(o * stride_d - pad_d + z * dilation_d, in_d);
                if (d < 0)
                    continue;
                for (int r = 0; r < kernel_h; r++) {
                    const int h = border(p * stride_h - pad_h + r * dilation_h, in_h);
                    if (h < 0)
                        continue;
                    const int x_row = ((x_plane + d) * in_h + h) * in_w;
                    const int w_row =
                        ((w_plane + TAP(z, kernel_d)) * kernel_h + TAP(r, kernel_h)) * kernel_w;
                    for (int s = 0; s < kernel_w; s++)
                        sum += w[w_row + TAP(s, kernel_w)] * load_row(x, x_row,
                                                                      q * stride_w - pad_w + s * dilation_w,
                                                                      in_w, stride_w, x_count);
                }
            }
            const lanes value = EPILOGUE(sum, bias, k);
            __global float *to = y + (y_plane + row) * out_w + q;
            if (q + LANES <= out_w) {
                LANES_STORE(value, to);
            } else {
                float part[LANES];
                LANES_STORE(value, part);
                for (int j = 0; q + j < out_w; j++)
                    to[j] = part[j];
            }
        }
    }
}
