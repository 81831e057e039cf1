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

static double activate(const struct cvy_conv_problem *p, double v)
{
    double alpha = (double)p->alpha, beta = (double)p->beta;
    switch (p->activation) {
    case CVY_ACTIVATION_RELU:
        return v > 0 ? v : 0;
    case CVY_ACTIVATION_LEAKY_RELU:
        return v > 0 ? v : alpha * v;
    case CVY_ACTIVATION_CLIP:
        return v < alpha ? alpha : v > beta ? beta : v;
    case CVY_ACTIVATION_SIGMOID:
        return 1 / (1 + exp(-v));
    case CVY_ACTIVATION_TANH:
        return tanh(v);
    case CVY_ACTIVATION_HARD_SIGMOID:
        return fmin(fmax(alpha * v + beta, 0), 1);
    case CVY_ACTIVATION_HARD_SWISH:
        return v <= -3 ? 0 : v >= 3 ? v : v * (v + 3) / 6;
    case CVY_ACTIVATION_SILU:
        return v / (1 + exp(-v));
    case CVY_ACTIVATION_GELU:
        return v * (1 + erf(v / sqrt(2))) / 2;
    case CVY_ACTIVATION_MISH:
        return v * tanh(log(1 + exp(v)));
    default:
        return v;
    }
}

/* The steepest that any of the activations gets (hard_swish at 3: 1.5; alphas here are at most 1). */
#define STEEPEST 1.5

/* The nearest float16, ties to even. */
static uint16_t to_half(double v)
{
    int exponent;
    frexp(v, &exponent);
    exponent = exponent < -13 ? -13 : exponent; /* below that all have the same step */
    unsigned steps = (unsigned)nearbyint(ldexp(fabs(v), 11 - exponent));
    unsigned bits = steps < 1024 ? steps : ((unsigned)(exponent + 14) << 10) + (steps - 1024);
    return (uint16_t)(bits | (signbit(v) ? 0x8000u : 0));
}

static double from_half(uint16_t half)
{
    unsigned exponent = half >> 10 & 31, mantissa = half & 1023;
    if (exponent == 31)
        return NAN; /* or infinite: none is expected */
    double magnitude = exponent == 0 ? ldexp(mantissa, -24) : ldexp(mantissa + 1024, (int)exponent - 25);
    return half & 0x8000 ? -magnitude : magnitude;
}

static bool is_half(const struct cvy_conv_problem *p)
{
    return p->x_dtype == CVY_FLOAT16;
}

/* What an element of the problem's type can hold. */
static void fill(const struct cvy_conv_problem *p, struct test_random *random, float *data, size_t count)
{
    test_random_fill(random, data, count);
    for (size_t i = 0; is_half(p) && i < count; i++)
        data[i] = (float)from_half(to_half((double)data[i]));
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
    fill(p, random, data->x, data->x_count);
    fill(p, random, data->w, data->w_count);
    if (p->bias)
        test_random_fill(random, data->bias, p->k);
    oracle_conv(p, data->x, data->w, data->bias, data->expected, data->scale);
    data->before = p->accumulate ? allocate(data->y_count, sizeof(float)) : NULL;
    if (p->accumulate)
        fill(p, random, data->before, data->y_count);
    for (size_t i = 0; i < data->y_count; i++) {
        double before = p->accumulate ? (double)data->before[i] : 0;
        data->expected[i] = activate(p, data->expected[i] + before);
        data->scale[i] += fabs(before);
    }
}

void case_data_free(struct case_data *data)
{
    free(data->x);
    free(data->w);
    free(data->y);
    free(data->bias);
    free(data->before);
    free(data->expected);
    free(data->scale);
}

