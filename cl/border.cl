// border.cl - where a position beyond the edges of x is read.
// PAD_MODE: 0 nowhere, the padding is a constant; 1 reflect; 2 replicate; 3 wrap (enum cvy_pad_mode).

// Position p of an axis of size n; -1: nowhere.
int border(int p, int n)
{
    if (p >= 0 && p < n)
        return p;
#if PAD_MODE == 1
    if (n == 1)
        return 0;
    // no absolute value: Oclgrind lacks the intrinsic that compilers make of it
    p %= 2 * n - 2;
    p += p < 0 ? 2 * n - 2 : 0;
    return p < n ? p : 2 * n - 2 - p;
#elif PAD_MODE == 2
    return p < 0 ? 0 : n - 1;
#elif PAD_MODE == 3
    p %= n;
    return p < 0 ? p + n : p;
#else
    return -1;
#endif
}
