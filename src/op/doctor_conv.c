/* The doctor's convolutions: a table of problems and some random ones, by every algorithm that applies. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "op/algo.h"
#include "op/doctor_trial.h"
#include "op/host_conv.h"
#include "op/problem.h"
#include "runtime/buffer.h"

#define DEFAULT_WORKSPACE ((size_t)64 << 20)
#define SMALL_WORKSPACE ((size_t)1 << 14) /* cuts the work into strips */
#define RANDOM_PROBLEMS 8
#define KINDS 32 /* of problems */

/* A problem in few numbers: further axes of x are longer than the first, padding is uneven. */
struct row {
    unsigned char rank, c, k, groups, in, kernel, stride, dilation, pad, output_padding;
    enum cvy_pad_mode mode;
    unsigned char shuffle;
    bool transposed, flip, bias;
    unsigned char x_block, y_block;
};

/* rank, c, k, groups, in, kernel, stride, dilation, pad, output padding */
static const struct row rows[] = {
    {2, 3, 4, 1, 9, 3, 1, 1, 1, 0},
    {2, 3, 4, 1, 9, 3, 1, 1, 1, 0, .bias = true},
    {1, 4, 5, 1, 19, 5, 2, 1, 2, 0},
    {3, 2, 3, 1, 5, 3, 1, 1, 1, 0},
    {2, 3, 2, 1, 11, 3, 2, 2, 2, 0},
    {2, 5, 3, 1, 8, 4, 3, 1, 0, 0, .flip = true},
    {3, 2, 2, 1, 4, 2, 1, 2, 1, 0, .flip = true, .bias = true},
    /* padding */
    {2, 2, 3, 1, 7, 5, 1, 1, 2, 0, .mode = CVY_PAD_REFLECT},
    {2, 2, 3, 1, 7, 5, 1, 1, 2, 0, .mode = CVY_PAD_REPLICATE},
    {2, 2, 3, 1, 7, 5, 1, 1, 2, 0, .mode = CVY_PAD_WRAP},
    {2, 4, 8, 4, 7, 3, 2, 1, 1, 0, .mode = CVY_PAD_WRAP, .bias = true},
    {3, 6, 6, 6, 5, 3, 1, 1, 1, 0, .mode = CVY_PAD_REFLECT},
    /* groups and shuffles */
    {2, 6, 4, 2, 9, 3, 1, 1, 1, 0},
    {2, 6, 9, 3, 8, 3, 1, 1, 1, 0, .shuffle = 3},
    {2, 6, 9, 3, 8, 3, 1, 1, 1, 0, .shuffle = 3, .bias = true},
    {2, 4, 12, 4, 6, 3, 1, 1, 1, 0, .shuffle = 6, .bias = true},
    {2, 7, 7, 7, 12, 3, 1, 1, 1, 0},
    {2, 7, 7, 7, 12, 3, 2, 1, 1, 0, .bias = true},
    {2, 5, 15, 5, 13, 5, 1, 2, 2, 0},
    {1, 6, 12, 6, 33, 3, 1, 1, 1, 0, .bias = true},
    {2, 5, 5, 5, 9, 3, 1, 1, 1, 0, .flip = true},
    /* pointwise */
    {2, 37, 21, 1, 11, 1, 1, 1, 0, 0},
    {2, 37, 21, 1, 11, 1, 1, 1, 0, 0, .bias = true},
    {2, 64, 64, 1, 14, 1, 1, 1, 0, 0, .bias = true},
    {2, 12, 8, 4, 10, 1, 1, 1, 0, 0},
    {2, 12, 8, 4, 10, 1, 1, 1, 0, 0, .shuffle = 4, .bias = true},
    {2, 9, 10, 1, 13, 1, 2, 1, 0, 0},
    {3, 5, 6, 1, 6, 1, 1, 1, 0, 0},
    /* large enough for whole tiles */
    {2, 16, 24, 1, 33, 3, 1, 1, 1, 0, .bias = true},
    {2, 40, 40, 40, 30, 3, 1, 1, 1, 0, .bias = true},
    /* transposed */
    {2, 3, 4, 1, 6, 3, 1, 1, 1, 0, .transposed = true},
    {2, 3, 4, 1, 6, 3, 1, 1, 1, 0, .transposed = true, .bias = true},
    {2, 4, 3, 1, 6, 4, 2, 1, 1, 0, .transposed = true},
    {2, 4, 3, 1, 6, 3, 2, 1, 1, 1, .transposed = true, .bias = true},
    {2, 3, 3, 1, 5, 2, 2, 1, 0, 0, .transposed = true},
    {2, 3, 2, 1, 5, 3, 3, 2, 1, 2, .transposed = true},
    {2, 3, 2, 1, 5, 2, 3, 1, 0, 0, .transposed = true, .bias = true},
    {1, 4, 6, 2, 15, 4, 2, 1, 1, 0, .transposed = true, .bias = true},
    {3, 2, 3, 1, 4, 3, 2, 1, 1, 1, .transposed = true},
    {2, 6, 6, 6, 7, 3, 2, 1, 1, 1, .transposed = true},
    {2, 6, 4, 2, 7, 3, 1, 2, 1, 0, .transposed = true, .flip = true, .bias = true},
    {2, 6, 6, 3, 5, 3, 2, 1, 1, 0, .shuffle = 3, .transposed = true, .bias = true},
    {2, 8, 9, 1, 7, 1, 1, 1, 0, 0, .transposed = true, .bias = true},
    /* blocks of channels, also where only small problems are tried */
    {2, 11, 14, 1, 11, 3, 1, 1, 1, 0, .x_block = 8, .y_block = 8, .bias = true},
    {2, 11, 14, 1, 11, 3, 2, 1, 1, 0, .x_block = 4, .bias = true},
    {2, 5, 22, 1, 11, 3, 1, 1, 1, 0, .y_block = 8},
    {2, 19, 22, 1, 11, 3, 1, 1, 1, 0, .x_block = 16, .y_block = 16},
    {2, 13, 15, 1, 11, 1, 2, 1, 0, 0, .x_block = 8, .y_block = 8, .bias = true},
    {2, 37, 21, 1, 11, 1, 1, 1, 0, 0, .x_block = 16},
    {2, 13, 3, 1, 11, 3, 2, 1, 1, 0, .x_block = 8, .bias = true},
    {2, 10, 10, 10, 12, 3, 1, 1, 1, 0, .x_block = 4, .y_block = 4, .bias = true},
    {2, 10, 20, 5, 12, 3, 2, 1, 1, 0, .y_block = 8, .bias = true},
    {2, 16, 16, 2, 9, 3, 1, 1, 1, 0, .x_block = 16, .y_block = 16, .bias = true},
    {2, 9, 10, 1, 6, 4, 2, 1, 1, 0, .x_block = 8, .y_block = 8, .transposed = true, .bias = true},
    {2, 6, 22, 1, 6, 2, 2, 1, 0, 0, .y_block = 4, .transposed = true},
};

