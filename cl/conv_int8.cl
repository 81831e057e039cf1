// conv_int8.cl - integers: the definition, gathered; one work-item makes K_TILE channels of y at one
// position, so that each x is loaded once for all of them.
// TRANSPOSED, FLIP, HAS_BIAS: 0 or 1; PAD_MODE; SHUFFLE: groups of the channel shuffle; X_TYPE, W_TYPE,
// Y_TYPE; REQUANTISE: 1 where y is narrower than the sums, then Y_LOW and Y_HIGH. Everything else is an
// argument. Global sizes: W of y, its other axes, tiles of channels of all images.
#include "prelude.cl"
#include "rescale.cl"
#include "shuffle.cl"
#include "window.cl"

#if TRANSPOSED
#define W_CHANNEL(g, c, k) (((g) * c_group + (c)) * k_group + (k))
#else
#define W_CHANNEL(g, c, k) (((g) * k_group + (k)) * c_group + (c))
#endif

// bits of per_channel
#define W_ZERO 1
#define W_SCALE 2

// Sums wrap around: signed numbers may not.
#define ADD(sum, value) as_int(as_uint(sum) + as_uint(value))

__kernel void conv_int8(__global const X_TYPE *restrict x, __global const W_TYPE *restrict w,
#if HAS_BIAS
                        __global const int *restrict bias,
#endif
                        __global Y_TYPE *restrict y, __global const X_TYPE *restrict x_zero,
                        __global const W_TYPE *restrict w_zero,
#if REQUANTISE
                        __global const Y_TYPE *restrict y_zero, __global const float *restrict x_scale,
                        __global const float *restrict w_scale, __global const float *restrict y_scale,
#endif
                        int per_channel, int groups, int c_group, int k_group, struct window win)
{
    int q = (int)get_global_id(0);
    int row = (int)get_global_id(1);
    if (q >= win.out_w || row >= win.out_d * win.out_h)
        return;
    int tiles = (k_group + K_TILE - 1) / K_TILE;
    int first = (int)get_global_id(2) % tiles * K_TILE; // of the group's channels
    int g = (int)get_global_id(2) / tiles % groups;
    int n = (int)get_global_id(2) / (tiles * groups);
    int taps = win.kernel_d * win.kernel_h * win.kernel_w;

    // channels past the group's last take that one's weights, and are not written
    int zero[K_TILE], sum[K_TILE];
    for (int i = 0; i < K_TILE; i++) {
        int k = min(first + i, k_group - 1);
        zero[i] = w_zero[per_channel & W_ZERO ? g * k_group + k : 0];
        sum[i] = 0;
    }
    int x_offset = x_zero[0];
    for (int c = 0; c < c_group; c++) {
        int x_channel = (n * groups + g) * c_group + c;
        int w_start[K_TILE];
        for (int i = 0; i < K_TILE; i++)
            w_start[i] = W_CHANNEL(g, c, min(first + i, k_group - 1)) * taps;
        for (int z = 0; z < win.kernel_d; z++) {
            int d = SOURCE(row / win.out_h, z, win.in_d, win.stride_d, win.dilation_d, win.pad_d);
            if (d < 0)
                continue;
            for (int r = 0; r < win.kernel_h; r++) {
                int h = SOURCE(row % win.out_h, r, win.in_h, win.stride_h, win.dilation_h, win.pad_h);
                if (h < 0)
                    continue;
                int x_row = ((x_channel * win.in_d + d) * win.in_h + h) * win.in_w;
                int w_row = (TAP(z, win.kernel_d) * win.kernel_h + TAP(r, win.kernel_h)) * win.kernel_w;
                for (int s = 0; s < win.kernel_w; s++) {
                    int at = SOURCE(q, s, win.in_w, win.stride_w, win.dilation_w, win.pad_w);
                    if (at < 0)
                        continue;
                    int value = x[x_row + at] - x_offset;
                    int tap = w_row + TAP(s, win.kernel_w);
                    for (int i = 0; i < K_TILE; i++)
                        sum[i] = ADD(sum[i], value * (w[w_start[i] + tap] - zero[i]));
                }
            }
        }
    }
    for (int i = 0; i < K_TILE && first + i < k_group; i++) {
        int k = g * k_group + first + i;
        int channel = n * groups * k_group + shuffled_to(k, groups * k_group, SHUFFLE);
        int at = (channel * win.out_d * win.out_h + row) * win.out_w + q;
#if HAS_BIAS
        sum[i] = ADD(sum[i], bias[k]);
#endif
#if REQUANTISE
        float scale = divide(x_scale[0] * w_scale[per_channel & W_SCALE ? k : 0], y_scale[0]);
        y[at] = (Y_TYPE)quantized((float)sum[i] * scale, y_zero[0], Y_LOW, Y_HIGH);
#else
        y[at] = sum[i];
#endif
    }
}
