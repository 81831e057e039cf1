// conv_implicit_gemm.cl - convolution as a product of matrices whose columns are gathered from x on the way
// to local memory. For devices that run many work-items at once.
//
// y's positions that lie a multiple of y_step apart form a class; all of a class are made of the same
// products. Forward there is one class; a transposed convolution has one for each remainder of its stride,
// so that no tap is tried that cannot reach. Position q of a class takes x at q * x_step + a table's entry.
//
// prepared: [class] the number of entries in use; [class][entries] where each product's x lies: offset of
// the channel, then d, h, w less the position's own; [class][group][block][entries][BLOCK_K] the weights.
// An entry is a tap and a channel, taps outermost. What is beyond the last is -1, and its weights are 0.
//
// STAGE: 1 makes that, of TRANSPOSED, FLIP: 0 or 1; 2 the product, of PAD_MODE and tile sizes; 3 adds up
// sums that were SPLIT in pieces. All are of the storage's, and the one that writes y is of the epilogue's.
#include "prelude.cl"
#include "storage.cl"
#include "window.cl"

#if STAGE == 1

struct taps {
    int first, step, count;
};

// Those that reach the positions of a class on one axis.
struct taps taps_of(int reach, int kernel_size, int stride, int dilation, int step)
{
#if TRANSPOSED
    struct taps taps = {first_tap(reach, stride, dilation, step), step, 0};
    if (taps.first < min(step, kernel_size))
        taps.count = (kernel_size - taps.first + step - 1) / step;
#else
    struct taps taps = {0, 1, kernel_size};
#endif
    return taps;
}

// Where a tap reads x, from position 0. reach: padding, and the number of the class.
int relative(int reach, int tap, int stride, int dilation)
{
#if TRANSPOSED
    return (reach - tap * dilation) / stride;
#else
    return tap * dilation - reach;
#endif
}

// Dimensions: groups * blocks * block_k, classes * entries.
__kernel void pack(__global const STORED *restrict w, __global int4 *restrict prepared, int columns,
                   int entries, int c_group, int k_group, int block_k, int blocks, int x_pixels,
                   int classes_d, int classes_h, int classes_w, int kernel_d, int kernel_h, int kernel_w,
                   int stride_d, int stride_h, int stride_w, int dilation_d, int dilation_h, int dilation_w,
                   int pad_d, int pad_h, int pad_w, int step_d, int step_h, int step_w)
{
    const int column = get_global_id(0), row = get_global_id(1);
    const int classes = classes_d * classes_h * classes_w;
    if (column >= columns || row >= classes * entries)
        return;
    const int class = row / entries, entry = row % entries;
    const int reach_d = pad_d + class / (classes_w * classes_h);
    const int reach_h = pad_h + class / classes_w % classes_h, reach_w = pad_w + class % classes_w;
    const struct taps z = taps_of(reach_d, kernel_d, stride_d, dilation_d, step_d);
    const struct taps r = taps_of(reach_h, kernel_h, stride_h, dilation_h, step_h);
    const struct taps s = taps_of(reach_w, kernel_w, stride_w, dilation_w, step_w);
    const int used = z.count * r.count * s.count * c_group;

    const int tap = entry / c_group, c = entry % c_group;
    const bool is_used = entry < used;
    // the counts may be 0 where nothing is used
    const int tap_z = z.first + tap / max(s.count * r.count, 1) * z.step;
    const int tap_r = r.first + tap / max(s.count, 1) % max(r.count, 1) * r.step;
    const int tap_s = s.first + tap % max(s.count, 1) * s.step;
    if (column == 0) {
        prepared[classes + row] =
            is_used ? (int4)(c * x_pixels, relative(reach_d, tap_z, stride_d, dilation_d),
                             relative(reach_h, tap_r, stride_h, dilation_h),
                             relative(reach_w, tap_s, stride_w, dilation_w))
                    : (int4)(-1);
        if (entry == 0)
            prepared[class] = (int4)(used);
    }
    const int k = column / (blocks * block_k) * k_group + column % (blocks * block_k);
    float weight = 0.0f;
    if (is_used && column % (blocks * block_k) < k_group) {
        const int at =
            (TAP(tap_z, kernel_d) * kernel_h + TAP(tap_r, kernel_h)) * kernel_w + TAP(tap_s, kernel_w);
        const int g = k / k_group;
#if TRANSPOSED
        const int channels = (g * c_group + c) * k_group + k % k_group;
#else
        const int channels = k * c_group + c;
#endif
        weight = STORED_LOAD(w, channels * kernel_d * kernel_h * kernel_w + at);
    }
    __global float *packed = (__global float *)(prepared + classes * (1 + entries));
    const int slice = class * (columns / block_k) + column / block_k;
    packed[(slice * entries + entry) * block_k + column % block_k] = weight;
}

