/* compare.h - how far a result is from what was expected. */
#ifndef TOOLS_COMPARE_H
#define TOOLS_COMPARE_H

#include <convoy/convoy.h>

struct cvy_comparison {
    double max_absolute; /* largest |result - expected| */
    double max_relative; /* the same over the largest |expected|; over 1 where all expected are 0 */
    double psnr;         /* dB, for a peak of 1; infinite where equal; meaningful for pictures */
    bool is_image;
    size_t mismatches; /* elements where just one is NaN, or infinities differ: beyond any tolerance */
    size_t worst;      /* index of the largest error */
};

/* Reads what an output of this type and shape should be, as float32, of integers as float64; prints why it
 * cannot, or that the shape differs. */
bool cvy_expected_load(struct cvy_tensor *expected, const char *path, enum cvy_dtype dtype,
                       const struct cvy_shape *shape);
/*
 * Compares tensors of the same number of elements, of float32, float64, int8, uint8 or int32. is_image: the
 * expected values come from a picture, so the result is first rounded to 8 bits: the comparison is of what
 * would be written.
 */
void cvy_compare(struct cvy_comparison *comparison, const struct cvy_tensor *result,
                 const struct cvy_tensor *expected, bool is_image);
bool cvy_comparison_within(const struct cvy_comparison *comparison, double tolerance);
/* One line for people. */
void cvy_comparison_print(const struct cvy_comparison *comparison, const char *name, const char *path,
                          double tolerance);
struct cJSON;
struct cJSON *cvy_comparison_json(const struct cvy_comparison *comparison, const char *name, const char *path,
                                  double tolerance);

#endif
