/* the call of OpenCL 1.2: newer ones are missing from many drivers */
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include "runtime/device.h"

#include <stdlib.h>
#include <time.h>

#include "base/arith.h"
#include "base/log.h"
#include "runtime/gemm_setting.h"
#include "runtime/memory.h"
#include "runtime/pool.h"
#include "runtime/program.h"
#include "runtime/quarantine.h"
#include "runtime/source.h"
#include "runtime/store.h"
#include "runtime/team.h"

#define DEVICE_KERNEL_EXEC_TIMEOUT_NV 0x4005 /* cl_nv_device_attribute_query */

double cvy_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Only these are counted, and drivers that know no sub-devices may lack the functions that count. */
static bool is_sub_device(cl_device_id id)
{
    cl_device_id parent = NULL;
    return clGetDeviceInfo(id, CL_DEVICE_PARENT_DEVICE, sizeof(parent), &parent, NULL) == CL_SUCCESS &&
           parent != NULL;
}

struct cvy_hash cvy_device_identity(const struct cvy_device *device)
{
    const struct cvy_device_info *info = &device->info;
    const char *pieces[] = {info->name,
                            info->vendor,
                            info->driver_version,
                            info->opencl_version,
                            info->opencl_c_version,
                            info->platform,
                            info->platform_version};
    struct cvy_hash key = {0, 0};
    for (size_t i = 0; i < CVY_COUNT(pieces); i++)
        key = cvy_hash_string(key, pieces[i]);
    /* of a part of a device, too: it has other speeds than the whole */
    if (device->cores.count != 0 && is_sub_device(device->id))
        key = cvy_hash_bytes(key, &device->cores.count, sizeof(device->cores.count));
    return key;
}

static enum cvy_status device_alloc(struct cvy_device **device)
{
    struct cvy_device *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return cvy_fail_memory("a device", sizeof(*made));
    pthread_mutex_init(&made->lock, NULL);
    pthread_mutex_init(&made->rates_lock, NULL);
    made->opened_at = cvy_now();
    *device = made;
    return CVY_OK;
}

static cl_command_queue create_queue(cl_context context, cl_device_id id, cl_int *error)
{
    cl_command_queue queue = clCreateCommandQueue(context, id, CL_QUEUE_PROFILING_ENABLE, error);
    /* some devices have no profiling at all */
    if (*error == CL_INVALID_QUEUE_PROPERTIES)
        queue = clCreateCommandQueue(context, id, 0, error);
    return queue;
}

static cl_ulong marker_time(cl_command_queue queue)
{
    cl_event event;
    cl_ulong end = 0;
    if (clEnqueueMarkerWithWaitList(queue, 0, NULL, &event) != CL_SUCCESS)
        return 0;
    if (clWaitForEvents(1, &event) != CL_SUCCESS ||
        clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_END, sizeof(end), &end, NULL) != CL_SUCCESS)
        end = 0;
    clReleaseEvent(event);
    return end;
}

/* Whether time passes on the device's clock: some drivers give every command the same times. On a queue of
 * its own, because the caller's may be held up. */
static bool probe_clock(struct cvy_device *device)
{
    cl_int error;
    cl_uint value = 1;
    bool moves = false;
    cl_command_queue queue =
        clCreateCommandQueue(device->context, device->id, CL_QUEUE_PROFILING_ENABLE, &error);
    if (error != CL_SUCCESS)
        return false;
    cl_mem memory = clCreateBuffer(device->context, CL_MEM_READ_WRITE, sizeof(value), NULL, &error);
    if (error == CL_SUCCESS) {
        cl_ulong before = marker_time(queue);
        error = clEnqueueWriteBuffer(queue, memory, CL_TRUE, 0, sizeof(value), &value, 0, NULL, NULL);
        moves = error == CL_SUCCESS && before != 0 && marker_time(queue) > before;
        clReleaseMemObject(memory);
    }
    clReleaseCommandQueue(queue);
    return moves;
}

