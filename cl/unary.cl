// unary.cl - y[i] = FUNCTION(x[i]). May run in place. a and b: LEAKY_RELU's slope; CLIP's bounds.

#include "prelude.cl"

#define RELU(x) fmax(x, 0.0f)
#define LEAKY_RELU(x) ((x) < 0.0f ? (x) * a : (x))
// a lower bound above the upper one yields the upper one, as ONNX has it
#define CLIP(x) fmin(fmax(x, a), b)
#define SIGMOID(x) (1.0f / (1.0f + exp(-(x))))
#define TANH(x) tanh(x)

__kernel void unary(__global const float *x, __global float *y, int count, float a, float b)
{
    int i = LINEAR_ID;
    if (i < count)
        y[i] = FUNCTION(x[i]);
}
