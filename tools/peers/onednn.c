/* onednn.c - races convoy against oneDNN 2.x: convolution and deconvolution, its layouts or plain ones. */
#include "peer.h"

#include <dnnl.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { X, W, Y, TENSORS };

struct run {
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive;
    dnnl_memory_desc_t plain[TENSORS]; /* where the job's tensors lie */
    dnnl_memory_t memory[TENSORS];
    char algorithm[64];
};

static dnnl_engine_t engine;
static dnnl_stream_t stream;

static bool open_engine(struct cvy_device *device)
{
    omp_set_num_threads((int)cvy_device_get_info(device)->compute_units);
    return dnnl_engine_create(&engine, dnnl_cpu, 0) == dnnl_success &&
           dnnl_stream_create(&stream, engine, dnnl_stream_default_flags) == dnnl_success;
}

static void close_engine(void)
{
    dnnl_stream_destroy(stream);
    dnnl_engine_destroy(engine);
}

/* x and y: N C D H W, dense. */
static bool describe_tensor(dnnl_memory_desc_t *desc, const struct cvy_shape *shape)
{
    dnnl_dims_t dims;
    for (size_t i = 0; i < shape->rank; i++) {
        dims[i] = (dnnl_dim_t)shape->dims[i];
    }
    return dnnl_memory_desc_init_by_strides(desc, (int)shape->rank, dims, dnnl_f32, NULL) == dnnl_success;
}

/* oneDNN's weights are groups, output channels, input channels, kernel, in both directions; ours have input
 * channels first where they are transposed. */
static bool describe_weights(dnnl_memory_desc_t *desc, const struct cvy_conv_problem *p)
{
    const size_t c = p->c / p->groups, k = p->k / p->groups;
    dnnl_dims_t dims, strides;
    dnnl_dim_t area = 1;
    int rank = p->groups > 1 ? 3 : 2;
    for (size_t i = p->rank; i-- > 0;) {
        dims[rank + (int)i] = (dnnl_dim_t)p->kernel[i];
        strides[rank + (int)i] = area;
        area *= (dnnl_dim_t)p->kernel[i];
    }
    dims[rank - 2] = (dnnl_dim_t)k;
    dims[rank - 1] = (dnnl_dim_t)c;
    strides[rank - 2] = area * (dnnl_dim_t)(p->transposed ? 1 : c);
    strides[rank - 1] = area * (dnnl_dim_t)(p->transposed ? k : 1);
    if (rank == 3) {
        dims[0] = (dnnl_dim_t)p->groups;
        strides[0] = area * (dnnl_dim_t)(c * k);
    }
    return dnnl_memory_desc_init_by_strides(desc, rank + (int)p->rank, dims, dnnl_f32, strides) ==
           dnnl_success;
}

static void set_any(dnnl_memory_desc_t *desc)
{
    dnnl_memory_desc_t any;
    dnnl_memory_desc_init_by_tag(&any, desc->ndims, desc->dims, dnnl_f32, dnnl_format_tag_any);
    *desc = any;
}

static bool describe(struct run *run, const struct cvy_peer_job *job, bool winograd)
{
    const struct cvy_conv_problem *p = &job->problem;
    dnnl_memory_desc_t wanted[TENSORS];
    dnnl_dims_t strides, dilates, begin, end;
    for (size_t i = 0; i < p->rank; i++) {
        strides[i] = (dnnl_dim_t)p->stride[i];
        dilates[i] = (dnnl_dim_t)p->dilation[i] - 1;
        begin[i] = (dnnl_dim_t)p->pad_begin[i];
        end[i] = (dnnl_dim_t)p->pad_end[i] - (dnnl_dim_t)p->output_padding[i];
    }
    if (!describe_tensor(&run->plain[X], &job->x.shape) || !describe_weights(&run->plain[W], p) ||
        !describe_tensor(&run->plain[Y], &job->y.shape)) {
        return false;
    }
    memcpy(wanted, run->plain, sizeof(wanted));
    for (int i = 0; i < TENSORS; i++) {
        if (i == W || !job->plain) {
            set_any(&wanted[i]);
        }
    }
    union {
        dnnl_convolution_desc_t forward;
        dnnl_deconvolution_desc_t transposed;
    } op;
    dnnl_status_t status = p->transposed
                               ? dnnl_dilated_deconvolution_forward_desc_init(
                                     &op.transposed, dnnl_forward_inference,
                                     winograd ? dnnl_deconvolution_winograd : dnnl_deconvolution_direct,
                                     &wanted[X], &wanted[W], NULL, &wanted[Y], strides, dilates, begin, end)
                               : dnnl_dilated_convolution_forward_desc_init(
                                     &op.forward, dnnl_forward_inference,
                                     winograd ? dnnl_convolution_winograd : dnnl_convolution_auto, &wanted[X],
                                     &wanted[W], NULL, &wanted[Y], strides, dilates, begin, end);
    return status == dnnl_success &&
           dnnl_primitive_desc_create(&run->desc, &op, NULL, engine, NULL) == dnnl_success;
}

