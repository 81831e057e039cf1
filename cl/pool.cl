// pool.cl - largest or mean value of each window. table: for each of three axes in, out, kernel, stride,
// dilation, pad_begin, pad_end.

#include "prelude.cl"

#define IN(a) table[7 * (a)]
#define OUT(a) table[7 * (a) + 1]
#define KERNEL(a) table[7 * (a) + 2]
#define STRIDE(a) table[7 * (a) + 3]
#define DILATION(a) table[7 * (a) + 4]
#define PAD_BEGIN(a) table[7 * (a) + 5]
#define PAD_END(a) table[7 * (a) + 6]

// Begin of output i's window along each axis, and where its channel's x begins.
#define LOCATE(i) \
    int q = (i) % OUT(2), p = (i) / OUT(2) % OUT(1), o = (i) / OUT(2) / OUT(1) % OUT(0); \
    int begin_d = o * STRIDE(0) - PAD_BEGIN(0), begin_h = p * STRIDE(1) - PAD_BEGIN(1); \
    int begin_w = q * STRIDE(2) - PAD_BEGIN(2); \
    x += (i) / OUT(2) / OUT(1) / OUT(0) * IN(0) * IN(1) * IN(2)

#define FOR_AXIS(position, begin, a) \
    for (int position = (begin); position < (begin) + KERNEL(a) * DILATION(a); position += DILATION(a)) \
        if (position >= 0 && position < IN(a))

__kernel void max_pool(__global const float *x, __global float *y, __global const int *table, int count,
                       int include_pad)
{
    int i = LINEAR_ID;
    if (i >= count)
        return;
    LOCATE(i);
    float largest = -INFINITY;
    FOR_AXIS(d, begin_d, 0)
        FOR_AXIS(h, begin_h, 1)
            FOR_AXIS(w, begin_w, 2)
                largest = fmax(largest, x[(d * IN(1) + h) * IN(2) + w]);
    y[i] = largest;
}

// Positions of a window that begins at `begin` within x and its padding.
int padded_positions(__global const int *table, int begin, int a)
{
    int positions = 0;
    for (int r = 0; r < KERNEL(a); r++)
        positions += begin + r * DILATION(a) < IN(a) + PAD_END(a);
    return positions;
}

__kernel void average_pool(__global const float *x, __global float *y, __global const int *table, int count,
                           int include_pad)
{
    int i = LINEAR_ID;
    if (i >= count)
        return;
    LOCATE(i);
    float sum = 0.0f;
    int n = 0;
    FOR_AXIS(d, begin_d, 0)
        FOR_AXIS(h, begin_h, 1)
            FOR_AXIS(w, begin_w, 2) {
                sum += x[(d * IN(1) + h) * IN(2) + w];
                n++;
            }
    if (include_pad)
        n = padded_positions(table, begin_d, 0) * padded_positions(table, begin_h, 1) *
            padded_positions(table, begin_w, 2);
    // a window wholly in the padding has no mean; ONNX Runtime and PyTorch give 0
    y[i] = n > 0 ? sum / (float)n : 0.0f;
}
