/* The convolution for users (conv.h) and for graphs (the operator). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "op/algo.h"
#include "op/convert.h"
#include "op/operator.h"
#include "op/parts.h"
#include "op/problem.h"
#include "op/quantization.h"
#include "runtime/buffer.h"
#include "runtime/device.h"
#include "runtime/launch.h"
#include "runtime/recording.h"

/* A problem with its algorithm, ready for a device. */
struct ready {
    struct cvy_conv_problem problem; /* as the algorithm sees it */
    bool is_converted;               /* x and y are plain, the algorithm's are in blocks of channels */
    const struct cvy_algo *algo;
    struct cvy_algo_config config;
    size_t prepared_bytes; /* 0: the weights are used as they are */
    size_t workspace;
    size_t own_workspace; /* of that, the algorithm's */
    double seconds;       /* expected, where launches may have to be cut; else 0 */
};

/* The problem is valid, which includes that its bytes fit. */
static size_t w_bytes(const struct cvy_conv_problem *problem)
{
    struct cvy_shape shape;
    size_t bytes = cvy_dtype_size(problem->w_dtype);
    cvy_conv_w_shape(problem, &shape);
    for (size_t i = 0; i < shape.rank; i++)
        bytes *= shape.dims[i];
    return bytes;
}

/* Before an algorithm is looked for: a tensor that no buffer can hold is the reason worth telling. */
static enum cvy_status check_tensors(const struct cvy_device *device, const struct cvy_conv_problem *problem)
{
    size_t x, y;
    enum cvy_status status = cvy_conv_x_bytes(problem, &x);
    if (status == CVY_OK)
        status = cvy_conv_y_bytes(problem, &y);
    if (status == CVY_OK)
        status = cvy_check_allocation(device, x, "conv: x");
    if (status == CVY_OK)
        status = cvy_check_allocation(device, w_bytes(problem), "conv: w");
    if (status == CVY_OK)
        status = cvy_check_allocation(device, y, "conv: y");
    return status;
}

static enum cvy_status make_ready(struct ready *ready, struct cvy_device *device,
                                  const struct cvy_conv_problem *problem, const char *algo,
                                  size_t max_workspace)
{
    enum cvy_status status = cvy_conv_validate(problem);
    if (status == CVY_OK)
        status = check_tensors(device, problem);
    if (status != CVY_OK)
        return status;
    if (device->info.max_alloc_bytes > 0 && max_workspace > device->info.max_alloc_bytes)
        max_workspace = (size_t)device->info.max_alloc_bytes;
    ready->problem = *problem;
    status = cvy_find_conversion(device, &ready->problem, algo, max_workspace, &ready->algo, &ready->config,
                                 &ready->is_converted);
    if (status != CVY_OK)
        return status;
    ready->own_workspace = cvy_algo_workspace(ready->algo, &ready->problem, device, &ready->config);
    ready->workspace = ready->own_workspace;
    if (ready->is_converted)
        ready->workspace += cvy_convert_workspace(&ready->problem, device);
    ready->seconds = 0;
    if (device->max_launch > 0)
        ready->seconds = ready->algo->estimate(&ready->problem, device, &ready->config);
    ready->prepared_bytes = 0;
    if (ready->algo->prepared_bytes != NULL)
        ready->prepared_bytes = ready->algo->prepared_bytes(&ready->problem, device, &ready->config);
    return CVY_OK;
}

/* Another choice, where the one made has weights that grow too much when they are prepared. */
static enum cvy_status make_lean(struct ready *ready, struct cvy_device *device,
                                 const struct cvy_conv_problem *problem, size_t max_workspace, size_t most)
{
    struct cvy_algo_config config;
    const struct cvy_algo *algo =
        ready->prepared_bytes > most ? cvy_find_lean(device, problem, max_workspace, most, &config) : NULL;
    if (algo == NULL)
        return CVY_OK;
    ready->problem = *problem;
    ready->algo = algo;
    ready->config = config;
    ready->is_converted = false;
    if (device->max_launch > 0)
        ready->seconds = algo->estimate(problem, device, &config);
    ready->workspace = ready->own_workspace = cvy_algo_workspace(algo, problem, device, &config);
    ready->prepared_bytes = algo->prepared_bytes != NULL ? algo->prepared_bytes(problem, device, &config) : 0;
    return CVY_OK;
}

