// planes.cl - kernels that go over a tensor once see it as planes of floats that lie side by side; each
// work-item does a run of one of them. LANES: lane.cl. IN_BLOCKS: a plane is a block of LANES channels of an
// image; TAIL: the last of those is filled up with zeros.
#include "lane.cl"

#ifndef TAIL
#define TAIL 0
#endif

// blocks, channels: of an image in blocks.
struct planes {
    int count, size, run, blocks, channels;
};

// The channel that a plane in blocks begins with.
#if IN_BLOCKS
#define PLANE_CHANNEL(plane, p) ((plane) % (p).blocks * LANES)
#else
#define PLANE_CHANNEL(plane, p) 0
#endif

// Zeros where the vector of channels k, k + 1, ... reaches beyond the last one.
ALWAYS_INLINE lanes filled_up(lanes value, int k, int channels)
{
    return TAIL ? end_of_channels(value, k, channels) : value;
}

// 1 where the test of vectors is true, else 0.
#if LANES > 1
#define TRUTH(test) select((lanes)0.0f, (lanes)1.0f, test)
#define ALL_LANES(test) all(test)
#else
#define TRUTH(test) ((test) ? 1.0f : 0.0f)
#define ALL_LANES(test) (test)
#endif

// The first `count` numbers.
ALWAYS_INLINE void store_some(lanes value, __global float *to, int count)
{
    float each[LANES];
    LANES_STORE(value, each);
    for (int i = 0; i < count && i < LANES; i++)
        to[i] = each[i];
}