static struct cvy_conv_problem problem_of(const struct row *row, size_t n)
{
    struct cvy_conv_problem p;
    cvy_conv_problem_init(&p, row->rank);
    p.n = n;
    p.c = row->c;
    p.k = row->k;
    p.groups = row->groups;
    p.pad_mode = row->mode;
    p.shuffle = row->shuffle;
    p.transposed = row->transposed;
    p.flip = row->flip;
    p.bias = row->bias;
    p.x_block = row->x_block;
    p.y_block = row->y_block;
    for (size_t i = 0; i < p.rank; i++) {
        p.in[i] = row->in + 2 * i;
        p.kernel[i] = row->kernel;
        p.stride[i] = row->stride;
        p.dilation[i] = row->dilation;
        p.pad_begin[i] = row->pad;
        p.pad_end[i] = row->pad - (row->pad > 0 && i == 1);
        p.output_padding[i] = row->output_padding;
    }
    return p;
}

/* Whatever is drawn fits: an axis is longer than any window. */
static struct cvy_conv_problem random_problem(struct cvy_doctor *doctor)
{
    struct cvy_conv_problem p;
    cvy_conv_problem_init(&p, cvy_doctor_random_size(doctor, 1, 3));
    p.n = cvy_doctor_random_size(doctor, 1, 2);
    p.groups = cvy_doctor_random_size(doctor, 0, 1) ? 1 : cvy_doctor_random_size(doctor, 2, 5);
    p.c = p.groups * cvy_doctor_random_size(doctor, 1, p.groups > 1 ? 2 : 9);
    p.k = p.groups * cvy_doctor_random_size(doctor, 1, p.groups > 1 ? 3 : 9);
    p.transposed = cvy_doctor_random_size(doctor, 0, 1);
    p.flip = cvy_doctor_random_size(doctor, 0, 3) == 0;
    p.bias = cvy_doctor_random_size(doctor, 0, 1);
    if (!p.transposed)
        p.pad_mode = (enum cvy_pad_mode)cvy_doctor_random_size(doctor, 0, 3);
    if (p.groups > 1 && cvy_doctor_random_size(doctor, 0, 1))
        p.shuffle = p.groups;
    const size_t block = (size_t)1 << cvy_doctor_random_size(doctor, 1, 4);
    p.x_block = cvy_doctor_random_size(doctor, 0, 1) ? block : 0;
    p.y_block = cvy_doctor_random_size(doctor, 0, 1) ? block : 0;
    for (size_t i = 0; i < p.rank; i++) {
        p.kernel[i] = cvy_doctor_random_size(doctor, 1, p.rank == 3 ? 3 : 5);
        p.stride[i] = cvy_doctor_random_size(doctor, 1, 3);
        p.dilation[i] = cvy_doctor_random_size(doctor, 1, 2);
        p.in[i] = cvy_doctor_random_size(doctor, p.dilation[i] * (p.kernel[i] - 1) + 2, p.rank == 3 ? 7 : 14);
        p.pad_begin[i] = cvy_doctor_random_size(doctor, 0, p.kernel[i] / 2);
        p.pad_end[i] = cvy_doctor_random_size(doctor, 0, p.kernel[i] / 2);
        p.output_padding[i] = p.transposed ? cvy_doctor_random_size(doctor, 0, p.stride[i] - 1) : 0;
    }
    return p;
}