/* Weights from the host, prepared where the algorithm wants that. */
static enum cvy_status upload_prepared(const struct ready *ready, struct cvy_buffer **buffer,
                                       struct cvy_device *device, const void *w, size_t bytes)
{
    struct cvy_buffer *raw = NULL, *prepared = NULL;
    enum cvy_status status = cvy_buffer_upload(&raw, device, bytes, w);
    if (status != CVY_OK)
        return status;
    if (ready->prepared_bytes == 0) {
        *buffer = raw;
        return CVY_OK;
    }
    status = cvy_buffer_create(&prepared, device, ready->prepared_bytes);
    if (status == CVY_OK)
        status = ready->algo->prepare(device, &ready->problem, &ready->config, raw, prepared);
    if (status == CVY_OK)
        status = cvy_device_finish(device); /* raw must live until then */
    if (status == CVY_OK)
        *buffer = prepared;
    else
        cvy_buffer_destroy(&prepared);
    cvy_buffer_destroy(&raw);
    return status;
}

const char *cvy_conv_algo_name(size_t index)
{
    const struct cvy_algo *algo = cvy_algo_at(index);
    return algo != NULL ? algo->id : NULL;
}

bool cvy_conv_algo_applies(const struct cvy_device *device, const struct cvy_conv_problem *problem,
                           const char *algo, char *why, size_t why_size)
{
    const struct cvy_algo *found = cvy_algo_by_name(algo);
    if (why_size > 0)
        why[0] = '\0';
    if (found == NULL) {
        snprintf(why, why_size, "no algorithm is called '%s'", algo);
        return false;
    }
    if (cvy_conv_validate(problem) != CVY_OK) {
        snprintf(why, why_size, "the problem is not valid");
        return false;
    }
    return cvy_algo_applies(found, problem, device, why, why_size);
}

bool cvy_conv_algo_estimate(const struct cvy_device *device, const struct cvy_conv_problem *problem,
                            const char *name, double *seconds, char *why, size_t why_size)
{
    struct cvy_algo_config config;
    if (!cvy_conv_algo_applies(device, problem, name, why, why_size))
        return false;
    const struct cvy_algo *algo = cvy_algo_by_name(name);
    algo->default_config(problem, device, CVY_DEFAULT_WORKSPACE, &config);
    *seconds = algo->estimate(problem, device, &config);
    return true;
}

struct cvy_conv {
    struct cvy_device *device;
    struct ready ready;
    size_t x_bytes, y_bytes;
    struct cvy_buffer *w, *bias, *workspace;
    struct cvy_convert_parts parts; /* of the workspace, where x and y are converted */
    struct cvy_quantization quantization;
    pthread_mutex_t lock;            /* guards what follows */
    uint64_t x_id, y_id;             /* the last buffers */
    struct cvy_recording *recording; /* of what is launched for them; NULL: not recorded */
    bool is_unrecordable;
};

static enum cvy_status check_weights(const struct cvy_conv_problem *problem, const void *w, const void *bias)
{
    if (w == NULL)
        return cvy_fail(CVY_ERROR_INVALID, "conv: w is NULL; give the weights");
    if (problem->bias != (bias != NULL))
        return cvy_fail(CVY_ERROR_INVALID,
                        "conv: the problem %s a bias but the pointer is %s; make them agree",
                        problem->bias ? "has" : "has not", bias != NULL ? "given" : "NULL");
    return CVY_OK;
}

