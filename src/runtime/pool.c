#include "runtime/pool.h"

#include <stdlib.h>

#include "base/arith.h"
#include "base/log.h"
#include "runtime/memory.h"

#define SLAB_BYTES ((size_t)4 << 20)

/* Free ranges of a slab, by offset; neighbours are always merged. */
struct range {
    struct range *next;
    size_t offset, bytes;
};

struct cvy_slab {
    struct cvy_slab *next;
    cl_mem memory;
    char *address;
    size_t bytes;
    struct range *free;
};

struct cvy_pool {
    struct cvy_slab *slabs;
};

enum cvy_status cvy_pool_create(struct cvy_pool **pool, const struct cvy_device *device)
{
    (void)device;
    struct cvy_pool *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return cvy_fail_memory("the buffer pool", sizeof(*made));
    *pool = made;
    return CVY_OK;
}

static void slab_destroy(struct cvy_device *device, struct cvy_slab *slab)
{
    while (slab->free != NULL) {
        struct range *range = slab->free;
        slab->free = range->next;
        free(range);
    }
    cvy_memory_release(device, slab->memory, slab->address);
    free(slab);
}

void cvy_pool_destroy(struct cvy_device *device, struct cvy_pool **pool)
{
    if (pool == NULL || *pool == NULL)
        return;
    while ((*pool)->slabs != NULL) {
        struct cvy_slab *slab = (*pool)->slabs;
        (*pool)->slabs = slab->next;
        slab_destroy(device, slab);
    }
    free(*pool);
    *pool = NULL;
}

static struct cvy_slab *slab_create(const struct cvy_device *device, size_t bytes)
{
    struct cvy_slab *slab = calloc(1, sizeof(*slab));
    struct range *range = calloc(1, sizeof(*range));
    cl_int error = CL_OUT_OF_HOST_MEMORY;
    if (slab != NULL && range != NULL)
        slab->memory = cvy_memory_create(device, bytes, &slab->address, &error);
    if (error != CL_SUCCESS) {
        free(slab);
        free(range);
        return NULL;
    }
    *range = (struct range){NULL, 0, bytes};
    slab->bytes = bytes;
    slab->free = range;
    return slab;
}

static bool slab_take(struct cvy_slab *slab, size_t bytes, struct cvy_block *block)
{
    for (struct range **link = &slab->free; *link != NULL; link = &(*link)->next) {
        struct range *range = *link;
        if (range->bytes < bytes)
            continue;
        *block = (struct cvy_block){slab, range->offset, bytes};
        range->offset += bytes;
        range->bytes -= bytes;
        if (range->bytes == 0) {
            *link = range->next;
            free(range);
        }
        return true;
    }
    return false;
}

bool cvy_pool_take(struct cvy_device *device, size_t bytes, struct cvy_block *block)
{
    struct cvy_pool *pool = device->pool;
    bytes = cvy_round_up(bytes, device->info.base_align);
    if (SLAB_BYTES > device->info.max_alloc_bytes || bytes > SLAB_BYTES)
        return false;
    for (struct cvy_slab *slab = pool->slabs; slab != NULL; slab = slab->next) {
        if (slab_take(slab, bytes, block))
            return true;
    }
    struct cvy_slab *slab = slab_create(device, SLAB_BYTES);
    if (slab == NULL)
        return false;
    slab->next = pool->slabs;
    pool->slabs = slab;
    return slab_take(slab, bytes, block);
}

static void merge_next(struct range *range)
{
    struct range *next = range->next;
    if (next != NULL && range->offset + range->bytes == next->offset) {
        range->bytes += next->bytes;
        range->next = next->next;
        free(next);
    }
}

static void drop_if_empty(struct cvy_device *device, struct cvy_slab *slab)
{
    struct cvy_pool *pool = device->pool;
    bool is_only = pool->slabs == slab && slab->next == NULL;
    if (is_only || slab->free == NULL || slab->free->bytes != slab->bytes)
        return;
    struct cvy_slab **link = &pool->slabs;
    while (*link != slab)
        link = &(*link)->next;
    *link = slab->next;
    slab_destroy(device, slab);
}

void cvy_pool_give_back(struct cvy_device *device, const struct cvy_block *block)
{
    struct cvy_slab *slab = block->slab;
    struct range *before = NULL, *after = slab->free;
    while (after != NULL && after->offset < block->offset) {
        before = after;
        after = after->next;
    }
    struct range *range = malloc(sizeof(*range));
    /* without host memory the block stays taken until the slab goes */
    if (range == NULL)
        return;
    *range = (struct range){after, block->offset, block->bytes};
    if (before == NULL)
        slab->free = range;
    else
        before->next = range;
    merge_next(range);
    if (before != NULL)
        merge_next(before);
    drop_if_empty(device, slab);
}

cl_mem cvy_slab_memory(const struct cvy_slab *slab)
{
    return slab->memory;
}

char *cvy_slab_address(const struct cvy_slab *slab)
{
    return slab->address;
}
