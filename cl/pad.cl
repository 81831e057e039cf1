// pad.cl - y is x with a border, or cropped. table: rank, sizes of y, sizes of x, strides of x, begins.
// PAD_MODE: see border.cl.

#include "prelude.cl"
#include "border.cl"

__kernel void pad(__global const float *x, __global float *y, __global const int *table, int count,
                  float value)
{
    int i = LINEAR_ID;
    if (i >= count)
        return;
    int rank = table[0], rest = i, at = 0;
    bool inside = true;
    for (int d = rank; d > 0; d--) {
        int n = table[rank + d];
        int p = rest % table[d] - table[3 * rank + d];
        rest /= table[d];
        p = border(p, n);
        inside = inside && p >= 0;
        at += p * table[2 * rank + d];
    }
    y[i] = inside ? x[at] : value;
}
