#include "runtime/program.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "runtime/binary.h"
#include "runtime/source.h"
#include "runtime/store.h"
#include "runtime/team.h"

#define BUCKETS 256
#define MAX_SEEN 32

struct cvy_program {
    struct cvy_program *next;
    bool is_building;          /* by a thread that has let go of the lock; nobody else may look at the rest */
    struct cvy_hash file_key;  /* of name alone */
    struct cvy_hash name_key;  /* of name and macros: finds it in memory */
    struct cvy_hash store_key; /* of all that the binary depends on */
    char *name, *options;
    cl_program cl;
    bool has_binary; /* PoCL gives the first one that it was given, or made, for ever */
    struct cvy_kernel *kernels;
    uint64_t seen[MAX_SEEN]; /* launches whose machine code is in the saved binary, or will be */
    size_t n_seen;
    cl_event pending; /* of the last launch that was new; NULL: nothing to save */
};

struct cvy_programs {
    struct cvy_program *buckets[BUCKETS];
    pthread_cond_t built; /* a program was, or failed to be */
    size_t n_pending;
    cl_uint n_kernels; /* ever made */
    _Atomic uint64_t generation;
};

enum cvy_status cvy_programs_create(struct cvy_programs **programs)
{
    struct cvy_programs *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return cvy_fail_memory("the program cache", sizeof(*made));
    pthread_cond_init(&made->built, NULL);
    *programs = made;
    return CVY_OK;
}

static void kernel_destroy(struct cvy_kernel *kernel)
{
    if (kernel->cl != NULL)
        clReleaseKernel(kernel->cl);
    free(kernel->name);
    free(kernel);
}

static void program_destroy(struct cvy_program *program)
{
    while (program->kernels != NULL) {
        struct cvy_kernel *kernel = program->kernels;
        program->kernels = kernel->next;
        kernel_destroy(kernel);
    }
    if (program->pending != NULL)
        clReleaseEvent(program->pending);
    if (program->cl != NULL)
        clReleaseProgram(program->cl);
    free(program->name);
    free(program->options);
    free(program);
}

void cvy_programs_destroy(struct cvy_programs **programs)
{
    if (programs == NULL || *programs == NULL)
        return;
    for (size_t i = 0; i < BUCKETS; i++) {
        while ((*programs)->buckets[i] != NULL) {
            struct cvy_program *program = (*programs)->buckets[i];
            (*programs)->buckets[i] = program->next;
            program_destroy(program);
        }
    }
    pthread_cond_destroy(&(*programs)->built);
    free(*programs);
    *programs = NULL;
}

uint64_t cvy_programs_generation(const struct cvy_device *device)
{
    return device->programs->generation;
}

void cvy_programs_drop(struct cvy_device *device, const char *name)
{
    device->programs->generation++;
    struct cvy_hash file = cvy_hash_string((struct cvy_hash){0, 0}, name);
    for (size_t i = 0; i < BUCKETS; i++) {
        struct cvy_program **at = &device->programs->buckets[i];
        while (*at != NULL) {
            struct cvy_program *program = *at;
            if (!cvy_hash_equal(program->file_key, file)) {
                at = &program->next;
                continue;
            }
            *at = program->next;
            device->programs->n_pending -= program->pending != NULL;
            program_destroy(program);
        }
    }
}

static struct cvy_hash store_key(const struct cvy_device *device, const char *source, const char *options)
{
    struct cvy_hash key = cvy_hash_string(cvy_device_identity(device), CVY_VERSION);
    return cvy_hash_string(cvy_hash_string(key, source), options);
}

/* "-cl-std" only where the device's compiler knows 1.2. */
static void add_options(const struct cvy_device *device, const char *macros, struct cvy_text *options)
{
    int major = 1, minor = 0;
    sscanf(device->info.opencl_c_version, "OpenCL C %d.%d", &major, &minor);
    cvy_text_add(options, "%s-cl-mad-enable -cl-no-signed-zeros%s%s",
                 major > 1 || minor >= 2 ? "-cl-std=CL1.2 " : "", cvy_team_macros(device), macros);
}

/* What the store has: the launches its machine code covers, then the driver's binary. */
static bool load(struct cvy_device *device, struct cvy_program *program, const unsigned char *payload,
                 size_t bytes, const char *options)
{
    uint64_t n = 0;
    if (bytes < sizeof(n))
        return false;
    memcpy(&n, payload, sizeof(n));
    if (n > MAX_SEEN || bytes - sizeof(n) <= n * sizeof(uint64_t))
        return false;
    size_t head = sizeof(n) + (size_t)n * sizeof(uint64_t);
    memcpy(program->seen, payload + sizeof(n), (size_t)n * sizeof(uint64_t));
    program->cl = cvy_binary_load(device, payload + head, bytes - head, options);
    program->has_binary = program->cl != NULL;
    program->n_seen = program->cl != NULL ? (size_t)n : 0;
    return program->cl != NULL;
}

