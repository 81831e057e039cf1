// conv_grouped.cl - grouped convolution: a work-item makes LANES channels of y at TILE pixels along W, tile
// after tile. In each step every lane meets one channel of x:
// - PERMUTED 1: lane by lane its own group's, C_GROUP steps; x lies in blocks, and K_GROUP divides LANES, so
//   that there are WIDTH channels of x under those of y: part of a block, one or two. With C_GROUP and
//   K_GROUP 1 it is the depthwise convolution.
// - PERMUTED 0: all the same one, through all channels of all groups in the block; weights between a lane
//   and the channels of other groups are 0.
// TAPS: along W, at once: the whole kernel or 1. STEP: the stride along W where it is 1 or 2, else 0.
// X_BLOCKED, Y_BLOCKED: 0 or 1; SCATTERED: 1 where y is plain or shuffled. PAD_MODE; the epilogue's.
#include "prelude.cl"
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
#if C_GROUP == 1 && K_GROUP == 1
#define LOAD_SEEN(from, step, next) LANES_LOAD(from)
#elif LANES == 16 && C_GROUP == K_GROUP
// Swizzles, a bit of the step each, that compilers join to one; of shuffle() they make many.
float16 channel_of_groups(float16 v, int step)
{
    v = step & 1 ? v.s1133557799bbddff : v.s0022446688aaccee;
#if C_GROUP >= 4
    v = step & 2 ? v.s23236767ababefef : v.s010145458989cdcd;
#endif
#if C_GROUP >= 8
    v = step & 4 ? v.s45674567cdefcdef : v.s0123012389ab89ab;
#endif
    return v;
}
#define LOAD_SEEN(from, step, next) channel_of_groups(LANES_LOAD(from), step)
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

// Sums stay in registers only where no call keeps them in memory. Without restrict: inlined, it brings
// intrinsics along that Oclgrind lacks.
#define INLINE __attribute__((always_inline))

// One step of TAPS taps. The tile sees pixels first, first + apart, ... of the row of x; on_row: all are its.
INLINE void add_taps(__global const float *row, __global const float *w, int step, int next, int first,
                     int apart, int in_w, bool on_row, lanes *sum)
{
    __global const float *tile = row + first * PIXEL;
    lanes weight[TAPS];
#pragma unroll
    for (int s = 0; s < TAPS; s++)
        weight[s] = LANES_LOAD(w + s * LANES);
#pragma unroll
    for (int i = 0; i < SEEN; i++) {
        // padding is less than a kernel that is done at once: it begins and ends what a tile sees
        const bool is_padded = TAPS == 1 ? !on_row : i < TAPS - 1 || i > SEEN - TAPS;
        seen value = 0.0f;
        if (is_padded) {
            const int at = border(first + i * apart, in_w);
            if (at >= 0)
                value = LOAD_SEEN(row + at * PIXEL, step, next);
        } else {
            value = LOAD_SEEN(tile + i * apart * PIXEL, step, next);
        }
#pragma unroll
        for (int j = 0; j < TILE; j++)
            if (i >= j * PACE && i < j * PACE + TAPS)
                sum[j] += weight[i - j * PACE] * value;
    }
}

