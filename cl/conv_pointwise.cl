// conv_pointwise.cl - 1x1: for each image and group, its weights times the pixels of x where they lie.
// Weights come packed: [group][block of BLOCK_K channels of y][c][BLOCK_K], zeros past the last channel.
// KIND: 0 packs the weights; 1 lanes: a work-item makes BLOCK_K channels of VECTORS vectors of pixels;
// 2 tiles: a work-group makes BLOCK_K channels of SIDE*PER_P pixels through local memory.
// MAPPED and TRANSPOSED: pixel.cl.
#include "prelude.cl"
#if !defined(ITEMS) || ITEMS > 1
#undef TEAM
#endif
#include "team.cl"
#include "pixel.cl"
#include "shuffle.cl"
#include "epilogue.cl"

#if KIND == 0

__kernel void pack(__global const float *restrict w, __global float *restrict packed, int count,
                   int block_k, int blocks, int c_group, int k_group, int transposed)
{
    int id = LINEAR_ID;
    if (id >= count)
        return;
    int c = id / block_k % c_group;
    int block = id / (block_k * c_group) % blocks;
    int g = id / (block_k * c_group * blocks);
    int k = block * block_k + id % block_k;
    float value = 0;
    if (k < k_group)
        value = w[transposed ? (g * c_group + c) * k_group + k : (g * k_group + k) * c_group + c];
    packed[id] = value;
}

#else


#if KIND == 1

#include "lane.cl"
#define TILE (LANES * VECTORS)

// Of one launch.
struct sizes {
    int groups, c_group, k_group, blocks, shuffle, tiles_each;
};

// BLOCK_K channels of y, TILE pixels from `first` on: n and g say of which image and group.
ALWAYS_INLINE void make_tile(__global const float *x, __global const float *packed,
                             EPILOGUE_ARGUMENTS __global float *y, struct sizes s, struct window win, int n,
                             int g, int block, int first)
{
    const int pixels = win.out_d * win.out_h * win.out_w, x_pixels = win.in_d * win.in_h * win.in_w;
    __global const float *from = x + (n * s.groups + g) * s.c_group * x_pixels;
    __global const float *weights = packed + (g * s.blocks + block) * s.c_group * BLOCK_K;
    int start = first;
    lanes sum[BLOCK_K][VECTORS];
    UNROLL
    for (int i = 0; i < BLOCK_K; i++) {
        UNROLL
        for (int v = 0; v < VECTORS; v++)
            sum[i][v] = 0.0f;
    }
#if !MAPPED
    if (pixels >= TILE) {
        // the last tile moves back onto x whole
        start = min(first, pixels - TILE);
        from += start;
        for (int c = 0; c < s.c_group; c++, from += x_pixels, weights += BLOCK_K) {
            lanes value[VECTORS];
            UNROLL
            for (int v = 0; v < VECTORS; v++)
                value[v] = LANES_LOAD(from + v * LANES);
            UNROLL
            for (int i = 0; i < BLOCK_K; i++) {
                UNROLL
                for (int v = 0; v < VECTORS; v++)
                    sum[i][v] += weights[i] * value[v];
            }
        }
    } else
#endif
    {
        int offset[TILE];
        for (int t = 0; t < TILE; t++)
            offset[t] = source_pixel(first + t, win);
        for (int c = 0; c < s.c_group; c++, from += x_pixels, weights += BLOCK_K) {
            float part[TILE];
            UNROLL
            for (int t = 0; t < TILE; t++)
                part[t] = offset[t] >= 0 ? from[offset[t]] : 0.0f;
            UNROLL
            for (int v = 0; v < VECTORS; v++) {
                const lanes value = LANES_LOAD(part + v * LANES);
                UNROLL
                for (int i = 0; i < BLOCK_K; i++)
                    sum[i][v] += weights[i] * value;
            }
        }
    }
    const bool is_whole = start == first && start + TILE <= pixels;
    UNROLL
    for (int i = 0; i < BLOCK_K; i++) {
        const int k = g * s.k_group + block * BLOCK_K + i;
        if (block * BLOCK_K + i < s.k_group) {
            const int channel = n * s.groups * s.k_group + shuffled_to(k, s.groups * s.k_group, s.shuffle);
            __global float *to = y + channel * pixels + start;
            UNROLL
            for (int v = 0; v < VECTORS; v++) {
                if (is_whole) {
                    LANES_STORE(EPILOGUE(sum[i][v], k, LANES_LOAD(to + v * LANES)), to + v * LANES);
                } else {
                    float part[LANES];
                    LANES_STORE(sum[i][v], part);
                    for (int j = max(first - start - v * LANES, 0); j < LANES; j++)
                        if (start + v * LANES + j < pixels)
                            to[v * LANES + j] = EPILOGUE(part[j], k, to[v * LANES + j]);
                }
            }
        }
    }
}

