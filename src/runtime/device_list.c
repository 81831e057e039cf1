#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "base/text.h"
#include "runtime/device.h"
#include "runtime/device_part.h"

#define PLATFORM_NOT_FOUND_KHR (-1001)

static enum cvy_status no_platform(void)
{
    return cvy_fail(CVY_ERROR_NOT_FOUND,
                    "OpenCL: no platform on this machine; install a driver: your GPU vendor's, or "
                    "intel-opencl-icd, mesa-opencl-icd, or pocl-opencl-icd, which runs on any CPU");
}

static enum cvy_status get_platforms(cl_platform_id **ids, cl_uint *count)
{
    cl_uint n = 0;
    cl_int error = clGetPlatformIDs(0, NULL, &n);
    if (error == PLATFORM_NOT_FOUND_KHR || (error == CL_SUCCESS && n == 0))
        return no_platform();
    if (error != CL_SUCCESS)
        return cvy_fail_cl(error, "clGetPlatformIDs");
    cl_platform_id *found = calloc(n, sizeof(*found));
    if (found == NULL)
        return cvy_fail_memory("the list of platforms", n * sizeof(*found));
    error = clGetPlatformIDs(n, found, NULL);
    if (error != CL_SUCCESS) {
        free(found);
        return cvy_fail_cl(error, "clGetPlatformIDs");
    }
    *ids = found;
    *count = n;
    return CVY_OK;
}

/* The platform's devices; *count 0 and *ids NULL where there are none. */
static cl_int get_devices(cl_platform_id platform, cl_device_id **ids, cl_uint *count)
{
    cl_uint n = 0;
    *ids = NULL;
    *count = 0;
    cl_int error = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, NULL, &n);
    if (error != CL_SUCCESS || n == 0)
        return error == CL_SUCCESS ? CL_DEVICE_NOT_FOUND : error;
    cl_device_id *found = calloc(n, sizeof(*found));
    if (found == NULL)
        return CL_OUT_OF_HOST_MEMORY;
    error = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, n, found, NULL);
    if (error != CL_SUCCESS) {
        free(found);
        return error;
    }
    *ids = found;
    *count = n;
    return CL_SUCCESS;
}

static void platform_text(cl_platform_id id, cl_platform_info what, char *text, size_t size)
{
    if (clGetPlatformInfo(id, what, size, text, NULL) != CL_SUCCESS)
        text[0] = '\0';
    text[size - 1] = '\0';
}

static enum cvy_status list_platform(cl_platform_id id, size_t index, struct cvy_platform_info *info)
{
    platform_text(id, CL_PLATFORM_NAME, info->name, sizeof(info->name));
    platform_text(id, CL_PLATFORM_VENDOR, info->vendor, sizeof(info->vendor));
    platform_text(id, CL_PLATFORM_VERSION, info->version, sizeof(info->version));
    cl_device_id *ids;
    cl_uint count;
    cl_int error = get_devices(id, &ids, &count);
    if (error == CL_DEVICE_NOT_FOUND) {
        snprintf(info->problem, sizeof(info->problem), "it has no device on this machine");
        return CVY_OK;
    }
    if (error != CL_SUCCESS) {
        snprintf(info->problem, sizeof(info->problem), "its devices cannot be listed: clGetDeviceIDs: %s",
                 cvy_cl_error(error));
        return CVY_OK;
    }
    info->devices = calloc(count, sizeof(*info->devices));
    if (info->devices == NULL) {
        free(ids);
        return cvy_fail_memory("the list of devices", count * sizeof(*info->devices));
    }
    info->n_devices = count;
    for (cl_uint i = 0; i < count; i++) {
        cvy_device_query(ids[i], &info->devices[i]);
        char *selector = info->devices[i].selector;
        if (snprintf(selector, sizeof(info->devices[i].selector), "%zu:%u", index, (unsigned)i) < 0)
            selector[0] = '\0';
    }
    free(ids);
    return CVY_OK;
}

