/*
 * conv_driver.c - runs convolutions for a script: problems on standard input, results on standard output.
 *
 * All numbers are int64 or float32 of this machine. A problem is
 *   rank n c k groups shuffle pad_mode transposed flip bias max_workspace
 *   then for each axis: in kernel stride dilation pad_begin pad_end output_padding
 *   then x, w and, with bias, the bias.
 * The answer is the shape of y (rank + 2 numbers), how many algorithms apply, and for each the length of its
 * name, the name, and y. An error ends the program with 1 and a sentence on standard error.
 */
#include <convoy/convoy.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct job {
    struct cvy_conv_problem problem;
    size_t max_workspace;
    struct cvy_tensor x, w, bias, y;
};

static void log_error(void *user, enum cvy_log_level level, const char *message)
{
    (void)user;
    (void)level;
    fprintf(stderr, "conv_driver: %s\n", message);
}

static void fail(const char *what)
{
    fprintf(stderr, "conv_driver: %s\n", what);
    exit(1);
}

static void require(enum cvy_status status)
{
    if (status != CVY_OK)
        fail(cvy_status_string(status));
}

static void receive(void *data, size_t bytes)
{
    if (bytes > 0 && fread(data, bytes, 1, stdin) != 1)
        fail("the input ends in the middle of a problem");
}

static size_t receive_size(void)
{
    int64_t value = 0;
    receive(&value, sizeof(value));
    return (size_t)value;
}

static void answer(const void *data, size_t bytes)
{
    if (bytes > 0 && fwrite(data, bytes, 1, stdout) != 1)
        fail("the output cannot be written");
}

static void answer_size(size_t value)
{
    int64_t wide = (int64_t)value;
    answer(&wide, sizeof(wide));
}

/* The rank has been read already. */
static void receive_problem(struct job *job, size_t rank)
{
    struct cvy_conv_problem *p = &job->problem;
    if (rank < 1 || rank > CVY_CONV_MAX_RANK)
        fail("a rank is not 1 to 3");
    cvy_conv_problem_init(p, rank);
    p->n = receive_size();
    p->c = receive_size();
    p->k = receive_size();
    p->groups = receive_size();
    p->shuffle = receive_size();
    p->pad_mode = (enum cvy_pad_mode)receive_size();
    p->transposed = receive_size() != 0;
    p->flip = receive_size() != 0;
    p->bias = receive_size() != 0;
    job->max_workspace = receive_size();
    for (size_t i = 0; i < rank; i++) {
        p->in[i] = receive_size();
        p->kernel[i] = receive_size();
        p->stride[i] = receive_size();
        p->dilation[i] = receive_size();
        p->pad_begin[i] = receive_size();
        p->pad_end[i] = receive_size();
        p->output_padding[i] = receive_size();
    }
}

static void receive_tensors(struct job *job)
{
    struct cvy_shape x, w, y, bias = {.rank = 1, .dims = {job->problem.k}};
    require(cvy_conv_x_shape(&job->problem, &x));
    require(cvy_conv_w_shape(&job->problem, &w));
    require(cvy_conv_y_shape(&job->problem, &y));
    require(cvy_tensor_init(&job->x, CVY_FLOAT32, &x));
    require(cvy_tensor_init(&job->w, CVY_FLOAT32, &w));
    require(cvy_tensor_init(&job->y, CVY_FLOAT32, &y));
    receive(job->x.data, job->x.bytes);
    receive(job->w.data, job->w.bytes);
    if (job->problem.bias) {
        require(cvy_tensor_init(&job->bias, CVY_FLOAT32, &bias));
        receive(job->bias.data, job->bias.bytes);
    }
    for (size_t i = 0; i < y.rank; i++)
        answer_size(y.dims[i]);
}

static void run(struct cvy_device *device, struct job *job)
{
    const char *algo;
    char why[256];
    size_t count = 0;
    for (size_t a = 0; (algo = cvy_conv_algo_name(a)) != NULL; a++)
        count += cvy_conv_algo_applies(device, &job->problem, algo, why, sizeof(why));
    answer_size(count);
    for (size_t a = 0; (algo = cvy_conv_algo_name(a)) != NULL; a++) {
        if (!cvy_conv_algo_applies(device, &job->problem, algo, why, sizeof(why)))
            continue;
        float *y = job->y.data;
        for (size_t i = 0; i < job->y.elements; i++)
            y[i] = NAN; /* what a kernel leaves unwritten shows */
        struct cvy_conv_params params = {.algo = algo, .max_workspace = job->max_workspace};
        require(
            cvy_conv_run(device, &job->problem, job->x.data, job->w.data, job->bias.data, y, &params, NULL));
        answer_size(strlen(algo));
        answer(algo, strlen(algo));
        answer(y, job->y.bytes);
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    cvy_log_set_callback(log_error, NULL, CVY_LOG_ERROR);
    struct cvy_device *device = NULL;
    enum cvy_status status = cvy_device_open(&device, argc > 1 ? argv[1] : NULL);
    if (status == CVY_ERROR_NOT_FOUND)
        return 77; /* no device: skipped */
    require(status);
    int64_t rank = 0;
    while (fread(&rank, sizeof(rank), 1, stdin) == 1) {
        struct job job = {0};
        receive_problem(&job, (size_t)rank);
        receive_tensors(&job);
        run(device, &job);
        cvy_tensor_finish(&job.x);
        cvy_tensor_finish(&job.w);
        cvy_tensor_finish(&job.bias);
        cvy_tensor_finish(&job.y);
    }
    cvy_device_destroy(&device);
    return 0;
}
