// lrn.cl - local response normalization across channels (Krizhevsky et al., 2012, section 3.3): x over
// (bias + scale * sum of squares)^beta, summed from `before` channels before to `after` behind.

#include "prelude.cl"

__kernel void lrn(__global const float *x, __global float *y, int count, int channels, int pixels, int before,
                  int after, float scale, float beta, float bias)
{
    int i = LINEAR_ID;
    if (i >= count)
        return;
    int c = i / pixels % channels;
    int first = max(c - before, 0), last = min(c + after, channels - 1);
    float sum = 0.0f;
    for (int k = first; k <= last; k++) {
        float v = x[i + (k - c) * pixels];
        sum += v * v;
    }
    y[i] = x[i] * exp(-beta * log(bias + scale * sum));
}
