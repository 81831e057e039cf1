// grouped_pack.cl - weights in the order in which conv_grouped.cl meets them: for each block of `lanes`
// channels of y, row of taps and `taps` of them at once, for each step, tap and lane one.
#include "prelude.cl"

int tap_of(int tap, int size, int flip)
{
    return flip ? size - 1 - tap : tap;
}

// channels: of y. permuted: in step t each lane meets channel t of its group, or, where the group has as many
// channels of y as of x, its own channel of x for the channel of y that lies t further (exclusive or);
// otherwise the t-th channel of all the groups that the block has a part in.
__kernel void grouped_pack(__global const float *restrict w, __global float *restrict packed, int count,
                           int lanes, int taps, int steps, int permuted, int flip, int channels, int c_group,
                           int k_group, int kernel_d, int kernel_h, int kernel_w)
{
    const int id = LINEAR_ID;
    if (id >= count)
        return;
    const int t = id / (lanes * taps) % steps, at = id / (lanes * taps * steps);
    const int s = at % (kernel_w / taps) * taps + id / lanes % taps;
    const int r = at / (kernel_w / taps) % kernel_h, z = at / (kernel_w / taps * kernel_h) % kernel_d;
    const int first = at / (kernel_w / taps * kernel_h * kernel_d) * lanes, lane = id % lanes;
    const bool exchanged = permuted && c_group == k_group;
    const int k = first + (exchanged ? lane ^ t : lane);
    const int within = exchanged ? lane % c_group : t;
    const int j = permuted ? within : first / k_group * c_group + t - k / k_group * c_group;
    packed[id] = 0.0f;
    if (k < channels && j >= 0 && j < c_group)
        packed[id] = w[(((k * c_group + j) * kernel_d + tap_of(z, kernel_d, flip)) * kernel_h +
                        tap_of(r, kernel_h, flip)) * kernel_w + tap_of(s, kernel_w, flip)];
}
