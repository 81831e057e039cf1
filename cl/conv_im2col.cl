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
            int pixels, int lines, int in_d, int in_h, int in_w, int out_d, int out_h, int out_w,
            int kernel_d, int kernel_h, int kernel_w, int stride_d, int stride_h, int stride_w,
            int dilation_d, int dilation_h, int dilation_w, int pad_d, int pad_h, int pad_w)
{
    const int item = get_local_id(0), row = get_global_id(2);
    const int s = TAP(row % kernel_w, kernel_w);
    const int r = TAP(row / kernel_w % kernel_h, kernel_h);
    const int z = TAP(row / (kernel_w * kernel_h) % kernel_d, kernel_d);
    const int c = row / (kernel_w * kernel_h * kernel_d);
    const int behind = first + pixels, beside = s * dilation_w - pad_w;
    const int line_begin = first / out_w + (int)get_group_id(1) * lines;
    for (int line = line_begin; line < line_begin + lines && line * out_w < behind; line++) {
        const int h = seen_from(line % out_h, r, in_h, stride_h, dilation_h, pad_h);
        const int d = seen_from(line / out_h, z, in_d, stride_d, dilation_d, pad_d);
        const int begin = max(first - line * out_w, 0), end = min(behind - line * out_w, out_w);
        // the positions of the line that see x
        int low = begin, high = end;
#if PAD_MODE == 0
        low = clamp(beside < 0 ? (stride_w - 1 - beside) / stride_w : 0, begin, end);
        high = clamp(beside < in_w ? (in_w - 1 - beside) / stride_w + 1 : 0, low, end);
        high = h < 0 || d < 0 ? low : high;
#endif
        __global const float *from = x + x_offset + ((c * in_d + d) * in_h + h) * in_w;
        const int start = row * pixels + line * out_w - first;
        for (int q = begin + item; q < low; q += ITEMS)
            columns[start + q] = 0.0f;
        for (int q = low + item; q < high; q += ITEMS) {
            const int id = start + q;
#if PAD_MODE == 0
            const float value = from[q * stride_w + beside];
#else
            const float value = from[border(q * stride_w + beside, in_w)];
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
                     int first, int pixels, int add,
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
    int channel = id / (out_w * out_h * out_d);
    int at = y_offset + id + channel * (apart - 1) * out_w * out_h * out_d;
    float sum = add ? y[at] : 0.0f;
    for (int z = 0; z < kernel_d; z++) {
        int d = reached_from(o, z, in_d, stride_d, dilation_d, pad_d);
        if (d < 0)
            continue;
        for (int r = 0; r < kernel_h; r++) {
            int h = reached_from(p, r, in_h, stride_h, dilation_h, pad_h);
            if (h < 0)
                continue;
            for (int s = 0; s < kernel_w; s++) {
                int w = reached_from(q, s, in_w, stride_w, dilation_w, pad_w);
                int pixel = (d * in_h + h) * in_w + w - first;
                if (w < 0 || pixel < 0 || pixel >= pixels)
                    continue;
                int row = ((channel * kernel_d + TAP(z, kernel_d)) * kernel_h + TAP(r, kernel_h)) * kernel_w +
                          TAP(s, kernel_w);
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
    const int begin = (int)get_group_id(1) * piece, end = min(begin + piece, pixels);
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
