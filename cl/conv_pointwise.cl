// conv_pointwise.cl - 1x1 convolution: one matrix product for each image and group, all in one launch. x is
// read where it lies, also with strides and padding.
// TRANSPOSED, HAS_BIAS: 0 or 1; PAD_MODE.
// CONTIGUOUS: 1 where pixel i of y sees pixel i of x.
#include "prelude.cl"
#include "border.cl"
#include "epilogue.cl"
#include "shuffle.cl"

// Along one axis: the position of x that position `at` of y sees; -1: none.
int seen(int at, int in, int stride, int pad)
{
#if TRANSPOSED
    int position = (at + pad) / stride;
    return position * stride == at + pad && position < in ? position : -1;
#else
    return border(at * stride - pad, in);
#endif
}

// The pixel of x that pixel `at` of y sees; -1: none.
int seen_pixel(int at, int in_d, int in_h, int in_w, int out_h, int out_w, int stride_d, int stride_h,
               int stride_w, int pad_d, int pad_h, int pad_w)
{
#if CONTIGUOUS
    return at;
#else
    int d = seen(at / (out_w * out_h), in_d, stride_d, pad_d);
    int h = seen(at / out_w % out_h, in_h, stride_h, pad_h);
    int w = seen(at % out_w, in_w, stride_w, pad_w);
    return d < 0 || h < 0 || w < 0 ? -1 : (d * in_h + h) * in_w + w;
#endif
}

// Distance in w from one channel of y, or of x, to the next.
#if TRANSPOSED
#define NEXT_K 1
#define NEXT_C k_group
#else
#define NEXT_K c_group
#define NEXT_C 1
#endif

#ifdef LANES
// A work-item makes BLOCK_K channels of VECTORS * LANES neighbouring pixels.
#include "lane.cl"

// Writes pixels first, first + 1, ... of a channel; result begins with that of pixel begin.
void store(__global float *channel, const lanes *result, int first, int begin, int pixels)
{
    if (begin == first && first + LANES * VECTORS <= pixels) {
#pragma unroll
        for (int v = 0; v < VECTORS; v++)
            LANES_STORE(result[v], channel + begin + v * LANES);
        return;
    }
    float each[LANES * VECTORS];
#pragma unroll
    for (int v = 0; v < VECTORS; v++)
        LANES_STORE(result[v], each + v * LANES);
    for (int i = first - begin; i < LANES * VECTORS && begin + i < pixels; i++)
        channel[begin + i] = each[i];
}

__kernel void pointwise_lanes(__global const float *restrict x, __global const float *restrict w,
#if HAS_BIAS
                              __global const float *restrict bias,
#endif
                              __global float *restrict y, int planes, int groups, int c_group, int k_group,
                              int shuffle, int in_d, int in_h, int in_w, int out_d, int out_h, int out_w,
                              int stride_d, int stride_h, int stride_w, int pad_d, int pad_h, int pad_w)
{
    const int pixels = out_d * out_h * out_w, x_pixels = in_d * in_h * in_w;
    const int first = (int)get_global_id(0) * (LANES * VECTORS), k0 = (int)get_global_id(1) * BLOCK_K;
    const int plane = get_global_id(2);
    if (first >= pixels || k0 >= k_group || plane >= planes)
        return;
    // the last work-item of a plane steps back so that its loads stay inside
#if CONTIGUOUS
    const int begin = min(first, pixels - LANES * VECTORS);
#else
    const int begin = first;
    int from[LANES * VECTORS];
    for (int i = 0; i < LANES * VECTORS; i++)
        from[i] = seen_pixel(min(begin + i, pixels - 1), in_d, in_h, in_w, out_h, out_w, stride_d, stride_h,
                             stride_w, pad_d, pad_h, pad_w);
#endif
    const int g = plane % groups;
    __global const float *source = x + plane * c_group * x_pixels;
    __global const float *weights[BLOCK_K];
    lanes sum[BLOCK_K][VECTORS];
#pragma unroll
    for (int k = 0; k < BLOCK_K; k++) {
        weights[k] = w + g * c_group * k_group + min(k0 + k, k_group - 1) * NEXT_K;
#pragma unroll
        for (int v = 0; v < VECTORS; v++)
            sum[k][v] = 0.0f;
    }
    for (int c = 0; c < c_group; c++) {
        lanes value[VECTORS];
#pragma unroll
        for (int v = 0; v < VECTORS; v++) {
#if CONTIGUOUS
            value[v] = LANES_LOAD(source + begin + v * LANES);
#else
            float each[LANES];
#pragma unroll
            for (int i = 0; i < LANES; i++)
                each[i] = from[v * LANES + i] >= 0 ? source[from[v * LANES + i]] : 0.0f;
            value[v] = LANES_LOAD(each);
#endif
        }
#pragma unroll
        for (int k = 0; k < BLOCK_K; k++) {
            const lanes weight = weights[k][c * NEXT_C];
#pragma unroll
            for (int v = 0; v < VECTORS; v++)
                sum[k][v] += weight * value[v];
        }
        source += x_pixels;
    }
    const int channels = groups * k_group;
#pragma unroll
    for (int k = 0; k < BLOCK_K; k++) {
        const int channel = g * k_group + min(k0 + k, k_group - 1);
        lanes result[VECTORS];
#pragma unroll
        for (int v = 0; v < VECTORS; v++)
            result[v] = EPILOGUE(sum[k][v], bias, channel);
        if (k0 + k < k_group)
            store(y + (plane / groups * channels + shuffled_to(channel, channels, shuffle)) * pixels, result,
                  first, begin, pixels);
    }
}
#endif

