// pixel.cl - which pixel of x a 1x1 kernel reads for a pixel of y.
// MAPPED: 0 where y's pixels are x's, in order; 1 with strides or padding, of PAD_MODE (border.cl).
// TRANSPOSED: 0 or 1.
#include "border.cl"

// Where on x position `at` of y lies; -1: nowhere, y is 0 there.
int source(int at, int in, int stride, int pad)
{
#if TRANSPOSED
    int scaled = at + pad;
    int position = scaled / stride;
    return position * stride == scaled && position < in ? position : -1;
#else
    return border(at * stride - pad, in);
#endif
}

// The pixel of x that makes a pixel of y; -1: none.
int source_pixel(int pixel, int out_d, int out_h, int out_w, int in_d, int in_h, int in_w,
                 int stride_d, int stride_h, int stride_w, int pad_d, int pad_h, int pad_w)
{
#if MAPPED
    int w = source(pixel % out_w, in_w, stride_w, pad_w);
    int h = source(pixel / out_w % out_h, in_h, stride_h, pad_h);
    int d = source(pixel / (out_w * out_h), in_d, stride_d, pad_d);
    return pixel < out_d * out_h * out_w && w >= 0 && h >= 0 && d >= 0 ? (d * in_h + h) * in_w + w : -1;
#else
    return pixel < out_d * out_h * out_w ? pixel : -1;
#endif
}

// Of a kernel with the sizes among its arguments.
#define SOURCE_PIXEL(pixel)                                                                                  \
    source_pixel(pixel, out_d, out_h, out_w, in_d, in_h, in_w, stride_d, stride_h, stride_w, pad_d, pad_h,   \
                 pad_w)