static void format(const struct cvy_conv_problem *p, char *text, size_t size)
{
    int used = snprintf(text, size, "n%zu c%zu k%zu g%zu%s%s%s %s shuffle%zu", p->n, p->c, p->k, p->groups,
                        p->transposed ? " transposed" : "", p->flip ? " flip" : "", p->bias ? " bias" : "",
                        cvy_pad_mode_name(p->pad_mode), p->shuffle);
    used += snprintf(text + used, size - (size_t)used, " %s blocks%zu:%zu %s%s", cvy_dtype_name(p->x_dtype),
                     p->x_block, p->y_block, cvy_activation_name(p->activation),
                     p->accumulate ? " accumulate" : "");
    for (size_t i = 0; i < p->rank; i++)
        used += snprintf(text + used, size - (size_t)used, " [in%zu k%zu s%zu d%zu p%zu:%zu o%zu]", p->in[i],
                         p->kernel[i], p->stride[i], p->dilation[i], p->pad_begin[i], p->pad_end[i],
                         p->output_padding[i]);
}

/*
 * Winograd's, whatever of its forms was taken. Along an axis, result i and tap r of F(m, r) meet at the
 * points with |A[i]| |G[r]| |B| of the data, B summed over its row: for the points 0, 1, -1, 2, -2 and
 * infinity that is at most (10 + 10) / 6 + (32 * 6 + 32 * 6) / 24 + 10 = 29.4, where i + r = 5 (fewer points
 * amplify less). A product of max|x| and sum|w| so much larger is rounded once for each channel summed and,
 * in the transforms, at most 32 times.
 */
static double winograd_bound(const struct cvy_conv_problem *p, const struct case_data *data)
{
    size_t each = data->w_count / p->k, taps = 1;
    size_t whole = p->transposed ? data->w_count / (p->c * p->k) : each; /* of one channel, side by side */
    double greatest = 0, most = 0, amplification = 1;
    for (size_t k = 0; k < p->k; k++) {
        double weights = 0;
        for (size_t i = 0; i < data->w_count; i++)
            weights += i / whole % p->k == k ? fabs((double)data->w[i]) : 0;
        greatest = fmax(greatest, weights);
    }
    for (size_t i = 0; i < data->x_count; i++)
        most = fmax(most, fabs((double)data->x[i]));
    for (size_t i = p->rank > 2 ? 1 : 0; i < p->rank; i++) {
        taps *= p->kernel[i];
        amplification *= p->kernel[i] > 1 ? 29.4 : 1;
    }
    return amplification * ((double)(each / taps) + 32) * 6e-8 * most * greatest;
}

/* Rounding of a sum of `terms` products in any order: at most terms + 1 times half an ulp of sum |products|.
 * Smooth activations add the rounding of the device's functions, float16 half an ulp of its own.
 */
void case_check_y(const struct cvy_conv_problem *p, const struct case_data *data, const char *algo)
{
    double terms = (double)data->w_count / (double)(p->transposed ? p->c : p->k);
    if (p->transposed)
        terms = terms / (double)(p->k / p->groups) * (double)(p->c / p->groups);
    bool is_winograd = strstr(algo, "winograd") != NULL;
    double more = is_winograd ? winograd_bound(p, data) : 0;
    for (size_t i = 0; i < data->y_count; i++) {
        double bound = (terms + 4) * 6e-8 * data->scale[i] + more + 1e-30;
        if (p->activation != CVY_ACTIVATION_NONE)
            bound = STEEPEST * bound + 2e-6 * (1 + data->scale[i]);
        if (is_half(p))
            bound += ldexp(fabs(data->expected[i]) + bound, -11) + ldexp(1, -25);
        if (fabs((double)data->y[i] - data->expected[i]) <= bound)
            continue;
        char text[400];
        format(p, text, sizeof(text));
        ck_abort_msg("%s: %s: y[%zu] is %.9g, expected %.9g, bound %.3g", algo, text, i, (double)data->y[i],
                     data->expected[i], bound);
    }
}

/* A tensor as it lies in blocks, its elements counted in memory order. */
struct blocked {
    size_t block, blocks, channels, pixels, count;
};

