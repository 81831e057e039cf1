/* host_move.h - loops of the operators that move, gather, reduce and list, for host_op.c. */
#ifndef CVY_OP_HOST_MOVE_H
#define CVY_OP_HOST_MOVE_H

#include "op/host_op.h"

/* One element of a tensor; sizes of 1 are repeated, and leading dimensions may be missing. */
double cvy_host_read(const struct cvy_host_tensor *tensor, const size_t *at, size_t rank);

/* The element of y at `at`. false: this file does not know the operator. */
bool cvy_host_move(const struct cvy_op *op, const struct cvy_host_tensor *in, const struct cvy_host_tensor *y,
                   const size_t *at, double *value);

#endif