static void format_problem(const struct cvy_conv_problem *p, const char *algo, const char *variant,
                           char *text, size_t size)
{
    int used = snprintf(text, size, "%s%s: %zu-D n%zu c%zu k%zu groups %zu%s%s%s", algo, variant, p->rank,
                        p->n, p->c, p->k, p->groups, p->transposed ? " transposed" : "",
                        p->flip ? " flip" : "", p->bias ? " bias" : "");
    if (p->shuffle > 1 && used > 0 && (size_t)used < size)
        used += snprintf(text + used, size - (size_t)used, " shuffle %zu", p->shuffle);
    for (size_t i = 0; i < p->rank && used > 0 && (size_t)used < size; i++)
        used += snprintf(text + used, size - (size_t)used,
                         ", in %zu kernel %zu stride %zu dilation %zu pad %zu:%zu", p->in[i], p->kernel[i],
                         p->stride[i], p->dilation[i], p->pad_begin[i], p->pad_end[i]);
    if ((p->x_block > 0 || p->y_block > 0) && used > 0 && (size_t)used < size)
        used += snprintf(text + used, size - (size_t)used, ", blocks %zu:%zu", p->x_block, p->y_block);
    if (p->pad_mode != CVY_PAD_CONSTANT && used > 0 && (size_t)used < size)
        snprintf(text + used, size - (size_t)used, " %s", cvy_pad_mode_name(p->pad_mode));
}

/* One problem's data and answer, for all algorithms; x, expected and bounds as they lie. */
struct conv_data {
    float *x, *w, *bias;
    double *expected, *bounds;
    double scale; /* max|x| and the greatest sum|w| of a channel multiplied; forward problems */
    size_t x_count, w_count, y_count;
};

static size_t count_of(enum cvy_status (*shape_of)(const struct cvy_conv_problem *, struct cvy_shape *),
                       const struct cvy_conv_problem *p)
{
    struct cvy_shape shape;
    size_t count = 0;
    return shape_of(p, &shape) == CVY_OK && cvy_shape_elements(&shape, &count) == CVY_OK ? count : 0;
}

static void data_finish(struct conv_data *data)
{
    free(data->x);
    free(data->w);
    free(data->bias);
    free(data->expected);
    free(data->bounds);
}

/* Where the elements of a plain tensor lie in blocks; the others of `to` stay. */
struct layout {
    size_t channels, pixels, block, blocks;
};

