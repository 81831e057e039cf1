// binary.cl - y[i] = FUNCTION(a[...], b[...]) with broadcasting: a stride of 0 repeats a dimension.
// May run in place over an operand of y's own shape. table: rank, sizes of y, strides of a, strides of b.

#include "prelude.cl"

#define ADD(a, b) ((a) + (b))
#define SUB(a, b) ((a) - (b))
#define MUL(a, b) ((a) * (b))
#define DIV(a, b) ((a) / (b))
#define PRELU(a, b) ((a) < 0.0f ? (a) * (b) : (a))

__kernel void binary(__global const float *a, __global const float *b, __global float *y,
                     __global const int *table, int count)
{
    int i = LINEAR_ID;
    if (i >= count)
        return;
    int rank = table[0], rest = i, at_a = 0, at_b = 0;
    for (int d = rank; d > 0; d--) {
        int position = rest % table[d];
        rest /= table[d];
        at_a += position * table[rank + d];
        at_b += position * table[2 * rank + d];
    }
    y[i] = FUNCTION(a[at_a], b[at_b]);
}
