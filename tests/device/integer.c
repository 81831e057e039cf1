/* Convolutions of int8 and uint8, and what stands around them: exact, against loops on the host. */
#include "conv_case.h"
#include "oracle.h"
#include "problem_case.h"
#include "runtime/device.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct integers {
    size_t x_count, w_count, y_count;
    uint8_t *x, *w; /* bytes of int8 or uint8 */
    int32_t *bias;
    double *sums; /* of the centred integers, and the bias */
    int32_t *w_zeros;
    float *w_scales;
    struct cvy_conv_quantization q;
};

static struct test_random random_stream;

static size_t in_range(size_t low, size_t high)
{
    return test_random_range(&random_stream, low, high);
}

static int value_of(enum cvy_dtype dtype, uint8_t byte)
{
    return dtype == CVY_INT8 ? (int8_t)byte : byte;
}

static enum cvy_dtype random_type(void)
{
    return in_range(0, 1) ? CVY_INT8 : CVY_UINT8;
}

static size_t count_of(enum cvy_status (*shape_of)(const struct cvy_conv_problem *, struct cvy_shape *),
                       const struct cvy_conv_problem *p)
{
    struct cvy_shape shape;
    size_t count = 0;
    ck_assert_msg(shape_of(p, &shape) == CVY_OK, "%s", test_log_last());
    ck_assert_int_eq(cvy_shape_elements(&shape, &count), CVY_OK);
    return count;
}

static uint8_t *random_bytes(size_t count)
{
    uint8_t *bytes = malloc(count);
    for (size_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)in_range(0, 255);
    return bytes;
}

/* Integers of a problem as oracle_conv() takes them; they are exact in float. */
static float *centred(enum cvy_dtype dtype, const uint8_t *bytes, size_t count, int zero)
{
    float *values = malloc(count * sizeof(float));
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(value_of(dtype, bytes[i]) - zero);
    return values;
}

/* Which channel of y a weight belongs to. */
static size_t channel_of_weight(const struct cvy_conv_problem *p, size_t i, size_t w_count)
{
    if (!p->transposed)
        return i / (w_count / p->k);
    size_t k_group = p->k / p->groups, taps = w_count / p->c / k_group, c = i / taps / k_group;
    return c / (p->c / p->groups) * k_group + i / taps % k_group;
}

static void make_sums(struct integers *d, const struct cvy_conv_problem *p)
{
    float *x = centred(p->x_dtype, d->x, d->x_count, d->q.x_zero_point);
    float *w = centred(p->w_dtype, d->w, d->w_count, 0);
    for (size_t i = 0; d->q.n_w_zero_points > 0 && i < d->w_count; i++) {
        size_t k = d->q.n_w_zero_points > 1 ? channel_of_weight(p, i, d->w_count) : 0;
        w[i] -= (float)d->w_zeros[k];
    }
    d->sums = malloc(d->y_count * sizeof(double));
    struct cvy_conv_problem plain = *p;
    plain.bias = false;
    oracle_conv(&plain, x, w, NULL, d->sums, NULL);
    free(x);
    free(w);
}

static int random_zero(enum cvy_dtype dtype)
{
    return value_of(dtype, (uint8_t)in_range(0, 255));
}

/* Half of the scales are powers of two, with which ties are frequent. */
static float random_scale(float around)
{
    float scale = around * (1 + test_random_float(&random_stream) / 2);
    return in_range(0, 1) ? exp2f(roundf(log2f(scale))) : scale;
}

