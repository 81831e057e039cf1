// prelude.cl - what every kernel file includes first.

// Linear index of a work-item that is one of a row of `count`; kernels return beyond it.
#define LINEAR_ID ((int)get_global_id(0))

// For functions on arrays that are to stay in registers: compilers that leave a large function apart would
// pass them through memory.
#define ALWAYS_INLINE __attribute__((always_inline))

// For the work of a kernel: PoCL compiles a kernel three times over, with all that is inlined into it, but
// what stands apart once.
#define APART __attribute__((noinline))

// Before loops: over arrays that are to stay in registers; or whose rounds are long enough as they are.
#define UNROLL _Pragma("unroll")
#define ROLLED _Pragma("nounroll")
