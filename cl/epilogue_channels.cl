// epilogue_channels.cl - the epilogue of a block: LANES channels of one pixel in a vector (lane.cl).
#include "epilogue.cl"
#include "lane.cl"

#if HAS_BIAS
#define EPILOGUE_CHANNELS_BIAS(k, k_end) +load_channels(bias, k, k_end)
#else
#define EPILOGUE_CHANNELS_BIAS(k, k_end)
#endif

// Of channels k, k + 1, ...; those from k_end on become 0. before: what y holds there.
#define EPILOGUE_CHANNELS(value, k, k_end, before)                                                           \
    end_of_channels(ACTIVATE((value)EPILOGUE_CHANNELS_BIAS(k, k_end) EPILOGUE_BEFORE(before)), k, k_end)