enum cvy_status cvy_conv_create(struct cvy_conv **conv, struct cvy_device *device,
                                const struct cvy_conv_problem *problem, const void *w, const void *bias,
                                const struct cvy_conv_params *params)
{
    enum cvy_status status = cvy_conv_validate(problem);
    if (status == CVY_OK)
        status = check_weights(problem, w, bias);
    if (status != CVY_OK)
        return status;
    struct cvy_conv *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return cvy_fail_memory("a convolution", sizeof(*made));
    made->device = device;
    pthread_mutex_init(&made->lock, NULL);
    cvy_conv_x_bytes(problem, &made->x_bytes);
    cvy_conv_y_bytes(problem, &made->y_bytes);
    size_t max_workspace =
        params != NULL && params->max_workspace > 0 ? params->max_workspace : CVY_DEFAULT_WORKSPACE;
    status = make_ready(&made->ready, device, problem, params != NULL ? params->algo : NULL, max_workspace);
    if (status != CVY_OK)
        goto fail;
    status = upload_prepared(&made->ready, &made->w, device, w, w_bytes(problem));
    if (status == CVY_OK && problem->bias)
        status = cvy_buffer_upload(&made->bias, device, problem->k * sizeof(float), bias);
    if (status == CVY_OK && cvy_conv_is_integer(problem))
        status = cvy_quantization_upload(&made->quantization, device, problem,
                                         params != NULL ? params->quantization : NULL);
    if (status == CVY_OK && made->ready.workspace > 0)
        status = cvy_buffer_create(&made->workspace, device, made->ready.workspace);
    if (status == CVY_OK && made->ready.is_converted)
        status = cvy_convert_parts_init(&made->parts, &made->ready.problem, made->workspace,
                                        made->ready.own_workspace);
    if (status != CVY_OK)
        goto fail;
    *conv = made;
    return CVY_OK;
fail:
    cvy_conv_destroy(&made);
    return status;
}

void cvy_conv_destroy(struct cvy_conv **conv)
{
    if (conv == NULL || *conv == NULL)
        return;
    cvy_recording_destroy(&(*conv)->recording);
    pthread_mutex_destroy(&(*conv)->lock);
    cvy_convert_parts_finish(&(*conv)->parts);
    cvy_buffer_destroy(&(*conv)->w);
    cvy_buffer_destroy(&(*conv)->bias);
    cvy_buffer_destroy(&(*conv)->workspace);
    cvy_quantization_finish(&(*conv)->quantization);
    free(*conv);
    *conv = NULL;
}

const char *cvy_conv_get_algo(const struct cvy_conv *conv)
{
    return conv->ready.algo->id;
}

size_t cvy_conv_get_workspace(const struct cvy_conv *conv)
{
    return conv->ready.workspace;
}

static enum cvy_status enqueue_ready(struct cvy_device *device, const struct ready *ready,
                                     const struct cvy_convert_parts *parts, const struct cvy_algo_args *args)
{
    const double before = cvy_launch_expect(ready->seconds);
    enum cvy_status status =
        ready->is_converted
            ? cvy_convert_enqueue(device, ready->algo, &ready->problem, &ready->config, parts, args)
            : ready->algo->enqueue(device, &ready->problem, &ready->config, args);
    cvy_launch_expect(before);
    return status;
}

static enum cvy_status enqueue_anew(struct cvy_conv *conv, struct cvy_buffer *x, struct cvy_buffer *y)
{
    struct cvy_algo_args args = {
        .x = x, .y = y, .w = conv->w, .bias = conv->bias, .workspace = conv->workspace};
    cvy_quantization_set(&conv->quantization, &args);
    return enqueue_ready(conv->device, &conv->ready, &conv->parts, &args);
}

/* Records what is launched when the same x and y come a second time, and replays that from then on. */
static enum cvy_status enqueue_known(struct cvy_conv *conv, struct cvy_buffer *x, struct cvy_buffer *y)
{
    const bool is_same = conv->x_id == cvy_buffer_id(x) && conv->y_id == cvy_buffer_id(y);
    if (is_same && conv->recording != NULL && cvy_recording_is_current(conv->recording))
        return cvy_recording_replay(conv->recording);
    cvy_recording_destroy(&conv->recording);
    if (!is_same || conv->is_unrecordable) {
        conv->x_id = cvy_buffer_id(x);
        conv->y_id = cvy_buffer_id(y);
        return enqueue_anew(conv, x, y);
    }
    struct cvy_recording *made = cvy_recording_begin(conv->device);
    enum cvy_status status = enqueue_anew(conv, x, y);
    if (made != NULL && !cvy_recording_end(made))
        conv->is_unrecordable = true;
    if (status != CVY_OK || conv->is_unrecordable)
        cvy_recording_destroy(&made);
    conv->recording = made;
    return status;
}