enum cvy_status cvy_platform_list_create(struct cvy_platform_list **list)
{
    cl_platform_id *ids = NULL;
    cl_uint count = 0;
    enum cvy_status status = get_platforms(&ids, &count);
    if (status != CVY_OK)
        return status;
    struct cvy_platform_list *made = calloc(1, sizeof(*made));
    if (made != NULL)
        made->platforms = calloc(count, sizeof(*made->platforms));
    if (made == NULL || made->platforms == NULL) {
        status = cvy_fail_memory("the list of platforms", count * sizeof(*made->platforms));
        goto fail;
    }
    made->n_platforms = count;
    for (cl_uint i = 0; i < count; i++) {
        status = list_platform(ids[i], i, &made->platforms[i]);
        if (status != CVY_OK)
            goto fail;
    }
    free(ids);
    *list = made;
    return CVY_OK;
fail:
    free(ids);
    cvy_platform_list_destroy(&made);
    return status;
}

void cvy_platform_list_destroy(struct cvy_platform_list **list)
{
    if (list == NULL || *list == NULL)
        return;
    for (size_t i = 0; i < (*list)->n_platforms; i++)
        free((*list)->platforms[i].devices);
    free((*list)->platforms);
    free(*list);
    *list = NULL;
}

static bool equal_any_case(const char *a, const char *b)
{
    while (*a != '\0' && tolower((unsigned char)*a) == tolower((unsigned char)*b)) {
        a++;
        b++;
    }
    return *a == *b;
}

static bool contains_any_case(const char *text, const char *part)
{
    for (; *text != '\0'; text++) {
        size_t i = 0;
        while (part[i] != '\0' && tolower((unsigned char)text[i]) == tolower((unsigned char)part[i]))
            i++;
        if (part[i] == '\0')
            return true;
    }
    return false;
}

static bool matches(const struct cvy_device_info *info, const char *selector)
{
    if (selector == NULL || selector[0] == '\0')
        return true;
    if (strspn(selector, "0123456789:") == strlen(selector) && strchr(selector, ':') != NULL)
        return strcmp(info->selector, selector) == 0;
    if (equal_any_case(selector, "gpu"))
        return info->type == CVY_DEVICE_GPU || info->type == CVY_DEVICE_INTEGRATED_GPU;
    for (int type = CVY_DEVICE_CPU; type <= CVY_DEVICE_GPU; type++) {
        if (equal_any_case(selector, cvy_device_type_name((enum cvy_device_type)type)))
            return info->type == (enum cvy_device_type)type;
    }
    return contains_any_case(info->name, selector) || contains_any_case(info->platform, selector);
}

static int type_rank(enum cvy_device_type type)
{
    switch (type) {
    case CVY_DEVICE_GPU:
        return 4;
    case CVY_DEVICE_INTEGRATED_GPU:
        return 3;
    case CVY_DEVICE_ACCELERATOR:
        return 2;
    case CVY_DEVICE_CPU:
        return 1;
    case CVY_DEVICE_OTHER:
        break;
    }
    return 0;
}

static bool stronger(const struct cvy_device_info *a, const struct cvy_device_info *b)
{
    if (type_rank(a->type) != type_rank(b->type))
        return type_rank(a->type) > type_rank(b->type);
    double strength_a = (double)a->compute_units * (double)CVY_MAX(a->clock_mhz, 1) * (double)a->vector_width;
    double strength_b = (double)b->compute_units * (double)CVY_MAX(b->clock_mhz, 1) * (double)b->vector_width;
    return strength_a > strength_b;
}