#ifdef SIDE
// A work-group of SIDE x SIDE makes a tile of (SIDE * PER_ITEM) channels by as many pixels through local
// memory, DEPTH channels of x at a time.
#define TILE (SIDE * PER_ITEM)

__kernel __attribute__((reqd_work_group_size(SIDE, SIDE, 1)))
void pointwise_tiles(__global const float *restrict x, __global const float *restrict w,
#if HAS_BIAS
                     __global const float *restrict bias,
#endif
                     __global float *restrict y, int planes, int groups, int c_group, int k_group,
                     int shuffle, int in_d, int in_h, int in_w, int out_d, int out_h, int out_w,
                     int stride_d, int stride_h, int stride_w, int pad_d, int pad_h, int pad_w)
{
    __local float tile_w[DEPTH][TILE + 1];
    __local float tile_x[DEPTH][TILE];
    __local int from[TILE];
    const int pixels = out_d * out_h * out_w, x_pixels = in_d * in_h * in_w, channels = groups * k_group;
    const int column = get_local_id(0), row = get_local_id(1), item = row * SIDE + column;
    const int first = (int)get_group_id(0) * TILE, k0 = (int)get_group_id(1) * TILE;
    const int plane = get_group_id(2), g = plane % groups;
    for (int i = item; i < TILE; i += SIDE * SIDE)
        from[i] = first + i >= pixels ? -1
                                      : seen_pixel(first + i, in_d, in_h, in_w, out_h, out_w, stride_d,
                                                   stride_h, stride_w, pad_d, pad_h, pad_w);
    barrier(CLK_LOCAL_MEM_FENCE);
    __global const float *source = x + plane * c_group * x_pixels;
    __global const float *weights = w + g * c_group * k_group;
    float sum[PER_ITEM][PER_ITEM];
    for (int i = 0; i < PER_ITEM; i++)
        for (int j = 0; j < PER_ITEM; j++)
            sum[i][j] = 0.0f;
    for (int c0 = 0; c0 < c_group; c0 += DEPTH) {
        for (int i = item; i < DEPTH * TILE; i += SIDE * SIDE) {
            const int c = c0 + i / TILE, at = from[i % TILE];
            tile_x[i / TILE][i % TILE] = c < c_group && at >= 0 ? source[c * x_pixels + at] : 0.0f;
#if TRANSPOSED
            const int deep = i / TILE, k = i % TILE;
#else
            const int deep = i % DEPTH, k = i / DEPTH;
#endif
            const bool inside = c0 + deep < c_group && k0 + k < k_group;
            tile_w[deep][k] = inside ? weights[(c0 + deep) * NEXT_C + (k0 + k) * NEXT_K] : 0.0f;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int c = 0; c < DEPTH; c++) {
            for (int i = 0; i < PER_ITEM; i++) {
                const float weight = tile_w[c][row + i * SIDE];
                for (int j = 0; j < PER_ITEM; j++)
                    sum[i][j] += weight * tile_x[c][column + j * SIDE];
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    for (int i = 0; i < PER_ITEM; i++) {
        const int k = k0 + row + i * SIDE, channel = g * k_group + k;
        if (k >= k_group)
            break;
        __global float *target =
            y + (plane / groups * channels + shuffled_to(channel, channels, shuffle)) * pixels;
        for (int j = 0; j < PER_ITEM; j++) {
            const int pixel = first + column + j * SIDE;
            if (pixel < pixels)
                target[pixel] = EPILOGUE(sum[i][j], bias, channel);
        }
    }
}
#endif
