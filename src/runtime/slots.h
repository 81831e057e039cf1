/* slots.h - rooms in memory for the arguments of launches (cl/team.cl), for one team. Inside runtime only. */
#ifndef CVY_RUNTIME_SLOTS_H
#define CVY_RUNTIME_SLOTS_H

#include "runtime/device.h"

#define CVY_SLOT_BYTES 512
#define CVY_SLOT_CHUNKS 32
#define CVY_CHUNK_SLOTS 128

struct cvy_slots {
    size_t n_chunks, n_free, first_free, n_kept;
    cl_mem chunks[CVY_SLOT_CHUNKS];
    /* A ring, in the order in which they were given back; launch: the team's last one by then. */
    struct {
        char *address;
        cl_uint launch;
    } free[CVY_SLOT_CHUNKS * CVY_CHUNK_SLOTS];
};

/* A room that no launch needs any more; passed: the last of the team's launches that is done, and all before
 * it. keep: for longer than a launch, which leaves some for others. NULL: there is none yet. */
char *cvy_slots_take(struct cvy_slots *slots, const struct cvy_device *device, cl_uint passed, bool keep);
/* launch: the last one so far. keep: as it was taken. */
void cvy_slots_give(struct cvy_slots *slots, char *address, cl_uint launch, bool keep);
/* When nothing runs. */
void cvy_slots_release(struct cvy_slots *slots);

#endif
