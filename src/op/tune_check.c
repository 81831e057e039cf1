/* The data of a search and the judge of its results. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "op/host_conv.h"
#include "op/problem.h"
#include "op/tune_parts.h"
#include "runtime/buffer.h"

/* Products on the host that one judgement may cost, and the places looked at within that. */
#define MOST_PRODUCTS 2e7
#define MOST_PLACES 512
#define LEAST_PLACES 24
/* Between two right results: rounding, that of fast algorithms too, in units of a sum's standard deviation.
 */
#define ROUNDING 1e-3

struct cvy_conv_problem cvy_tune_bare(const struct cvy_conv_problem *p)
{
    struct cvy_conv_problem bare = *p;
    bare.bias = bare.accumulate = false;
    bare.activation = CVY_ACTIVATION_NONE;
    bare.alpha = bare.beta = 0;
    return bare;
}

static enum cvy_status count_elements(const struct cvy_conv_problem *p, size_t *x, size_t *w, size_t *y)
{
    struct cvy_shape shape;
    enum cvy_status status = cvy_conv_x_bytes(p, x);
    if (status == CVY_OK)
        status = cvy_conv_y_bytes(p, y);
    if (status == CVY_OK)
        status = cvy_conv_w_shape(p, &shape);
    if (status == CVY_OK)
        status = cvy_shape_elements(&shape, w);
    if (status == CVY_OK) {
        *x /= sizeof(float);
        *y /= sizeof(float);
    }
    return status;
}

double cvy_tune_elements(const struct cvy_conv_problem *p)
{
    size_t x = 0, w = 0, y = 0;
    return count_elements(p, &x, &w, &y) == CVY_OK ? (double)x + (double)w + (double)y : 0;
}

/* Marsaglia, "Xorshift RNGs", 2003; the seed is fixed: any numbers will do, as long as they are no zeros */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void fill(uint64_t *state, float *data, size_t count)
{
    for (size_t i = 0; i < count; i++)
        data[i] = (float)(next_random(state) >> 40) / (float)(1 << 23) - 1.0f;
}

/* Zeros behind the last channel. */
static void clear_tail(const struct cvy_conv_problem *p, float *x, size_t count)
{
    if (p->x_block == 0 || p->c % p->x_block == 0)
        return;
    size_t blocks = cvy_ceil_div(p->c, p->x_block), used = p->c % p->x_block;
    size_t pixels = count / p->n / blocks / p->x_block;
    for (size_t n = 0; n < p->n; n++) {
        float *last = x + (n * blocks + blocks - 1) * pixels * p->x_block;
        for (size_t i = 0; i < pixels; i++)
            memset(last + i * p->x_block + used, 0, (p->x_block - used) * sizeof(float));
    }
}

enum cvy_status cvy_tune_data_init(struct cvy_tune_data *data, struct cvy_device *device,
                                   const struct cvy_conv_problem *bare)
{
    struct cvy_tune_data made = {.p = *bare, .random = 88172645463325252u};
    enum cvy_status status = count_elements(bare, &made.x_count, &made.w_count, &made.y_count);
    if (status != CVY_OK)
        return status;
    made.x = malloc(made.x_count * sizeof(float));
    made.w = malloc(made.w_count * sizeof(float));
    made.y = malloc(made.y_count * sizeof(float));
    if (made.x == NULL || made.w == NULL || made.y == NULL) {
        cvy_tune_data_finish(&made);
        return cvy_fail_memory("tuning", (made.x_count + made.w_count + made.y_count) * sizeof(float));
    }
    fill(&made.random, made.x, made.x_count);
    fill(&made.random, made.w, made.w_count);
    clear_tail(bare, made.x, made.x_count);
    status = cvy_buffer_upload(&made.x_buffer, device, made.x_count * sizeof(float), made.x);
    if (status == CVY_OK)
        status = cvy_buffer_upload(&made.w_buffer, device, made.w_count * sizeof(float), made.w);
    if (status == CVY_OK)
        status = cvy_buffer_create(&made.y_buffer, device, made.y_count * sizeof(float));
    if (status == CVY_OK)
        *data = made;
    else
        cvy_tune_data_finish(&made);
    return status;
}

void cvy_tune_data_finish(struct cvy_tune_data *data)
{
    cvy_buffer_destroy(&data->x_buffer);
    cvy_buffer_destroy(&data->w_buffer);
    cvy_buffer_destroy(&data->y_buffer);
    free(data->x);
    free(data->w);
    free(data->y);
    free(data->trusted);
    *data = (struct cvy_tune_data){0};
}

enum cvy_status cvy_tune_data_poison(struct cvy_tune_data *data)
{
    for (size_t i = 0; i < data->y_count; i++)
        data->y[i] = NAN;
    return cvy_buffer_write(data->y_buffer, 0, data->y_count * sizeof(float), data->y);
}

/* Where elements of y are. */
struct places {
    size_t out[CVY_CONV_MAX_RANK], pixels, block, blocks;
    double terms;    /* products of an element, at most */
    double rounding; /* ROUNDING, of this y */
};

