/* cmd_conv.c - convoy conv: one convolution from files to a file. */
#include "cli.h"
#include "compare.h"
#include "tensor_file.h"

#include <cjson/cJSON.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: convoy conv X.npy W.npy [-o Y.npy] [OPTION...]\n"
    "Runs one convolution. X is N C [D [H]] W, W is K C/groups [Z [R]] S, Y is N K [O [P]] Q;\n"
    "with --transposed W is C K/groups [Z [R]] S. Lists have one value for each spatial axis, or one\n"
    "for all. Files: .npy, .pb, .png, .jpg.\n\n"
    "  -o, --output FILE   write Y\n"
    "  --bias FILE         K values to add\n"
    "  --stride LIST       default 1\n"
    "  --dilation LIST     default 1: none\n"
    "  --pad LIST[:LIST]   padding at the begin and at the end of the axes; one list: both (default 0)\n"
    "  --pad-mode MODE     what padding holds: zeros, reflect, replicate, circular (default zeros)\n"
    "  --groups N          default 1\n"
    "  --shuffle N         shuffle the channels of Y in N groups\n"
    "  --transposed        transposed convolution\n"
    "  --output-padding LIST  extra size at the end of Y, transposed only\n"
    "  --flip              read W backwards: true convolution\n"
    "  --separable RANK    factor W by spatial axes, run two passes in its place; 0: the least exact rank\n"
    "  --expect FILE       compare Y with it; exit 3 beyond the tolerance\n" CVY_CLI_COMMON_HELP;

/* One value for each axis as given; count may exceed what values holds, to be reported. */
struct axis_list {
    const char *option;
    const char *text; /* NULL = not given */
    size_t count;
    size_t values[CVY_CONV_MAX_RANK];
};

struct conv_options {
    struct cvy_cli_common common;
    const char *x_path, *w_path, *bias_path, *y_path, *expect_path;
    struct axis_list stride, dilation, pad_begin, pad_end, output_padding;
    size_t groups, shuffle;
    enum cvy_pad_mode pad_mode;
    bool transposed, flip, separable;
    size_t separable_rank;
};

struct conv_job {
    struct cvy_tensor x, w, bias, y, expected;
    struct cvy_conv_problem problem;
    struct cvy_device *device;
    struct cvy_conv_factors factors; /* with --separable; conv is then its first pass */
    struct cvy_conv *conv, *second;
    struct cvy_buffer *x_buffer, *middle_buffer, *y_buffer;
    double setup_seconds, run_seconds;
};

/* Parses "1,2,3" up to end (NULL = all of text). */
static int parse_list(struct axis_list *list, const char *option, const char *text, const char *end)
{
    *list = (struct axis_list){.option = option, .text = text};
    const char *stop = end ? end : text + strlen(text);
    for (const char *at = text;; at++) {
        char number[32];
        size_t length = 0;
        while (at + length < stop && at[length] != ',') {
            length++;
        }
        size_t value = 0;
        snprintf(number, sizeof(number), "%.*s", (int)(length < sizeof(number) ? length : sizeof(number) - 1),
                 at);
        if (length >= sizeof(number) || !cvy_cli_parse_size(number, &value)) {
            return cvy_cli_usage("conv", "%s %s: '%s' is not a whole number from 0", option, text, number);
        }
        if (list->count < CVY_CONV_MAX_RANK) {
            list->values[list->count] = value;
        }
        list->count++;
        at += length;
        if (at == stop) {
            return CVY_CLI_OK;
        }
    }
}

static int parse_pad(struct conv_options *options, const char *text)
{
    const char *colon = strchr(text, ':');
    int status = parse_list(&options->pad_begin, "--pad", text, colon);
    if (status == CVY_CLI_OK) {
        status = parse_list(&options->pad_end, "--pad", colon ? colon + 1 : text, NULL);
    }
    options->pad_end.text = options->pad_begin.text;
    return status;
}

/* Spreads a list over the axes of the problem. */
static int apply_list(size_t *target, size_t rank, const struct axis_list *list)
{
    if (!list->text) {
        return CVY_CLI_OK;
    }
    if (list->count != 1 && list->count != rank) {
        return cvy_cli_usage("conv", "%s %s: %zu values, but the problem has %zu %s; give %s%zu",
                             list->option, list->text, list->count, rank, rank == 1 ? "axis" : "axes",
                             rank == 1 ? "" : "1 or ", rank);
    }
    for (size_t i = 0; i < rank; i++) {
        target[i] = list->values[list->count == 1 ? 0 : i];
    }
    return CVY_CLI_OK;
}

