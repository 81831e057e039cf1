// conv_grouped.cl - grouped convolution: a work-item makes LANES channels of y at TILE pixels along W, tile
// after tile. In each step every lane meets one channel of x:
// - PERMUTED 1: lane by lane its own group's, C_GROUP steps; x lies in blocks, and K_GROUP divides LANES, so
//   that there are WIDTH channels of x under those of y: part of a block, one or two. Where C_GROUP is
//   K_GROUP, lanes of x stay where they are, and each step has sums of its own, of which step t's are those
//   of the lane t further (exclusive or): they change lanes once, at the end. With 1 it is the depthwise
//   convolution.
// - PERMUTED 0: all the same one, through all channels of all groups in the block; weights between a lane
//   and the channels of other groups are 0.
// TAPS: along W, at once: the whole kernel or 1. STEP: the stride along W where it is 1 or 2, else 0.
// KERNEL_H: the kernel's size along H where its rows are unrolled, else 0.
// X_BLOCKED, Y_BLOCKED: 0 or 1; SCATTERED: 1 where y is plain or shuffled. PAD_MODE; the epilogue's.
#include "prelude.cl"
#include "team.cl"
#include "window.cl"
#include "epilogue_channels.cl"
#include "shuffle.cl"

// Pixels of a row of x that a tile sees; pixel i + PACE stands under a tap where i stood for its neighbour.
#define PACE (STEP ? STEP : 1)
#define SEEN ((TILE - 1) * PACE + TAPS)
#define PIXEL (X_BLOCKED ? LANES : 1)

#if PERMUTED
typedef lanes seen;
#define LANES_MASK(step) LANE_JOIN(as_uint, LANES)(LANES_NUMBERS / K_GROUP * C_GROUP + (step))
#if C_GROUP == K_GROUP
#define SUMS C_GROUP
#define LOAD_SEEN(from, step, next) LANES_LOAD(from)
#elif WIDTH == 1
#define LOAD_SEEN(from, step, next) ((lanes)(*(from)))
#elif WIDTH > LANES
#define LOAD_SEEN(from, step, next) shuffle2(LANES_LOAD(from), LANES_LOAD((from) + (next)), LANES_MASK(step))
#else
#define LOAD_SEEN(from, step, next) shuffle(LANE_JOIN(vload, WIDTH)(0, from), LANES_MASK(step))
#endif
#else
typedef float seen;
#define LOAD_SEEN(from, step, next) (*(from))
#endif
#ifndef SUMS
#define SUMS 1
#endif


// Sums change registers around branches. Measured; else the branches, which are foreseen, cost less.
#define BRANCHLESS (SUMS > 1 || (PERMUTED && STEP == 1))

// What a tile sees of a row of x: pixels first, first + apart, ...; on_row: all lie on it.
struct view {
    __global const float *row;
    int first, apart, in_w, next;
    bool on_row;
};

ALWAYS_INLINE seen see(struct view v, int i, int step)
{
    const int at = v.first + i * v.apart;
    // padding is less than a kernel that is done at once: it begins and ends what a tile sees
    if (v.on_row || (TAPS > 1 && i >= TAPS - 1 && i <= SEEN - TAPS))
        return LOAD_SEEN(v.row + at * PIXEL, step, v.next);
    const int on_x = border(at, v.in_w);
    seen value = 0.0f;
#if BRANCHLESS
    const seen zero = 0.0f;
    value = LOAD_SEEN(v.row + max(on_x, 0) * PIXEL, step, v.next);
    value = on_x >= 0 ? value : zero;
#else
    if (on_x >= 0)
        value = LOAD_SEEN(v.row + on_x * PIXEL, step, v.next);
#endif
    return value;
}

#if SUMS == 1

// One step of TAPS taps.
ALWAYS_INLINE void add_taps(struct view v, __global const float *w, int step, lanes *sum)
{
    lanes weight[TAPS];
    UNROLL
    for (int s = 0; s < TAPS; s++)
        weight[s] = LANES_LOAD(w + s * LANES);
    UNROLL
    for (int i = 0; i < SEEN; i++) {
        const seen value = see(v, i, step);
        UNROLL
        for (int j = 0; j < TILE; j++)
            if (i >= j * PACE && i < j * PACE + TAPS)
                sum[j] += weight[i - j * PACE] * value;
    }
}

#else

// All steps of TAPS taps.
ALWAYS_INLINE void add_steps(struct view v, __global const float *w, lanes *sum)
{
    UNROLL
    for (int s = 0; s < TAPS; s++) {
        lanes value[TILE];
        UNROLL
        for (int j = 0; j < TILE; j++)
            value[j] = see(v, j * PACE + s, 0);
        UNROLL
        for (int t = 0; t < SUMS; t++) {
            const lanes weight = LANES_LOAD(w + (t * TAPS + s) * LANES);
            UNROLL
            for (int j = 0; j < TILE; j++)
                sum[j * SUMS + t] += weight * value[j];
        }
    }
}

