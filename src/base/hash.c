#include "base/hash.h"

#include <string.h>
#include <xxhash.h>

struct cvy_hash cvy_hash_bytes(struct cvy_hash seed, const void *data, size_t bytes)
{
    XXH128_hash_t h = XXH3_128bits_withSeed(data, bytes, seed.low);
    return (struct cvy_hash){h.low64 ^ (seed.high * 0x9e3779b97f4a7c15u), h.high64 ^ seed.low};
}

struct cvy_hash cvy_hash_string(struct cvy_hash seed, const char *string)
{
    return cvy_hash_bytes(seed, string, strlen(string) + 1);
}

bool cvy_hash_equal(struct cvy_hash a, struct cvy_hash b)
{
    return a.low == b.low && a.high == b.high;
}
