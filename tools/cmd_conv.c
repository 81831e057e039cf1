/* cmd_conv.c - convoy conv: one convolution, in one pass or several, from files to a file. */
#include "compare.h"
#include "conv_job.h"
#include "tensor_file.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

static bool load(struct conv_job *job, const struct conv_options *options)
{
    bool loaded = cvy_file_load(&job->x, options->x_path, CVY_FLOAT32, NULL);
    for (; loaded && job->n_w < options->n_w; job->n_w++) {
        loaded = cvy_file_load(&job->w[job->n_w], options->w_paths[job->n_w], CVY_FLOAT32, NULL);
    }
    return loaded &&
           (!options->bias_path || cvy_file_load(&job->bias, options->bias_path, CVY_FLOAT32, NULL));
}

static int describe(struct cvy_conv_problem *problem, const struct conv_job *job,
                    const struct conv_options *options)
{
    char text[128];
    const struct cvy_shape *x = &job->x.shape, *w = &job->w[0].shape;
    if (x->rank < 3 || x->rank > CVY_CONV_MAX_RANK + 2) {
        cvy_cli_error("%s: rank %zu (%s), but x has 3 to 5 dimensions: N C [D [H]] W; reshape it",
                      options->x_path, x->rank, cvy_shape_format(x, text, sizeof(text)));
        return CVY_CLI_FAILED;
    }
    for (size_t i = 0; i < job->n_w; i++) {
        if (job->w[i].shape.rank != x->rank) {
            cvy_cli_error("%s: rank %zu (%s), but %s has rank %zu and w needs the same; reshape one of them",
                          options->w_paths[i], job->w[i].shape.rank,
                          cvy_shape_format(&job->w[i].shape, text, sizeof(text)), options->x_path, x->rank);
            return CVY_CLI_FAILED;
        }
    }
    cvy_conv_problem_init(problem, x->rank - 2);
    problem->n = x->dims[0];
    problem->c = x->dims[1];
    problem->groups = options->groups;
    problem->shuffle = options->shuffle;
    problem->pad_mode = options->pad_mode;
    problem->transposed = options->transposed;
    problem->flip = options->flip;
    problem->bias = options->bias_path != NULL;
    problem->k = w->dims[0];
    if (options->transposed && __builtin_mul_overflow(w->dims[1], options->groups, &problem->k)) {
        cvy_cli_error("--groups %zu: too many; at most x's channels", options->groups);
        return CVY_CLI_FAILED;
    }
    memcpy(problem->in, x->dims + 2, problem->rank * sizeof(size_t));
    memcpy(problem->kernel, w->dims + 2, problem->rank * sizeof(size_t));
    int status = cvy_axis_list_apply(problem->stride, problem->rank, &options->stride);
    status = status ? status : cvy_axis_list_apply(problem->dilation, problem->rank, &options->dilation);
    status = status ? status : cvy_axis_list_apply(problem->pad_begin, problem->rank, &options->pad_begin);
    status = status ? status : cvy_axis_list_apply(problem->pad_end, problem->rank, &options->pad_end);
    return status ? status
                  : cvy_axis_list_apply(problem->output_padding, problem->rank, &options->output_padding);
}

/* What the library cannot see: whether the files have the shapes that the problem needs. */
static bool check_files(const struct conv_job *job, const struct conv_options *options)
{
    struct cvy_shape w;
    char got[128], want[128], x[128];
    if (cvy_conv_validate(&job->problem) != CVY_OK || cvy_conv_w_shape(&job->problem, &w) != CVY_OK) {
        return false;
    }
    if (!cvy_shape_equal(&w, &job->w[0].shape)) {
        cvy_cli_error("%s: shape %s, but an x of %s in %zu groups needs %s; change the file or --groups",
                      options->w_paths[0], cvy_shape_format(&job->w[0].shape, got, sizeof(got)),
                      cvy_shape_format(&job->x.shape, x, sizeof(x)), job->problem.groups,
                      cvy_shape_format(&w, want, sizeof(want)));
        return false;
    }
    if (job->problem.bias && (job->bias.shape.rank != 1 || job->bias.elements != job->problem.k)) {
        cvy_cli_error("%s: shape %s, but the bias needs one value for each of the %zu channels of y",
                      options->bias_path, cvy_shape_format(&job->bias.shape, got, sizeof(got)),
                      job->problem.k);
        return false;
    }
    return true;
}

