// conv_pointwise_blocks.cl - 1x1 where x or y lies in blocks of LANES channels: a work-item keeps the sums of
// BLOCKS vectors of channels times PIXELS pixels in registers, and adds a channel of x at a time.
// Weights come packed in panels: [BLOCKS * LANES channels of y][rows: channels of x][BLOCKS * LANES]. A panel
// has rows from its first channel's group to its last one's, and zeros where the two are of different groups.
// X_BLOCK, Y_BLOCK: LANES, or 0 where the tensor is plain. SHUFFLE: 0 or 1. MAPPED and TRANSPOSED:
// pixel.cl; where MAPPED, the pixels that y is made of are picked from x first.
#include "prelude.cl"
#include "team.cl"
#include "shuffle.cl"
#include "lane.cl"

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

#if MAPPED

#include "pixel.cl"

#if X_BLOCK
typedef lanes picked_lanes;
#else
typedef float picked_lanes;
#endif

// y's pixels of x, in y's order; zeros for those that come from nowhere. Dimensions: blocks of channels of
// all images.
APART void pick_work(int3 id, __global const float *restrict x, __global float *restrict picked,
                     struct window win)
{
    const int x_pixels = win.in_d * win.in_h * win.in_w, y_pixels = win.out_d * win.out_h * win.out_w;
    __global const picked_lanes *from = (__global const picked_lanes *)x + id.x * x_pixels;
    __global picked_lanes *to = (__global picked_lanes *)picked + id.x * y_pixels;
    for (int row = 0; row < win.out_d * win.out_h; row++) {
        const int d = source(row / win.out_h, win.in_d, win.stride_d, win.pad_d);
        const int h = source(row % win.out_h, win.in_h, win.stride_h, win.pad_h);
        for (int q = 0; q < win.out_w; q++, to++) {
            const int w = source(q, win.in_w, win.stride_w, win.pad_w);
            *to = 0.0f;
            if (d >= 0 && h >= 0 && w >= 0)
                *to = from[(d * win.in_h + h) * win.in_w + w];
        }
    }
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) IN(x) OUT(picked) LAST(struct window, win)
TEAM_KERNEL(pick, WORK_GROUP(1, 1, 1), ARGUMENTS)

#endif

#else

#include "epilogue_channels.cl"

#define WIDTH (BLOCKS * LANES)
// Channels of x that lie side by side.
#define SIDE_BY_SIDE (X_BLOCK > 0 ? X_BLOCK : 1)

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
#define Y_STEP 1
#include "tile.cl"
#else

// Channels k, k + 1, ... of a pixel, those that there are; to: the pixel's channel 0; at: where each lies.
void store_lanes(lanes sum, __global float *to, EPILOGUE_ARGUMENTS const int *at, int k, int channels)
{
    float part[LANES];
    for (int i = 0; i < LANES; i++)
        part[i] = ACCUMULATE && k + i < channels ? to[at[i]] : 0.0f;
    LANES_STORE(EPILOGUE_CHANNELS(sum, k, channels, LANES_LOAD(part)), part);
    // a last block is filled up with zeros
    const int end = (channels + PIXEL_STEP - 1) / PIXEL_STEP * PIXEL_STEP;
    for (int i = 0; i < LANES && k + i < end; i++)
        to[at[i]] = part[i];
}

#endif

// Of one launch.
struct sizes {
    int panels_last, tiles_each, rows, chunk, pixels, x_image, y_image, channels, c_group, k_group, shuffle;
};

