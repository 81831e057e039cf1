/* Pooling and resizing against loops in double that follow the ONNX specification. */
#include "operator_case.h"

#include <math.h>
#include <stdlib.h>

/* Windows as the specification of AveragePool has them, one axis at a time. */
struct window {
    long begin, in, pad_end;
    size_t kernel, dilation;
};

static bool window_has(const struct window *w, size_t r, long *at)
{
    *at = w->begin + (long)(r * w->dilation);
    return *at >= 0 && *at < w->in;
}

START_TEST(pools_of_every_rank_agree_with_the_definition)
{
    for (int round = 0; round < case_rounds(60); round++) {
        size_t rank = test_random_range(&case_random, 1, 3);
        struct cvy_shape x = case_random_shape(rank + 2, 3), shape;
        struct cvy_op op = {.type = round % 2 ? CVY_OP_MAX_POOL : CVY_OP_AVERAGE_POOL};
        struct cvy_op_pool *pool = &op.pool;
        pool->rank = rank;
        pool->ceil_mode = test_random_range(&case_random, 0, 1);
        pool->count_include_pad = test_random_range(&case_random, 0, 1);
        for (size_t d = 0; d < rank; d++) {
            x.dims[d + 2] = test_random_range(&case_random, 5, 9);
            pool->kernel[d] = test_random_range(&case_random, 1, 3);
            pool->stride[d] = test_random_range(&case_random, 1, 3);
            pool->dilation[d] = test_random_range(&case_random, 1, 2);
            pool->pad_begin[d] = test_random_range(&case_random, 0, pool->kernel[d] - 1);
            pool->pad_end[d] = test_random_range(&case_random, 0, pool->kernel[d] - 1);
        }
        struct inputs inputs = {0};
        case_add_input(&inputs, &x);
        float *got = case_run(&op, &inputs, &shape);
        for (size_t d = 0; d < rank; d++) {
            size_t span = x.dims[d + 2] + pool->pad_begin[d] + pool->pad_end[d] -
                          pool->dilation[d] * (pool->kernel[d] - 1) - 1;
            size_t out = span / pool->stride[d] + 1;
            if (pool->ceil_mode && span % pool->stride[d] &&
                out * pool->stride[d] < x.dims[d + 2] + pool->pad_begin[d])
                out++;
            ck_assert_uint_eq(shape.dims[d + 2], out);
        }
        for (size_t i = 0; i < case_elements(&shape); i++) {
            struct window w[3] = {{0, 1, 0, 1, 1}, {0, 1, 0, 1, 1}, {0, 1, 0, 1, 1}};
            size_t at[CVY_MAX_RANK], channel_size = 1;
            case_unravel(&shape, i, at);
            for (size_t d = 0; d < rank; d++) {
                w[d] = (struct window){(long)(at[d + 2] * pool->stride[d]) - (long)pool->pad_begin[d],
                                       (long)x.dims[d + 2], (long)pool->pad_end[d], pool->kernel[d],
                                       pool->dilation[d]};
                channel_size *= x.dims[d + 2];
            }
            const float *channel = inputs.data[0] + (at[0] * x.dims[1] + at[1]) * channel_size;
            double sum = 0, largest = -INFINITY, inside = 0, padded = 0;
            for (size_t r = 0; r < w[0].kernel * w[1].kernel * w[2].kernel; r++) {
                long p[3];
                size_t offsets[3] = {r / w[2].kernel / w[1].kernel, r / w[2].kernel % w[1].kernel,
                                     r % w[2].kernel};
                bool in_x = true, in_padding = true;
                for (size_t d = 0; d < 3; d++) {
                    in_x &= window_has(&w[d], offsets[d], &p[d]);
                    in_padding &= p[d] < w[d].in + w[d].pad_end;
                }
                padded += in_padding;
                if (in_x) {
                    double value = (double)channel[(p[0] * w[1].in + p[1]) * w[2].in + p[2]];
                    sum += value;
                    inside++;
                    largest = fmax(largest, value);
                }
            }
            double n = pool->count_include_pad ? padded : inside;
            double expected = op.type == CVY_OP_MAX_POOL ? largest : n > 0 ? sum / n : 0;
            ck_assert_msg(got[i] == (float)expected || fabs((double)got[i] - expected) < 1e-5,
                          "%s: element %zu is %g, expected %g", cvy_op_name(&op), i, (double)got[i],
                          expected);
        }
        free(got);
        case_free(&inputs);
    }
}
END_TEST

START_TEST(global_average_pool_is_the_mean_of_each_channel)
{
    struct cvy_shape x = {5, {2, 3, 4, 5, 6}}, shape;
    struct cvy_op op = {.type = CVY_OP_GLOBAL_AVERAGE_POOL};
    struct inputs inputs = {0};
    case_add_input(&inputs, &x);
    float *got = case_run(&op, &inputs, &shape);
    ck_assert_uint_eq(case_elements(&shape), 6);
    for (size_t i = 0; i < 6; i++) {
        double sum = 0;
        for (size_t j = 0; j < 120; j++)
            sum += (double)inputs.data[0][i * 120 + j];
        ck_assert(fabs((double)got[i] - sum / 120) < 1e-5);
    }
    free(got);
    case_free(&inputs);
}
END_TEST