static enum cvy_status check_bytes(const struct cvy_buffer *buffer, size_t needed, const char *name)
{
    size_t bytes = cvy_buffer_bytes(buffer);
    if (bytes < needed)
        return cvy_fail(CVY_ERROR_INVALID, "conv: the buffer of %s has %zu bytes but needs %zu", name, bytes,
                        needed);
    return CVY_OK;
}

enum cvy_status cvy_conv_enqueue(struct cvy_conv *conv, struct cvy_buffer *x, struct cvy_buffer *y,
                                 struct cvy_event *const *waits, size_t n_waits, struct cvy_event **event)
{
    enum cvy_status status = check_bytes(x, conv->x_bytes, "x");
    if (status == CVY_OK)
        status = check_bytes(y, conv->y_bytes, "y");
    if (status == CVY_OK)
        status = cvy_enqueue_waits(conv->device, waits, n_waits);
    if (status != CVY_OK)
        return status;
    pthread_mutex_lock(&conv->lock);
    status = enqueue_known(conv, x, y);
    pthread_mutex_unlock(&conv->lock);
    if (status == CVY_OK && event != NULL)
        status = cvy_enqueue_marker(conv->device, event);
    return status;
}

enum cvy_status cvy_conv_run(struct cvy_device *device, const struct cvy_conv_problem *problem, const void *x,
                             const void *w, const void *bias, void *y, const struct cvy_conv_params *params,
                             const char **algo_used)
{
    struct cvy_conv *conv = NULL;
    struct cvy_buffer *x_buffer = NULL, *y_buffer = NULL;
    enum cvy_status status = cvy_conv_create(&conv, device, problem, w, bias, params);
    if (status != CVY_OK)
        return status;
    status = cvy_buffer_upload(&x_buffer, device, conv->x_bytes, x);
    if (status == CVY_OK)
        status = problem->accumulate ? cvy_buffer_upload(&y_buffer, device, conv->y_bytes, y)
                                     : cvy_buffer_create(&y_buffer, device, conv->y_bytes);
    if (status == CVY_OK)
        status = cvy_conv_enqueue(conv, x_buffer, y_buffer, NULL, 0, NULL);
    if (status == CVY_OK)
        status = cvy_buffer_read(y_buffer, 0, conv->y_bytes, y);
    if (status == CVY_OK && algo_used != NULL)
        *algo_used = cvy_conv_get_algo(conv);
    cvy_buffer_destroy(&x_buffer);
    cvy_buffer_destroy(&y_buffer);
    cvy_conv_destroy(&conv);
    return status;
}

/* Where converted tensors lie in one workspace. */
struct kept_parts {
    uint64_t workspace_id;
    struct cvy_convert_parts parts;
};

#define MAX_KEPT 8 /* as many runs in flight as make no parts anew */

struct conv_operator {
    struct cvy_operator base;
    struct ready ready;
    struct cvy_rows residual;    /* where that lies elsewhere than y */
    struct cvy_buffer *prepared; /* NULL: the algorithm takes the weights as they are */
    bool is_final;               /* the weights are a constant, and prepared holds them */
    size_t n_kept;
    struct kept_parts kept[MAX_KEPT];
};

static bool has_bias(const struct cvy_operand *in, size_t n_in)
{
    return n_in > 2 && in[2].present;
}

static enum cvy_status check_residual(const struct cvy_conv_problem *problem, const struct cvy_shape *shape)
{
    struct cvy_shape y;
    char a[128], b[128];
    enum cvy_status status = cvy_conv_y_shape(problem, &y);
    if (status == CVY_OK && !cvy_shape_equal(&y, shape))
        status = cvy_fail(CVY_ERROR_INVALID, "conv: the residual is %s but y is %s; they must be the same",
                          cvy_shape_format(shape, a, sizeof(a)), cvy_shape_format(&y, b, sizeof(b)));
    return status;
}

