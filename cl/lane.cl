// lane.cl - explicit vectors of LANES floats (1, 2, 4, 8 or 16), for devices whose work-items fill registers.

#define LANE_PASTE(a, b) a##b
#define LANE_JOIN(a, b) LANE_PASTE(a, b)

#if LANES == 1
typedef float lanes;
#define LANES_LOAD(from) (*(from))
#define LANES_STORE(value, to) (*(to) = (value))
#else
typedef LANE_JOIN(float, LANES) lanes;
#define LANES_LOAD(from) LANE_JOIN(vload, LANES)(0, from)
#define LANES_STORE(value, to) LANE_JOIN(vstore, LANES)(value, 0, to)
#endif
