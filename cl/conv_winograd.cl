// conv_winograd.cl - short kernels by Winograd: x and the weights are taken to POINTS values a tile, those
// multiplied as matrices (tiles by channels, one for each point), and the products taken back to y.
// Weights come transformed: [group][block of channels of y][point][channel of x][VECTORS * LANES]; V, of x:
// [group][point][panel][block of channels of x][tile of the panel][LANES]; M, the products:
// [group][block of y][point][panel][vector][tile of the panel][LANES].
// KIND: 0 transforms the weights; 1 fused: a work-item takes panels of PANEL tiles from x to y through local
// memory; 2, 3, 4 split: the three steps for a strip of tiles through global memory.
// SIDE_H, SIDE_W: points (winograd.cl); TAPS_H, TAPS_W: the kernel's size. X_BLOCK, Y_BLOCK: 0 or LANES.
// A kernel's depth counts as more channels. Dilated, every phase is an image of its own.
#include "prelude.cl"
#include "team.cl"
#include "border.cl"
#include "epilogue_channels.cl"
#include "winograd.cl"

#define POINTS (SIDE_H * SIDE_W)
#define TILE_H WINOGRAD_TILE(SIDE_H, TAPS_H)
#define TILE_W WINOGRAD_TILE(SIDE_W, TAPS_W)

#if KIND == 0

// One work-item for the kernel of every pair of channels; block_k: channels of y in a block.
__kernel void winograd_weights(__global const float *restrict w, __global float *restrict u, int count,
                               int block_k, int c_round, int blocks_k, int c_group, int k_group,
                               int kernel_d, int flip)
{
    int id = LINEAR_ID;
    if (id >= count)
        return;
    const int k = id % block_k, c = id / block_k % c_round, z = id / (block_k * c_round) % kernel_d;
    const int rest = id / (block_k * c_round * kernel_d), block = rest % blocks_k, g = rest / blocks_k;
    const int taps = kernel_d * TAPS_H * TAPS_W, from = g * k_group + block * block_k + k;
    const bool inside = c < c_group && block * block_k + k < k_group;
    float row[TAPS_H][SIDE_W];
    UNROLL
    for (int r = 0; r < TAPS_H; r++) {
        float value[TAPS_W];
        UNROLL
        for (int s = 0; s < TAPS_W; s++) {
            const int tap = (z * TAPS_H + r) * TAPS_W + s;
            value[s] = inside ? w[(from * c_group + c) * taps + (flip ? taps - 1 - tap : tap)] : 0.0f;
        }
        UNROLL
        for (int j = 0; j < SIDE_W; j++) {
            row[r][j] = 0.0f;
            UNROLL
            for (int s = 0; s < TAPS_W; s++)
                row[r][j] += winograd_weight(SIDE_W, TAPS_W, j, s) * value[s];
        }
    }
    u += (rest * POINTS * kernel_d + z) * c_round * block_k + c * block_k + k;
    UNROLL
    for (int i = 0; i < SIDE_H; i++) {
        UNROLL
        for (int j = 0; j < SIDE_W; j++) {
            float sum = 0.0f;
            UNROLL
            for (int r = 0; r < TAPS_H; r++)
                sum += winograd_weight(SIDE_H, TAPS_H, i, r) * row[r][j];
            u[(i * SIDE_W + j) * kernel_d * c_round * block_k] = sum;
        }
    }
}

#else

struct shape {
    int first, tiles; // of this launch
    int tiles_h, tiles_w, groups, c_group, k_group;
    int in_d, in_h, in_w, out_d, out_h, out_w, pad_d, pad_h, pad_w;
    int stride_d, dilation_d, dilation_h, dilation_w, kernel_d;
};

// The blocks of LANES that hold `channels`.
int blocks_of(int channels)
{
    return (channels + LANES - 1) / LANES;
}

// Where a tile's results begin on an axis of y. Its neighbours are a dilation apart; of the phases, which
// take turns, the first ones may have a pixel more.
int tile_start(int tile, int out, int dilation, int results)
{
    if (dilation == 1)
        return tile * results;
    const int longer = out % dilation, of_longer = longer * ((out / dilation + results) / results);
    const int first = tile < of_longer ? 0 : longer, phases = tile < of_longer ? longer : dilation - longer;
    tile -= tile < of_longer ? 0 : of_longer;
    return tile / phases * dilation * results + first + tile % phases;
}

