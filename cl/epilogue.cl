// epilogue.cl - what happens to a result on its way to memory. Knows nothing of convolution.
// HAS_BIAS: 1 adds the channel's bias.

#if HAS_BIAS
#define EPILOGUE(value, bias, channel) ((value) + (bias)[channel])
#else
#define EPILOGUE(value, bias, channel) (value)
#endif