static void make_quantization(struct integers *d, const struct cvy_conv_problem *p)
{
    struct cvy_conv_quantization *q = &d->q;
    q->x_zero_point = random_zero(p->x_dtype);
    q->y_zero_point = p->y_dtype == CVY_INT32 ? 0 : random_zero(p->y_dtype);
    q->n_w_zero_points = in_range(0, 2) ? (in_range(0, 1) ? p->k : 1) : 0;
    q->n_w_scales = in_range(0, 1) ? p->k : 1;
    d->w_zeros = malloc(p->k * sizeof(*d->w_zeros));
    d->w_scales = malloc(p->k * sizeof(*d->w_scales));
    for (size_t k = 0; k < p->k; k++) {
        d->w_zeros[k] = random_zero(p->w_dtype);
        d->w_scales[k] = random_scale(0.02f);
    }
    q->w_zero_points = d->w_zeros;
    q->w_scales = d->w_scales;
    /* y's range covers the spread of the sums */
    double terms = (double)d->w_count / (double)p->k;
    q->x_scale = random_scale(0.1f);
    q->y_scale = random_scale((float)(0.002 * sqrt(terms) * 80));
}

static struct integers make_integers(const struct cvy_conv_problem *p)
{
    struct integers d = {.x_count = count_of(cvy_conv_x_shape, p),
                         .w_count = count_of(cvy_conv_w_shape, p),
                         .y_count = count_of(cvy_conv_y_shape, p)};
    d.x = random_bytes(d.x_count);
    d.w = random_bytes(d.w_count);
    make_quantization(&d, p);
    d.bias = malloc(p->k * sizeof(*d.bias));
    for (size_t k = 0; k < p->k; k++)
        d.bias[k] = (int32_t)in_range(0, 2000) - 1000;
    make_sums(&d, p);
    return d;
}

static void free_integers(struct integers *d)
{
    free(d->x);
    free(d->w);
    free(d->bias);
    free(d->sums);
    free(d->w_zeros);
    free(d->w_scales);
}

/* What conv.h says of y's element i. */
static int32_t expected_at(const struct integers *d, const struct cvy_conv_problem *p, size_t i)
{
    struct cvy_shape y;
    ck_assert_int_eq(cvy_conv_y_shape(p, &y), CVY_OK);
    size_t pixels = d->y_count / y.dims[0] / y.dims[1], at = i / pixels % p->k, k = at;
    if (p->shuffle > 1)
        k = at % p->shuffle * (p->k / p->shuffle) + at / p->shuffle;
    int64_t sum = (int64_t)d->sums[i] + (p->bias ? d->bias[k] : 0);
    if (p->y_dtype == CVY_INT32)
        return (int32_t)(uint32_t)sum;
    float w_scale = d->w_scales[d->q.n_w_scales > 1 ? k : 0];
    float product = d->q.x_scale * w_scale, scale = product / d->q.y_scale;
    float rounded = rintf((float)(int32_t)sum * scale);
    float low = p->y_dtype == CVY_INT8 ? -128 : 0, high = p->y_dtype == CVY_INT8 ? 127 : 255;
    return (int32_t)fminf(fmaxf(rounded + (float)d->q.y_zero_point, low), high);
}

static void check_run(const struct cvy_conv_problem *p, const struct integers *d, const char *algo)
{
    size_t size = cvy_dtype_size(p->y_dtype);
    uint8_t *y = malloc(d->y_count * size);
    struct cvy_conv_params params = {.algo = algo, .quantization = &d->q};
    memset(y, 0xA5, d->y_count * size);
    ck_assert_msg(cvy_conv_run(test_device(), p, d->x, d->w, p->bias ? d->bias : NULL, y, &params, NULL) ==
                      CVY_OK,
                  "%s", test_log_last());
    for (size_t i = 0; i < d->y_count; i++) {
        int32_t got, want = expected_at(d, p, i);
        memcpy(&got, y + i * size, size == 4 ? 4 : 1);
        got = size == 4 ? got : value_of(p->y_dtype, y[i]);
        ck_assert_msg(
            got == want,
            "%s: element %zu of %zu is %d, expected %d (%zu-D c%zu k%zu groups %zu%s, x %s w %s y %s)", algo,
            i, d->y_count, got, want, p->rank, p->c, p->k, p->groups, p->transposed ? " transposed" : "",
            cvy_dtype_name(p->x_dtype), cvy_dtype_name(p->w_dtype), cvy_dtype_name(p->y_dtype));
    }
    free(y);
}

