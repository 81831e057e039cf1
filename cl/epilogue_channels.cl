// epilogue_channels.cl - the epilogue of a block: LANES channels of one pixel in a vector (lane.cl).
#include "epilogue.cl"
#include "lane.cl"

#if HAS_BIAS
lanes bias_of_channels(__global const float *restrict bias, int k, int k_end)
{
    if (k + LANES <= k_end)
        return LANES_LOAD(bias + k);
    float each[LANES];
    for (int i = 0; i < LANES; i++)
        each[i] = k + i < k_end ? bias[k + i] : 0.0f;
    return LANES_LOAD(each);
}
#define EPILOGUE_CHANNELS_BIAS(k, k_end) +bias_of_channels(bias, k, k_end)
#else
#define EPILOGUE_CHANNELS_BIAS(k, k_end)
#endif

// Zeros from channel k_end on.
lanes end_of_channels(lanes value, int k, int k_end)
{
    const lanes zero = 0.0f;
    return k + LANES <= k_end ? value : select(value, zero, (lanes_int)(k + LANES_NUMBERS >= k_end));
}

// Of channels k, k + 1, ...; those from k_end on become 0. before: what y holds there.
#define EPILOGUE_CHANNELS(value, k, k_end, before)                                                           \
    end_of_channels(ACTIVATE((value)EPILOGUE_CHANNELS_BIAS(k, k_end) EPILOGUE_BEFORE(before)), k, k_end)
