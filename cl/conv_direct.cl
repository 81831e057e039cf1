// conv_direct.cl - the definition with its sums in registers: a work-item makes BLOCKS vectors of LANES
// channels of y for PIXELS pixels of a row at once. Each number of x meets a vector of weights. X_BLOCK,
// Y_BLOCK: channels that lie side by side in x and y: LANES, or 1 in plain tensors. SHUFFLED: 0 or 1;
// STRIDE_W; PAD_MODE; the epilogue's. Other sizes are arguments. Weights come packed: [group][panel of
// BLOCKS * LANES channels][block of c][tap][X_BLOCK][BLOCKS * LANES].
#include "prelude.cl"
#include "window.cl"
#include "epilogue_channels.cl"
#include "shuffle.cl"

#if X_BLOCK == 1
typedef float x_lanes;
#define X_LOAD(from) (*(from))
#define X_STORE(value, to) (*(to) = (value))
#else
typedef lanes x_lanes;
#define X_LOAD LANES_LOAD
#define X_STORE LANES_STORE
#endif

#define PANEL (BLOCKS * LANES)
#define UNROLL _Pragma("unroll")
#define UNIT (X_BLOCK < 4 ? X_BLOCK : 4)
// Whether a block of y is written at once.
#define WHOLE_BLOCKS (Y_BLOCK == LANES && !SHUFFLED)

__kernel void direct_pack(__global const float *restrict w, __global float *restrict packed, int count,
                          int panels, int c_group, int k_group, int taps, int flip)
{
    const int id = LINEAR_ID;
    if (id >= count)
        return;
    const int x_blocks = (c_group + X_BLOCK - 1) / X_BLOCK;
    const int tap = id / (PANEL * X_BLOCK) % taps, outer = id / (PANEL * X_BLOCK * taps);
    const int c = outer % x_blocks * X_BLOCK + id / PANEL % X_BLOCK;
    const int panel = outer / x_blocks % panels, g = outer / (x_blocks * panels);
    const int k = panel * PANEL + id % PANEL;
    const int from = ((g * k_group + k) * c_group + c) * taps + (flip ? taps - 1 - tap : tap);
    packed[id] = k < k_group && c < c_group ? w[from] : 0.0f;
}

// What X_BLOCK channels of x under one tap add to the sums; pixels lie `step` apart. Constant offsets from
// one pointer: with more of them the sums no longer fit the registers.
#define ADD_TAP(space, x_at, step)                                                                           \
    {                                                                                                        \
        space const float *at = x_at;                                                                        \
        for (int i = 0; i < X_BLOCK; i += UNIT, at += UNIT, weights += UNIT * PANEL) {                       \
            UNROLL                                                                                           \
            for (int u = 0; u < UNIT; u++) {                                                                 \
                lanes weight[BLOCKS];                                                                        \
                UNROLL                                                                                       \
                for (int b = 0; b < BLOCKS; b++)                                                             \
                    weight[b] = LANES_LOAD(weights + u * PANEL + b * LANES);                                 \
                UNROLL                                                                                       \
                for (int t = 0; t < PIXELS; t++) {                                                           \
                    const lanes value = at[t * (step)*X_BLOCK + u];                                          \
                    UNROLL                                                                                   \
                    for (int b = 0; b < BLOCKS; b++)                                                         \
                        sum[b][t] += value * weight[b];                                                      \
                }                                                                                            \
            }                                                                                                \
        }                                                                                                    \
    }

// Where a row of taps begins on x, for the tile's first pixel, and how it goes on.
struct taps {
    int left, in_w, kernel_w, dilation_w;
};

// What one row of taps, on one line of a block of x, adds to the sums.
ALWAYS_INLINE void add_line(__global const float *line, __global const float *weights,
                            struct taps taps, lanes sum[BLOCKS][PIXELS])
{
    for (int s = 0; s < taps.kernel_w; s++) {
        const int left = taps.left + s * taps.dilation_w, right = left + (PIXELS - 1) * STRIDE_W;
        if (left >= 0 && right < taps.in_w) {
            ADD_TAP(__global, line + left * X_BLOCK, STRIDE_W)
        } else if (PAD_MODE == 0 && (right < 0 || left >= taps.in_w)) {
            weights += X_BLOCK * PANEL;
        } else {
            float part[PIXELS * X_BLOCK];
            for (int t = 0; t < PIXELS; t++) {
                const int w = border(left + t * STRIDE_W, taps.in_w);
                const x_lanes zero = 0.0f;
                X_STORE(w >= 0 ? X_LOAD(line + w * X_BLOCK) : zero, part + t * X_BLOCK);
            }
            ADD_TAP(__private, part, 1)
        }
    }
}

#if WHOLE_BLOCKS

// LANES channels from k on, pixels first, first + 1, ... of the tile that begins at `to`. The sums hold what
// y held. is_final: there is no more to add.
ALWAYS_INLINE void store(lanes sum[PIXELS], EPILOGUE_ARGUMENTS __global float *to, int first, int k,
                         int channels, bool is_final)
{
    UNROLL
    for (int t = 0; t < PIXELS; t++) {
        if (t >= first && is_final)
            LANES_STORE(EPILOGUE_CHANNELS(sum[t], k, channels, 0.0f), to + t * LANES);
        else if (t >= first)
            LANES_STORE(sum[t], to + t * LANES);
    }
}

