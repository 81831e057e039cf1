// unary.cl - y[i] = ACTIVATE(x[i]), ACTIVATION as in activation.cl. May run in place.

#include "prelude.cl"

#include "activation.cl"

__kernel void unary(__global const float *x, __global float *y, ACTIVATION_ARGUMENTS int count)
{
    int i = LINEAR_ID;
    if (i < count)
        y[i] = ACTIVATE(x[i]);
}
