// conv_subpixel_blocks.cl - transposed convolution where x or y lies in blocks of LANES channels. Positions
// of y that lie a multiple of stride apart, a phase, are reached from x through the same taps: on the grid of
// such positions, which is that of x, a phase is a convolution of stride 1. A work-item keeps the sums of
// BLOCKS vectors of channels times PIXELS positions of the grid in registers, phase after phase.
// FLAT: 1 where the grid is as large as x, so that tiles may span rows and their pixels of x still lie side
// by side; 0 where a tile keeps to a row. MERGED: 1 where the channels of all phases count as one phase's, so
// that few channels fill vectors. packed: a plan of PLAN ints for each phase, and the weights in panels:
// [group][phase][panel][tap][rows: channels of x][BLOCKS * LANES channels of y], zeros where there are none.
// X_BLOCK, Y_BLOCK: LANES, or 0 where the tensor is plain. FLIP: 0 or 1. IS_DIRECT: 1 where channels of y are
// stored as they come; STREAM: 1 where past the caches, which y is too large for.
#include "prelude.cl"
#include "team.cl"
#include "shuffle.cl"
#include "window.cl"

#if X_BLOCK
#define CHUNK X_BLOCK
#else
#define CHUNK 1
#endif

#define PLAN 8
// Of a phase: the least offset from the grid to x and the number of offsets for each axis, then the taps of
// all phases before it and its own.
#define PLAN_TAPS_BEFORE 6
#define PLAN_TAPS 7

__global const int *plan_of(__global const float *packed, int phase)
{
    return (__global const int *)packed + phase * PLAN;
}

// The channel of x of a group's first row.
int first_row(int g, int c_group)
{
    return g * c_group / CHUNK * CHUNK;
}

#if PACK

// The tap that leads from x at `offset` before the position of the grid to phase `phase` of y; -1: none.
int tap_of(int offset, int phase, int kernel_size, int stride, int dilation, int pad)
{
    const int reach = phase + pad - offset * stride, tap = reach / dilation;
    if (reach < 0 || tap * dilation != reach || tap >= kernel_size)
        return -1;
#if FLIP
    return kernel_size - 1 - tap;
#else
    return tap;
#endif
}

// Dimensions: a tap's weights of a panel, taps of the panels of a phase, phases of groups.
__kernel void pack(__global const float *restrict w, __global float *restrict packed, int start, int phases,
                   int panels, int width, int rows, int c_group, int k_group, int all_taps, int step_d,
                   int step_h, int step_w, int kernel_d, int kernel_h, int kernel_w, int stride_d,
                   int stride_h, int stride_w, int dilation_d, int dilation_h, int dilation_w, int pad_d,
                   int pad_h, int pad_w)
{
    const int id = get_global_id(0), phase = (int)get_global_id(2) % phases;
    const int g = (int)get_global_id(2) / phases;
    __global const int *plan = plan_of(packed, phase);
    const int taps = plan[PLAN_TAPS];
    if (id >= rows * width || taps == 0 || (int)get_global_id(1) / taps >= panels)
        return;
    const int tap = (int)get_global_id(1) % taps, panel = (int)get_global_id(1) / taps;
    const int v = panel * width + id % width, c = first_row(g, c_group) + id / width - g * c_group;
    const int k = v % k_group, of = MERGED ? v / k_group : v < k_group ? phase : -1;
    const int z = tap_of(plan[0] + tap / (plan[3] * plan[5]) * step_d, of / (stride_h * stride_w), kernel_d,
                         stride_d, dilation_d, pad_d);
    const int r = tap_of(plan[2] + tap / plan[5] % plan[3] * step_h, of / stride_w % stride_h, kernel_h,
                         stride_h, dilation_h, pad_h);
    const int s =
        tap_of(plan[4] + tap % plan[5] * step_w, of % stride_w, kernel_w, stride_w, dilation_w, pad_w);
    const bool is_channel = c >= 0 && c < c_group && of >= 0 && of < stride_d * stride_h * stride_w;
    float value = 0;
    if (is_channel && z >= 0 && r >= 0 && s >= 0)
        value = w[((((g * c_group + c) * k_group + k) * kernel_d + z) * kernel_h + r) * kernel_w + s];
    const int before = (g * all_taps + plan[PLAN_TAPS_BEFORE]) * panels + panel * taps + tap;
    packed[start + before * rows * width + id] = value;
}

