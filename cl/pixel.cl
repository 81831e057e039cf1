// pixel.cl - which pixel of x a 1x1 kernel reads for a pixel of y.
// MAPPED: 0 where y's pixels are x's, in order; 1 with strides or padding, of PAD_MODE (border.cl).
// TRANSPOSED: 0 or 1.
#include "window.cl"

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
int source_pixel(int pixel, struct window win)
{
    const int pixels = win.out_d * win.out_h * win.out_w;
#if MAPPED
    int w = source(pixel % win.out_w, win.in_w, win.stride_w, win.pad_w);
    int h = source(pixel / win.out_w % win.out_h, win.in_h, win.stride_h, win.pad_h);
    int d = source(pixel / (win.out_w * win.out_h), win.in_d, win.stride_d, win.pad_d);
    return pixel < pixels && w >= 0 && h >= 0 && d >= 0 ? (d * win.in_h + h) * win.in_w + w : -1;
#else
    return pixel < pixels ? pixel : -1;
#endif
}