static struct blocked blocked_of(size_t n, size_t channels, size_t elements, size_t block)
{
    struct blocked b = {.block = block > 0 ? block : 1, .channels = channels};
    b.blocks = (channels + b.block - 1) / b.block;
    b.pixels = elements / n / channels;
    b.count = n * b.blocks * b.pixels * b.block;
    return b;
}

/* Where element i lies in the plain tensor; SIZE_MAX: it only fills a block up. */
static size_t plain_index(const struct blocked *b, size_t i)
{
    size_t plane = i / b->block / b->pixels, channel = plane % b->blocks * b->block + i % b->block;
    if (channel >= b->channels)
        return SIZE_MAX;
    return (plane / b->blocks * b->channels + channel) * b->pixels + i / b->block % b->pixels;
}

/* Converted to the problem's type, in memory of its own. */
static void *to_memory(const struct cvy_conv_problem *p, float *values, size_t count)
{
    if (!is_half(p))
        return values;
    uint16_t *memory = allocate(count, sizeof(*memory));
    for (size_t i = 0; i < count; i++)
        memory[i] = isnan(values[i]) ? 0x7e00 : to_half((double)values[i]);
    free(values);
    return memory;
}

static float value_of(const struct cvy_conv_problem *p, const void *memory, size_t i)
{
    return is_half(p) ? (float)from_half(((const uint16_t *)memory)[i]) : ((const float *)memory)[i];
}

/* plain in blocks; NULL: poison. */
static void *to_blocks(const struct cvy_conv_problem *p, const struct blocked *b, const float *plain)
{
    float *values = allocate(b->count, sizeof(float));
    test_poison(values, b->count);
    for (size_t i = 0; plain != NULL && i < b->count; i++) {
        size_t from = plain_index(b, i);
        values[i] = from == SIZE_MAX ? 0 : plain[from];
    }
    return to_memory(p, values, b->count);
}

static void from_blocks(const struct cvy_conv_problem *p, const struct blocked *b, const void *memory,
                        float *plain)
{
    for (size_t i = 0; i < b->count; i++) {
        size_t to = plain_index(b, i);
        float value = value_of(p, memory, i);
        if (to != SIZE_MAX)
            plain[to] = value;
        else
            ck_assert_msg(value == 0, "element %zu behind the last channel is %.9g, not 0", i, (double)value);
    }
}

static struct blocked x_of(const struct cvy_conv_problem *p, const struct case_data *data)
{
    struct blocked b = blocked_of(p->n, p->c, data->x_count, p->x_block);
    size_t bytes;
    ck_assert_int_eq(cvy_conv_x_bytes(p, &bytes), CVY_OK);
    ck_assert_uint_eq(bytes, b.count * cvy_dtype_size(p->x_dtype));
    return b;
}

static struct blocked y_of(const struct cvy_conv_problem *p, const struct case_data *data)
{
    struct blocked b = blocked_of(p->n, p->k, data->y_count, p->y_block);
    size_t bytes;
    ck_assert_int_eq(cvy_conv_y_bytes(p, &bytes), CVY_OK);
    ck_assert_uint_eq(bytes, b.count * cvy_dtype_size(p->x_dtype));
    return b;
}

static struct cvy_buffer *upload(const struct cvy_conv_problem *p, const struct blocked *b,
                                 const float *plain)
{
    struct cvy_buffer *buffer = NULL;
    void *memory = to_blocks(p, b, plain);
    size_t bytes = b->count * cvy_dtype_size(p->x_dtype);
    ck_assert_int_eq(cvy_buffer_create(&buffer, test_device(), bytes), CVY_OK);
    ck_assert_int_eq(cvy_buffer_write(buffer, 0, bytes, memory), CVY_OK);
    free(memory);
    return buffer;
}