#else

#include "epilogue_channels.cl"

#define WIDTH (BLOCKS * LANES)
#define PIXEL_STEP (Y_BLOCK > 0 ? Y_BLOCK : 1)
#define NOWHERE (-(1 << 30))
#define ALL ((int)((1u << PIXELS) - 1))

// Of one launch.
struct sizes {
    int start, tiles, tiles_each, panels_first, phases, panels, rows, all_taps, x_image, y_image, channels,
        c_group, k_group;
    int shuffle, step_d, step_h, step_w, grid_d, grid_h, grid_w, shift_d, shift_h, shift_w;
};

// Positions of the grid, of a tile.
struct places {
    int d[PIXELS], h[PIXELS], w[PIXELS];
};

// Returns the first one's pixel of x. Those beyond the grid are NOWHERE.
int find_places(struct places *at, int tile, const struct sizes *s, const struct window *win)
{
#if FLAT
    const int first = tile * PIXELS, rest = s->grid_d * s->grid_h * s->grid_w - first;
    int w = first % s->grid_w, h = first / s->grid_w % s->grid_h, d = first / (s->grid_w * s->grid_h);
#else
    const int tiles_w = (s->grid_w + PIXELS - 1) / PIXELS, row = tile / tiles_w;
    int w = tile % tiles_w * PIXELS, h = row % s->grid_h, d = row / s->grid_h;
    const int rest = s->grid_w - w;
#endif
    const int pixel = (d * win->in_h + h) * win->in_w + w;
    UNROLL
    for (int t = 0; t < PIXELS; t++) {
        at->d[t] = d;
        at->h[t] = h;
        at->w[t] = t < rest ? w : NOWHERE;
        w++;
#if FLAT
        h += w == s->grid_w;
        d += h == s->grid_h;
        h = h == s->grid_h ? 0 : h;
        w = w == s->grid_w ? 0 : w;
#endif
    }
    return pixel;
}

// A bit for each of the places whose neighbour `offset` away lies on x.
int seen_along(const int at[PIXELS], int offset, int in)
{
    int seen = 0;
    UNROLL
    for (int t = 0; t < PIXELS; t++)
        seen |= ((uint)(at[t] + offset) < (uint)in) << t;
    return seen;
}

// One tap's products. from: channel 0 of x, at the first pixel's neighbour; `guard` stands before what a
// pixel t adds.
#define ADD_TAP(guard)                                                                                       \
    for (int c = 0; c < channels; c += CHUNK, from += CHUNK * x_pixels) {                                    \
        ROLLED                                                                                               \
        for (int i = 0; i < min(channels - c, CHUNK); i++, row += WIDTH) {                                   \
            lanes value[BLOCKS];                                                                             \
            UNROLL                                                                                           \
            for (int b = 0; b < BLOCKS; b++)                                                                 \
                value[b] = ((__global const lanes *)row)[b];                                                 \
            UNROLL                                                                                           \
            for (int t = 0; t < PIXELS; t++) {                                                               \
                guard                                                                                        \
                {                                                                                            \
                    UNROLL                                                                                   \
                    for (int b = 0; b < BLOCKS; b++)                                                         \
                        sum[b][t] += x[from + t * CHUNK + i] * value[b];                                     \
                }                                                                                            \
            }                                                                                                \
        }                                                                                                    \
    }

ALWAYS_INLINE void add_tap(lanes sum[BLOCKS][PIXELS], __global const float *x, int from,
                           __global const float *row, int channels, int x_pixels)
{
    ADD_TAP()
}

// seen: which of the pixels have a neighbour.
ALWAYS_INLINE void add_seen(lanes sum[BLOCKS][PIXELS], __global const float *x, int from,
                            __global const float *row, int channels, int x_pixels, int seen)
{
    ADD_TAP(if (seen >> t & 1))
}

