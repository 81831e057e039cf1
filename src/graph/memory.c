#include "graph/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"

#define MAX_REPAIRS 200
#define MAX_WORK 50000000 /* pairs of items looked at, some 0.1 s */

struct place {
    size_t block, offset;
};

/* An attempt: items are placed in an order, each at the lowest offset where it fits. */
struct packing {
    struct cvy_memory_item *items;
    size_t n, alignment, max_block;
    size_t *order;  /* of those that need a place: indices of items */
    size_t *placed; /* by block and offset */
    size_t *weight; /* of each item: by which orders begin */
    struct place *best;
    size_t *block_bytes, n_blocks, total, best_total;
};

static bool alive_together(const struct cvy_memory_item *a, const struct cvy_memory_item *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* The lowest offset in a block where bytes fit among the n placed items that are alive with item. */
static size_t lowest_offset(const struct packing *p, const struct cvy_memory_item *item, size_t bytes,
                            size_t block, size_t n)
{
    size_t offset = 0;
    for (size_t i = 0; i < n; i++) {
        const struct cvy_memory_item *other = &p->items[p->placed[i]];
        if (other->block != block || !alive_together(item, other))
            continue;
        if (other->offset >= offset && other->offset - offset >= bytes)
            break;
        offset = CVY_MAX(offset, other->offset + cvy_round_up(other->bytes, p->alignment));
    }
    return offset;
}

static void insert_placed(struct packing *p, size_t index, size_t n)
{
    const struct cvy_memory_item *item = &p->items[index];
    size_t at = n;
    for (; at > 0; at--) {
        const struct cvy_memory_item *before = &p->items[p->placed[at - 1]];
        if (before->block < item->block || (before->block == item->block && before->offset <= item->offset))
            break;
        p->placed[at] = p->placed[at - 1];
    }
    p->placed[at] = index;
}

/* Places everything in the present order; keeps the places where none before took less. */
static void pack(struct packing *p)
{
    p->n_blocks = p->total = 0;
    for (size_t i = 0; i < p->n; i++) {
        struct cvy_memory_item *item = &p->items[p->order[i]];
        const size_t bytes = cvy_round_up(item->bytes, p->alignment);
        size_t block = 0, offset = 0;
        for (; block < p->n_blocks; block++) {
            offset = lowest_offset(p, item, bytes, block, i);
            if (offset + bytes <= CVY_MAX(p->block_bytes[block], p->max_block))
                break;
        }
        if (block == p->n_blocks) {
            p->block_bytes[p->n_blocks++] = 0;
            offset = 0;
        }
        item->block = block;
        item->offset = offset;
        p->block_bytes[block] = CVY_MAX(p->block_bytes[block], offset + bytes);
        insert_placed(p, p->order[i], i);
    }
    for (size_t i = 0; i < p->n_blocks; i++)
        p->total += p->block_bytes[i];
    if (p->total >= p->best_total)
        return;
    p->best_total = p->total;
    for (size_t i = 0; i < p->n; i++)
        p->best[p->order[i]] = (struct place){p->items[p->order[i]].block, p->items[p->order[i]].offset};
}

/* Stable, by weight, the heaviest first. */
static void sort_order(struct packing *p)
{
    for (size_t i = 1; i < p->n; i++) {
        const size_t index = p->order[i];
        size_t at = i;
        for (; at > 0 && p->weight[p->order[at - 1]] < p->weight[index]; at--)
            p->order[at] = p->order[at - 1];
        p->order[at] = index;
    }
}

static size_t live_bytes(const struct packing *p, size_t step)
{
    size_t live = 0;
    for (size_t i = 0; i < p->n; i++) {
        const struct cvy_memory_item *item = &p->items[p->order[i]];
        if (item->first <= step && step <= item->last)
            live += cvy_round_up(item->bytes, p->alignment);
    }
    return live;
}

/* The largest live set that each item is part of: live sets grow only where an item begins. */
static void weigh_by_contention(struct packing *p)
{
    for (size_t i = 0; i < p->n; i++)
        p->weight[p->order[i]] = 0;
    for (size_t i = 0; i < p->n; i++) {
        const size_t step = p->items[p->order[i]].first, live = live_bytes(p, step);
        for (size_t j = 0; j < p->n; j++) {
            const struct cvy_memory_item *item = &p->items[p->order[j]];
            if (item->first <= step && step <= item->last)
                p->weight[p->order[j]] = CVY_MAX(p->weight[p->order[j]], live);
        }
    }
}

static void pack_in_known_orders(struct packing *p, size_t bound)
{
    for (size_t i = 0; i < p->n; i++)
        p->weight[p->order[i]] = p->items[p->order[i]].bytes;
    sort_order(p);
    pack(p);
    if (p->best_total <= bound)
        return;
    weigh_by_contention(p); /* among equals the larger first, from the order before */
    sort_order(p);
    pack(p);
    for (size_t i = 0; i < p->n; i++) {
        const struct cvy_memory_item *item = &p->items[p->order[i]];
        p->weight[p->order[i]] = item->last - item->first;
    }
    sort_order(p);
    pack(p);
}

static size_t find_highest(const struct packing *p)
{
    size_t found = 0, highest = 0;
    for (size_t i = 0; i < p->n; i++) {
        const struct cvy_memory_item *item = &p->items[p->order[i]];
        if (item->offset + item->bytes > highest) {
            highest = item->offset + item->bytes;
            found = i;
        }
    }
    return found;
}

/* Whatever ends highest comes earlier next time: to a place that changes, so that no cycle holds. */
static void repair(struct packing *p, size_t bound)
{
    uint32_t state = 1;
    const size_t pairs = p->n < MAX_WORK / (p->n + 1) ? p->n * p->n + 1 : MAX_WORK;
    const size_t rounds = CVY_MIN(MAX_REPAIRS, MAX_WORK / pairs);
    for (size_t round = 0; round < rounds && p->best_total > bound; round++) {
        const size_t from = find_highest(p), index = p->order[from];
        state = state * 1664525u + 1013904223u;
        const size_t to = (state >> 8) % (from + 1);
        memmove(&p->order[to + 1], &p->order[to], (from - to) * sizeof(*p->order));
        p->order[to] = index;
        pack(p);
    }
}

static size_t finish_packing(struct packing *p)
{
    p->n_blocks = 0;
    for (size_t i = 0; i < p->n; i++) {
        struct cvy_memory_item *item = &p->items[p->order[i]];
        item->block = p->best[p->order[i]].block;
        item->offset = p->best[p->order[i]].offset;
        for (; p->n_blocks <= item->block; p->n_blocks++)
            p->block_bytes[p->n_blocks] = 0;
        const size_t end = item->offset + cvy_round_up(item->bytes, p->alignment);
        p->block_bytes[item->block] = CVY_MAX(p->block_bytes[item->block], end);
    }
    return p->n_blocks;
}

size_t cvy_memory_plan(struct cvy_memory_item *items, size_t n_items, size_t alignment, size_t max_block,
                       size_t *block_bytes)
{
    size_t *numbers = calloc(3 * n_items + 1, sizeof(*numbers)), total = 0, n_blocks = SIZE_MAX;
    struct place *best = calloc(n_items + 1, sizeof(*best));
    struct packing p = {.items = items,
                        .alignment = alignment,
                        .max_block = max_block,
                        .order = numbers,
                        .placed = numbers + n_items,
                        .weight = numbers + 2 * n_items,
                        .best = best,
                        .block_bytes = block_bytes,
                        .best_total = SIZE_MAX};
    bool fits = numbers != NULL && best != NULL;
    for (size_t i = 0; fits && i < n_items; i++) {
        fits = items[i].bytes <= SIZE_MAX - alignment &&
               cvy_add(total, cvy_round_up(items[i].bytes, alignment), &total);
        if (items[i].bytes != 0)
            p.order[p.n++] = i;
    }
    if (fits) {
        const size_t bound = cvy_memory_lower_bound(items, n_items, alignment);
        pack_in_known_orders(&p, bound);
        repair(&p, bound);
        n_blocks = finish_packing(&p);
    }
    free(numbers);
    free(best);
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
