// conv_ref.cl - the definition, one work-item for each element of y. Any problem.
// TRANSPOSED, FLIP: 0 or 1; PAD_MODE; the epilogue's and the storage's. A plain tensor is one in blocks of 1.
// Everything else is an argument: one program serves every shape.
#include "prelude.cl"
#include "shuffle.cl"
#include "window.cl"
#include "epilogue.cl"
#include "storage.cl"

__kernel void conv_ref(__global const STORED *restrict x, __global const STORED *restrict w,
                       EPILOGUE_ARGUMENTS __global STORED *restrict y, int count,
                       int x_block, int y_block, int groups, int c_group, int k_group, int shuffle,
                       struct window win)
{
    int id = LINEAR_ID;
    if (id >= count)
        return;
    int channels = groups * k_group, pixel = id / y_block;
    int q = pixel % win.out_w;
    int p = pixel / win.out_w % win.out_h;
    int o = pixel / (win.out_w * win.out_h) % win.out_d;
    int plane = pixel / (win.out_w * win.out_h * win.out_d), y_blocks = (channels + y_block - 1) / y_block;
    int n = plane / y_blocks, at = plane % y_blocks * y_block + id % y_block;
    if (at >= channels) {
        STORED_STORE(0.0f, y, id);
        return;
    }
    int k = shuffled_from(at, channels, shuffle);
    int g = k / k_group, x_blocks = (groups * c_group + x_block - 1) / x_block;

    float sum = 0;
    for (int c = 0; c < c_group; c++) {
        int x_channel = g * c_group + c, x_plane = n * x_blocks + x_channel / x_block;
#if TRANSPOSED
        int w_channel = (g * c_group + c) * k_group + k % k_group;
#else
        int w_channel = k * c_group + c;
#endif
        for (int z = 0; z < win.kernel_d; z++) {
            int d = SOURCE(o, z, win.in_d, win.stride_d, win.dilation_d, win.pad_d);
            if (d < 0)
                continue;
            for (int r = 0; r < win.kernel_h; r++) {
                int h = SOURCE(p, r, win.in_h, win.stride_h, win.dilation_h, win.pad_h);
                if (h < 0)
                    continue;
                int x_row = ((x_plane * win.in_d + d) * win.in_h + h) * win.in_w;
                int w_plane = w_channel * win.kernel_d + TAP(z, win.kernel_d);
                int w_row = (w_plane * win.kernel_h + TAP(r, win.kernel_h)) * win.kernel_w;
                for (int s = 0; s < win.kernel_w; s++) {
                    int wx = SOURCE(q, s, win.in_w, win.stride_w, win.dilation_w, win.pad_w);
                    if (wx >= 0)
                        sum += STORED_LOAD(x, (x_row + wx) * x_block + x_channel % x_block) *
                               STORED_LOAD(w, w_row + TAP(s, win.kernel_w));
                }
            }
        }
    }
    STORED_STORE(EPILOGUE(sum, k, STORED_LOAD(y, id)), y, id);
}