// Dimensions: blocks of channels, runs of tiles_each tiles of pixels, images times groups.
APART void pointwise_lanes_work(int3 id, __global const float *restrict x,
                                __global const float *restrict packed,
                                EPILOGUE_ARGUMENTS __global float *restrict y, struct sizes s,
                                struct window win)
{
    const int n = id.z / s.groups, g = id.z % s.groups;
    const int run = s.tiles_each * TILE, begin = id.y * run;
    const int end = min(begin + run, win.out_d * win.out_h * win.out_w);
    for (int first = begin; first < end; first += TILE)
        make_tile(x, packed, EPILOGUE_PASSED y, s, win, n, g, id.x, first);
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(x) IN(packed) EPILOGUE_LIST(IN, VALUE) OUT(y) VALUE(struct sizes, s) LAST(struct window, win)
TEAM_KERNEL(pointwise_lanes, WORK_GROUP(1, ITEMS, 1), ARGUMENTS)

#else

#define TILE (SIDE * PER_P)
#define PER_K (BLOCK_K / SIDE)

// Dimensions: tiles of pixels, blocks of channels, images times groups; SIDE x SIDE work-items a tile.
__kernel __attribute__((reqd_work_group_size(SIDE, SIDE, 1)))
void pointwise_tiles(__global const float *restrict x, __global const float *restrict packed,
                      EPILOGUE_ARGUMENTS __global float *restrict y, int groups, int c_group, int k_group,
                      int shuffle, struct window win)
{
    __local float tile_x[DEPTH][TILE];
    __local float tile_w[DEPTH][BLOCK_K];
    __local int offset[TILE];
    const int column = get_local_id(0), row = get_local_id(1), item = row * SIDE + column;
    const int block = GROUP_ID(1), first = GROUP_ID(0) * TILE;
    const int n = GROUP_ID(2) / groups, g = GROUP_ID(2) % groups;
    const int pixels = win.out_d * win.out_h * win.out_w, x_pixels = win.in_d * win.in_h * win.in_w;
    __global const float *from = x + (n * groups + g) * c_group * x_pixels;
    __global const float *weights = packed + (g * (int)get_num_groups(1) + block) * c_group * BLOCK_K;
    float sum[PER_K][PER_P];

    for (int t = item; t < TILE; t += SIDE * SIDE)
        offset[t] = source_pixel(first + t, win);
    UNROLL
    for (int i = 0; i < PER_K; i++) {
        UNROLL
        for (int j = 0; j < PER_P; j++)
            sum[i][j] = 0.0f;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int c = 0; c < c_group; c += DEPTH) {
        for (int i = item; i < DEPTH * TILE; i += SIDE * SIDE) {
            const int d = c + i / TILE, at = offset[i % TILE];
            tile_x[i / TILE][i % TILE] = d < c_group && at >= 0 ? from[d * x_pixels + at] : 0.0f;
        }
        for (int i = item; i < DEPTH * BLOCK_K; i += SIDE * SIDE)
            tile_w[i / BLOCK_K][i % BLOCK_K] = c + i / BLOCK_K < c_group ? weights[c * BLOCK_K + i] : 0.0f;
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int d = 0; d < DEPTH; d++) {
            UNROLL
            for (int i = 0; i < PER_K; i++) {
                const float value = tile_w[d][row * PER_K + i];
                UNROLL
                for (int j = 0; j < PER_P; j++)
                    sum[i][j] += value * tile_x[d][column + j * SIDE];
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    UNROLL
    for (int i = 0; i < PER_K; i++) {
        const int in_group = block * BLOCK_K + row * PER_K + i, k = g * k_group + in_group;
        const int channel = n * groups * k_group + shuffled_to(k, groups * k_group, shuffle);
        UNROLL
        for (int j = 0; j < PER_P; j++) {
            const int pixel = first + column + j * SIDE;
            __global float *to = y + channel * pixels + pixel;
            if (in_group < k_group && pixel < pixels)
                *to = EPILOGUE(sum[i][j], k, *to);
        }
    }
}

#endif
#endif
