/* device.h - what the runtime keeps for an open device. Higher floors read `info` and call functions. */
#ifndef CVY_RUNTIME_DEVICE_H
#define CVY_RUNTIME_DEVICE_H

#include <convoy/device.h>
#include <pthread.h>

#include "base/hash.h"

struct cvy_gemm_setting; /* gemm_setting.c: parameters that CLBlast was given */
struct cvy_launch_trace; /* launch.h */
struct cvy_programs;     /* program.c: compiled programs and kernels by source and macros */
struct cvy_pool;         /* pool.c: allocations that small buffers share */
struct cvy_quarantined;  /* quarantine.c */
struct cvy_source;       /* source.c: sources that replace built-in ones */
struct cvy_store;        /* store.c: compiled programs on disk */
struct cvy_store_time;   /* store.h */
struct cvy_team;         /* team.h */

/* What OpenCL 2.0 has for memory.h; all NULL where the driver, or its loader, lacks it. */
struct cvy_shared_memory {
    void *(*alloc)(cl_context context, cl_bitfield flags, size_t bytes, cl_uint align);
    void (*free)(cl_context context, void *address);
    cl_int (*set_arg)(cl_kernel kernel, cl_uint index, const void *address);
};

/* Where a device's work runs: compute units first, ..., first + count - 1 of the root; count 0: any. */
struct cvy_cores {
    cl_platform_id platform;
    cl_device_id root;
    size_t first, count;
};

struct cvy_released {
    struct cvy_released *next;
    cl_mem memory;
};

struct cvy_device {
    struct cvy_cores cores;
    cl_device_id id; /* retained where it is a sub-device */
    cl_context context;
    cl_command_queue queue; /* in order; cvy_device_queue() gives it in order behind the team's work, too */
    bool owns_queue;        /* nobody else enqueues on it */
    struct cvy_team *team;  /* NULL: not tried yet */
    struct cvy_device_info info;
    bool can_profile;     /* the queue has profiling, and the device's clock was seen to move */
    pthread_mutex_t lock; /* guards programs, pool and the arguments of shared kernels */
    struct cvy_shared_memory shared_memory;
    struct cvy_released *released; /* memory that launches may need yet, in order; counted: */
    uint64_t n_released, n_freed;
    struct cvy_programs *programs;
    struct cvy_pool *pool;
    struct cvy_store *store; /* NULL: kernels are kept in memory only */
    double save_seconds;     /* left of store_params.save_seconds */
    struct cvy_store *times; /* where there is no store: one in memory for measured times, made when needed */
    struct cvy_source *sources;
    struct cvy_quarantined *quarantined;
    struct cvy_launch_trace *trace;        /* NULL, or who wants to know of launches */
    bool on_trial;                         /* kernels are being tested: quarantined ones run too */
    bool clblast_refused;                  /* gemm.c: our own kernel does the work from now on */
    struct cvy_gemm_setting *gemm_setting; /* NULL: CLBlast's own */
    uint64_t allocated;                    /* bytes of buffers that have an allocation of their own */
    double max_launch;                     /* seconds; 0: no limit (launch.h) */
    double opened_at;                      /* cvy_now() */
    struct cvy_build_stats stats;
    pthread_mutex_t rates_lock; /* guards what is below; taken before lock */
    struct cvy_device_rates rates;
    bool has_rates;
    double copy_seconds, copy_byte_seconds; /* transfer.h; 0: not measured yet */
};

/* Fills info with what the driver says of a device. */
void cvy_device_query(cl_device_id id, struct cvy_device_info *info);
/* OpenCL 1.2 or later: older drivers lack functions that convoy calls. */
bool cvy_device_is_new_enough(const struct cvy_device_info *info);
/* A hash of what names the device and its driver: what was learnt of one is kept under it. */
struct cvy_hash cvy_device_identity(const struct cvy_device *device);
/* How long choices took on the device for problems, as in store.h; kept in the device's store, without one in
 * memory. listing: of one problem, or problem NULL: of every problem and device. */
bool cvy_device_put_times(struct cvy_device *device, const struct cvy_store_time *rows, size_t count);
bool cvy_device_list_times(struct cvy_device *device, const char *problem,
                           void (*take)(void *user, const struct cvy_store_time *row), void *user);
/* The device that selector means; its info and cores too. A part of a device is retained. */
enum cvy_status cvy_device_select(const char *selector, cl_device_id *id, struct cvy_device_info *info,
                                  struct cvy_cores *cores);
/* A kernel was enqueued: the first one's time is kept. Call with lock held. */
void cvy_device_launched(struct cvy_device *device);

/* Seconds on a clock that never goes back. */
double cvy_now(void);

/* "CL_OUT_OF_RESOURCES" and so on. */
const char *cvy_cl_error(cl_int error);
/* The cvy_status for an OpenCL error, logged: "WHERE: CL_...; what to do". */
enum cvy_status cvy_fail_cl(cl_int error, const char *where);

/* Whether nothing else holds the queue, within a tenth of a second. PoCL's workers let go of a launch's
 * event, which holds its queue and looks at the device, a moment after clFinish() has returned: a sub-device
 * must wait for that. */
bool cvy_queue_is_let_go(cl_command_queue queue);

/* An in-order barrier behind waits; nothing for n_waits 0. */
enum cvy_status cvy_enqueue_waits(struct cvy_device *device, struct cvy_event *const *waits, size_t n_waits);
/* An event that ends with everything enqueued so far. */
enum cvy_status cvy_enqueue_marker(struct cvy_device *device, struct cvy_event **event);
/* Device clock in seconds; false where unknown. Waits for the events. */
bool cvy_event_span(const struct cvy_event *first, const struct cvy_event *last, double *seconds);
/* The same from being enqueued to starting. */
bool cvy_event_delay(const struct cvy_event *event, double *seconds);

#endif
