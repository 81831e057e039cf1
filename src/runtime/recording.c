#include "runtime/recording.h"

#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "runtime/launch.h"
#include "runtime/program.h"
#include "runtime/quarantine.h"
#include "runtime/team.h"

#define FIRST_ROOM 4 /* launches: most operators have fewer */

struct recorded {
    const char *program, *name;
    cl_kernel kernel;
    char *room; /* for the arguments of a team's launch; NULL: it is none */
    struct cvy_team_launch team;
    unsigned dims;
    size_t global[3], local[3];
};

struct cvy_recording {
    struct cvy_device *device;
    struct cvy_recording *outer; /* while it is made */
    uint64_t generation;         /* of the device's programs */
    bool is_spoilt;
    size_t n, capacity;
    struct recorded *launches;
};

static _Thread_local struct cvy_recording *current;

struct cvy_recording *cvy_recording_begin(struct cvy_device *device)
{
    struct cvy_recording *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return NULL;
    made->device = device;
    made->generation = cvy_programs_generation(device);
    made->outer = current;
    current = made;
    return made;
}

bool cvy_recording_end(struct cvy_recording *recording)
{
    current = recording->outer;
    return !recording->is_spoilt;
}

bool cvy_recording_is_current(const struct cvy_recording *recording)
{
    return recording->generation == cvy_programs_generation(recording->device);
}

void cvy_recording_spoil(const struct cvy_device *device)
{
    for (struct cvy_recording *each = current; each != NULL; each = each->outer)
        each->is_spoilt = each->is_spoilt || each->device == device;
}

/* The place of the next launch; NULL: short of memory. */
static struct recorded *add_room(struct cvy_recording *recording)
{
    if (recording->n == recording->capacity) {
        const size_t capacity = CVY_MAX(2 * recording->capacity, FIRST_ROOM);
        struct recorded *grown = realloc(recording->launches, capacity * sizeof(*grown));
        if (grown == NULL)
            return NULL;
        recording->launches = grown;
        recording->capacity = capacity;
    }
    return &recording->launches[recording->n];
}

void cvy_recording_add(struct cvy_device *device, const struct cvy_launch *launch, cl_kernel kernel,
                       const struct cvy_team_launch *for_team, const size_t global[3], const size_t local[3])
{
    if (current == NULL || current->device != device)
        return;
    struct cvy_recording *recording = current;
    cl_program program = NULL;
    cl_int error = CL_OUT_OF_HOST_MEMORY;
    struct recorded *next = add_room(recording);
    if (next != NULL)
        error = clGetKernelInfo(kernel, CL_KERNEL_PROGRAM, sizeof(program), &program, NULL);
    if (error == CL_SUCCESS) {
        *next = (struct recorded){.program = launch->program, .name = launch->kernel, .dims = launch->dims};
        memcpy(next->global, global, sizeof(next->global));
        memcpy(next->local, local, sizeof(next->local));
        next->kernel = clCreateKernel(program, launch->kernel, &error);
    }
    if (error == CL_SUCCESS) {
        recording->n++;
        if (for_team != NULL) {
            next->room = cvy_team_take_arguments(device, true);
            next->team = *for_team;
            next->team.kernel = next->kernel;
            next->team.arguments = next->room;
            error = next->room != NULL ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
        }
        if (error == CL_SUCCESS)
            error = cvy_launch_set_args(device, launch, next->kernel, next->room);
    }
    recording->is_spoilt = recording->is_spoilt || error != CL_SUCCESS;
}

static cl_int enqueue(struct cvy_device *device, const struct recorded *launch)
{
    if (launch->room != NULL) {
        const size_t range[2] = {0, launch->global[0] * launch->global[1] * launch->global[2]};
        return cvy_team_enqueue(device, &launch->team, range, NULL);
    }
    return clEnqueueNDRangeKernel(cvy_team_join(device), launch->kernel, launch->dims, NULL, launch->global,
                                  launch->local, 0, NULL, NULL);
}

enum cvy_status cvy_recording_replay(struct cvy_recording *recording)
{
    struct cvy_device *device = recording->device;
    for (size_t i = 0; i < recording->n; i++) {
        enum cvy_status status =
            cvy_quarantine_check(device, recording->launches[i].program, recording->launches[i].name);
        if (status != CVY_OK)
            return status;
    }
    enum cvy_status status = CVY_OK;
    pthread_mutex_lock(&device->lock);
    for (size_t i = 0; i < recording->n && status == CVY_OK; i++) {
        const struct recorded *launch = &recording->launches[i];
        cl_int error = enqueue(device, launch);
        if (error != CL_SUCCESS)
            status = cvy_fail_cl(error, launch->name);
        cvy_launch_note(device, launch->program, launch->name, status);
    }
    pthread_mutex_unlock(&device->lock);
    return status;
}

void cvy_recording_destroy(struct cvy_recording **recording)
{
    if (recording == NULL || *recording == NULL)
        return;
    struct cvy_device *device = (*recording)->device;
    pthread_mutex_lock(&device->lock);
    for (size_t i = 0; i < (*recording)->n; i++) {
        clReleaseKernel((*recording)->launches[i].kernel);
        cvy_team_give_arguments(device, (*recording)->launches[i].room, true);
    }
    pthread_mutex_unlock(&device->lock);
    free((*recording)->launches);
    free(*recording);
    *recording = NULL;
}
