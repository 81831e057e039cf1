// storage.cl - how the elements of x, w and y lie in memory. HALF: 0 float32, 1 float16, which every device
// can load and store; the arithmetic is float32 in both.

#if HALF
#define STORED half
#define STORED_LOAD(from, at) vload_half(at, from)
#define STORED_STORE(value, to, at) vstore_half_rte(value, at, to)
#else
#define STORED float
#define STORED_LOAD(from, at) ((from)[at])
#define STORED_STORE(value, to, at) ((to)[at] = (value))
#endif
