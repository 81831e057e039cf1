// binary.cl - y = FUNCTION(a, b) with broadcasting. May run in place over an operand of y's own shape.
// FUNCTION takes vectors of numbers.
#define MAY_ALIAS 1
#include "prelude.cl"
#include "team.cl"
#if GENERAL
#define LANES 1
#define IN_BLOCKS 0
#endif
#include "planes.cl"

#define ADD(a, b) ((a) + (b))
#define SUB(a, b) ((a) - (b))
#define MUL(a, b) ((a) * (b))
#define DIV(a, b) ((a) / (b))
#define POW(a, b) power(a, b)
#define MIN(a, b) fmin(a, b)
#define MAX(a, b) fmax(a, b)
#define MOD(a, b) ((a) - (b)*floor((a) / (b)))
#define FMOD(a, b) fmod(a, b)
// truth values are 1 and 0
#define EQUAL(a, b) TRUTH((a) == (b))
#define LESS(a, b) TRUTH((a) < (b))
#define LESS_EQUAL(a, b) TRUTH((a) <= (b))
#define GREATER(a, b) TRUTH((a) > (b))
#define GREATER_EQUAL(a, b) TRUTH((a) >= (b))
#define AND(a, b) TRUTH((a) != 0.0f && (b) != 0.0f)
#define OR(a, b) TRUTH((a) != 0.0f || (b) != 0.0f)
#define PRELU(a, b) ((a) < 0.0f ? (a) * (b) : (a))

// squares, as variances are made of, without a logarithm
ALWAYS_INLINE lanes power(lanes a, lanes b)
{
    if (ALL_LANES(b == 2.0f))
        return a * a;
    return pow(a, b);
}

#if GENERAL

// table: rank, sizes of y, strides of a, strides of b; a stride of 0 repeats a dimension.
__kernel void binary(__global const float *a, __global const float *b, __global float *y,
                     __global const int *table, int count)
{
    int i = LINEAR_ID;
    if (i >= count)
        return;
    int rank = table[0], rest = i, at_a = 0, at_b = 0;
    for (int d = rank; d > 0; d--) {
        int position = rest % table[d];
        rest /= table[d];
        at_a += position * table[rank + d];
        at_b += position * table[2 * rank + d];
    }
    y[i] = FUNCTION(a[at_a], b[at_b]);
}

#else

// How an operand lies against the planes of y (planes.cl). A, B: of each.
#define EACH 0     // a plane of numbers for every plane
#define NUMBER 1   // a number for every plane
#define CHANNELS 2 // y in blocks: a number for every channel

// period: planes after which it begins again; image, of CHANNELS: from one image's numbers to the next's.
struct operand {
    int period, image;
};

struct sizes {
    struct planes p;
    struct operand a, b;
};

// Where the plane's numbers begin; of CHANNELS, the image's.
ALWAYS_INLINE __global const float *plane_of(__global const float *from, int kind, struct operand operand,
                                             int plane, struct planes p)
{
    if (kind == CHANNELS)
        return from + (IN_BLOCKS ? plane / p.blocks : 0) * operand.image;
    return from + plane % operand.period * (kind == EACH ? p.size : 1);
}

// The same vector for a whole plane.
ALWAYS_INLINE lanes constant_of(__global const float *from, int kind, int k, int channels)
{
    lanes value = 0.0f;
    if (kind == CHANNELS)
        value = load_channels(from, k, channels);
    else if (kind == NUMBER)
        value = from[0];
    return value;
}

// Dimensions: runs, planes.
APART void binary_planes_work(int3 id, __global const float *a, __global const float *b, __global float *y,
                              struct sizes s)
{
    if (id.y >= s.p.count)
        return;
    const int end = min((id.x + 1) * s.p.run, s.p.size), k = PLANE_CHANNEL(id.y, s.p);
    int i = id.x * s.p.run;
    a = plane_of(a, A, s.a, id.y, s.p);
    b = plane_of(b, B, s.b, id.y, s.p);
    y += id.y * s.p.size;
    const lanes all_a = constant_of(a, A, k, s.p.channels), all_b = constant_of(b, B, k, s.p.channels);
    for (; i + LANES <= end; i += LANES) {
        const lanes left = A == EACH ? LANES_LOAD(a + i) : all_a;
        const lanes right = B == EACH ? LANES_LOAD(b + i) : all_b;
        LANES_STORE(filled_up(FUNCTION(left, right), k, s.p.channels), y + i);
    }
    if (i < end) {
        const lanes left = A == EACH ? load_channels(a, i, end) : all_a;
        const lanes right = B == EACH ? load_channels(b, i, end) : all_b;
        store_some(FUNCTION(left, right), y + i, end - i);
    }
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(a) IN(b) OUT(y) LAST(struct sizes, s)
TEAM_KERNEL(binary_planes, ANY_WORK_GROUP, ARGUMENTS)

#endif
