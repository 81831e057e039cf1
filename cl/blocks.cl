// blocks.cl - between plain tensors and blocks of LANES channels (conv.h): squares of LANES channels by as
// many pixels are transposed in registers.
#include "prelude.cl"
#include "team.cl"
#include "lane.cl"

#define HALF (LANES / 2)

// Each round lays the second half of the rows between those of the first, like cards.
ALWAYS_INLINE void transpose(lanes row[LANES])
{
    UNROLL
    for (int done = 1; done < LANES; done *= 2) {
        lanes next[LANES];
        UNROLL
        for (int i = 0; i < HALF; i++) {
            next[2 * i].even = row[i].lo;
            next[2 * i].odd = row[HALF + i].lo;
            next[2 * i + 1].even = row[i].hi;
            next[2 * i + 1].odd = row[HALF + i].hi;
        }
        UNROLL
        for (int i = 0; i < LANES; i++)
            row[i] = next[i];
    }
}

// Both kernels' dimensions: runs of `run` pixels, blocks, images.
struct sizes {
    int channels, pixels, blocks, run;
};

APART void blocks_from_plain_work(int3 id, __global const float *restrict plain,
                                  __global float *restrict blocked, struct sizes s)
{
    const int begin = id.x * s.run, block = id.y, n = id.z;
    const int end = min(begin + s.run, s.pixels), present = min(LANES, s.channels - block * LANES);
    __global const float *from = plain + (n * s.channels + block * LANES) * s.pixels;
    __global float *to = blocked + (n * s.blocks + block) * s.pixels * LANES;
    for (int first = begin; first < end; first += LANES) {
        // the last square moves back onto the tensor whole
        const int start = max(min(first, s.pixels - LANES), 0), width = min(LANES, s.pixels);
        lanes row[LANES];
        if (width == LANES) {
            UNROLL
            for (int i = 0; i < LANES; i++)
                row[i] = i < present ? LANES_LOAD(from + i * s.pixels + start) : (lanes)0.0f;
        } else {
            float part[LANES * LANES];
            for (int i = 0; i < LANES * LANES; i++) {
                const int channel = i / LANES, t = i % LANES;
                part[i] = channel < present && t < width ? from[channel * s.pixels + t] : 0.0f;
            }
            UNROLL
            for (int i = 0; i < LANES; i++)
                row[i] = LANES_LOAD(part + i * LANES);
        }
        transpose(row);
        UNROLL
        for (int t = 0; t < LANES; t++)
            if (t < width)
                LANES_STORE(row[t], to + (start + t) * LANES);
    }
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(plain) OUT(blocked) LAST(struct sizes, s)
TEAM_KERNEL(blocks_from_plain, WORK_GROUP(1, 1, 1), ARGUMENTS)
#undef ARGUMENTS

APART void blocks_to_plain_work(int3 id, __global const float *restrict blocked,
                                __global float *restrict plain, struct sizes s)
{
    const int begin = id.x * s.run, block = id.y, n = id.z;
    const int end = min(begin + s.run, s.pixels), present = min(LANES, s.channels - block * LANES);
    __global const float *from = blocked + (n * s.blocks + block) * s.pixels * LANES;
    __global float *to = plain + (n * s.channels + block * LANES) * s.pixels;
    for (int first = begin; first < end; first += LANES) {
        const int start = max(min(first, s.pixels - LANES), 0), width = min(LANES, s.pixels);
        lanes row[LANES];
        UNROLL
        for (int t = 0; t < LANES; t++)
            row[t] = LANES_LOAD(from + (start + min(t, width - 1)) * LANES);
        transpose(row);
        if (width == LANES) {
            UNROLL
            for (int i = 0; i < LANES; i++)
                if (i < present)
                    LANES_STORE(row[i], to + i * s.pixels + start);
        } else {
            float part[LANES * LANES];
            UNROLL
            for (int i = 0; i < LANES; i++)
                LANES_STORE(row[i], part + i * LANES);
            for (int i = 0; i < present; i++)
                for (int t = 0; t < width; t++)
                    to[i * s.pixels + t] = part[i * LANES + t];
        }
    }
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(blocked) OUT(plain) LAST(struct sizes, s)
TEAM_KERNEL(blocks_to_plain, WORK_GROUP(1, 1, 1), ARGUMENTS)
#undef ARGUMENTS
