// tile.cl - the sums of a tile: PIXELS pixels by a vector of channels, on their way from and to a y in blocks
// of channels, where pixels lie Y_STEP vectors apart. After epilogue_channels.cl.

// Of LANES channels from k on, the tile at `from` in y: the bias and what y holds, or the sums so far.
ALWAYS_INLINE void tile_begin(lanes sum[PIXELS], EPILOGUE_ARGUMENTS __global const float *from, int k,
                              int channels, bool is_first, bool exists)
{
    lanes start = 0.0f;
#if HAS_BIAS
    if (is_first)
        start = load_channels(bias, k, channels);
#endif
    UNROLL
    for (int t = 0; t < PIXELS; t++)
        sum[t] = start;
    if (exists && (ACCUMULATE || !is_first)) {
        UNROLL
        for (int t = 0; t < PIXELS; t++)
            sum[t] += ((__global const lanes *)from)[t * Y_STEP];
    }
}

// LANES channels from k on, pixels first, first + 1, ... of the tile that begins at `to`.
ALWAYS_INLINE void tile_store(lanes sum[PIXELS], ACTIVATION_ARGUMENTS __global float *to, int first, int k,
                              int channels, bool is_final)
{
    __global lanes *pixels = (__global lanes *)to;
    if (is_final) {
        UNROLL
        for (int t = 0; t < PIXELS; t++)
            sum[t] = ACTIVATE(sum[t]);
        if (k + LANES > channels) {
            UNROLL
            for (int t = 0; t < PIXELS; t++)
                sum[t] = end_of_channels(sum[t], k, channels);
        }
    }
    if (first == 0) {
        UNROLL
        for (int t = 0; t < PIXELS; t++)
            LANES_PUT(sum[t], pixels + t * Y_STEP);
    } else {
        UNROLL
        for (int t = 1; t < PIXELS; t++)
            if (t >= first)
                pixels[t * Y_STEP] = sum[t];
    }
}