static struct layout layout_of(size_t n, size_t channels, size_t count, size_t block)
{
    struct layout l = {.channels = channels, .pixels = count / n / channels, .block = CVY_MAX(block, 1)};
    l.blocks = cvy_ceil_div(channels, l.block);
    return l;
}

static size_t index_in_blocks(const struct layout *l, size_t plain)
{
    size_t pixel = plain % l->pixels, channel = plain / l->pixels % l->channels;
    size_t plane = plain / l->pixels / l->channels * l->blocks + channel / l->block;
    return (plane * l->pixels + pixel) * l->block + channel % l->block;
}

/* x, expected and bounds were plain. */
static bool lay_out(struct conv_data *data, const struct cvy_conv_problem *p)
{
    struct layout x = layout_of(p->n, p->c, data->x_count, p->x_block);
    struct layout y = layout_of(p->n, p->k, data->y_count, p->y_block);
    size_t x_count = p->n * x.blocks * x.pixels * x.block, y_count = p->n * y.blocks * y.pixels * y.block;
    struct conv_data made = *data;
    made.x = calloc(x_count, sizeof(float));
    made.expected = calloc(y_count, sizeof(double));
    made.bounds = calloc(y_count, sizeof(double));
    bool done = made.x != NULL && made.expected != NULL && made.bounds != NULL;
    for (size_t i = 0; done && i < data->x_count; i++)
        made.x[index_in_blocks(&x, i)] = data->x[i];
    for (size_t i = 0; done && i < data->y_count; i++) {
        made.expected[index_in_blocks(&y, i)] = data->expected[i];
        made.bounds[index_in_blocks(&y, i)] = data->bounds[i];
    }
    struct conv_data left = done ? *data : made;
    free(left.x);
    free(left.expected);
    free(left.bounds);
    if (done)
        *data = made;
    data->x_count = done ? x_count : data->x_count;
    data->y_count = done ? y_count : data->y_count;
    return done;
}

static bool data_init(struct conv_data *data, struct cvy_doctor *doctor, const struct cvy_conv_problem *p)
{
    *data = (struct conv_data){.x_count = count_of(cvy_conv_x_shape, p),
                               .w_count = count_of(cvy_conv_w_shape, p),
                               .y_count = count_of(cvy_conv_y_shape, p)};
    data->x = calloc(data->x_count, sizeof(float));
    data->w = calloc(data->w_count, sizeof(float));
    data->bias = calloc(p->k, sizeof(float));
    data->expected = calloc(data->y_count, sizeof(double));
    data->bounds = calloc(data->y_count, sizeof(double));
    if (data->x == NULL || data->w == NULL || data->bias == NULL || data->expected == NULL ||
        data->bounds == NULL) {
        data_finish(data);
        return false;
    }
    cvy_doctor_random_fill(doctor, data->x, data->x_count);
    cvy_doctor_random_fill(doctor, data->w, data->w_count);
    cvy_doctor_random_fill(doctor, data->bias, p->k);
    cvy_host_conv(p, data->x, data->w, p->bias ? data->bias : NULL, data->expected, data->bounds);
    double most = 0, x_most = 0, sum = 0;
    for (size_t i = 0; i < data->x_count; i++)
        x_most = fmax(x_most, fabs((double)data->x[i]));
    for (size_t i = 0; i < data->w_count; i++) {
        sum = (i % (data->w_count / p->k) == 0 ? 0 : sum) + fabs((double)data->w[i]);
        most = fmax(most, sum);
    }
    data->scale = most * x_most;
    /* half an ulp for each product and sum, in any order, doubled */
    double terms = (double)(p->c / p->groups);
    for (size_t i = 0; i < p->rank; i++)
        terms *= (double)p->kernel[i];
    for (size_t i = 0; i < data->y_count; i++)
        data->bounds[i] = (2 * terms + 16) * 6e-8 * data->bounds[i] + 1e-30;
    if (!lay_out(data, p)) {
        data_finish(data);
        return false;
    }
    return true;
}

/* The buffers of one run. */
struct conv_buffers {
    struct cvy_buffer *x, *w, *prepared, *bias, *y, *workspace;
};

