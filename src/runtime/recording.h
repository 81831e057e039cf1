/*
 * recording.h - the launches of one enqueue with kernels of their own, whose arguments stay set: doing them
 * again costs the host a fraction of describing them anew, which matters where a launch takes microseconds.
 */
#ifndef CVY_RUNTIME_RECORDING_H
#define CVY_RUNTIME_RECORDING_H

#include "runtime/device.h"

struct cvy_launch;
struct cvy_recording;
struct cvy_team_launch;

/* Notes what this thread launches on the device from now on, besides launching it. NULL: short of memory. */
struct cvy_recording *cvy_recording_begin(struct cvy_device *device);
/* Ends that. False: not all that was enqueued were launches, so that it cannot be done again from here. */
bool cvy_recording_end(struct cvy_recording *recording);

/* Whether the kernels are still those that the device would launch. */
bool cvy_recording_is_current(const struct cvy_recording *recording);
/* Launches everything again. Buffers must be those of the recording, alive. */
enum cvy_status cvy_recording_replay(struct cvy_recording *recording);
void cvy_recording_destroy(struct cvy_recording **recording);

/* Called where things are enqueued: a launch, with device->lock held; or anything else. for_team: as a team
 * was told, or NULL. */
void cvy_recording_add(struct cvy_device *device, const struct cvy_launch *launch, cl_kernel kernel,
                       const struct cvy_team_launch *for_team, const size_t global[3], const size_t local[3]);
void cvy_recording_spoil(const struct cvy_device *device);

#endif
