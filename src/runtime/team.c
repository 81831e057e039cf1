/* the call of OpenCL 1.2: newer ones are missing from many drivers */
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include "runtime/team.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "runtime/device_part.h"
#include "runtime/memory.h"
#include "runtime/program.h"
#include "runtime/recording.h"
#include "runtime/slots.h"
#include "runtime/team_board.h"

#define MAX_TEAMS 16
#define TRIALS 8
#define ROUNDS 4096
#define MAX_LOOKS (1 << 23) /* some 10 ms: workers take less to wake */
#define LONG_LOOK 5e-9      /* seconds; longer on no machine that does nothing else */
/* Counts go round within hours: from here on they do at once, and all tests see it. */
#define FIRST_COUNT ((cl_uint)-100)
/* Seconds, the launch itself included; members that share a core need milliseconds. */
#define MAX_MEETING 2e-6
/* How often the waits are looked at, and what share of the time they may take. */
#define WATCH_SECONDS 0.02
#define MAX_WAITING 0.25
#define MIN_REST 0.5 /* seconds; doubled each time */
#define MAX_REST 60

struct cvy_team {
    bool is_trying;
    pthread_cond_t tried;
    size_t size; /* 1: none */
    cl_device_id ids[MAX_MEMBERS];
    cl_command_queue queues[MAX_MEMBERS];
    cl_mem memory; /* of the board */
    cl_uint *board;
    struct cvy_slots slots;
    /* Of all launches so far: the last one, their work-groups, and where the members' counters will be. What
     * they have done follows on the board. */
    cl_uint sequence, groups, base;
    cl_ulong code;  /* of the last launch, which kernels of all members stay for if the board is open */
    cl_uint ticket; /* of the last launch */
    bool is_ahead;  /* members have work that the device's queue does not wait for */
    bool is_behind; /* the device's queue has work that members do not wait for */
    bool is_disbanded;
    /* Where others want the cores, members wait for each other as long as a scheduler's slice: then the team
     * rests, and launches go through the device's queue. */
    double look_seconds; /* of LONG_WAIT looks */
    double watched_at, rest, rest_end;
    cl_uint waits; /* board[WAITS], then */
    bool is_late;  /* once may be chance */
};

/*
 * The cores that have a team, in this process. Two teams on the same cores could wait for each other for
 * ever, each with a part that runs and looks for one that is queued behind the other's.
 */
static pthread_mutex_t taken_lock = PTHREAD_MUTEX_INITIALIZER;
static struct cvy_cores taken[MAX_TEAMS];

/* platform NULL: of nobody. */
static bool take(const struct cvy_cores *cores)
{
    size_t place = MAX_TEAMS;
    bool is_free = true;
    pthread_mutex_lock(&taken_lock);
    for (size_t i = 0; i < MAX_TEAMS; i++) {
        if (taken[i].platform == NULL)
            place = i;
        else
            is_free = is_free && !cvy_cores_meet(&taken[i], cores);
    }
    is_free = is_free && place < MAX_TEAMS && cores->platform != NULL;
    if (is_free)
        taken[place] = *cores;
    pthread_mutex_unlock(&taken_lock);
    return is_free;
}

static void give_back(const struct cvy_cores *cores)
{
    pthread_mutex_lock(&taken_lock);
    for (size_t i = 0; i < MAX_TEAMS; i++)
        if (taken[i].platform != NULL && cvy_cores_meet(&taken[i], cores))
            taken[i] = (struct cvy_cores){0};
    pthread_mutex_unlock(&taken_lock);
}

static void release(struct cvy_team *team)
{
    /* before the queues, whose last events PoCL's buffers know */
    if (team->memory != NULL)
        clReleaseMemObject(team->memory);
    team->memory = NULL;
    cvy_slots_release(&team->slots);
    for (size_t i = 0; i < MAX_MEMBERS; i++) {
        const bool in_use = team->queues[i] != NULL && !cvy_queue_is_let_go(team->queues[i]);
        if (team->queues[i] != NULL)
            clReleaseCommandQueue(team->queues[i]);
        if (team->ids[i] != NULL && !in_use)
            clReleaseDevice(team->ids[i]);
        team->queues[i] = NULL;
        team->ids[i] = NULL;
    }
    team->size = 1;
}

