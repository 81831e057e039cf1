/* shard_case.h - two devices, and networks to be divided between them. */
#ifndef TESTS_SHARD_CASE_H
#define TESTS_SHARD_CASE_H

#include "support.h"

/* The first two devices that there are; of one alone its halves; of one that is not divided, itself twice. */
extern struct cvy_device *shard_pair[2];
void shard_open_pair(void);

/* A graph with one input, and the stream of its weights. */
struct shard_builder {
    struct cvy_graph *graph;
    struct test_random random;
};
struct shard_builder shard_begin(struct cvy_value **x, const struct cvy_shape *shape);
struct cvy_value *shard_constant(struct shard_builder *b, struct cvy_shape shape, float scale);
/* y and z may be NULL. */
struct cvy_value *shard_node(struct shard_builder *b, struct cvy_op op, struct cvy_value *x,
                             struct cvy_value *y, struct cvy_value *z);

/* As AlexNet: convolutions 2, 4 and 5 in two groups, 1 and 3 in one; a residual and a batch norm besides. One
 * of its outputs is its input. Nx3x15x15. */
#define SHARD_OUTPUTS 4
struct cvy_graph *shard_network(const struct cvy_shape *shape);
/* Keeps the images of a batch apart; its reshape spells out the batch. One output. */
struct cvy_graph *shard_batch_network(const struct cvy_shape *shape);

struct cvy_tensor shard_input(const struct cvy_shape *shape);
void shard_check_equal(const struct cvy_tensor *got, const struct cvy_tensor *expected);

#endif
