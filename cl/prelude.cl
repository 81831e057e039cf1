// prelude.cl - what every kernel file includes first.

// Linear index of a work-item that is one of a row of `count`; kernels return beyond it.
#define LINEAR_ID ((int)get_global_id(0))
