#include "runtime/launch.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "runtime/buffer.h"
#include "runtime/program.h"
#include "runtime/quarantine.h"
#include "runtime/recording.h"
#include "runtime/slots.h"
#include "runtime/team.h"

static void problem(struct cvy_launch *launch, const char *format, ...) CVY_PRINTF(2, 3);

static void problem(struct cvy_launch *launch, const char *format, ...)
{
    if (launch->problem[0] != '\0')
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(launch->problem, sizeof(launch->problem), format, args);
    va_end(args);
}

void cvy_launch_init(struct cvy_launch *launch, const char *program, const char *kernel)
{
    *launch = (struct cvy_launch){.program = program, .kernel = kernel};
}

void cvy_launch_finish(struct cvy_launch *launch)
{
    cvy_text_finish(&launch->macros);
}

void cvy_launch_define(struct cvy_launch *launch, const char *name, size_t value)
{
    int checked;
    if (cvy_to_int(value, &checked)) {
        cvy_text_add_string(&launch->macros, " -D");
        cvy_text_add_string(&launch->macros, name);
        cvy_text_add_string(&launch->macros, "=");
        cvy_text_add_count(&launch->macros, value);
    } else
        problem(launch, "%s is %zu, more than a kernel's int holds; use a smaller problem", name, value);
}

void cvy_launch_define_signed(struct cvy_launch *launch, const char *name, int64_t value)
{
    if (value < -INT_MAX || value > INT_MAX)
        problem(launch, "%s is %" PRId64 ", beyond a kernel's int; use a smaller problem", name, value);
    else
        cvy_text_add(&launch->macros, " -D%s=(%d)", name, (int)value);
}

void cvy_launch_define_text(struct cvy_launch *launch, const char *name, const char *value)
{
    cvy_text_add(&launch->macros, " -D%s=%s", name, value);
}

static void add_arg(struct cvy_launch *launch, struct cvy_launch_arg arg)
{
    if (launch->n_args == CVY_LAUNCH_MAX_ARGS)
        problem(launch, "more than %d arguments", CVY_LAUNCH_MAX_ARGS);
    else
        launch->args[launch->n_args++] = arg;
}

void cvy_launch_buffer(struct cvy_launch *launch, const struct cvy_buffer *buffer)
{
    if (buffer == NULL)
        problem(launch, "argument %zu: the buffer is NULL", launch->n_args);
    cvy_launch_buffer_or_null(launch, buffer);
}

void cvy_launch_buffer_or_null(struct cvy_launch *launch, const struct cvy_buffer *buffer)
{
    cl_mem memory = buffer != NULL ? cvy_buffer_cl_mem(buffer) : NULL;
    const void *address = buffer != NULL ? cvy_buffer_address(buffer) : NULL;
    struct cvy_launch_arg arg = {.bytes = sizeof(cl_mem), .is_memory = true, .value.memory = memory};
    if (address != NULL)
        arg = (struct cvy_launch_arg){.is_address = true, .value.address = address};
    add_arg(launch, arg);
}

static int checked_int(struct cvy_launch *launch, size_t value)
{
    int checked = 0;
    if (!cvy_to_int(value, &checked))
        problem(launch, "argument %zu: %zu is more than a kernel's int holds; use a smaller problem",
                launch->n_args, value);
    return checked;
}

void cvy_launch_int(struct cvy_launch *launch, size_t value)
{
    int checked = checked_int(launch, value);
    add_arg(launch, (struct cvy_launch_arg){.bytes = sizeof(cl_int), .value.integer = checked});
}

void cvy_launch_sizes(struct cvy_launch *launch, const size_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        cvy_launch_int(launch, values[i]);
}

