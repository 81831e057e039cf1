// blocks.cl - a plain tensor in blocks of BLOCK channels (conv.h). A work-item moves one pixel of a block.
#include "prelude.cl"

// Dimensions: pixels, blocks, images.
__kernel void blocks_from_plain(__global const float *restrict plain, __global float *restrict blocked,
                                int channels, int pixels)
{
    const int pixel = get_global_id(0), block = get_global_id(1), n = get_global_id(2);
    const int blocks = (channels + BLOCK - 1) / BLOCK;
    if (pixel >= pixels || block >= blocks)
        return;
    __global float *to = blocked + ((n * blocks + block) * pixels + pixel) * BLOCK;
    __global const float *from = plain + (n * channels + block * BLOCK) * pixels + pixel;
    for (int i = 0; i < BLOCK; i++)
        to[i] = block * BLOCK + i < channels ? from[i * pixels] : 0.0f;
}
