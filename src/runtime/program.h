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

struct cvy_program;

/* A kernel and its limits, owned by the cache. */
struct cvy_kernel {
    struct cvy_kernel *next;
    struct cvy_program *program;
    char *name;
    cl_kernel cl;
    cl_uint number; /* from 1, in the order in which they were made; not used again */
    cl_uint n_args;
    size_t max_work_group;    /* work-items */
    size_t required_local[3]; /* [0] 0: none required */
    cl_ulong local_bytes;     /* of its own, arguments not counted */
};

enum cvy_status cvy_programs_create(struct cvy_programs **programs);
void cvy_programs_destroy(struct cvy_programs **programs);
/* Call with device->lock held, these two. drop: forgets what was compiled of a file, whose source changes. */
void cvy_programs_drop(struct cvy_device *device, const char *program);
/* Changes with each drop: kernels of an earlier one may be stale. */
uint64_t cvy_programs_generation(const struct cvy_device *device);
/* Lets go of the lock while it compiles. */
enum cvy_status cvy_programs_get(struct cvy_device *device, const char *program, const char *kernel,
                                 const char *macros, struct cvy_kernel **result);
/*
 * Whether a launch with these sizes is new to the program: then its binary is worth saving once the launch
 * has run (PoCL compiles machine code for each local size at launch, and has none before) while there
 * is time for it, and cvy_programs_launched() wants the launch's event. Call both with device->lock held.
 */
bool cvy_programs_is_new(struct cvy_device *device, const struct cvy_kernel *kernel, const size_t global[3],
                         const size_t local[3]);
/* Takes over a reference to event. */
void cvy_programs_launched(struct cvy_device *device, const struct cvy_kernel *kernel, const size_t global[3],
                           const size_t local[3], cl_event event);
/* Saves what was compiled, launched and has run. finished: the caller has just waited for the whole queue, so
 * that waiting for launches costs nothing. Costs a look at a counter when there is nothing to save. */
void cvy_programs_save(struct cvy_device *device, bool finished);

#endif
