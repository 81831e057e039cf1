// conv_subpixel_blocks.cl - transposed convolution where x or y lies in blocks of LANES channels. Positions
// of y that lie a multiple of stride apart, a phase, are reached from x through the same taps: on the grid of
// such positions, which is that of x, a phase is a convolution of stride 1. A work-item keeps the sums of
// BLOCKS vectors of channels times PIXELS positions of the grid in registers.
// MERGED: 1 where the channels of all phases count as one phase's, so that few channels fill vectors.
// packed: zeros for positions beyond x, a plan of PLAN ints for each phase, and the weights in panels:
// [group][phase][panel][tap][rows: channels of x][BLOCKS * LANES channels of y], zeros where there are none.
// X_BLOCK, Y_BLOCK: LANES, or 0 where the tensor is plain. FLIP: 0 or 1. IS_DIRECT: 1 where channels of y are
// stored as they come.
#include "prelude.cl"
#include "team.cl"
#include "shuffle.cl"
#include "window.cl"

#if X_BLOCK
#define CHUNK X_BLOCK
#else
#define CHUNK 1
#endif
#define UNIT (CHUNK < 4 ? CHUNK : 4)

#define ZEROS 16
#define PLAN 8
// Of a phase: the least offset from the grid to x and the number of offsets for each axis, then the taps of
// all phases before it and its own.
#define PLAN_TAPS_BEFORE 6
#define PLAN_TAPS 7

__global const int *plan_of(__global const float *packed, int phase)
{
    return (__global const int *)(packed + ZEROS) + phase * PLAN;
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
                   int panels, int width, int rows, int c_group, int k_group, int all_taps,
                   int step_d, int step_h, int step_w, int kernel_d, int kernel_h, int kernel_w,
                   int stride_d, int stride_h, int stride_w, int dilation_d, int dilation_h, int dilation_w,
                   int pad_d, int pad_h, int pad_w)
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
    const int s = tap_of(plan[4] + tap % plan[5] * step_w, of % stride_w, kernel_w,
                         stride_w, dilation_w, pad_w);
    const bool is_channel = c >= 0 && c < c_group && of >= 0 && of < stride_d * stride_h * stride_w;
    float value = 0;
    if (is_channel && z >= 0 && r >= 0 && s >= 0)
        value = w[((((g * c_group + c) * k_group + k) * kernel_d + z) * kernel_h + r) * kernel_w + s];
    const int before = (g * all_taps + plan[PLAN_TAPS_BEFORE]) * panels + panel * taps + tap;
    packed[start + before * rows * width + id] = value;
}

#else

#include "epilogue_channels.cl"

#define UNROLL _Pragma("unroll")
#define WIDTH (BLOCKS * LANES)
#define PIXEL_STEP (Y_BLOCK > 0 ? Y_BLOCK : 1)

// The pixel of y of a phase at a position of the grid; -1: beyond y.
int pixel_of(int phase, int grid_d, int grid_h, int grid_w, struct window win)
{
    const int o = grid_d * win.stride_d + phase / (win.stride_h * win.stride_w);
    const int p = grid_h * win.stride_h + phase / win.stride_w % win.stride_h;
    const int q = grid_w * win.stride_w + phase % win.stride_w;
    return o < win.out_d && p < win.out_h && q < win.out_w ? (o * win.out_h + p) * win.out_w + q : -1;
}

// Of one launch.
struct sizes {
    int start, tiles_each, phases, panels, rows, all_taps, x_image, y_image, channels, c_group, k_group;
    int shuffle, step_d, step_h, step_w;
};