#else

#include "epilogue.cl"
#include "shuffle.cl"

#if STAGE == 3

// The pieces lie one behind the other, each in y's order.
__kernel void join(__global const float *restrict sums, EPILOGUE_ARGUMENTS __global STORED *restrict y,
                   int count, int pieces, int y_pixels, int channels, int shuffle)
{
    const int id = LINEAR_ID;
    if (id >= count)
        return;
    float sum = 0.0f;
    for (int i = 0; i < pieces; i++, sums += count)
        sum += sums[id];
    const int k = shuffled_from(id / y_pixels % channels, channels, shuffle);
    STORED_STORE(EPILOGUE(sum, k, STORED_LOAD(y, id)), y, id);
}

#else

#if SPLIT
#define RESULT float
#define RESULT_STORE(value, k, to, at) ((to)[at] = (value))
#else
#define RESULT STORED
#define RESULT_STORE(value, k, to, at) STORED_STORE(EPILOGUE(value, k, STORED_LOAD(to, at)), to, at)
#endif
// A work-item makes PER_K channels of PER_P pixels, a work-group BLOCK_K of BLOCK_P, in steps of DEPTH
// entries. SAME_TAP: 1 where DEPTH divides the channels of a group, so that a step's entries differ in the
// channel alone.
#define ITEMS (SIDE_K * SIDE_P)
#define BLOCK_K (SIDE_K * PER_K)
#define BLOCK_P (SIDE_P * PER_P)
// Each work-item fetches one pixel: of every ROWS-th entry of a step.
#define ROWS (ITEMS / BLOCK_P)
#define FETCHES_X (DEPTH / ROWS)
#define WEIGHTS (DEPTH * BLOCK_K / 4)
#define FETCHES_W ((WEIGHTS + ITEMS - 1) / ITEMS)