// What channels [begin, end) of x add to the sums of the tile that begins at `tile`; `row`: begin's weights.
ALWAYS_INLINE void add_channels(lanes sum[BLOCKS][PIXELS], __global const float *tile,
                                __global const float *row, int begin, int end, int pixels)
{
    for (int c = begin / SIDE_BY_SIDE * SIDE_BY_SIDE; c < end; c += SIDE_BY_SIDE) {
        __global const float *chunk = tile + c * pixels;
        ROLLED
        for (int i = max(begin - c, 0); i < min(end - c, SIDE_BY_SIDE); i++, row += WIDTH) {
            lanes w[BLOCKS];
            UNROLL
            for (int b = 0; b < BLOCKS; b++)
                w[b] = ((__global const lanes *)row)[b];
            UNROLL
            for (int t = 0; t < PIXELS; t++) {
                UNROLL
                for (int b = 0; b < BLOCKS; b++)
                    sum[b][t] += chunk[t * SIDE_BY_SIDE + i] * w[b];
            }
        }
    }
}

// Dimensions: panels, chunks of tiles_each tiles of PIXELS pixels, images; with panels_last the other way
// round. y has at least PIXELS pixels. The weights of `chunk` channels of x serve all those tiles before the
// next ones are read; between them y holds the sums.
APART void pointwise_blocks_work(int3 id, __global const float *restrict x,
                                 __global const float *restrict packed,
                                 EPILOGUE_ARGUMENTS __global float *restrict y, struct sizes s)
{
    const int panel = s.panels_last ? id.z : id.x, n = s.panels_last ? id.x : id.z;
    const int k0 = panel * WIDTH;
    const int pixels = s.pixels;
    const int first_pixel = id.y * s.tiles_each * PIXELS;
    const int last_pixel = min(first_pixel + s.tiles_each * PIXELS, pixels);
    const int first_c = first_row(k0, s.c_group, s.k_group);
    const int last_c = (min(k0 + WIDTH, s.channels) - 1) / s.k_group * s.c_group + s.c_group;

    for (int c = first_c, end; c < last_c; c = end) {
        end = min((c + s.chunk) / SIDE_BY_SIDE * SIDE_BY_SIDE, last_c);
        for (int first = first_pixel; first < last_pixel; first += PIXELS) {
            // the last tile moves back to lie within y
            const int start = min(first, pixels - PIXELS);
            __global float *to = y + n * s.y_image + start * PIXEL_STEP;
            lanes sum[BLOCKS][PIXELS];
            UNROLL
            for (int b = 0; b < BLOCKS; b++) {
#if IS_DIRECT
                const int k = k0 + b * LANES;
                tile_begin(sum[b], EPILOGUE_PASSED to + k * pixels, k, s.channels, c == first_c,
                           k < s.channels);
#else
                UNROLL
                for (int t = 0; t < PIXELS; t++)
                    sum[b][t] = 0.0f;
#endif
            }
            add_channels(sum, x + n * s.x_image + start * SIDE_BY_SIDE,
                         packed + (panel * s.rows + c - first_c) * WIDTH, c, end, pixels);
#if IS_DIRECT
            UNROLL
            for (int b = 0; b < BLOCKS; b++) {
                const int k = k0 + b * LANES;
                if (k < s.channels)
                    tile_store(sum[b], ACTIVATION_PASSED to + k * pixels, first - start, k, s.channels,
                               end == last_c);
            }
#else
            lanes each[BLOCKS * PIXELS];
            UNROLL
            for (int i = 0; i < BLOCKS * PIXELS; i++)
                each[i] = sum[i / PIXELS][i % PIXELS];
            for (int k = k0, b = 0; b < BLOCKS && k < s.channels; k += LANES, b++) {
                int at[LANES];
                for (int i = 0; i < LANES; i++)
                    at[i] = channel_start(
                        k + i < s.channels ? shuffled_to(k + i, s.channels, s.shuffle) : k + i, pixels);
                for (int t = 0; t < PIXELS; t++)
                    if (start + t >= first)
                        store_lanes(each[b * PIXELS + t], to + t * PIXEL_STEP, EPILOGUE_PASSED at, k,
                                    s.channels);
            }
#endif
        }
    }
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(x) IN(packed) EPILOGUE_LIST(IN, VALUE) OUT(y) LAST(struct sizes, s)
TEAM_KERNEL(pointwise_blocks, WORK_GROUP(1, 1, 1), ARGUMENTS)

#endif
