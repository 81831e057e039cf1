// lrn.cl - local response normalization across channels (Krizhevsky et al., 2012, section 3.3): x over
// (bias + scale * sum of squares)^beta, summed from `before` channels before to `after` behind, over planes
// (planes.cl); plain ones are those of a channel. ROOTS: beta is 0.75, as in AlexNet.
#include "prelude.cl"
#include "team.cl"
#include "planes.cl"

struct neighbours {
    int before, after;
};

#if ROOTS
#define POWER(base) (rsqrt(base) * sqrt(rsqrt(base)))
#else
#define POWER(base) exp(-beta * log(base))
#endif

// Dimensions: runs, planes.
#if IN_BLOCKS
// Neither before nor after is more than LANES.
APART void lrn_work(int3 id, __global const float *x, __global float *y, float scale, float beta, float bias,
                    struct neighbours n, struct planes p)
{
    if (id.y >= p.count)
        return;
    const int block = id.y % p.blocks, end = min((id.x + 1) * p.run, p.size);
    const lanes zero = 0.0f;
    x += id.y * p.size;
    y += id.y * p.size;
    for (int i = id.x * p.run; i < end; i += LANES) {
        const lanes value = LANES_LOAD(x + i);
        const lanes left = block > 0 ? LANES_LOAD(x + i - p.size) : zero;
        const lanes right = block + 1 < p.blocks ? LANES_LOAD(x + i + p.size) : zero;
        float squares[3 * LANES];
        lanes sum = zero;
        LANES_STORE(left * left, squares);
        LANES_STORE(value * value, squares + LANES);
        LANES_STORE(right * right, squares + 2 * LANES);
        for (int k = LANES - n.before; k <= LANES + n.after; k++)
            sum += LANES_LOAD(squares + k);
        const lanes base = bias + scale * sum;
        LANES_STORE(filled_up(value * POWER(base), block * LANES, p.channels), y + i);
    }
}
#else
APART void lrn_work(int3 id, __global const float *x, __global float *y, float scale, float beta, float bias,
                    struct neighbours n, struct planes p)
{
    if (id.y >= p.count)
        return;
    const int c = id.y % p.channels, end = min((id.x + 1) * p.run, p.size);
    const int first = max(-n.before, -c), last = min(n.after, p.channels - 1 - c);
    int i = id.x * p.run;
    x += id.y * p.size;
    y += id.y * p.size;
    for (; i + LANES <= end; i += LANES) {
        lanes sum = 0.0f;
        for (int k = first; k <= last; k++) {
            const lanes value = LANES_LOAD(x + i + k * p.size);
            sum += value * value;
        }
        const lanes base = bias + scale * sum;
        LANES_STORE(LANES_LOAD(x + i) * POWER(base), y + i);
    }
    for (; i < end; i++) {
        float sum = 0.0f;
        for (int k = first; k <= last; k++)
            sum += x[i + k * p.size] * x[i + k * p.size];
        const float base = bias + scale * sum;
        y[i] = x[i] * POWER(base);
    }
}
#endif

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(x) OUT(y) VALUE(float, scale) VALUE(float, beta) VALUE(float, bias) VALUE(struct neighbours, n) \
    LAST(struct planes, p)
TEAM_KERNEL(lrn, ANY_WORK_GROUP, ARGUMENTS)
