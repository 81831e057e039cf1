// global_pool.cl - the mean of each plane: of the channels of a block (IN_BLOCKS), or of one channel.
// TO_BLOCKS: 1 where y lies in blocks as x does.
#include "prelude.cl"
#include "team.cl"
#include "planes.cl"

#define SUMS 4 // at a time, so that none waits for the last one

// Dimensions: planes of x. p: of x.
APART void global_average_work(int3 id, __global const float *restrict x, __global float *restrict y,
                               struct planes p)
{
    if (id.x > 0 || id.y >= p.count) // a work-group may be wider than the range
        return;
    lanes sum[SUMS];
    UNROLL
    for (int j = 0; j < SUMS; j++)
        sum[j] = 0.0f;
    x += id.y * p.size;
    int i = 0;
    for (; i + SUMS * LANES <= p.size; i += SUMS * LANES) {
        UNROLL
        for (int j = 0; j < SUMS; j++)
            sum[j] += LANES_LOAD(x + i + j * LANES);
    }
    for (; i + LANES <= p.size; i += LANES)
        sum[0] += LANES_LOAD(x + i);
    const lanes all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
#if IN_BLOCKS
    const lanes mean = all / (float)(p.size / LANES);
    const int k = PLANE_CHANNEL(id.y, p);
    if (TO_BLOCKS)
        LANES_STORE(mean, y + id.y * LANES);
    else
        store_some(mean, y + id.y / p.blocks * p.channels + k, p.channels - k);
#else
    float each[LANES], total = 0.0f;
    LANES_STORE(all, each);
    for (int j = 0; j < LANES; j++)
        total += each[j];
    for (; i < p.size; i++)
        total += x[i];
    y[id.y] = total / (float)p.size;
#endif
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(x) OUT(y) LAST(struct planes, p)
TEAM_KERNEL(global_average, ANY_WORK_GROUP, ARGUMENTS)
