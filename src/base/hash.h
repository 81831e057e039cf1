/* hash.h - 128-bit hashes (XXH3) for keys and checksums; not against an adversary. */
#ifndef CVY_BASE_HASH_H
#define CVY_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cvy_hash {
    uint64_t low, high;
};

/* Hashes bytes behind what seed already holds: fold pieces by passing the last result as seed. */
struct cvy_hash cvy_hash_bytes(struct cvy_hash seed, const void *data, size_t bytes);
/* The string with its terminator, so that "ab","c" and "a","bc" differ. */
struct cvy_hash cvy_hash_string(struct cvy_hash seed, const char *string);
bool cvy_hash_equal(struct cvy_hash a, struct cvy_hash b);

#endif