// At o, p, q, q + 1, ... from x, an image, and w, the weights of the block of y, whose groups have the
// channels of x from c_begin to c_end.
INLINE void tile_sums(__global const float *x, __global const float *w, struct window win, int c_begin,
                      int c_end, int steps, int o, int p, int q, bool on_row, lanes *sum)
{
    const int in_pixels = win.in_d * win.in_h * win.in_w;
#pragma unroll
    for (int j = 0; j < TILE; j++)
        sum[j] = 0.0f;
    for (int z = 0; z < win.kernel_d; z++) {
        const int d = border(o * win.stride_d - win.pad_d + z * win.dilation_d, win.in_d);
        for (int r = 0; r < win.kernel_h; r++) {
            const int h = border(p * win.stride_h - win.pad_h + r * win.dilation_h, win.in_h);
            if (d < 0 || h < 0)
                continue;
            __global const float *row = x + (d * win.in_h + h) * win.in_w * PIXEL;
            for (int s = 0; s < (TAPS > 1 ? TAPS : win.kernel_w); s += TAPS) {
                const int first = q * win.stride_w - win.pad_w + s * win.dilation_w;
                const int apart = STEP ? 1 : win.stride_w;
                __global const float *taps =
                    w + ((z * win.kernel_h + r) * win.kernel_w + s) * steps * LANES;
#if PERMUTED
                const int next = (c_begin / LANES + 1 < (c_end + LANES - 1) / LANES) * in_pixels * LANES;
                __global const float *from = row + c_begin / LANES * in_pixels * LANES + c_begin % LANES;
#pragma unroll
                for (int t = 0; t < C_GROUP; t++)
                    add_taps(from, taps + t * TAPS * LANES, t, next, first, apart, win.in_w, on_row, sum);
#else
                for (int c = c_begin; c < c_end; c++, taps += TAPS * LANES) {
                    const int channel =
                        X_BLOCKED ? c / LANES * in_pixels * LANES + c % LANES : c * in_pixels;
                    add_taps(row + channel, taps, 0, 0, first, apart, win.in_w, on_row, sum);
                }
#endif
            }
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
    int c, k_end, c_group, k_group, steps, shuffle, tiles;
};

// Dimensions: strips of `tiles` tiles, blocks of y, images.
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void conv_grouped(__global const float *restrict x, __global const float *restrict w,
                  EPILOGUE_ARGUMENTS __global float *restrict y, struct sizes s, struct window win)
{
    const int n = get_global_id(2), k = (int)get_global_id(1) * LANES;
    const int c_begin = k / s.k_group * s.c_group;
    const int c_end = ((min(k + LANES, s.k_end) - 1) / s.k_group + 1) * s.c_group;
    const int x_channels = X_BLOCKED ? (s.c + LANES - 1) / LANES * LANES : s.c;
    __global const float *image = x + n * x_channels * (win.in_d * win.in_h * win.in_w);
    __global const float *weights = w + k * s.steps * win.kernel_d * win.kernel_h * win.kernel_w;

    const int pixels = win.out_d * win.out_h * win.out_w;
#if !SCATTERED
    __global float *block = y + (n * ((s.k_end + LANES - 1) / LANES) + k / LANES) * pixels * LANES;
#endif
    const int tiles_w = (win.out_w + TILE - 1) / TILE, first = (int)get_global_id(0) * s.tiles;
    const int count = min(s.tiles, win.out_d * win.out_h * tiles_w - first);
    int row = first / tiles_w, q = first % tiles_w * TILE;
    int o = row / win.out_h, p = row % win.out_h;
    for (int i = 0; i < count; i++) {
        // the last tile ends with its row, and leaves what the one before has done
        const int begin = min(q, win.out_w - TILE), seen_from = begin * win.stride_w - win.pad_w;
        const int seen_to = seen_from + (TILE - 1) * win.stride_w + (win.kernel_w - 1) * win.dilation_w;
        const bool on_row = TAPS == 1 && seen_from >= 0 && seen_to < win.in_w;
        lanes sum[TILE];
        if (on_row)
            tile_sums(image, weights, win, c_begin, c_end, s.steps, o, p, begin, true, sum);
        else
            tile_sums(image, weights, win, c_begin, c_end, s.steps, o, p, begin, false, sum);
        const int pixel = (o * win.out_h + p) * win.out_w + begin;
#pragma unroll
        for (int j = 0; j < TILE; j++) {
            if (begin + j < q)
                continue;
#if SCATTERED
            const int at = pixel + j;
            const lanes value = EPILOGUE_CHANNELS(
                sum[j], k, s.k_end, load_scattered(y, n, k, s.k_end, s.shuffle, at, pixels));
            store_scattered(y, value, n, k, s.k_end, s.shuffle, at, pixels);
#else
            __global float *to = block + (pixel + j) * LANES;
            LANES_STORE(EPILOGUE_CHANNELS(sum[j], k, s.k_end, LANES_LOAD(to)), to);
#endif
        }
        q += TILE;
        if (q >= win.out_w) {
            q = 0;
            p++;
        }
        if (p == win.out_h) {
            p = 0;
            o++;
        }
    }
}
