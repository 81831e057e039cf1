// conv_separable.cl - a depthwise separable convolution in one pass: what the depthwise convolution makes of
// some rows stays in local memory, and the pointwise convolution reads it there.
// LANES, VECTORS, BLOCK_K; STEP, PAD_MODE, FLIP as in depthwise.cl; HAS_BIAS: the pointwise, HAS_BETWEEN: the
// depthwise convolution has one. One work-item a work-group: for devices whose work-items fill registers.
#include "prelude.cl"
#include "team.cl"
#include "depthwise.cl"
#include "epilogue.cl"
#include "shuffle.cl"

#define WIDTH (LANES * VECTORS)

// One row of a channel, from q on, into the tile.
void make_row(__global const float *restrict x, __global const float *restrict w, struct window win,
              int x_count, int x_plane, int w_plane, int o, int p, float between, __local float *to)
{
    for (int q = 0; q < win.out_w; q += LANES) {
        const lanes sum = depthwise_sum(x, w, win, x_count, x_plane, w_plane, o, p, q) + between;
        if (q + LANES <= win.out_w) {
            LANES_STORE(sum, to + q);
        } else {
            float part[LANES];
            LANES_STORE(sum, part);
            for (int i = 0; q + i < win.out_w; i++)
                to[q + i] = part[i];
        }
    }
}

// Channels k0, k0 + 1, ..., whose packed weights begin at w, of pixels begin, begin + 1, ... of the tile;
// those before first are not written.
void multiply(__local const float *tile, int tile_width, __global const float *restrict w,
              EPILOGUE_ARGUMENTS __global float *restrict y, int y_pixels, int g, int groups, int m_group,
              int k_group, int shuffle, int k0, int first, int begin, int pixels)
{
    lanes sum[BLOCK_K][VECTORS];
    UNROLL
    for (int k = 0; k < BLOCK_K; k++) {
        UNROLL
        for (int v = 0; v < VECTORS; v++)
            sum[k][v] = 0.0f;
    }
    for (int m = 0; m < m_group; m++) {
        lanes value[VECTORS];
        UNROLL
        for (int v = 0; v < VECTORS; v++)
            value[v] = LANES_LOAD(tile + m * tile_width + begin + v * LANES);
        UNROLL
        for (int k = 0; k < BLOCK_K; k++) {
            const lanes weight = w[m * BLOCK_K + k];
            UNROLL
            for (int v = 0; v < VECTORS; v++)
                sum[k][v] += weight * value[v];
        }
    }
    UNROLL
    for (int k = 0; k < BLOCK_K; k++) {
        const int channel = g * k_group + min(k0 + k, k_group - 1);
        __global float *to = y + shuffled_to(channel, groups * k_group, shuffle) * y_pixels;
        float part[WIDTH];
        UNROLL
        for (int v = 0; v < VECTORS; v++) {
            const lanes value = EPILOGUE(sum[k][v], channel, 0.0f);
            if (k0 + k < k_group && begin == first && first + WIDTH <= pixels)
                LANES_STORE(value, to + begin + v * LANES);
            LANES_STORE(value, part + v * LANES);
        }
        if (k0 + k < k_group && (begin < first || first + WIDTH > pixels)) {
            for (int i = first - begin; i < WIDTH && begin + i < pixels; i++)
                to[begin + i] = part[i];
        }
    }
}

// The pointwise weights, k_group x m_group for each group, in blocks of BLOCK_K channels, m_group x BLOCK_K
// each, so that those of one m lie side by side. The last block of a group repeats its last channel.
__kernel void separable_pack(__global const float *restrict w, __global float *restrict packed, int count,
                             int m_group, int k_group)
{
    const int id = LINEAR_ID;
    if (id >= count)
        return;
    const int blocks = (k_group + BLOCK_K - 1) / BLOCK_K, block = id / (m_group * BLOCK_K);
    const int k = min(block % blocks * BLOCK_K + id % BLOCK_K, k_group - 1), m = id / BLOCK_K % m_group;
    packed[id] = w[(block / blocks * k_group + k) * m_group + m];
}

#if HAS_BETWEEN
#define BETWEEN_ARGUMENT __global const float *restrict bias_between,
#define BETWEEN_LIST(IN) IN(bias_between)
#else
#define BETWEEN_ARGUMENT
#define BETWEEN_LIST(IN)
#endif

// Dimensions: strips of `rows` rows of y, images. tile: channels between the passes times tile_width floats.
APART void separable_work(int3 id, __global const float *restrict x,
                          __global const float *restrict w_depthwise,
                          __global const float *restrict w_pointwise, BETWEEN_ARGUMENT EPILOGUE_ARGUMENTS
                          __global float *restrict y, int tile_width, int rows, int multiplier, int groups,
                          int m_group, int k_group, int shuffle, int images, struct window win,
                          __local float *tile)
{
    const int n = id.y, first_row = id.x * rows;
    const int y_rows = win.out_d * win.out_h, end_row = min(first_row + rows, y_rows);
    const int middle = groups * m_group;
    const int x_count = images * (middle / multiplier) * win.in_d * win.in_h * win.in_w;
    for (int m = 0; m < middle; m++) {
        const int x_plane = (n * middle + m) / multiplier * win.in_d;
#if HAS_BETWEEN
        const float between = bias_between[m];
#else
        const float between = 0.0f;
#endif
        for (int row = first_row; row < end_row; row++)
            make_row(x, w_depthwise, win, x_count, x_plane, m * win.kernel_d, row / win.out_h,
                     row % win.out_h, between, tile + m * tile_width + (row - first_row) * win.out_w);
    }
    const int pixels = (end_row - first_row) * win.out_w, y_pixels = y_rows * win.out_w;
    __global float *to = y + n * groups * k_group * y_pixels + first_row * win.out_w;
    __global const float *packed = w_pointwise;
    for (int g = 0; g < groups; g++) {
        for (int k0 = 0; k0 < k_group; k0 += BLOCK_K, packed += m_group * BLOCK_K) {
            for (int first = 0; first < pixels; first += WIDTH)
                multiply(tile + g * m_group * tile_width, tile_width, packed,
                         EPILOGUE_PASSED to, y_pixels, g, groups, m_group, k_group, shuffle, k0, first,
                         max(min(first, pixels - WIDTH), 0), pixels);
        }
    }
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(x) IN(w_depthwise) IN(w_pointwise) BETWEEN_LIST(IN) EPILOGUE_LIST(IN, VALUE) OUT(y) \
    VALUE(int, tile_width) VALUE(int, rows) VALUE(int, multiplier) VALUE(int, groups) VALUE(int, m_group) \
    VALUE(int, k_group) VALUE(int, shuffle) VALUE(int, images) LAST(struct window, win)
TEAM_KERNEL_LOCAL(separable, WORK_GROUP(1, 1, 1), float, tile, ARGUMENTS)