/* Of a GPU that draws a screen, which stands still meanwhile, and whose driver ends what takes seconds. */
static double default_max_launch(const struct cvy_device *device)
{
    cl_bool has_timeout = CL_FALSE;
    if (clGetDeviceInfo(device->id, DEVICE_KERNEL_EXEC_TIMEOUT_NV, sizeof(has_timeout), &has_timeout, NULL) !=
        CL_SUCCESS)
        has_timeout = CL_FALSE;
    return has_timeout || device->info.type == CVY_DEVICE_INTEGRATED_GPU ? 0.1 : 0;
}

void cvy_device_set_max_launch(struct cvy_device *device, double milliseconds)
{
    pthread_mutex_lock(&device->lock);
    device->max_launch = milliseconds > 0 ? 1e-3 * milliseconds : 0;
    pthread_mutex_unlock(&device->lock);
}

double cvy_device_get_max_launch(const struct cvy_device *device)
{
    return 1e3 * device->max_launch;
}

/* What comes after context, id, queue and info are there. */
static enum cvy_status device_init(struct cvy_device *device)
{
    cl_command_queue_properties properties = 0;
    if (clGetCommandQueueInfo(device->queue, CL_QUEUE_PROPERTIES, sizeof(properties), &properties, NULL) !=
        CL_SUCCESS)
        properties = 0;
    if (properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE)
        return cvy_fail(CVY_ERROR_INVALID,
                        "device: the queue is out of order; pass an in-order queue or NULL");
    device->can_profile = (properties & CL_QUEUE_PROFILING_ENABLE) && probe_clock(device);
    device->max_launch = default_max_launch(device);
    cvy_memory_find_shared(device);
    enum cvy_status status = cvy_programs_create(&device->programs);
    if (status == CVY_OK)
        status = cvy_pool_create(&device->pool, device);
    if (status == CVY_OK)
        cvy_log(CVY_LOG_INFO, "device: %s (%s, %s)", device->info.name,
                cvy_device_type_name(device->info.type), device->info.platform);
    return status;
}

enum cvy_status cvy_device_open(struct cvy_device **device, const char *selector)
{
    if (device == NULL)
        return cvy_fail(CVY_ERROR_INVALID, "cvy_device_open: device is NULL; pass where to put it");
    struct cvy_device *made = NULL;
    enum cvy_status status = device_alloc(&made);
    if (status != CVY_OK)
        return status;
    status = cvy_device_select(selector, &made->id, &made->info, &made->cores);
    if (status != CVY_OK)
        goto fail;
    cl_int error;
    cl_context_properties properties[] = {CL_CONTEXT_PLATFORM,
                                          (cl_context_properties)made->cores.platform, 0};
    made->context = clCreateContext(properties, 1, &made->id, NULL, NULL, &error);
    if (error != CL_SUCCESS) {
        made->context = NULL;
        status = cvy_fail_cl(error, "clCreateContext");
        goto fail;
    }
    made->queue = create_queue(made->context, made->id, &error);
    if (error != CL_SUCCESS) {
        made->queue = NULL;
        status = cvy_fail_cl(error, "clCreateCommandQueue");
        goto fail;
    }
    made->owns_queue = true;
    status = device_init(made);
    if (status != CVY_OK)
        goto fail;
    *device = made;
    return CVY_OK;
fail:
    cvy_device_destroy(&made);
    return status;
}

static enum cvy_status check_adoption(cl_context context, cl_device_id id, cl_command_queue queue)
{
    cl_device_id devices[64];
    size_t bytes = 0;
    if (context == NULL || id == NULL)
        return cvy_fail(CVY_ERROR_INVALID, "cvy_device_adopt: context or device is NULL; pass both");
    cl_int error = clGetContextInfo(context, CL_CONTEXT_DEVICES, sizeof(devices), devices, &bytes);
    if (error != CL_SUCCESS)
        return cvy_fail_cl(error, "cvy_device_adopt: clGetContextInfo");
    bool found = false;
    for (size_t i = 0; i < bytes / sizeof(devices[0]); i++)
        found = found || devices[i] == id;
    if (!found)
        return cvy_fail(CVY_ERROR_INVALID, "cvy_device_adopt: the device is not one of the context's");
    if (queue == NULL)
        return CVY_OK;
    cl_context queue_context;
    cl_device_id queue_device;
    error = clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof(queue_context), &queue_context, NULL);
    if (error == CL_SUCCESS)
        error = clGetCommandQueueInfo(queue, CL_QUEUE_DEVICE, sizeof(queue_device), &queue_device, NULL);
    if (error != CL_SUCCESS)
        return cvy_fail_cl(error, "cvy_device_adopt: clGetCommandQueueInfo");
    if (queue_context != context || queue_device != id)
        return cvy_fail(CVY_ERROR_INVALID, "cvy_device_adopt: the queue is of another context or device");
    return CVY_OK;
}