/* Of random types; layouts and epilogues are for floats. */
static struct cvy_conv_problem random_problem(void)
{
    static const enum cvy_dtype outputs[] = {CVY_INT32, CVY_INT8, CVY_UINT8};
    struct cvy_conv_problem p = case_random_problem(&random_stream);
    p.x_block = p.y_block = 0;
    p.accumulate = false;
    p.activation = CVY_ACTIVATION_NONE;
    p.x_dtype = random_type();
    p.w_dtype = random_type();
    p.y_dtype = outputs[in_range(0, 2)];
    return p;
}

START_TEST(integer_convolutions_are_exact_on_random_problems)
{
    const double start = cvy_now();
    const size_t least = test_small() ? 12 : 60, most = test_small() ? 12 : 300;
    size_t runs = 0, problems = 0;
    /* compiling takes most of the time, more on some machines than on others */
    for (; problems < least || (problems < most && cvy_now() - start < 30); problems++) {
        struct cvy_conv_problem p = random_problem();
        struct integers d = make_integers(&p);
        const char *algo;
        for (size_t a = 0; (algo = cvy_conv_algo_name(a)) != NULL; a++) {
            char why[256];
            if (!cvy_conv_algo_applies(test_device(), &p, algo, why, sizeof(why)))
                continue;
            check_run(&p, &d, algo);
            runs++;
        }
        free_integers(&d);
    }
    ck_assert_uint_ge(runs, problems);
}
END_TEST

static struct cvy_conv_problem pointwise(size_t c, size_t k, size_t in)
{
    struct cvy_conv_problem p = problem_case(1, c, k, in, 1);
    p.x_dtype = p.w_dtype = CVY_UINT8;
    p.y_dtype = CVY_INT32;
    return p;
}

START_TEST(integer_sums_wrap_around)
{
    struct cvy_conv_problem p = pointwise(8, 2, 1);
    uint8_t ones[16];
    const int32_t bias[2] = {INT32_MAX - 7, -5};
    int32_t y[2] = {0};
    p.bias = true;
    memset(ones, 255, sizeof(ones));
    ck_assert_int_eq(cvy_conv_run(test_device(), &p, ones, ones, bias, y, NULL, NULL), CVY_OK);
    ck_assert_int_eq(y[0], (int32_t)((uint32_t)bias[0] + 8 * 255 * 255));
    ck_assert_int_lt(y[0], 0);
    ck_assert_int_eq(y[1], 8 * 255 * 255 - 5);
}
END_TEST

START_TEST(requantised_ties_round_to_even_and_ends_saturate)
{
    struct cvy_conv_problem p = pointwise(1, 1, 8);
    const int8_t x[] = {-3, -1, 1, 3, 5, 127, -128, 0}, want[] = {-2, 0, 0, 2, 2, 64, -64, 0};
    const int8_t far[] = {-128, -128, 127, 127, 127, 127, -128, 3};
    const int8_t w = 1;
    const float small = 0.5f, large = 1000;
    int8_t y[8];
    p.x_dtype = p.w_dtype = p.y_dtype = CVY_INT8;
    struct cvy_conv_quantization q = {.x_scale = 1, .y_scale = 1, .w_scales = &small, .n_w_scales = 1};
    struct cvy_conv_params params = {.quantization = &q};
    memset(y, 0xA5, sizeof(y));
    ck_assert_int_eq(cvy_conv_run(test_device(), &p, x, &w, NULL, y, &params, NULL), CVY_OK);
    for (size_t i = 0; i < 8; i++)
        ck_assert_int_eq(y[i], want[i]);
    q.w_scales = &large;
    q.y_zero_point = 3;
    ck_assert_int_eq(cvy_conv_run(test_device(), &p, x, &w, NULL, y, &params, NULL), CVY_OK);
    for (size_t i = 0; i < 8; i++)
        ck_assert_int_eq(y[i], far[i]);
}
END_TEST

