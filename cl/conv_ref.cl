// conv_ref.cl - the definition, one work-item for each element of y. Any problem.
// TRANSPOSED, FLIP, HAS_BIAS: 0 or 1; PAD_MODE. Everything else is an argument: one program serves every
// shape.
#include "prelude.cl"
#include "shuffle.cl"
#include "window.cl"
#include "epilogue.cl"

__kernel void conv_ref(__global const float *restrict x, __global const float *restrict w,
#if HAS_BIAS
                       __global const float *restrict bias,
#endif
                       __global float *restrict y, int count,
                       int groups, int c_group, int k_group, int shuffle,
                       int in_d, int in_h, int in_w, int out_d, int out_h, int out_w,
                       int kernel_d, int kernel_h, int kernel_w, int stride_d, int stride_h, int stride_w,
                       int dilation_d, int dilation_h, int dilation_w, int pad_d, int pad_h, int pad_w)
{
    int id = LINEAR_ID;
    if (id >= count)
        return;
    int q = id % out_w;
    int p = id / out_w % out_h;
    int o = id / (out_w * out_h) % out_d;
    int plane = id / (out_w * out_h * out_d);
    int k = shuffled_from(plane % (groups * k_group), groups * k_group, shuffle);
    int n = plane / (groups * k_group);
    int g = k / k_group;

    float sum = 0;
    for (int c = 0; c < c_group; c++) {
        int x_channel = (n * groups + g) * c_group + c;
#if TRANSPOSED
        int w_channel = (g * c_group + c) * k_group + k % k_group;
#else
        int w_channel = k * c_group + c;
#endif
        for (int z = 0; z < kernel_d; z++) {
            int d = SOURCE(o, z, in_d, stride_d, dilation_d, pad_d);
            if (d < 0)
                continue;
            for (int r = 0; r < kernel_h; r++) {
                int h = SOURCE(p, r, in_h, stride_h, dilation_h, pad_h);
                if (h < 0)
                    continue;
                int x_row = ((x_channel * in_d + d) * in_h + h) * in_w;
                int w_plane = w_channel * kernel_d + TAP(z, kernel_d);
                int w_row = (w_plane * kernel_h + TAP(r, kernel_h)) * kernel_w;
                for (int s = 0; s < kernel_w; s++) {
                    int wx = SOURCE(q, s, in_w, stride_w, dilation_w, pad_w);
                    if (wx >= 0)
                        sum += x[x_row + wx] * w[w_row + TAP(s, kernel_w)];
                }
            }
        }
    }
    y[id] = EPILOGUE(sum, bias, k);
}