static enum cvy_status infer_problem(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                     struct cvy_conv_problem *problem)
{
    if (n_in < 2 || !in[0].present || !in[1].present)
        return cvy_fail(CVY_ERROR_INVALID,
                        "conv: x and w are needed; only a bias and a residual may be left out");
    bool bias = has_bias(in, n_in);
    enum cvy_status status = cvy_conv_problem_from_op(&op->conv, &in[0].shape, &in[1].shape, bias, problem);
    if (status == CVY_OK && n_in > 3 && in[3].present)
        status = check_residual(problem, &in[3].shape);
    if (status != CVY_OK)
        return status;
    problem->accumulate = n_in > 3 && in[3].present;
    char text[160];
    if (bias && (in[2].shape.rank != 1 || in[2].shape.dims[0] != problem->k))
        return cvy_fail(CVY_ERROR_INVALID,
                        "conv: the bias is %s but y has %zu channels; one value each is needed",
                        cvy_shape_format(&in[2].shape, text, sizeof(text)), problem->k);
    return CVY_OK;
}

static enum cvy_status operator_check(const struct cvy_op *op)
{
    if (op->conv.groups == 0)
        return cvy_fail(CVY_ERROR_INVALID, "conv: groups is 0; 1 means no groups");
    return CVY_OK;
}

static enum cvy_status operator_infer(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                      struct cvy_shape *out)
{
    struct cvy_conv_problem problem;
    enum cvy_status status = infer_problem(op, in, n_in, &problem);
    return status == CVY_OK ? cvy_conv_y_shape(&problem, out) : status;
}

/* x and y each lie as they like, the residual as y. */
static bool operator_layouts(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in, size_t block,
                             enum cvy_layout *layouts)
{
    (void)op;
    (void)in;
    layouts[0] = CVY_LAYOUT_ANY;
    if (n_in > 3)
        layouts[3] = block > 0 ? CVY_LAYOUT_BLOCKS : CVY_LAYOUT_PLAIN;
    return true;
}

static double operator_seconds(struct cvy_device *device, const struct cvy_op *op,
                               const struct cvy_operand *in, size_t n_in,
                               const struct cvy_operator_params *params)
{
    struct cvy_conv_problem problem;
    if (infer_problem(op, in, n_in, &problem) != CVY_OK)
        return INFINITY;
    problem.strict = params->strict;
    problem.x_block = in[0].block;
    problem.y_block = params->block;
    return cvy_find_seconds(device, &problem, params->algo, params->max_workspace);
}

static enum cvy_status prepare_residual(struct conv_operator *self, const struct cvy_conv_problem *problem)
{
    size_t bytes;
    enum cvy_status status = problem->accumulate ? cvy_conv_y_bytes(problem, &bytes) : CVY_OK;
    if (status != CVY_OK || !problem->accumulate)
        return status;
    self->residual = (struct cvy_rows){.rows = 1, .size = bytes / sizeof(float)};
    return cvy_rows_prepare(self->base.device, &self->residual);
}