static bool create_members(struct cvy_team *team, const struct cvy_device *device)
{
    const cl_device_partition_property one_each[] = {CL_DEVICE_PARTITION_EQUALLY, 1, 0};
    cl_uint count = 0;
    cl_int error = clCreateSubDevices(device->id, one_each, MAX_MEMBERS, team->ids, &count);
    if (error == CL_SUCCESS && count < 2)
        error = CL_DEVICE_PARTITION_FAILED;
    for (cl_uint i = 0; error == CL_SUCCESS && i < count; i++) {
        team->queues[i] = clCreateCommandQueue(device->context, team->ids[i], 0, &error);
        if (error != CL_SUCCESS)
            team->queues[i] = NULL;
    }
    char *address = NULL;
    if (error == CL_SUCCESS)
        team->memory = cvy_memory_create(device, (LAUNCHES + RING * LAUNCH_STRIDE) * sizeof(*team->board),
                                         &address, &error);
    if (error == CL_SUCCESS && address == NULL)
        error = CL_MEM_OBJECT_ALLOCATION_FAILURE;
    team->board = (cl_uint *)(void *)address;
    if (error != CL_SUCCESS) {
        cvy_log(CVY_LOG_DEBUG, "team: %s; launches go through one queue", cvy_cl_error(error));
        return false;
    }
    team->size = count;
    return true;
}

/* As if all that was launched had been done; while nothing runs. */
static cl_int reset_counts(struct cvy_team *team, const struct cvy_device *device)
{
    team->waits = 0;
    cl_uint counts[LAUNCHES] = {[DONE] = team->groups, [POSTED] = team->sequence | CLOSED};
    for (size_t i = 0; i < MAX_MEMBERS; i++) {
        counts[TAKEN(i)] = team->base;
        counts[PASSED(i)] = team->sequence;
    }
    return clEnqueueWriteBuffer(device->queue, team->memory, CL_TRUE, 0, sizeof(counts), counts, 0, NULL,
                                NULL);
}

static _Atomic cl_uint *posted_on(struct cvy_team *team)
{
    return (_Atomic cl_uint *)&team->board[POSTED];
}

/* Kernels leave when all launches on the board are done, and others do those to come. Needs no lock. */
static void close_board(struct cvy_team *team)
{
    atomic_fetch_or(posted_on(team), CLOSED);
}

static cl_int finish_members(struct cvy_team *team)
{
    cl_int first_error = CL_SUCCESS;
    close_board(team);
    for (size_t i = 0; i < team->size; i++) {
        cl_int error = clFinish(team->queues[i]);
        first_error = first_error == CL_SUCCESS ? error : first_error;
    }
    return first_error;
}

static void flush_members(struct cvy_team *team)
{
    for (size_t i = 0; i < team->size; i++)
        clFlush(team->queues[i]);
}

static void rest(struct cvy_team *team, double now)
{
    team->rest = CVY_MIN(CVY_MAX(2 * team->rest, MIN_REST), MAX_REST);
    team->rest_end = now + team->rest;
    cvy_log(CVY_LOG_DEBUG, "team: the cores are wanted elsewhere; it rests for %.1f s", team->rest);
}