// Dimensions: tiles of pixels of all images, blocks of channels, groups times classes times pieces. A piece
// is `span` entries of each sum, a multiple of DEPTH.
__kernel __attribute__((reqd_work_group_size(SIDE_P, SIDE_K, 1)))
void implicit_gemm(__global const STORED *restrict x, __global const int4 *restrict prepared,
                   EPILOGUE_ARGUMENTS __global RESULT *restrict y, int images, int groups, int c_group,
                   int k_group, int shuffle, int entries, int span, int in_d, int in_h, int in_w,
                   int out_d, int out_h, int out_w, int x_step_d, int x_step_h, int x_step_w,
                   int y_step_d, int y_step_h, int y_step_w)
{
    // as vectors, so that they are read in single instructions of 16 bytes
    __local float4 tile_x[DEPTH * BLOCK_P / 4];
    __local float4 tile_w[WEIGHTS];
    __local int y_at[BLOCK_P];
    const int column = get_local_id(0), row = get_local_id(1), item = row * SIDE_P + column;
    const int classes = y_step_d * y_step_h * y_step_w;
    const int g = GROUP_ID(2) % groups, class = GROUP_ID(2) / groups % classes;
    const int piece = GROUP_ID(2) / (groups * classes);
    const int block = GROUP_ID(1), blocks = get_num_groups(1);
    const int class_d = class / (y_step_w * y_step_h), class_h = class / y_step_w % y_step_h;
    const int class_w = class % y_step_w;
    const int depth = (out_d - class_d + y_step_d - 1) / y_step_d;
    const int height = (out_h - class_h + y_step_h - 1) / y_step_h;
    const int width = (out_w - class_w + y_step_w - 1) / y_step_w;
    const int pixels = images * depth * height * width;
    const int x_pixels = in_d * in_h * in_w, channels = groups * k_group, y_pixels = out_d * out_h * out_w;

    // The pixel that this work-item fetches; those behind the last are fetched again and not stored.
    const int first = GROUP_ID(0) * BLOCK_P;
    const int pixel = min(first + item % BLOCK_P, pixels - 1);
    const int q = pixel % width, p = pixel / width % height, o = pixel / (width * height) % depth;
    const int n = pixel / (width * height * depth);
    const int4 origin = (int4)(0, o * x_step_d, p * x_step_h, q * x_step_w);
    __global const STORED *from = x + (n * groups + g) * c_group * x_pixels;
    if (item < BLOCK_P) {
        const int line = (o * y_step_d + class_d) * out_h + p * y_step_h + class_h;
        y_at[item] = first + item < pixels
                         ? n * channels * y_pixels + line * out_w + q * y_step_w + class_w
                         : -1;
    }
    const int begin = piece * span, end = first < pixels ? min(prepared[class].x, begin + span) : 0;
    __global const int4 *table = prepared + classes + class * entries + item / BLOCK_P;
    __global const float4 *weights = (__global const float4 *)(prepared + classes * (1 + entries)) +
                                     ((class * groups + g) * blocks + block) * entries * (BLOCK_K / 4);

    float4 sum[PER_K][PER_P / 4];
    UNROLL
    for (int i = 0; i < PER_K; i++) {
        UNROLL
        for (int j = 0; j < PER_P / 4; j++)
            sum[i][j] = 0.0f;
    }
    barrier(CLK_LOCAL_MEM_FENCE); // for y_at, where the loop has no rounds
    // A step is fetched into registers while the one before is computed: a round more than steps.
    for (int step = begin; step < end + DEPTH; step += DEPTH) {
        float next_x[FETCHES_X];
        float4 next_w[FETCHES_W];
        if (step < end) {
            int offset = 0;
            bool inside = false;
            UNROLL
            for (int i = 0; i < FETCHES_X; i++) {
#if SAME_TAP
                if (i > 0)
                    offset += ROWS * x_pixels;
                else
#endif
                {
                    const int4 entry = table[step + i * ROWS], at = entry + origin;
                    const int d = border(at.y, in_d), h = border(at.z, in_h), w = border(at.w, in_w);
                    inside = (entry.x | d | h | w) >= 0;
                    offset = entry.x + (d * in_h + h) * in_w + w;
                }
                next_x[i] = inside ? STORED_LOAD(from, offset) : 0.0f;
            }
            UNROLL
            for (int i = 0; i < FETCHES_W; i++)
                if (WEIGHTS % ITEMS == 0 || i * ITEMS + item < WEIGHTS)
                    next_w[i] = weights[step * (BLOCK_K / 4) + i * ITEMS + item];
        }
        if (step > begin) {
            UNROLL
            for (int e = 0; e < DEPTH; e++) {
                __local const float *factor = (__local const float *)tile_w + e * BLOCK_K + row * PER_K;
                float4 value[PER_P / 4];
                // work-items side by side read vectors side by side: no two meet in a bank
                UNROLL
                for (int j = 0; j < PER_P / 4; j++)
                    value[j] = tile_x[e * (BLOCK_P / 4) + j * SIDE_P + column];
                UNROLL
                for (int i = 0; i < PER_K; i++) {
                    UNROLL
                    for (int j = 0; j < PER_P / 4; j++)
                        sum[i][j] += factor[i] * value[j];
                }
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        if (step < end) {
            UNROLL
            for (int i = 0; i < FETCHES_X; i++)
                ((__local float *)tile_x)[i * ITEMS + item] = next_x[i];
            UNROLL
            for (int i = 0; i < FETCHES_W; i++)
                if (WEIGHTS % ITEMS == 0 || i * ITEMS + item < WEIGHTS)
                    tile_w[i * ITEMS + item] = next_w[i];
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    UNROLL
    for (int i = 0; i < PER_K; i++) {
        const int in_group = block * BLOCK_K + row * PER_K + i, k = g * k_group + in_group;
        __global RESULT *channel = y + shuffled_to(k, channels, shuffle) * y_pixels;
#if SPLIT
        channel += (size_t)piece * images * channels * y_pixels;
#endif
        UNROLL
        for (int j = 0; j < PER_P / 4; j++) {
            float each[4];
            vstore4(sum[i][j], 0, each);
            UNROLL
            for (int l = 0; l < 4; l++) {
                const int at = y_at[(j * SIDE_P + column) * 4 + l];
                if (in_group < k_group && at >= 0)
                    RESULT_STORE(each[l], k, channel, at);
            }
        }
    }
}

#endif
#endif