static bool prepare_standard(struct conv_job *job, const struct conv_options *options, struct cvy_shape *y)
{
    struct cvy_conv_params params = {.algo = options->common.algo};
    struct cvy_conv_cost cost;
    if (cvy_conv_y_shape(&job->problem, y) != CVY_OK ||
        cvy_conv_create(&job->conv, job->device, &job->problem, job->w[0].data,
                        job->problem.bias ? job->bias.data : NULL, &params) != CVY_OK ||
        cvy_conv_get_cost(&job->problem, &cost) != CVY_OK ||
        cvy_tensor_init(&job->y, CVY_FLOAT32, y) != CVY_OK) {
        return false;
    }
    job->flops = 2 * cost.multiplications;
    snprintf(job->algorithm, sizeof(job->algorithm), "%s", cvy_conv_get_algo(job->conv));
    return cvy_buffer_create(&job->x_buffer, job->device, job->x.bytes) == CVY_OK &&
           cvy_buffer_create(&job->y_buffer, job->device, job->y.bytes) == CVY_OK &&
           cvy_buffer_write(job->x_buffer, 0, job->x.bytes, job->x.data) == CVY_OK;
}

/* Without a graph. */
static bool is_one_launch(const struct conv_job *job)
{
    return job->kind == CVY_CONV_STANDARD && job->devices.count == 1;
}

/* Makes everything ready; then the shape of y is known. */
static bool prepare(struct conv_job *job, const struct conv_options *options, struct cvy_shape *y)
{
    if (options->kind == CVY_CONV_STANDARD && !check_files(job, options)) {
        return false;
    }
    if (options->factor && !cvy_conv_job_factor(job, options)) {
        return false;
    }
    double start = cvy_cli_now();
    if (!cvy_cli_open_devices(&job->devices, &options->common)) {
        return false;
    }
    job->device = job->devices.items[0];
    bool done = is_one_launch(job) ? prepare_standard(job, options, y)
                                               : cvy_conv_job_prepare_passes(job, options, y);
    job->setup_seconds = cvy_cli_now() - start;
    return done;
}

static bool compute_standard(struct conv_job *job)
{
    double start = cvy_cli_now();
    if (cvy_conv_enqueue(job->conv, job->x_buffer, job->y_buffer, NULL, 0, NULL) != CVY_OK ||
        cvy_device_finish(job->device) != CVY_OK) {
        return false;
    }
    job->run_seconds = cvy_cli_now() - start;
    return cvy_buffer_read(job->y_buffer, 0, job->y.bytes, job->y.data) == CVY_OK;
}

static void print_report(const struct conv_job *job)
{
    char device[1024], x[128], w[128], y[128];
    cvy_cli_describe_devices(&job->devices, device, sizeof(device));
    printf("device     %s\n", device);
    printf("x          %s\n", cvy_shape_format(&job->x.shape, x, sizeof(x)));
    for (size_t i = 0; i < job->n_w; i++) {
        printf("w          %s\n", cvy_shape_format(&job->w[i].shape, w, sizeof(w)));
    }
    printf("y          %s\n", cvy_shape_format(&job->y.shape, y, sizeof(y)));
    if (job->factored) {
        printf("separable  rank %zu, relative error of w %.2g\n", job->factor_rank, job->factor_error);
    }
    printf("algorithm  %s\n", job->algorithm);
    printf("time       %.3f ms, %.2f GFLOP/s\n", 1e3 * job->run_seconds,
           job->run_seconds > 0 ? 1e-9 * job->flops / job->run_seconds : 0);
    printf("set-up     %.1f ms\n", 1e3 * job->setup_seconds);
}