/* The lock is let go of while the driver works: other threads launch, or compile other programs. */
static enum cvy_status build_with(struct cvy_device *device, struct cvy_program *program, const char *macros)
{
    const char *name = program->name, *options = program->options;
    const char *source = cvy_source_text(device, name);
    void *payload = NULL;
    size_t bytes = 0;
    if (source == NULL)
        return cvy_fail(CVY_ERROR_NOT_FOUND, "program %s: not among the kernels of this library", name);
    double start = cvy_now();
    enum cvy_status status = CVY_OK;
    program->store_key = store_key(device, source, options);
    cvy_store_get(device->store, program->store_key, &payload, &bytes);
    pthread_mutex_unlock(&device->lock);
    bool loaded = payload != NULL && load(device, program, payload, bytes, options);
    if (!loaded)
        status = cvy_binary_compile(device, name, source, options, &program->cl);
    free(payload);
    double seconds = cvy_now() - start;
    cvy_log(CVY_LOG_DEBUG, "program %s%s: %s in %.1f ms", name, macros,
            loaded ? "from the store" : "compiled", 1e3 * seconds);
    pthread_mutex_lock(&device->lock);
    device->stats.loaded += loaded;
    device->stats.compiled += !loaded && status == CVY_OK;
    device->stats.seconds += seconds;
    return status;
}

static enum cvy_status program_build(struct cvy_device *device, struct cvy_program *program, const char *name,
                                     const char *macros)
{
    struct cvy_text options = {0};
    add_options(device, macros, &options);
    program->name = cvy_text_copy(name);
    program->options = options.failed ? NULL : options.data;
    if (program->name == NULL || program->options == NULL) {
        cvy_text_finish(&options);
        program->options = NULL;
        return cvy_fail_memory("build options", strlen(macros));
    }
    return build_with(device, program, macros);
}

static struct cvy_program **find_program(struct cvy_device *device, struct cvy_hash key)
{
    struct cvy_program **at = &device->programs->buckets[key.low % BUCKETS];
    while (*at != NULL && !cvy_hash_equal((*at)->name_key, key))
        at = &(*at)->next;
    return at;
}

/* Listed before it is built, so that other threads that want it wait instead of compiling it too. */
static enum cvy_status get_program(struct cvy_device *device, const char *name, const char *macros,
                                   struct cvy_program **result)
{
    struct cvy_programs *programs = device->programs;
    struct cvy_hash file = cvy_hash_string((struct cvy_hash){0, 0}, name),
                    key = cvy_hash_string(file, macros);
    struct cvy_program *program;
    while ((program = *find_program(device, key)) != NULL && program->is_building)
        pthread_cond_wait(&programs->built, &device->lock);
    if (program == NULL) {
        program = calloc(1, sizeof(*program));
        if (program == NULL)
            return cvy_fail_memory("a program", sizeof(*program));
        *program = (struct cvy_program){.file_key = file, .name_key = key, .is_building = true};
        *find_program(device, key) = program;
        enum cvy_status status = program_build(device, program, name, macros);
        program->is_building = false;
        pthread_cond_broadcast(&programs->built);
        if (status != CVY_OK) {
            *find_program(device, key) = program->next;
            program_destroy(program);
            return status;
        }
    }
    *result = program;
    return CVY_OK;
}

static cl_int query_kernel(struct cvy_kernel *kernel, cl_device_id id)
{
    cl_kernel cl = kernel->cl;
    cl_int error = clGetKernelInfo(cl, CL_KERNEL_NUM_ARGS, sizeof(kernel->n_args), &kernel->n_args, NULL);
    if (error == CL_SUCCESS)
        error = clGetKernelWorkGroupInfo(cl, id, CL_KERNEL_WORK_GROUP_SIZE, sizeof(kernel->max_work_group),
                                         &kernel->max_work_group, NULL);
    if (error == CL_SUCCESS)
        error = clGetKernelWorkGroupInfo(cl, id, CL_KERNEL_COMPILE_WORK_GROUP_SIZE,
                                         sizeof(kernel->required_local), kernel->required_local, NULL);
    if (error == CL_SUCCESS)
        error = clGetKernelWorkGroupInfo(cl, id, CL_KERNEL_LOCAL_MEM_SIZE, sizeof(kernel->local_bytes),
                                         &kernel->local_bytes, NULL);
    return error;
}