static enum cvy_status make_buffers(struct cvy_doctor *doctor, const struct cvy_conv_problem *p,
                                    const struct conv_data *data, struct conv_buffers *buffers)
{
    enum cvy_status status =
        cvy_buffer_upload(&buffers->x, doctor->device, data->x_count * sizeof(float), data->x);
    if (status == CVY_OK)
        status = cvy_buffer_upload(&buffers->w, doctor->device, data->w_count * sizeof(float), data->w);
    if (status == CVY_OK && p->bias)
        status = cvy_buffer_upload(&buffers->bias, doctor->device, p->k * sizeof(float), data->bias);
    if (status == CVY_OK)
        status = cvy_trial_output(doctor, data->y_count * sizeof(float), &buffers->y);
    return status;
}

static enum cvy_status launch(struct cvy_doctor *doctor, const struct cvy_conv_problem *p,
                              const struct cvy_algo *algo, const struct cvy_algo_config *config,
                              struct conv_buffers *buffers)
{
    struct cvy_device *device = doctor->device;
    struct cvy_algo_args args = {.x = buffers->x, .y = buffers->y, .w = buffers->w, .bias = buffers->bias};
    size_t workspace = cvy_algo_workspace(algo, p, device, config);
    size_t prepared = algo->prepared_bytes != NULL ? algo->prepared_bytes(p, device, config) : 0;
    enum cvy_status status = algo->build(device, p, config);
    if (status == CVY_OK && workspace > 0)
        status = cvy_buffer_create(&buffers->workspace, device, workspace);
    if (status == CVY_OK && prepared > 0)
        status = cvy_buffer_create(&buffers->prepared, device, prepared);
    if (status == CVY_OK && prepared > 0)
        status = algo->prepare(device, p, config, buffers->w, buffers->prepared);
    if (status != CVY_OK)
        return status;
    args.workspace = buffers->workspace;
    if (prepared > 0)
        args.w = buffers->prepared;
    return algo->enqueue(device, p, config, &args);
}

static enum cvy_status check(struct cvy_doctor *doctor, const struct cvy_conv_problem *p,
                             const struct conv_data *data, const struct cvy_algo *algo,
                             const struct cvy_algo_config *config, const char *variant)
{
    char text[300];
    double more = algo->error != NULL ? 2 * algo->error(p, config) * 6e-8 * data->scale : 0;
    struct conv_buffers buffers = {0};
    format_problem(p, algo->id, variant, text, sizeof(text));
    cvy_trial_begin(doctor, "%s", text);
    enum cvy_status status = make_buffers(doctor, p, data, &buffers);
    if (status == CVY_OK)
        status = launch(doctor, p, algo, config, &buffers);
    for (size_t i = 0; i < data->y_count; i++)
        data->bounds[i] += more;
    status =
        cvy_trial_end(doctor, status, buffers.y, CVY_FLOAT32, data->y_count, data->expected, data->bounds);
    for (size_t i = 0; i < data->y_count; i++)
        data->bounds[i] -= more;
    cvy_buffer_destroy(&buffers.x);
    cvy_buffer_destroy(&buffers.w);
    cvy_buffer_destroy(&buffers.prepared);
    cvy_buffer_destroy(&buffers.bias);
    cvy_buffer_destroy(&buffers.y);
    cvy_buffer_destroy(&buffers.workspace);
    return status;
}

/* How often an algorithm was checked with problems of a kind: as it runs by itself, and otherwise. Most of a
 * check is the compilation of kernels, whose macros problems set. */
struct tally {
    unsigned char checks[KINDS][2];
};

static size_t kind_of(const struct cvy_conv_problem *p)
{
    return (size_t)p->transposed | (size_t)(p->groups > 1) << 1 |
           (size_t)(p->x_block > 0 || p->y_block > 0) << 2 | (size_t)p->pad_mode << 3;
}

static bool wants(const struct cvy_doctor *doctor, struct tally *tally, const struct cvy_conv_problem *p,
                  bool otherwise)
{
    unsigned char *checks = &tally->checks[kind_of(p)][otherwise];
    bool is_wanted = *checks < (!doctor->quick ? 4 : otherwise ? 3 : 1);
    *checks += is_wanted;
    return is_wanted;
}