void cvy_launch_struct(struct cvy_launch *launch, const size_t *values, size_t count)
{
    if (count == 0 || count > CVY_LAUNCH_MAX_INTS - launch->n_ints) {
        problem(launch, "argument %zu: a struct of %zu ints where 1 to %zu fit", launch->n_args, count,
                CVY_LAUNCH_MAX_INTS - launch->n_ints);
        return;
    }
    add_arg(launch, (struct cvy_launch_arg){
                        .bytes = count * sizeof(cl_int), .is_struct = true, .value.first = launch->n_ints});
    for (size_t i = 0; i < count; i++)
        launch->ints[launch->n_ints++] = checked_int(launch, values[i]);
}

void cvy_launch_float(struct cvy_launch *launch, float value)
{
    add_arg(launch, (struct cvy_launch_arg){.bytes = sizeof(cl_float), .value.real = value});
}

void cvy_launch_local(struct cvy_launch *launch, size_t bytes)
{
    if (bytes == 0)
        problem(launch, "argument %zu: local memory of 0 bytes", launch->n_args);
    add_arg(launch, (struct cvy_launch_arg){.bytes = bytes, .is_local = true});
}

void cvy_launch_share(struct cvy_launch *launch)
{
    launch->is_shared = true;
}

void cvy_launch_balance(struct cvy_launch *launch)
{
    launch->is_shared = launch->is_balanced = true;
}

void cvy_launch_range(struct cvy_launch *launch, unsigned dims, const size_t *global, const size_t *local)
{
    if (dims < 1 || dims > 3) {
        problem(launch, "%u dimensions; 1 to 3 are possible", dims);
        return;
    }
    launch->dims = dims;
    for (unsigned i = 0; i < 3; i++) {
        launch->global[i] = i < dims ? global[i] : 1;
        launch->local[i] = local == NULL ? 0 : i < dims ? local[i] : 1;
        if (launch->global[i] == 0)
            problem(launch, "the global size of dimension %u is 0", i);
        if (local != NULL && launch->local[i] == 0)
            problem(launch, "the local size of dimension %u is 0", i);
    }
}

static enum cvy_status fail_launch(const struct cvy_launch *launch, enum cvy_status status,
                                   const char *format, ...) CVY_PRINTF(3, 4);

static enum cvy_status fail_launch(const struct cvy_launch *launch, enum cvy_status status,
                                   const char *format, ...)
{
    char what[512];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    return cvy_fail(status, "kernel %s of %s.cl: %s", launch->kernel, launch->program, what);
}

/* Sizes that fill a few vectors without asking much of the device; every launch of a kernel gets the same,
 * because PoCL compiles anew for each. */
static void choose_local(const struct cvy_device_info *info, const struct cvy_kernel *kernel, unsigned dims,
                         size_t local[3])
{
    static const size_t wanted[3][3] = {{64, 1, 1}, {16, 4, 1}, {16, 4, 1}};
    if (kernel->required_local[0] != 0) {
        memcpy(local, kernel->required_local, 3 * sizeof(*local));
        return;
    }
    size_t limit = CVY_MIN(info->max_work_group, CVY_MAX(kernel->max_work_group, 1));
    for (unsigned i = 0; i < 3; i++) {
        size_t most = CVY_MIN(info->max_work_item_sizes[i], limit);
        local[i] = wanted[dims - 1][i];
        while (local[i] > most)
            local[i] /= 2;
        limit /= local[i];
    }
}

static enum cvy_status check_work_group(const struct cvy_launch *launch, const struct cvy_device_info *info,
                                        const struct cvy_kernel *kernel, const size_t local[3])
{
    size_t items = 1;
    for (unsigned i = 0; i < 3; i++) {
        if (local[i] > info->max_work_item_sizes[i])
            return fail_launch(launch, CVY_ERROR_UNSUPPORTED,
                               "work-groups of %zux%zux%zu; %s allows %zu work-items in dimension %u",
                               local[0], local[1], local[2], info->name, info->max_work_item_sizes[i], i);
        if (kernel->required_local[0] != 0 && local[i] != kernel->required_local[i])
            return fail_launch(launch, CVY_ERROR_INVALID,
                               "work-groups of %zux%zux%zu; the kernel was compiled for %zux%zux%zu",
                               local[0], local[1], local[2], kernel->required_local[0],
                               kernel->required_local[1], kernel->required_local[2]);
        items *= local[i];
    }
    /* a size that the driver compiled the kernel for is one it can run, whatever its limit says: Mesa's
     * rusticl gives the sub-group's size as every kernel's limit */
    size_t limit = info->max_work_group;
    if (kernel->required_local[0] == 0)
        limit = CVY_MIN(limit, kernel->max_work_group);
    if (items > limit)
        return fail_launch(launch, CVY_ERROR_UNSUPPORTED, "work-groups of %zu work-items; %s allows %zu",
                           items, info->name, limit);
    return CVY_OK;
}

