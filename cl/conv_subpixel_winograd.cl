// conv_subpixel_winograd.cl - transposed convolutions of short strides by Winograd. On an axis, the positions
// of y that lie a stride apart, a phase, are x convolved with every stride-th tap; a tile of TILE positions
// of each phase takes TILE + taps - 1 points (winograd.cl), those of all phases one after the other. One
// phase's tap is no more than a factor, and its points are x itself. Weights come transformed: [block of
// channels of y][point][channel of x][VECTORS * LANES]; V, of x: [point][panel][block of channels of x][tile
// of the panel][LANES]; M, the products: [block of y][point][panel][vector][tile of the panel][LANES]. KIND:
// 0 transforms the weights; 1, 2, 3: the three steps for a strip of tiles, in panels of PANEL. KERNEL_H,
// STRIDE_H, PAD_H, TILE_H and the same of W: sizes. FLIP: 0 or 1.
#include "prelude.cl"
#include "team.cl"
#include "epilogue_channels.cl"
#include "winograd.cl"

#define MOST_SIDE 6
#define MOST_TAPS 3

// Of phase r of axis X: its first tap, how many it has, where on x they begin, its points.
#define PHASE_TAP(r, X) (((r) + PAD_##X) % STRIDE_##X)
#define PHASE_TAPS(r, X) ((KERNEL_##X - 1 - PHASE_TAP(r, X)) / STRIDE_##X + 1)
#define PHASE_START(r, X) (((r) + PAD_##X) / STRIDE_##X - PHASE_TAPS(r, X) + 1)
#define PHASE_SIDE(r, X) (TILE_##X + PHASE_TAPS(r, X) - 1)
// Of all phases: where on x they begin, how far they reach, their points, a tile's positions of y.
#define FIRST(X) PHASE_START(0, X)
#define SPAN(X) (PHASE_START(STRIDE_##X - 1, X) + PHASE_SIDE(STRIDE_##X - 1, X) - FIRST(X))
#define POINTS(X) (STRIDE_##X * (TILE_##X - 1) + KERNEL_##X)
#define OUT(X) (STRIDE_##X * TILE_##X)
#define ALL_POINTS (POINTS(H) * POINTS(W))

#if KIND == 0

// What each tap of a phase counts at its points.
void axis_weights(float weights[MOST_SIDE][MOST_TAPS], int side, int taps)
{
    for (int i = 0; i < side; i++)
        for (int m = 0; m < taps; m++)
            weights[i][m] = taps > 1 ? winograd_weight(side, taps, i, m) : 1.0f;
}

// Dimensions: pairs of channels, phases; block_k: channels of y in a block. Nothing is unrolled: compilers
// take seconds over it.
__kernel void subpixel_winograd_weights(__global const float *restrict w, __global float *restrict u,
                                        int count, int block_k, int c_round, int channels, int k_end)
{
    const int id = get_global_id(0), r = (int)get_global_id(1) / STRIDE_W;
    const int q = (int)get_global_id(1) % STRIDE_W;
    if (id >= count || r >= STRIDE_H)
        return;
    const int in_block = id % block_k, c = id / block_k % c_round, block = id / (block_k * c_round);
    const int k = block * block_k + in_block, last = KERNEL_H * KERNEL_W - 1;
    const int taps_h = PHASE_TAPS(r, H), taps_w = PHASE_TAPS(q, W);
    float of_h[MOST_SIDE][MOST_TAPS], of_w[MOST_SIDE][MOST_TAPS], row[MOST_TAPS];
    axis_weights(of_h, PHASE_SIDE(r, H), taps_h);
    axis_weights(of_w, PHASE_SIDE(q, W), taps_w);
    int point = 0;
    for (int i = 0; i < r; i++)
        point += PHASE_SIDE(i, H) * POINTS(W);
    for (int j = 0; j < q; j++)
        point += PHASE_SIDE(j, W);
    w += (c * k_end + k) * (last + 1);
    u += (block * ALL_POINTS + point) * c_round * block_k + c * block_k + in_block;
    for (int i = 0; i < PHASE_SIDE(r, H); i++) {
        for (int n = 0; n < taps_w; n++) {
            row[n] = 0.0f;
            for (int m = 0; m < taps_h && c < channels && k < k_end; m++) {
                const int h = PHASE_TAP(r, H) + (taps_h - 1 - m) * STRIDE_H;
                const int tap = h * KERNEL_W + PHASE_TAP(q, W) + (taps_w - 1 - n) * STRIDE_W;
                row[n] += of_h[i][m] * w[FLIP ? last - tap : tap];
            }
        }
        for (int j = 0; j < PHASE_SIDE(q, W); j++) {
            float sum = 0.0f;
            for (int n = 0; n < taps_w; n++)
                sum += of_w[j][n] * row[n];
            u[(i * POINTS(W) + j) * c_round * block_k] = sum;
        }
    }
}

#else

struct shape {
    int first, tiles;                       // of this launch
    int tiles_h, tiles_w, blocks, blocks_k; // blocks: of LANES
    int depth, in_h, in_w, out_h, out_w, channels;
};