/* As convoy runs it by itself, in strips, or with one more point of its search space. */
static enum cvy_status check_algorithm(struct cvy_doctor *doctor, const struct cvy_conv_problem *p,
                                       const struct conv_data *data, const struct cvy_algo *algo,
                                       struct tally *tally, size_t number)
{
    struct cvy_algo_config config, other;
    struct cvy_device *device = doctor->device;
    algo->default_config(p, device, DEFAULT_WORKSPACE, &config);
    if (cvy_algo_workspace(algo, p, device, &config) > DEFAULT_WORKSPACE)
        return CVY_OK;
    enum cvy_status status = CVY_OK;
    if (wants(doctor, tally, p, false))
        status = check(doctor, p, data, algo, &config, "");
    algo->default_config(p, device, SMALL_WORKSPACE, &other);
    if (status == CVY_OK && number % 4 == 0 && memcmp(&config, &other, sizeof(config)) != 0 &&
        cvy_algo_workspace(algo, p, device, &other) <= SMALL_WORKSPACE && wants(doctor, tally, p, true))
        status = check(doctor, p, data, algo, &other, " in strips");
    size_t count = 0;
    while (algo->configs(p, device, count, &other))
        count++;
    if (status == CVY_OK && count > 1 && algo->configs(p, device, number % count, &other) &&
        memcmp(&config, &other, sizeof(config)) != 0 &&
        cvy_algo_workspace(algo, p, device, &other) <= DEFAULT_WORKSPACE && wants(doctor, tally, p, true))
        status = check(doctor, p, data, algo, &other, " tuned otherwise");
    return status;
}

/* tallies: of all algorithms. number: of the problem, so that variants take turns. */
static enum cvy_status check_problem(struct cvy_doctor *doctor, struct tally *tallies,
                                     const struct cvy_conv_problem *p, size_t number)
{
    struct conv_data data;
    const struct cvy_algo *algo;
    char why[256];
    enum cvy_status status = CVY_OK;
    if (!data_init(&data, doctor, p))
        return cvy_fail_memory("the doctor", p->c * p->k);
    for (size_t a = 0; status == CVY_OK && (algo = cvy_algo_at(a)) != NULL; a++) {
        if ((doctor->only == NULL || cvy_algo_launches(algo, doctor->only)) &&
            cvy_conv_algo_applies(doctor->device, p, algo->id, why, sizeof(why)))
            status = check_algorithm(doctor, p, &data, algo, &tallies[a], number);
    }
    data_finish(&data);
    return status;
}

enum cvy_status cvy_doctor_check_convolutions(struct cvy_doctor *doctor)
{
    size_t n_algos = 0;
    while (cvy_algo_at(n_algos) != NULL)
        n_algos++;
    struct tally *tallies = calloc(n_algos, sizeof(*tallies));
    if (tallies == NULL)
        return cvy_fail_memory("the doctor", n_algos * sizeof(*tallies));
    enum cvy_status status = CVY_OK;
    /* first, for what is done often enough is not done again */
    for (size_t i = 0; status == CVY_OK && !doctor->quick && i < RANDOM_PROBLEMS; i++) {
        struct cvy_conv_problem p = random_problem(doctor);
        status = check_problem(doctor, tallies, &p, i);
    }
    for (size_t i = 0; status == CVY_OK && i < CVY_COUNT(rows); i++) {
        bool is_large = rows[i].in > 16 || rows[i].c * rows[i].k > 200;
        if (doctor->quick && is_large)
            continue;
        struct cvy_conv_problem p = problem_of(&rows[i], doctor->quick ? 1 : 1 + i % 2);
        status = check_problem(doctor, tallies, &p, i);
    }
    free(tallies);
    return status;
}

void cvy_doctor_why_not_tried(struct cvy_doctor *doctor, const char *program, char *why, size_t size)
{
    static const char nothing[] = "nothing that runs on this device launches it";
    const struct cvy_algo *algo;
    snprintf(why, size, "%s", nothing);
    for (size_t a = 0; (algo = cvy_algo_at(a)) != NULL; a++) {
        if (!cvy_algo_launches(algo, program))
            continue;
        /* the device's own reason is the same for every problem; the first row is an everyday one */
        struct cvy_conv_problem p = problem_of(&rows[0], 1);
        if (cvy_conv_algo_applies(doctor->device, &p, algo->id, why, size))
            snprintf(why, size, "%s", nothing);
    }
}
