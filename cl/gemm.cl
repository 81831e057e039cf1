// gemm.cl - C = alpha * op(A) * op(B) + beta * C, row-major, any size.
// TRANSPOSE_A, TRANSPOSE_B: 1 where the matrix is stored transposed. USE_BETA: 0 leaves C unread.
// A work-group of SIDE x SIDE makes a tile of (SIDE*PER_ITEM)^2 through local memory, DEPTH of K at a time.

#include "prelude.cl"

#define TILE (SIDE * PER_ITEM)

#if TRANSPOSE_A
#define A_AT(row, inner) a[a_offset + (inner) * lda + (row)]
#else
#define A_AT(row, inner) a[a_offset + (row) * lda + (inner)]
#endif
#if TRANSPOSE_B
#define B_AT(inner, column) b[b_offset + (column) * ldb + (inner)]
#else
#define B_AT(inner, column) b[b_offset + (inner) * ldb + (column)]
#endif

__kernel __attribute__((reqd_work_group_size(SIDE, SIDE, 1)))
void gemm(int m, int n, int k, float alpha, float beta,
          __global const float *a, int a_offset, int lda,
          __global const float *b, int b_offset, int ldb,
          __global float *c, int c_offset, int ldc)
{
    __local float tile_a[DEPTH][TILE];
    __local float tile_b[DEPTH][TILE];
    const int x = get_local_id(0), y = get_local_id(1);
    const int row0 = GROUP_ID(1) * TILE, column0 = GROUP_ID(0) * TILE;
    const int item = y * SIDE + x;
    float sum[PER_ITEM][PER_ITEM];

    for (int i = 0; i < PER_ITEM; i++) {
        for (int j = 0; j < PER_ITEM; j++)
            sum[i][j] = 0.0f;
    }
    for (int inner0 = 0; inner0 < k; inner0 += DEPTH) {
        for (int i = item; i < DEPTH * TILE; i += SIDE * SIDE) {
            const int d = inner0 + i / TILE, t = i % TILE;
            tile_a[i / TILE][t] = d < k && row0 + t < m ? A_AT(row0 + t, d) : 0.0f;
            tile_b[i / TILE][t] = d < k && column0 + t < n ? B_AT(d, column0 + t) : 0.0f;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int d = 0; d < DEPTH; d++) {
            for (int i = 0; i < PER_ITEM; i++) {
                const float value = tile_a[d][y + i * SIDE];
                for (int j = 0; j < PER_ITEM; j++)
                    sum[i][j] += value * tile_b[d][x + j * SIDE];
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    for (int i = 0; i < PER_ITEM; i++) {
        const int row = row0 + y + i * SIDE;
        for (int j = 0; j < PER_ITEM; j++) {
            const int column = column0 + x + j * SIDE;
            if (row < m && column < n) {
                __global float *target = c + c_offset + row * ldc + column;
#if USE_BETA
                *target = alpha * sum[i][j] + beta * *target;
#else
                *target = alpha * sum[i][j];
#endif
            }
        }
    }
}
