// prelude.cl - what every kernel file includes first.

// Linear index of a work-item that is one of a row of `count`; kernels return beyond it.
#define LINEAR_ID ((int)get_global_id(0))

// For functions on arrays that are to stay in registers: compilers that leave a large function apart would
// pass them through memory.
#define ALWAYS_INLINE __attribute__((always_inline))