static enum cvy_status retain(struct cvy_device *device, cl_context context, cl_device_id id,
                              cl_command_queue queue)
{
    cl_int error = clRetainContext(context);
    if (error != CL_SUCCESS)
        return cvy_fail_cl(error, "cvy_device_adopt: clRetainContext");
    device->context = context;
    if (is_sub_device(id))
        error = clRetainDevice(id);
    if (error != CL_SUCCESS)
        return cvy_fail_cl(error, "cvy_device_adopt: clRetainDevice");
    device->id = id;
    if (queue == NULL)
        queue = create_queue(context, id, &error);
    else
        error = clRetainCommandQueue(queue);
    if (error != CL_SUCCESS)
        return cvy_fail_cl(error, "cvy_device_adopt: the queue");
    device->queue = queue;
    return CVY_OK;
}

enum cvy_status cvy_device_adopt(struct cvy_device **device, cl_context context, cl_device_id id,
                                 cl_command_queue queue)
{
    if (device == NULL)
        return cvy_fail(CVY_ERROR_INVALID, "cvy_device_adopt: device is NULL; pass where to put it");
    enum cvy_status status = check_adoption(context, id, queue);
    if (status != CVY_OK)
        return status;
    struct cvy_device *made = NULL;
    status = device_alloc(&made);
    if (status != CVY_OK)
        return status;
    cvy_device_query(id, &made->info);
    if (!cvy_device_is_new_enough(&made->info)) {
        status = cvy_fail(CVY_ERROR_UNSUPPORTED, "cvy_device_adopt: %s has %s; convoy needs OpenCL 1.2",
                          made->info.name, made->info.opencl_version);
        goto fail;
    }
    status = retain(made, context, id, queue);
    if (status != CVY_OK)
        goto fail;
    made->cores.root = id;
    if (clGetDeviceInfo(id, CL_DEVICE_PLATFORM, sizeof(made->cores.platform), &made->cores.platform, NULL) !=
        CL_SUCCESS)
        made->cores.platform = NULL;
    status = device_init(made);
    if (status != CVY_OK)
        goto fail;
    *device = made;
    return CVY_OK;
fail:
    cvy_device_destroy(&made);
    return status;
}

bool cvy_queue_is_let_go(cl_command_queue queue)
{
    const struct timespec moment = {.tv_nsec = 100000};
    cl_uint count = 0;
    for (int i = 0; i < 1000; i++) {
        if (clGetCommandQueueInfo(queue, CL_QUEUE_REFERENCE_COUNT, sizeof(count), &count, NULL) !=
                CL_SUCCESS ||
            count == 1)
            break;
        nanosleep(&moment, NULL);
    }
    return count == 1;
}

void cvy_device_destroy(struct cvy_device **device)
{
    if (device == NULL || *device == NULL)
        return;
    struct cvy_device *d = *device;
    cvy_team_finish(d);
    if (d->queue != NULL)
        clFinish(d->queue);
    if (d->programs != NULL)
        cvy_programs_save(d, true);
    cvy_programs_destroy(&d->programs);
    cvy_pool_destroy(d, &d->pool);
    cvy_memory_free(d, UINT64_MAX);
    cvy_quarantine_destroy(&d->quarantined);
    cvy_gemm_setting_destroy(&d->gemm_setting);
    cvy_sources_destroy(&d->sources);
    cvy_store_close(&d->store);
    cvy_store_close(&d->times);
    cvy_team_destroy(d);
    const bool is_part = d->id != NULL && is_sub_device(d->id);
    /* who lends a queue holds it, and its device */
    const bool is_lent = d->info.selector[0] == '\0';
    const bool in_use = is_part && !is_lent && d->queue != NULL && !cvy_queue_is_let_go(d->queue);
    if (d->queue != NULL)
        clReleaseCommandQueue(d->queue);
    if (d->context != NULL)
        clReleaseContext(d->context);
    if (is_part && !in_use)
        clReleaseDevice(d->id);
    pthread_mutex_destroy(&d->rates_lock);
    pthread_mutex_destroy(&d->lock);
    free(d);
    *device = NULL;
}