static bool add_local_args(const struct cvy_launch *launch, size_t *bytes)
{
    bool fits = true;
    for (size_t i = 0; i < launch->n_args; i++)
        if (launch->args[i].is_local)
            fits = fits && cvy_add(*bytes, launch->args[i].bytes, bytes);
    return fits;
}

static enum cvy_status check_local_memory(const struct cvy_launch *launch, const struct cvy_device_info *info,
                                          const struct cvy_kernel *kernel)
{
    size_t bytes = (size_t)kernel->local_bytes;
    if (!add_local_args(launch, &bytes))
        bytes = SIZE_MAX;
    if (bytes > info->local_bytes)
        return fail_launch(launch, CVY_ERROR_UNSUPPORTED,
                           "%zu bytes of local memory; %s has %llu for a work-group", bytes, info->name,
                           (unsigned long long)info->local_bytes);
    return CVY_OK;
}

static enum cvy_status check_description(const struct cvy_launch *launch)
{
    if (launch->problem[0] != '\0')
        return fail_launch(launch, CVY_ERROR_INVALID, "%s", launch->problem);
    if (launch->macros.failed)
        return cvy_fail_memory("a kernel's macros", launch->macros.capacity);
    return CVY_OK;
}

static const char *macros_of(const struct cvy_launch *launch)
{
    return launch->macros.data != NULL ? launch->macros.data : "";
}

static const void *value_of(const struct cvy_launch *launch, const struct cvy_launch_arg *arg)
{
    return arg->is_local    ? NULL
           : arg->is_struct ? (const void *)&launch->ints[arg->value.first]
                            : &arg->value;
}

static bool are_addresses(const struct cvy_launch *launch)
{
    for (size_t i = 0; i < launch->n_args; i++)
        if (launch->args[i].is_memory && launch->args[i].value.memory != NULL)
            return false;
    return true;
}

/* As a team's kernel takes them (cl/team.cl). */
static cl_int set_team_args(const struct cvy_launch *launch, cl_kernel kernel, char *room)
{
    size_t at = 0;
    cl_uint index = 1;
    for (size_t i = 0; i < launch->n_args; i++) {
        const struct cvy_launch_arg *arg = &launch->args[i];
        if (arg->is_local) {
            cl_int error = clSetKernelArg(kernel, index++, arg->bytes, NULL);
            if (error != CL_SUCCESS)
                return error;
            continue;
        }
        const bool is_address = arg->is_address || arg->is_memory;
        const size_t bytes = is_address ? sizeof(cl_ulong) : arg->bytes;
        const cl_ulong address = arg->is_address ? (cl_ulong)(uintptr_t)arg->value.address : 0;
        at = cvy_round_up(at, is_address ? sizeof(cl_ulong) : sizeof(cl_int));
        if (at + bytes > CVY_SLOT_BYTES)
            return CL_INVALID_ARG_SIZE;
        memcpy(room + at, is_address ? &address : value_of(launch, arg), bytes);
        at += bytes;
    }
    return CL_SUCCESS;
}