// All taps of a phase for one tile. x: the group's first channel.
ALWAYS_INLINE void add_taps(lanes sum[BLOCKS][PIXELS], __global const float *x, int from,
                            __global const float *weights, __global const int *plan, const struct places *at,
                            const struct sizes *s, const struct window *win, int channels)
{
    const int x_pixels = win->in_d * win->in_h * win->in_w;
    for (int i = 0, d = plan[0]; i < plan[1]; i++, d += s->step_d) {
        const int seen_d = seen_along(at->d, d, win->in_d);
        for (int j = 0, h = plan[2]; j < plan[3]; j++, h += s->step_h) {
            const int seen_h = seen_d & seen_along(at->h, h, win->in_h);
            for (int l = 0, w = plan[4]; l < plan[5]; l++, w += s->step_w, weights += s->rows * WIDTH) {
                const int seen = seen_h & seen_along(at->w, w, win->in_w);
                const int start = (from + (d * win->in_h + h) * win->in_w + w) * CHUNK;
                if (seen == ALL)
                    add_tap(sum, x, start, weights, channels, x_pixels);
                else if (seen != 0)
                    add_seen(sum, x, start, weights, channels, x_pixels, seen);
            }
        }
    }
}

bool on_y(int d, int h, int w, const struct window *win)
{
    return d >= 0 && d < win->out_d && h >= 0 && h < win->out_h && w >= 0 && w < win->out_w;
}

// Dimensions: with panels_first panels of all groups, chunks of tiles_each tiles, images; otherwise chunks,
// images, panels.
APART void subpixel_blocks_work(int3 id, __global const float *restrict x,
                                __global const float *restrict packed,
                                EPILOGUE_ARGUMENTS __global float *restrict y, struct sizes s,
                                struct window win)
{
    const int id0 = id.x, id1 = id.y, id2 = id.z;
    const int panel = (s.panels_first ? id0 : id2) % s.panels, g = (s.panels_first ? id0 : id2) / s.panels;
    const int first = (s.panels_first ? id1 : id0) * s.tiles_each, n = s.panels_first ? id2 : id1;
    const int last = min(first + s.tiles_each, s.tiles);
    const int pixels = win.out_d * win.out_h * win.out_w, x_pixels = win.in_d * win.in_h * win.in_w;
    const int c_begin = first_row(g, s.c_group), channels = (g + 1) * s.c_group - c_begin;

