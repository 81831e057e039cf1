/*
 * memory.h - where values lie in memory: offsets by lifetime. Pure arithmetic.
 *
 * Each value is needed from step `first` to step `last`, both included. Values whose spans meet never
 * overlap. They are placed one after the other, each at the lowest offset where it fits (greedy by size;
 * Pisarchyk and Lee, arXiv 2001.03288, section 5.2), and, where that takes more than the largest sum of
 * values alive at once, in other orders: some order always leads to the least there is.
 */
#ifndef CVY_GRAPH_MEMORY_H
#define CVY_GRAPH_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

struct cvy_memory_item {
    size_t bytes; /* 0: needs no place */
    size_t first, last;
    size_t block;  /* result: which allocation */
    size_t offset; /* result: a multiple of the alignment */
};

/*
 * Sets block and offset of every item, and the bytes of each block in block_bytes (room for n_items entries).
 * No block exceeds max_block; an item larger than that is given a block of its own, for the allocation to
 * refuse. Returns the number of blocks; SIZE_MAX when the host is out of memory or sizes overflow.
 */
size_t cvy_memory_plan(struct cvy_memory_item *items, size_t n_items, size_t alignment, size_t max_block,
                       size_t *block_bytes);

/* The largest sum of bytes (each rounded up to alignment) needed at one step: no plan can do with less. */
size_t cvy_memory_lower_bound(const struct cvy_memory_item *items, size_t n_items, size_t alignment);

#endif
