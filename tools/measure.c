/* measure.c - data to run on, and the median of times. */
#include "measure.h"

#include <math.h>
#include <stdlib.h>

/* Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8(14), 2003 */
void cvy_random_fill(float *values, size_t count, uint32_t *state)
{
    for (size_t i = 0; i < count; i++) {
        *state ^= *state << 13;
        *state ^= *state >> 17;
        *state ^= *state << 5;
        values[i] = (float)(*state >> 8) / (float)(1 << 23) - 1;
    }
}

bool cvy_place(struct cvy_buffer **buffer, struct cvy_device *device, size_t bytes, const float *data)
{
    float *poison = data ? NULL : malloc(bytes);
    for (size_t i = 0; poison && i < bytes / sizeof(*poison); i++) {
        poison[i] = NAN;
    }
    const float *from = data ? data : poison;
    const bool done = from && cvy_buffer_create(buffer, device, bytes) == CVY_OK &&
                      cvy_buffer_write(*buffer, 0, bytes, from) == CVY_OK;
    free(poison);
    return done;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double cvy_median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), by_value);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}
