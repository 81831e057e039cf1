/*
 * store.h - compiled programs in one SQLite file: key -> binary, with checksum and time of last use. And the
 * kernels that were found wrong and the times that were measured, which are never evicted.
 *
 * Never fails its caller: what cannot be read is a miss, what cannot be written is dropped, each with one
 * warning. A payload is given out only if its checksum over key and payload agrees.
 */
#ifndef CVY_RUNTIME_STORE_H
#define CVY_RUNTIME_STORE_H

#include "base/hash.h"

struct cvy_store;

/* NULL when there is no way to use path even for reading (a warning has said why). */
struct cvy_store *cvy_store_open(const char *path, uint64_t max_bytes);
void cvy_store_close(struct cvy_store **store);

/* true and a malloc'ed payload, or false. Accepts a NULL store. */
bool cvy_store_get(struct cvy_store *store, struct cvy_hash key, void **payload, size_t *bytes);
void cvy_store_put(struct cvy_store *store, struct cvy_hash key, const void *payload, size_t bytes);

/* A kernel found wrong. device: of the device and driver; key: of those and the kernel's source. */
struct cvy_store_quarantined {
    struct cvy_hash key, device;
    const char *program, *kernel, *reason;
};
/* Accept a NULL store. */
void cvy_store_quarantine(struct cvy_store *store, const struct cvy_store_quarantined *row);
void cvy_store_release(struct cvy_store *store, struct cvy_hash key);
/* Calls take for each kernel of the device; it must not call the store. */
void cvy_store_list_quarantined(struct cvy_store *store, struct cvy_hash device,
                                void (*take)(void *user, const struct cvy_store_quarantined *row),
                                void *user);

/* How long one of several choices took for a problem; what a problem and a choice are, callers say. */
struct cvy_store_time {
    struct cvy_hash device; /* and driver */
    struct cvy_hash source; /* of what was measured: when that changes, the time means nothing */
    const char *problem, *choice;
    int64_t rounds; /* how thoroughly; 0: it was tried and is of no use */
    int64_t nanoseconds;
    int64_t when; /* seconds since 1970 */
};
/* All of them or, false, none. Of two times of one choice the newer stays. Accept a NULL store. */
bool cvy_store_put_times(struct cvy_store *store, const struct cvy_store_time *rows, size_t count);
/* Calls take for each time of the problem on the device, in the order of choices; device NULL: for all there
 * are, in the order of device, problem, choice. take must not call the store; what it is given lives during
 * the call. */
bool cvy_store_list_times(struct cvy_store *store, const struct cvy_hash *device, const char *problem,
                          void (*take)(void *user, const struct cvy_store_time *row), void *user);

#endif