// Where a tile lies: its image; of x, the first plane, the columns, and whether they exist (-1 or 0), and the
// rows, -1 for none; of y, the plane, the first pixel, and how many of its rows and columns exist.
struct patch {
    int n, x_d, x_row[SIDE_H], x_column[SIDE_W], mask[SIDE_W];
    int y_d, y_at, y_rows, y_columns;
};

// For a tile's number; by pointer, for it is large.
void locate(const struct shape *s, int tile, struct patch *at)
{
    const int row = tile / s->tiles_w, plane = row / s->tiles_h;
    const int h = tile_start(row % s->tiles_h, s->out_h, s->dilation_h, TILE_H);
    const int w = tile_start(tile % s->tiles_w, s->out_w, s->dilation_w, TILE_W);
    at->n = plane / s->out_d;
    at->y_d = plane % s->out_d;
    at->x_d = at->y_d * s->stride_d - s->pad_d;
    for (int i = 0; i < SIDE_H; i++)
        at->x_row[i] = border(h - s->pad_h + i * s->dilation_h, s->in_h);
    for (int j = 0; j < SIDE_W; j++) {
        const int column = border(w - s->pad_w + j * s->dilation_w, s->in_w);
        at->x_column[j] = max(column, 0);
        at->mask[j] = column < 0 ? 0 : -1;
    }
    at->y_at = h * s->out_w + w;
    at->y_rows = (s->out_h - h + s->dilation_h - 1) / s->dilation_h;
    at->y_columns = (s->out_w - w + s->dilation_w - 1) / s->dilation_w;
}

#if KIND == 1
#define SCRATCH __local
#else
#define SCRATCH __global
#endif

#if KIND <= 2

// The pixels' values at the points of a row, in place.
#define POINTS_OF_ROW LANE_JOIN(WINOGRAD_DATA_, SIDE_W)
#define POINTS_OF_COLUMN LANE_JOIN(WINOGRAD_DATA_, SIDE_H)
// The rows of a plane's tile are too many for the registers; those of a line's are not.
#if SIDE_W > 1
#define EACH_ROW ROLLED
#else
#define EACH_ROW UNROLL
#endif

// One tile of one block of channels, at depth z of the kernel, to v and on in steps from point to point.
ALWAYS_INLINE void transform_x(const struct shape *s, __global const float *x,
                               SCRATCH float *v, int step, int g, int b, int z,
                               const struct patch *at)
{
    const int x_plane = s->in_h * s->in_w, d = border(at->x_d + z * s->dilation_d, s->in_d);
    lanes rows[SIDE_H][SIDE_W];
#if X_BLOCK
    const int block = at->n * blocks_of(s->c_group * s->groups) + g * s->c_group / LANES + b;
    __global const float *from = x + (block * s->in_d + max(d, 0)) * x_plane * LANES;
    EACH_ROW
    for (int i = 0; i < SIDE_H; i++) {
        const int y = at->x_row[i];
        lanes value[SIDE_W];
        if (d < 0 || y < 0) {
            UNROLL
            for (int j = 0; j < SIDE_W; j++)
                value[j] = 0.0f;
        } else {
            __global const float *line = from + y * s->in_w * LANES;
            UNROLL
            for (int j = 0; j < SIDE_W; j++)
                value[j] = LANES_MASKED(LANES_LOAD(line + at->x_column[j] * LANES), at->mask[j]);
            POINTS_OF_ROW(value)
        }
        UNROLL
        for (int j = 0; j < SIDE_W; j++)
            rows[i][j] = value[j];
    }
#else
    const int channels = min(s->c_group - b * LANES, LANES), x_channel = s->in_d * x_plane;
    __global const float *from =
        x + (((at->n * s->groups + g) * s->c_group + b * LANES) * s->in_d + max(d, 0)) * x_plane;
    // not unrolled: compilers take minutes over it
    float part[POINTS * LANES];
    for (int i = 0; i < POINTS; i++) {
        const int y = at->x_row[i / SIDE_W], pixel = y * s->in_w + at->x_column[i % SIDE_W];
        const bool inside = d >= 0 && y >= 0 && at->mask[i % SIDE_W] != 0;
        for (int j = 0; j < LANES; j++)
            part[i * LANES + j] = inside && j < channels ? from[j * x_channel + pixel] : 0.0f;
    }
    EACH_ROW
    for (int i = 0; i < SIDE_H; i++) {
        lanes value[SIDE_W];
        UNROLL
        for (int j = 0; j < SIDE_W; j++)
            value[j] = LANES_LOAD(part + (i * SIDE_W + j) * LANES);
        POINTS_OF_ROW(value)
        UNROLL
        for (int j = 0; j < SIDE_W; j++)
            rows[i][j] = value[j];
    }
#endif
    UNROLL
    for (int j = 0; j < SIDE_W; j++) {
        lanes value[SIDE_H];
        UNROLL
        for (int i = 0; i < SIDE_H; i++)
            value[i] = rows[i][j];
        POINTS_OF_COLUMN(value)
        UNROLL
        for (int i = 0; i < SIDE_H; i++)
            WHOLE_STORE(SCRATCH, value[i], v + (i * SIDE_W + j) * step);
    }
}