/* Seconds until the members that come have met, or given up. Returns how often all of them met. */
static cl_int time_meetings(struct cvy_team *team, struct cvy_device *device, struct cvy_kernel *kernel,
                            cl_mem met, cl_int coming, double *seconds)
{
    cl_int rounds = ROUNDS, most = MAX_LOOKS, size = (cl_int)team->size, counts[MAX_MEMBERS] = {0};
    const size_t one = 1, local[] = {1, 1, 1};
    cl_int error = reset_counts(team, device);
    const double start = cvy_now();
    for (cl_int i = 0; error == CL_SUCCESS && i < coming; i++) {
        const struct {
            size_t bytes;
            const void *value;
        } args[] = {{sizeof(cl_mem), &team->memory}, {sizeof(cl_mem), &met},    {sizeof(i), &i},
                    {sizeof(size), &size},           {sizeof(rounds), &rounds}, {sizeof(most), &most}};
        for (cl_uint a = 0; error == CL_SUCCESS && a < CVY_COUNT(args); a++)
            error = clSetKernelArg(kernel->cl, a, args[a].bytes, args[a].value);
        const bool is_new = cvy_programs_is_new(device, kernel, local, local);
        cl_event event = NULL;
        if (error == CL_SUCCESS)
            error = clEnqueueNDRangeKernel(team->queues[i], kernel->cl, 1, NULL, &one, &one, 0, NULL,
                                           is_new ? &event : NULL);
        if (error == CL_SUCCESS && is_new)
            cvy_programs_launched(device, kernel, local, local, event);
    }
    flush_members(team);
    cl_int finished = finish_members(team);
    *seconds = cvy_now() - start;
    if (error == CL_SUCCESS && finished == CL_SUCCESS)
        error = clEnqueueReadBuffer(device->queue, met, CL_TRUE, 0, team->size * sizeof(counts[0]), counts, 0,
                                    NULL, NULL);
    if (error != CL_SUCCESS || finished != CL_SUCCESS)
        return 0;
    cl_int least = ROUNDS;
    for (cl_int i = 0; i < coming; i++)
        least = CVY_MIN(least, counts[i]);
    return least;
}

static bool try_out(struct cvy_team *team, struct cvy_device *device)
{
    struct cvy_kernel *kernel = NULL;
    if (!create_members(team, device) ||
        cvy_programs_get(device, CVY_TEAM_PROGRAM, "team_meet", "", &kernel) != CVY_OK)
        return false;
    cl_int error;
    cl_mem met =
        clCreateBuffer(device->context, CL_MEM_READ_WRITE, MAX_MEMBERS * sizeof(cl_int), NULL, &error);
    if (error != CL_SUCCESS)
        return false;
    /* the first ones wake the workers, which may begin on one core; one at a time, they would never meet */
    double seconds = 1, alone = 0;
    cl_int most_met = 0;
    for (int i = 0; i < TRIALS && !(most_met == ROUNDS && seconds < MAX_MEETING); i++) {
        cl_int times = time_meetings(team, device, kernel, met, (cl_int)team->size, &seconds);
        seconds /= CVY_MAX(times, 1);
        most_met = CVY_MAX(most_met, times);
    }
    time_meetings(team, device, kernel, met, 1, &alone);
    clReleaseMemObject(met);
    team->look_seconds = CVY_MIN(alone / MAX_LOOKS, LONG_LOOK) * LONG_WAIT;
    if (seconds >= MAX_MEETING)
        rest(team, cvy_now());
    team->sequence = team->groups = team->base = FIRST_COUNT;
    bool meets = most_met > 0 && reset_counts(team, device) == CL_SUCCESS;
    cvy_log(CVY_LOG_DEBUG, "team: %zu members %s; a meeting takes %.2f us, a look %.2f ns", team->size,
            meets ? "work together" : "do not work together", 1e6 * seconds,
            1e9 * team->look_seconds / LONG_WAIT);
    return meets;
}

size_t cvy_team_settle(struct cvy_device *device)
{
    struct cvy_team *team = device->team;
    if (team != NULL) {
        while (team->is_trying)
            pthread_cond_wait(&team->tried, &device->lock);
        return team->size;
    }
    team = device->team = calloc(1, sizeof(*team));
    if (team == NULL)
        return 1;
    pthread_cond_init(&team->tried, NULL);
    team->size = 1;
    if (device->owns_queue && device->shared_memory.alloc != NULL &&
        device->info.compute_units <= MAX_MEMBERS && device->info.type == CVY_DEVICE_CPU &&
        cvy_device_divides(device->id) && take(&device->cores)) {
        team->is_trying = true;
        if (!try_out(team, device)) {
            /* what it made stays: PoCL's events do not keep the queue that they know */
            team->size = 1;
            give_back(&device->cores);
        }
        team->is_trying = false;
        pthread_cond_broadcast(&team->tried);
    }
    return team->size;
}

size_t cvy_team_size(const struct cvy_device *asked)
{
    struct cvy_device *device = (struct cvy_device *)asked; /* tried out on first need */
    pthread_mutex_lock(&device->lock);
    size_t size = cvy_team_settle(device);
    if (size > 1 && device->team->is_disbanded)
        size = 1;
    pthread_mutex_unlock(&device->lock);
    return size;
}

