// epilogue.cl - what happens to a result on its way to memory: bias, what y held before, activation.
// HAS_BIAS, ACCUMULATE: 0 or 1; ACTIVATION as in activation.cl. A kernel has EPILOGUE_ARGUMENTS among its
// arguments, or EPILOGUE_LIST (team.cl), and hands EPILOGUE_PASSED on to functions that have them. No
// restrict: where such a function is inlined by force, Oclgrind meets an intrinsic that it lacks.
#include "activation.cl"

#if HAS_BIAS
#define EPILOGUE_ARGUMENTS __global const float *bias, ACTIVATION_ARGUMENTS
#define EPILOGUE_PASSED bias, ACTIVATION_PASSED
#define EPILOGUE_LIST(IN, VALUE) IN(bias) ACTIVATION_LIST(VALUE)
#define EPILOGUE_BIAS(k) +bias[k]
#else
#define EPILOGUE_ARGUMENTS ACTIVATION_ARGUMENTS
#define EPILOGUE_PASSED ACTIVATION_PASSED
#define EPILOGUE_LIST(IN, VALUE) ACTIVATION_LIST(VALUE)
#define EPILOGUE_BIAS(k)
#endif
#if ACCUMULATE
#define EPILOGUE_BEFORE(before) +(before)
#else
#define EPILOGUE_BEFORE(before)
#endif

// Of a number, or a vector of pixels, of channel k. before: what y holds there.
#define EPILOGUE(value, k, before) ACTIVATE((value)EPILOGUE_BIAS(k) EPILOGUE_BEFORE(before))
