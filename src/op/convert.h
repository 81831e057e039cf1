/*
 * convert.h - a convolution of plain tensors done in blocks of channels: x is laid out in blocks in temporary
 * memory, an algorithm for blocks runs, and its y is laid out plain. Worth it where that algorithm is faster
 * by more than the tensors take to move.
 */
#ifndef CVY_OP_CONVERT_H
#define CVY_OP_CONVERT_H

#include "op/algo.h"

/* The same problem with those tensors in blocks that profit. False: none do, or there are blocks already. */
bool cvy_convert(const struct cvy_conv_problem *plain, const struct cvy_device *device,
                 struct cvy_conv_problem *blocked);

/* Beside the algorithm's own: workspace, seconds. */
size_t cvy_convert_workspace(const struct cvy_conv_problem *blocked, const struct cvy_device *device);
double cvy_convert_seconds(const struct cvy_conv_problem *blocked, const struct cvy_device *device);
enum cvy_status cvy_convert_build(struct cvy_device *device, const struct cvy_conv_problem *blocked);

/* Where the blocks lie in a workspace, and the rest, for the algorithm. */
struct cvy_convert_parts {
    struct cvy_buffer *x, *y, *rest; /* NULL: not needed */
};

enum cvy_status cvy_convert_parts_init(struct cvy_convert_parts *parts,
                                       const struct cvy_conv_problem *blocked, struct cvy_buffer *workspace,
                                       size_t rest);
void cvy_convert_parts_finish(struct cvy_convert_parts *parts);

/* args: with plain x and y; its workspace is not looked at. */
enum cvy_status cvy_convert_enqueue(struct cvy_device *device, const struct cvy_algo *algo,
                                    const struct cvy_conv_problem *blocked,
                                    const struct cvy_algo_config *config,
                                    const struct cvy_convert_parts *parts, const struct cvy_algo_args *args);

#endif
