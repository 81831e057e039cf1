#include "runtime/slots.h"

#include "base/arith.h"
#include "runtime/memory.h"

#define MAX_KEPT (CVY_SLOT_CHUNKS * CVY_CHUNK_SLOTS * 3 / 4)

/* The new ones come first: those that are free already are still waited for. */
static bool add_chunk(struct cvy_slots *slots, const struct cvy_device *device, cl_uint passed)
{
    cl_int error;
    char *address = NULL;
    if (slots->n_chunks == CVY_SLOT_CHUNKS)
        return false;
    cl_mem chunk = cvy_memory_create(device, CVY_CHUNK_SLOTS * CVY_SLOT_BYTES, &address, &error);
    if (chunk == NULL)
        return false;
    slots->chunks[slots->n_chunks++] = chunk;
    for (size_t i = 0; address != NULL && i < CVY_CHUNK_SLOTS; i++) {
        slots->first_free = (slots->first_free + CVY_COUNT(slots->free) - 1) % CVY_COUNT(slots->free);
        slots->free[slots->first_free].address = address + i * CVY_SLOT_BYTES;
        slots->free[slots->first_free].launch = passed;
        slots->n_free++;
    }
    return address != NULL;
}

/* Counts go round: differences stay right. */
static bool has_one(const struct cvy_slots *slots, cl_uint passed)
{
    return slots->n_free > 0 && (cl_int)(passed - slots->free[slots->first_free].launch) >= 0;
}

char *cvy_slots_take(struct cvy_slots *slots, const struct cvy_device *device, cl_uint passed, bool keep)
{
    if ((keep && slots->n_kept == MAX_KEPT) || (!has_one(slots, passed) && !add_chunk(slots, device, passed)))
        return NULL;
    char *address = slots->free[slots->first_free].address;
    slots->first_free = (slots->first_free + 1) % CVY_COUNT(slots->free);
    slots->n_free--;
    slots->n_kept += keep;
    return address;
}

void cvy_slots_give(struct cvy_slots *slots, char *address, cl_uint launch, bool keep)
{
    const size_t end = (slots->first_free + slots->n_free++) % CVY_COUNT(slots->free);
    slots->free[end].address = address;
    slots->free[end].launch = launch;
    slots->n_kept -= keep;
}

void cvy_slots_release(struct cvy_slots *slots)
{
    for (size_t i = 0; i < slots->n_chunks; i++)
        clReleaseMemObject(slots->chunks[i]);
    *slots = (struct cvy_slots){0};
}