// The plane of h x w pixels that a tile lies in, of block b of channels.
int plane_of(const struct shape *s, int tile, int b, int blocks)
{
    const int at = tile / (s->tiles_h * s->tiles_w);
    return (at / s->depth * blocks + b) * s->depth + at % s->depth;
}

// Floats of a panel in V and in M at a point, and of a point's weights of a block of y.
#define PANEL_V(blocks) ((blocks)*PANEL * LANES)
#define PANEL_M (VECTORS * PANEL * LANES)
#define WEIGHTS(blocks) ((blocks)*LANES * VECTORS * LANES)
#define PANELS_OF(tiles) (((tiles) + PANEL - 1) / PANEL)
// From point to point; a vector more than there is, or all points of a tile could want one place in a cache.
#define V_STEP(panels, blocks) ((panels)*PANEL_V(blocks) + LANES)
#define M_STEP(panels) ((panels)*PANEL_M + LANES)

#if KIND == 1

// From SPAN pixels to POINTS values; they are in registers where the loops around are unrolled.
#define AXIS_POINTS(pixels, values, X)                                               \
    {                                                                                \
        int at = 0;                                                                  \
        UNROLL                                                                       \
        for (int r = 0; r < STRIDE_##X; r++) {                                       \
            const int side = PHASE_SIDE(r, X), start = PHASE_START(r, X) - FIRST(X); \
            lanes s[MOST_SIDE];                                                      \
            UNROLL                                                                   \
            for (int i = 0; i < MOST_SIDE; i++)                                      \
                s[i] = i < side ? (pixels)[start + i] : 0.0f;                        \
            if (PHASE_TAPS(r, X) > 1) {                                              \
                if (side == 3)                                                       \
                    WINOGRAD_DATA_3(s)                                               \
                else if (side == 4)                                                  \
                    WINOGRAD_DATA_4(s)                                               \
                else if (side == 5)                                                  \
                    WINOGRAD_DATA_5(s)                                               \
                else                                                                 \
                    WINOGRAD_DATA_6(s)                                               \
            }                                                                        \
            UNROLL                                                                   \
            for (int i = 0; i < MOST_SIDE; i++) {                                    \
                if (i < side)                                                        \
                    (values)[at + i] = s[i];                                         \
            }                                                                        \
            at += side;                                                              \
        }                                                                            \
    }

// One tile of a block of channels, from the plane x to v and on in steps from point to point.
void transform_x(const struct shape *s, __global const float *restrict x, __global float *restrict v,
                 int step, int tile_h, int tile_w)
{
    const int h = tile_h * TILE_H + FIRST(H), w = tile_w * TILE_W + FIRST(W);
    lanes rows[SPAN(H)][POINTS(W)];
    for (int i = 0; i < SPAN(H); i++) {
        lanes pixels[SPAN(W)], values[POINTS(W)];
        UNROLL
        for (int j = 0; j < SPAN(W); j++) {
            const bool inside = h + i >= 0 && h + i < s->in_h && w + j >= 0 && w + j < s->in_w;
            pixels[j] = 0.0f;
            if (inside)
                pixels[j] = LANES_LOAD(x + ((h + i) * s->in_w + w + j) * LANES);
        }
        AXIS_POINTS(pixels, values, W)
        UNROLL
        for (int j = 0; j < POINTS(W); j++)
            rows[i][j] = values[j];
    }
    for (int j = 0; j < POINTS(W); j++) {
        lanes pixels[SPAN(H)], values[POINTS(H)];
        UNROLL
        for (int i = 0; i < SPAN(H); i++)
            pixels[i] = rows[i][j];
        AXIS_POINTS(pixels, values, H)
        UNROLL
        for (int i = 0; i < POINTS(H); i++)
            *(__global lanes *)(v + (i * POINTS(W) + j) * step) = values[i];
    }
}

