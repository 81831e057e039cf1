// conv_pointwise_blocks.cl - 1x1 where x or y lies in blocks of LANES channels: a work-item keeps the sums of
// BLOCKS vectors of channels times PIXELS pixels in registers, and adds a channel of x at a time.
// Weights come packed in panels: [BLOCKS * LANES channels of y][rows: channels of x][BLOCKS * LANES]. A panel
// has rows from its first channel's group to its last one's, and zeros where the two are of different groups.
// X_BLOCK, Y_BLOCK: LANES, or 0 where the tensor is plain. MAPPED and TRANSPOSED: pixel.cl. SHUFFLE: 0 or 1.
// HOLES: 1 where some pixels of y come from none of x.
#include "prelude.cl"
#include "team.cl"
#include "pixel.cl"
#include "shuffle.cl"

// Channels of x that lie side by side.
#if X_BLOCK
#define CHUNK X_BLOCK
#else
#define CHUNK 1
#endif

// The channel of x of a panel's first row; k: its first channel of y.
int first_row(int k, int c_group, int k_group)
{
    return k / k_group * c_group;
}

#if PACK

__kernel void pack(__global const float *restrict w, __global float *restrict packed, int count, int width,
                   int rows, int channels, int c_group, int k_group, int transposed)
{
    const int id = LINEAR_ID;
    if (id >= count)
        return;
    const int first = id / (rows * width) * width, k = first + id % width, g = k / k_group;
    const int c = first_row(first, c_group, k_group) + id / width % rows - g * c_group;
    float value = 0;
    if (k < channels && c >= 0 && c < c_group)
        value = w[transposed ? (g * c_group + c) * k_group + k % k_group : k * c_group + c];
    packed[id] = value;
}

#else

#include "epilogue_channels.cl"

#define WIDTH (BLOCKS * LANES)

// Where channel k of pixel 0 lies in y's image.
int channel_start(int k, int pixels)
{
#if Y_BLOCK
    return k / Y_BLOCK * Y_BLOCK * pixels + k % Y_BLOCK;
#else
    return k * pixels;
#endif
}

#define PIXEL_STEP (Y_BLOCK > 0 ? Y_BLOCK : 1)
// Whether vectors of channels are stored as they are.
#define IS_DIRECT (Y_BLOCK > 0 && SHUFFLE == 0)

#if IS_DIRECT

// LANES channels from k on, of a tile; the first `made` pixels are there already, and stored again where that
// changes nothing.
ALWAYS_INLINE void store_block(lanes sum[PIXELS], __global lanes *to, EPILOGUE_ARGUMENTS int k, int channels,
                               int made)
{
    lanes start = 0.0f;
#if HAS_BIAS
    start = bias_of_channels(bias, k, channels);
#endif
    UNROLL
    for (int t = 0; t < PIXELS; t++) {
        if (ACCUMULATE && t < made)
            continue;
        LANES_PUT(end_of_channels(ACTIVATE(sum[t] + start EPILOGUE_BEFORE(to[t])), k, channels), to + t);
    }
}

#else

// Channels k, k + 1, ... of a pixel, those that there are; to: the pixel's channel 0.
void store_lanes(lanes sum, __global float *to, EPILOGUE_ARGUMENTS int k, int channels, int shuffle,
                 int pixels)
{
    int at[LANES];
    float part[LANES];
    for (int i = 0; i < LANES; i++) {
        at[i] = channel_start(k + i < channels ? shuffled_to(k + i, channels, shuffle) : k + i, pixels);
        part[i] = ACCUMULATE && k + i < channels ? to[at[i]] : 0.0f;
    }
    LANES_STORE(EPILOGUE_CHANNELS(sum, k, channels, LANES_LOAD(part)), part);
    // a last block is filled up with zeros
    const int end = (channels + PIXEL_STEP - 1) / PIXEL_STEP * PIXEL_STEP;
    for (int i = 0; i < LANES && k + i < end; i++)
        to[at[i]] = part[i];
}

#endif

// Of one launch.
struct sizes {
    int panels_last, tiles_each, rows, x_image, y_image, channels, c_group, k_group, shuffle;
};

