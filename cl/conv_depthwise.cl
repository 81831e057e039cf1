// conv_depthwise.cl - each channel of x convolved with kernels of its own; LANES pixels along W at once.
// LANES; ITEMS_W x ITEMS_H work-items a work-group; STEP: the stride along W where it is 1 or 2, else 0.
// PAD_MODE; FLIP: 0 or 1; BLOCK_H, KERNEL_H, KERNEL_W as in depthwise.cl; the epilogue's. Other sizes are
// arguments.
#include "prelude.cl"
#if ITEMS_W * ITEMS_H > 1
#undef TEAM
#endif
#include "team.cl"
#include "depthwise.cl"
#include "epilogue.cl"
#include "shuffle.cl"

lanes load_stored(__global const float *from, int left)
{
    if (left >= LANES)
        return LANES_LOAD(from);
    float part[LANES];
    for (int j = 0; j < LANES; j++)
        part[j] = j < left ? from[j] : 0.0f;
    return LANES_LOAD(part);
}

void store_row(__global float *to, lanes value, int left)
{
    if (left >= LANES) {
        LANES_STORE(value, to);
        return;
    }
    float part[LANES];
    LANES_STORE(value, part);
    for (int j = 0; j < left; j++)
        to[j] = part[j];
}

// Dimensions: along W, strips of `rows` rows of a channel of y, images times channels of w.
APART void conv_depthwise_work(int3 id, __global const float *restrict x, __global const float *restrict w,
                               EPILOGUE_ARGUMENTS __global float *restrict y, int x_count, int channels,
                               int multiplier, int shuffle, int rows, int along, struct window win)
{
    const int plane = id.z;
    const int k = plane % channels, n = plane / channels;
    const int y_rows = win.out_d * win.out_h;
    const int first_row = id.y * rows, end_row = min(first_row + rows, y_rows);
    const int x_plane = plane / multiplier * win.in_d;
    const int w_plane = k * win.kernel_d;
    const int y_plane = (n * channels + shuffled_to(k, channels, shuffle)) * y_rows;
    for (int row = first_row, count; row < end_row; row += count) {
        const int o = row / win.out_h, p = row % win.out_h;
        count = min(min(BLOCK_H, win.out_h - p), end_row - row);
        for (int q = id.x * LANES; q < win.out_w; q += along * LANES) {
            lanes sum[BLOCK_H];
            depthwise_sums(x, w, win, x_count, x_plane, w_plane, o, p, q, sum);
            UNROLL
            for (int j = 0; j < BLOCK_H; j++) {
                __global float *to = y + (y_plane + row + j) * win.out_w + q;
                if (j < count)
                    store_row(to, EPILOGUE(sum[j], k, load_stored(to, win.out_w - q)), win.out_w - q);
            }
        }
    }
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(x) IN(w) EPILOGUE_LIST(IN, VALUE) OUT(y) VALUE(int, x_count) VALUE(int, channels) \
    VALUE(int, multiplier) VALUE(int, shuffle) VALUE(int, rows) VALUE(int, along) LAST(struct window, win)
TEAM_KERNEL(conv_depthwise, WORK_GROUP(ITEMS_W, ITEMS_H, 1), ARGUMENTS)
