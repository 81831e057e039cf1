// window.cl - which tap of a kernel meets which position of x. FLIP: 0 or 1; PAD_MODE as in border.cl.
#include "border.cl"

// The sizes of a convolution along its three axes; op/window.h passes it.
struct window {
    int in_d, in_h, in_w;
    int out_d, out_h, out_w;
    int kernel_d, kernel_h, kernel_w;
    int stride_d, stride_h, stride_w;
    int dilation_d, dilation_h, dilation_w;
    int pad_d, pad_h, pad_w;
};

// Where a tap's weight lies in the kernel.
#if FLIP
#define TAP(tap, kernel_size) ((kernel_size) - 1 - (tap))
#else
#define TAP(tap, kernel_size) (tap)
#endif

// Forward: the position of x under the tap of the window at position `at` of y; -1: none.
int seen_from(int at, int tap, int in, int stride, int dilation, int pad)
{
    return border(at * stride - pad + tap * dilation, in);
}

// Transposed: the position of x that reaches position `at` of y through the tap; -1: none.
int reached_from(int at, int tap, int in, int stride, int dilation, int pad)
{
    int scaled = at + pad - tap * dilation;
    int position = scaled / stride;
    return scaled >= 0 && position * stride == scaled && position < in ? position : -1;
}

// The least tap that leads from some x to `reach`, a position of y plus its padding; `step`: there is none.
// Every step-th tap after it does too.
int first_tap(int reach, int stride, int dilation, int step)
{
    int tap = 0;
    while (tap < step && (reach - tap * dilation) % stride != 0)
        tap++;
    return tap;
}

// The one that TRANSPOSED, 0 or 1, asks for.
#if TRANSPOSED
#define SOURCE reached_from
#else
#define SOURCE seen_from
#endif
