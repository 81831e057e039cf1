/* explain_format.c - numbers for people: thousands, ratios, a value for each axis. */
#include "explain.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

const char *cvy_format_count(double value, char *text, size_t size)
{
    char digits[400];
    int length = snprintf(digits, sizeof(digits), "%.0f", value);
    size_t used = 0;
    for (int i = 0; i < length && used + 2 < size; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            text[used++] = ',';
        }
        text[used++] = digits[i];
    }
    text[used] = '\0';
    return text;
}

const char *cvy_format_percent(double ratio, char *text, size_t size)
{
    const double percent = 100 * ratio;
    snprintf(text, size, percent < 9.95 ? "%.1f %%" : "%.0f %%", percent);
    return text;
}

const char *cvy_format_axes(const size_t *values, size_t rank, char *text, size_t size)
{
    struct cvy_shape shape = {.rank = rank};
    memcpy(shape.dims, values, rank * sizeof(*values));
    return cvy_shape_format(&shape, text, size);
}

const char *cvy_format_field(const struct cvy_receptive_field *field, size_t axes, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < axes && used < size; i++) {
        int wrote = snprintf(text + used, size - used, "%s%.4g", i ? "x" : "", field[i].size);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
    return text;
}

char cvy_axis_letter(size_t rank, size_t axis)
{
    return "DHW"[CVY_CONV_MAX_RANK - rank + axis];
}

cJSON *cvy_json_axes(const size_t *values, size_t rank)
{
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; i < rank; i++) {
        cJSON_AddItemToArray(array, cJSON_CreateNumber((double)values[i]));
    }
    return array;
}