#endif
#if KIND == 1 || KIND == 3

#include "panel.cl"

// The depths of the kernel that meet x from any of the tiles: from x on, before y.
int2 depths_of(const struct shape *s, int first_tile, int last_tile)
{
    int2 all = (int2)(0, s->kernel_d);
#if PAD_MODE == 0
    if (s->kernel_d == 1)
        return all;
    all = all.yx;
    for (int plane = first_tile / (s->tiles_h * s->tiles_w);
         plane <= last_tile / (s->tiles_h * s->tiles_w); plane++) {
        const int at = plane % s->out_d * s->stride_d - s->pad_d, round = s->dilation_d - 1;
        const int begin = (max(-at, 0) + round) / s->dilation_d;
        const int end = min((max(s->in_d - at, 0) + round) / s->dilation_d, s->kernel_d);
        all.x = min(all.x, begin);
        all.y = max(all.y, end);
    }
#endif
    return all;
}

// A panel's products at one point, from the blocks of channels of x from blocks.x on, before blocks.y.
void multiply(SCRATCH const float *restrict v, __global const float *restrict u, SCRATCH float *restrict m,
              int2 blocks)
{
    panel_multiply(v + blocks.x * PANEL * LANES, u + blocks.x * LANES * VECTORS * LANES, m,
                   blocks.y - blocks.x);
}

#endif
#if KIND == 1 || KIND == 4

// One tile of LANES channels of y, k of group g and on, from m and on in steps from point to point.
ALWAYS_INLINE void transform_y(const struct shape *s, SCRATCH const float *m, int step,
                               EPILOGUE_ARGUMENTS __global float *y, int g, int k,
                               const struct patch *at)
{
    const int y_plane = s->out_h * s->out_w, row = s->dilation_h * s->out_w;
    const int first = g * s->k_group + k, k_end = (g + 1) * s->k_group;
    lanes value[TILE_H][SIDE_W];
#if Y_BLOCK
    const int block = at->n * blocks_of(s->k_group * s->groups) + first / LANES;
    y += ((block * s->out_d + at->y_d) * y_plane + at->y_at) * LANES;
#else
    // through `part`, not unrolled: compilers take minutes over it
    const int channels = min(s->k_group - k, LANES), y_channel = s->out_d * y_plane;
    float part[TILE_H * TILE_W * LANES];
    y += ((at->n * s->groups * s->k_group + first) * s->out_d + at->y_d) * y_plane + at->y_at;
#if ACCUMULATE
    for (int i = 0; i < TILE_H * TILE_W; i++) {
        const bool inside = i / TILE_W < at->y_rows && i % TILE_W < at->y_columns;
        const int pixel = i / TILE_W * row + i % TILE_W * s->dilation_w;
        for (int j = 0; j < LANES; j++)
            part[i * LANES + j] = inside && j < channels ? y[j * y_channel + pixel] : 0.0f;
    }
#endif
#endif
    UNROLL
    for (int j = 0; j < SIDE_W; j++) {
        lanes column[SIDE_H];
        UNROLL
        for (int i = 0; i < SIDE_H; i++)
            column[i] = LANES_LOAD(m + (i * SIDE_W + j) * step);
        UNROLL
        for (int i = 0; i < TILE_H; i++)
            value[i][j] = LANE_JOIN(WINOGRAD_RESULT_, SIDE_H)(column, i, TILE_H);
    }
    UNROLL
    for (int i = 0; i < TILE_H; i++) {
        UNROLL
        for (int j = 0; j < TILE_W; j++) {
            const lanes result = LANE_JOIN(WINOGRAD_RESULT_, SIDE_W)(value[i], j, TILE_W);
#if Y_BLOCK
            __global float *to = y + (i * row + j * s->dilation_w) * LANES;
            if (i < at->y_rows && j < at->y_columns)
                WHOLE_STORE(__global, EPILOGUE_CHANNELS(result, first, k_end, LANES_LOAD(to)), to);
#else
            float *to = part + (i * TILE_W + j) * LANES;
            LANES_STORE(EPILOGUE_CHANNELS(result, first, k_end, LANES_LOAD(to)), to);
#endif
        }
    }
#if !Y_BLOCK
    for (int i = 0; i < TILE_H * TILE_W; i++) {
        const int pixel = i / TILE_W * row + i % TILE_W * s->dilation_w;
        if (i / TILE_W < at->y_rows && i % TILE_W < at->y_columns)
            for (int j = 0; j < channels; j++)
                y[j * y_channel + pixel] = part[i * LANES + j];
    }
#endif
}