cl_int cvy_launch_set_args(const struct cvy_device *device, const struct cvy_launch *launch, cl_kernel kernel,
                           char *room)
{
    if (room != NULL)
        return set_team_args(launch, kernel, room);
    for (size_t i = 0; i < launch->n_args; i++) {
        const struct cvy_launch_arg *arg = &launch->args[i];
        cl_int error = arg->is_address
                           ? device->shared_memory.set_arg(kernel, (cl_uint)i, arg->value.address)
                           : clSetKernelArg(kernel, (cl_uint)i, arg->bytes, value_of(launch, arg));
        if (error != CL_SUCCESS)
            return error;
    }
    return CL_SUCCESS;
}

static enum cvy_status set_args(struct cvy_device *device, const struct cvy_launch *launch,
                                const struct cvy_kernel *kernel, char *room)
{
    size_t given = launch->n_args;
    if (room != NULL) {
        given = 1;
        for (size_t i = 0; i < launch->n_args; i++)
            given += launch->args[i].is_local;
    }
    if (given != kernel->n_args)
        return fail_launch(launch, CVY_ERROR_INVALID, "%zu arguments given; it has %u", given,
                           (unsigned)kernel->n_args);
    cl_int error = cvy_launch_set_args(device, launch, kernel->cl, room);
    if (error != CL_SUCCESS)
        return fail_launch(launch, CVY_ERROR_DEVICE, "clSetKernelArg: %s", cvy_cl_error(error));
    return CVY_OK;
}

static bool fits_team(const size_t global[3], const size_t local[3])
{
    size_t total;
    int checked;
    return local[0] * local[1] * local[2] == 1 && cvy_mul(global[0], global[1], &total) &&
           cvy_mul(total, global[2], &total) && cvy_to_int(total, &checked);
}

static _Thread_local double expected_seconds;

double cvy_launch_expect(double seconds)
{
    const double before = expected_seconds;
    expected_seconds = seconds;
    return before;
}

/* Into how many launches one is cut, along which dimension. Not along the second: see GROUP_ID in prelude.cl.
 */
static size_t count_pieces(const struct cvy_device *device, const size_t global[3], const size_t local[3],
                           unsigned *dimension)
{
    *dimension = global[2] / local[2] > global[0] / local[0] ? 2 : 0;
    const size_t groups = global[*dimension] / local[*dimension];
    const double limit = device->max_launch;
    if (limit <= 0 || expected_seconds <= limit)
        return 1;
    const double wanted = expected_seconds / limit + 1;
    return wanted < (double)groups ? (size_t)wanted : groups;
}

/* Launches the whole, in one or more pieces. */
static cl_int enqueue_pieces(struct cvy_device *device, const struct cvy_launch *launch, cl_kernel kernel,
                             const size_t global[3], const size_t local[3], cl_event *event)
{
    unsigned d;
    const size_t pieces = count_pieces(device, global, local, &d), groups = global[d] / local[d];
    cl_command_queue queue = launch->queue != NULL ? launch->queue : cvy_team_join(device);
    cl_int error = CL_SUCCESS;
    if (pieces > 1)
        cvy_recording_spoil(device);
    for (size_t i = 0; error == CL_SUCCESS && i < pieces; i++) {
        const size_t begin = groups / pieces * i + CVY_MIN(i, groups % pieces);
        const size_t count = groups / pieces + (i < groups % pieces);
        size_t offset[3] = {0}, size[3] = {global[0], global[1], global[2]};
        offset[d] = begin * local[d];
        size[d] = count * local[d];
        error = clEnqueueNDRangeKernel(queue, kernel, launch->dims, offset, size, local, 0, NULL,
                                       i + 1 == pieces ? event : NULL);
    }
    return error;
}

/* A team's launch, whose work-groups are numbered from first to last, in one or more pieces. */
static cl_int enqueue_team_pieces(struct cvy_device *device, const struct cvy_team_launch *launch,
                                  cl_event *event)
{
    static const size_t one[3] = {1, 1, 1};
    const size_t total[3] = {launch->sizes[0] * launch->sizes[1] * launch->sizes[2], 1, 1};
    unsigned d;
    const size_t pieces = count_pieces(device, total, one, &d);
    cl_int error = CL_SUCCESS;
    if (pieces > 1)
        cvy_recording_spoil(device);
    for (size_t i = 0; error == CL_SUCCESS && i < pieces; i++) {
        const size_t range[2] = {total[0] / pieces * i + CVY_MIN(i, total[0] % pieces),
                                 total[0] / pieces * (i + 1) + CVY_MIN(i + 1, total[0] % pieces)};
        error = cvy_team_enqueue(device, launch, range, i + 1 == pieces ? event : NULL);
    }
    return error;
}

