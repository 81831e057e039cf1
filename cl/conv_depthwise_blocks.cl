// conv_depthwise_blocks.cl - depthwise convolution of blocks of channels: a work-item makes row after row of
// y, in tiles of TILE_W pixels whose sums stay in registers while the rows of taps go by.
// LANES: channels of a block. KERNEL_W, STRIDE_W, DILATION_W: of the convolution. BEGIN, END: which pixels of
// those that a tile sees along W lie on x for certain; of the others none does where ONE_TILE makes a row.
// TAIL: whether the last block is filled up. STREAM: whether y
// is written past the caches, which hold less than x and y. PAD_MODE; the epilogue's.
#include "prelude.cl"
#include "team.cl"
#include "window.cl"
#include "epilogue.cl"
#include "lane.cl"

// Whether nothing outside x is ever multiplied.
#if ONE_TILE && PAD_MODE == 0
#define SKIPPED true
#else
#define SKIPPED false
#endif

// Pixels of a row of x that a tile sees.
#define SEEN ((TILE_W - 1) * STRIDE_W + (KERNEL_W - 1) * DILATION_W + 1)

// Rows of y for which x is asked from memory in time.
#define ROWS_AHEAD 3

// Of one launch: blocks of channels in all images, channels, rows of y that a work-item makes.
struct sizes {
    int planes, k, rows;
};

// A block of channels of an image.
struct plane {
    __global const float *x, *w;
    __global float *y;
    lanes bias;
    int k;
};

ALWAYS_INLINE lanes filled_up(lanes value, int k, int k_end)
{
    return TAIL ? end_of_channels(value, k, k_end) : value;
}

// What a row of taps adds; first: where on the row of x the tile's first pixel sees its first tap.
ALWAYS_INLINE void add_taps(__global const float *row, __global const float *taps, int first, int in_w,
                            __global const float *zeros, lanes *sum)
{
    __global const float *from = row + first * LANES;
    lanes weight[KERNEL_W];
    UNROLL
    for (int s = 0; s < KERNEL_W; s++)
        weight[s] = LANES_LOAD(taps + s * LANES);
    UNROLL
    for (int i = 0; i < SEEN; i++) {
        __global const float *pixel = from + i * LANES;
        if (i < BEGIN || i >= END) {
            if (SKIPPED)
                continue;
            // no branch: sums would change registers around it
            const int on_x = border(first + i, in_w);
            pixel = on_x < 0 ? zeros : row + on_x * LANES;
        }
        const lanes value = LANES_LOAD(pixel);
        UNROLL
        for (int s = 0; s < KERNEL_W; s++) {
            const int j = i - s * DILATION_W;
            if (j >= 0 && j % STRIDE_W == 0 && j / STRIDE_W < TILE_W)
                sum[j / STRIDE_W] += weight[s] * value;
        }
    }
}

// A row of y: its depth and place there, and the taps that meet x, or all where padding is no constant.
struct row {
    int o, p, z_begin, z_end, r_begin, r_end;
};

// Brings near what row p of y is the first to see of x, as much as a tile of it does from pixel q on.
ALWAYS_INLINE void fetch_rows(struct plane at, struct window win, int o, int p, int q)
{
    const int d = o * win.stride_d - win.pad_d, end = p * win.stride_h - win.pad_h + win.kernel_h;
    for (int r = 1; r <= win.stride_h; r++) {
        __global const float *from = at.x + ((d * win.in_h + end - r) * win.in_w + q * STRIDE_W) * LANES;
        UNROLL
        for (int j = 0; j < TILE_W * STRIDE_W; j++)
            LANES_FETCH(from + j * LANES);
    }
}