static bool reorder(dnnl_memory_t from, dnnl_memory_t to)
{
    const dnnl_memory_desc_t *from_desc, *to_desc;
    dnnl_primitive_desc_t desc = NULL;
    dnnl_primitive_t primitive = NULL;
    dnnl_memory_get_memory_desc(from, &from_desc);
    dnnl_memory_get_memory_desc(to, &to_desc);
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
    bool done =
        dnnl_reorder_primitive_desc_create(&desc, from_desc, engine, to_desc, engine, NULL) == dnnl_success &&
        dnnl_primitive_create(&primitive, desc) == dnnl_success &&
        dnnl_primitive_execute(primitive, stream, 2, args) == dnnl_success &&
        dnnl_stream_wait(stream) == dnnl_success;
    dnnl_primitive_destroy(primitive);
    dnnl_primitive_desc_destroy(desc);
    return done;
}

/* Memory as the primitive wants it. data: what to fill it with; NULL poisons it with NaN. */
static bool place(struct run *run, int tensor, dnnl_query_t query, void *data)
{
    const dnnl_memory_desc_t *desc = dnnl_primitive_desc_query_md(run->desc, query, 0);
    dnnl_memory_t source = NULL;
    void *bytes = NULL;
    if (dnnl_memory_create(&run->memory[tensor], desc, engine, DNNL_MEMORY_ALLOCATE) != dnnl_success) {
        return false;
    }
    if (!data) {
        dnnl_memory_get_data_handle(run->memory[tensor], &bytes);
        memset(bytes, 0xff, dnnl_memory_desc_get_size(desc));
        return true;
    }
    bool done = dnnl_memory_create(&source, &run->plain[tensor], engine, data) == dnnl_success &&
                reorder(source, run->memory[tensor]);
    dnnl_memory_destroy(source);
    return done;
}

static bool create(void **run_out, const struct cvy_peer_job *job, size_t variant, char *why, size_t size)
{
    const struct cvy_conv_problem *p = &job->problem;
    struct run *run = *run_out = calloc(1, sizeof(*run));
    const char *name;
    if (!run || p->flip || p->shuffle > 1 || p->pad_mode != CVY_PAD_CONSTANT || p->bias) {
        snprintf(why, size, "flip, shuffle, padding that is not zeros and bias are not raced");
        return false;
    }
    if (!describe(run, job, variant == 1)) {
        snprintf(why, size, "oneDNN does not implement it");
        return false;
    }
    if (!place(run, X, dnnl_query_src_md, job->x.data) ||
        !place(run, W, dnnl_query_weights_md, job->w.data) || !place(run, Y, dnnl_query_dst_md, NULL) ||
        dnnl_primitive_create(&run->primitive, run->desc) != dnnl_success) {
        snprintf(why, size, "oneDNN failed to make it ready");
        return false;
    }
    dnnl_primitive_desc_query(run->desc, dnnl_query_impl_info_str, 0, &name);
    snprintf(run->algorithm, sizeof(run->algorithm), "%s", name);
    return true;
}

static const char *algorithm(const void *run)
{
    return ((const struct run *)run)->algorithm;
}

static bool enqueue(void *data)
{
    const struct run *run = data;
    const dnnl_exec_arg_t args[] = {
        {DNNL_ARG_SRC, run->memory[X]}, {DNNL_ARG_WEIGHTS, run->memory[W]}, {DNNL_ARG_DST, run->memory[Y]}};
    return dnnl_primitive_execute(run->primitive, stream, TENSORS, args) == dnnl_success;
}

static bool wait(void *run)
{
    (void)run;
    return dnnl_stream_wait(stream) == dnnl_success;
}

static bool read_plain(void *data, float *y)
{
    const struct run *run = data;
    dnnl_memory_t target = NULL;
    bool done = dnnl_memory_create(&target, &run->plain[Y], engine, y) == dnnl_success &&
                reorder(run->memory[Y], target);
    dnnl_memory_destroy(target);
    return done;
}

static void destroy(void *data)
{
    struct run *run = data;
    if (!run) {
        return;
    }
    for (int i = 0; i < TENSORS; i++) {
        dnnl_memory_destroy(run->memory[i]);
    }
    dnnl_primitive_destroy(run->primitive);
    dnnl_primitive_desc_destroy(run->desc);
    free(run);
}

static const struct cvy_peer_library onednn = {
    .name = "oneDNN",
    .variants = {"default", "winograd"},
    .open = open_engine,
    .close = close_engine,
    .create = create,
    .algorithm = algorithm,
    .enqueue = enqueue,
    .wait = wait,
    .read = read_plain,
    .destroy = destroy,
};

/* OpenMP's idle workers spin for many milliseconds, while convoy waits for its turn and its workers' cores
 * fall asleep; a fraction of one bridges the gaps within a turn as well. The variable is read before main(),
 * so the program begins anew. What the user has set stays. */
static void shorten_spinning(char **argv)
{
    if (!getenv("GOMP_SPINCOUNT") && !getenv("OMP_WAIT_POLICY") &&
        setenv("GOMP_SPINCOUNT", "20000", 1) == 0) {
        execv("/proc/self/exe", argv);
    }
}

int main(int argc, char **argv)
{
    shorten_spinning(argv);
    return cvy_peer_main(argc, argv, &onednn);
}
