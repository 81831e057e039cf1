/* tile.h - tiles of sums in vector registers: some blocks of channels by some pixels. */
#ifndef CVY_OP_TILE_H
#define CVY_OP_TILE_H

#include "base/arith.h"
#include "op/algo.h"
#include "runtime/device.h"
#include "runtime/rates.h"
#include "runtime/team.h"

#define CVY_TILE_MOST_BLOCKS 5
#define CVY_TILE_CACHE_BYTES ((size_t)1 << 20) /* of weights that the cache next to the registers' holds */

/* Of the time that reading and writing all tensors once takes: what arithmetic does not hide. */
#define CVY_TILE_MEMORY_SHARE 0.3

/* Whether a result is better stored past the caches, which are too small for it and what it is made of. */
static inline bool cvy_streams(const struct cvy_device *device, double bytes)
{
    return device->info.cache_bytes > 0 && bytes > 0.5 * (double)device->info.cache_bytes;
}

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

/* A unit takes a while to wake: with less than this to do, one work-group is done before help has come. */
#define CVY_SHARE_ALONE 12e-6
#define CVY_SHARE_WAKE 18e-6
#define CVY_SHARE_LAUNCH 5e-6
#define CVY_SHARE_LEAST 1e-6 /* seconds that outweigh starting a work-group */
#define CVY_SHARE_PIECES 16  /* for each unit */

/* The same for a team, whose members are awake, and have neighbouring work-groups each, as many as any other.
 */
#define CVY_TEAM_ALONE 2e-6
#define CVY_TEAM_LAUNCH 2.5e-6
#define CVY_TEAM_LONG 30e-6   /* seconds, from which on pieces for members to take over are worth cutting */
#define CVY_TEAM_TAIL 0.3     /* pieces at the end that keep one member busy, for they are not equally fast */
#define CVY_TEAM_GROUP 0.1e-6 /* seconds that a work-group costs beside its work */
#define CVY_TEAM_PIECES 32    /* for each member, at most */

/* Of the member that has most to do, in work-groups of `piece` of the total * planes equal pieces. */
static inline double cvy_team_seconds(size_t team, size_t total, size_t planes, size_t piece, double tail,
                                      double seconds)
{
    double each = (double)piece * seconds / (double)(total * planes) + CVY_TEAM_GROUP;
    return each * ((double)cvy_ceil_div(cvy_ceil_div(total, piece) * planes, team) + tail);
}

static inline size_t cvy_team_share(size_t team, size_t total, size_t planes, size_t most, double tail,
                                    double seconds)
{
    double least = 0;
    size_t first = cvy_ceil_div(total, CVY_MIN(most, total)), best = 0;
    if (seconds < CVY_TEAM_ALONE)
        return cvy_ceil_div(total, first);
    for (size_t i = first; i <= total && i <= first + CVY_TEAM_PIECES * team; i++) {
        size_t piece = cvy_ceil_div(total, i);
        double longest = cvy_team_seconds(team, total, planes, piece, tail, seconds);
        if (best == 0 || longest < least) {
            least = longest;
            best = piece;
        }
    }
    return best;
}

static inline size_t cvy_share_with_tail(const struct cvy_device *device, size_t total, size_t planes,
                                         size_t most, double tail, double seconds)
{
    size_t team = cvy_team_size(device);
    if (team > 1)
        return cvy_team_share(team, total, planes, most, tail, seconds);
    if (seconds < CVY_SHARE_ALONE)
        return cvy_fair_piece(total, most);
    double useful = (double)CVY_SHARE_PIECES * CVY_MAX(device->info.compute_units, 1);
    size_t groups = (size_t)CVY_MIN(useful, seconds / CVY_SHARE_LEAST);
    return cvy_fair_piece(total, CVY_MIN(most, cvy_ceil_div(total, cvy_ceil_div(groups, planes))));
}

/* How a launch is cut into work-groups: how many of `total` pieces of equal work one of them takes, at most
 * `most`, where `planes` such rows of pieces lie side by side, and a unit alone would take `seconds` for all.
 */
