#include <convoy/convoy.h>

const char *cvy_version(void)
{
    return CVY_VERSION;
}

const char *cvy_status_string(enum cvy_status status)
{
    switch (status) {
    case CVY_OK:
        return "ok";
    case CVY_ERROR_INVALID:
        return "invalid argument";
    case CVY_ERROR_UNSUPPORTED:
        return "not supported";
    case CVY_ERROR_NOT_FOUND:
        return "not found";
    case CVY_ERROR_HOST_MEMORY:
        return "out of host memory";
    case CVY_ERROR_DEVICE_MEMORY:
        return "out of device memory";
    case CVY_ERROR_DEVICE:
        return "device error";
    case CVY_ERROR_BUILD:
        return "kernel build failed";
    case CVY_ERROR_IO:
        return "input/output error";
    case CVY_ERROR_FORMAT:
        return "damaged or unknown format";
    }
    return "unknown status";
}
