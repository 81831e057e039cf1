// panel.cl - a panel of PANEL tiles times weights: the step of Winograd's method in which all the work lies.
// LANES: see lane.cl; VECTORS: of channels of y at once; SCRATCH: the memory that tiles and products are in.

// v: [block of LANES channels][tile][LANES]; weights: [channel][VECTORS * LANES]; m: [vector][tile][LANES].
void panel_multiply(SCRATCH const float *restrict v, __global const float *restrict weights,
                    SCRATCH float *restrict m, int blocks)
{
    lanes sum[VECTORS][PANEL];
    UNROLL
    for (int i = 0; i < VECTORS; i++) {
        UNROLL
        for (int t = 0; t < PANEL; t++)
            sum[i][t] = 0.0f;
    }
    for (int b = 0; b < blocks; b++, v += PANEL * LANES) {
        ROLLED
        for (int c = 0; c < LANES; c++, weights += VECTORS * LANES) {
            lanes weight[VECTORS];
            UNROLL
            for (int i = 0; i < VECTORS; i++)
                weight[i] = LANES_LOAD(weights + i * LANES);
            UNROLL
            for (int t = 0; t < PANEL; t++) {
                const float value = v[t * LANES + c];
                UNROLL
                for (int i = 0; i < VECTORS; i++)
                    sum[i][t] += value * weight[i];
            }
        }
    }
    UNROLL
    for (int i = 0; i < VECTORS; i++) {
        UNROLL
        for (int t = 0; t < PANEL; t++)
            WHOLE_STORE(SCRATCH, sum[i][t], m + (i * PANEL + t) * LANES);
    }
}
