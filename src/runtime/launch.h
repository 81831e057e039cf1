/*
 * launch.h - describe one kernel launch: program, macros, arguments, sizes; then build or enqueue it.
 *
 *     struct cvy_launch l;
 *     cvy_launch_init(&l, "conv_ref", "conv_ref");      // cl/conv_ref.cl, its kernel conv_ref
 *     cvy_launch_define(&l, "RANK", problem->rank);     // -DRANK=2
 *     cvy_launch_buffer(&l, x);                         // arguments in order
 *     cvy_launch_int(&l, count);
 *     cvy_launch_range(&l, 1, (size_t[]){count}, NULL); // global size; local NULL = chosen here
 *     status = cvy_launch_enqueue(device, &l);
 *     cvy_launch_finish(&l);
 *
 * A value that does not fit an int, a NULL buffer or too many arguments stick in the launch and make build
 * and enqueue fail with a message, so that callers need check only once.
 *
 * Kernels are found by (program, kernel, macros) in memory, then in the device's store, then compiled.
 * Before the driver sees a launch it is checked: non-zero sizes, work-group size (of device and of kernel),
 * local memory. Global sizes are rounded up to multiples of local ones: kernels guard their own ends.
 */
#ifndef CVY_RUNTIME_LAUNCH_H
#define CVY_RUNTIME_LAUNCH_H

#include <convoy/device.h>

#include "base/text.h"

#define CVY_LAUNCH_MAX_ARGS 32
#define CVY_LAUNCH_MAX_INTS 64 /* in structs, all together */

struct cvy_launch_arg {
    size_t bytes;
    bool is_local;
    bool is_struct;
    bool is_memory;  /* a buffer without an address, or none */
    bool is_address; /* of a buffer's memory (memory.h) */
    union {
        cl_mem memory;
        const void *address;
        cl_int integer;
        cl_float real;
        size_t first; /* of a struct: in ints */
    } value;
};

struct cvy_launch {
    const char *program;
    const char *kernel;
    struct cvy_text macros; /* " -DNAME=VALUE..." */
    struct cvy_launch_arg args[CVY_LAUNCH_MAX_ARGS];
    size_t n_args;
    cl_int ints[CVY_LAUNCH_MAX_INTS];
    size_t n_ints;
    unsigned dims;
    size_t global[3];
    size_t local[3];        /* local[0] 0: chosen by cvy_launch_enqueue() */
    bool is_shared;         /* by a team, where there is one (team.h) */
    bool is_balanced;       /* and members take over from each other */
    cl_command_queue queue; /* NULL: the device's; on others launches are not traced */
    char problem[160];      /* the first thing that went wrong while describing; "" = nothing */
};

void cvy_launch_init(struct cvy_launch *launch, const char *program, const char *kernel);
void cvy_launch_finish(struct cvy_launch *launch);

void cvy_launch_define(struct cvy_launch *launch, const char *name, size_t value);
void cvy_launch_define_signed(struct cvy_launch *launch, const char *name, int64_t value);
void cvy_launch_define_text(struct cvy_launch *launch, const char *name, const char *value);

/* buffer NULL is passed as a NULL pointer only through cvy_launch_buffer_or_null(). */
void cvy_launch_buffer(struct cvy_launch *launch, const struct cvy_buffer *buffer);
void cvy_launch_buffer_or_null(struct cvy_launch *launch, const struct cvy_buffer *buffer);
void cvy_launch_int(struct cvy_launch *launch, size_t value);
/* count ints, one argument each. */
void cvy_launch_sizes(struct cvy_launch *launch, const size_t *values, size_t count);
/* One argument: a struct of count ints, by value. A launch costs the host less the fewer arguments it has. */
void cvy_launch_struct(struct cvy_launch *launch, const size_t *values, size_t count);
void cvy_launch_float(struct cvy_launch *launch, float value);
void cvy_launch_local(struct cvy_launch *launch, size_t bytes);
/* The kernel is written for a team (cl/team.cl): work-groups of one work-item. */
void cvy_launch_share(struct cvy_launch *launch);
/* The same; members that are done early take over work-groups of others. For arithmetic: what moves memory
 * had better stay with the core whose cache holds it. */
void cvy_launch_balance(struct cvy_launch *launch);
/* dims 1 to 3. local NULL: chosen here. */
void cvy_launch_range(struct cvy_launch *launch, unsigned dims, const size_t *global, const size_t *local);

/* Compiles (or finds) the kernel without launching. CVY_ERROR_BUILD carries the head of the build log. */
enum cvy_status cvy_launch_build(struct cvy_device *device, const struct cvy_launch *launch);
/* Either refuses a quarantined kernel (quarantine.h). */
enum cvy_status cvy_launch_enqueue(struct cvy_device *device, const struct cvy_launch *launch);

/* What this thread launches from now on is expected to take so many seconds, each launch at most; 0: not
 * known. Launches longer than the device's max_launch are cut into several. Returns what was set before. */
double cvy_launch_expect(double seconds);

/* Each of the two, then cvy_launch_finish(). */
enum cvy_status cvy_launch_prepare(struct cvy_device *device, struct cvy_launch *launch);
enum cvy_status cvy_launch_run(struct cvy_device *device, struct cvy_launch *launch);

/* Sets the kernel's arguments; room: where those of a team's kernel go (team.h), or NULL. */
cl_int cvy_launch_set_args(const struct cvy_device *device, const struct cvy_launch *launch, cl_kernel kernel,
                           char *room);

#define CVY_LAUNCH_MAX_TRACE 16

/* Which kernels were asked for; names are the callers' own. */
struct cvy_launch_trace {
    size_t n;
    struct cvy_launch_seen {
        const char *program, *kernel;
        enum cvy_status status; /* the first failure to build or launch it */
    } seen[CVY_LAUNCH_MAX_TRACE];
};

/* Begins to note in trace what is built and launched on the device; NULL ends that. */
void cvy_launch_set_trace(struct cvy_device *device, struct cvy_launch_trace *trace);
/* Notes a kernel, also one that is launched by others than this file. Call with device->lock held. */
void cvy_launch_note(struct cvy_device *device, const char *program, const char *kernel,
                     enum cvy_status status);

#endif
