// strided.cl - y, which is dense, is x read with other strides.
#include "prelude.cl"
#include "team.cl"
#include "lane.cl"

#define SIDE 16 // of a tile, whose rows and columns both fill a line of the cache

// Rows of y are `a` floats; `b` rows, which lie side by side in x as far as any do, make a plane, and `outer`
// planes y. run_a, run_b, each: of them, that a work-item does. offset: of the first float in x.
struct sizes {
    int a, b, outer, run_a, run_b, each, offset;
};

// In ints, of the dimensions that planes are counted in, the innermost first: how many; a's step in x; b's in
// x and y; then the size of each and its steps in x and y.
#define RANK table[0]
#define A_STEP table[1]
#define B_STEP table[2]
#define B_STEP_Y table[3]
#define DIMENSION(d) (table + 4 + 3 * (d))

// IN_ROWS: 1 where a's step is 1.
ALWAYS_INLINE void copy_plane(__global const float *x, __global float *y, __global const int *table,
                              int a_begin, int a_end, int b_begin, int b_end)
{
    const int b_step = B_STEP, b_step_y = B_STEP_Y;
#if IN_ROWS
    for (int j = b_begin; j < b_end; j++)
        copy_row(x + j * b_step, y + j * b_step_y, a_begin, a_end);
#else
    const int a_step = A_STEP;
    for (int top = b_begin; top < b_end; top += SIDE) {
        for (int left = a_begin; left < a_end; left += SIDE) {
            const int bottom = min(top + SIDE, b_end), right = min(left + SIDE, a_end);
            for (int j = top; j < bottom; j++) {
                for (int i = left; i < right; i++)
                    y[j * b_step_y + i] = x[j * b_step + i * a_step];
            }
        }
    }
#endif
}

// Dimensions: runs of a, of b, planes by `each`.
APART void strided_work(int3 id, __global const float *restrict x, __global const float *restrict ints,
                        __global float *restrict y, struct sizes s)
{
    __global const int *table = (__global const int *)ints;
    const int a_begin = id.x * s.run_a, a_end = min(a_begin + s.run_a, s.a);
    const int b_begin = id.y * s.run_b, b_end = min(b_begin + s.run_b, s.b);
    const int end = min((id.z + 1) * s.each, s.outer);
    for (int plane = id.z * s.each; plane < end; plane++) {
        int from = s.offset, to = 0, rest = plane;
        for (int d = 0; d < RANK; d++) {
            const int at = rest % DIMENSION(d)[0];
            rest /= DIMENSION(d)[0];
            from += at * DIMENSION(d)[1];
            to += at * DIMENSION(d)[2];
        }
        copy_plane(x + from, y + to, table, a_begin, a_end, b_begin, b_end);
    }
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(x) IN(ints) OUT(y) LAST(struct sizes, s)
TEAM_KERNEL(strided, ANY_WORK_GROUP, ARGUMENTS)
