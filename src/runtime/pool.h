/* pool.h - blocks of shared allocations (slabs) for small buffers. Inside runtime only. */
#ifndef CVY_RUNTIME_POOL_H
#define CVY_RUNTIME_POOL_H

#include "runtime/device.h"

/* Buffers up to this size share allocations. */
#define CVY_POOL_SMALL ((size_t)1 << 20)

struct cvy_slab;

/* bytes at offset of slab's memory. */
struct cvy_block {
    struct cvy_slab *slab;
    size_t offset, bytes;
};

enum cvy_status cvy_pool_create(struct cvy_pool **pool, const struct cvy_device *device);
void cvy_pool_destroy(struct cvy_device *device, struct cvy_pool **pool);
/* First fit, aligned to base_align. false where the device gives no more: nothing is logged. */
bool cvy_pool_take(struct cvy_device *device, size_t bytes, struct cvy_block *block);
void cvy_pool_give_back(struct cvy_device *device, const struct cvy_block *block);
cl_mem cvy_slab_memory(const struct cvy_slab *slab);
/* NULL: there is only the cl_mem (memory.h). */
char *cvy_slab_address(const struct cvy_slab *slab);

#endif
