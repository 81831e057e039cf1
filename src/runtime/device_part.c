/* the call of OpenCL 1.2: newer ones are missing from many drivers */
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include "runtime/device_part.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"

bool cvy_device_divides(cl_device_id id)
{
    cl_device_partition_property kinds[8];
    size_t bytes = 0;
    if (clGetDeviceInfo(id, CL_DEVICE_PARTITION_PROPERTIES, sizeof(kinds), kinds, &bytes) != CL_SUCCESS)
        return false;
    for (size_t i = 0; i < bytes / sizeof(kinds[0]); i++)
        if (kinds[i] == CL_DEVICE_PARTITION_EQUALLY)
            return true;
    return false;
}

/* A number at *text, which moves behind it; 0: none, or more than anybody has. */
static size_t read_count(const char **text)
{
    size_t value = 0, digits = strspn(*text, "0123456789");
    for (size_t i = 0; i < digits && digits < 6; i++)
        value = 10 * value + (size_t)((*text)[i] - '0');
    *text += digits;
    return value;
}

enum cvy_status cvy_part_parse(const char *selector, char *text, size_t size, size_t *part, size_t *parts)
{
    const char *slash = selector != NULL ? strrchr(selector, '/') : NULL;
    const char *at = slash != NULL ? slash + 1 : "", *end = at + strspn(at, "0123456789of");
    const bool is_part = *at >= '0' && *at <= '9' && *end == '\0';
    const size_t length = is_part ? (size_t)(slash - selector) : selector != NULL ? strlen(selector) : 0;
    *part = *parts = 0;
    if (length >= size)
        return cvy_fail(CVY_ERROR_INVALID, "device \"%.40s...\": longer than %zu characters", selector,
                        size - 1);
    snprintf(text, size, "%.*s", (int)length, selector != NULL ? selector : "");
    if (!is_part)
        return CVY_OK;
    const size_t k = read_count(&at);
    const bool has_of = strncmp(at, "of", 2) == 0;
    at += has_of ? 2 : 0;
    const size_t n = read_count(&at);
    if (!has_of || *at != '\0' || k < 1 || k > n)
        return cvy_fail(CVY_ERROR_INVALID,
                        "device \"%s\": '%s' is no part of a device; \"%s/1of2\" is the first of two halves",
                        selector, slash, text);
    *part = k;
    *parts = n;
    return CVY_OK;
}

enum cvy_status cvy_part_take(cl_device_id *id, size_t part, size_t parts, struct cvy_device_info *info,
                              struct cvy_cores *cores)
{
    char selector[64];
    const size_t units = info->compute_units / parts, most = units != 0 ? info->compute_units / units : 0;
    const cl_device_partition_property equally[] = {CL_DEVICE_PARTITION_EQUALLY,
                                                    (cl_device_partition_property)units, 0};
    if (!cvy_device_divides(*id))
        return cvy_fail(CVY_ERROR_UNSUPPORTED, "device %s: the driver cannot divide %s; use the whole of it",
                        info->selector, info->name);
    if (units == 0)
        return cvy_fail(CVY_ERROR_INVALID, "device %s: %zu parts, but %s has %zu compute units",
                        info->selector, parts, info->name, info->compute_units);
    cl_device_id *ids = calloc(most, sizeof(cl_device_id));
    cl_uint count = 0;
    if (ids == NULL)
        return cvy_fail_memory("parts of a device", most * sizeof(cl_device_id));
    cl_int error = clCreateSubDevices(*id, equally, (cl_uint)most, ids, &count);
    for (cl_uint i = 0; error == CL_SUCCESS && i < count; i++) {
        if (i + 1 == part)
            *id = ids[i];
        else
            clReleaseDevice(ids[i]);
    }
    free(ids);
    if (error != CL_SUCCESS)
        return cvy_fail_cl(error, "clCreateSubDevices");
    if (count < part)
        return cvy_fail(CVY_ERROR_DEVICE, "device %s: the driver made %u parts instead of %zu",
                        info->selector, (unsigned)count, parts);
    snprintf(selector, sizeof(selector), "%s/%zuof%zu", info->selector, part, parts);
    cvy_device_query(*id, info);
    selector[sizeof(info->selector) - 1] = '\0';
    memcpy(info->selector, selector, sizeof(info->selector));
    cores->first = (part - 1) * units;
    cores->count = units;
    return CVY_OK;
}

bool cvy_cores_meet(const struct cvy_cores *a, const struct cvy_cores *b)
{
    /* the CPU devices of one driver are all on the same cores, and may be on the same threads */
    if (a->platform != b->platform)
        return false;
    if (a->root != b->root || a->count == 0 || b->count == 0)
        return true;
    return a->first < b->first + b->count && b->first < a->first + a->count;
}
