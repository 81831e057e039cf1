// shuffle.cl - the channel shuffle: which channel of w makes channel `at` of y. shuffle: groups, 0 or 1 none.

int shuffled_from(int at, int channels, int shuffle)
{
    return shuffle > 1 ? at % shuffle * (channels / shuffle) + at / shuffle : at;
}

// The other way: which channel of y the channel k of w makes.
int shuffled_to(int k, int channels, int shuffle)
{
    return shuffle > 1 ? k % (channels / shuffle) * shuffle + k / (channels / shuffle) : k;
}