START_TEST(algorithms_take_their_own_element_types_alone)
{
    char why[256];
    struct cvy_conv_problem p = pointwise(4, 4, 4);
    ck_assert(cvy_conv_algo_applies(test_device(), &p, "int8", why, sizeof(why)));
    ck_assert(!cvy_conv_algo_applies(test_device(), &p, "ref", why, sizeof(why)));
    ck_assert_str_eq(why, "its tensors are uint8; this algorithm computes in float32");
    p.x_dtype = p.w_dtype = p.y_dtype = CVY_FLOAT32;
    ck_assert(cvy_conv_algo_applies(test_device(), &p, "ref", why, sizeof(why)));
    ck_assert(!cvy_conv_algo_applies(test_device(), &p, "int8", why, sizeof(why)));
    ck_assert_str_eq(why, "its tensors are float32; this algorithm computes in integers");
}
END_TEST

static void refused(const struct cvy_conv_problem *p, const struct cvy_conv_quantization *q,
                    const char *words)
{
    uint8_t data[64] = {0};
    struct cvy_conv *conv = NULL;
    struct cvy_conv_params params = {.quantization = q};
    test_log_clear();
    ck_assert_int_eq(cvy_conv_create(&conv, test_device(), p, data, NULL, &params), CVY_ERROR_INVALID);
    ck_assert_ptr_null(conv);
    ck_assert_msg(strstr(test_log_last(), words) != NULL, "'%s' lacks '%s'", test_log_last(), words);
}

START_TEST(conv_rejects_types_and_quantization_that_contradict)
{
    struct cvy_conv_problem p = pointwise(4, 4, 4);
    const int32_t zeros[4] = {0, 0, 256, 0};
    const float scales[4] = {1, 1, 0, 1};
    refused(&p, &(struct cvy_conv_quantization){.x_zero_point = -1}, "a zero point of x is -1");
    refused(&p, &(struct cvy_conv_quantization){.w_zero_points = zeros, .n_w_zero_points = 4},
            "a zero point of w is 256");
    refused(&p, &(struct cvy_conv_quantization){.w_zero_points = zeros, .n_w_zero_points = 3},
            "3 zero points of w given; give 1, or one for each of the 4");
    p.y_dtype = CVY_INT8;
    refused(&p, NULL, "0 scales of w given");
    refused(&p, &(struct cvy_conv_quantization){.w_scales = scales, .n_w_scales = 1, .y_scale = 1},
            "a scale of x is 0; it must be above 0");
    refused(&p,
            &(struct cvy_conv_quantization){.w_scales = scales, .n_w_scales = 4, .x_scale = 1, .y_scale = 1},
            "a scale of w is 0; it must be above 0");
    p.w_dtype = CVY_FLOAT32;
    refused(&p, NULL, "x is uint8, w float32 and y int8");
    p.w_dtype = CVY_INT16;
    refused(&p, NULL, "x is uint8, w int16 and y int8");
}
END_TEST

/* A value of a graph being tested: an input of the plan, or a constant of it. */
struct part {
    enum cvy_dtype dtype;
    struct cvy_shape shape;
    const void *data; /* NULL: left out */
};

/* Runs op on parts, every other one a constant as the bits of constants say. */
static struct cvy_tensor run_op(const struct cvy_op *op, const struct part *parts, size_t n, size_t constants)
{
    struct cvy_graph *graph = NULL;
    struct cvy_value *values[9] = {NULL}, *out = NULL;
    struct cvy_tensor inputs[9] = {{0}}, y = {0};
    struct cvy_plan *plan = NULL;
    struct cvy_device *device = test_device();
    size_t n_inputs = 0;
    ck_assert_int_eq(cvy_graph_create(&graph), CVY_OK);
    for (size_t i = 0; i < n; i++) {
        char name[8];
        struct cvy_tensor tensor;
        if (parts[i].data == NULL)
            continue;
        snprintf(name, sizeof(name), "v%zu", i);
        ck_assert_int_eq(cvy_tensor_init(&tensor, parts[i].dtype, &parts[i].shape), CVY_OK);
        memcpy(tensor.data, parts[i].data, tensor.bytes);
        if (constants >> i & 1) {
            ck_assert_int_eq(cvy_graph_add_constant(graph, &values[i], name, &tensor), CVY_OK);
            cvy_tensor_finish(&tensor);
        } else {
            ck_assert_int_eq(
                cvy_graph_add_typed_input(graph, &values[i], name, parts[i].dtype, &parts[i].shape), CVY_OK);
            inputs[n_inputs++] = tensor;
        }
    }
    ck_assert_msg(cvy_graph_add_node(graph, &out, op, values, n, NULL) == CVY_OK, "%s", test_log_last());
    ck_assert_int_eq(cvy_graph_add_output(graph, out, "y"), CVY_OK);
    ck_assert_msg(cvy_plan_create(&plan, graph, &device, 1, NULL) == CVY_OK, "%s", test_log_last());
    ck_assert_msg(cvy_plan_run(plan, inputs, &y) == CVY_OK, "%s", test_log_last());
    for (size_t i = 0; i < n_inputs; i++)
        cvy_tensor_finish(&inputs[i]);
    cvy_plan_destroy(&plan);
    cvy_graph_destroy(&graph);
    return y;
}

