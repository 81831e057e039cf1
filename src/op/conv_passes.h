/* conv_passes.h - what the operators of several passes do, for those who tell about them. */
#ifndef CVY_OP_CONV_PASSES_H
#define CVY_OP_CONV_PASSES_H

#include <convoy/arithmetic.h>

#include "op/operator.h"

/* The passes of an operator with these operands; op is one of the convolutions of several passes. */
enum cvy_status cvy_conv_passes_from_op(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                        struct cvy_conv_problem passes[CVY_CONV_MAX_PASSES],
                                        size_t *n_passes);

#endif