enum {
    OPT_BIAS = CVY_CLI_OPT_LAST,
    OPT_STRIDE,
    OPT_DILATION,
    OPT_PAD,
    OPT_PAD_MODE,
    OPT_GROUPS,
    OPT_SHUFFLE,
    OPT_TRANSPOSED,
    OPT_OUTPUT_PADDING,
    OPT_FLIP,
    OPT_SEPARABLE,
    OPT_EXPECT,
};

static const struct option long_options[] = {
    {"output", required_argument, NULL, 'o'},
    {"bias", required_argument, NULL, OPT_BIAS},
    {"stride", required_argument, NULL, OPT_STRIDE},
    {"dilation", required_argument, NULL, OPT_DILATION},
    {"pad", required_argument, NULL, OPT_PAD},
    {"pad-mode", required_argument, NULL, OPT_PAD_MODE},
    {"groups", required_argument, NULL, OPT_GROUPS},
    {"shuffle", required_argument, NULL, OPT_SHUFFLE},
    {"transposed", no_argument, NULL, OPT_TRANSPOSED},
    {"output-padding", required_argument, NULL, OPT_OUTPUT_PADDING},
    {"flip", no_argument, NULL, OPT_FLIP},
    {"separable", required_argument, NULL, OPT_SEPARABLE},
    {"expect", required_argument, NULL, OPT_EXPECT},
    CVY_CLI_COMMON_OPTIONS,
    {0},
};

static int parse_count(size_t *count, const char *option, const char *text)
{
    if (!cvy_cli_parse_size(text, count)) {
        return cvy_cli_usage("conv", "%s %s: not a whole number from 0", option, text);
    }
    return CVY_CLI_OK;
}

static int parse_option(struct conv_options *options, int option, const char *argument)
{
    switch (option) {
    case 'o':
        options->y_path = argument;
        return CVY_CLI_OK;
    case OPT_BIAS:
        options->bias_path = argument;
        return CVY_CLI_OK;
    case OPT_STRIDE:
        return parse_list(&options->stride, "--stride", argument, NULL);
    case OPT_DILATION:
        return parse_list(&options->dilation, "--dilation", argument, NULL);
    case OPT_PAD:
        return parse_pad(options, argument);
    case OPT_PAD_MODE:
        return cvy_cli_parse_pad_mode("conv", argument, &options->pad_mode);
    case OPT_GROUPS:
        return parse_count(&options->groups, "--groups", argument);
    case OPT_SHUFFLE:
        return parse_count(&options->shuffle, "--shuffle", argument);
    case OPT_TRANSPOSED:
        options->transposed = true;
        return CVY_CLI_OK;
    case OPT_OUTPUT_PADDING:
        return parse_list(&options->output_padding, "--output-padding", argument, NULL);
    case OPT_FLIP:
        options->flip = true;
        return CVY_CLI_OK;
    case OPT_SEPARABLE:
        options->separable = true;
        return parse_count(&options->separable_rank, "--separable", argument);
    case OPT_EXPECT:
        options->expect_path = argument;
        return CVY_CLI_OK;
    default:
        return cvy_cli_common_option(&options->common, "conv", option, argument);
    }
}

/* -1 where --help was asked for. */
static int parse_options(struct conv_options *options, int argc, char **argv)
{
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":o:vh", long_options, NULL)) != -1) {
        if (option == 'h') {
            return -1;
        }
        int status = parse_option(options, option, optarg);
        if (status == -1) {
            return cvy_cli_bad_option("conv", argv, option);
        }
        if (status != CVY_CLI_OK) {
            return status;
        }
    }
    if (argc - optind != 2) {
        return cvy_cli_usage("conv", "%d files given, X and W needed", argc - optind);
    }
    options->x_path = argv[optind];
    options->w_path = argv[optind + 1];
    return CVY_CLI_OK;
}

static bool load(struct conv_job *job, const struct conv_options *options)
{
    return cvy_file_load(&job->x, options->x_path, CVY_FLOAT32, NULL) &&
           cvy_file_load(&job->w, options->w_path, CVY_FLOAT32, NULL) &&
           (!options->bias_path || cvy_file_load(&job->bias, options->bias_path, CVY_FLOAT32, NULL));
}

