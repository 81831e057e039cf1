/* measure.h - what the benchmark and the races both do: data to run on, and the median of times. */
#ifndef TOOLS_MEASURE_H
#define TOOLS_MEASURE_H

#include <convoy/convoy.h>

#define CVY_RANDOM_BEGIN 2463534242u /* of a state */

/* From -1 to 1: zeros would be kinder to caches and to multipliers than a user's data, and sums of positive
 * values would hide differences. state is any number but 0, and moves on. */
void cvy_random_fill(float *values, size_t count, uint32_t *state);

/* A buffer that holds data, or, where that is NULL, NaNs, so that what is left unwritten shows. */
bool cvy_place(struct cvy_buffer **buffer, struct cvy_device *device, size_t bytes, const float *data);

/* Leaves the values sorted. */
double cvy_median(double *values, size_t count);

#endif