static struct cvy_buffer *upload_x(const struct cvy_conv_problem *p, const struct case_data *data)
{
    struct blocked b = x_of(p, data);
    return upload(p, &b, data->x);
}

static struct cvy_buffer *upload_w(const struct cvy_conv_problem *p, const struct case_data *data)
{
    struct blocked b = blocked_of(1, 1, data->w_count, 0);
    return upload(p, &b, data->w);
}

/* Poisoned, or with what it holds before. */
static struct cvy_buffer *upload_y(const struct cvy_conv_problem *p, const struct case_data *data)
{
    struct blocked b = y_of(p, data);
    return upload(p, &b, data->before);
}

/* Into data->y. Checks that blocks are filled up with zeros. */
static void read_y(const struct cvy_conv_problem *p, struct case_data *data, const struct cvy_buffer *y)
{
    struct blocked b = y_of(p, data);
    void *memory = to_blocks(p, &b, NULL);
    ck_assert_int_eq(cvy_buffer_read(y, 0, b.count * cvy_dtype_size(p->y_dtype), memory), CVY_OK);
    from_blocks(p, &b, memory, data->y);
    free(memory);
}

void case_run_conv(const struct cvy_conv_problem *p, struct case_data *data, const char *algo,
                   size_t max_workspace)
{
    const char *used = NULL;
    struct cvy_conv_params params = {.algo = algo, .max_workspace = max_workspace};
    struct blocked x_blocks = x_of(p, data), y_blocks = y_of(p, data);
    struct blocked w_blocks = blocked_of(1, 1, data->w_count, 0);
    void *x = to_blocks(p, &x_blocks, data->x), *w = to_blocks(p, &w_blocks, data->w);
    void *y = to_blocks(p, &y_blocks, data->before);
    enum cvy_status status = cvy_conv_run(test_device(), p, x, w, data->bias, y, &params, &used);
    ck_assert_msg(status == CVY_OK, "%s: %s", algo ? algo : "(chosen)", test_log_last());
    if (algo != NULL)
        ck_assert_str_eq(used, algo);
    from_blocks(p, &y_blocks, y, data->y);
    case_check_y(p, data, used);
    free(x);
    free(w);
    free(y);
}

static struct cvy_buffer *upload_floats(const float *data, size_t count)
{
    struct cvy_buffer *buffer = NULL;
    ck_assert_int_eq(cvy_buffer_create(&buffer, test_device(), count * sizeof(float)), CVY_OK);
    ck_assert_int_eq(cvy_buffer_write(buffer, 0, count * sizeof(float), data), CVY_OK);
    return buffer;
}

void case_run_config(const struct cvy_conv_problem *p, struct case_data *data, const struct cvy_algo *algo,
                     const struct cvy_algo_config *config)
{
    struct cvy_device *device = test_device();
    struct cvy_buffer *w = upload_w(p, data), *prepared = NULL, *workspace = NULL;
    struct cvy_algo_args args = {.x = upload_x(p, data), .y = upload_y(p, data)};
    args.bias = p->bias ? upload_floats(data->bias, p->k) : NULL;
    size_t bytes = algo->prepared_bytes != NULL ? algo->prepared_bytes(p, device, config) : 0;
    ck_assert_msg(algo->build(device, p, config) == CVY_OK, "%s: %s", algo->id, test_log_last());
    if (bytes > 0) {
        ck_assert_int_eq(cvy_buffer_create(&prepared, device, bytes), CVY_OK);
        ck_assert_int_eq(algo->prepare(device, p, config, w, prepared), CVY_OK);
    }
    args.w = prepared != NULL ? prepared : w;
    bytes = cvy_algo_workspace(algo, p, device, config);
    if (bytes > 0)
        ck_assert_int_eq(cvy_buffer_create(&workspace, device, bytes), CVY_OK);
    args.workspace = workspace;
    ck_assert_msg(algo->enqueue(device, p, config, &args) == CVY_OK, "%s: %s", algo->id, test_log_last());
    read_y(p, data, args.y);
    cvy_buffer_destroy(&w);
    cvy_buffer_destroy(&prepared);
    cvy_buffer_destroy(&workspace);
    cvy_buffer_destroy(&args.x);
    cvy_buffer_destroy(&args.y);
    cvy_buffer_destroy(&args.bias);
}

