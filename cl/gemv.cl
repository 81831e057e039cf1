// gemv.cl - y = alpha * a * b + beta * c for few rows of a: each element of b is read once, and that is all
// the time. a: m x k; b: k x n, or n x k where TRANSPOSED; c repeats where its strides are 0.
// ROWS: of a at once. HAS_C: 0 or 1.
#include "prelude.cl"
#include "team.cl"
#include "planes.cl"

#define COLUMNS 4 // vectors of columns of y, or TRANSPOSED columns, at once

struct sizes {
    int m, n, k, run, a_at, b_at, y_at, c_row, c_column;
};

ALWAYS_INLINE lanes finished(lanes sum, __global const float *c, float alpha, float beta, struct sizes s,
                             int row, int column)
{
#if HAS_C
    c += row * s.c_row;
    const lanes before = s.c_column == 0 ? (lanes)c[0] : load_channels(c, column, s.n);
    return alpha * sum + beta * before;
#else
    return alpha * sum;
#endif
}

#if TRANSPOSED

ALWAYS_INLINE float total(lanes sum)
{
    float each[LANES], all = 0.0f;
    LANES_STORE(sum, each);
    for (int i = 0; i < LANES; i++)
        all += each[i];
    return all;
}

ALWAYS_INLINE void multiply(__global const float *a, __global const float *b, __global const float *c,
                            __global float *y, float alpha, float beta, struct sizes s, int row, int column)
{
    lanes sum[ROWS][COLUMNS];
    UNROLL
    for (int i = 0; i < ROWS * COLUMNS; i++)
        sum[i / COLUMNS][i % COLUMNS] = 0.0f;
    for (int i = 0; i < s.k; i += LANES) {
        lanes right[COLUMNS];
        UNROLL
        for (int j = 0; j < COLUMNS; j++)
            right[j] = load_channels(b + min(column + j, s.n - 1) * s.k, i, s.k);
        UNROLL
        for (int r = 0; r < ROWS; r++) {
            const lanes left = load_channels(a + min(row + r, s.m - 1) * s.k, i, s.k);
            UNROLL
            for (int j = 0; j < COLUMNS; j++)
                sum[r][j] += left * right[j];
        }
    }
    UNROLL
    for (int r = 0; r < ROWS; r++) {
        UNROLL
        for (int j = 0; j < COLUMNS; j++) {
            const float made = total(sum[r][j]);
            if (row + r < s.m && column + j < s.n)
                store_some(finished(made, c, alpha, beta, s, row + r, column + j),
                           y + (row + r) * s.n + column + j, 1);
        }
    }
}

#define WIDTH COLUMNS

#else

ALWAYS_INLINE void multiply(__global const float *a, __global const float *b, __global const float *c,
                            __global float *y, float alpha, float beta, struct sizes s, int row, int column)
{
    lanes sum[ROWS][COLUMNS];
    UNROLL
    for (int i = 0; i < ROWS * COLUMNS; i++)
        sum[i / COLUMNS][i % COLUMNS] = 0.0f;
    for (int i = 0; i < s.k; i++) {
        lanes right[COLUMNS];
        UNROLL
        for (int j = 0; j < COLUMNS; j++)
            right[j] = load_channels(b + i * s.n, column + j * LANES, s.n);
        UNROLL
        for (int r = 0; r < ROWS; r++) {
            const float left = a[min(row + r, s.m - 1) * s.k + i];
            UNROLL
            for (int j = 0; j < COLUMNS; j++)
                sum[r][j] += left * right[j];
        }
    }
    UNROLL
    for (int r = 0; r < ROWS; r++) {
        UNROLL
        for (int j = 0; j < COLUMNS; j++) {
            const int at = column + j * LANES;
            if (row + r < s.m)
                store_some(finished(sum[r][j], c, alpha, beta, s, row + r, at), y + (row + r) * s.n + at,
                           s.n - at);
        }
    }
}

#define WIDTH (COLUMNS * LANES)

#endif

// Dimensions: runs of columns of y, ROWS rows each.
APART void gemv_work(int3 id, __global const float *a, __global const float *b, __global const float *c,
                     __global float *y, float alpha, float beta, struct sizes s)
{
    const int end = min((id.x + 1) * s.run, s.n), row = id.y * ROWS;
    if (row >= s.m)
        return;
    for (int column = id.x * s.run; column < end; column += WIDTH)
        multiply(a + s.a_at, b + s.b_at, c, y + s.y_at, alpha, beta, s, row, column);
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(a) IN(b) IN(c) OUT(y) VALUE(float, alpha) VALUE(float, beta) LAST(struct sizes, s)
TEAM_KERNEL(gemv, ANY_WORK_GROUP, ARGUMENTS)
