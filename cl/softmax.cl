// softmax.cl - exp(x) over its sum along one dimension; the largest value is subtracted first, so that exp
// does not overflow. Rows of `size` numbers lie `inner` apart; where that is 1, a work-item's vectors run
// along one row, elsewhere across LANES of them. May run in place.
#define MAY_ALIAS 1
#include "prelude.cl"
#include "team.cl"
#include "planes.cl"

struct sizes {
    int outer, size, inner;
};

#if ACROSS

// Dimensions: LANES rows each, outer.
APART void softmax_work(int3 id, __global const float *x, __global float *y, struct sizes s)
{
    const int first = id.x * LANES, count = s.inner - first;
    if (id.y >= s.outer || count <= 0)
        return;
    x += id.y * s.size * s.inner + first;
    y += id.y * s.size * s.inner + first;
    lanes largest = load_channels(x, 0, count), sum = 0.0f;
    for (int i = 1; i < s.size; i++)
        largest = fmax(largest, load_channels(x + i * s.inner, 0, count));
    for (int i = 0; i < s.size; i++) {
        const lanes value = exp(load_channels(x + i * s.inner, 0, count) - largest);
        sum += value;
        store_some(value, y + i * s.inner, count);
    }
    for (int i = 0; i < s.size; i++)
        store_some(load_channels(y + i * s.inner, 0, count) / sum, y + i * s.inner, count);
}

#else

// Dimensions: rows.
APART void softmax_work(int3 id, __global const float *x, __global float *y, struct sizes s)
{
    if (id.x >= s.outer)
        return;
    x += id.x * s.size;
    y += id.x * s.size;
    const int whole = s.size / LANES * LANES;
    lanes most = x[0], sums = 0.0f;
    for (int i = 0; i < whole; i += LANES)
        most = fmax(most, LANES_LOAD(x + i));
    float each[LANES], largest = x[0], sum = 0.0f;
    LANES_STORE(most, each);
    for (int i = 0; i < LANES; i++)
        largest = fmax(largest, each[i]);
    for (int i = whole; i < s.size; i++)
        largest = fmax(largest, x[i]);
    for (int i = 0; i < whole; i += LANES) {
        const lanes value = exp(LANES_LOAD(x + i) - largest);
        sums += value;
        LANES_STORE(value, y + i);
    }
    LANES_STORE(sums, each);
    for (int i = 0; i < LANES; i++)
        sum += each[i];
    for (int i = whole; i < s.size; i++) {
        const float value = exp(x[i] - largest);
        sum += value;
        y[i] = value;
    }
    for (int i = 0; i < whole; i += LANES)
        LANES_STORE(LANES_LOAD(y + i) / sum, y + i);
    for (int i = whole; i < s.size; i++)
        y[i] /= sum;
}

#endif

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(x) OUT(y) LAST(struct sizes, s)
TEAM_KERNEL(softmax, ANY_WORK_GROUP, ARGUMENTS)
