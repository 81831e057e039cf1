/* binary.h - cl_program from source or from a driver's binary, and back. Inside runtime only. */
#ifndef CVY_RUNTIME_BINARY_H
#define CVY_RUNTIME_BINARY_H

#include "runtime/device.h"

/* CVY_ERROR_BUILD carries the head of the build log; all of it goes to the debug log. */
enum cvy_status cvy_binary_compile(struct cvy_device *device, const char *name, const char *source,
                                   const char *options, cl_program *program);
/* NULL where the driver refuses: compile instead. Drivers crash on damaged binaries: check before. */
cl_program cvy_binary_load(struct cvy_device *device, const unsigned char *binary, size_t bytes,
                           const char *options);
/* The binary in malloc'ed memory behind `head` free bytes; NULL where the driver gives none. */
unsigned char *cvy_binary_get(struct cvy_device *device, cl_program program, size_t head, size_t *bytes);

#endif