static int describe(struct cvy_conv_problem *problem, const struct conv_job *job,
                    const struct conv_options *options)
{
    char text[128];
    const struct cvy_shape *x = &job->x.shape, *w = &job->w.shape;
    if (x->rank < 3 || x->rank > CVY_CONV_MAX_RANK + 2) {
        cvy_cli_error("%s: rank %zu (%s), but x has 3 to 5 dimensions: N C [D [H]] W; reshape it",
                      options->x_path, x->rank, cvy_shape_format(x, text, sizeof(text)));
        return CVY_CLI_FAILED;
    }
    if (w->rank != x->rank) {
        cvy_cli_error("%s: rank %zu (%s), but %s has rank %zu and w needs the same; reshape one of them",
                      options->w_path, w->rank, cvy_shape_format(w, text, sizeof(text)), options->x_path,
                      x->rank);
        return CVY_CLI_FAILED;
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
    int status = apply_list(problem->stride, problem->rank, &options->stride);
    status = status ? status : apply_list(problem->dilation, problem->rank, &options->dilation);
    status = status ? status : apply_list(problem->pad_begin, problem->rank, &options->pad_begin);
    status = status ? status : apply_list(problem->pad_end, problem->rank, &options->pad_end);
    return status ? status : apply_list(problem->output_padding, problem->rank, &options->output_padding);
}

/* What the library cannot see: whether the files have the shapes that the problem needs. */
static bool check_files(const struct conv_job *job, const struct conv_options *options)
{
    struct cvy_shape w;
    char got[128], want[128], x[128];
    if (cvy_conv_validate(&job->problem) != CVY_OK || cvy_conv_w_shape(&job->problem, &w) != CVY_OK) {
        return false;
    }
    if (!cvy_shape_equal(&w, &job->w.shape)) {
        cvy_cli_error("%s: shape %s, but an x of %s in %zu groups needs %s; change the file or --groups",
                      options->w_path, cvy_shape_format(&job->w.shape, got, sizeof(got)),
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

/* The convolution, or both passes and what lies between them. */
static bool create_convs(struct conv_job *job, const struct conv_options *options)
{
    struct cvy_conv_params params = {.algo = options->common.algo};
    const float *bias = job->problem.bias ? job->bias.data : NULL;
    if (!options->separable) {
        return cvy_conv_create(&job->conv, job->device, &job->problem, job->w.data, bias, &params) == CVY_OK;
    }
    struct cvy_conv_factors *factors = &job->factors;
    struct cvy_shape middle;
    size_t elements;
    return cvy_conv_factor(factors, &job->problem, job->w.data, options->separable_rank) == CVY_OK &&
           cvy_conv_create(&job->conv, job->device, &factors->passes[0], factors->first_w.data, NULL,
                           &params) == CVY_OK &&
           cvy_conv_create(&job->second, job->device, &factors->passes[1], factors->second_w.data, bias,
                           &params) == CVY_OK &&
           cvy_conv_y_shape(&factors->passes[0], &middle) == CVY_OK &&
           cvy_shape_elements(&middle, &elements) == CVY_OK &&
           cvy_buffer_create(&job->middle_buffer, job->device, elements * sizeof(float)) == CVY_OK;
}

/* The device's queue keeps the order of the passes. */
static bool enqueue(struct conv_job *job)
{
    if (!job->second) {
        return cvy_conv_enqueue(job->conv, job->x_buffer, job->y_buffer, NULL, 0, NULL) == CVY_OK;
    }
    return cvy_conv_enqueue(job->conv, job->x_buffer, job->middle_buffer, NULL, 0, NULL) == CVY_OK &&
           cvy_conv_enqueue(job->second, job->middle_buffer, job->y_buffer, NULL, 0, NULL) == CVY_OK;
}

static bool compute(struct conv_job *job, const struct conv_options *options)
{
    double start = cvy_cli_now();
    if (!cvy_cli_open_device(&job->device, &options->common) || !create_convs(job, options) ||
        cvy_buffer_create(&job->x_buffer, job->device, job->x.bytes) != CVY_OK ||
        cvy_buffer_create(&job->y_buffer, job->device, job->y.bytes) != CVY_OK ||
        cvy_buffer_write(job->x_buffer, 0, job->x.bytes, job->x.data) != CVY_OK) {
        return false;
    }
    double ready = cvy_cli_now();
    if (!enqueue(job) || cvy_device_finish(job->device) != CVY_OK) {
        return false;
    }
    job->run_seconds = cvy_cli_now() - ready;
    job->setup_seconds = ready - start;
    return cvy_buffer_read(job->y_buffer, 0, job->y.bytes, job->y.data) == CVY_OK;
}

/* What has been run: of both passes. */
static double multiplications(const struct conv_job *job)
{
    struct cvy_conv_cost first = {0}, second = {0};
    if (!job->second) {
        (void)cvy_conv_get_cost(&job->problem, &first);
        return first.multiplications;
    }
    (void)cvy_conv_get_cost(&job->factors.passes[0], &first);
    (void)cvy_conv_get_cost(&job->factors.passes[1], &second);
    return first.multiplications + second.multiplications;
}

static void print_report(const struct conv_job *job)
{
    char device[192], x[128], w[128], y[128];
    cvy_cli_describe_device(job->device, device, sizeof(device));
    printf("device     %s\n", device);
    printf("x          %s\n", cvy_shape_format(&job->x.shape, x, sizeof(x)));
    printf("w          %s\n", cvy_shape_format(&job->w.shape, w, sizeof(w)));
    printf("y          %s\n", cvy_shape_format(&job->y.shape, y, sizeof(y)));
    if (job->second) {
        printf("separable  rank %zu, relative error of w %.2g\n", job->factors.rank, job->factors.error);
        printf("algorithm  %s, then %s\n", cvy_conv_get_algo(job->conv), cvy_conv_get_algo(job->second));
    } else {
        printf("algorithm  %s\n", cvy_conv_get_algo(job->conv));
    }
    printf("time       %.3f ms, %.2f GFLOP/s\n", 1e3 * job->run_seconds,
           job->run_seconds > 0 ? 2e-9 * multiplications(job) / job->run_seconds : 0);
    printf("set-up     %.1f ms\n", 1e3 * job->setup_seconds);
}

static bool print_json(const struct conv_job *job, const struct cvy_comparison *comparison,
                       const struct conv_options *options)
{
    char device[192];
    cJSON *json = cJSON_CreateObject();
    cvy_cli_describe_device(job->device, device, sizeof(device));
    cJSON_AddStringToObject(json, "device", device);
    cJSON_AddItemToObject(json, "x", cvy_cli_json_shape(&job->x.shape));
    cJSON_AddItemToObject(json, "w", cvy_cli_json_shape(&job->w.shape));
    cJSON_AddItemToObject(json, "y", cvy_cli_json_shape(&job->y.shape));
    cJSON_AddStringToObject(json, "algorithm", cvy_conv_get_algo(job->conv));
    if (job->second) {
        cJSON *separable = cJSON_AddObjectToObject(json, "separable");
        cJSON_AddNumberToObject(separable, "rank", (double)job->factors.rank);
        cJSON_AddNumberToObject(separable, "error", job->factors.error);
        cJSON_AddStringToObject(separable, "second_algorithm", cvy_conv_get_algo(job->second));
    }
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
    if (!check_files(job, options) || cvy_conv_y_shape(&job->problem, &y) != CVY_OK ||
        (options->y_path && !cvy_file_can_hold(options->y_path, CVY_FLOAT32, &y)) ||
        (options->expect_path && !cvy_expected_load(&job->expected, options->expect_path, CVY_FLOAT32, &y)) ||
        cvy_tensor_init(&job->y, CVY_FLOAT32, &y) != CVY_OK || !compute(job, options)) {
        return CVY_CLI_FAILED;
    }
    if (options->y_path && (!cvy_output_write(&output, &job->y) || !cvy_output_commit(&output, 1))) {
        cvy_output_discard(&output, 1);
        return CVY_CLI_FAILED;
    }
    return report(job, options);
}

int cvy_cmd_conv(int argc, char **argv)
{
    struct conv_options options = {.groups = 1};
    cvy_cli_common_init(&options.common);
    int status = parse_options(&options, argc, argv);
    if (status == -1) {
        fputs(help, stdout);
        return CVY_CLI_OK;
    }
    if (status != CVY_CLI_OK) {
        return status;
    }
    cvy_cli_log(options.common.verbose);
    struct conv_job job = {0};
    status = run_conv(&job, &options);
    cvy_buffer_destroy(&job.x_buffer);
    cvy_buffer_destroy(&job.middle_buffer);
    cvy_buffer_destroy(&job.y_buffer);
    cvy_conv_destroy(&job.conv);
    cvy_conv_destroy(&job.second);
    cvy_conv_factors_finish(&job.factors);
    cvy_device_destroy(&job.device);
    cvy_tensor_finish(&job.x);
    cvy_tensor_finish(&job.w);
    cvy_tensor_finish(&job.bias);
    cvy_tensor_finish(&job.y);
    cvy_tensor_finish(&job.expected);
    return status;
}
