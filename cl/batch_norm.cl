// batch_norm.cl - y = (x - mean) / sqrt(variance + epsilon) * scale + bias, per channel. May run in place.

#include "prelude.cl"

__kernel void batch_norm(__global const float *x, __global const float *scale, __global const float *bias,
                         __global const float *mean, __global const float *variance, __global float *y,
                         int count, int channels, int inner, float epsilon)
{
    int i = LINEAR_ID;
    if (i >= count)
        return;
    int c = i / inner % channels;
    y[i] = (x[i] - mean[c]) / sqrt(variance[c] + epsilon) * scale[c] + bias[c];
}
