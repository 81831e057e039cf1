#include "conv_case.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oracle.h"

static size_t elements(struct cvy_shape shape)
{
    size_t count = 0;
    ck_assert_int_eq(cvy_shape_elements(&shape, &count), CVY_OK);
    return count;
}

static void *allocate(size_t count, size_t size)
{
    void *memory = malloc(count * size + 1);
    ck_assert_ptr_nonnull(memory);
    return memory;
}

void case_data_make(struct case_data *data, const struct cvy_conv_problem *p, struct test_random *random)
{
    struct cvy_shape x, w, y;
    ck_assert_int_eq(cvy_conv_x_shape(p, &x), CVY_OK);
    ck_assert_int_eq(cvy_conv_w_shape(p, &w), CVY_OK);
    ck_assert_int_eq(cvy_conv_y_shape(p, &y), CVY_OK);
    data->x_count = elements(x);
    data->w_count = elements(w);
    data->y_count = elements(y);
    data->x = allocate(data->x_count, sizeof(float));
    data->w = allocate(data->w_count, sizeof(float));
    data->y = allocate(data->y_count, sizeof(float));
    data->bias = p->bias ? allocate(p->k, sizeof(float)) : NULL;
    data->expected = allocate(data->y_count, sizeof(double));
    data->scale = allocate(data->y_count, sizeof(double));
    test_random_fill(random, data->x, data->x_count);
    test_random_fill(random, data->w, data->w_count);
    if (p->bias)
        test_random_fill(random, data->bias, p->k);
    oracle_conv(p, data->x, data->w, data->bias, data->expected, data->scale);
}

void case_data_free(struct case_data *data)
{
    free(data->x);
    free(data->w);
    free(data->y);
    free(data->bias);
    free(data->expected);
    free(data->scale);
}

static void format(const struct cvy_conv_problem *p, char *text, size_t size)
{
    int used = snprintf(text, size, "n%zu c%zu k%zu g%zu%s%s%s %s shuffle%zu", p->n, p->c, p->k, p->groups,
                        p->transposed ? " transposed" : "", p->flip ? " flip" : "", p->bias ? " bias" : "",
                        cvy_pad_mode_name(p->pad_mode), p->shuffle);
    for (size_t i = 0; i < p->rank; i++)
        used += snprintf(text + used, size - (size_t)used, " [in%zu k%zu s%zu d%zu p%zu:%zu o%zu]", p->in[i],
                         p->kernel[i], p->stride[i], p->dilation[i], p->pad_begin[i], p->pad_end[i],
                         p->output_padding[i]);
}

/* Rounding of a sum of `terms` products in any order: at most terms + 1 times half an ulp of sum |products|.
 */
void case_check_y(const struct cvy_conv_problem *p, const struct case_data *data, const char *algo)
{
    double terms = (double)data->w_count / (double)(p->transposed ? p->c : p->k);
    if (p->transposed)
        terms = terms / (double)(p->k / p->groups) * (double)(p->c / p->groups);
    for (size_t i = 0; i < data->y_count; i++) {
        double bound = (terms + 3) * 6e-8 * data->scale[i] + 1e-30;
        if (fabs((double)data->y[i] - data->expected[i]) <= bound)
            continue;
        char text[400];
        format(p, text, sizeof(text));
        ck_abort_msg("%s: %s: y[%zu] is %.9g, expected %.9g, bound %.3g", algo, text, i, (double)data->y[i],
                     data->expected[i], bound);
    }
}

void case_run_conv(const struct cvy_conv_problem *p, struct case_data *data, const char *algo,
                   size_t max_workspace)
{
    const char *used = NULL;
    struct cvy_conv_params params = {.algo = algo, .max_workspace = max_workspace};
    test_poison(data->y, data->y_count);
    enum cvy_status status =
        cvy_conv_run(test_device(), p, data->x, data->w, data->bias, data->y, &params, &used);
    ck_assert_msg(status == CVY_OK, "%s: %s", algo ? algo : "(chosen)", test_log_last());
    if (algo != NULL)
        ck_assert_str_eq(used, algo);
    case_check_y(p, data, used);
}

static void random_channels(struct cvy_conv_problem *p, struct test_random *random)
{
    p->n = test_random_range(random, 1, 3);
    p->groups = test_random_range(random, 0, 2) ? 1 : test_random_range(random, 2, 5);
    bool depthwise = p->groups > 1 && test_random_range(random, 0, 1);
    p->c = p->groups * (depthwise ? 1 : test_random_range(random, 1, p->groups > 1 ? 3 : 9));
    p->k = p->groups * test_random_range(random, 1, p->groups > 1 ? 3 : 9);
    p->transposed = test_random_range(random, 0, 1);
    p->flip = test_random_range(random, 0, 3) == 0;
    p->bias = test_random_range(random, 0, 1);
    if (!p->transposed && test_random_range(random, 0, 2) == 0)
        p->pad_mode = (enum cvy_pad_mode)test_random_range(random, 1, 3);
    if (test_random_range(random, 0, 2) == 0)
        p->shuffle = test_random_range(random, 0, 4) ? p->groups : p->k;
}

static void random_axis(struct cvy_conv_problem *p, size_t i, struct test_random *random)
{
    static const size_t most_in[] = {40, 12, 6}, most_kernel[] = {9, 5, 3};
    bool plain = test_random_range(random, 0, 3) == 0;
    p->in[i] = test_random_range(random, 1, most_in[p->rank - 1]);
    p->kernel[i] = plain ? 1 : test_random_range(random, 1, most_kernel[p->rank - 1]);
    p->stride[i] = plain ? 1 : test_random_range(random, 1, 3);
    p->dilation[i] = test_random_range(random, 0, 1) ? 1 : test_random_range(random, 1, 3);
    p->pad_begin[i] = plain ? 0 : test_random_range(random, 0, 3);
    p->pad_end[i] = plain ? 0 : test_random_range(random, 0, 3);
    size_t limit = p->stride[i] > p->dilation[i] ? p->stride[i] : p->dilation[i];
    p->output_padding[i] = p->transposed && !plain ? test_random_range(random, 0, limit - 1) : 0;
}

/* Draws until the axes fit each other; reckoned here, so that a wrong refusal by the library shows. */
static bool is_possible(const struct cvy_conv_problem *p, size_t i)
{
    size_t window = p->dilation[i] * (p->kernel[i] - 1) + 1, pads = p->pad_begin[i] + p->pad_end[i];
    if (p->transposed)
        return (p->in[i] - 1) * p->stride[i] + window + p->output_padding[i] > pads;
    return p->in[i] + pads >= window;
}

struct cvy_conv_problem case_random_problem(struct test_random *random)
{
    struct cvy_conv_problem p;
    cvy_conv_problem_init(&p, test_random_range(random, 1, 3));
    random_channels(&p, random);
    bool pointwise = test_random_range(random, 0, 9) == 0;
    for (size_t i = 0; i < p.rank; i++) {
        do
            random_axis(&p, i, random);
        while (!is_possible(&p, i));
        if (pointwise) {
            p.kernel[i] = p.stride[i] = p.dilation[i] = 1;
            p.pad_begin[i] = p.pad_end[i] = p.output_padding[i] = 0;
        }
    }
    return p;
}
