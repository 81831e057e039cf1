/* tile.h - tiles of sums in vector registers: some blocks of channels by some pixels. */
#ifndef CVY_OP_TILE_H
#define CVY_OP_TILE_H

#include "base/arith.h"

#define CVY_TILE_MOST_BLOCKS 5
#define CVY_TILE_CACHE_BYTES ((size_t)1 << 20) /* of weights that the cache next to the registers' holds */

/* Of the time that reading and writing all tensors once takes: what arithmetic does not hide. */
#define CVY_TILE_MEMORY_SHARE 0.3

/* Pieces of equal size, none above `most`. */
static inline size_t cvy_even_piece(size_t total, size_t most)
{
    return cvy_ceil_div(total, cvy_ceil_div(total, most));
}

/* The same for work-items: the count of pieces, up to twice as many as needed, that leaves the least rest.
 * Drivers deal work-groups out by number, PoCL half of those left to whoever asks: small ones at the end
 * would leave a core idle. */
static inline size_t cvy_fair_piece(size_t total, size_t most)
{
    size_t count = cvy_ceil_div(total, most), best = cvy_ceil_div(total, count);
    for (size_t i = count + 1; i <= 2 * count && i <= total; i++) {
        size_t piece = cvy_ceil_div(total, i);
        if (cvy_round_up(total, piece) < cvy_round_up(total, best))
            best = piece;
    }
    return best;
}

/* As many pixels as registers hold sums of, beside a vector of each block and `spare` ones. */
static inline size_t cvy_tile_pixels(size_t lanes, size_t blocks, size_t spare)
{
    size_t registers = lanes == 16 ? 32 : 16;
    return CVY_MAX((registers - spare - blocks) / blocks, 1);
}

/* The share of the peak that such a tile reaches; each vector of weights is loaded for some pixels, each
 * pixel for some blocks. The constants were measured. */
static inline double cvy_tile_share(double blocks, double pixels, double weight_bytes)
{
    double per_vector = weight_bytes <= CVY_TILE_CACHE_BYTES ? 0.3 : 1.3;
    double share = 1 / (1 + 0.4 / (blocks * blocks) + per_vector / pixels);
    /* fewer sums than a multiplier's latency needs */
    return share * CVY_MIN(1, blocks * pixels / 8);
}

#endif
