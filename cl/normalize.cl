// normalize.cl - rows of `size` numbers minus their mean, over their standard deviation, times scale, plus
// bias; the variance has epsilon added. A row has `each` scales, each for as many numbers in turn; those of
// `groups` rows lie one after another. ALONG: 1 where every number has its own. HAS_BIAS: 0 or 1. May run in
// place.
#define MAY_ALIAS 1
#include "prelude.cl"
#include "team.cl"
#include "lane.cl"

struct sizes {
    int rows, size, each, groups;
};

ALWAYS_INLINE float mean_of(__global const float *x, int size)
{
    const int whole = size / LANES * LANES;
    lanes sums = 0.0f;
    for (int i = 0; i < whole; i += LANES)
        sums += LANES_LOAD(x + i);
    float sum = lanes_total(sums);
    for (int i = whole; i < size; i++)
        sum += x[i];
    return sum / size;
}

ALWAYS_INLINE float variance_of(__global const float *x, int size, float mean)
{
    const int whole = size / LANES * LANES;
    lanes sums = 0.0f;
    for (int i = 0; i < whole; i += LANES) {
        const lanes away = LANES_LOAD(x + i) - mean;
        sums += away * away;
    }
    float sum = lanes_total(sums);
    for (int i = whole; i < size; i++)
        sum += (x[i] - mean) * (x[i] - mean);
    return sum / size;
}

#if HAS_BIAS
#define BIAS(value) (value)
#else
#define BIAS(value) 0.0f
#endif

// Dimensions: rows.
APART void normalize_rows_work(int3 id, __global const float *x, __global const float *scale,
                          __global const float *bias, __global float *y, float epsilon, struct sizes s)
{
    if (id.x >= s.rows)
        return;
    x += id.x * s.size;
    y += id.x * s.size;
    scale += id.x % s.groups * s.each;
    bias += id.x % s.groups * s.each;
    const float mean = mean_of(x, s.size), factor = 1.0f / sqrt(variance_of(x, s.size, mean) + epsilon);
#if ALONG
    const int whole = s.size / LANES * LANES;
    for (int i = 0; i < whole; i += LANES)
        LANES_STORE((LANES_LOAD(x + i) - mean) * factor * LANES_LOAD(scale + i) + BIAS(LANES_LOAD(bias + i)),
                    y + i);
    for (int i = whole; i < s.size; i++)
        y[i] = (x[i] - mean) * factor * scale[i] + BIAS(bias[i]);
#else
    const int inner = s.size / s.each, whole = inner / LANES * LANES;
    for (int c = 0; c < s.each; c++, x += inner, y += inner) {
        const float times = factor * scale[c], plus = BIAS(bias[c]);
        for (int i = 0; i < whole; i += LANES)
            LANES_STORE((LANES_LOAD(x + i) - mean) * times + plus, y + i);
        for (int i = whole; i < inner; i++)
            y[i] = (x[i] - mean) * times + plus;
    }
#endif
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(x) IN(scale) IN(bias) OUT(y) VALUE(float, epsilon) LAST(struct sizes, s)
TEAM_KERNEL(normalize_rows, ANY_WORK_GROUP, ARGUMENTS)
