#include "op/epilogue.h"

static bool has_parameters(enum cvy_activation activation)
{
    return activation == CVY_ACTIVATION_LEAKY_RELU || activation == CVY_ACTIVATION_CLIP ||
           activation == CVY_ACTIVATION_HARD_SIGMOID;
}

void cvy_epilogue_define(struct cvy_launch *launch, const struct cvy_conv_problem *p)
{
    cvy_launch_define(launch, "HAS_BIAS", p->bias);
    cvy_launch_define(launch, "ACCUMULATE", p->accumulate);
    cvy_launch_define(launch, "ACTIVATION", p->activation);
}

void cvy_activation_arguments(struct cvy_launch *launch, enum cvy_activation activation, float alpha,
                              float beta)
{
    if (has_parameters(activation)) {
        cvy_launch_float(launch, alpha);
        cvy_launch_float(launch, beta);
    }
}

void cvy_epilogue_arguments(struct cvy_launch *launch, const struct cvy_conv_problem *p,
                            const struct cvy_buffer *bias)
{
    if (p->bias)
        cvy_launch_buffer(launch, bias);
    cvy_activation_arguments(launch, p->activation, p->alpha, p->beta);
}
