/*
 * An OpenCL layer (OPENCL_LAYERS) that fails calls. CVY_FAULT, looked at in every call, says which:
 *
 *   clEnqueueNDRangeKernel:3@2      the third call of it, on queues of the second context made, fails;
 *   clEnqueueNDRangeKernel:3+@2     from then on every call below fails on that context: the device is gone;
 *   clFinish:1@0x5581...            a context by its address
 *
 * Calls are counted from when CVY_FAULT was last changed; CVY_FAULT_CALLS becomes their number.
 * CVY_FAULT_LAYER becomes "loaded", and CVY_FAULT_FIRED the number of failed calls: a loader ignores a layer
 * that it does not find.
 */
#include <CL/cl_layer.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ERROR CL_OUT_OF_RESOURCES
#define API CL_API_CALL

static const cl_icd_dispatch *next;
static cl_icd_dispatch ours;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    char text[256]; /* CVY_FAULT */
    char name[128];
    long number, count, fired;
    bool stays, is_gone;
    cl_context context;
} fault;
static cl_context contexts[64];
static size_t n_contexts;

static void parse(const char *text)
{
    snprintf(fault.text, sizeof(fault.text), "%s", text);
    char *colon = strchr(fault.text, ':'), *at = strchr(fault.text, '@');
    fault.name[0] = '\0';
    fault.count = 0;
    fault.is_gone = false;
    if (colon == NULL || at == NULL)
        return;
    snprintf(fault.name, sizeof(fault.name), "%.*s", (int)(colon - fault.text), fault.text);
    fault.number = strtol(colon + 1, NULL, 10);
    fault.stays = at[-1] == '+';
    const unsigned long long which = strtoull(at + 1, NULL, 0);
    if (strncmp(at + 1, "0x", 2) == 0)
        fault.context = (cl_context)(size_t)which;
    else
        fault.context = which >= 1 && which <= n_contexts ? contexts[which - 1] : NULL;
}

static bool fails(cl_context context, const char *name)
{
    const char *text = getenv("CVY_FAULT");
    pthread_mutex_lock(&lock);
    if (strcmp(text != NULL ? text : "", fault.text) != 0 || fault.context == NULL)
        parse(text != NULL ? text : "");
    bool hit = false;
    if (fault.name[0] != '\0' && context == fault.context) {
        if (strcmp(name, fault.name) == 0) {
            char calls[32];
            snprintf(calls, sizeof(calls), "%ld", ++fault.count);
            setenv("CVY_FAULT_CALLS", calls, 1);
        }
        hit = fault.is_gone || (strcmp(name, fault.name) == 0 && fault.count == fault.number);
        fault.is_gone = fault.is_gone || (hit && fault.stays);
    }
    if (hit) {
        char number[32];
        snprintf(number, sizeof(number), "%ld", ++fault.fired);
        setenv("CVY_FAULT_FIRED", number, 1);
    }
    pthread_mutex_unlock(&lock);
    return hit;
}

static bool fails_on(cl_command_queue queue, const char *name)
{
    cl_context context = NULL;
    next->clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof(context), (void *)&context, NULL);
    return fails(context, name);
}

static cl_context API create_context(const cl_context_properties *properties, cl_uint n,
                                     const cl_device_id *devices,
                                     void(CL_CALLBACK *notify)(const char *, const void *, size_t, void *),
                                     void *user, cl_int *error)
{
    cl_context made = next->clCreateContext(properties, n, devices, notify, user, error);
    pthread_mutex_lock(&lock);
    if (made != NULL && n_contexts < 64)
        contexts[n_contexts++] = made;
    pthread_mutex_unlock(&lock);
    return made;
}

static cl_mem API create_buffer(cl_context context, cl_mem_flags flags, size_t size, void *host,
                                cl_int *error)
{
    if (!fails(context, "clCreateBuffer"))
        return next->clCreateBuffer(context, flags, size, host, error);
    if (error != NULL)
        *error = CL_MEM_OBJECT_ALLOCATION_FAILURE;
    return NULL;
}