enum cvy_status cvy_programs_get(struct cvy_device *device, const char *program, const char *kernel,
                                 const char *macros, struct cvy_kernel **result)
{
    struct cvy_program *owner = NULL;
    enum cvy_status status = get_program(device, program, macros, &owner);
    if (status != CVY_OK)
        return status;
    for (struct cvy_kernel *known = owner->kernels; known != NULL; known = known->next) {
        if (strcmp(known->name, kernel) == 0) {
            *result = known;
            return CVY_OK;
        }
    }
    struct cvy_kernel *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return cvy_fail_memory("a kernel", sizeof(*made));
    made->program = owner;
    made->name = cvy_text_copy(kernel);
    if (made->name == NULL) {
        kernel_destroy(made);
        return cvy_fail_memory("a kernel", strlen(kernel) + 1);
    }
    cl_int error;
    made->cl = clCreateKernel(owner->cl, kernel, &error);
    if (error != CL_SUCCESS)
        made->cl = NULL;
    else
        error = query_kernel(made, device->id);
    if (error != CL_SUCCESS) {
        kernel_destroy(made);
        return cvy_fail(CVY_ERROR_BUILD, "%s.cl: clCreateKernel(%s): %s on %s; another algorithm may work",
                        program, kernel, cvy_cl_error(error), device->info.name);
    }
    made->number = ++device->programs->n_kernels;
    made->next = owner->kernels;
    owner->kernels = made;
    *result = made;
    return CVY_OK;
}

/* PoCL's machine code is for a local size, and for small global sizes or for any. */
static uint64_t launch_hash(const struct cvy_kernel *kernel, const size_t global[3], const size_t local[3])
{
    const bool is_large = global[0] >= USHRT_MAX || global[1] >= USHRT_MAX || global[2] >= USHRT_MAX;
    uint64_t sizes[4] = {local[0], local[1], local[2], is_large};
    struct cvy_hash hash = cvy_hash_string((struct cvy_hash){0, 0}, kernel->name);
    return cvy_hash_bytes(hash, sizes, sizeof(sizes)).low;
}

bool cvy_programs_is_new(struct cvy_device *device, const struct cvy_kernel *kernel, const size_t global[3],
                         const size_t local[3])
{
    const struct cvy_program *program = kernel->program;
    if (device->store == NULL || device->save_seconds <= 0 || program->n_seen == MAX_SEEN)
        return false;
    uint64_t hash = launch_hash(kernel, global, local);
    for (size_t i = 0; i < program->n_seen; i++) {
        if (program->seen[i] == hash)
            return false;
    }
    return true;
}

void cvy_programs_launched(struct cvy_device *device, const struct cvy_kernel *kernel, const size_t global[3],
                           const size_t local[3], cl_event event)
{
    struct cvy_program *program = kernel->program;
    if (program->n_seen < MAX_SEEN)
        program->seen[program->n_seen++] = launch_hash(kernel, global, local);
    if (program->pending != NULL)
        clReleaseEvent(program->pending);
    else
        device->programs->n_pending++;
    program->pending = event;
}

/* The driver's binary, with room for a head before it. What it was launched with after an earlier binary
 * comes with a program made anew, which PoCL has in its cache. */
static unsigned char *binary_of(struct cvy_device *device, const struct cvy_program *program, size_t head,
                                size_t *bytes)
{
    cl_program anew = NULL;
    const char *source = cvy_source_text(device, program->name);
    if (!program->has_binary || source == NULL)
        return cvy_binary_get(device, program->cl, head, bytes);
    if (cvy_binary_compile(device, program->name, source, program->options, &anew) != CVY_OK)
        return NULL;
    unsigned char *payload = cvy_binary_get(device, anew, head, bytes);
    clReleaseProgram(anew);
    return payload;
}

static void save(struct cvy_device *device, struct cvy_program *program)
{
    if (device->save_seconds <= 0)
        return;
    double start = cvy_now();
    size_t head = sizeof(uint64_t) * (1 + program->n_seen);
    uint64_t n = program->n_seen;
    size_t bytes = 0;
    unsigned char *payload = binary_of(device, program, head, &bytes);
    if (payload == NULL)
        return;
    program->has_binary = true;
    memcpy(payload, &n, sizeof(n));
    memcpy(payload + sizeof(n), program->seen, head - sizeof(n));
    cvy_store_put(device->store, program->store_key, payload, bytes);
    free(payload);
    device->save_seconds -= cvy_now() - start;
}

/* Some drivers (rusticl) tell the end of an event only to those who wait for it. */
static bool has_run(cl_event event, bool finished)
{
    cl_int state = CL_QUEUED;
    if (finished)
        return clWaitForEvents(1, &event) == CL_SUCCESS;
    return clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof(state), &state, NULL) !=
               CL_SUCCESS ||
           state <= CL_COMPLETE;
}

void cvy_programs_save(struct cvy_device *device, bool finished)
{
    pthread_mutex_lock(&device->lock);
    struct cvy_programs *programs = device->programs;
    for (size_t i = 0; i < BUCKETS && programs->n_pending > 0; i++) {
        for (struct cvy_program *program = programs->buckets[i]; program != NULL; program = program->next) {
            if (program->pending == NULL || !has_run(program->pending, finished))
                continue;
            clReleaseEvent(program->pending);
            program->pending = NULL;
            programs->n_pending--;
            save(device, program);
        }
    }
    pthread_mutex_unlock(&device->lock);
}
