// quantize.cl - float32 to integers and back, element by element.
// INTEGER: the integers' type; LOW, HIGH: its range; HAS_ZERO: 1 where zero points are given. Element id
// belongs to scale id / inner % channels.
#include "prelude.cl"
#include "rescale.cl"

#if HAS_ZERO
#define ZERO(channel) zero[channel]
#define ZERO_ARGUMENT __global const INTEGER *restrict zero,
#else
#define ZERO(channel) 0
#define ZERO_ARGUMENT
#endif

__kernel void quantize(__global const float *restrict x, __global const float *restrict scale,
                       ZERO_ARGUMENT __global INTEGER *restrict y, int count, int channels, int inner)
{
    int id = LINEAR_ID;
    if (id >= count)
        return;
    int channel = id / inner % channels;
    y[id] = (INTEGER)quantized(divide(x[id], scale[channel]), ZERO(channel), LOW, HIGH);
}

__kernel void dequantize(__global const INTEGER *restrict x, __global const float *restrict scale,
                         ZERO_ARGUMENT __global float *restrict y, int count, int channels, int inner)
{
    int id = LINEAR_ID;
    if (id >= count)
        return;
    int channel = id / inner % channels;
    y[id] = (float)(x[id] - ZERO(channel)) * scale[channel];
}