// Dimensions: panels, chunks of tiles_each tiles of PIXELS pixels, images; with panels_last the other way
// round. y has at least PIXELS pixels.
APART void pointwise_blocks_work(int3 id, __global const float *restrict x,
                                 __global const float *restrict packed,
                                 EPILOGUE_ARGUMENTS __global float *restrict y, struct sizes s,
                                 struct window win)
{
    const int panel = s.panels_last ? id.z : id.x, n = s.panels_last ? id.x : id.z;
    const int k0 = panel * WIDTH;
    const int pixels = win.out_d * win.out_h * win.out_w, x_pixels = win.in_d * win.in_h * win.in_w;
    const int end = (min(k0 + WIDTH, s.channels) - 1) / s.k_group * s.c_group + s.c_group;
    int first = id.y * s.tiles_each * PIXELS;
    const int last = min(first + s.tiles_each * PIXELS, pixels);

    for (; first < last; first += PIXELS) {
        // the last tile moves back to lie within y
        const int start = min(first, pixels - PIXELS);
        __global const float *weights = packed + panel * s.rows * WIDTH;
        lanes sum[BLOCKS][PIXELS];
        UNROLL
        for (int b = 0; b < BLOCKS; b++) {
            UNROLL
            for (int t = 0; t < PIXELS; t++)
                sum[b][t] = 0.0f;
        }
#if MAPPED
        int offset[PIXELS];
        UNROLL
        for (int t = 0; t < PIXELS; t++)
            offset[t] = source_pixel(start + t, win) * CHUNK;
#endif
        const int begin = first_row(k0, s.c_group, s.k_group);
        for (int c = begin / CHUNK * CHUNK; c < end; c += CHUNK) {
            __global const float *chunk = x + n * s.x_image + c * x_pixels;
#if HOLES
            float value[PIXELS * CHUNK];
            UNROLL
            for (int i = 0; i < PIXELS * CHUNK; i++)
                value[i] = offset[i / CHUNK] >= 0 ? chunk[offset[i / CHUNK] + i % CHUNK] : 0.0f;
#define VALUE(t, i) value[(t)*CHUNK + (i)]
#elif MAPPED
#define VALUE(t, i) chunk[offset[t] + (i)]
#else
            chunk += start * CHUNK;
#define VALUE(t, i) chunk[(t)*CHUNK + (i)]
#endif
            ROLLED
            for (int i = max(begin - c, 0); i < min(end - c, CHUNK); i++, weights += WIDTH) {
                lanes w[BLOCKS];
                UNROLL
                for (int b = 0; b < BLOCKS; b++)
                    w[b] = ((__global const lanes *)weights)[b];
                UNROLL
                for (int t = 0; t < PIXELS; t++) {
                    UNROLL
                    for (int b = 0; b < BLOCKS; b++)
                        sum[b][t] += VALUE(t, i) * w[b];
                }
            }
        }
        __global float *to = y + n * s.y_image + start * PIXEL_STEP;
#if IS_DIRECT
        UNROLL
        for (int b = 0; b < BLOCKS; b++) {
            const int k = k0 + b * LANES;
            if (k < s.channels)
                store_block(sum[b], (__global lanes *)(to + k * pixels), EPILOGUE_PASSED k, s.channels,
                            first - start);
        }
#else
        lanes each[BLOCKS * PIXELS];
        UNROLL
        for (int i = 0; i < BLOCKS * PIXELS; i++)
            each[i] = sum[i / PIXELS][i % PIXELS];
        for (int i = 0; i < BLOCKS * PIXELS; i++) {
            const int k = k0 + i / PIXELS * LANES, t = i % PIXELS;
            if (k < s.channels && start + t >= first)
                store_lanes(each[i], to + t * PIXEL_STEP, EPILOGUE_PASSED k, s.channels, s.shuffle, pixels);
        }
#endif
    }
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(x) IN(packed) EPILOGUE_LIST(IN, VALUE) OUT(y) VALUE(struct sizes, s) LAST(struct window, win)
TEAM_KERNEL(pointwise_blocks, WORK_GROUP(1, 1, 1), ARGUMENTS)

#endif