// Dimensions: panels of the strip, blocks of channels.
APART void subpixel_winograd_data_work(int3 id, __global const float *restrict x,
                                       __global float *restrict v, struct shape s)
{
    const int panel = id.x, b = id.y, panels = PANELS_OF(s.tiles);
    for (int t = 0; t < PANEL && panel * PANEL + t < s.tiles; t++) {
        const int tile = s.first + panel * PANEL + t;
        transform_x(&s, x + plane_of(&s, tile, b, s.blocks) * s.in_h * s.in_w * LANES,
                    v + panel * PANEL_V(s.blocks) + (b * PANEL + t) * LANES, V_STEP(panels, s.blocks),
                    tile / s.tiles_w % s.tiles_h, tile % s.tiles_w);
    }
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(x) OUT(v) LAST(struct shape, s)
TEAM_KERNEL(subpixel_winograd_data, WORK_GROUP(1, 1, 1), ARGUMENTS)

#elif KIND == 2

#define SCRATCH __global
#include "panel.cl"

// Dimensions: blocks of channels of y, points.
APART void subpixel_winograd_products_work(int3 id, __global const float *restrict u,
                                           __global float *scratch, int tiles, int blocks, int blocks_k)
{
    const int panels = PANELS_OF(tiles), v_step = V_STEP(panels, blocks), m_step = M_STEP(panels);
    const int block = id.x, point = id.y;
    __global const float *v = scratch + point * v_step;
    __global float *m = scratch + ALL_POINTS * v_step + (block * ALL_POINTS + point) * m_step;
    u += (block * ALL_POINTS + point) * WEIGHTS(blocks);
    for (int panel = 0; panel < panels; panel++)
        panel_multiply(v + panel * PANEL_V(blocks), u, m + panel * PANEL_M, blocks);
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(u) OUT(scratch) VALUE(int, tiles) VALUE(int, blocks) LAST(int, blocks_k)
TEAM_KERNEL(subpixel_winograd_products, WORK_GROUP(1, 1, 1), ARGUMENTS)

#else

// From POINTS values to OUT positions of y.
#define AXIS_RESULTS(values, results, X)                            \
    {                                                               \
        int at = 0;                                                 \
        UNROLL                                                      \
        for (int r = 0; r < STRIDE_##X; r++) {                      \
            const int side = PHASE_SIDE(r, X);                      \
            lanes s[MOST_SIDE];                                     \
            UNROLL                                                  \
            for (int i = 0; i < MOST_SIDE; i++)                     \
                s[i] = i < side ? (values)[at + i] : 0.0f;          \
            UNROLL                                                  \
            for (int i = 0; i < TILE_##X; i++) {                    \
                lanes result = s[i];                                \
                if (PHASE_TAPS(r, X) > 1) {                         \
                    if (side == 3)                                  \
                        result = WINOGRAD_RESULT_3(s, i, TILE_##X); \
                    else if (side == 4)                             \
                        result = WINOGRAD_RESULT_4(s, i, TILE_##X); \
                    else if (side == 5)                             \
                        result = WINOGRAD_RESULT_5(s, i, TILE_##X); \
                    else                                            \
                        result = WINOGRAD_RESULT_6(s, i, TILE_##X); \
                }                                                   \
                (results)[i * STRIDE_##X + r] = result;             \
            }                                                       \
            at += side;                                             \
        }                                                           \
    }

// One tile of LANES channels of y from k on, from m and on in steps from point to point to the plane y.
void transform_y(const struct shape *s, __global const float *restrict m, int step,
                 EPILOGUE_ARGUMENTS __global float *restrict y, int k, int tile_h, int tile_w)
{
    const int h = tile_h * OUT(H), w = tile_w * OUT(W);
    lanes rows[OUT(H)][POINTS(W)];
    for (int j = 0; j < POINTS(W); j++) {
        lanes values[POINTS(H)], results[OUT(H)];
        UNROLL
        for (int i = 0; i < POINTS(H); i++)
            values[i] = *(__global const lanes *)(m + (i * POINTS(W) + j) * step);
        AXIS_RESULTS(values, results, H)
        UNROLL
        for (int i = 0; i < OUT(H); i++)
            rows[i][j] = results[i];
    }
    for (int i = 0; i < OUT(H) && h + i < s->out_h; i++) {
        lanes values[POINTS(W)], results[OUT(W)];
        UNROLL
        for (int j = 0; j < POINTS(W); j++)
            values[j] = rows[i][j];
        AXIS_RESULTS(values, results, W)
        __global lanes *to = (__global lanes *)y + (h + i) * s->out_w + w;
        UNROLL
        for (int j = 0; j < OUT(W); j++) {
            if (w + j < s->out_w)
                to[j] = EPILOGUE_CHANNELS(results[j], k, s->channels, to[j]);
        }
    }
}

// Dimensions: panels of the strip, vectors of channels of y.
APART void subpixel_winograd_result_work(int3 id, __global const float *restrict scratch,
                                         EPILOGUE_ARGUMENTS __global float *restrict y, struct shape s)
{
    const int panel = id.x, i = id.y, panels = PANELS_OF(s.tiles);
    __global const float *m = scratch + ALL_POINTS * V_STEP(panels, s.blocks);
    m += i / VECTORS * ALL_POINTS * M_STEP(panels) + panel * PANEL_M + i % VECTORS * PANEL * LANES;
    for (int t = 0; t < PANEL && panel * PANEL + t < s.tiles; t++) {
        const int tile = s.first + panel * PANEL + t;
        transform_y(&s, m + t * LANES, M_STEP(panels),
                    EPILOGUE_PASSED y + plane_of(&s, tile, i, s.blocks_k) * s.out_h * s.out_w * LANES,
                    i * LANES, tile / s.tiles_w % s.tiles_h, tile % s.tiles_w);
    }
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(scratch) EPILOGUE_LIST(IN, VALUE) OUT(y) LAST(struct shape, s)
TEAM_KERNEL(subpixel_winograd_result, WORK_GROUP(1, 1, 1), ARGUMENTS)

#endif
#endif
