/* epilogue.h - the host's side of cl/epilogue.cl, for every kernel that writes y. */
#ifndef CVY_OP_EPILOGUE_H
#define CVY_OP_EPILOGUE_H

#include "op/algo.h"
#include "runtime/launch.h"

/* HAS_BIAS, ACCUMULATE and ACTIVATION. */
void cvy_epilogue_define(struct cvy_launch *launch, const struct cvy_conv_problem *p);
/* What EPILOGUE_ARGUMENTS stands for: the bias, where the problem has one, alpha and beta, where the
 * activation takes them. */
void cvy_epilogue_arguments(struct cvy_launch *launch, const struct cvy_conv_problem *p,
                            const struct cvy_buffer *bias);
/* What ACTIVATION_ARGUMENTS stands for, of cl/activation.cl alone. */
void cvy_activation_arguments(struct cvy_launch *launch, enum cvy_activation activation, float alpha,
                              float beta);

#endif
