/* arith.h - arithmetic on sizes that notices overflow. */
#ifndef CVY_BASE_ARITH_H
#define CVY_BASE_ARITH_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* false, and *result untouched, on overflow. */
static inline bool cvy_add(size_t a, size_t b, size_t *result)
{
    if (a > SIZE_MAX - b)
        return false;
    *result = a + b;
    return true;
}

static inline bool cvy_mul(size_t a, size_t b, size_t *result)
{
    if (b != 0 && a > SIZE_MAX / b)
        return false;
    *result = a * b;
    return true;
}

/* The only way from size_t to the int of an OpenCL kernel. */
static inline bool cvy_to_int(size_t value, int *result)
{
    if (value > INT_MAX)
        return false;
    *result = (int)value;
    return true;
}

static inline size_t cvy_ceil_div(size_t a, size_t b)
{
    return a / b + (a % b != 0);
}

/* Up to the next multiple; the caller knows that it fits. */
static inline size_t cvy_round_up(size_t a, size_t multiple)
{
    return cvy_ceil_div(a, multiple) * multiple;
}

static inline size_t cvy_gcd(size_t a, size_t b)
{
    while (b != 0) {
        size_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

#define CVY_MIN(a, b) ((a) < (b) ? (a) : (b))
#define CVY_MAX(a, b) ((a) > (b) ? (a) : (b))
#define CVY_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
