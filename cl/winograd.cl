// winograd.cl - the transforms of Winograd's short convolutions along one axis, of SIDE points: 1 (none), 3
// (0, 1, -1), 4 (and infinity), 5 (0, 1, -1, 2, -2) or 6 (and infinity). TAPS weights make TILE = SIDE - TAPS
// + 1 results.
// Lavin and Gray, arXiv 1509.09308. Data: the coefficients of M(x) / (x - point), M the product of all
// (x - point). Weights: their polynomial at the point, over M'(point). Results: the powers of the point.
// 3 points for 3 weights make the 2 results of the middle tap on the only 2 pixels that are not 0: of F(2, 2)
// where the weights are the data and the pixels the kernel, whose values at the points WINOGRAD_DATA_3 makes.
#define WINOGRAD_TILE(side, taps) ((side) == 3 && (taps) == 3 ? 2 : (side) - (taps) + 1)

// Of data, in place.
#define WINOGRAD_DATA_1(s)
#define WINOGRAD_DATA_3(s)                                                                                   \
    {                                                                                                        \
        const lanes s1 = s[1], s2 = s[2];                                                                    \
        s[0] = s2 - s[0];                                                                                    \
        s[1] = s2 + s1;                                                                                      \
        s[2] = s2 - s1;                                                                                      \
    }
#define WINOGRAD_DATA_4(s)                                                                                   \
    {                                                                                                        \
        s[3] = s[3] - s[1];                                                                                  \
        WINOGRAD_DATA_3(s)                                                                                   \
    }
#define WINOGRAD_DATA_5(s)                                                                                   \
    {                                                                                                        \
        const lanes even = s[4] - 4.0f * s[2], odd = s[3] - 4.0f * s[1];                                     \
        const lanes even2 = s[4] - s[2], odd2 = 2.0f * (s[3] - s[1]);                                        \
        s[0] = 4.0f * s[0] + (s[4] - 5.0f * s[2]);                                                           \
        s[1] = even + odd;                                                                                   \
        s[2] = even - odd;                                                                                   \
        s[3] = even2 + odd2;                                                                                 \
        s[4] = even2 - odd2;                                                                                 \
    }
#define WINOGRAD_DATA_6(s)                                                                                   \
    {                                                                                                        \
        s[5] = 4.0f * s[1] + (s[5] - 5.0f * s[3]);                                                           \
        WINOGRAD_DATA_5(s)                                                                                   \
    }

// Result i of `tile` from the values s at the points.
#define WINOGRAD_RESULT_1(s, i, tile) (s[0])
#define WINOGRAD_RESULT_3(s, i, tile) (((i) & 1 ? s[1] - s[2] : s[1] + s[2]) + ((i) == 0 ? s[0] : 0.0f))
#define WINOGRAD_RESULT_4(s, i, tile) (WINOGRAD_RESULT_3(s, i, tile) + ((i) == (tile)-1 ? s[3] : 0.0f))
#define WINOGRAD_RESULT_5(s, i, tile)                                                                        \
    (((i) & 1 ? (s[1] - s[2]) + (float)(1 << (i)) * (s[3] - s[4])                                            \
              : (s[1] + s[2]) + (float)(1 << (i)) * (s[3] + s[4])) +                                         \
     ((i) == 0 ? s[0] : 0.0f))
#define WINOGRAD_RESULT_6(s, i, tile) (WINOGRAD_RESULT_5(s, i, tile) + ((i) == (tile)-1 ? s[5] : 0.0f))

// What tap r counts at a point.
float winograd_weight(int side, int taps, int point, int r)
{
    const float points[] = {0.0f, 1.0f, -1.0f, 2.0f, -2.0f};
    const float slopes4[] = {-1.0f, 2.0f, 2.0f}, slopes6[] = {4.0f, -6.0f, -6.0f, 24.0f, 24.0f};
    const float of_pair[3][3] = {{-1.0f, 0.0f, 1.0f}, {0.5f, 0.5f, 0.0f}, {0.5f, -0.5f, 0.0f}};
    if (side == 3 && taps == 3)
        return of_pair[point][r];
    if (point == side - 1 && side != 3 && side != 5)
        return r == taps - 1 ? 1.0f : 0.0f;
    float power = 1.0f;
    for (int i = 0; i < r; i++)
        power *= points[point];
    return power / (side <= 4 ? slopes4[point] : slopes6[point]);
}

// Of whole vectors: compilers cut vstore's in pieces.
#define WHOLE_STORE(space, value, to) (*(space lanes *)(to) = (value))
