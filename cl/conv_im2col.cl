// conv_im2col.cl - between tensors and the matrix of columns that a GEMM multiplies.
// Columns: one row for each channel and tap, one column for each pixel of the strip.
// FLIP: 0 or 1; PAD_MODE; of the last kernel the epilogue's. Sizes are arguments: one program serves every
// shape.
#include "prelude.cl"
#include "epilogue.cl"
#include "shuffle.cl"
#include "window.cl"

// Forward: copies what the taps of output pixels first, first + 1, ... see; beside x that is 0.
__kernel void im2col(__global const float *restrict x, __global float *restrict columns, int count,
                     int x_offset, int first, int pixels, int in_d, int in_h, int in_w,
                     int out_d, int out_h, int out_w, int kernel_d, int kernel_h, int kernel_w,
                     int stride_d, int stride_h, int stride_w, int dilation_d, int dilation_h, int dilation_w,
                     int pad_d, int pad_h, int pad_w)
{
    int id = LINEAR_ID;
    if (id >= count)
        return;
    int pixel = first + id % pixels;
    int row = id / pixels;
    int s = TAP(row % kernel_w, kernel_w);
    int r = TAP(row / kernel_w % kernel_h, kernel_h);
    int z = TAP(row / (kernel_w * kernel_h) % kernel_d, kernel_d);
    int c = row / (kernel_w * kernel_h * kernel_d);
    int w = seen_from(pixel % out_w, s, in_w, stride_w, dilation_w, pad_w);
    int h = seen_from(pixel / out_w % out_h, r, in_h, stride_h, dilation_h, pad_h);
    int d = seen_from(pixel / (out_w * out_h), z, in_d, stride_d, dilation_d, pad_d);
    float value = 0;
    if (w >= 0 && h >= 0 && d >= 0)
        value = x[x_offset + ((c * in_d + d) * in_h + h) * in_w + w];
    columns[id] = value;
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

// When all products are in y.
__kernel void finish(EPILOGUE_ARGUMENTS __global float *restrict y, int count, int pixels, int channels,
                     int shuffle)
{
    int id = LINEAR_ID;
    if (id < count)
        y[id] = EPILOGUE(y[id], shuffled_from(id / pixels % channels, channels, shuffle), 0.0f);
}
