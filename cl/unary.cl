// unary.cl - y = ACTIVATE(x), ACTIVATION as in activation.cl, or FUNCTION(x), over planes (planes.cl). May
// run in place. FUNCTION takes vectors of numbers.
#define MAY_ALIAS 1
#include "prelude.cl"
#include "team.cl"
#include "planes.cl"

#ifdef FUNCTION
#define ACTIVATION_ARGUMENTS float alpha, float beta,
#define ACTIVATION_LIST(VALUE) VALUE(float, alpha) VALUE(float, beta)
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
#define NOT(v) TRUTH((v) == 0.0f)
#else
#include "activation.cl"
#endif

// Dimensions: runs, planes.
APART void unary_work(int3 id, __global const float *x, __global float *y,
                      ACTIVATION_ARGUMENTS struct planes p)
{
    if (id.y >= p.count)
        return;
    const int end = min((id.x + 1) * p.run, p.size), k = PLANE_CHANNEL(id.y, p);
    int i = id.x * p.run;
    x += id.y * p.size;
    y += id.y * p.size;
    for (; i + LANES <= end; i += LANES) {
        const lanes value = LANES_LOAD(x + i);
        LANES_STORE(filled_up(ACTIVATE(value), k, p.channels), y + i);
    }
    if (i < end) {
        const lanes value = load_channels(x, i, end);
        store_some(ACTIVATE(value), y + i, end - i);
    }
}

#define ARGUMENTS(IN, OUT, VALUE, LAST) \
    IN(x) OUT(y) ACTIVATION_LIST(VALUE) LAST(struct planes, p)
TEAM_KERNEL(unary, ANY_WORK_GROUP, ARGUMENTS)