/* Resize of one line, from the formulas of the ONNX specification; weights of each of x's positions. */
static void resize_weights(const struct cvy_op_resize *r, double scale, size_t in, size_t out, size_t at,
                           double *weights)
{
    double p = 0;
    switch (r->coordinates) {
    case CVY_RESIZE_HALF_PIXEL:
        p = ((double)at + 0.5) / scale - 0.5;
        break;
    case CVY_RESIZE_PYTORCH_HALF_PIXEL:
        p = out > 1 ? ((double)at + 0.5) / scale - 0.5 : 0;
        break;
    case CVY_RESIZE_ALIGN_CORNERS:
        p = out > 1 ? (double)at * ((double)in - 1) / ((double)out - 1) : 0;
        break;
    case CVY_RESIZE_ASYMMETRIC:
        p = (double)at / scale;
        break;
    }
    for (size_t i = 0; i < in; i++)
        weights[i] = 0;
    if (r->mode == CVY_RESIZE_NEAREST) {
        double low = floor(p), high = ceil(p), nearest = low;
        if (r->nearest == CVY_RESIZE_CEIL)
            nearest = high;
        else if (r->nearest == CVY_RESIZE_ROUND_PREFER_CEIL)
            nearest = p - low < 0.5 ? low : high;
        else if (r->nearest == CVY_RESIZE_ROUND_PREFER_FLOOR)
            nearest = p - low <= 0.5 ? low : high;
        weights[(size_t)fmin(fmax(nearest, 0), (double)in - 1)] = 1;
        return;
    }
    double sum = 0;
    for (double q = floor(p) - 1; q <= floor(p) + 2; q++) {
        double d = fabs(p - q), a = (double)r->cubic_a, w;
        if (r->mode == CVY_RESIZE_LINEAR)
            w = d < 1 ? 1 - d : 0;
        else
            w = d <= 1  ? (a + 2) * d * d * d - (a + 3) * d * d + 1
                : d < 2 ? a * d * d * d - 5 * a * d * d + 8 * a * d - 4 * a
                        : 0;
        if (r->exclude_outside && (q < 0 || q > (double)in - 1))
            continue;
        weights[(size_t)fmin(fmax(q, 0), (double)in - 1)] += w;
        sum += w;
    }
    for (size_t i = 0; r->exclude_outside && i < in; i++)
        weights[i] /= sum;
}

START_TEST(resize_in_every_mode_agrees_with_the_specification)
{
    static const float scales[] = {1, 2, 0.5f, 3, 1.5f, 0.75f, 2.5f};
    for (int round = 0; round < case_rounds(96); round++) {
        struct cvy_shape x = case_random_shape(4, 3), shape;
        struct cvy_op op = {.type = CVY_OP_RESIZE};
        struct cvy_op_resize *r = &op.resize;
        r->mode = (enum cvy_resize_mode)(round % 3);
        r->coordinates = (enum cvy_resize_coordinates)(round / 3 % 4);
        r->nearest = (enum cvy_resize_nearest)(round / 12 % 4);
        r->cubic_a = round % 2 ? -0.75f : -0.5f;
        r->exclude_outside = round / 12 % 2;
        r->rank = 4;
        for (size_t d = 0; d < 4; d++) {
            r->scales[d] = d < 2 ? 1 : scales[test_random_range(&case_random, 0, 6)];
            x.dims[d] += d < 2 ? 0 : 3;
            if (d >= 2 && round % 5 == 0)
                r->sizes[d] = test_random_range(&case_random, 1, 12);
        }
        struct inputs inputs = {0};
        case_add_input(&inputs, &x);
        float *got = case_run(&op, &inputs, &shape);
        double scale[2], rows[16], columns[16];
        for (size_t d = 0; d < 2; d++) {
            scale[d] =
                r->sizes[d + 2] ? (double)r->sizes[d + 2] / (double)x.dims[d + 2] : (double)r->scales[d + 2];
            ck_assert_uint_eq(shape.dims[d + 2], (size_t)floor((double)x.dims[d + 2] * scale[d] + 1e-9));
        }
        for (size_t i = 0; i < case_elements(&shape); i++) {
            size_t at[4];
            double expected = 0;
            case_unravel(&shape, i, at);
            resize_weights(r, scale[0], x.dims[2], shape.dims[2], at[2], rows);
            resize_weights(r, scale[1], x.dims[3], shape.dims[3], at[3], columns);
            for (size_t h = 0; h < x.dims[2]; h++) {
                for (size_t w = 0; w < x.dims[3]; w++) {
                    size_t from[4] = {at[0], at[1], h, w};
                    expected += rows[h] * columns[w] * (double)inputs.data[0][case_ravel(&x, from)];
                }
            }
            ck_assert_msg(fabs((double)got[i] - expected) < 1e-4,
                          "mode %d coordinates %d nearest %d: element %zu is %g, expected %g", (int)r->mode,
                          (int)r->coordinates, (int)r->nearest, i, (double)got[i], expected);
        }
        free(got);
        case_free(&inputs);
    }
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("windows");
    TCase *tcase = tcase_create("windows");
    tcase_add_unchecked_fixture(tcase, case_seed, NULL);
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, pools_of_every_rank_agree_with_the_definition);
    tcase_add_test(tcase, global_average_pool_is_the_mean_of_each_channel);
    tcase_add_test(tcase, resize_in_every_mode_agrees_with_the_specification);
    suite_add_tcase(suite, tcase);
    return suite;
}
