// reduce.cl - FUNCTION of all elements of x along some dimensions. One work-item makes one element of y.
// table: of the dimensions that are kept rank, sizes, strides; then the same of those that go.

#include "prelude.cl"

#define SUM_FIRST 0.0f
#define SUM_NEXT(a, b) ((a) + (b))
#define SUM_LAST(v, n) (v)
#define MEAN_FIRST 0.0f
#define MEAN_NEXT(a, b) ((a) + (b))
#define MEAN_LAST(v, n) ((v) / (float)(n))
#define LARGEST_FIRST -INFINITY
#define LARGEST_NEXT(a, b) fmax(a, b)
#define LARGEST_LAST(v, n) (v)
#define SMALLEST_FIRST INFINITY
#define SMALLEST_NEXT(a, b) fmin(a, b)
#define SMALLEST_LAST(v, n) (v)
#define PRODUCT_FIRST 1.0f
#define PRODUCT_NEXT(a, b) ((a) * (b))
#define PRODUCT_LAST(v, n) (v)
#define PASTE(a, b) a##b
#define STEP(function, which) PASTE(function, which)

int table_index(__global const int *table, int i)
{
    int rank = table[0], at = 0;
    for (int d = rank; d > 0; d--) {
        at += i % table[d] * table[rank + d];
        i /= table[d];
    }
    return at;
}

// A sum in four parts, whose errors grow a quarter as fast, and which are added at the same time.
__kernel void reduce(__global const float *x, __global float *y, __global const int *table, int count, int n)
{
    int i = LINEAR_ID;
    if (i >= count)
        return;
    __global const int *gone = table + 1 + 2 * table[0];
    x += table_index(table, i);
    float parts[4];
    for (int p = 0; p < 4; p++)
        parts[p] = STEP(FUNCTION, _FIRST);
    if (gone[0] == 1) {
        int stride = gone[2], at = 0;
        for (; at + 4 <= n; at += 4)
            for (int p = 0; p < 4; p++)
                parts[p] = STEP(FUNCTION, _NEXT)(parts[p], x[(at + p) * stride]);
        for (; at < n; at++)
            parts[0] = STEP(FUNCTION, _NEXT)(parts[0], x[at * stride]);
    } else {
        for (int at = 0; at < n; at++)
            parts[at % 4] = STEP(FUNCTION, _NEXT)(parts[at % 4], x[table_index(gone, at)]);
    }
    float low = STEP(FUNCTION, _NEXT)(parts[0], parts[1]), high = STEP(FUNCTION, _NEXT)(parts[2], parts[3]);
    y[i] = STEP(FUNCTION, _LAST)(STEP(FUNCTION, _NEXT)(low, high), n);
}