static cl_int API enqueue_kernel(cl_command_queue queue, cl_kernel kernel, cl_uint dims, const size_t *offset,
                                 const size_t *global, const size_t *local, cl_uint n, const cl_event *waits,
                                 cl_event *event)
{
    return fails_on(queue, "clEnqueueNDRangeKernel")
               ? ERROR
               : next->clEnqueueNDRangeKernel(queue, kernel, dims, offset, global, local, n, waits, event);
}

static cl_int API enqueue_read(cl_command_queue queue, cl_mem buffer, cl_bool blocking, size_t offset,
                               size_t size, void *host, cl_uint n, const cl_event *waits, cl_event *event)
{
    return fails_on(queue, "clEnqueueReadBuffer")
               ? ERROR
               : next->clEnqueueReadBuffer(queue, buffer, blocking, offset, size, host, n, waits, event);
}

static cl_int API enqueue_write(cl_command_queue queue, cl_mem buffer, cl_bool blocking, size_t offset,
                                size_t size, const void *host, cl_uint n, const cl_event *waits,
                                cl_event *event)
{
    return fails_on(queue, "clEnqueueWriteBuffer")
               ? ERROR
               : next->clEnqueueWriteBuffer(queue, buffer, blocking, offset, size, host, n, waits, event);
}

static cl_int API enqueue_marker(cl_command_queue queue, cl_uint n, const cl_event *waits, cl_event *event)
{
    return fails_on(queue, "clEnqueueMarkerWithWaitList")
               ? ERROR
               : next->clEnqueueMarkerWithWaitList(queue, n, waits, event);
}

static cl_int API wait_for(cl_uint n, const cl_event *events)
{
    cl_context context = NULL;
    next->clGetEventInfo(events[0], CL_EVENT_CONTEXT, sizeof(context), (void *)&context, NULL);
    const bool failed = fails(context, "clWaitForEvents");
    const cl_int error = next->clWaitForEvents(n, events);
    return failed ? CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST : error;
}

/* What was enqueued must not go on behind the back of who was told that it failed. */
static cl_int API finish(cl_command_queue queue)
{
    const bool failed = fails_on(queue, "clFinish");
    const cl_int error = next->clFinish(queue);
    return failed ? ERROR : error;
}

CL_API_ENTRY cl_int API clGetLayerInfo(cl_layer_info what, size_t size, void *value, size_t *needed)
{
    const cl_layer_api_version version = CL_LAYER_API_VERSION_100;
    if (what != CL_LAYER_API_VERSION)
        return CL_INVALID_VALUE;
    if (value != NULL && size < sizeof(version))
        return CL_INVALID_VALUE;
    if (value != NULL)
        memcpy(value, &version, sizeof(version));
    if (needed != NULL)
        *needed = sizeof(version);
    return CL_SUCCESS;
}

CL_API_ENTRY cl_int API clInitLayer(cl_uint n_entries, const cl_icd_dispatch *target, cl_uint *n_ours,
                                    const cl_icd_dispatch **layer)
{
    if (n_entries < sizeof(ours) / sizeof(ours.clGetPlatformIDs))
        return CL_INVALID_VALUE;
    next = target;
    ours = *target;
    ours.clCreateContext = create_context;
    ours.clCreateBuffer = create_buffer;
    ours.clEnqueueNDRangeKernel = enqueue_kernel;
    ours.clEnqueueReadBuffer = enqueue_read;
    ours.clEnqueueWriteBuffer = enqueue_write;
    ours.clEnqueueMarkerWithWaitList = enqueue_marker;
    ours.clWaitForEvents = wait_for;
    ours.clFinish = finish;
    *n_ours = sizeof(ours) / sizeof(ours.clGetPlatformIDs);
    *layer = &ours;
    setenv("CVY_FAULT_LAYER", "loaded", 1);
    return CL_SUCCESS;
}