static int32_t integer_at(const struct cvy_tensor *tensor, size_t i)
{
    return tensor->dtype == CVY_INT32 ? ((const int32_t *)tensor->data)[i]
                                      : value_of(tensor->dtype, ((const uint8_t *)tensor->data)[i]);
}

static struct cvy_op op_of(const struct cvy_conv_problem *p)
{
    return cvy_op_from_problem(p->y_dtype == CVY_INT32 ? CVY_OP_CONV_INTEGER : CVY_OP_QLINEAR_CONV, p);
}

/* The problem as the node that it is in ONNX. */
static void check_node(const struct cvy_conv_problem *p, const struct integers *d)
{
    struct cvy_shape x, w, one = {0}, list = {.rank = 1, .dims = {p->k}};
    ck_assert_int_eq(cvy_conv_x_shape(p, &x), CVY_OK);
    ck_assert_int_eq(cvy_conv_w_shape(p, &w), CVY_OK);
    uint8_t x_zero = (uint8_t)d->q.x_zero_point, y_zero = (uint8_t)d->q.y_zero_point, zeros[64] = {0};
    ck_assert_uint_le(p->k, sizeof(zeros));
    for (size_t k = 0; k < d->q.n_w_zero_points; k++)
        zeros[k] = (uint8_t)d->w_zeros[k];
    bool each_zero = d->q.n_w_zero_points > 1, each_scale = d->q.n_w_scales > 1;
    const struct part px = {p->x_dtype, x, d->x}, pw = {p->w_dtype, w, d->w},
                      px0 = {p->x_dtype, one, &x_zero};
    const struct part pw0 = {p->w_dtype, each_zero ? list : one, zeros};
    const struct part integer[] = {px, pw, px0, {pw0.dtype, pw0.shape, d->q.n_w_zero_points ? zeros : NULL}};
    const struct part linear[] = {px,
                                  {CVY_FLOAT32, one, &d->q.x_scale},
                                  px0,
                                  pw,
                                  {CVY_FLOAT32, each_scale ? list : one, d->w_scales},
                                  pw0,
                                  {CVY_FLOAT32, one, &d->q.y_scale},
                                  {p->y_dtype, one, &y_zero},
                                  {CVY_INT32, list, p->bias ? d->bias : NULL}};
    struct cvy_op op = op_of(p);
    bool sums = p->y_dtype == CVY_INT32;
    struct cvy_tensor y =
        run_op(&op, sums ? integer : linear, sums ? 4 : 9, in_range(0, 1) ? in_range(0, 511) : 510);
    ck_assert_int_eq(y.dtype, p->y_dtype);
    ck_assert_uint_eq(y.elements, d->y_count);
    for (size_t i = 0; i < d->y_count; i++)
        ck_assert_int_eq(integer_at(&y, i), expected_at(d, p, i));
    cvy_tensor_finish(&y);
}