#else

// The same, number by number; `to` is the tile in channel 0 of y.
ALWAYS_INLINE void store(lanes sum[PIXELS], EPILOGUE_ARGUMENTS __global float *to, int first, int k,
                         int k_end, int channels, int y_pixels, int shuffle)
{
    float part[PIXELS * LANES];
    UNROLL
    for (int t = 0; t < PIXELS; t++)
        LANES_STORE(sum[t], part + t * LANES);
    for (int i = 0; i < LANES && k + i < k_end; i++) {
        const int at = shuffled_to(k + i, channels, shuffle);
        __global float *line = to + at / Y_BLOCK * y_pixels * Y_BLOCK + at % Y_BLOCK;
        for (int t = first; t < PIXELS; t++)
            line[t * Y_BLOCK] = EPILOGUE(part[t * LANES + i], k + i, line[t * Y_BLOCK]);
    }
    // a block is filled up behind the last channel
    for (int at = k_end; Y_BLOCK > 1 && k_end == channels && at < k + LANES; at++)
        for (int t = first; t < PIXELS; t++)
            to[at / Y_BLOCK * y_pixels * Y_BLOCK + at % Y_BLOCK + t * Y_BLOCK] = 0.0f;
}

#endif

// Of one launch.
struct sizes {
    int groups, c_group, k_group, shuffle, rows, chunk;
};

// Dimensions: strips of `rows` rows of y, images, panels of all groups. The weights of `chunk` blocks of x
// serve the whole strip before the next ones are read; between chunks y holds the sums.
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void direct(__global const float *restrict x, __global const float *restrict packed,
            EPILOGUE_ARGUMENTS __global float *restrict y, struct sizes s, struct window win)
{
    const int n = get_global_id(1), panels = (int)get_global_size(2) / s.groups;
    const int g = (int)get_global_id(2) / panels, first_k = (int)get_global_id(2) % panels * PANEL;
    const int k0 = g * s.k_group + first_k, channels = s.groups * s.k_group;
    const int y_pixels = win.out_d * win.out_h * win.out_w;
    const int x_blocks = (s.c_group + X_BLOCK - 1) / X_BLOCK, x_pixels = win.in_d * win.in_h * win.in_w;
    const int line_weights = win.kernel_w * X_BLOCK * PANEL;
    const int block_weights = win.kernel_d * win.kernel_h * line_weights;
    const int across = (win.out_w + PIXELS - 1) / PIXELS; // tiles in a row
    const int first_tile = (int)get_global_id(0) * s.rows * across;
    const int end_tile = min(first_tile + s.rows * across, win.out_d * win.out_h * across);
    __global float *image = y + n * ((channels + Y_BLOCK - 1) / Y_BLOCK) * y_pixels * Y_BLOCK;

    for (int tile = first_tile, begin = 0; begin < x_blocks;) {
        // the last tile of a row moves back onto y whole; what lies before q is not written
        const int row = tile / across, q = tile % across * PIXELS, start = min(q, win.out_w - PIXELS);
        const int o = row / win.out_h, p = row % win.out_h, end = min(begin + s.chunk, x_blocks);
        __global float *to = image + (row * win.out_w + start) * Y_BLOCK;
        lanes sum[BLOCKS][PIXELS];
        UNROLL
        for (int b = 0; b < BLOCKS; b++) {
            UNROLL
            for (int t = 0; t < PIXELS; t++) {
                sum[b][t] = 0.0f;
#if WHOLE_BLOCKS
                if ((begin > 0 || ACCUMULATE) && first_k + b * LANES < s.k_group)
                    sum[b][t] = LANES_LOAD(to + (k0 / LANES + b) * y_pixels * LANES + t * LANES);
#endif
            }
        }
        struct taps taps = {start * STRIDE_W - win.pad_w, win.in_w, win.kernel_w, win.dilation_w};
        __global const float *weights = packed + ((int)get_global_id(2) * x_blocks + begin) * block_weights;
        for (int c = begin; c < end; c++) {
            __global const float *plane = x + ((n * s.groups + g) * x_blocks + c) * x_pixels * X_BLOCK;
            for (int z = 0; z < win.kernel_d; z++) {
                const int d = border(o * win.stride_d - win.pad_d + z * win.dilation_d, win.in_d);
                for (int r = 0; r < win.kernel_h; r++, weights += line_weights) {
                    const int h = border(p * win.stride_h - win.pad_h + r * win.dilation_h, win.in_h);
                    if (d >= 0 && h >= 0)
                        add_line(plane + (d * win.in_h + h) * win.in_w * X_BLOCK, weights, taps, sum);
                }
            }
        }
        UNROLL
        for (int b = 0; b < BLOCKS; b++) {
            if (first_k + b * LANES < s.k_group)
#if WHOLE_BLOCKS
                store(sum[b], EPILOGUE_PASSED to + (k0 / LANES + b) * y_pixels * LANES, q - start,
                      k0 + b * LANES, channels, end == x_blocks);
#else
                store(sum[b], EPILOGUE_PASSED to, q - start, k0 + b * LANES, (g + 1) * s.k_group, channels,
                      y_pixels, s.shuffle);
#endif
        }
        if (++tile == end_tile) {
            tile = first_tile;
            begin = end;
        }
    }
}