#if LANES == 16
// Swizzles: of shuffle() compilers make many instructions.
#define EXCHANGED_1(v) (v).s1032547698badcfe
#define EXCHANGED_2(v) (v).s23016745ab89efcd
#define EXCHANGED_4(v) (v).s45670123cdef89ab
#else
#define EXCHANGED(v, by) shuffle(v, LANE_JOIN(as_uint, LANES)(LANES_NUMBERS ^ (by)))
#define EXCHANGED_1(v) EXCHANGED(v, 1)
#define EXCHANGED_2(v) EXCHANGED(v, 2)
#define EXCHANGED_4(v) EXCHANGED(v, 4)
#endif

// The sums of a pixel together.
ALWAYS_INLINE lanes gather(lanes *sum)
{
    UNROLL
    for (int t = 0; t < SUMS; t += 2)
        sum[t] += EXCHANGED_1(sum[t + 1]);
    UNROLL
    for (int t = 0; t + 2 < SUMS; t += 4)
        sum[t] += EXCHANGED_2(sum[t + 2]);
#if SUMS > 4
    sum[0] += EXCHANGED_4(sum[4]);
#endif
    return sum[0];
}

#endif

// The rows of taps that lie on x, or all where padding is no constant. top: where the first one lies.
int first_on_x(int top, int dilation)
{
    return PAD_MODE == 0 && top < 0 ? (dilation - 1 - top) / dilation : 0;
}
int end_on_x(int top, int taps, int in, int dilation)
{
    const bool all_on_x = PAD_MODE != 0 || top + (taps - 1) * dilation < in;
    return all_on_x ? taps : (in - top + dilation - 1) / dilation;
}

// Of a tile: the image, the weights of the block of y, whose groups have the channels of x from c_begin to
// c_end; its row of y and first pixel; whether all that it sees along W lies on x.
struct tile {
    __global const float *x, *w;
    int c_begin, c_end, steps;
    int o, p, q;
    bool on_row;
};

// One row of taps on row h of x, at depth d.
ALWAYS_INLINE void add_row(struct tile t, struct window win, int z, int r, int d, int h, lanes *sum)
{
    const int in_pixels = win.in_d * win.in_h * win.in_w;
    __global const float *row = t.x + (d * win.in_h + h) * win.in_w * PIXEL;
    for (int s = 0; s < (TAPS > 1 ? TAPS : win.kernel_w); s += TAPS) {
        __global const float *taps = t.w + ((z * win.kernel_h + r) * win.kernel_w + s) * t.steps * LANES;
        struct view v = {row, t.q * win.stride_w - win.pad_w + s * win.dilation_w,
                         STEP ? 1 : win.stride_w, win.in_w, 0, t.on_row};
#if PERMUTED
        v.next = (t.c_begin / LANES + 1 < (t.c_end + LANES - 1) / LANES) * in_pixels * LANES;
        v.row += t.c_begin / LANES * in_pixels * LANES + t.c_begin % LANES;
#if SUMS > 1
        add_steps(v, taps, sum);
#else
        UNROLL
        for (int i = 0; i < C_GROUP; i++)
            add_taps(v, taps + i * TAPS * LANES, i, sum);
#endif
#else
        for (int c = t.c_begin; c < t.c_end; c++, taps += TAPS * LANES) {
            v.row = row + (X_BLOCKED ? c / LANES * in_pixels * LANES + c % LANES : c * in_pixels);
            add_taps(v, taps, 0, sum);
        }
#endif
    }
}

ALWAYS_INLINE void tile_sums(struct tile t, struct window win, lanes *sum)
{
    const int front = t.o * win.stride_d - win.pad_d, top = t.p * win.stride_h - win.pad_h;
    UNROLL
    for (int j = 0; j < TILE * SUMS; j++)
        sum[j] = 0.0f;
#if KERNEL_H
    if (front >= 0 && front < win.in_d && top >= 0 && top + (KERNEL_H - 1) * win.dilation_h < win.in_h) {
        UNROLL
        for (int r = 0; r < KERNEL_H; r++)
            add_row(t, win, 0, r, front, top + r * win.dilation_h, sum);
        return;
    }
#endif
    for (int z = 0; z < win.kernel_d; z++) {
        const int d = border(front + z * win.dilation_d, win.in_d);
        for (int r = 0; r < win.kernel_h; r++) {
            const int h = border(top + r * win.dilation_h, win.in_h);
            if (d >= 0 && h >= 0)
                add_row(t, win, z, r, d, h, sum);
        }
    }
}

#if SCATTERED
// Where channel k of w is written; those behind the last end a block. -1: nowhere.
int place_of(int n, int k, int channels, int shuffle, int pixel, int pixels)
{
    const int channel = k < channels ? shuffled_to(k, channels, shuffle) : k;
    const int blocks = (channels + LANES - 1) / LANES;
    if (Y_BLOCKED)
        return ((n * blocks + channel / LANES) * pixels + pixel) * LANES + channel % LANES;
    return k < channels ? (n * channels + channel) * pixels + pixel : -1;
}

