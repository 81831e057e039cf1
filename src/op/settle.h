/* settle.h - attributes that are given as operands: the lists that a class's settle reads. */
#ifndef CVY_OP_SETTLE_H
#define CVY_OP_SETTLE_H

#include "op/operator.h"

/* Whether the operand is there. */
bool cvy_operand_given(const struct cvy_operand *in, size_t n_in, size_t index);

/* The entries of operand `index`, at most max; none where it is left out. what: "Reshape: dims", to begin
 * messages with. CVY_ERROR_UNSUPPORTED for an operand that is no constant. */
enum cvy_status cvy_operand_ints(const char *what, const struct cvy_operand *in, size_t n_in, size_t index,
                                 int64_t *values, size_t max, size_t *count);
enum cvy_status cvy_operand_floats(const char *what, const struct cvy_operand *in, size_t n_in, size_t index,
                                   float *values, size_t max, size_t *count);

#endif
