// resize.cl - y is a weighted sum of taps, separable over the dimensions.
// table: rank, sizes of y, strides of x, taps of each dimension, begin of its taps in index and weights.

#include "prelude.cl"

__kernel void resize(__global const float *x, __global float *y, __global const int *table,
                     __global const int *index, __global const float *weights, int count)
{
    int i = LINEAR_ID;
    if (i >= count)
        return;
    int rank = table[0];
    // begin of this position's taps along each dimension
    int begin[8];
    int combinations = 1, rest = i;
    for (int d = rank; d > 0; d--) {
        int taps = table[2 * rank + d];
        begin[d - 1] = table[3 * rank + d] + rest % table[d] * taps;
        rest /= table[d];
        combinations *= taps;
    }
    float sum = 0.0f;
    for (int c = 0; c < combinations; c++) {
        int at = 0;
        float weight = 1.0f;
        rest = c;
        for (int d = rank; d > 0; d--) {
            int taps = table[2 * rank + d];
            int tap = begin[d - 1] + rest % taps;
            rest /= taps;
            at += index[tap] * table[rank + d];
            weight *= weights[tap];
        }
        // a weight of 0 must not bring in an infinity or NaN
        if (weight != 0.0f)
            sum += weight * x[at];
    }
    y[i] = sum;
}