static enum cvy_status operator_init(struct cvy_operator *base, const struct cvy_operand *in, size_t n_in,
                                     const struct cvy_operator_params *params)
{
    struct conv_operator *self = (struct conv_operator *)base;
    struct cvy_conv_problem problem;
    enum cvy_status status = infer_problem(&base->op, in, n_in, &problem);
    problem.strict = params->strict;
    problem.x_block = in[0].block;
    problem.y_block = base->block;
    if (status == CVY_OK)
        status = make_ready(&self->ready, base->device, &problem, params->algo, params->max_workspace);
    if (status == CVY_OK && params->algo == NULL)
        status = make_lean(&self->ready, base->device, &problem, params->max_workspace,
                           cvy_most_prepared(params, w_bytes(&problem)));
    if (status == CVY_OK)
        status = prepare_residual(self, &problem);
    if (status != CVY_OK)
        return status;
    struct cvy_conv_cost cost;
    cvy_conv_get_cost(&problem, &cost);
    base->flops = 2 * cost.multiplications;
    base->workspace = self->ready.workspace;
    base->algorithm = self->ready.algo->id;
    base->kept = self->ready.prepared_bytes;
    if (self->ready.prepared_bytes == 0)
        return CVY_OK;
    const struct cvy_tensor *w = in[1].constant;
    base->unread = w != NULL ? 1u << 1 : 0;
    if (params->only_count)
        return CVY_OK;
    if (w == NULL)
        return cvy_buffer_create(&self->prepared, base->device, self->ready.prepared_bytes);
    if (w->dtype != CVY_FLOAT32)
        return cvy_fail(CVY_ERROR_UNSUPPORTED, "conv: w is %s; convert it to float32",
                        cvy_dtype_name(w->dtype));
    self->is_final = true;
    return upload_prepared(&self->ready, &self->prepared, base->device, w->data, w->bytes);
}

/* Parts are kept for each workspace: made anew, what is launched with them could not be recorded. */
static enum cvy_status enqueue_converted(struct conv_operator *self, const struct cvy_algo_args *args)
{
    const struct ready *ready = &self->ready;
    const uint64_t id = cvy_buffer_id(args->workspace);
    for (size_t i = 0; i < self->n_kept; i++) {
        if (self->kept[i].workspace_id == id)
            return enqueue_ready(self->base.device, ready, &self->kept[i].parts, args);
    }
    struct cvy_convert_parts parts;
    enum cvy_status status =
        cvy_convert_parts_init(&parts, &ready->problem, args->workspace, ready->own_workspace);
    if (status != CVY_OK)
        return status;
    status = enqueue_ready(self->base.device, ready, &parts, args);
    if (self->n_kept < MAX_KEPT)
        self->kept[self->n_kept++] = (struct kept_parts){id, parts};
    else
        cvy_convert_parts_finish(&parts);
    return status;
}

static enum cvy_status operator_enqueue(struct cvy_operator *base, struct cvy_buffer *const *in, size_t n_in,
                                        struct cvy_buffer *out, struct cvy_buffer *workspace)
{
    struct conv_operator *self = (struct conv_operator *)base;
    const struct ready *ready = &self->ready;
    struct cvy_algo_args args = {.x = in[0], .y = out, .w = in[1], .workspace = workspace};
    enum cvy_status status = CVY_OK;
    if (n_in > 2 && ready->problem.bias)
        args.bias = in[2];
    /* y is added to what it holds, which is the residual where the plan lets both share a place */
    if (ready->problem.accumulate && in[3] != out)
        status = cvy_rows_enqueue(base->device, &self->residual, in[3], out);
    if (status != CVY_OK)
        return status;
    if (self->prepared != NULL) {
        if (!self->is_final)
            status =
                ready->algo->prepare(base->device, &ready->problem, &ready->config, in[1], self->prepared);
        if (status != CVY_OK)
            return status;
        args.w = self->prepared;
    }
    if (!ready->is_converted)
        return enqueue_ready(base->device, ready, NULL, &args);
    return enqueue_converted(self, &args);
}

static void operator_finish(struct cvy_operator *base)
{
    struct conv_operator *self = (struct conv_operator *)base;
    for (size_t i = 0; i < self->n_kept; i++)
        cvy_convert_parts_finish(&self->kept[i].parts);
    cvy_buffer_destroy(&self->prepared);
}

extern const struct cvy_operator_class cvy_op_conv_class;
const struct cvy_operator_class cvy_op_conv_class = {
    .min_inputs = 2,
    .max_inputs = 4,
    .in_place = 1 << 3,
    .check = operator_check,
    .infer = operator_infer,
    .layouts = operator_layouts,
    .seconds = operator_seconds,
    .size = sizeof(struct conv_operator),
    .init = operator_init,
    .enqueue = operator_enqueue,
    .finish = operator_finish,
};
