/* compare.c - errors of a result against the expected values. */
#include "compare.h"

#include "cli.h"
#include "tensor_file.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>

static double element(const struct cvy_tensor *tensor, size_t i)
{
    switch (tensor->dtype) {
    case CVY_FLOAT64:
        return ((const double *)tensor->data)[i];
    case CVY_INT8:
        return ((const int8_t *)tensor->data)[i];
    case CVY_UINT8:
    case CVY_BOOL:
        return ((const uint8_t *)tensor->data)[i];
    case CVY_INT64:
        return (double)((const int64_t *)tensor->data)[i];
    case CVY_INT32:
        return ((const int32_t *)tensor->data)[i];
    default:
        return (double)((const float *)tensor->data)[i];
    }
}

void cvy_compare(struct cvy_comparison *comparison, const struct cvy_tensor *result,
                 const struct cvy_tensor *expected, bool is_image)
{
    double largest = 0, squares = 0;
    *comparison = (struct cvy_comparison){.is_image = is_image};
    for (size_t i = 0; i < result->elements; i++) {
        double a = element(result, i), b = element(expected, i);
        a = is_image ? (double)(cvy_image_sample((float)a) / 255.0f) : a;
        /* what is equal includes equal infinities, whose difference would be NaN */
        if (a == b || (isnan(a) && isnan(b))) {
            largest = isfinite(b) ? fmax(largest, fabs(b)) : largest;
            continue;
        }
        if (!isfinite(a) || !isfinite(b)) {
            comparison->worst = comparison->mismatches++ ? comparison->worst : i;
            continue;
        }
        double error = fabs(a - b);
        largest = fmax(largest, fabs(b));
        squares += error * error;
        if (error > comparison->max_absolute) {
            comparison->max_absolute = error;
            comparison->worst = comparison->mismatches ? comparison->worst : i;
        }
    }
    comparison->max_relative = comparison->max_absolute / (largest > 0 ? largest : 1);
    comparison->psnr = squares > 0 ? 10 * log10((double)result->elements / squares) : INFINITY;
}

/* Equal after dropping dimensions of 1 in front: a picture CxHxW is one of 1xCxHxW. */
static bool same_shape(const struct cvy_shape *a, const struct cvy_shape *b)
{
    size_t i = 0, j = 0;
    while (i < a->rank && a->rank - i > b->rank && a->dims[i] == 1) {
        i++;
    }
    while (j < b->rank && b->rank - j > a->rank && b->dims[j] == 1) {
        j++;
    }
    if (a->rank - i != b->rank - j) {
        return false;
    }
    for (; i < a->rank; i++, j++) {
        if (a->dims[i] != b->dims[j]) {
            return false;
        }
    }
    return true;
}

bool cvy_expected_load(struct cvy_tensor *expected, const char *path, enum cvy_dtype dtype,
                       const struct cvy_shape *shape)
{
    char got[128], want[128];
    struct cvy_image_params params = {0};
    if (cvy_file_is_image(path)) {
        if (!cvy_file_can_hold(path, dtype, shape)) {
            return false;
        }
        params.channels = shape->dims[shape->rank - 3];
    }
    /* float32 does not hold every int32 */
    enum cvy_dtype wide = dtype == CVY_FLOAT32 ? CVY_FLOAT32 : CVY_FLOAT64;
    if (!cvy_file_load(expected, path, wide, &params)) {
        return false;
    }
    if (!same_shape(shape, &expected->shape)) {
        cvy_cli_error("%s: %s, but the output is %s; expect a file of the output's shape", path,
                      cvy_shape_format(&expected->shape, want, sizeof(want)),
                      cvy_shape_format(shape, got, sizeof(got)));
        cvy_tensor_finish(expected);
        return false;
    }
    return true;
}

bool cvy_comparison_within(const struct cvy_comparison *comparison, double tolerance)
{
    return comparison->mismatches == 0 && comparison->max_relative <= tolerance;
}

void cvy_comparison_print(const struct cvy_comparison *comparison, const char *name, const char *path,
                          double tolerance)
{
    printf("%s against %s: largest error %.3g absolute, %.3g relative", name, path, comparison->max_absolute,
           comparison->max_relative);
    if (comparison->is_image) {
        printf(", PSNR %.2f dB", comparison->psnr);
    }
    if (comparison->mismatches) {
        printf(", %zu elements with a NaN or infinity on one side", comparison->mismatches);
    }
    if (cvy_comparison_within(comparison, tolerance)) {
        printf("; within %g\n", tolerance);
    } else {
        printf("; beyond %g, worst at element %zu\n", tolerance, comparison->worst);
    }
}

cJSON *cvy_comparison_json(const struct cvy_comparison *comparison, const char *name, const char *path,
                           double tolerance)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "output", name);
    cJSON_AddStringToObject(json, "file", path);
    cJSON_AddNumberToObject(json, "max_absolute", comparison->max_absolute);
    cJSON_AddNumberToObject(json, "max_relative", comparison->max_relative);
    if (comparison->is_image) {
        /* null where the pictures are equal: JSON has no infinity */
        cJSON_AddNumberToObject(json, "psnr_db", comparison->psnr);
    }
    cJSON_AddNumberToObject(json, "mismatches", (double)comparison->mismatches);
    cJSON_AddNumberToObject(json, "tolerance", tolerance);
    cJSON_AddBoolToObject(json, "within", cvy_comparison_within(comparison, tolerance));
    return json;
}
