/* sort.h - numbers in ascending order. */
#ifndef CVY_BASE_SORT_H
#define CVY_BASE_SORT_H

#include <stddef.h>

void cvy_sort(double *values, size_t count);

#endif
