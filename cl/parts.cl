// parts.cl - a part of a tensor goes to its place in another.
#include "prelude.cl"
#include "team.cl"
#include "lane.cl"

#if IN_BLOCKS

#include "shuffle.cl"

// `count` channels from `from` on of an image of x, shuffled in `shuffle` groups (shuffle.cl), become those
// from `to` on of an image of y; what they leave of the block that y_channels end in is filled with zeros.
// pixels: of either; run: pixels that a work-item does; first: block of y that holds channel `to`.
struct sizes {
    int images, blocks, first, pixels, run, from, to, count, x_channels, y_channels, shuffle;
};

ALWAYS_INLINE int blocks_of(int channels)
{
    return (channels + LANES - 1) / LANES;
}

// Dimensions: runs, blocks of y that get any, images. WHOLE: 1 where each of them is one of x.
APART void move_channels_work(int3 id, __global const float *restrict x, __global float *restrict y,
                              struct sizes s)
{
    if (id.y >= s.blocks || id.z >= s.images)
        return;
    const int block = s.first + id.y, k = block * LANES, plane = s.pixels * LANES;
    const int begin = id.x * s.run, end = min(begin + s.run, s.pixels);
    x += id.z * blocks_of(s.x_channels) * plane;
    y += (id.z * blocks_of(s.y_channels) + block) * plane;
#if WHOLE
    x += (k - s.to + s.from) / LANES * plane;
    for (int i = begin; i < end; i++)
        LANES_STORE(LANES_LOAD(x + i * LANES), y + i * LANES);
#else
    const int low = max(s.to - k, 0), high = min(s.to + s.count - k, LANES);
    const int filled = s.to + s.count == s.y_channels && high < LANES ? LANES : high;
    int at[LANES];
    for (int i = low; i < high; i++) {
        const int c = s.from + shuffled_from(k + i - s.to, s.count, s.shuffle);
        at[i] = c / LANES * plane + c % LANES;
    }
    for (int t = begin; t < end; t++) {
        for (int i = low; i < high; i++)
            y[t * LANES + i] = x[at[i] + t * LANES];
        for (int i = high; i < filled; i++)
            y[t * LANES + i] = 0.0f;
    }
#endif
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(x) OUT(y) LAST(struct sizes, s)
TEAM_KERNEL(move_channels, ANY_WORK_GROUP, ARGUMENTS)

#else

// Rows of `size` floats: from x_at on, x_step from one to the next, to y_at on and y_step. A work-item does
// `run` floats of each of `each` rows.
struct sizes {
    int rows, size, run, each, x_at, x_step, y_at, y_step;
};

// Dimensions: runs, rows by `each`.
APART void move_rows_work(int3 id, __global const float *restrict x, __global float *restrict y,
                          struct sizes s)
{
    const int begin = id.x * s.run, end = min(begin + s.run, s.size);
    const int first = id.y * s.each, last = min(first + s.each, s.rows);
    if (first >= s.rows)
        return;
    x += s.x_at + first * s.x_step;
    y += s.y_at + first * s.y_step;
    for (int row = first; row < last; row++, x += s.x_step, y += s.y_step)
        copy_row(x, y, begin, end);
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(x) OUT(y) LAST(struct sizes, s)
TEAM_KERNEL(move_rows, ANY_WORK_GROUP, ARGUMENTS)

#endif
