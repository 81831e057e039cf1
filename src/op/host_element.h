/* host_element.h - what elementwise operators do to numbers, for host_op.c. false: not one of these. */
#ifndef CVY_OP_HOST_ELEMENT_H
#define CVY_OP_HOST_ELEMENT_H

#include <convoy/op.h>

bool cvy_host_unary(const struct cvy_op *op, double x, double *y);
bool cvy_host_binary(enum cvy_op_type type, double a, double b, double *y);

#endif
