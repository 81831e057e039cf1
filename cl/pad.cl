// pad.cl - y is x with a border, or cropped. PAD_MODE: see border.cl.
#include "prelude.cl"
#include "team.cl"
#include "lane.cl"
#include "border.cl"

// run: floats of a row, and each: rows, that a work-item does.
struct sizes {
    int rows, run, each;
};

// In ints: the row's size in y and in x, and where x begins in it; how many dimensions the rows are counted
// in, the innermost first; then of each its size in y and in x, where x begins, and the step in x.
#define ROW_SIZE table[0]
#define ROW_SIZE_X table[1]
#define ROW_BEGIN table[2]
#define RANK table[3]
#define DIMENSION(d) (table + 4 + 4 * (d))

ALWAYS_INLINE void pad_edge(__global const float *x, __global float *y, int begin, int end, int first, int n,
                            float value)
{
    for (int i = begin; i < end; i++) {
        const int p = border(i - first, n);
        y[i] = p < 0 ? value : x[p];
    }
}

// Dimensions: runs, rows by `each`.
APART void pad_work(int3 id, __global const float *restrict x, __global const float *restrict ints,
                    __global float *restrict y, float value, struct sizes s)
{
    __global const int *table = (__global const int *)ints;
    const int begin = id.x * s.run, end = min(begin + s.run, ROW_SIZE);
    const int rows_end = min((id.y + 1) * s.each, s.rows);
    const int first = ROW_BEGIN, n = ROW_SIZE_X;
    const int low = clamp(first, begin, end), high = clamp(first + n, low, end);
    for (int row = id.y * s.each; row < rows_end; row++) {
        __global float *to = y + row * ROW_SIZE;
        int from = 0, rest = row;
        bool inside = true;
        for (int d = 0; d < RANK; d++) {
            const int p = border(rest % DIMENSION(d)[0] - DIMENSION(d)[2], DIMENSION(d)[1]);
            rest /= DIMENSION(d)[0];
            inside = inside && p >= 0;
            from += p * DIMENSION(d)[3];
        }
        if (!inside) {
            for (int i = begin; i < end; i++)
                to[i] = value;
            continue;
        }
        pad_edge(x + from, to, begin, low, first, n, value);
        copy_row(x + from + low - first, to + low, 0, high - low);
        pad_edge(x + from, to, high, end, first, n, value);
    }
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(x) IN(ints) OUT(y) VALUE(float, value) LAST(struct sizes, s)
TEAM_KERNEL(pad, ANY_WORK_GROUP, ARGUMENTS)
