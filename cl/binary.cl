// binary.cl - y[i] = FUNCTION(a[...], b[...]) with broadcasting: a stride of 0 repeats a dimension.
// May run in place over an operand of y's own shape. table: rank, sizes of y, strides of a, strides of b.

#include "prelude.cl"

#define ADD(a, b) ((a) + (b))
#define SUB(a, b) ((a) - (b))
#define MUL(a, b) ((a) * (b))
#define DIV(a, b) ((a) / (b))
#define POW(a, b) power(a, b)
#define MIN(a, b) fmin(a, b)
#define MAX(a, b) fmax(a, b)
#define MOD(a, b) ((a) - (b)*floor((a) / (b)))
#define FMOD(a, b) fmod(a, b)
// truth values are 1 and 0
#define EQUAL(a, b) ((a) == (b) ? 1.0f : 0.0f)
#define LESS(a, b) ((a) < (b) ? 1.0f : 0.0f)
#define LESS_EQUAL(a, b) ((a) <= (b) ? 1.0f : 0.0f)
#define GREATER(a, b) ((a) > (b) ? 1.0f : 0.0f)
#define GREATER_EQUAL(a, b) ((a) >= (b) ? 1.0f : 0.0f)
#define AND(a, b) ((a) != 0.0f && (b) != 0.0f ? 1.0f : 0.0f)
#define OR(a, b) ((a) != 0.0f || (b) != 0.0f ? 1.0f : 0.0f)
#define PRELU(a, b) ((a) < 0.0f ? (a) * (b) : (a))

// squares, as variances are made of, without a logarithm
float power(float a, float b)
{
    return b == 2.0f ? a * a : pow(a, b);
}

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
