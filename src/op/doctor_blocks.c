/* The doctor's checks of blocks.h: what is moved must arrive unchanged, where it belongs. */
#include <convoy/conv.h>
#include <stdlib.h>

#include "base/arith.h"
#include "base/log.h"
#include "op/blocks.h"
#include "op/doctor_trial.h"
#include "runtime/buffer.h"

struct tensors {
    size_t plain_count, blocked_count;
    float *plain, *blocked;
    double *values, *bounds; /* of either, expected */
};

static void tensors_finish(struct tensors *t)
{
    free(t->plain);
    free(t->blocked);
    free(t->values);
    free(t->bounds);
}

static bool tensors_init(struct tensors *t, struct cvy_doctor *doctor, const struct cvy_blocks *s)
{
    t->plain_count = s->n * s->channels * s->pixels;
    t->blocked_count = cvy_blocks_bytes(s) / sizeof(float);
    t->plain = calloc(t->plain_count, sizeof(float));
    t->blocked = calloc(t->blocked_count, sizeof(float));
    t->values = calloc(t->blocked_count, sizeof(double));
    t->bounds = calloc(t->blocked_count, sizeof(double));
    if (t->plain == NULL || t->blocked == NULL || t->values == NULL || t->bounds == NULL) {
        tensors_finish(t);
        return false;
    }
    cvy_doctor_random_fill(doctor, t->plain, t->plain_count);
    size_t blocks = cvy_ceil_div(s->channels, s->block), at = 0;
    for (size_t n = 0; n < s->n; n++)
        for (size_t c = 0; c < s->channels; c++)
            for (size_t pixel = 0; pixel < s->pixels; pixel++) {
                size_t block = n * blocks + c / s->block;
                t->blocked[(block * s->pixels + pixel) * s->block + c % s->block] = t->plain[at++];
            }
    return true;
}

/* One way, from `from` to `to`, which is what is expected. */
static enum cvy_status check(struct cvy_doctor *doctor, const struct cvy_blocks *s, struct tensors *t,
                             bool to_plain)
{
    const float *from = to_plain ? t->blocked : t->plain, *to = to_plain ? t->plain : t->blocked;
    size_t from_count = to_plain ? t->blocked_count : t->plain_count;
    size_t to_count = to_plain ? t->plain_count : t->blocked_count;
    struct cvy_buffer *x = NULL, *y = NULL;
    for (size_t i = 0; i < to_count; i++)
        t->values[i] = to[i];
    cvy_trial_begin(doctor, "%zux%zux%zu %s blocks of %zu channels", s->n, s->channels, s->pixels,
                    to_plain ? "from" : "to", s->block);
    enum cvy_status status = cvy_buffer_upload(&x, doctor->device, from_count * sizeof(float), from);
    if (status == CVY_OK)
        status = cvy_trial_output(doctor, to_count * sizeof(float), &y);
    if (status == CVY_OK)
        status = to_plain ? cvy_blocks_to_plain(doctor->device, s, x, y)
                          : cvy_blocks_from_plain(doctor->device, s, x, y);
    status = cvy_trial_end(doctor, status, y, CVY_FLOAT32, to_count, t->values, t->bounds);
    cvy_buffer_destroy(&x);
    cvy_buffer_destroy(&y);
    return status;
}

enum cvy_status cvy_doctor_check_blocks(struct cvy_doctor *doctor)
{
    /* n, channels, pixels: tails of both, few of either */
    static const size_t rows[][3] = {{2, 19, 37}, {1, 16, 5}, {1, 3, 40}, {3, 32, 64}};
    size_t best = cvy_conv_best_block(doctor->device);
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < CVY_COUNT(rows); i++) {
        struct cvy_blocks sizes = {rows[i][0], rows[i][1], rows[i][2], best > 0 ? best : 4};
        struct tensors tensors = {0};
        if (!tensors_init(&tensors, doctor, &sizes))
            return cvy_fail_memory("the doctor", cvy_blocks_bytes(&sizes));
        status = check(doctor, &sizes, &tensors, false);
        if (status == CVY_OK)
            status = check(doctor, &sizes, &tensors, true);
        tensors_finish(&tensors);
    }
    return status;
}