static inline size_t cvy_share(const struct cvy_device *device, size_t total, size_t planes, size_t most,
                               double seconds)
{
    return cvy_share_with_tail(device, total, planes, most, 0, seconds);
}

/* The same for cvy_launch_balance(): enough of them to take over. */
static inline size_t cvy_balance(const struct cvy_device *device, size_t total, size_t planes, size_t most,
                                 double seconds)
{
    return cvy_share_with_tail(device, total, planes, most, seconds > CVY_TEAM_LONG ? CVY_TEAM_TAIL : 0,
                               seconds);
}

/* How long a launch that is cut so takes. */
static inline double cvy_share_seconds(const struct cvy_device *device, size_t total, size_t planes,
                                       size_t piece, double seconds)
{
    size_t team = cvy_team_size(device);
    double units = (double)CVY_MAX(device->info.compute_units, 1);
    double groups = (double)(cvy_ceil_div(total, piece) * planes);
    if (team > 1)
        return CVY_TEAM_LAUNCH + cvy_team_seconds(team, total, planes, piece, 0, seconds);
    double together = (seconds + (units - 1) * CVY_SHARE_WAKE) / units;
    return CVY_SHARE_LAUNCH + (groups > 1 ? CVY_MIN(seconds, together) : seconds);
}

/* The config with the least estimate among the first `count` of the algorithm's. */
static inline void cvy_least_config(const struct cvy_algo *algo, const struct cvy_conv_problem *p,
                                    const struct cvy_device *device, size_t count,
                                    struct cvy_algo_config *config)
{
    struct cvy_algo_config next;
    double least = 0;
    for (size_t i = 0; i < count && algo->configs(p, device, i, &next); i++) {
        double seconds = algo->estimate(p, device, &next);
        if (i == 0 || seconds < least) {
            least = seconds;
            *config = next;
        }
    }
}

/* As many pixels as registers hold sums of, beside a vector of each block and `spare` ones. */
static inline size_t cvy_tile_pixels(size_t lanes, size_t blocks, size_t spare)
{
    size_t registers = lanes == 16 ? 32 : 16;
    return CVY_MAX((registers - spare - blocks) / blocks, 1);
}

/* What loading a pixel for one vector of products costs beside it: nothing where a unit loads as many numbers
 * a cycle as it multiplies vectors, as those do that multiply only one. */
static inline double cvy_broadcast_cost(const struct cvy_device *device)
{
    const struct cvy_device_info *info = &device->info;
    double cycles = 1e6 * (double)info->clock_mhz * (double)CVY_MAX(info->compute_units, 1);
    double vectors = cvy_rates(device)->flops / (2 * (double)CVY_MAX(info->vector_width, 1));
    return cycles > 0 && vectors < 1.6 * cycles ? 0.02 : 0.4;
}

/* The share of the peak that such a tile reaches; each vector of weights is loaded for some pixels, each
 * pixel for some blocks. The constants were measured. */
static inline double cvy_tile_share(const struct cvy_device *device, double blocks, double pixels,
                                    double weight_bytes)
{
    double per_vector = weight_bytes <= CVY_TILE_CACHE_BYTES ? 0.3 : 1.3;
    double share = 1 / (1 + cvy_broadcast_cost(device) / (blocks * blocks) + per_vector / pixels);
    /* fewer sums than a multiplier's latency needs */
    return share * CVY_MIN(1, blocks * pixels / 8);
}

/* The pixels of a tile, at most `most`, that make the least of `total`: large tiles, few pixels too many. */
static inline size_t cvy_tile_piece(const struct cvy_device *device, size_t total, size_t blocks, size_t most)
{
    size_t best = 1;
    double least = 0;
    for (size_t pixels = CVY_MIN(most, total); pixels > 0; pixels--) {
        double share = cvy_tile_share(device, (double)blocks, (double)pixels, 0);
        double work = (double)cvy_round_up(total, pixels) / share;
        if (least == 0 || work < least) {
            least = work;
            best = pixels;
        }
    }
    return best;
}

#endif
