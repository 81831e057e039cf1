// unary.cl - y[i] = ACTIVATE(x[i]), ACTIVATION as in activation.cl, or FUNCTION(x[i]). May run in place.

#include "prelude.cl"

#ifdef FUNCTION
#define ACTIVATION_ARGUMENTS float alpha, float beta,
#define ACTIVATE(v) FUNCTION(v)
#define SOFTPLUS(v) (fmax(v, 0.0f) + log1p(exp(-fabs(v))))
#define SOFTSIGN(v) ((v) / (1.0f + fabs(v)))
#define ELU(v) ((v) < 0.0f ? alpha * expm1(v) : (v))
#define SELU(v) (beta * ((v) < 0.0f ? alpha * expm1(v) : (v)))
#define ABS(v) fabs(v)
#define NEG(v) (-(v))
#define EXP(v) exp(v)
#define LOG(v) log(v)
#define SQRT(v) sqrt(v)
#define RECIPROCAL(v) (1.0f / (v))
#define ERF(v) erf(v)
#define SIN(v) sin(v)
#define COS(v) cos(v)
#define FLOOR(v) floor(v)
#define CEIL(v) ceil(v)
#define ROUND(v) rint(v)
#define SIGN(v) sign(v)
#define NOT(v) ((v) == 0.0f ? 1.0f : 0.0f)
#else
#include "activation.cl"
#endif

__kernel void unary(__global const float *x, __global float *y, ACTIVATION_ARGUMENTS int count)
{
    int i = LINEAR_ID;
    if (i < count)
        y[i] = ACTIVATE(x[i]);
}