// The tile from pixel q on; those before `done` are made already.
ALWAYS_INLINE void make_tile(struct plane at, ACTIVATION_ARGUMENTS struct sizes s, struct window win,
                             __global const float *zeros, struct row row, int q, int done)
{
    lanes sum[TILE_W];
    UNROLL
    for (int j = 0; j < TILE_W; j++)
        sum[j] = at.bias;
    if (STREAM)
        fetch_rows(at, win, row.o, row.p + ROWS_AHEAD, q);
    for (int z = row.z_begin; z < row.z_end; z++) {
        const int d = border(row.o * win.stride_d - win.pad_d + z * win.dilation_d, win.in_d);
        int h = row.p * win.stride_h - win.pad_h + row.r_begin * win.dilation_h;
        __global const float *x = at.x + (d * win.in_h + h) * win.in_w * LANES;
        __global const float *taps = at.w + (z * win.kernel_h + row.r_begin) * KERNEL_W * LANES;
        for (int r = row.r_begin; r < row.r_end; r++) {
#if PAD_MODE != 0
            x = at.x + (d * win.in_h + border(h, win.in_h)) * win.in_w * LANES;
            h += win.dilation_h;
#endif
            add_taps(x, taps, q * STRIDE_W - win.pad_w, win.in_w, zeros, sum);
            x += win.dilation_h * win.in_w * LANES;
            taps += KERNEL_W * LANES;
        }
    }
    __global lanes *to = (__global lanes *)(at.y + ((row.o * win.out_h + row.p) * win.out_w + q) * LANES);
    UNROLL
    for (int j = 0; j < TILE_W; j++) {
#if ACCUMULATE
        if (q + j < done)
            continue;
#endif
        LANES_PUT(filled_up(ACTIVATE(sum[j] EPILOGUE_BEFORE(to[j])), at.k, s.k), to + j);
    }
}

// Leaves the taps that lie on x; step by step, as a division takes longer.
ALWAYS_INLINE void clip_taps(int first, int dilation, int in, int *begin, int *end)
{
#if PAD_MODE == 0
    for (; first < 0 && *begin < *end; first += dilation)
        ++*begin;
    for (int last = first + (*end - 1 - *begin) * dilation; last >= in && *begin < *end; last -= dilation)
        --*end;
#endif
}

// Dimension: pieces of `rows` of all rows of y. Behind the last weights are LANES zeros.
APART void conv_depthwise_blocks_work(int3 id, __global const float *restrict x,
                                      __global const float *restrict w,
                                      EPILOGUE_ARGUMENTS __global float *restrict y, struct sizes s,
                                      struct window win)
{
    const int blocks = (s.k + LANES - 1) / LANES, taps = win.kernel_d * win.kernel_h * KERNEL_W;
    const int x_plane = win.in_d * win.in_h * win.in_w, y_plane = win.out_d * win.out_h * win.out_w;
    const int rows = win.out_d * win.out_h;
    __global const float *zeros = w + blocks * taps * LANES;
    int row = id.x * s.rows;
    const int end = min(row + s.rows, s.planes * rows);
    while (row < end) {
        const int plane = row / rows, until = min(end, (plane + 1) * rows);
        struct plane at;
        at.k = plane % blocks * LANES;
        at.x = x + plane * x_plane * LANES;
        at.y = y + plane * y_plane * LANES;
        at.w = w + at.k * taps;
        at.bias = 0.0f;
#if HAS_BIAS
        float each[LANES];
        for (int i = 0; i < LANES; i++)
            each[i] = at.k + i < s.k ? bias[at.k + i] : 0.0f;
        at.bias = LANES_LOAD(each);
#endif
        struct row r;
        r.o = row % rows / win.out_h;
        r.p = row % win.out_h;
        for (; row < until; row++) {
            r.z_begin = r.r_begin = 0;
            r.z_end = win.kernel_d;
            r.r_end = win.kernel_h;
            clip_taps(r.o * win.stride_d - win.pad_d, win.dilation_d, win.in_d, &r.z_begin, &r.z_end);
            clip_taps(r.p * win.stride_h - win.pad_h, win.dilation_h, win.in_h, &r.r_begin, &r.r_end);
            // the last tile ends with its row
            for (int q = 0; q < (ONE_TILE ? 1 : win.out_w); q += TILE_W)
                make_tile(at, ACTIVATION_PASSED s, win, zeros, r, min(q, win.out_w - TILE_W), q);
            if (++r.p == win.out_h) {
                r.p = 0;
                r.o++;
            }
        }
    }
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(x) IN(w) EPILOGUE_LIST(IN, VALUE) OUT(y) VALUE(struct sizes, s) LAST(struct window, win)
TEAM_KERNEL(conv_depthwise_blocks, WORK_GROUP(1, 1, 1), ARGUMENTS)
