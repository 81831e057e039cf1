// where.cl - y[i] = condition[...] != 0 ? a[...] : b[...], each broadcast: a stride of 0 repeats a dimension.
// table: rank, sizes of y, strides of the condition, of a, of b.

#include "prelude.cl"

__kernel void where(__global const float *condition, __global const float *a, __global const float *b,
                    __global float *y, __global const int *table, int count)
{
    int i = LINEAR_ID;
    if (i >= count)
        return;
    int rank = table[0], rest = i, at_c = 0, at_a = 0, at_b = 0;
    for (int d = rank; d > 0; d--) {
        int position = rest % table[d];
        rest /= table[d];
        at_c += position * table[rank + d];
        at_a += position * table[2 * rank + d];
        at_b += position * table[3 * rank + d];
    }
    y[i] = condition[at_c] != 0.0f ? a[at_a] : b[at_b];
}
