/* convgemm.c - races convoy against CLBlast's convolution on the same OpenCL device; plain tensors, two axes.
 */
#include "measure.h"
#include "peer.h"

#include <clblast_c.h>
#include <stdio.h>
#include <stdlib.h>

struct run {
    const struct cvy_conv_problem *problem;
    struct cvy_device *device;
    struct cvy_buffer *x, *w, *y;
};

/* What CLBlast's routine can express; it pads both ends alike. */
static bool fits(const struct cvy_conv_problem *p)
{
    return p->rank == 2 && p->groups == 1 && !p->transposed && !p->bias && p->shuffle <= 1 &&
           p->pad_mode == CVY_PAD_CONSTANT && p->pad_begin[0] == p->pad_end[0] &&
           p->pad_begin[1] == p->pad_end[1];
}

static bool create(void **run_out, const struct cvy_peer_job *job, size_t variant, char *why, size_t size)
{
    (void)variant;
    struct run *run = *run_out = calloc(1, sizeof(*run));
    if (!run || !fits(&job->problem)) {
        snprintf(why, size, "it takes two axes, one group, forward and padding alike at both ends alone");
        return false;
    }
    run->problem = &job->problem;
    run->device = job->device;
    snprintf(why, size, "its buffers cannot be made");
    return cvy_place(&run->x, job->device, job->x.bytes, job->x.data) &&
           cvy_place(&run->w, job->device, job->w.bytes, job->w.data) &&
           cvy_place(&run->y, job->device, job->y.bytes, NULL);
}

static const char *algorithm(const void *run)
{
    (void)run;
    return "convgemm";
}

static bool enqueue(void *data)
{
    const struct run *run = data;
    const struct cvy_conv_problem *p = run->problem;
    cl_command_queue queue = cvy_device_cl_queue(run->device);
    return CLBlastSconvgemm(p->flip ? CLBlastKernelModeConvolution : CLBlastKernelModeCrossCorrelation, p->c,
                            p->in[0], p->in[1], p->kernel[0], p->kernel[1], p->pad_begin[0], p->pad_begin[1],
                            p->stride[0], p->stride[1], p->dilation[0], p->dilation[1], p->k, p->n,
                            cvy_buffer_cl_mem(run->x), 0, cvy_buffer_cl_mem(run->w), 0,
                            cvy_buffer_cl_mem(run->y), 0, &queue, NULL) == CLBlastSuccess;
}

static bool wait(void *data)
{
    return cvy_device_finish(((struct run *)data)->device) == CVY_OK;
}

static bool read_plain(void *data, float *y)
{
    const struct run *run = data;
    return cvy_buffer_read(run->y, 0, cvy_buffer_bytes(run->y), y) == CVY_OK;
}

static void destroy(void *data)
{
    struct run *run = data;
    if (!run) {
        return;
    }
    cvy_buffer_destroy(&run->x);
    cvy_buffer_destroy(&run->w);
    cvy_buffer_destroy(&run->y);
    free(run);
}

static const struct cvy_peer_library clblast = {
    .name = "CLBlast",
    .variants = {"default"},
    .create = create,
    .algorithm = algorithm,
    .enqueue = enqueue,
    .wait = wait,
    .read = read_plain,
    .destroy = destroy,
};

int main(int argc, char **argv)
{
    return cvy_peer_main(argc, argv, &clblast);
}
