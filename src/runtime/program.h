/* program.h - from embedded source and macros to a kernel, through memory and store. Inside runtime only. */
#ifndef CVY_RUNTIME_PROGRAM_H
#define CVY_RUNTIME_PROGRAM_H

#include "runtime/device.h"

/* The table that the build makes of the files in cl/ (cl/embed.py). Ends with a NULL name. */
struct cvy_cl_source {
    const char *name; /* "conv_ref" */
    const char *text; /* includes expanded, with #line directives */
};
extern const struct cvy_cl_source cvy_cl_sources[];

enum cvy_status cvy_programs_create(struct cvy_programs **programs);
void cvy_programs_destroy(struct cvy_programs **programs);
/* The kernel, owned by the cache. Call with device->lock held. */
enum cvy_status cvy_programs_get(struct cvy_device *device, const char *program, const char *kernel,
                                 const char *macros, cl_kernel *result);
/* Notes that a kernel of this device was launched: from now on its program's binary is worth saving
 * (PoCL has no machine code before). Call with device->lock held. */
void cvy_programs_launched(struct cvy_device *device, cl_kernel kernel);
/* Saves what was compiled, launched and finished. Costs a look at a flag when there is nothing. */
void cvy_programs_save(struct cvy_device *device);

#endif
