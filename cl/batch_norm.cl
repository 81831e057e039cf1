// batch_norm.cl - y = (x - mean) / sqrt(variance + epsilon) * scale + bias, per channel, over planes
// (planes.cl); plain ones are those of a channel. May run in place.
#define MAY_ALIAS 1
#include "prelude.cl"
#include "team.cl"
#include "planes.cl"

#if IN_BLOCKS
#define OF_CHANNEL(values, plane, p) load_channels(values, PLANE_CHANNEL(plane, p), (p).channels)
#else
#define OF_CHANNEL(values, plane, p) (values)[(plane) % (p).channels]
#endif

// Dimensions: runs, planes.
APART void batch_norm_work(int3 id, __global const float *x, __global const float *scale,
                           __global const float *bias, __global const float *mean,
                           __global const float *variance, __global float *y, float epsilon, struct planes p)
{
    if (id.y >= p.count)
        return;
    const lanes center = OF_CHANNEL(mean, id.y, p), shift = OF_CHANNEL(bias, id.y, p);
    const lanes deviation = sqrt(OF_CHANNEL(variance, id.y, p) + epsilon);
    const lanes factor = OF_CHANNEL(scale, id.y, p) / deviation;
    const int end = min((id.x + 1) * p.run, p.size), k = PLANE_CHANNEL(id.y, p);
    int i = id.x * p.run;
    x += id.y * p.size;
    y += id.y * p.size;
    for (; i + LANES <= end; i += LANES)
        LANES_STORE(filled_up((LANES_LOAD(x + i) - center) * factor + shift, k, p.channels), y + i);
    float each[3][LANES];
    if (i < end) {
        LANES_STORE(center, each[0]);
        LANES_STORE(factor, each[1]);
        LANES_STORE(shift, each[2]);
    }
    for (; i < end; i++)
        y[i] = (x[i] - each[0][0]) * each[1][0] + each[2][0];
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(x) IN(scale) IN(bias) IN(mean) IN(variance) OUT(y) VALUE(float, epsilon) LAST(struct planes, p)
TEAM_KERNEL(batch_norm, ANY_WORK_GROUP, ARGUMENTS)