/* Local memory is part of a command: kernels that stay have one size of it. */
static cl_ulong code_of(const struct cvy_launch *launch, const struct cvy_kernel *kernel)
{
    size_t local_bytes = 0;
    add_local_args(launch, &local_bytes);
    return (cl_ulong)kernel->number << 32 | (cl_uint)local_bytes;
}

/* room: for a team's arguments, or NULL. */
static enum cvy_status enqueue(struct cvy_device *device, const struct cvy_launch *launch,
                               struct cvy_kernel *kernel, char *room)
{
    size_t local[3], global[3];
    if (launch->dims == 0)
        return fail_launch(launch, CVY_ERROR_INVALID, "it has no range; call cvy_launch_range()");
    if (launch->local[0] != 0)
        memcpy(local, launch->local, sizeof(local));
    else
        choose_local(&device->info, kernel, launch->dims, local);
    enum cvy_status status = check_work_group(launch, &device->info, kernel, local);
    if (status == CVY_OK)
        status = check_local_memory(launch, &device->info, kernel);
    if (status == CVY_OK)
        status = set_args(device, launch, kernel, room);
    if (status != CVY_OK)
        return status;
    for (unsigned i = 0; i < 3; i++) {
        if (launch->global[i] > SIZE_MAX - local[i])
            return fail_launch(launch, CVY_ERROR_INVALID, "a global size of %zu overflows",
                               launch->global[i]);
        global[i] = cvy_round_up(launch->global[i], local[i]);
    }
    if (room != NULL && !fits_team(global, local))
        return fail_launch(launch, CVY_ERROR_INVALID,
                           "%zux%zux%zu work-groups are more than a team's int holds", global[0], global[1],
                           global[2]);
    static const size_t one[3] = {1, 1, 1};
    const size_t *items = room != NULL ? one : global; /* of a command */
    bool is_new = cvy_programs_is_new(device, kernel, items, local);
    cl_event event = NULL, *wanted = is_new ? &event : NULL;
    const struct cvy_team_launch for_team = {.kernel = kernel->cl,
                                             .code = code_of(launch, kernel),
                                             .arguments = room,
                                             .sizes = {global[0], global[1], global[2]},
                                             .is_balanced = launch->is_balanced};
    cl_int error;
    if (room != NULL)
        error = enqueue_team_pieces(device, &for_team, wanted);
    else
        error = enqueue_pieces(device, launch, kernel->cl, global, local, wanted);
    if (error != CL_SUCCESS) {
        char where[160];
        snprintf(where, sizeof(where), "kernel %s of %s.cl: clEnqueueNDRangeKernel", launch->kernel,
                 launch->program);
        return cvy_fail_cl(error, where);
    }
    if (is_new)
        cvy_programs_launched(device, kernel, items, local, event);
    if (launch->queue == NULL) {
        cvy_device_launched(device);
        cvy_recording_add(device, launch, kernel->cl, room != NULL ? &for_team : NULL, global, local);
    }
    return CVY_OK;
}

void cvy_launch_set_trace(struct cvy_device *device, struct cvy_launch_trace *trace)
{
    pthread_mutex_lock(&device->lock);
    device->trace = trace;
    pthread_mutex_unlock(&device->lock);
}