const char *cvy_team_macros(const struct cvy_device *device)
{
    return device->team != NULL && device->team->size > 1 ? " -DTEAM=1" : "";
}

/* What comes into `queue` waits for what is in `other` now. */
static cl_int wait_for(cl_command_queue queue, cl_command_queue other)
{
    cl_event event;
    cl_int error = clEnqueueMarkerWithWaitList(other, 0, NULL, &event);
    if (error != CL_SUCCESS)
        return error;
    error = clFlush(other);
    if (error == CL_SUCCESS)
        error = clEnqueueBarrierWithWaitList(queue, 1, &event, NULL);
    clReleaseEvent(event);
    return error;
}

cl_command_queue cvy_team_join(struct cvy_device *device)
{
    struct cvy_team *team = device->team;
    if (team == NULL || team->size < 2)
        return device->queue;
    if (team->is_ahead)
        close_board(team);
    for (size_t i = 0; team->is_ahead && i < team->size; i++)
        if (wait_for(device->queue, team->queues[i]) != CL_SUCCESS)
            clFinish(team->queues[i]);
    team->is_ahead = false;
    team->is_behind = true;
    return device->queue;
}

cl_command_queue cvy_device_queue(struct cvy_device *device)
{
    cvy_recording_spoil(device);
    pthread_mutex_lock(&device->lock);
    cl_command_queue queue = cvy_team_join(device);
    pthread_mutex_unlock(&device->lock);
    return queue;
}

static void follow_device(struct cvy_team *team, struct cvy_device *device)
{
    for (size_t i = 0; team->is_behind && i < team->size; i++)
        if (wait_for(team->queues[i], device->queue) != CL_SUCCESS)
            clFinish(device->queue);
    team->is_behind = false;
}

/* The last launch that no member needs any more, nor any before it; kernels write what each has done with. */
static cl_uint passed(const struct cvy_team *team)
{
    const volatile cl_uint *board = team->board;
    cl_uint least = team->sequence;
    for (size_t i = 0; i < team->size; i++) {
        const cl_uint last = board[PASSED(i)];
        if ((cl_int)(last - least) < 0)
            least = last;
    }
    return least;
}

char *cvy_team_take_arguments(struct cvy_device *device, bool keep)
{
    struct cvy_team *team = device->team;
    char *room = cvy_slots_take(&team->slots, device, passed(team), keep);
    if (room == NULL && !keep) {
        finish_members(team);
        clFinish(device->queue);
        room = cvy_slots_take(&team->slots, device, passed(team), false);
    }
    return room;
}

void cvy_team_give_arguments(struct cvy_device *device, char *room, bool keep)
{
    if (room != NULL)
        cvy_slots_give(&device->team->slots, room, device->team->sequence, keep);
}

/* As in cl/team.cl, these two. */
struct command {
    cl_ulong board;
    cl_uint ticket, after;
    cl_int first, members;
};

struct launch {
    cl_ulong arguments;
    cl_uint ticket, before, base;
    cl_int shares, first, total, size_0, size_1;
};

/* Writes a launch on the board. code: what kernels may stay for, or 0. Returns whether those that are there
 * do it; otherwise it needs commands. */
static bool post(struct cvy_team *team, struct launch launch, cl_ulong code)
{
    const bool is_known = code != 0 && code == team->code;
    const cl_uint next = team->sequence + 2;
    cl_uint posted = atomic_load(posted_on(team));
    do {
        launch.ticket = team->ticket + !(is_known && !(posted & CLOSED));
        memcpy(&team->board[LAUNCHES + next / 2 % RING * LAUNCH_STRIDE], &launch, sizeof(launch));
    } while (!atomic_compare_exchange_weak(posted_on(team), &posted, next | (code != 0 ? 0 : CLOSED)));
    const bool is_seen = launch.ticket == team->ticket;
    team->sequence = next;
    team->ticket = launch.ticket;
    team->code = code;
    return is_seen;
}

/* A command for some members, from the first on. */
static cl_int command(struct cvy_team *team, cl_command_queue queue, cl_kernel kernel, size_t first,
                      size_t count, cl_event *event)
{
    const size_t one = 1;
    const struct command argument = {.board = (cl_ulong)(uintptr_t)team->board,
                                     .ticket = team->ticket,
                                     .after = team->sequence - 2,
                                     .first = (cl_int)first,
                                     .members = (cl_int)team->size};
    cl_int error = clSetKernelArg(kernel, 0, sizeof(argument), &argument);
    if (error == CL_SUCCESS)
        error = clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &count, &one, 0, NULL, event);
    return error;
}

