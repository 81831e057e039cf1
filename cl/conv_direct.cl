// conv_direct.cl - the definition with its sums in registers: a work-item makes BLOCKS vectors of LANES
// channels of y for PIXELS pixels of a row at once. Each number of x meets a vector of weights. X_BLOCK,
// Y_BLOCK: channels that lie side by side in x and y: LANES, or 1 in plain tensors. SHUFFLED: 0 or 1;
// STRIDE_W; PAD_MODE; STREAM: see lane.cl; the epilogue's. Other sizes are arguments. Weights come packed:
// [group][panel of BLOCKS * LANES channels][block of c][tap][CHANNELS][BLOCKS * LANES]. CHANNELS: of a group
// in a block of x, X_BLOCK, or where groups are parts of blocks LANES.
#include "prelude.cl"
#include "team.cl"
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
// Whether a block of y is written at once.
#define WHOLE_BLOCKS (Y_BLOCK % LANES == 0 && !SHUFFLED)
#define Y_STEP (Y_BLOCK / LANES)

__kernel void direct_pack(__global const float *restrict w, __global float *restrict packed, int count,
                          int panels, int c_group, int k_group, int taps, int flip)
{
    const int id = LINEAR_ID;
    if (id >= count)
        return;
    const int x_blocks = (c_group + CHANNELS - 1) / CHANNELS;
    const int tap = id / (PANEL * CHANNELS) % taps, outer = id / (PANEL * CHANNELS * taps);
    const int c = outer % x_blocks * CHANNELS + id / PANEL % CHANNELS;
    const int panel = outer / x_blocks % panels, g = outer / (x_blocks * panels);
    const int k = panel * PANEL + id % PANEL;
    const int from = ((g * k_group + k) * c_group + c) * taps + (flip ? taps - 1 - tap : tap);
    packed[id] = k < k_group && c < c_group ? w[from] : 0.0f;
}

// What the channels of a block of x under one tap add to the sums; `at` is where pixel 0 is, others lie
// `step` blocks apart. Constant offsets from one pointer: with more the sums no longer fit the registers.
// `guard` stands before what a pixel t adds.
#define ADD_BLOCK(space, x_at, step, guard)                                                                  \
    {                                                                                                        \
        space const float *at = x_at;                                                                        \
        ROLLED                                                                                               \
        for (int i = 0; i < CHANNELS; i++, at++, weights += PANEL) {                                         \
            lanes weight[BLOCKS];                                                                            \
            UNROLL                                                                                           \
            for (int b = 0; b < BLOCKS; b++)                                                                 \
                weight[b] = LANES_LOAD(weights + b * LANES);                                                 \
            UNROLL                                                                                           \
            for (int t = 0; t < PIXELS; t++) {                                                               \
                guard                                                                                        \
                {                                                                                            \
                    const lanes value = at[t * (step)*X_BLOCK];                                              \
                    UNROLL                                                                                   \
                    for (int b = 0; b < BLOCKS; b++)                                                         \
                        sum[b][t] += value * weight[b];                                                      \
                }                                                                                            \
            }                                                                                                \
        }                                                                                                    \
    }

// A tile's first and last pixel: often the only ones that see no x.
#define ENDS (1 | 1 << (PIXELS - 1))

// Where a row of taps begins on x, for the tile's first pixel, and how it goes on.
struct taps {
    int left, in_w, kernel_w, dilation_w;
};

// What one row of taps, on one line of a block of x, adds to the sums.
ALWAYS_INLINE void add_line(__global const float *line, __global const float *weights,
                            struct taps taps, lanes sum[BLOCKS][PIXELS])
{
    const int span = (taps.kernel_w - 1) * taps.dilation_w + (PIXELS - 1) * STRIDE_W;
    if (taps.left >= 0 && taps.left + span < taps.in_w) {
        // unrolled, taps would share the numbers that they have in common, in registers that the sums need
        ROLLED
        for (int s = 0; s < taps.kernel_w; s++)
            ADD_BLOCK(__global, line + (taps.left + s * taps.dilation_w) * X_BLOCK, STRIDE_W, )
        return;
    }
    ROLLED
    for (int s = 0; s < taps.kernel_w; s++) {
        const int left = taps.left + s * taps.dilation_w, right = left + (PIXELS - 1) * STRIDE_W;
        if (left >= 0 && right < taps.in_w) {
            ADD_BLOCK(__global, line + left * X_BLOCK, STRIDE_W, )
            continue;
        }
#if PAD_MODE == 0
        // a bit for each pixel that lies on x
        const int first = min((max(-left, 0) + STRIDE_W - 1) / STRIDE_W, PIXELS);
        const int end = clamp((taps.in_w - left + STRIDE_W - 1) / STRIDE_W, 0, PIXELS);
        const int on_x = -1 << first & ~(-1 << end);
        if (on_x == 0)
            weights += CHANNELS * PANEL;
        else if ((on_x | ENDS) == (1 << PIXELS) - 1)
            ADD_BLOCK(__global, line + left * X_BLOCK, STRIDE_W, if (!(ENDS >> t & 1) || (on_x >> t & 1)))
        else
            ADD_BLOCK(__global, line + left * X_BLOCK, STRIDE_W, if (on_x >> t & 1))
#else
        float part[PIXELS * X_BLOCK];
        for (int t = 0; t < PIXELS; t++)
            X_STORE(X_LOAD(line + border(left + t * STRIDE_W, taps.in_w) * X_BLOCK), part + t * X_BLOCK);
        ADD_BLOCK(__private, part, 1, )
#endif
    }
}

