#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "runtime/device.h"

static void query_text(cl_device_id id, cl_device_info what, char *text, size_t size)
{
    size_t bytes = 0;
    text[0] = '\0';
    if (clGetDeviceInfo(id, what, 0, NULL, &bytes) != CL_SUCCESS || bytes == 0)
        return;
    char *full = calloc(bytes + 1, 1);
    if (full == NULL)
        return;
    if (clGetDeviceInfo(id, what, bytes, full, NULL) == CL_SUCCESS) {
        const char *start = full + strspn(full, " ");
        snprintf(text, size, "%s", start);
        for (size_t n = strlen(text); n > 0 && text[n - 1] == ' '; n--)
            text[n - 1] = '\0';
    }
    free(full);
}

static cl_uint query_uint(cl_device_id id, cl_device_info what)
{
    cl_uint value = 0;
    return clGetDeviceInfo(id, what, sizeof(value), &value, NULL) == CL_SUCCESS ? value : 0;
}

static cl_ulong query_ulong(cl_device_id id, cl_device_info what)
{
    cl_ulong value = 0;
    return clGetDeviceInfo(id, what, sizeof(value), &value, NULL) == CL_SUCCESS ? value : 0;
}

static bool query_bool(cl_device_id id, cl_device_info what)
{
    cl_bool value = CL_FALSE;
    return clGetDeviceInfo(id, what, sizeof(value), &value, NULL) == CL_SUCCESS && value == CL_TRUE;
}

static void query_work_group(cl_device_id id, struct cvy_device_info *info)
{
    size_t sizes[16] = {0}, most = 0;
    if (clGetDeviceInfo(id, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof(most), &most, NULL) != CL_SUCCESS ||
        most == 0)
        most = 1;
    if (clGetDeviceInfo(id, CL_DEVICE_MAX_WORK_ITEM_SIZES, sizeof(sizes), sizes, NULL) != CL_SUCCESS)
        memset(sizes, 0, sizeof(sizes));
    info->max_work_group = most;
    for (size_t i = 0; i < 3; i++)
        info->max_work_item_sizes[i] = CVY_MAX(sizes[i], 1);
}

static bool has_extension(cl_device_id id, const char *name)
{
    char extensions[16384];
    query_text(id, CL_DEVICE_EXTENSIONS, extensions, sizeof(extensions));
    return strstr(extensions, name) != NULL;
}

static enum cvy_device_type query_type(cl_device_id id, bool unified)
{
    cl_device_type type = 0;
    if (clGetDeviceInfo(id, CL_DEVICE_TYPE, sizeof(type), &type, NULL) != CL_SUCCESS)
        return CVY_DEVICE_OTHER;
    if (type & CL_DEVICE_TYPE_GPU)
        return unified ? CVY_DEVICE_INTEGRATED_GPU : CVY_DEVICE_GPU;
    if (type & CL_DEVICE_TYPE_CPU)
        return CVY_DEVICE_CPU;
    return type & CL_DEVICE_TYPE_ACCELERATOR ? CVY_DEVICE_ACCELERATOR : CVY_DEVICE_OTHER;
}

static void query_platform(cl_device_id id, struct cvy_device_info *info)
{
    cl_platform_id platform;
    if (clGetDeviceInfo(id, CL_DEVICE_PLATFORM, sizeof(platform), &platform, NULL) != CL_SUCCESS)
        return;
    if (clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof(info->platform), info->platform, NULL) !=
        CL_SUCCESS)
        info->platform[0] = '\0';
    if (clGetPlatformInfo(platform, CL_PLATFORM_VERSION, sizeof(info->platform_version),
                          info->platform_version, NULL) != CL_SUCCESS)
        info->platform_version[0] = '\0';
}

bool cvy_device_is_new_enough(const struct cvy_device_info *info)
{
    int major = 0, minor = 0;
    return sscanf(info->opencl_version, "OpenCL %d.%d", &major, &minor) == 2 &&
           (major > 1 || (major == 1 && minor >= 2));
}

void cvy_device_query(cl_device_id id, struct cvy_device_info *info)
{
    *info = (struct cvy_device_info){0};
    query_text(id, CL_DEVICE_NAME, info->name, sizeof(info->name));
    query_text(id, CL_DEVICE_VENDOR, info->vendor, sizeof(info->vendor));
    query_text(id, CL_DEVICE_VERSION, info->opencl_version, sizeof(info->opencl_version));
    query_text(id, CL_DEVICE_OPENCL_C_VERSION, info->opencl_c_version, sizeof(info->opencl_c_version));
    query_text(id, CL_DRIVER_VERSION, info->driver_version, sizeof(info->driver_version));
    query_platform(id, info);
    info->unified_memory = query_bool(id, CL_DEVICE_HOST_UNIFIED_MEMORY);
    info->type = query_type(id, info->unified_memory);
    info->compute_units = query_uint(id, CL_DEVICE_MAX_COMPUTE_UNITS);
    info->clock_mhz = query_uint(id, CL_DEVICE_MAX_CLOCK_FREQUENCY);
    info->global_bytes = query_ulong(id, CL_DEVICE_GLOBAL_MEM_SIZE);
    info->max_alloc_bytes = query_ulong(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
    info->local_bytes = query_ulong(id, CL_DEVICE_LOCAL_MEM_SIZE);
    info->local_is_dedicated = query_uint(id, CL_DEVICE_LOCAL_MEM_TYPE) == CL_LOCAL;
    query_work_group(id, info);
    info->vector_width = CVY_MAX(query_uint(id, CL_DEVICE_PREFERRED_VECTOR_WIDTH_FLOAT), 1);
    /* a float16 wants 64 bytes, whatever the device asks for */
    info->base_align = CVY_MAX((size_t)query_uint(id, CL_DEVICE_MEM_BASE_ADDR_ALIGN) / 8, 64);
    info->cache_bytes = query_ulong(id, CL_DEVICE_GLOBAL_MEM_CACHE_SIZE);
    info->fp16 = has_extension(id, "cl_khr_fp16");
    info->fp64 = query_ulong(id, CL_DEVICE_DOUBLE_FP_CONFIG) != 0;
    info->available = query_bool(id, CL_DEVICE_AVAILABLE) && query_bool(id, CL_DEVICE_COMPILER_AVAILABLE) &&
                      cvy_device_is_new_enough(info);
}

const char *cvy_device_type_name(enum cvy_device_type type)
{
    switch (type) {
    case CVY_DEVICE_CPU:
        return "cpu";
    case CVY_DEVICE_ACCELERATOR:
        return "accelerator";
    case CVY_DEVICE_INTEGRATED_GPU:
        return "igpu";
    case CVY_DEVICE_GPU:
        return "gpu";
    case CVY_DEVICE_OTHER:
        break;
    }
    return "other";
}