static void random_channels(struct cvy_conv_problem *p, struct test_random *random)
{
    p->n = test_random_range(random, 1, 3);
    p->groups = test_random_range(random, 0, 2) ? 1 : test_random_range(random, 2, 5);
    bool depthwise = p->groups > 1 && test_random_range(random, 0, 1);
    p->c = p->groups * (depthwise ? 1 : test_random_range(random, 1, p->groups > 1 ? 3 : 9));
    p->k = p->groups * test_random_range(random, 1, p->groups > 1 ? 3 : 9);
    if (test_random_range(random, 0, 3) == 0) {
        /* whole blocks, of some widths */
        p->groups = test_random_range(random, 0, 2) ? 1 : 2;
        p->c = p->groups * 8 * test_random_range(random, 1, 4);
        p->k = p->groups * 8 * test_random_range(random, 1, 4);
    }
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

static void random_layout(struct cvy_conv_problem *p, struct test_random *random)
{
    if (test_random_range(random, 0, 2) > 0) {
        size_t block = test_block(test_random_range(random, 0, 3));
        p->x_block = test_random_range(random, 0, 2) ? block : 0;
        p->y_block = test_random_range(random, 0, 2) ? block : 0;
    }
    p->accumulate = test_random_range(random, 0, 4) == 0;
    if (test_random_range(random, 0, 4) == 0) /* each is a program to compile */
        p->activation = (enum cvy_activation)test_random_range(random, 0, CVY_ACTIVATION_MISH);
    p->alpha = p->activation == CVY_ACTIVATION_CLIP ? -0.5f : 0.25f;
    p->beta = 0.75f;
}

struct cvy_conv_problem case_random_problem(struct test_random *random)
{
    struct cvy_conv_problem p;
    cvy_conv_problem_init(&p, test_random_range(random, 1, 3));
    random_channels(&p, random);
    random_layout(&p, random);
    bool pointwise = test_random_range(random, 0, 9) == 0;
    bool is_short =
        !pointwise && test_random_range(random, 0, 9) == 0; /* kernels that Winograd's algorithm does */
    if (is_short) {
        p.shuffle = 0;
        p.groups = p.transposed ? 1 : p.groups;
        if (p.transposed)
            p.x_block = p.y_block = test_block(0);
    }
    for (size_t i = 0; i < p.rank; i++) {
        do
            random_axis(&p, i, random);
        while (!is_possible(&p, i));
        if (is_short && p.transposed) {
            p.kernel[i] = i == 0 && p.rank == 3 ? 1 : test_random_range(random, 2, 3);
            p.stride[i] = i == 0 && p.rank == 3 ? 1 : test_random_range(random, 1, p.kernel[i] - 1);
            p.dilation[i] = 1;
            p.pad_begin[i] = p.pad_end[i] = p.output_padding[i] = 0;
        } else if (is_short) {
            p.kernel[i] = p.kernel[i] < 5 ? p.kernel[i] : 5;
            p.stride[i] = 1;
            p.output_padding[i] = 0;
        }
        if (pointwise) {
            p.kernel[i] = p.stride[i] = p.dilation[i] = 1;
            p.pad_begin[i] = p.pad_end[i] = p.output_padding[i] = 0;
        }
    }
    return p;
}

void case_random_storage(struct cvy_conv_problem *p, struct test_random *random)
{
    if (test_random_range(random, 0, 3) == 0)
        p->x_dtype = p->w_dtype = p->y_dtype = CVY_FLOAT16;
}
