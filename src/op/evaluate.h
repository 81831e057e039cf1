/* evaluate.h - computes an operator on the host, where all it depends on is known. */
#ifndef CVY_OP_EVALUATE_H
#define CVY_OP_EVALUATE_H

#include "op/operator.h"

/* For a settled operator of which cvy_operator_is_known(); shape and dtype as inferred. y is the caller's to
 * finish. Values go through double, in which integers beyond 2^53 lose bits. */
enum cvy_status cvy_evaluate(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                             const struct cvy_shape *shape, enum cvy_dtype dtype, struct cvy_tensor *y);

#endif
