// gather.cl - slices of x along one dimension, by number: y[o, k, i] = x[o, index[k], i], with `size` slices
// in x, `n` in y, of `inner` elements each.

#include "prelude.cl"

__kernel void gather(__global const float *x, __global float *y, __global const int *index, int count, int n,
                     int size, int inner)
{
    int i = LINEAR_ID;
    if (i >= count)
        return;
    int outer = i / (n * inner), k = i / inner % n;
    y[i] = x[(outer * size + index[k]) * inner + i % inner];
}
