// strided.cl - copies from a strided tensor to a dense one. table: rank, sizes, strides.

#include "prelude.cl"

int strided_index(__global const int *table, int i)
{
    int rank = table[0], at = 0;
    for (int d = rank; d > 0; d--) {
        at += i % table[d] * table[rank + d];
        i /= table[d];
    }
    return at;
}

// y dense, x strided: transposition, broadcasting
__kernel void gather(__global const float *x, __global float *y, __global const int *table, int count,
                     int offset)
{
    int i = LINEAR_ID;
    if (i < count)
        y[i] = x[offset + strided_index(table, i)];
}