#endif

// Floats of a panel in V and in M at a point, and of the weights of a block of y; where a tile is in each.
#define PANEL_V(blocks) ((blocks)*PANEL * LANES)
#define PANEL_M (VECTORS * PANEL * LANES)
#define WEIGHTS(blocks) ((blocks)*LANES * VECTORS * LANES)
#define IN_V(b, t, blocks) ((t) / PANEL * PANEL_V(blocks) + ((b)*PANEL + (t) % PANEL) * LANES)
#define IN_M(i, t) ((t) / PANEL * PANEL_M + ((i)*PANEL + (t) % PANEL) * LANES)
#define PANELS_OF(tiles) (((tiles) + PANEL - 1) / PANEL)
#define BLOCKS_K(k_group) (((k_group) + VECTORS * LANES - 1) / (VECTORS * LANES))

#if KIND == 1

// Dimensions: strips of STRIP tiles, whole panels, parts of the blocks of channels of y, groups.
APART void winograd_fused_work(int3 id, __global const float *restrict x, __global const float *restrict u,
                               EPILOGUE_ARGUMENTS __global float *restrict y, int parts, struct shape s,
                               __local lanes *restrict local_scratch)
{
    const int start = id.x * STRIP, part = id.y, g = id.z;
    const int here = min(s.tiles - start, STRIP), panels = PANELS_OF(here);
    const int blocks_c = blocks_of(s.c_group), blocks = blocks_c * s.kernel_d, blocks_k = BLOCKS_K(s.k_group);
    const int v_step = panels * PANEL_V(blocks), m_step = panels * PANEL_M;
    __local float *v = (__local float *)local_scratch, *m = v + POINTS * v_step;

    struct patch patches[STRIP];
    for (int t = 0; t < here; t++)
        locate(&s, s.first + start + t, patches + t);
    for (int b = 0; b < blocks; b++)
        for (int t = 0; t < here; t++)
            transform_x(&s, x, v + IN_V(b, t, blocks), v_step, g, b % blocks_c, b / blocks_c, patches + t);
    int2 met[STRIP / PANEL];
    for (int panel = 0; panel < panels; panel++) {
        const int first = s.first + start + panel * PANEL;
        met[panel] = depths_of(&s, first, min(first + PANEL, s.first + s.tiles) - 1) * blocks_c;
    }
    const int from = part * blocks_k / parts, end = (part + 1) * blocks_k / parts;
    u += (g * blocks_k + from) * POINTS * WEIGHTS(blocks);
    for (int block = from; block < end; block++) {
        for (int point = 0; point < POINTS; point++, u += WEIGHTS(blocks))
            for (int panel = 0; panel < panels; panel++)
                multiply(v + point * v_step + panel * PANEL_V(blocks), u,
                         m + point * m_step + panel * PANEL_M, met[panel]);
        for (int i = 0; i < VECTORS && (block * VECTORS + i) * LANES < s.k_group; i++)
            for (int t = 0; t < here; t++)
                transform_y(&s, m + IN_M(i, t), m_step, EPILOGUE_PASSED y, g, (block * VECTORS + i) * LANES,
                            patches + t);
    }
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(x) IN(u) EPILOGUE_LIST(IN, VALUE) OUT(y) VALUE(int, parts) LAST(struct shape, s)
TEAM_KERNEL_LOCAL(winograd_fused, WORK_GROUP(1, 1, 1), lanes, local_scratch, ARGUMENTS)

#elif KIND == 2

// Dimensions: pieces of `piece` blocks of channels, panels of the strip, groups.
APART void winograd_data_work(int3 id, __global const float *restrict x, __global float *restrict v,
                              int piece, struct shape s)
{
    const int start = id.x * piece, first = id.y * PANEL, g = id.z;
    const int blocks_c = blocks_of(s.c_group), blocks = blocks_c * s.kernel_d;
    const int here = min(s.tiles - first, PANEL), v_step = PANELS_OF(s.tiles) * PANEL_V(blocks);
    struct patch patches[PANEL];
    for (int t = 0; t < here; t++)
        locate(&s, s.first + first + t, patches + t);
    v += g * POINTS * v_step;
    for (int b = start; b < min(start + piece, blocks); b++)
        for (int t = 0; t < here; t++)
            transform_x(&s, x, v + IN_V(b, first + t, blocks), v_step, g, b % blocks_c, b / blocks_c,
                        patches + t);
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(x) OUT(v) VALUE(int, piece) LAST(struct shape, s)
TEAM_KERNEL(winograd_data, WORK_GROUP(1, 1, 1), ARGUMENTS)

#elif KIND == 3

// Dimensions: pieces of `piece` panels, blocks of channels of y times points, groups.
APART void winograd_products_work(int3 id, __global const float *restrict u, __global float *scratch,
                                  int piece, struct shape s)
{
    const int blocks_c = blocks_of(s.c_group), blocks = blocks_c * s.kernel_d, blocks_k = BLOCKS_K(s.k_group);
    const int panels = PANELS_OF(s.tiles), v_step = panels * PANEL_V(blocks), m_step = panels * PANEL_M;
    const int start = id.x * piece, g = id.z;
    const int block = id.y % blocks_k, point = id.y / blocks_k;
    __global const float *v = scratch + (g * POINTS + point) * v_step;
    __global float *m = scratch + s.groups * POINTS * v_step;
    u += ((g * blocks_k + block) * POINTS + point) * WEIGHTS(blocks);
    m += ((g * blocks_k + block) * POINTS + point) * m_step;
    for (int panel = start; panel < min(start + piece, panels); panel++) {
        const int first = s.first + panel * PANEL, end = min(first + PANEL, s.first + s.tiles);
        const int2 met = depths_of(&s, first, end - 1) * blocks_c;
        multiply(v + panel * PANEL_V(blocks), u, m + panel * PANEL_M, met);
    }
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(u) OUT(scratch) VALUE(int, piece) LAST(struct shape, s)
TEAM_KERNEL(winograd_products, WORK_GROUP(1, 1, 1), ARGUMENTS)

#elif KIND == 4

// Dimensions: pieces of `piece` vectors of channels of y, panels of the strip, groups.
APART void winograd_result_work(int3 id, __global const float *restrict scratch,
                                EPILOGUE_ARGUMENTS __global float *restrict y, int piece, struct shape s)
{
    const int start = id.x * piece, first = id.y * PANEL;
    const int g = id.z, here = min(s.tiles - first, PANEL), m_step = PANELS_OF(s.tiles) * PANEL_M;
    const int v_floats = s.groups * POINTS * PANELS_OF(s.tiles) * PANEL_V(blocks_of(s.c_group) * s.kernel_d);
    struct patch patches[PANEL];
    for (int t = 0; t < here; t++)
        locate(&s, s.first + first + t, patches + t);
    for (int i = start; i < min(start + piece, blocks_of(s.k_group)); i++) {
        __global const float *m =
            scratch + v_floats + (g * BLOCKS_K(s.k_group) + i / VECTORS) * POINTS * m_step;
        for (int t = 0; t < here; t++)
            transform_y(&s, m + IN_M(i % VECTORS, first + t), m_step, EPILOGUE_PASSED y, g, i * LANES,
                        patches + t);
    }
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(scratch) EPILOGUE_LIST(IN, VALUE) OUT(y) VALUE(int, piece) LAST(struct shape, s)
TEAM_KERNEL(winograd_result, WORK_GROUP(1, 1, 1), ARGUMENTS)

#endif
#endif
