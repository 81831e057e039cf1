// lane_gemm.cl - y = alpha * a * b + beta * c, or many such products, for devices whose work-items fill
// vector registers. Sums of ROWS rows by COLUMNS vectors of y stay in registers while k goes by; neighbouring
// work-items take the rows of the same columns, so that what they read of b stays in a cache.
// a: m x k, or k x m where TRANSPOSED_A; b: k x n; PACKED: strips of COLUMNS * LANES columns, each k rows;
// TRANSPOSED_B: n x k, then a vector is along k, and a tile COLUMNS columns. c repeats where its strides are
// 0. HAS_C: 0 or 1. LANES: at most n, or k.
#include "prelude.cl"
#include "team.cl"
#include "planes.cl"

// run: columns of a work-item; each: tiles of ROWS rows. a_step, b_step: from one product to the next.
struct sizes {
    int m, n, k, run, each, a_at, a_step, b_at, b_step, y_at, c_row, c_column;
};

#if TRANSPOSED_A
#define A_ROW 1
#define A_STEP s.m
#else
#define A_ROW s.k
#define A_STEP 1
#endif

#if TRANSPOSED_B

#define WIDTH COLUMNS

ALWAYS_INLINE void multiply(__global const float *a, __global const float *b, __global const float *c,
                            __global float *y, float alpha, float beta, struct sizes s, int row, int column)
{
    lanes sum[ROWS][COLUMNS];
    __global const float *left[ROWS], *right[COLUMNS];
    UNROLL
    for (int r = 0; r < ROWS; r++) {
        left[r] = a + min(row + r, s.m - 1) * s.k;
        UNROLL
        for (int j = 0; j < COLUMNS; j++)
            sum[r][j] = 0.0f;
    }
    UNROLL
    for (int j = 0; j < COLUMNS; j++)
        right[j] = b + min(column + j, s.n - 1) * s.k;
    int i = 0;
    for (; i + LANES <= s.k; i += LANES) {
        lanes values[COLUMNS];
        UNROLL
        for (int j = 0; j < COLUMNS; j++)
            values[j] = LANES_LOAD(right[j] + i);
        UNROLL
        for (int r = 0; r < ROWS; r++) {
            const lanes value = LANES_LOAD(left[r] + i);
            UNROLL
            for (int j = 0; j < COLUMNS; j++)
                sum[r][j] += value * values[j];
        }
    }
    UNROLL
    for (int r = 0; r < ROWS; r++) {
        UNROLL
        for (int j = 0; j < COLUMNS; j++) {
            float all = lanes_total(sum[r][j]);
            for (int l = i; l < s.k; l++)
                all += left[r][l] * right[j][l];
            if (row + r >= s.m || column + j >= s.n)
                continue;
            all *= alpha;
#if HAS_C
            all += beta * c[(row + r) * s.c_row + (column + j) * s.c_column];
#endif
            y[(row + r) * s.n + column + j] = all;
        }
    }
}

#else

#define WIDTH (COLUMNS * LANES)
#if PACKED
#define B_STEP WIDTH
#define AHEAD 16 // steps of k that memory is asked for early
#else
#define B_STEP s.n
#endif

// Unless b is packed, a vector that would reach beyond the last column begins earlier, and stores the columns
// that are its own.
ALWAYS_INLINE void multiply(__global const float *a, __global const float *b, __global const float *c,
                            __global float *y, float alpha, float beta, struct sizes s, int row, int column)
{
    lanes sum[ROWS][COLUMNS];
    int left[ROWS], from[COLUMNS];
    UNROLL
    for (int r = 0; r < ROWS; r++) {
        left[r] = min(row + r, s.m - 1) * A_ROW;
        UNROLL
        for (int j = 0; j < COLUMNS; j++)
            sum[r][j] = 0.0f;
    }
    UNROLL
    for (int j = 0; j < COLUMNS; j++)
        from[j] = PACKED ? column + j * LANES : min(column + j * LANES, s.n - LANES);
    b += PACKED ? column * s.k - column : 0;
    ROLLED
    for (int i = 0; i < s.k; i++, a += A_STEP, b += B_STEP) {
        lanes values[COLUMNS];
        UNROLL
        for (int j = 0; j < COLUMNS; j++)
            values[j] = LANES_LOAD(b + from[j]);
#if PACKED
        UNROLL
        for (int j = 0; j < COLUMNS; j++)
            LANES_FETCH(b + from[j] + AHEAD * WIDTH);
#endif
        UNROLL
        for (int r = 0; r < ROWS; r++) {
            const float value = a[left[r]];
            UNROLL
            for (int j = 0; j < COLUMNS; j++)
                sum[r][j] += value * values[j];
        }
    }
    UNROLL
    for (int r = 0; r < ROWS; r++) {
        UNROLL
        for (int j = 0; j < COLUMNS; j++) {
            const int first = column + j * LANES - from[j], end = min(LANES, s.n - from[j]);
            __global float *to = y + (row + r) * s.n + from[j];
            lanes all = alpha * sum[r][j];
            if (row + r >= s.m || first >= end)
                continue;
#if HAS_C
            __global const float *c_row = c + (row + r) * s.c_row;
            all += beta * (s.c_column == 0 ? (lanes)c_row[0] : load_channels(c_row, from[j], s.n));
#endif
            if (end - first == LANES) {
                LANES_STORE(all, to);
                continue;
            }
            float each[LANES];
            LANES_STORE(all, each);
            for (int l = first; l < end; l++)
                to[l] = each[l];
        }
    }
}

#endif

// Dimensions: rows of y, columns, products.
APART void lane_gemm_work(int3 id, __global const float *restrict a, __global const float *restrict b,
                          __global const float *restrict c, __global float *restrict y, float alpha,
                          float beta, struct sizes s)
{
    const int columns_end = min((id.y + 1) * s.run, s.n), rows = s.each * ROWS;
    const int rows_end = min((id.x + 1) * rows, s.m);
    a += s.a_at + id.z * s.a_step;
    b += s.b_at + id.z * s.b_step;
    y += s.y_at + id.z * s.m * s.n;
    for (int column = id.y * s.run; column < columns_end; column += WIDTH) {
        for (int row = id.x * rows; row < rows_end; row += ROWS)
            multiply(a, b, c, y, alpha, beta, s, row, column);
    }
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(a) IN(b) IN(c) OUT(y) VALUE(float, alpha) VALUE(float, beta) LAST(struct sizes, s)
TEAM_KERNEL(lane_gemm, ANY_WORK_GROUP, ARGUMENTS)
