// conv_narrow.cl - few channels of y from x in blocks: a vector is the LANES channels of a block of x, which
// meet their weights; all K channels of y for PIXELS pixels of a row have such vectors of sums in registers,
// each of which becomes one number at the end. Y_BLOCK: 1 where y is plain; STRIDE_W; PAD_MODE; the
// epilogue's. Weights come packed: [block of x][tap][K][LANES].
#include "prelude.cl"
#include "team.cl"
#include "lane.cl"
#include "window.cl"
#include "epilogue.cl"

__kernel void narrow_pack(__global const float *restrict w, __global float *restrict packed, int count,
                          int channels, int taps, int flip)
{
    const int id = LINEAR_ID;
    if (id >= count)
        return;
    const int k = id / LANES % K, tap = id / (LANES * K) % taps;
    const int c = id / (LANES * K * taps) * LANES + id % LANES;
    const int from = (k * channels + c) * taps + (flip ? taps - 1 - tap : tap);
    packed[id] = c < channels ? w[from] : 0.0f;
}

// What a tap adds; pixel t of the tile sees the block at `at`, which may be nowhere.
#define ADD_TAP(at, guard)                                                                                   \
    {                                                                                                        \
        lanes weight[K];                                                                                     \
        UNROLL                                                                                               \
        for (int k = 0; k < K; k++)                                                                          \
            weight[k] = LANES_LOAD(weights + k * LANES);                                                     \
        UNROLL                                                                                               \
        for (int t = 0; t < PIXELS; t++) {                                                                   \
            guard                                                                                            \
            {                                                                                                \
                const lanes value = LANES_LOAD(line + (at)*LANES);                                           \
                UNROLL                                                                                       \
                for (int k = 0; k < K; k++)                                                                  \
                    sum[k][t] += value * weight[k];                                                          \
            }                                                                                                \
        }                                                                                                    \
    }

// What a row of taps adds on one line of a block of x; `left` is where its first tap meets pixel 0.
ALWAYS_INLINE void add_line(__global const float *line, __global const float *weights, int left,
                            struct window win, lanes sum[K][PIXELS])
{
    const int span = (win.kernel_w - 1) * win.dilation_w + (PIXELS - 1) * STRIDE_W;
    if (left >= 0 && left + span < win.in_w) {
        ROLLED
        for (int s = 0; s < win.kernel_w; s++, left += win.dilation_w, weights += K * LANES)
            ADD_TAP(left + t * STRIDE_W, )
        return;
    }
    ROLLED
    for (int s = 0; s < win.kernel_w; s++, left += win.dilation_w, weights += K * LANES)
        ADD_TAP(at, const int at = border(left + t * STRIDE_W, win.in_w); if (at >= 0))
}

// Of one launch.
struct sizes {
    int rows, channels;
};

// Dimensions: strips of `rows` rows of y, images.
APART void narrow_work(int3 id, __global const float *restrict x, __global const float *restrict packed,
                       EPILOGUE_ARGUMENTS __global float *restrict y, struct sizes s, struct window win)
{
    const int x_blocks = (s.channels + LANES - 1) / LANES;
    const int x_pixels = win.in_d * win.in_h * win.in_w, y_pixels = win.out_d * win.out_h * win.out_w;
    const int first_row = id.x * s.rows, end_row = min(first_row + s.rows, win.out_d * win.out_h);
    x += id.y * x_blocks * x_pixels * LANES;
    y += id.y * (Y_BLOCK > 1 ? Y_BLOCK : K) * y_pixels;
    for (int row = first_row; row < end_row; row++) {
        const int o = row / win.out_h, p = row % win.out_h;
        for (int q = 0; q < win.out_w; q += PIXELS) {
            // the last tile of a row moves back onto y whole; what lies before q is not written
            const int start = min(q, win.out_w - PIXELS);
            __global const float *weights = packed;
            lanes sum[K][PIXELS];
            UNROLL
            for (int i = 0; i < K * PIXELS; i++)
                sum[i / PIXELS][i % PIXELS] = 0.0f;
            for (int c = 0; c < x_blocks; c++) {
                for (int z = 0; z < win.kernel_d; z++) {
                    const int d = border(o * win.stride_d - win.pad_d + z * win.dilation_d, win.in_d);
                    for (int r = 0; r < win.kernel_h; r++, weights += win.kernel_w * K * LANES) {
                        const int h = border(p * win.stride_h - win.pad_h + r * win.dilation_h, win.in_h);
                        if (d >= 0 && h >= 0)
                            add_line(x + ((c * win.in_d + d) * win.in_h + h) * win.in_w * LANES, weights,
                                     start * STRIDE_W - win.pad_w, win, sum);
                    }
                }
            }
            UNROLL
            for (int t = 0; t < PIXELS; t++) {
                __global float *to = y + (row * win.out_w + start + t) * Y_BLOCK;
                if (start + t < q)
                    continue;
                UNROLL
                for (int k = 0; k < K; k++) {
                    __global float *at = to + (Y_BLOCK > 1 ? k : k * y_pixels);
                    *at = EPILOGUE(lanes_total(sum[k][t]), k, *at);
                }
                // a block is filled up
                for (int k = K; k < Y_BLOCK; k++)
                    to[k] = 0.0f;
            }
        }
    }
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(x) IN(packed) EPILOGUE_LIST(IN, VALUE) OUT(y) VALUE(struct sizes, s) LAST(struct window, win)
TEAM_KERNEL(narrow, WORK_GROUP(1, 1, 1), ARGUMENTS)
