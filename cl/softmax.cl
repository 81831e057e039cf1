// softmax.cl - exp(x) over its sum along one dimension; the largest value is subtracted first, so that exp
// does not overflow. One work-item does one row of `size` elements, `inner` apart. May run in place.

#include "prelude.cl"

__kernel void softmax(__global const float *x, __global float *y, int rows, int size, int inner)
{
    int row = LINEAR_ID;
    if (row >= rows)
        return;
    int begin = row / inner * size * inner + row % inner;
    float largest = x[begin];
    for (int i = 1; i < size; i++)
        largest = fmax(largest, x[begin + i * inner]);
    float sum = 0.0f;
    for (int i = 0; i < size; i++)
        sum += exp(x[begin + i * inner] - largest);
    for (int i = 0; i < size; i++)
        y[begin + i * inner] = exp(x[begin + i * inner] - largest) / sum;
}
