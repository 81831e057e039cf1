/* peer_ours.c - convoy as an entrant of the race. */
#include "peer.h"

#include "measure.h"
#include "workload.h"

#include <stdio.h>
#include <stdlib.h>

struct ours {
    struct cvy_device *device;
    struct cvy_conv_problem problem; /* the job's, with blocks */
    struct cvy_conv *conv;
    struct cvy_buffer *x, *y;
    struct cvy_shape y_shape;
    size_t y_bytes;
};

/* A plain tensor N C pixels, and the same in blocks of channels. block 0: both are plain. */
struct layout {
    size_t n, c, pixels, block;
};

static struct layout layout_of(const struct cvy_shape *shape, size_t block)
{
    struct layout layout = {.n = shape->dims[0], .c = shape->dims[1], .pixels = 1, .block = block};
    for (size_t i = 2; i < shape->rank; i++) {
        layout.pixels *= shape->dims[i];
    }
    return layout;
}

static size_t place_of(const struct layout *layout, size_t n, size_t c, size_t pixel)
{
    const size_t block = layout->block ? layout->block : 1;
    const size_t blocks = (layout->c + block - 1) / block;
    return ((n * blocks + c / block) * layout->pixels + pixel) * block + c % block;
}

/* Copies between the plain tensor and its blocks; what lies behind the last channel is left alone. */
static void convert(const struct layout *layout, float *plain, float *blocked, bool to_plain)
{
    for (size_t n = 0, at = 0; n < layout->n; n++) {
        for (size_t c = 0; c < layout->c; c++) {
            for (size_t pixel = 0; pixel < layout->pixels; pixel++, at++) {
                float *other = blocked + place_of(layout, n, c, pixel);
                *(to_plain ? plain + at : other) = *(to_plain ? other : plain + at);
            }
        }
    }
}

static bool make_x(struct ours *ours, const struct cvy_peer_job *job)
{
    size_t bytes;
    if (cvy_conv_x_bytes(&ours->problem, &bytes) != CVY_OK) {
        return false;
    }
    const struct layout layout = layout_of(&job->x.shape, ours->problem.x_block);
    float *values = calloc(1, bytes);
    if (!values) {
        return false;
    }
    convert(&layout, job->x.data, values, false);
    bool done = cvy_place(&ours->x, job->device, bytes, values);
    free(values);
    return done;
}

static bool make_y(struct ours *ours, const struct cvy_peer_job *job)
{
    return cvy_conv_y_bytes(&ours->problem, &ours->y_bytes) == CVY_OK &&
           cvy_place(&ours->y, job->device, ours->y_bytes, NULL);
}

static bool create(void **run, const struct cvy_peer_job *job, size_t variant, char *why, size_t size)
{
    (void)variant;
    struct ours *ours = *run = calloc(1, sizeof(*ours));
    snprintf(why, size, "it failed; the log says why");
    if (!ours) {
        return false;
    }
    ours->device = job->device;
    ours->problem = job->problem;
    ours->y_shape = job->y.shape;
    if (!job->plain) {
        cvy_workload_choose_blocks(&ours->problem, job->device);
    }
    if (job->algo && !cvy_conv_algo_applies(job->device, &ours->problem, job->algo, why, size)) {
        return false;
    }
    const struct cvy_conv_params params = {.algo = job->algo};
    return cvy_conv_create(&ours->conv, job->device, &ours->problem, job->w.data, NULL, &params) == CVY_OK &&
           make_x(ours, job) && make_y(ours, job);
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
    const struct layout layout = layout_of(&ours->y_shape, ours->problem.y_block);
    float *values = malloc(ours->y_bytes);
    bool done = values && cvy_buffer_read(ours->y, 0, ours->y_bytes, values) == CVY_OK;
    if (done) {
        convert(&layout, y, values, true);
    }
    free(values);
    return done;
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
