/* peer_ours.c - convoy as an entrant of the race. */
#include "peer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct ours {
    struct cvy_device *device;
    struct cvy_conv *conv;
    struct cvy_buffer *x, *y;
    size_t y_bytes;
};

static bool fill(struct ours *ours, const struct cvy_peer_job *job)
{
    float *poison = malloc(ours->y_bytes);
    if (!poison) {
        return false;
    }
    for (size_t i = 0; i < ours->y_bytes / sizeof(float); i++) {
        poison[i] = NAN;
    }
    bool done = cvy_buffer_create(&ours->x, job->device, job->x.bytes) == CVY_OK &&
                cvy_buffer_create(&ours->y, job->device, ours->y_bytes) == CVY_OK &&
                cvy_buffer_write(ours->x, 0, job->x.bytes, job->x.data) == CVY_OK &&
                cvy_buffer_write(ours->y, 0, ours->y_bytes, poison) == CVY_OK;
    free(poison);
    return done;
}

static bool create(void **run, const struct cvy_peer_job *job, size_t variant, char *why, size_t size)
{
    (void)variant;
    struct ours *ours = *run = calloc(1, sizeof(*ours));
    snprintf(why, size, "it failed; the log says why");
    if (!ours) {
        return false;
    }
    if (job->algo && !cvy_conv_algo_applies(job->device, &job->problem, job->algo, why, size)) {
        return false;
    }
    const struct cvy_conv_params params = {.algo = job->algo};
    ours->device = job->device;
    ours->y_bytes = job->y.bytes;
    return cvy_conv_create(&ours->conv, job->device, &job->problem, job->w.data, NULL, &params) == CVY_OK &&
           fill(ours, job);
}

static const char *algorithm(const void *run)
{
    return cvy_conv_get_algo(((const struct ours *)run)->conv);
}

static bool enqueue(void *run)
{
    struct ours *ours = run;
    return cvy_conv_enqueue(ours->conv, ours->x, ours->y, NULL, 0, NULL) == CVY_OK;
}

static bool wait(void *run)
{
    return cvy_device_finish(((struct ours *)run)->device) == CVY_OK;
}

static bool read_plain(void *run, float *y)
{
    const struct ours *ours = run;
    return cvy_buffer_read(ours->y, 0, ours->y_bytes, y) == CVY_OK;
}

static void destroy(void *run)
{
    struct ours *ours = run;
    if (!ours) {
        return;
    }
    cvy_buffer_destroy(&ours->x);
    cvy_buffer_destroy(&ours->y);
    cvy_conv_destroy(&ours->conv);
    free(ours);
}

const struct cvy_peer_library cvy_peer_ours = {
    .name = "convoy",
    .variants = {"default"},
    .create = create,
    .algorithm = algorithm,
    .enqueue = enqueue,
    .wait = wait,
    .read = read_plain,
    .destroy = destroy,
};
