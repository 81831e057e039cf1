/*
 * device.h - list, open or adopt OpenCL devices; memory on them; events; the store of compiled kernels.
 *
 * The only public header with OpenCL types in it, for callers that have OpenCL objects of their own.
 * One device may be used from several threads; one buffer only where the caller orders the accesses.
 */
#ifndef CONVOY_DEVICE_H
#define CONVOY_DEVICE_H

#include <convoy/base.h>

#ifndef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 120
#endif
#include <CL/cl.h>

#ifdef __cplusplus
extern "C" {
#endif

enum cvy_device_type {
    CVY_DEVICE_OTHER,
    CVY_DEVICE_CPU,
    CVY_DEVICE_ACCELERATOR,
    CVY_DEVICE_INTEGRATED_GPU, /* a GPU that shares memory with the host */
    CVY_DEVICE_GPU,
};

/* "cpu", "gpu", ...; "other" for an unknown value. */
CVY_API const char *cvy_device_type_name(enum cvy_device_type type);

/* What matters to convolution, as the driver reports it. Strings are never NULL. */
struct cvy_device_info {
    char selector[16]; /* as cvy_device_open() takes it: "0:1", "0:1/1of2"; "" for an adopted device */
    char name[128];
    char vendor[128];
    char opencl_version[64];   /* CL_DEVICE_VERSION */
    char opencl_c_version[64]; /* CL_DEVICE_OPENCL_C_VERSION */
    char driver_version[64];
    char platform[128];
    char platform_version[128];
    enum cvy_device_type type;
    size_t compute_units;
    size_t clock_mhz;              /* 0 = unknown */
    uint64_t global_bytes;         /* memory of the device; may change from run to run */
    uint64_t max_alloc_bytes;      /* largest single allocation */
    uint64_t local_bytes;          /* local memory of one work-group */
    bool local_is_dedicated;       /* false: local memory is plain memory */
    size_t max_work_group;         /* work-items */
    size_t max_work_item_sizes[3]; /* work-items per dimension */
    size_t vector_width;           /* preferred number of floats in a vector; 1 on most GPUs */
    size_t base_align;             /* bytes; alignment that sub-allocations keep */
    uint64_t cache_bytes;          /* global memory cache; 0 = unknown */
    bool fp16;
    bool fp64;
    bool unified_memory; /* shares memory with the host: buffers are mapped, not copied */
    bool available;
};

struct cvy_platform_info {
    char name[128];
    char vendor[128];
    char version[128];
    char problem[256]; /* "" or why its devices cannot be listed or used */
    size_t n_devices;
    struct cvy_device_info *devices;
};

struct cvy_platform_list {
    size_t n_platforms;
    struct cvy_platform_info *platforms;
};

/*
 * Lists every OpenCL platform, also those without a device, and every device. A driver that fails gets a
 * sentence in `problem` or a false `available`; only the absence of any platform is an error:
 * CVY_ERROR_NOT_FOUND. The caller frees the list with cvy_platform_list_destroy().
 */
CVY_API enum cvy_status cvy_platform_list_create(struct cvy_platform_list **list);
CVY_API void cvy_platform_list_destroy(struct cvy_platform_list **list);

struct cvy_device;

/*
 * Opens a device. selector is "PLATFORM:DEVICE" as listed ("0:1"), a type ("gpu", "igpu", "cpu",
 * "accelerator"), or a part of a device's or platform's name in any case; where several match, the strongest
 * is taken. NULL or "" takes the best of all: by type (GPU, integrated GPU, accelerator, CPU), then by
 * compute units times clock times vector width. Behind any of them "/1of2" means the first of two equal parts
 * of its compute units, with as many of them as divide evenly; parts work at the same time as each other.
 * Errors: CVY_ERROR_NOT_FOUND (the message lists what there is), CVY_ERROR_UNSUPPORTED for a part of a device
 * that its driver does not divide, CVY_ERROR_DEVICE.
 */
CVY_API enum cvy_status cvy_device_open(struct cvy_device **device, const char *selector);

/*
 * Uses the caller's context, device and in-order queue, each retained until cvy_device_destroy(). queue may
 * be NULL: one is made. A queue without CL_QUEUE_PROFILING_ENABLE works; layer times are then measured by
 * waiting.
 */
CVY_API enum cvy_status cvy_device_adopt(struct cvy_device **device, cl_context context, cl_device_id id,
                                         cl_command_queue queue);

/* Waits for the device's work, saves what it compiled to the store, and frees. Destroy buffers, plans and
 * operators of the device first. Accepts NULL. */
CVY_API void cvy_device_destroy(struct cvy_device **device);

CVY_API const struct cvy_device_info *cvy_device_get_info(const struct cvy_device *device);

/* What the device does in a second at its best, and what its driver costs. */
struct cvy_device_rates {
    bool is_measured;      /* false: guesses from what the driver reports */
    double flops;          /* float32 operations a second, a multiply-add counted as two */
    double memory_bytes;   /* bytes a second, read and written, of a copy larger than most caches */
    double cache_bytes;    /* the same of data that is in a cache */
    double launch_seconds; /* from one kernel to the next in the queue */
    double group_seconds;  /* by which a further work-group that does nothing makes a kernel longer */
};

/* Measures on the first call, in less than a second after its kernels are compiled, or takes what an earlier
 * process measured from the store. */
CVY_API enum cvy_status cvy_device_get_rates(struct cvy_device *device, struct cvy_device_rates *rates);
/* Measures again, and gives (and keeps for later processes) the better of each figure: what else a machine
 * does can only make it look slower. */
CVY_API enum cvy_status cvy_device_measure_rates(struct cvy_device *device, struct cvy_device_rates *rates);

/*
 * How long a launch of a convolution may be expected to take, by the estimates that algorithms are chosen by;
 * in convolutions and plans made from now on, a longer one is cut into several. A screen that the device
 * draws stands still during a launch. 0: no limit, which is the default, but for integrated GPUs and those
 * whose driver ends long launches (CL_DEVICE_KERNEL_EXEC_TIMEOUT_NV): 100 ms. CLBlast's are left whole.
 */
CVY_API void cvy_device_set_max_launch(struct cvy_device *device, double milliseconds);
CVY_API double cvy_device_get_max_launch(const struct cvy_device *device);

CVY_API cl_context cvy_device_cl_context(const struct cvy_device *device);
CVY_API cl_device_id cvy_device_cl_id(const struct cvy_device *device);
/* In order. On a CPU whose queue convoy has made, launches are spread over queues of its compute units before
 * this call, and go through this one alone after it: small ones then take longer. */
CVY_API cl_command_queue cvy_device_cl_queue(const struct cvy_device *device);

struct cvy_store_params {
    const char
        *path; /* the store's file; parent folders are made. NULL = keep compiled kernels in memory only */
    uint64_t max_bytes; /* the oldest entries go beyond this; 0 = 256 MiB */
    /* Seconds that this device may spend on saving; 0 = 1. PoCL compiles a kernel once more to give it away.
     * What is left over, later processes save. */
    double save_seconds;
};

/*
 * Keeps compiled kernels in a file, so that the next process need not compile them. Several processes may
 * share one. A damaged file is moved aside and begun anew; a file that cannot be written costs speed and a
 * warning, never an error. Without this call nothing is kept on disk.
 */
CVY_API enum cvy_status cvy_device_set_store(struct cvy_device *device,
                                             const struct cvy_store_params *params);

/* Waits until everything enqueued on the device has run. */
CVY_API enum cvy_status cvy_device_finish(struct cvy_device *device);

/* What was spent on kernels since the device was opened. */
struct cvy_build_stats {
    size_t compiled;        /* programs compiled from source */
    size_t loaded;          /* programs taken from the store */
    double seconds;         /* spent in either */
    double first_launch_at; /* seconds from opening the device to its first kernel launch; 0 = none yet */
};
CVY_API void cvy_device_get_build_stats(const struct cvy_device *device, struct cvy_build_stats *stats);

/* Names of the kernel files ("conv_ref" is cl/conv_ref.cl); NULL past the last. */
CVY_API const char *cvy_kernel_file_name(size_t index);
/* What the device compiles for that file, includes expanded; NULL for an unknown name. device NULL: the
 * built-in source. Valid until it is replaced. */
CVY_API const char *cvy_device_get_kernel_source(const struct cvy_device *device, const char *name);
/*
 * Replaces the source of one kernel file for this device, for those who develop kernels: begin with what
 * cvy_device_get_kernel_source() gives. text is copied; NULL brings the built-in source back. Launches from
 * now on use it, so let no other thread use the device meanwhile.
 */
CVY_API enum cvy_status cvy_device_set_kernel_source(struct cvy_device *device, const char *name,
                                                     const char *text);

/* Memory on a device. */
struct cvy_buffer;

/* bytes must not be 0. Small buffers share allocations. Errors: CVY_ERROR_DEVICE_MEMORY names the limit. */
CVY_API enum cvy_status cvy_buffer_create(struct cvy_buffer **buffer, struct cvy_device *device,
                                          size_t bytes);
/* A part of a buffer; offset must be a multiple of the device's base_align. Keeps its parent alive. */
CVY_API enum cvy_status cvy_buffer_create_part(struct cvy_buffer **part, struct cvy_buffer *parent,
                                               size_t offset, size_t bytes);
/* Uses the caller's cl_mem (retained), from its beginning. */
CVY_API enum cvy_status cvy_buffer_adopt(struct cvy_buffer **buffer, struct cvy_device *device,
                                         cl_mem memory);
CVY_API void cvy_buffer_destroy(struct cvy_buffer **buffer);
CVY_API size_t cvy_buffer_bytes(const struct cvy_buffer *buffer);
CVY_API cl_mem cvy_buffer_cl_mem(const struct cvy_buffer *buffer);

/* Blocking copies from and to the host, after everything enqueued before. */
CVY_API enum cvy_status cvy_buffer_write(struct cvy_buffer *buffer, size_t offset, size_t bytes,
                                         const void *source);
CVY_API enum cvy_status cvy_buffer_read(const struct cvy_buffer *buffer, size_t offset, size_t bytes,
                                        void *target);

enum cvy_map_mode {
    CVY_MAP_READ,
    CVY_MAP_WRITE, /* what was there before is lost */
};
/* Blocking. On a device with unified memory no copy is made. The kernels must not use a mapped buffer. */
CVY_API enum cvy_status cvy_buffer_map(struct cvy_buffer *buffer, enum cvy_map_mode mode, void **data);
CVY_API enum cvy_status cvy_buffer_unmap(struct cvy_buffer *buffer, void *data);

/* The end of enqueued work. */
struct cvy_event;

CVY_API enum cvy_status cvy_event_wait(struct cvy_event *event);
/* Retains the caller's event, to be waited for by convoy. */
CVY_API enum cvy_status cvy_event_adopt(struct cvy_event **event, struct cvy_device *device, cl_event cl);
CVY_API cl_event cvy_event_cl(const struct cvy_event *event);
CVY_API void cvy_event_destroy(struct cvy_event **event);

#ifdef __cplusplus
}
#endif

#endif