START_TEST(integer_nodes_are_exact_with_quantization_fixed_or_given)
{
    for (size_t i = 0; i < (test_small() ? 6 : 60); i++) {
        struct cvy_conv_problem p = random_problem();
        p.bias = p.bias && p.y_dtype != CVY_INT32;
        struct integers d = make_integers(&p);
        if (p.k <= 64)
            check_node(&p, &d);
        free_integers(&d);
    }
}
END_TEST

START_TEST(numbers_are_quantized_and_brought_back)
{
    for (int round = 0; round < (test_small() ? 6 : 40); round++) {
        enum cvy_dtype dtype = random_type();
        struct cvy_shape shape = {.rank = 3, .dims = {in_range(1, 3), in_range(1, 5), in_range(1, 7)}};
        size_t axis = in_range(0, 2), count = shape.dims[0] * shape.dims[1] * shape.dims[2];
        bool each = in_range(0, 1), has_zero = dtype == CVY_INT8 || in_range(0, 1);
        size_t scales = each ? shape.dims[axis] : 1, inner = 1;
        struct cvy_shape list = {.rank = each, .dims = {each ? scales : 0}};
        float x[105], scale[7];
        uint8_t zero[7];
        for (size_t i = axis + 1; i < 3; i++)
            inner *= shape.dims[i];
        for (size_t i = 0; i < scales; i++) {
            scale[i] = random_scale(0.1f);
            zero[i] = (uint8_t)in_range(0, 255);
        }
        for (size_t i = 0; i < count; i++) /* whole halves of a scale are ties */
            x[i] =
                in_range(0, 1) ? 20 * test_random_float(&random_stream) : 0.03125f * (float)in_range(0, 99);
        struct cvy_op op = {.type = CVY_OP_QUANTIZE, .axis = (int64_t)axis - (in_range(0, 1) ? 3 : 0)};
        const struct part parts[] = {
            {CVY_FLOAT32, shape, x}, {CVY_FLOAT32, list, scale}, {dtype, list, has_zero ? zero : NULL}};
        struct cvy_tensor y = run_op(&op, parts, 3, in_range(0, 7));
        ck_assert_int_eq(y.dtype, dtype);
        float low = dtype == CVY_INT8 ? -128 : 0, high = dtype == CVY_INT8 ? 127 : 255;
        for (size_t i = 0; i < count; i++) {
            size_t at = i / inner % scales;
            float offset = has_zero ? (float)value_of(dtype, zero[at]) : 0;
            float want = fminf(fmaxf(rintf(x[i] / scale[at]) + offset, low), high);
            ck_assert_int_eq(integer_at(&y, i), (int32_t)want);
        }
        op.type = CVY_OP_DEQUANTIZE;
        const struct part back[] = {{dtype, shape, y.data}, parts[1], parts[2]};
        struct cvy_tensor real = run_op(&op, back, 3, in_range(0, 7));
        ck_assert_int_eq(real.dtype, CVY_FLOAT32);
        for (size_t i = 0; i < count; i++) {
            size_t at = i / inner % scales;
            int offset = has_zero ? value_of(dtype, zero[at]) : 0;
            ck_assert_float_eq(((const float *)real.data)[i],
                               (float)(integer_at(&y, i) - offset) * scale[at]);
        }
        cvy_tensor_finish(&y);
        cvy_tensor_finish(&real);
    }
}
END_TEST

Suite *test_suite(void)
{
    random_stream.state = test_seed() + 1;
    Suite *suite = suite_create("integer");
    TCase *tcase = tcase_create("integer");
    tcase_add_test(tcase, integer_convolutions_are_exact_on_random_problems);
    tcase_add_test(tcase, integer_sums_wrap_around);
    tcase_add_test(tcase, requantised_ties_round_to_even_and_ends_saturate);
    tcase_add_test(tcase, algorithms_take_their_own_element_types_alone);
    tcase_add_test(tcase, conv_rejects_types_and_quantization_that_contradict);
    tcase_add_test(tcase, integer_nodes_are_exact_with_quantization_fixed_or_given);
    tcase_add_test(tcase, numbers_are_quantized_and_brought_back);
    suite_add_tcase(suite, tcase);
    return suite;
}
