// conv_subpixel.cl - transposed convolution by sub-pixels: positions of y that lie a multiple of stride apart
// are reached by the same taps from neighbouring positions of x, so that they form a vector. Taps that cannot
// reach a position are never looked at.
// FLIP: 0 or 1; the epilogue's. A work-item makes BLOCK_K channels of VECTORS * LANES such positions along W.
#include "prelude.cl"
#if LANES * VECTORS == 1
#undef TEAM
#endif
#include "team.cl"
#include "epilogue.cl"
#include "lane.cl"
#include "shuffle.cl"
#include "window.cl"

#define WIDTH (LANES * VECTORS)

APART void subpixel_work(int3 id, __global const float *restrict x, __global const float *restrict w,
                         EPILOGUE_ARGUMENTS __global float *restrict y, int planes, int groups, int c_group,
                         int k_group, int shuffle, int step_d, int step_h, int step_w, struct window win)
{
    const int along = (win.out_w + win.stride_w * WIDTH - 1) / (win.stride_w * WIDTH);
    const int class = id.x / along, row = id.y;
    const int blocks = (k_group + BLOCK_K - 1) / BLOCK_K;
    const int plane = id.z / blocks, k0 = id.z % blocks * BLOCK_K;
    const int q0 = class + id.x % along * (win.stride_w * WIDTH);
    if (class >= win.stride_w || row >= win.out_d * win.out_h || plane >= planes || q0 >= win.out_w)
        return;
    const int p = row % win.out_h, o = row / win.out_h, g = plane % groups;
    const int reach_d = o + win.pad_d, reach_h = p + win.pad_h, reach_w = q0 + win.pad_w;
    const int z0 = first_tap(reach_d, win.stride_d, win.dilation_d, step_d);
    const int r0 = first_tap(reach_h, win.stride_h, win.dilation_h, step_h);
    const int s0 = first_tap(reach_w, win.stride_w, win.dilation_w, step_w);
    const int taps = win.kernel_d * win.kernel_h * win.kernel_w, x_plane = win.in_d * win.in_h * win.in_w;
    // a class that no tap reaches keeps the bias alone
    const bool reached = z0 < step_d && r0 < step_h && s0 < step_w;

    lanes sum[BLOCK_K][VECTORS];
    UNROLL
    for (int k = 0; k < BLOCK_K; k++) {
        UNROLL
        for (int v = 0; v < VECTORS; v++)
            sum[k][v] = 0.0f;
    }
    for (int z = z0; reached && z < win.kernel_d; z += step_d) {
        const int d = (reach_d - z * win.dilation_d) / win.stride_d;
        if (reach_d < z * win.dilation_d || d >= win.in_d)
            continue;
        for (int r = r0; r < win.kernel_h; r += step_h) {
            const int h = (reach_h - r * win.dilation_h) / win.stride_h;
            if (reach_h < r * win.dilation_h || h >= win.in_h)
                continue;
            for (int s = s0; s < win.kernel_w; s += step_w) {
                const int first = (reach_w - s * win.dilation_w) / win.stride_w;
                if (first >= win.in_w || first + WIDTH <= 0)
                    continue;
                const int w_row = TAP(z, win.kernel_d) * win.kernel_h + TAP(r, win.kernel_h);
                const int tap = w_row * win.kernel_w + TAP(s, win.kernel_w);
                const bool inside = first >= 0 && first + WIDTH <= win.in_w;
                int source = plane * c_group * x_plane + (d * win.in_h + h) * win.in_w + first;
                int weight = (g * c_group * k_group + k0) * taps + tap;
                for (int c = 0; c < c_group; c++) {
                    lanes value[VECTORS];
                    if (inside) {
                        UNROLL
                        for (int v = 0; v < VECTORS; v++)
                            value[v] = LANES_LOAD(x + source + v * LANES);
                    } else {
                        float each[WIDTH];
                        UNROLL
                        for (int i = 0; i < WIDTH; i++)
                            each[i] = first + i >= 0 && first + i < win.in_w ? x[source + i] : 0.0f;
                        UNROLL
                        for (int v = 0; v < VECTORS; v++)
                            value[v] = LANES_LOAD(each + v * LANES);
                    }
                    UNROLL
                    for (int k = 0; k < BLOCK_K; k++) {
                        const lanes factor = w[weight + min(k, k_group - 1 - k0) * taps];
                        UNROLL
                        for (int v = 0; v < VECTORS; v++)
                            sum[k][v] += factor * value[v];
                    }
                    source += x_plane;
                    weight += k_group * taps;
                }
            }
        }
    }
    const int channels = groups * k_group;
    UNROLL
    for (int k = 0; k < BLOCK_K; k++) {
        const int channel = g * k_group + min(k0 + k, k_group - 1);
        const int at = plane / groups * channels + shuffled_to(channel, channels, shuffle);
        __global float *target = y + (at * win.out_d * win.out_h + row) * win.out_w + q0;
        float each[WIDTH];
        UNROLL
        for (int v = 0; v < VECTORS; v++)
            LANES_STORE(sum[k][v], each + v * LANES);
        if (k0 + k < k_group) {
            for (int i = 0; i < WIDTH && q0 + i * win.stride_w < win.out_w; i++)
                target[i * win.stride_w] = EPILOGUE(each[i], channel, target[i * win.stride_w]);
        }
    }
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(x) IN(w) EPILOGUE_LIST(IN, VALUE) OUT(y) VALUE(int, planes) VALUE(int, groups) VALUE(int, c_group) \
    VALUE(int, k_group) VALUE(int, shuffle) VALUE(int, step_d) VALUE(int, step_h) VALUE(int, step_w) \
    LAST(struct window, win)
TEAM_KERNEL(subpixel, ANY_WORK_GROUP, ARGUMENTS)