bool cvy_device_put_times(struct cvy_device *device, const struct cvy_store_time *rows, size_t count)
{
    pthread_mutex_lock(&device->lock);
    if (device->store == NULL && device->times == NULL)
        device->times = cvy_store_open(":memory:", 0);
    bool kept = cvy_store_put_times(device->store != NULL ? device->store : device->times, rows, count);
    pthread_mutex_unlock(&device->lock);
    return kept;
}

bool cvy_device_list_times(struct cvy_device *device, const char *problem,
                           void (*take)(void *user, const struct cvy_store_time *row), void *user)
{
    struct cvy_hash identity = cvy_device_identity(device);
    pthread_mutex_lock(&device->lock);
    bool listed = cvy_store_list_times(device->store != NULL ? device->store : device->times,
                                       problem != NULL ? &identity : NULL, problem, take, user);
    pthread_mutex_unlock(&device->lock);
    return listed;
}

static void move_time(void *user, const struct cvy_store_time *row)
{
    cvy_store_put_times(user, row, 1);
}

enum cvy_status cvy_device_set_store(struct cvy_device *device, const struct cvy_store_params *params)
{
    if (device == NULL)
        return cvy_fail(CVY_ERROR_INVALID, "cvy_device_set_store: device is NULL; open one first");
    cvy_programs_save(device, false);
    struct cvy_store *store = NULL;
    if (params != NULL && params->path != NULL)
        store = cvy_store_open(params->path, params->max_bytes);
    pthread_mutex_lock(&device->lock);
    struct cvy_store *old = device->store;
    device->store = store;
    device->save_seconds = params != NULL && params->save_seconds > 0 ? params->save_seconds : 1;
    cvy_quarantine_sync(device);
    cvy_gemm_setting_sync(device);
    if (store != NULL) {
        cvy_store_list_times(device->times, NULL, NULL, move_time, store);
        cvy_store_close(&device->times);
    }
    pthread_mutex_unlock(&device->lock);
    cvy_store_close(&old);
    return CVY_OK;
}

enum cvy_status cvy_device_finish(struct cvy_device *device)
{
    if (device == NULL)
        return cvy_fail(CVY_ERROR_INVALID, "cvy_device_finish: device is NULL; open one first");
    const uint64_t released = cvy_memory_released(device);
    enum cvy_status status = cvy_team_finish(device);
    if (status != CVY_OK)
        return status;
    cl_int error = clFinish(device->queue);
    if (error != CL_SUCCESS)
        return cvy_fail_cl(error, "clFinish");
    cvy_memory_free(device, released);
    cvy_programs_save(device, true);
    return CVY_OK;
}

void cvy_device_launched(struct cvy_device *device)
{
    if (device->stats.first_launch_at <= 0)
        device->stats.first_launch_at = cvy_now() - device->opened_at;
}

void cvy_device_get_build_stats(const struct cvy_device *device, struct cvy_build_stats *stats)
{
    pthread_mutex_t *lock = &((struct cvy_device *)device)->lock;
    pthread_mutex_lock(lock);
    *stats = device->stats;
    pthread_mutex_unlock(lock);
}

const struct cvy_device_info *cvy_device_get_info(const struct cvy_device *device)
{
    return &device->info;
}

cl_context cvy_device_cl_context(const struct cvy_device *device)
{
    return device->context;
}

cl_device_id cvy_device_cl_id(const struct cvy_device *device)
{
    return device->id;
}

cl_command_queue cvy_device_cl_queue(const struct cvy_device *device)
{
    struct cvy_device *own = (struct cvy_device *)device;
    pthread_mutex_lock(&own->lock);
    cvy_team_disband(own);
    pthread_mutex_unlock(&own->lock);
    return device->queue;
}