static struct places places_of(const struct cvy_conv_problem *p)
{
    struct cvy_conv_problem p3 = cvy_conv_to_3d(p);
    struct places places = {.block = CVY_MAX(p->y_block, 1), .terms = (double)(p->c / p->groups)};
    cvy_conv_output_sizes(&p3, places.out);
    places.pixels = places.out[0] * places.out[1] * places.out[2];
    places.blocks = cvy_ceil_div(p->k, places.block);
    for (size_t i = 0; i < CVY_CONV_MAX_RANK; i++)
        places.terms *= (double)p3.kernel[i];
    /* x and w are uniform in -1..1, so a product's standard deviation is 1/3 */
    places.rounding = ROUNDING * sqrt(places.terms) / 3;
    return places;
}

/* Whether y is right at an element, by the definition. */
static bool is_right_at(const struct cvy_tune_data *data, const struct places *places, const float *y,
                        bool rounds, size_t element)
{
    size_t lane = element % places->block, rest = element / places->block, pixel = rest % places->pixels;
    rest /= places->pixels;
    size_t channel = rest % places->blocks * places->block + lane, n = rest / places->blocks;
    if (channel >= data->p.k)
        return y[element] == 0;
    size_t position[] = {pixel / places->out[2] / places->out[1], pixel / places->out[2] % places->out[1],
                         pixel % places->out[2]};
    double scale;
    double value = cvy_host_conv_element(&data->p, data->x, data->w, n, channel, position, &scale);
    /* half an ulp for each product and sum, in any order, doubled */
    double bound = (2 * places->terms + 16) * 6e-8 * scale + 1e-30;
    return fabs((double)y[element] - value) <= (rounds ? bound + places->rounding : bound);
}

/* First, last or any. */
static size_t pick(uint64_t *random, size_t count)
{
    uint64_t r = next_random(random);
    return r % 4 == 0 ? 0 : r % 4 == 1 ? count - 1 : (size_t)((r >> 8) % count);
}

static size_t pick_element(struct cvy_tune_data *data, const struct places *places)
{
    size_t n = pick(&data->random, data->p.n), block = pick(&data->random, places->blocks), pixel = 0;
    for (size_t i = 0; i < CVY_CONV_MAX_RANK; i++)
        pixel = pixel * places->out[i] + pick(&data->random, places->out[i]);
    size_t lane = pick(&data->random, places->block);
    return ((n * places->blocks + block) * places->pixels + pixel) * places->block + lane;
}

static bool is_right_at_places(struct cvy_tune_data *data, const struct places *places, bool rounds)
{
    double most = CVY_MAX(LEAST_PLACES, CVY_MIN(MOST_PLACES, MOST_PRODUCTS / places->terms));
    for (double i = 0; i < most; i++) {
        if (!is_right_at(data, places, data->y, rounds, pick_element(data, places)))
            return false;
    }
    return true;
}

static enum cvy_tune_verdict compare_with_trusted(const struct cvy_tune_data *data,
                                                  const struct places *places, bool rounds)
{
    float within = (float)places->rounding;
    size_t settled = 0;
    for (size_t i = 0; i < data->y_count; i++) {
        if (fabsf(data->y[i] - data->trusted[i]) <= within)
            continue;
        if (!is_right_at(data, places, data->y, rounds, i))
            return CVY_TUNE_WRONG;
        if (!is_right_at(data, places, data->trusted, data->trusted_rounds, i))
            return CVY_TUNE_EARLIER_WRONG;
        if (++settled == MOST_PLACES)
            break;
    }
    return CVY_TUNE_RIGHT;
}

static enum cvy_status trust(struct cvy_tune_data *data, bool rounds)
{
    if (data->trusted == NULL)
        data->trusted = malloc(data->y_count * sizeof(float));
    if (data->trusted == NULL)
        return cvy_fail_memory("tuning", data->y_count * sizeof(float));
    data->trusted_rounds = rounds;
    memcpy(data->trusted, data->y, data->y_count * sizeof(float));
    return CVY_OK;
}

enum cvy_status cvy_tune_data_judge(struct cvy_tune_data *data, bool rounds, enum cvy_tune_verdict *verdict)
{
    struct places places = places_of(&data->p);
    enum cvy_status status = cvy_buffer_read(data->y_buffer, 0, data->y_count * sizeof(float), data->y);
    if (status != CVY_OK)
        return status;
    enum cvy_tune_verdict found = is_right_at_places(data, &places, rounds) ? CVY_TUNE_RIGHT : CVY_TUNE_WRONG;
    bool first = data->trusted == NULL;
    if (found == CVY_TUNE_RIGHT && !first)
        found = compare_with_trusted(data, &places, rounds);
    if (found == CVY_TUNE_EARLIER_WRONG || (found == CVY_TUNE_RIGHT && first))
        status = trust(data, rounds);
    if (status == CVY_OK)
        *verdict = found;
    return status;
}
