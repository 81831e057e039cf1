/*
 * team.h - the compute units of a CPU as a team: a sub-device and a queue for each, on which every member
 * runs its part of each launch and waits for the others by looking at a counter in memory (cl/team.cl).
 *
 * Between two launches in one queue, CPU drivers send their workers to sleep and wake them again, which
 * takes longer than many layers; members stay awake. Arguments come in memory that host and device share
 * (memory.h). Whether sub-devices really run at the same time is tried out on the first use; where they do
 * not, or do not exist, or where the queue is the caller's, there is no team and everything goes through the
 * device's queue. So it does where the process has opened the same device before, until that is destroyed,
 * and for a while where others want the cores, when members would wait for each other too long.
 *
 * Where launches of the same code follow each other, the kernels that are there take them from memory, too,
 * and none passes through a queue, as long as they come soon enough after each other (cl/team.cl).
 *
 * A balanced launch is shared out as it runs: members that are done with their part take what is left of
 * others', for cores are not equally fast, and one of them may be late.
 *
 * The device's queue and the team take turns: whoever comes next waits for the other in order.
 */
#ifndef CVY_RUNTIME_TEAM_H
#define CVY_RUNTIME_TEAM_H

#include "runtime/device.h"

/* The kernel that tries a team out; it computes nothing. */
#define CVY_TEAM_PROGRAM "team_meet"

/* Members; 1: there is no team. Tries the team out when it is first asked. */
size_t cvy_team_size(const struct cvy_device *device);

/* The device's queue, in order behind everything launched so far. */
cl_command_queue cvy_device_queue(struct cvy_device *device);

/* Call the following with device->lock held. */

/* Those that kernels are compiled for, also where the team is disbanded by now; tries the team out when it is
 * first asked, which must be before a kernel is built. */
size_t cvy_team_settle(struct cvy_device *device);
const char *cvy_team_macros(const struct cvy_device *device);
/* As cvy_device_queue(). */
cl_command_queue cvy_team_join(struct cvy_device *device);
/* A room of CVY_SLOT_BYTES, from where a launch takes its arguments (slots.h); NULL: none is left. keep: it
 * is for more than one launch. Given back, it is taken anew when what has been launched is done. */
char *cvy_team_take_arguments(struct cvy_device *device, bool keep);
void cvy_team_give_arguments(struct cvy_device *device, char *room, bool keep);
/* A launch of a kernel of cl/team.cl, with work-groups of one work-item. */
struct cvy_team_launch {
    cl_kernel kernel;
    cl_ulong code; /* the same for launches of the same code with as much local memory, else another; not 0 */
    const char *arguments;
    size_t sizes[3];
    bool is_balanced; /* members that have done theirs go on with others' */
};

/* Launches work-groups range[0] to range[1] - 1. event: NULL, or receives one of the work's last events. */
cl_int cvy_team_enqueue(struct cvy_device *device, const struct cvy_team_launch *launch,
                        const size_t range[2], cl_event *event);

/* No team from now on: the caller's work goes into the device's queue. */
void cvy_team_disband(struct cvy_device *device);
enum cvy_status cvy_team_finish(struct cvy_device *device);
void cvy_team_destroy(struct cvy_device *device);

#endif