void cvy_launch_note(struct cvy_device *device, const char *program, const char *kernel,
                     enum cvy_status status)
{
    struct cvy_launch_trace *trace = device->trace;
    if (trace == NULL)
        return;
    size_t i = 0;
    while (i < trace->n &&
           (strcmp(trace->seen[i].program, program) != 0 || strcmp(trace->seen[i].kernel, kernel) != 0))
        i++;
    if (i == CVY_LAUNCH_MAX_TRACE)
        return;
    if (i == trace->n)
        trace->seen[trace->n++] = (struct cvy_launch_seen){.program = program, .kernel = kernel};
    if (trace->seen[i].status == CVY_OK)
        trace->seen[i].status = status;
}

static void note(struct cvy_device *device, const struct cvy_launch *launch, enum cvy_status status)
{
    if (launch->queue == NULL)
        cvy_launch_note(device, launch->program, launch->kernel, status);
}

enum cvy_status cvy_launch_build(struct cvy_device *device, const struct cvy_launch *launch)
{
    struct cvy_kernel *kernel = NULL;
    enum cvy_status status = check_description(launch);
    if (status == CVY_OK)
        status = cvy_quarantine_check(device, launch->program, launch->kernel);
    if (status != CVY_OK)
        return status;
    pthread_mutex_lock(&device->lock);
    cvy_team_settle(device);
    status = cvy_programs_get(device, launch->program, launch->kernel, macros_of(launch), &kernel);
    if (status != CVY_OK)
        note(device, launch, status);
    pthread_mutex_unlock(&device->lock);
    return status;
}

static bool is_for_team(struct cvy_device *device, const struct cvy_launch *launch)
{
    return launch->is_shared && cvy_team_settle(device) > 1 && are_addresses(launch);
}

static enum cvy_status enqueue_on_team(struct cvy_device *device, const struct cvy_launch *launch)
{
    struct cvy_kernel *kernel = NULL;
    enum cvy_status status =
        cvy_programs_get(device, launch->program, launch->kernel, macros_of(launch), &kernel);
    if (status != CVY_OK)
        return status;
    char *room = cvy_team_take_arguments(device, false);
    if (room == NULL)
        return fail_launch(launch, CVY_ERROR_DEVICE_MEMORY, "no memory is left for its arguments");
    status = enqueue(device, launch, kernel, room);
    cvy_team_give_arguments(device, room, false);
    return status;
}

/* A kernel that is written for a team may have buffers without an address: then it is compiled for itself. */
static enum cvy_status enqueue_alone(struct cvy_device *device, const struct cvy_launch *launch)
{
    struct cvy_kernel *kernel = NULL;
    struct cvy_text macros = {0};
    cvy_text_add_string(&macros, macros_of(launch));
    if (launch->is_shared && cvy_team_settle(device) > 1)
        cvy_text_add_string(&macros, " -DALONE=1");
    enum cvy_status status = macros.failed
                                 ? cvy_fail_memory("a kernel's macros", macros.capacity)
                                 : cvy_programs_get(device, launch->program, launch->kernel,
                                                    macros.data != NULL ? macros.data : "", &kernel);
    cvy_text_finish(&macros);
    return status == CVY_OK ? enqueue(device, launch, kernel, NULL) : status;
}

enum cvy_status cvy_launch_enqueue(struct cvy_device *device, const struct cvy_launch *launch)
{
    enum cvy_status status = check_description(launch);
    if (status == CVY_OK)
        status = cvy_quarantine_check(device, launch->program, launch->kernel);
    if (status != CVY_OK)
        return status;
    pthread_mutex_lock(&device->lock);
    status = is_for_team(device, launch) ? enqueue_on_team(device, launch) : enqueue_alone(device, launch);
    note(device, launch, status);
    pthread_mutex_unlock(&device->lock);
    return status;
}

enum cvy_status cvy_launch_prepare(struct cvy_device *device, struct cvy_launch *launch)
{
    enum cvy_status status = cvy_launch_build(device, launch);
    cvy_launch_finish(launch);
    return status;
}

enum cvy_status cvy_launch_run(struct cvy_device *device, struct cvy_launch *launch)
{
    enum cvy_status status = cvy_launch_enqueue(device, launch);
    cvy_launch_finish(launch);
    return status;
}