static bool print_json(const struct conv_job *job, const struct cvy_comparison *comparison,
                       const struct conv_options *options)
{
    char device[1024];
    cJSON *json = cJSON_CreateObject();
    cvy_cli_describe_devices(&job->devices, device, sizeof(device));
    cJSON_AddStringToObject(json, "device", device);
    cJSON_AddItemToObject(json, "x", cvy_cli_json_shape(&job->x.shape));
    for (size_t i = 0; i < job->n_w; i++) {
        static const char *const names[CVY_CONV_MAX_PASSES] = {"w", "w2", "w3", "w4"};
        cJSON_AddItemToObject(json, names[i], cvy_cli_json_shape(&job->w[i].shape));
    }
    if (job->factored) {
        cJSON *separable = cJSON_AddObjectToObject(json, "separable");
        cJSON_AddNumberToObject(separable, "rank", (double)job->factor_rank);
        cJSON_AddNumberToObject(separable, "error", job->factor_error);
    }
    cJSON_AddItemToObject(json, "y", cvy_cli_json_shape(&job->y.shape));
    cJSON_AddStringToObject(json, "algorithm", job->algorithm);
    cJSON_AddNumberToObject(json, "ms", 1e3 * job->run_seconds);
    cJSON_AddNumberToObject(json, "setup_ms", 1e3 * job->setup_seconds);
    if (options->expect_path) {
        cJSON_AddItemToObject(
            json, "expect",
            cvy_comparison_json(comparison, "y", options->expect_path, options->common.tolerance));
    }
    return cvy_cli_print_json(json);
}

static int report(const struct conv_job *job, const struct conv_options *options)
{
    struct cvy_comparison comparison = {0};
    if (options->expect_path) {
        cvy_compare(&comparison, &job->y, &job->expected, cvy_file_is_image(options->expect_path));
    }
    if (options->common.json) {
        if (!print_json(job, &comparison, options)) {
            return CVY_CLI_FAILED;
        }
    } else {
        print_report(job);
        if (options->expect_path) {
            cvy_comparison_print(&comparison, "y", options->expect_path, options->common.tolerance);
        }
    }
    return options->expect_path && !cvy_comparison_within(&comparison, options->common.tolerance)
               ? CVY_CLI_BEYOND
               : CVY_CLI_OK;
}

static int run_conv(struct conv_job *job, const struct conv_options *options)
{
    struct cvy_output output = {.path = options->y_path};
    struct cvy_shape y;
    if ((options->y_path && !cvy_output_probe(options->y_path)) || !load(job, options)) {
        return CVY_CLI_FAILED;
    }
    int status = describe(&job->problem, job, options);
    if (status != CVY_CLI_OK) {
        return status;
    }
    job->kind = options->kind;
    if (!prepare(job, options, &y) ||
        (options->y_path && !cvy_file_can_hold(options->y_path, CVY_FLOAT32, &y)) ||
        (options->expect_path && !cvy_expected_load(&job->expected, options->expect_path, CVY_FLOAT32, &y)) ||
        !(is_one_launch(job) ? compute_standard(job) : cvy_conv_job_compute_passes(job))) {
        return CVY_CLI_FAILED;
    }
    if (options->y_path && (!cvy_output_write(&output, &job->y) || !cvy_output_commit(&output, 1))) {
        cvy_output_discard(&output, 1);
        return CVY_CLI_FAILED;
    }
    return report(job, options);
}

static void finish(struct conv_job *job)
{
    cvy_buffer_destroy(&job->x_buffer);
    cvy_buffer_destroy(&job->y_buffer);
    cvy_conv_destroy(&job->conv);
    cvy_plan_destroy(&job->plan);
    cvy_graph_destroy(&job->graph);
    cvy_cli_close_devices(&job->devices);
    cvy_tensor_finish(&job->x);
    for (size_t i = 0; i < CVY_CONV_MAX_PASSES; i++) {
        cvy_tensor_finish(&job->w[i]);
    }
    cvy_tensor_finish(&job->bias);
    cvy_tensor_finish(&job->y);
    cvy_tensor_finish(&job->expected);
}

int cvy_cmd_conv(int argc, char **argv)
{
    struct conv_options options = {.groups = 1};
    cvy_cli_common_init(&options.common);
    int status = cvy_conv_options_parse(&options, argc, argv);
    if (status != CVY_CLI_OK) {
        return status == -1 ? CVY_CLI_OK : status;
    }
    cvy_cli_log(options.common.verbose);
    struct conv_job job = {0};
    status = run_conv(&job, &options);
    finish(&job);
    return status;
}
