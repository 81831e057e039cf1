#include <stdlib.h>

#include "base/log.h"
#include "runtime/device.h"
#include "runtime/program.h"
#include "runtime/team.h"

struct cvy_event {
    struct cvy_device *device;
    cl_event cl;
};

/* Takes over a reference to cl. */
static enum cvy_status wrap(struct cvy_event **event, struct cvy_device *device, cl_event cl)
{
    struct cvy_event *made = malloc(sizeof(*made));
    if (made == NULL) {
        clReleaseEvent(cl);
        return cvy_fail_memory("an event", sizeof(*made));
    }
    *made = (struct cvy_event){device, cl};
    *event = made;
    return CVY_OK;
}

enum cvy_status cvy_event_adopt(struct cvy_event **event, struct cvy_device *device, cl_event cl)
{
    if (event == NULL || device == NULL || cl == NULL)
        return cvy_fail(CVY_ERROR_INVALID,
                        "cvy_event_adopt: an argument is NULL; pass event, device and cl_event");
    cl_int error = clRetainEvent(cl);
    if (error != CL_SUCCESS)
        return cvy_fail_cl(error, "clRetainEvent");
    return wrap(event, device, cl);
}

cl_event cvy_event_cl(const struct cvy_event *event)
{
    return event->cl;
}

void cvy_event_destroy(struct cvy_event **event)
{
    if (event == NULL || *event == NULL)
        return;
    clReleaseEvent((*event)->cl);
    free(*event);
    *event = NULL;
}

enum cvy_status cvy_event_wait(struct cvy_event *event)
{
    if (event == NULL)
        return cvy_fail(CVY_ERROR_INVALID, "cvy_event_wait: event is NULL; ask enqueue for one");
    cl_int error = clWaitForEvents(1, &event->cl);
    if (error != CL_SUCCESS)
        return cvy_fail_cl(error, "clWaitForEvents");
    cvy_programs_save(event->device, false);
    return CVY_OK;
}

enum cvy_status cvy_enqueue_waits(struct cvy_device *device, struct cvy_event *const *waits, size_t n_waits)
{
    if (n_waits == 0)
        return CVY_OK;
    if (waits == NULL || n_waits > UINT32_MAX)
        return cvy_fail(CVY_ERROR_INVALID, "waits: %zu events announced in no array", n_waits);
    cl_event *list = malloc(n_waits * sizeof(*list));
    if (list == NULL)
        return cvy_fail_memory("a list of events", n_waits * sizeof(*list));
    for (size_t i = 0; i < n_waits; i++) {
        if (waits[i] == NULL) {
            free(list);
            return cvy_fail(CVY_ERROR_INVALID, "waits: event %zu is NULL; leave it out", i);
        }
        list[i] = waits[i]->cl;
    }
    cl_int error = clEnqueueBarrierWithWaitList(cvy_device_queue(device), (cl_uint)n_waits, list, NULL);
    free(list);
    return error == CL_SUCCESS ? CVY_OK : cvy_fail_cl(error, "clEnqueueBarrierWithWaitList");
}

enum cvy_status cvy_enqueue_marker(struct cvy_device *device, struct cvy_event **event)
{
    cl_event cl;
    cl_command_queue queue = cvy_device_queue(device);
    cl_int error = clEnqueueMarkerWithWaitList(queue, 0, NULL, &cl);
    if (error != CL_SUCCESS)
        return cvy_fail_cl(error, "clEnqueueMarkerWithWaitList");
    /* whoever waits for the event on another queue must not wait for ever */
    error = clFlush(queue);
    if (error != CL_SUCCESS) {
        clReleaseEvent(cl);
        return cvy_fail_cl(error, "clFlush");
    }
    return wrap(event, device, cl);
}

static bool event_time(cl_event event, cl_profiling_info what, cl_ulong *time)
{
    return clGetEventProfilingInfo(event, what, sizeof(*time), time, NULL) == CL_SUCCESS && *time != 0;
}

bool cvy_event_delay(const struct cvy_event *event, double *seconds)
{
    cl_event cl = event->cl;
    cl_ulong queued, start;
    if (clWaitForEvents(1, &cl) != CL_SUCCESS || !event->device->can_profile ||
        !event_time(cl, CL_PROFILING_COMMAND_QUEUED, &queued) ||
        !event_time(cl, CL_PROFILING_COMMAND_START, &start) || start < queued)
        return false;
    *seconds = 1e-9 * (double)(start - queued);
    return true;
}

bool cvy_event_span(const struct cvy_event *first, const struct cvy_event *last, double *seconds)
{
    cl_event both[2] = {first->cl, last->cl};
    cl_ulong start, end;
    if (clWaitForEvents(2, both) != CL_SUCCESS || !first->device->can_profile)
        return false;
    if (!event_time(both[0], CL_PROFILING_COMMAND_START, &start) ||
        !event_time(both[1], CL_PROFILING_COMMAND_END, &end) || end < start)
        return false;
    *seconds = 1e-9 * (double)(end - start);
    return true;
}
