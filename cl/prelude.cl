// prelude.cl - what every kernel file includes first.

// Linear index of a work-item that is one of a row of `count`; kernels return beyond it.
#define LINEAR_ID ((int)get_global_id(0))

// Of a work-group, also where a launch is a part of a longer one, which get_group_id() does not know. Such
// launches are cut in dimensions 0 and 2: get_num_groups(1) is that of the whole.
#define GROUP_ID(dimension) ((int)(get_global_id(dimension) / get_local_size(dimension)))

// For functions on arrays that are to stay in registers: compilers that leave a large function apart would
// pass them through memory.
#define ALWAYS_INLINE __attribute__((always_inline))

// For the work of a kernel: PoCL compiles a kernel three times over, with all that is inlined into it, but
// what stands apart once.
#define APART __attribute__((noinline))

// Before loops: over arrays that are to stay in registers; or whose rounds are long enough as they are.
#define UNROLL _Pragma("unroll")
#define ROLLED _Pragma("nounroll")