static enum cvy_status no_match(const struct cvy_platform_list *list, const char *selector)
{
    struct cvy_text there = {0};
    for (size_t i = 0; i < list->n_platforms; i++) {
        const struct cvy_platform_info *platform = &list->platforms[i];
        for (size_t j = 0; j < platform->n_devices; j++) {
            const struct cvy_device_info *info = &platform->devices[j];
            cvy_text_add(&there, "%s%s %s (%s, %s%s)", there.length > 0 ? ", " : "", info->selector,
                         info->name, cvy_device_type_name(info->type), platform->name,
                         info->available                  ? ""
                         : cvy_device_is_new_enough(info) ? ", unavailable"
                                                          : ", older than OpenCL 1.2");
        }
    }
    enum cvy_status status;
    if (there.length == 0) {
        status = cvy_fail(CVY_ERROR_NOT_FOUND,
                          "OpenCL: %zu platform(s) but no device; install a driver for your GPU, or "
                          "pocl-opencl-icd, which runs on any CPU",
                          list->n_platforms);
    } else {
        status = cvy_fail(CVY_ERROR_NOT_FOUND, "device \"%s\": nothing matches; choose one of: %s",
                          selector != NULL ? selector : "", there.data);
    }
    cvy_text_finish(&there);
    return status;
}

/* The ids behind "P:D" of a list made a moment ago. */
static enum cvy_status get_ids(const char *selector, cl_platform_id *platform, cl_device_id *id)
{
    unsigned p = 0, d = 0;
    cl_platform_id *platforms = NULL;
    cl_device_id *devices = NULL;
    cl_uint n_platforms = 0, n_devices = 0;
    if (sscanf(selector, "%u:%u", &p, &d) != 2)
        return cvy_fail(CVY_ERROR_INVALID, "device \"%s\": not of the form PLATFORM:DEVICE", selector);
    enum cvy_status status = get_platforms(&platforms, &n_platforms);
    if (status != CVY_OK)
        return status;
    if (p < n_platforms && get_devices(platforms[p], &devices, &n_devices) == CL_SUCCESS && d < n_devices) {
        *platform = platforms[p];
        *id = devices[d];
    } else {
        status = cvy_fail(CVY_ERROR_NOT_FOUND, "device %s: it vanished while it was being opened", selector);
    }
    free(platforms);
    free(devices);
    return status;
}

/* The strongest of those that match. */
static enum cvy_status select_whole(const char *selector, cl_device_id *id, struct cvy_device_info *info,
                                    struct cvy_cores *cores)
{
    struct cvy_platform_list *list = NULL;
    enum cvy_status status = cvy_platform_list_create(&list);
    if (status != CVY_OK)
        return status;
    const struct cvy_device_info *best = NULL;
    for (size_t i = 0; i < list->n_platforms; i++) {
        for (size_t j = 0; j < list->platforms[i].n_devices; j++) {
            const struct cvy_device_info *candidate = &list->platforms[i].devices[j];
            if (candidate->available && matches(candidate, selector) &&
                (best == NULL || stronger(candidate, best)))
                best = candidate;
        }
    }
    status = best != NULL ? get_ids(best->selector, &cores->platform, id) : no_match(list, selector);
    if (status == CVY_OK) {
        *info = *best;
        cores->root = *id;
    }
    cvy_platform_list_destroy(&list);
    return status;
}

enum cvy_status cvy_device_select(const char *selector, cl_device_id *id, struct cvy_device_info *info,
                                  struct cvy_cores *cores)
{
    char whole[256];
    size_t part, parts;
    struct cvy_cores found = {0};
    struct cvy_device_info found_info;
    cl_device_id found_id = NULL;
    enum cvy_status status = cvy_part_parse(selector, whole, sizeof(whole), &part, &parts);
    if (status == CVY_OK)
        status = select_whole(whole, &found_id, &found_info, &found);
    if (status == CVY_OK && parts > 1)
        status = cvy_part_take(&found_id, part, parts, &found_info, &found);
    if (status != CVY_OK)
        return status;
    *id = found_id;
    *info = found_info;
    *cores = found;
    return CVY_OK;
}
