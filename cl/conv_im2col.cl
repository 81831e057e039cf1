// conv_im2col.cl - between tensors and the matrix of columns that a GEMM multiplies.
// Columns: one row for each channel and tap, one column for each pixel of the strip.
// FINISH: 0 or 1, the pass over y alone, with the epilogue's macros and LANES. Else FLIP, 0 or 1, PAD_MODE.
// ITEMS: of a work-group. Sizes are arguments: one program serves every shape.
#include "prelude.cl"
#include "shuffle.cl"

#if !FINISH

#include "window.cl"

// Forward: copies what the taps of output pixels first, first + 1, ... see; beside x that is 0. Dimensions:
// ITEMS work-items, which share every line of y, pieces of so many lines, rows.
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void im2col(__global const float *restrict x, __global float *restrict columns, int x_offset, int first,
            int pixels, int lines, struct window win)
{
    const int item = get_local_id(0), row = get_global_id(2);
    const int s = TAP(row % win.kernel_w, win.kernel_w);
    const int r = TAP(row / win.kernel_w % win.kernel_h, win.kernel_h);
    const int z = TAP(row / (win.kernel_w * win.kernel_h) % win.kernel_d, win.kernel_d);
    const int c = row / (win.kernel_w * win.kernel_h * win.kernel_d);
    const int behind = first + pixels, beside = s * win.dilation_w - win.pad_w;
    const int line_begin = first / win.out_w + GROUP_ID(1) * lines;
    for (int line = line_begin; line < line_begin + lines && line * win.out_w < behind; line++) {
        const int h = seen_from(line % win.out_h, r, win.in_h, win.stride_h, win.dilation_h, win.pad_h);
        const int d = seen_from(line / win.out_h, z, win.in_d, win.stride_d, win.dilation_d, win.pad_d);
        const int begin = max(first - line * win.out_w, 0), end = min(behind - line * win.out_w, win.out_w);
        // the positions of the line that see x
        int low = begin, high = end;
#if PAD_MODE == 0
        low = clamp(beside < 0 ? (win.stride_w - 1 - beside) / win.stride_w : 0, begin, end);
        high = clamp(beside < win.in_w ? (win.in_w - 1 - beside) / win.stride_w + 1 : 0, low, end);
        high = h < 0 || d < 0 ? low : high;
#endif
        __global const float *from = x + x_offset + ((c * win.in_d + d) * win.in_h + h) * win.in_w;
        const int start = row * pixels + line * win.out_w - first;
        for (int q = begin + item; q < low; q += ITEMS)
            columns[start + q] = 0.0f;
        for (int q = low + item; q < high; q += ITEMS) {
            const int id = start + q;
#if PAD_MODE == 0
            const float value = from[q * win.stride_w + beside];
#else
            const float value = from[border(q * win.stride_w + beside, win.in_w)];
#endif
            columns[id] = value;
        }
        for (int q = high + item; q < end; q += ITEMS)
            columns[start + q] = 0.0f;
    }
}

// Transposed: each output element gathers the columns that reach it. Columns hold input pixels first,
// first + 1, ... and channels of y, the first at y_offset, the next `apart` channels further on. add:
// to what y holds, as every strip but the first does.
__kernel void col2im(__global const float *restrict columns,
                     __global float *restrict y, int count, int y_offset, int apart,
                     int first, int pixels, int add, struct window win)
{
    int id = LINEAR_ID;
    if (id >= count)
        return;
    int q = id % win.out_w;
    int p = id / win.out_w % win.out_h;
    int o = id / (win.out_w * win.out_h) % win.out_d;
    int channel = id / (win.out_w * win.out_h * win.out_d);
    int at = y_offset + id + channel * (apart - 1) * win.out_w * win.out_h * win.out_d;
    float sum = add ? y[at] : 0.0f;
    for (int z = 0; z < win.kernel_d; z++) {
        int d = reached_from(o, z, win.in_d, win.stride_d, win.dilation_d, win.pad_d);
        if (d < 0)
            continue;
        for (int r = 0; r < win.kernel_h; r++) {
            int h = reached_from(p, r, win.in_h, win.stride_h, win.dilation_h, win.pad_h);
            if (h < 0)
                continue;
            for (int s = 0; s < win.kernel_w; s++) {
                int w = reached_from(q, s, win.in_w, win.stride_w, win.dilation_w, win.pad_w);
                int pixel = (d * win.in_h + h) * win.in_w + w - first;
                if (w < 0 || pixel < 0 || pixel >= pixels)
                    continue;
                int plane = channel * win.kernel_d + TAP(z, win.kernel_d);
                int row = (plane * win.kernel_h + TAP(r, win.kernel_h)) * win.kernel_w + TAP(s, win.kernel_w);
                sum += columns[row * pixels + pixel];
            }
        }
    }
    y[at] = sum;
}

#else

#include "epilogue.cl"
#include "lane.cl"

// When all products are in y. Dimensions: ITEMS work-items, pieces of so many pixels, images times channels.
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void finish(EPILOGUE_ARGUMENTS __global float *restrict y, int pixels, int piece, int channels, int shuffle)
{
    const int channel = get_global_id(2), k = shuffled_from(channel % channels, channels, shuffle);
    const int begin = GROUP_ID(1) * piece, end = min(begin + piece, pixels);
    __global float *at = y + channel * pixels;
    for (int pixel = begin + (int)get_local_id(0) * LANES; pixel < end; pixel += ITEMS * LANES) {
        if (pixel + LANES <= end) {
            const lanes value = LANES_LOAD(at + pixel);
            LANES_STORE(EPILOGUE(value, k, 0.0f), at + pixel);
        } else {
            for (int i = pixel; i < end; i++)
                at[i] = EPILOGUE(at[i], k, 0.0f);
        }
    }
}

#endif