#if WHOLE_BLOCKS
#include "tile.cl"
#else

// A tile of LANES channels, number by number; `to` is the tile in channel 0 of y.
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

// Where a channel begins in an image of y.
#define IN_Y(k) ((k) / Y_BLOCK * Y_BLOCK * y_pixels + (k) % Y_BLOCK)

// Of one launch.
struct sizes {
    int groups, panels, c_group, k_group, shuffle, rows, chunk;
};

// Dimensions: strips of `rows` rows of y, panels of all groups, images. The weights of `chunk` blocks of x
// serve the whole strip before the next ones are read; between chunks y holds the sums.
APART void direct_work(int3 id, __global const float *restrict x, __global const float *restrict packed,
                       EPILOGUE_ARGUMENTS __global float *restrict y, struct sizes s, struct window win)
{
    const int panel = id.y, n = id.z;
    const int g = panel / s.panels, first_k = panel % s.panels * PANEL;
    const int k0 = g * s.k_group + first_k, channels = s.groups * s.k_group;
    const int y_pixels = win.out_d * win.out_h * win.out_w;
    const int x_blocks = (s.c_group + CHANNELS - 1) / CHANNELS, x_pixels = win.in_d * win.in_h * win.in_w;
    const int all_x_blocks = (s.groups * s.c_group + X_BLOCK - 1) / X_BLOCK;
    const int line_weights = win.kernel_w * CHANNELS * PANEL;
    const int block_weights = win.kernel_d * win.kernel_h * line_weights;
    const int first_row = id.x * s.rows;
    const int end_row = min(first_row + s.rows, win.out_d * win.out_h);
    __global float *image = y + n * ((channels + Y_BLOCK - 1) / Y_BLOCK) * y_pixels * Y_BLOCK;
    __global const float *own = packed + panel * x_blocks * block_weights;

    for (int begin = 0; begin < x_blocks; begin += s.chunk) {
        const int end = min(begin + s.chunk, x_blocks);
        for (int row = first_row; row < end_row; row++) {
            const int o = row / win.out_h, p = row % win.out_h;
            for (int q = 0; q < win.out_w; q += PIXELS) {
                // the last tile of a row moves back onto y whole; what lies before q is not written
                const int start = min(q, win.out_w - PIXELS);
                __global float *to = image + (row * win.out_w + start) * Y_BLOCK;
                lanes sum[BLOCKS][PIXELS];
                UNROLL
                for (int b = 0; b < BLOCKS; b++) {
#if WHOLE_BLOCKS
                    tile_begin(sum[b], EPILOGUE_PASSED to + IN_Y(k0 + b * LANES),
                               k0 + b * LANES, channels, begin == 0, first_k + b * LANES < s.k_group);
#else
                    UNROLL
                    for (int t = 0; t < PIXELS; t++)
                        sum[b][t] = 0.0f;
#endif
                }
                struct taps taps = {start * STRIDE_W - win.pad_w, win.in_w, win.kernel_w, win.dilation_w};
                __global const float *weights = own + begin * block_weights;
                for (int c = begin; c < end; c++) {
                    const int first = g * s.c_group + c * CHANNELS;
                    __global const float *plane =
                        x + (n * all_x_blocks + first / X_BLOCK) * x_pixels * X_BLOCK + first % X_BLOCK;
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
                        tile_store(sum[b], ACTIVATION_PASSED to + IN_Y(k0 + b * LANES), q - start,
                                   k0 + b * LANES, channels, end == x_blocks);
#else
                        store(sum[b], EPILOGUE_PASSED to, q - start, k0 + b * LANES, (g + 1) * s.k_group,
                              channels, y_pixels, s.shuffle);
#endif
                }
            }
        }
    }
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(x) IN(packed) EPILOGUE_LIST(IN, VALUE) OUT(y) VALUE(struct sizes, s) LAST(struct window, win)
TEAM_KERNEL(direct, WORK_GROUP(1, 1, 1), ARGUMENTS)
