// rates.cl - a device at its best: multiply-adds, copies, empty work-groups. What they compute is of no use.
// LANES: floats in a vector; ITEMS: work-items in a work-group; CHAINS: multiply-adds in flight.
#include "prelude.cl"
#include "lane.cl"

// Each work-item does rounds * CHAINS * LANES multiply-adds.
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void multiply_add(__global float *restrict y, float factor, float summand, int rounds)
{
    lanes sum[CHAINS];
    float part[LANES], total = 0;
    UNROLL
    for (int i = 0; i < CHAINS; i++)
        sum[i] = (float)(i + (int)get_local_id(0));
    for (int r = 0; r < rounds; r++) {
        UNROLL
        for (int i = 0; i < CHAINS; i++)
            sum[i] = sum[i] * factor + summand;
    }
    UNROLL
    for (int i = 1; i < CHAINS; i++)
        sum[0] += sum[i];
    LANES_STORE(sum[0], part);
    for (int i = 0; i < LANES; i++)
        total += part[i];
    // never, but the compiler cannot know
    if (total < 0)
        y[0] = total;
}

// Each work-group copies its piece, of so many vectors, rounds times.
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void copy(__global const float *restrict x, __global float *restrict y, int piece, int rounds)
{
    const int first = (int)get_group_id(0) * piece;
    for (int r = 0; r < rounds; r++) {
        for (int i = first + (int)get_local_id(0); i < first + piece; i += ITEMS)
            LANES_STORE(LANES_LOAD(x + i * LANES) + (float)r, y + i * LANES);
    }
}

__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void nothing(__global float *restrict y, int never)
{
    if (never)
        y[get_global_id(0)] = 0;
}
