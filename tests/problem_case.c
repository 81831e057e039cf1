#include "problem_case.h"

struct cvy_conv_problem problem_case(size_t rank, size_t c, size_t k, size_t in, size_t kernel)
{
    struct cvy_conv_problem p;
    cvy_conv_problem_init(&p, rank);
    p.c = c;
    p.k = k;
    for (size_t i = 0; i < rank; i++) {
        p.in[i] = in;
        p.kernel[i] = kernel;
    }
    return p;
}

struct cvy_conv_problem problem_case_padded(size_t rank, size_t c, size_t k, size_t in, size_t kernel)
{
    struct cvy_conv_problem p = problem_case(rank, c, k, in, kernel);
    for (size_t i = 0; i < rank; i++)
        p.pad_begin[i] = p.pad_end[i] = kernel / 2;
    return p;
}

struct cvy_conv_problem problem_case_random(struct test_random *random, bool transposed)
{
    for (;;) {
        struct cvy_conv_problem p = problem_case(test_random_range(random, 1, 3), 1, 1, 1, 1);
        p.n = test_random_range(random, 1, 2);
        p.groups = test_random_range(random, 1, 3);
        p.c = p.groups * test_random_range(random, 1, 3);
        p.k = p.groups * test_random_range(random, 1, 3);
        p.shuffle = test_random_range(random, 0, 1) * p.groups;
        p.transposed = transposed;
        p.flip = test_random_range(random, 0, 1);
        p.bias = test_random_range(random, 0, 1);
        if (!transposed)
            p.pad_mode = (enum cvy_pad_mode)test_random_range(random, 0, 3);
        for (size_t i = 0; i < p.rank; i++) {
            p.in[i] = test_random_range(random, 1, p.rank == 3 ? 4 : 7);
            p.kernel[i] = test_random_range(random, 1, 4);
            p.stride[i] = test_random_range(random, 1, 3);
            p.dilation[i] = test_random_range(random, 1, 3);
            p.pad_begin[i] = test_random_range(random, 0, 3);
            p.pad_end[i] = test_random_range(random, 0, 3);
            if (transposed)
                p.output_padding[i] = test_random_range(random, 0, 2);
        }
        if (cvy_conv_validate(&p) == CVY_OK)
            return p;
    }
}
