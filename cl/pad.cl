// pad.cl - y is x with a border, or cropped. table: rank, sizes of y, sizes of x, strides of x, begins.
// MODE: where a position outside x (p, of size n) is read; -1 means the constant.

#include "prelude.cl"

#define CONSTANT(p, n) (-1)
#define REFLECT(p, n) ((p) < 0 ? -(p) : 2 * (n) - 2 - (p))
#define REPLICATE(p, n) ((p) < 0 ? 0 : (n) - 1)
#define WRAP(p, n) ((p) < 0 ? (p) + (n) : (p) - (n))

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
        if (p < 0 || p >= n)
            p = MODE(p, n);
        // a reflection can still be outside where the other end is cropped; nothing is read there
        inside = inside && p >= 0 && p < n;
        at += p * table[2 * rank + d];
    }
    y[i] = inside ? x[at] : value;
}
