// lane.cl - explicit vectors of LANES floats (1, 2, 4, 8 or 16), for devices whose work-items fill registers.

#define LANE_PASTE(a, b) a##b
#define LANE_JOIN(a, b) LANE_PASTE(a, b)

// LANES_MASKED: the value, or 0, where the mask is -1, or 0.
#if LANES == 1
typedef float lanes;
typedef int lanes_int;
#define LANES_NUMBERS 0
#define LANES_LOAD(from) (*(from))
#define LANES_STORE(value, to) (*(to) = (value))
#define LANES_MASKED(value, mask) as_float(as_int(value) & (mask))
#else
typedef LANE_JOIN(float, LANES) lanes;
typedef LANE_JOIN(int, LANES) lanes_int;
#define LANES_NUMBERS LANE_JOIN(lane_numbers_, LANES)
#define lane_numbers_2 ((int2)(0, 1))
#define lane_numbers_4 ((int4)(0, 1, 2, 3))
#define lane_numbers_8 ((int8)(0, 1, 2, 3, 4, 5, 6, 7))
#define lane_numbers_16 ((int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))
#define LANES_LOAD(from) LANE_JOIN(vload, LANES)(0, from)
#define LANES_STORE(value, to) LANE_JOIN(vstore, LANES)(value, 0, to)
#define LANES_MASKED(value, mask) LANE_JOIN(as_float, LANES)(LANE_JOIN(as_int, LANES)(value) & (mask))
#endif

// Channels k, k + 1, ... of a row that ends at channel k_end, and zeros behind it.
ALWAYS_INLINE lanes load_channels(__global const float *row, int k, int k_end)
{
    if (k + LANES <= k_end)
        return LANES_LOAD(row + k);
    float each[LANES];
    for (int i = 0; i < LANES; i++)
        each[i] = k + i < k_end ? row[k + i] : 0.0f;
    return LANES_LOAD(each);
}

// The same of a vector that is there.
ALWAYS_INLINE lanes end_of_channels(lanes value, int k, int k_end)
{
    const lanes zero = 0.0f;
    return k + LANES <= k_end ? value : select(value, zero, (lanes_int)(k + LANES_NUMBERS >= k_end));
}

// The sum of a vector's numbers.
ALWAYS_INLINE float lanes_total(lanes value)
{
#if LANES == 16
    const float8 eight = value.lo + value.hi;
#elif LANES == 8
    const float8 eight = value;
#endif
#if LANES >= 8
    const float4 four = eight.lo + eight.hi;
#elif LANES == 4
    const float4 four = value;
#endif
#if LANES >= 4
    const float2 two = four.lo + four.hi;
#elif LANES == 2
    const float2 two = value;
#endif
#if LANES >= 2
    return two.x + two.y;
#else
    return value;
#endif
}

// The floats from begin to end of a row.
ALWAYS_INLINE void copy_row(__global const float *from, __global float *to, int begin, int end)
{
    int i = begin;
    for (; i + LANES <= end; i += LANES)
        LANES_STORE(LANES_LOAD(from + i), to + i);
    for (; i < end; i++)
        to[i] = from[i];
}

// Stores a vector; where STREAM is 1, and the compiler knows how, past the caches, which it would only sweep.
#define LANES_PUT(value, to) (*(to) = (value))
#if defined(STREAM) && defined(__has_builtin)
#if STREAM && __has_builtin(__builtin_nontemporal_store)
#undef LANES_PUT
#define LANES_PUT(value, to) __builtin_nontemporal_store(value, to)
#endif
#endif

// Where the compiler knows how: brings a vector that is needed soon as near as the second cache. SPIR-V has
// no such instruction, and its translator ends the process at the builtin that the compiler has.
#define LANES_FETCH(from)
#if defined(__has_builtin) && !defined(__SPIR__) && !defined(__SPIR32__) && !defined(__SPIR64__) &&          \
    !defined(__SPIRV__)
#if __has_builtin(__builtin_prefetch)
#undef LANES_FETCH
#define LANES_FETCH(from) __builtin_prefetch(from, 0, 2)
#endif
#endif
