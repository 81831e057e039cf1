/*
 * script.c - lets a script race its library: a shared object whose one function takes callbacks of plain
 * types. The job is handed over as numbers, so that the script need not know our structs.
 */
#include "peer.h"

#include <stdio.h>

struct cvy_peer_script {
    const char *name, *algorithm;
    /* numbers: threads rank n c k groups transposed, then for each axis: in kernel stride dilation pad_begin
     * pad_end output_padding, then out. 0 with a reason in why (size bytes): it takes no part. */
    int (*create)(const int64_t *numbers, const float *x, const float *w, char *why, size_t size);
    int (*run)(void);
    int (*read)(float *y);
    void (*destroy)(void);
};

int cvy_peer_script_main(int argc, char **argv, const struct cvy_peer_script *script);

static const struct cvy_peer_script *script;

static bool is_plain_convolution(const struct cvy_conv_problem *p)
{
    return !p->flip && p->shuffle <= 1 && p->pad_mode == CVY_PAD_CONSTANT && !p->bias;
}

static bool create(void **run, const struct cvy_peer_job *job, size_t variant, char *why, size_t size)
{
    (void)variant;
    const struct cvy_conv_problem *p = &job->problem;
    const int64_t head[] = {(int64_t)cvy_device_get_info(job->device)->compute_units,
                            (int64_t)p->rank,
                            (int64_t)p->n,
                            (int64_t)p->c,
                            (int64_t)p->k,
                            (int64_t)p->groups,
                            p->transposed};
    int64_t numbers[sizeof(head) / sizeof(head[0]) + 8 * CVY_CONV_MAX_RANK], *at = numbers;
    if (!is_plain_convolution(p) || !job->plain) {
        snprintf(why, size, "flip, shuffle, padding that is not zeros, bias and own layouts are not raced");
        return false;
    }
    for (size_t i = 0; i < sizeof(head) / sizeof(head[0]); i++) {
        *at++ = head[i];
    }
    for (size_t i = 0; i < p->rank; i++) {
        const size_t axis[] = {
            p->in[i],        p->kernel[i],  p->stride[i],         p->dilation[i],
            p->pad_begin[i], p->pad_end[i], p->output_padding[i], job->y.shape.dims[2 + i]};
        for (size_t j = 0; j < sizeof(axis) / sizeof(axis[0]); j++) {
            *at++ = (int64_t)axis[j];
        }
    }
    *run = (void *)script;
    return script->create(numbers, job->x.data, job->w.data, why, size);
}

static const char *algorithm(const void *run)
{
    return ((const struct cvy_peer_script *)run)->algorithm;
}

static bool enqueue(void *run)
{
    return ((const struct cvy_peer_script *)run)->run();
}

static bool wait(void *run)
{
    (void)run; /* a script's executions have ended when they return */
    return true;
}

static bool read_plain(void *run, float *y)
{
    return ((const struct cvy_peer_script *)run)->read(y);
}

static void destroy(void *run)
{
    if (run) {
        script->destroy();
    }
}

int cvy_peer_script_main(int argc, char **argv, const struct cvy_peer_script *given)
{
    script = given;
    const struct cvy_peer_library library = {
        .name = given->name,
        .variants = {"default"},
        .create = create,
        .algorithm = algorithm,
        .enqueue = enqueue,
        .wait = wait,
        .read = read_plain,
        .destroy = destroy,
    };
    return cvy_peer_main(argc, argv, &library);
}
