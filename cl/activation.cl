// activation.cl - ACTIVATION: a number of enum cvy_activation. ACTIVATE takes a float or a vector.

#if ACTIVATION == 2 || ACTIVATION == 3 || ACTIVATION == 6
#define ACTIVATION_ARGUMENTS float alpha, float beta,
#define ACTIVATION_PASSED alpha, beta,
#define ACTIVATION_LIST(VALUE) VALUE(float, alpha) VALUE(float, beta)
#else
#define ACTIVATION_ARGUMENTS
#define ACTIVATION_PASSED
#define ACTIVATION_LIST(VALUE)
#endif

#if ACTIVATION == 1
#define ACTIVATE(v) fmax(v, 0.0f)
#elif ACTIVATION == 2
// not by fmax and fmin, which would make a number of NaN
#define ACTIVATE(v) ((v) < 0.0f ? (v)*alpha : (v))
#elif ACTIVATION == 3
// a lower bound above the upper one yields the upper one, as ONNX has it
#define ACTIVATE(v) fmin(fmax(v, alpha), beta)
#elif ACTIVATION == 4
#define ACTIVATE(v) (1.0f / (1.0f + exp(-(v))))
#elif ACTIVATION == 5
#define ACTIVATE(v) tanh(v)
#elif ACTIVATION == 6
#define ACTIVATE(v) fmin(fmax(alpha * (v) + beta, 0.0f), 1.0f)
#elif ACTIVATION == 7
#define ACTIVATE(v) ((v)*fmin(fmax((v) * (1.0f / 6) + 0.5f, 0.0f), 1.0f))
#elif ACTIVATION == 8
#define ACTIVATE(v) ((v) / (1.0f + exp(-(v))))
#elif ACTIVATION == 9
#define ACTIVATE(v) (0.5f * (v) * (1.0f + erf((v)*M_SQRT1_2_F)))
#elif ACTIVATION == 10
#define ACTIVATE(v) ((v)*tanh(log1p(exp(v))))
#else
#define ACTIVATE(v) (v)
#endif
