#include "base/log.h"
#include "runtime/device.h"

#define CASE(name) \
    case name:     \
        return #name

static const char *error_device(cl_int error)
{
    switch (error) {
        CASE(CL_SUCCESS);
        CASE(CL_DEVICE_NOT_FOUND);
        CASE(CL_DEVICE_NOT_AVAILABLE);
        CASE(CL_COMPILER_NOT_AVAILABLE);
        CASE(CL_MEM_OBJECT_ALLOCATION_FAILURE);
        CASE(CL_OUT_OF_RESOURCES);
        CASE(CL_OUT_OF_HOST_MEMORY);
        CASE(CL_PROFILING_INFO_NOT_AVAILABLE);
        CASE(CL_MEM_COPY_OVERLAP);
        CASE(CL_BUILD_PROGRAM_FAILURE);
        CASE(CL_MAP_FAILURE);
        CASE(CL_MISALIGNED_SUB_BUFFER_OFFSET);
        CASE(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
        CASE(CL_COMPILE_PROGRAM_FAILURE);
        CASE(CL_LINKER_NOT_AVAILABLE);
        CASE(CL_LINK_PROGRAM_FAILURE);
    case -1001:
        return "CL_PLATFORM_NOT_FOUND_KHR";
    default:
        return NULL;
    }
}

static const char *error_call(cl_int error)
{
    switch (error) {
        CASE(CL_INVALID_VALUE);
        CASE(CL_INVALID_DEVICE_TYPE);
        CASE(CL_INVALID_PLATFORM);
        CASE(CL_INVALID_DEVICE);
        CASE(CL_INVALID_CONTEXT);
        CASE(CL_INVALID_QUEUE_PROPERTIES);
        CASE(CL_INVALID_COMMAND_QUEUE);
        CASE(CL_INVALID_HOST_PTR);
        CASE(CL_INVALID_MEM_OBJECT);
        CASE(CL_INVALID_BINARY);
        CASE(CL_INVALID_BUILD_OPTIONS);
        CASE(CL_INVALID_PROGRAM);
        CASE(CL_INVALID_PROGRAM_EXECUTABLE);
        CASE(CL_INVALID_KERNEL_NAME);
        CASE(CL_INVALID_KERNEL_DEFINITION);
        CASE(CL_INVALID_KERNEL);
        CASE(CL_INVALID_ARG_INDEX);
        CASE(CL_INVALID_ARG_VALUE);
        CASE(CL_INVALID_ARG_SIZE);
        CASE(CL_INVALID_KERNEL_ARGS);
        CASE(CL_INVALID_WORK_DIMENSION);
        CASE(CL_INVALID_WORK_GROUP_SIZE);
        CASE(CL_INVALID_WORK_ITEM_SIZE);
        CASE(CL_INVALID_GLOBAL_OFFSET);
        CASE(CL_INVALID_EVENT_WAIT_LIST);
        CASE(CL_INVALID_EVENT);
        CASE(CL_INVALID_OPERATION);
        CASE(CL_INVALID_BUFFER_SIZE);
        CASE(CL_INVALID_GLOBAL_WORK_SIZE);
        CASE(CL_INVALID_PROPERTY);
    default:
        return "an OpenCL error without a name";
    }
}

const char *cvy_cl_error(cl_int error)
{
    const char *name = error_device(error);
    return name != NULL ? name : error_call(error);
}

enum cvy_status cvy_fail_cl(cl_int error, const char *where)
{
    const char *name = cvy_cl_error(error);
    switch (error) {
    case CL_MEM_OBJECT_ALLOCATION_FAILURE:
    case CL_INVALID_BUFFER_SIZE:
        return cvy_fail(
            CVY_ERROR_DEVICE_MEMORY,
            "%s: %s: the device has not enough memory left; use a smaller problem or free buffers", where,
            name);
    case CL_OUT_OF_HOST_MEMORY:
        return cvy_fail(CVY_ERROR_HOST_MEMORY, "%s: %s: the driver ran out of host memory; free some", where,
                        name);
    case CL_DEVICE_NOT_FOUND:
    case CL_DEVICE_NOT_AVAILABLE:
        return cvy_fail(CVY_ERROR_NOT_FOUND, "%s: %s; choose another device", where, name);
    case CL_OUT_OF_RESOURCES:
        return cvy_fail(
            CVY_ERROR_DEVICE,
            "%s: %s: the device ran out of resources or a kernel failed; use a smaller problem or "
            "another device",
            where, name);
    default:
        return cvy_fail(CVY_ERROR_DEVICE, "%s: %s (%d); see the driver's own log, or try another device",
                        where, name, (int)error);
    }
}