    x += n * s.x_image + c_begin * x_pixels;
    y += n * s.y_image;
    for (int phase = 0; phase < s.phases; phase++) {
        __global const int *plan = plan_of(packed, phase);
        const int before = (g * s.all_taps + plan[PLAN_TAPS_BEFORE]) * s.panels + panel * plan[PLAN_TAPS];
        __global const float *weights = packed + s.start + before * s.rows * WIDTH;
        const int phase_d = phase / (win.stride_h * win.stride_w) - s.shift_d;
        const int phase_h = phase / win.stride_w % win.stride_h - s.shift_h;
        const int phase_w = phase % win.stride_w - s.shift_w;
#if !IS_DIRECT
        // where each channel goes, from the position's first pixel, and the zeros behind it that fill a
        // block up
        const int merged = MERGED ? win.stride_d * win.stride_h * win.stride_w : 1;
        const int n_lanes = min(WIDTH, merged * s.k_group - panel * WIDTH);
        int lane_at[WIDTH], lane_k[WIDTH], lane_ends[WIDTH];
        for (int l = 0; l < n_lanes; l++) {
            const int v = panel * WIDTH + l, of = MERGED ? v / s.k_group : 0;
            const int row = of / (win.stride_h * win.stride_w) * win.out_h + of / win.stride_w % win.stride_h;
            lane_k[l] = g * s.k_group + v % s.k_group;
            const int channel = shuffled_to(lane_k[l], s.channels, s.shuffle);
            const int in_block = channel % PIXEL_STEP, pixel = row * win.out_w + of % win.stride_w;
            lane_at[l] = (channel - in_block) * pixels + pixel * PIXEL_STEP + in_block;
            lane_ends[l] = channel == s.channels - 1 ? PIXEL_STEP - 1 - in_block : 0;
        }
#endif
        for (int tile = first; tile < last; tile++) {
            struct places at;
            lanes sum[BLOCKS][PIXELS];
            UNROLL
            for (int b = 0; b < BLOCKS; b++) {
                UNROLL
                for (int t = 0; t < PIXELS; t++)
                    sum[b][t] = 0.0f;
            }
            const int from = find_places(&at, tile, &s, &win);
            add_taps(sum, x, from, weights, plan, &at, &s, &win, channels);
            // the first pixels of y
            int to_d[PIXELS], to_h[PIXELS], to_w[PIXELS];
            UNROLL
            for (int t = 0; t < PIXELS; t++) {
                to_d[t] = at.d[t] * win.stride_d + phase_d;
                to_h[t] = at.h[t] * win.stride_h + phase_h;
                to_w[t] = at.w[t] >= 0 ? at.w[t] * win.stride_w + phase_w : NOWHERE;
            }
#if IS_DIRECT
            int pixel[PIXELS], least = 0;
            UNROLL
            for (int t = 0; t < PIXELS; t++) {
                const bool inside =
                    to_d[t] < win.out_d && to_h[t] < win.out_h && to_w[t] >= 0 && to_w[t] < win.out_w;
                pixel[t] = inside ? (to_d[t] * win.out_h + to_h[t]) * win.out_w + to_w[t] : -1;
                least = min(least, pixel[t]);
            }
            const int v = panel * WIDTH, k = g * s.k_group + v;
            if (least == 0 && v + WIDTH <= s.k_group) {
                UNROLL
                for (int b = 0; b < BLOCKS; b++) {
                    UNROLL
                    for (int t = 0; t < PIXELS; t++) {
                        __global lanes *to =
                            (__global lanes *)(y + (k + b * LANES) * pixels + pixel[t] * LANES);
                        LANES_PUT(EPILOGUE_CHANNELS(sum[b][t], k + b * LANES, INT_MAX, *to), to);
                    }
                }
                continue;
            }
            lanes each[BLOCKS * PIXELS];
            UNROLL
            for (int i = 0; i < BLOCKS * PIXELS; i++)
                each[i] = sum[i / PIXELS][i % PIXELS];
            for (int i = 0; i < BLOCKS * PIXELS; i++) {
                const int t = i % PIXELS, b = i / PIXELS * LANES;
                if (pixel[t] >= 0 && v + b < s.k_group) {
                    __global lanes *to = (__global lanes *)(y + (k + b) * pixels + pixel[t] * LANES);
                    *to = EPILOGUE_CHANNELS(each[i], k + b, s.channels, *to);
                }
            }
#else
            lanes each[BLOCKS * PIXELS];
            UNROLL
            for (int i = 0; i < BLOCKS * PIXELS; i++)
                each[i] = sum[i / PIXELS][i % PIXELS];
            for (int t = 0; t < PIXELS; t++) {
                if (to_w[t] == NOWHERE)
                    break;
                float part[WIDTH];
                UNROLL
                for (int b = 0; b < BLOCKS; b++)
                    LANES_STORE(each[b * PIXELS + t], part + b * LANES);
                const int o = to_d[t], p = to_h[t], q = to_w[t];
                const bool whole = on_y(o, p, q, &win) && on_y(o + (MERGED ? win.stride_d - 1 : 0),
                                                               p + (MERGED ? win.stride_h - 1 : 0),
                                                               q + (MERGED ? win.stride_w - 1 : 0), &win);
                __global float *to = y + ((o * win.out_h + p) * win.out_w + q) * PIXEL_STEP;
                for (int l = 0; l < n_lanes; l++) {
                    const int of = MERGED ? (panel * WIDTH + l) / s.k_group : 0;
                    if (!whole && !on_y(o + of / (win.stride_h * win.stride_w),
                                        p + of / win.stride_w % win.stride_h, q + of % win.stride_w, &win))
                        continue;
                    to[lane_at[l]] = EPILOGUE(part[l], lane_k[l], to[lane_at[l]]);
                    for (int i = 1; i <= lane_ends[l]; i++)
                        to[lane_at[l] + i] = 0.0f;
                }
            }
#endif
        }
    }
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(x) IN(packed) EPILOGUE_LIST(IN, VALUE) OUT(y) VALUE(struct sizes, s) LAST(struct window, win)
TEAM_KERNEL(subpixel_blocks, WORK_GROUP(1, 1, 1), ARGUMENTS)

#endif
