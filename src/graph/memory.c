#include "graph/memory.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/arith.h"

static int larger_first(const void *a, const void *b)
{
    const struct cvy_memory_item *x = *(struct cvy_memory_item *const *)a;
    const struct cvy_memory_item *y = *(struct cvy_memory_item *const *)b;
    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    return x < y ? -1 : x > y;
}

static int lower_first(const void *a, const void *b)
{
    size_t x = (*(struct cvy_memory_item *const *)a)->offset,
           y = (*(struct cvy_memory_item *const *)b)->offset;
    return x < y ? -1 : x > y;
}

static bool alive_together(const struct cvy_memory_item *a, const struct cvy_memory_item *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* The lowest offset in a block where bytes fit among the placed items alive with item. */
static size_t lowest_offset(const struct cvy_memory_item *item, size_t bytes, size_t block,
                            struct cvy_memory_item *const *placed, size_t n_placed, size_t alignment,
                            struct cvy_memory_item **neighbours)
{
    size_t n = 0;
    for (size_t i = 0; i < n_placed; i++) {
        if (placed[i]->block == block && alive_together(item, placed[i]))
            neighbours[n++] = placed[i];
    }
    qsort(neighbours, n, sizeof(*neighbours), lower_first);
    size_t offset = 0;
    for (size_t i = 0; i < n; i++) {
        if (neighbours[i]->offset >= offset && neighbours[i]->offset - offset >= bytes)
            break;
        size_t end = neighbours[i]->offset + cvy_round_up(neighbours[i]->bytes, alignment);
        offset = CVY_MAX(offset, end);
    }
    return offset;
}

size_t cvy_memory_plan(struct cvy_memory_item *items, size_t n_items, size_t alignment, size_t max_block,
                       size_t *block_bytes)
{
    size_t n_blocks = 0, total = 0;
    struct cvy_memory_item **order = calloc(2 * n_items + 1, sizeof(*order));
    if (order == NULL)
        return SIZE_MAX;
    for (size_t i = 0; i < n_items; i++) {
        order[i] = &items[i];
        if (items[i].bytes > SIZE_MAX - alignment ||
            !cvy_add(total, cvy_round_up(items[i].bytes, alignment), &total)) {
            free(order);
            return SIZE_MAX;
        }
    }
    qsort(order, n_items, sizeof(*order), larger_first);
    for (size_t i = 0; i < n_items && order[i]->bytes != 0; i++) {
        struct cvy_memory_item *item = order[i];
        size_t bytes = cvy_round_up(item->bytes, alignment);
        size_t block, offset = 0;
        for (block = 0; block < n_blocks; block++) {
            offset = lowest_offset(item, bytes, block, order, i, alignment, order + n_items);
            if (offset + bytes <= CVY_MAX(block_bytes[block], max_block))
                break;
        }
        if (block == n_blocks) {
            block_bytes[n_blocks++] = 0;
            offset = 0;
        }
        item->block = block;
        item->offset = offset;
        block_bytes[block] = CVY_MAX(block_bytes[block], offset + bytes);
    }
    free(order);
    return n_blocks;
}

size_t cvy_memory_lower_bound(const struct cvy_memory_item *items, size_t n_items, size_t alignment)
{
    size_t bound = 0;
    /* the live set changes only where an item begins */
    for (size_t i = 0; i < n_items; i++) {
        size_t live = 0;
        for (size_t j = 0; j < n_items; j++) {
            if (items[j].first <= items[i].first && items[i].first <= items[j].last)
                live += cvy_round_up(items[j].bytes, alignment);
        }
        bound = CVY_MAX(bound, live);
    }
    return bound;
}