// Dimensions: panels of all groups and phases, tiles_each tiles of PIXELS positions of the grid, images.
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void subpixel_blocks(TEAM_ARGUMENTS __global const float *restrict x, __global const float *restrict packed,
                     EPILOGUE_ARGUMENTS __global float *restrict y, struct sizes s, struct window win)
{
    TEAM_BEGIN;
    const int column = TEAM_ID(0), panel = column % s.panels, phase = column / s.panels % s.phases;
    const int g = column / (s.panels * s.phases), n = TEAM_ID(2);
    const int pixels = win.out_d * win.out_h * win.out_w, x_pixels = win.in_d * win.in_h * win.in_w;
    const int grid_h = (win.out_h + win.stride_h - 1) / win.stride_h;
    const int grid_w = (win.out_w + win.stride_w - 1) / win.stride_w;
    const int grid = (win.out_d + win.stride_d - 1) / win.stride_d * grid_h * grid_w;
    const int c_begin = first_row(g, s.c_group), c_end = (g + 1) * s.c_group;
    __global const int *plan = plan_of(packed, phase);
    int first = TEAM_ID(1) * s.tiles_each * PIXELS;
    const int last = min(first + s.tiles_each * PIXELS, grid);

    y += n * s.y_image;
#if !IS_DIRECT
    // where each channel goes, from the position's first pixel, and the zeros behind it that fill a block up
    const int merged = MERGED ? win.stride_d * win.stride_h * win.stride_w : 1;
    const int n_lanes = min(WIDTH, merged * s.k_group - panel * WIDTH);
    int lane_at[WIDTH], lane_k[WIDTH], lane_ends[WIDTH];
    for (int l = 0; l < n_lanes; l++) {
        const int v = panel * WIDTH + l, of = MERGED ? v / s.k_group : phase;
        const int row = of / (win.stride_h * win.stride_w) * win.out_h + of / win.stride_w % win.stride_h;
        lane_k[l] = g * s.k_group + v % s.k_group;
        const int channel = shuffled_to(lane_k[l], s.channels, s.shuffle), in_block = channel % PIXEL_STEP;
        const int pixel = row * win.out_w + of % win.stride_w;
        lane_at[l] = (channel - in_block) * pixels + pixel * PIXEL_STEP + in_block;
        lane_ends[l] = channel == s.channels - 1 ? PIXEL_STEP - 1 - in_block : 0;
    }
#endif
    for (; first < last; first += PIXELS) {
        const int before = (g * s.all_taps + plan[PLAN_TAPS_BEFORE]) * s.panels + panel * plan[PLAN_TAPS];
        __global const float *weights = packed + s.start + before * s.rows * WIDTH;
        int at_d[PIXELS], at_h[PIXELS], at_w[PIXELS];
        for (int t = 0; t < PIXELS; t++) {
            at_d[t] = (first + t) / (grid_h * grid_w);
            at_h[t] = (first + t) / grid_w % grid_h;
            at_w[t] = (first + t) % grid_w;
        }
        lanes sum[BLOCKS][PIXELS];
        UNROLL
        for (int b = 0; b < BLOCKS; b++) {
            UNROLL
            for (int t = 0; t < PIXELS; t++)
                sum[b][t] = 0.0f;
        }
        for (int tap = 0; tap < plan[PLAN_TAPS]; tap++, weights += s.rows * WIDTH) {
            const int d = plan[0] + tap / (plan[3] * plan[5]) * s.step_d;
            const int h = plan[2] + tap / plan[5] % plan[3] * s.step_h;
            const int w = plan[4] + tap % plan[5] * s.step_w;
            int offset[PIXELS], all = -1;
            UNROLL
            for (int t = 0; t < PIXELS; t++) {
                const int i = at_d[t] + d, j = at_h[t] + h, l = at_w[t] + w;
                const bool inside =
                    i >= 0 && i < win.in_d && j >= 0 && j < win.in_h && l >= 0 && l < win.in_w;
                offset[t] = inside ? ((i * win.in_h + j) * win.in_w + l) * CHUNK : -1;
                all &= offset[t];
            }
            // the whole tile looks beyond x
            if (all < 0)
                continue;
            __global const float *row = weights;
            for (int c = c_begin; c < c_end; c += CHUNK) {
                __global const float *from[PIXELS];
                UNROLL
                for (int t = 0; t < PIXELS; t++)
                    from[t] = offset[t] >= 0 ? x + n * s.x_image + c * x_pixels + offset[t] : packed;
                for (int i = 0; i < min(c_end - c, CHUNK); i += UNIT) {
                    UNROLL
                    for (int u = 0; u < UNIT; u++) {
                        lanes value[BLOCKS];
                        UNROLL
                        for (int b = 0; b < BLOCKS; b++)
                            value[b] = ((__global const lanes *)row)[u * BLOCKS + b];
                        UNROLL
                        for (int t = 0; t < PIXELS; t++) {
                            UNROLL
                            for (int b = 0; b < BLOCKS; b++)
                                sum[b][t] += from[t][i + u] * value[b];
                        }
                    }
                    row += UNIT * WIDTH;
                }
            }
        }
        lanes each[BLOCKS * PIXELS];
        UNROLL
        for (int i = 0; i < BLOCKS * PIXELS; i++)
            each[i] = sum[i / PIXELS][i % PIXELS];
#if IS_DIRECT
        for (int i = 0; i < BLOCKS * PIXELS; i++) {
            const int t = i % PIXELS, v = panel * WIDTH + i / PIXELS * LANES, k = g * s.k_group + v;
            const int pixel = pixel_of(phase, at_d[t], at_h[t], at_w[t], win);
            if (first + t < grid && pixel >= 0 && v < s.k_group) {
                __global lanes *to = (__global lanes *)(y + k * pixels + pixel * LANES);
                *to = EPILOGUE_CHANNELS(each[i], k, s.channels, *to);
            }
        }
#else
        for (int t = 0; t < PIXELS && first + t < grid; t++) {
            float part[WIDTH];
            UNROLL
            for (int b = 0; b < BLOCKS; b++)
                LANES_STORE(each[b * PIXELS + t], part + b * LANES);
            const int o = at_d[t] * win.stride_d, p = at_h[t] * win.stride_h, q = at_w[t] * win.stride_w;
            const bool is_whole = o + win.stride_d <= win.out_d && p + win.stride_h <= win.out_h &&
                                  q + win.stride_w <= win.out_w;
            __global float *to = y + ((o * win.out_h + p) * win.out_w + q) * PIXEL_STEP;
            for (int l = 0; l < n_lanes; l++) {
                if (!is_whole && pixel_of(MERGED ? (panel * WIDTH + l) / s.k_group : phase, at_d[t], at_h[t],
                                          at_w[t], win) < 0)
                    continue;
                to[lane_at[l]] = EPILOGUE(part[l], lane_k[l], to[lane_at[l]]);
                for (int i = 1; i <= lane_ends[l]; i++)
                    to[lane_at[l] + i] = 0.0f;
            }
        }
#endif
    }
    TEAM_END;
}

#endif