lanes load_scattered(__global const float *y, int n, int k, int channels, int shuffle, int pixel, int pixels)
{
    float part[LANES];
    for (int i = 0; i < LANES; i++) {
        const int place = place_of(n, k + i, channels, shuffle, pixel, pixels);
        part[i] = place >= 0 ? y[place] : 0.0f;
    }
    return LANES_LOAD(part);
}
void store_scattered(__global float *y, lanes value, int n, int k, int channels, int shuffle, int pixel,
                     int pixels)
{
    float part[LANES];
    LANES_STORE(value, part);
    for (int i = 0; i < LANES; i++) {
        const int place = place_of(n, k + i, channels, shuffle, pixel, pixels);
        if (place >= 0)
            y[place] = part[i];
    }
}
#endif

// Of one launch.
struct sizes {
    int n, c, k_end, c_group, k_group, steps, shuffle, tiles;
};

// Of one block of channels of y: where its groups lie in x, its weights, and where it begins in y.
struct plane {
    __global const float *x, *w;
    __global float *y;
    int n, k, c_begin, c_end;
};

ALWAYS_INLINE struct plane plane_of(__global const float *x, __global const float *w, __global float *y,
                                    struct sizes s, struct window win, int index)
{
    const int blocks = (s.k_end + LANES - 1) / LANES, n = index / blocks, k = index % blocks * LANES;
    const int x_channels = X_BLOCKED ? (s.c + LANES - 1) / LANES * LANES : s.c;
    struct plane of = {x, w, y, n, k, k / s.k_group * s.c_group, 0};
    of.c_end = ((min(k + LANES, s.k_end) - 1) / s.k_group + 1) * s.c_group;
    of.x += n * x_channels * (win.in_d * win.in_h * win.in_w);
    of.w += k * s.steps * win.kernel_d * win.kernel_h * win.kernel_w;
#if !SCATTERED
    of.y += index * (win.out_d * win.out_h * win.out_w) * LANES;
#endif
    return of;
}

// Dimension: strips of `tiles` tiles, which follow each other through rows, blocks of y and images.
APART void conv_grouped_work(int3 id, __global const float *restrict x, __global const float *restrict w,
                             EPILOGUE_ARGUMENTS __global float *restrict y, struct sizes s,
                             struct window win)
{
    const int pixels = win.out_d * win.out_h * win.out_w, tiles_w = (win.out_w + TILE - 1) / TILE;
    const int tiles = win.out_d * win.out_h * tiles_w, all = (s.k_end + LANES - 1) / LANES * s.n * tiles;
    const int first = id.x * s.tiles, count = min(s.tiles, all - first);
    int index = first / tiles, row = first % tiles / tiles_w, q = first % tiles % tiles_w * TILE;
    struct plane at = plane_of(x, w, y, s, win, index);
    for (int i = 0; i < count; i++) {
        // the last tile ends with its row, and leaves what the one before has done
        const int begin = min(q, win.out_w - TILE), seen_from = begin * win.stride_w - win.pad_w;
        const int seen_to = seen_from + (TILE - 1) * win.stride_w + (win.kernel_w - 1) * win.dilation_w;
        struct tile tile = {at.x, at.w, at.c_begin, at.c_end, s.steps, row / win.out_h, row % win.out_h,
                            begin, TAPS == 1 && seen_from >= 0 && seen_to < win.in_w};
        lanes sum[TILE * SUMS];
        if (tile.on_row) {
            tile.on_row = true; // known to the compiler, for all that is inlined here
            tile_sums(tile, win, sum);
        } else {
            tile_sums(tile, win, sum);
        }
        const int pixel = row * win.out_w + begin;
        UNROLL
        for (int j = 0; j < TILE; j++) {
            if (begin + j < q)
                continue;
#if SUMS > 1
            const lanes whole = gather(sum + j * SUMS);
#else
            const lanes whole = sum[j];
#endif
#if SCATTERED
            const lanes value = EPILOGUE_CHANNELS(
                whole, at.k, s.k_end,
                load_scattered(y, at.n, at.k, s.k_end, s.shuffle, pixel + j, pixels));
            store_scattered(y, value, at.n, at.k, s.k_end, s.shuffle, pixel + j, pixels);
#else
            // blocks are aligned: stored whole
            __global lanes *to = (__global lanes *)(at.y + (pixel + j) * LANES);
            *to = EPILOGUE_CHANNELS(whole, at.k, s.k_end, *to);
#endif
        }
        q += TILE;
        if (q >= win.out_w) {
            q = 0;
            row++;
        }
        if (row == win.out_d * win.out_h && i + 1 < count) {
            row = 0;
            at = plane_of(x, w, y, s, win, ++index);
        }
    }
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(x) IN(w) EPILOGUE_LIST(IN, VALUE) OUT(y) VALUE(struct sizes, s) LAST(struct window, win)
TEAM_KERNEL(conv_grouped, WORK_GROUP(1, 1, 1), ARGUMENTS)