/* Looks from time to time at how long the members wait for each other. */
static bool is_resting(struct cvy_team *team)
{
    const double now = cvy_now(), passed = now - team->watched_at;
    if (now < team->rest_end || passed < WATCH_SECONDS)
        return now < team->rest_end;
    const cl_uint waits = ((volatile cl_uint *)team->board)[WAITS];
    const double waited = (double)(waits - team->waits) * team->look_seconds;
    const bool was_late = team->is_late;
    team->is_late = waited > MAX_WAITING * passed;
    team->waits = waits;
    team->watched_at = now;
    if (was_late && team->is_late)
        rest(team, now);
    else if (now > team->rest_end + team->rest)
        team->rest = 0;
    return now < team->rest_end;
}

static cl_int enqueue_to_members(struct cvy_team *team, struct cvy_device *device,
                                 const struct cvy_team_launch *given, const struct launch *launch,
                                 cl_event *event)
{
    cl_int error = CL_SUCCESS;
    follow_device(team, device);
    const bool is_seen = post(team, *launch, event == NULL ? given->code : 0);
    for (size_t i = 0; !is_seen && error == CL_SUCCESS && i < team->size; i++)
        error = command(team, team->queues[i], given->kernel, i, 1, i + 1 == team->size ? event : NULL);
    if (!is_seen)
        flush_members(team);
    team->is_ahead = true;
    return error;
}

/* A work-group for each member, which the driver shares out and waits for. */
static cl_int enqueue_to_device(struct cvy_team *team, struct cvy_device *device,
                                const struct cvy_team_launch *given, const struct launch *launch,
                                cl_event *event)
{
    cl_command_queue queue = cvy_team_join(device);
    post(team, *launch, 0);
    return command(team, queue, given->kernel, 0, team->size, event);
}

cl_int cvy_team_enqueue(struct cvy_device *device, const struct cvy_team_launch *given, const size_t range[2],
                        cl_event *event)
{
    struct cvy_team *team = device->team;
    const size_t total = range[1] - range[0];
    const bool together = !team->is_disbanded && !is_resting(team);
    const struct launch launch = {
        .arguments = (cl_ulong)(uintptr_t)given->arguments,
        .before = team->groups,
        .base = team->base,
        .shares = given->is_balanced ? (cl_int)team->size : 1,
        .first = (cl_int)range[0],
        .total = (cl_int)total,
        .size_0 = (cl_int)given->sizes[0],
        .size_1 = (cl_int)given->sizes[1],
    };
    if ((team->sequence - passed(team)) / 2 >= RING - 1) {
        finish_members(team);
        clFinish(device->queue);
    }
    const cl_int error = together ? enqueue_to_members(team, device, given, &launch, event)
                                  : enqueue_to_device(team, device, given, &launch, event);
    team->groups += (cl_uint)total;
    team->base += (cl_uint)cvy_ceil_div(total, team->size);
    if (error != CL_SUCCESS) {
        /* nobody will count what was not launched */
        finish_members(team);
        reset_counts(team, device);
    }
    return error;
}

void cvy_team_disband(struct cvy_device *device)
{
    if (cvy_team_settle(device) > 1) {
        cvy_team_join(device);
        device->team->is_disbanded = true;
    }
}

enum cvy_status cvy_team_finish(struct cvy_device *device)
{
    struct cvy_team *team = device->team;
    if (team == NULL || team->size < 2)
        return CVY_OK;
    cl_int error = finish_members(team);
    return error == CL_SUCCESS ? CVY_OK : cvy_fail_cl(error, "clFinish");
}

void cvy_team_destroy(struct cvy_device *device)
{
    struct cvy_team *team = device->team;
    if (team == NULL)
        return;
    if (team->size > 1) {
        finish_members(team);
        clFinish(device->queue);
        give_back(&device->cores);
    }
    release(team);
    pthread_cond_destroy(&team->tried);
    free(team);
    device->team = NULL;
}
