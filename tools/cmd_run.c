/* cmd_run.c - convoy run: an ONNX model on files. */
#include "cli.h"
#include "run_report.h"
#include "tensor_file.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: convoy run MODEL.onnx -i [NAME=]FILE... [-o [NAME=]FILE...] [OPTION...]\n"
    "Runs a model. Files: .npy, ONNX TensorProto .pb, .png, .jpg; a picture is a float tensor 1xCxHxW, 0 to "
    "1,\n"
    "grey or RGB as the input needs it. Files without a name are taken in the model's order; \"=FILE\" "
    "stands for\n"
    "a file without a name whose own name has a '='.\n\n"
    "  -i, --input [NAME=]FILE   an input\n"
    "  -o, --output [NAME=]FILE  write an output\n"
    "  --expect [NAME=]FILE      compare an output with a file; exit 3 beyond the tolerance. A picture is\n"
    "                            compared with the output rounded to 8 bits\n"
    "  --mean R[,G,B]      subtracted from input pictures\n"
    "  --std R[,G,B]       and then divided by\n"
    "  --size HxW          scale input pictures\n"
    "  --grey              read input pictures as grey\n" CVY_CLI_COMMON_HELP;

struct run_options {
    struct cvy_cli_common common;
    const char *model;
    struct cvy_cli_files inputs, outputs, expects;
    struct cvy_image_params image;
    bool grey;
};

enum {
    OPT_EXPECT = CVY_CLI_OPT_LAST,
    OPT_MEAN,
    OPT_STD,
    OPT_SIZE,
    OPT_GREY,
};

static const struct option long_options[] = {
    {"input", required_argument, NULL, 'i'},
    {"output", required_argument, NULL, 'o'},
    {"expect", required_argument, NULL, OPT_EXPECT},
    {"mean", required_argument, NULL, OPT_MEAN},
    {"std", required_argument, NULL, OPT_STD},
    {"size", required_argument, NULL, OPT_SIZE},
    {"grey", no_argument, NULL, OPT_GREY},
    CVY_CLI_COMMON_OPTIONS,
    {0},
};

/* One or three numbers. */
static int parse_colours(const char *option, const char *text, float *values, size_t *count, bool zero_is_bad)
{
    char copy[128];
    size_t found = 0;
    bool good = strlen(text) < sizeof(copy);
    snprintf(copy, sizeof(copy), "%s", text);
    for (char *at = copy, *next; good && at; at = next) {
        next = strchr(at, ',');
        if (next) {
            *next++ = '\0';
        }
        double value = 0;
        good = found < 3 && cvy_cli_parse_double(at, &value) && isfinite(value) &&
               !(zero_is_bad && (float)value == 0);
        if (good) {
            values[found++] = (float)value;
        }
    }
    if (!good || found == 2) {
        return cvy_cli_usage("run", "%s %s: not one or three numbers%s", option, text,
                             zero_is_bad ? " other than 0" : "");
    }
    *count = found;
    return CVY_CLI_OK;
}

static int parse_image_size(struct cvy_image_params *image, const char *text)
{
    char height[32];
    size_t digits = strcspn(text, "x");
    snprintf(height, sizeof(height), "%.*s", (int)(digits < 31 ? digits : 31), text);
    if (text[digits] != 'x' || digits > 31 || !cvy_cli_parse_size(height, &image->height) ||
        !cvy_cli_parse_size(text + digits + 1, &image->width) || image->height == 0 || image->width == 0) {
        return cvy_cli_usage("run", "--size %s: not HEIGHTxWIDTH, such as 224x224", text);
    }
    return CVY_CLI_OK;
}

static int add_file(struct cvy_cli_files *files, const char *argument)
{
    return cvy_cli_files_add(files, argument) ? CVY_CLI_OK : CVY_CLI_FAILED;
}

static int take_option(void *user, int option, const char *argument)
{
    struct run_options *options = user;
    switch (option) {
    case 'i':
        return add_file(&options->inputs, argument);
    case 'o':
        return add_file(&options->outputs, argument);
    case OPT_EXPECT:
        return add_file(&options->expects, argument);
    case OPT_MEAN:
        return parse_colours("--mean", argument, options->image.mean, &options->image.n_mean, false);
    case OPT_STD:
        return parse_colours("--std", argument, options->image.std, &options->image.n_std, true);
    case OPT_SIZE:
        return parse_image_size(&options->image, argument);
    case OPT_GREY:
        options->grey = true;
        return CVY_CLI_OK;
    default:
        return cvy_cli_common_option(&options->common, "run", option, argument);
    }
}

static int parse_options(struct run_options *options, int argc, char **argv)
{
    static const struct cvy_cli_syntax syntax = {
        .command = "run",
        .help = help,
        .letters = "i:o:",
        .options = long_options,
        .take_option = take_option,
    };
    const int status = cvy_cli_parse(&syntax, options, argc, argv);
    if (status != CVY_CLI_OK) {
        return status;
    }
    if (argc - optind != 1) {
        return cvy_cli_usage("run", "%d models given, 1 needed", argc - optind);
    }
    options->model = argv[optind];
    for (size_t i = 0; i < options->outputs.count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (strcmp(options->outputs.items[i].path, options->outputs.items[j].path) == 0) {
                return cvy_cli_usage("run", "--output %s: given twice", options->outputs.items[i].path);
            }
        }
    }
    return CVY_CLI_OK;
}

typedef const char *name_of(const struct cvy_graph *graph, size_t index);

static void list_names(const char *what, const struct cvy_graph *graph, size_t count, name_of *name,
                       const bool *taken)
{
    char text[2048] = "";
    size_t used = 0;
    for (size_t i = 0; i < count && used < sizeof(text) - 1; i++) {
        if (!taken || !taken[i]) {
            int wrote = snprintf(text + used, sizeof(text) - used, "%s%s", used ? ", " : "", name(graph, i));
            used += wrote > 0 ? (size_t)wrote : 0;
        }
    }
    cvy_cli_error("%s%s", what, text);
}

/*
 * Finds for each file the input or output it belongs to: by name, then the rest in order. slots has one
 * index into files for each input or output, SIZE_MAX where there is none.
 */
static bool assign(size_t *slots, size_t n_slots, const struct cvy_cli_files *files, const char *kind,
                   const struct cvy_graph *graph, name_of *name)
{
    char what[512];
    for (size_t s = 0; s < n_slots; s++) {
        slots[s] = SIZE_MAX;
    }
    for (size_t f = 0; f < files->count; f++) {
        if (!files->items[f].name) {
            continue;
        }
        size_t s = 0;
        while (s < n_slots && strcmp(files->items[f].name, name(graph, s)) != 0) {
            s++;
        }
        if (s == n_slots || slots[s] != SIZE_MAX) {
            snprintf(what, sizeof(what), "%s: %s %s '%s'; the model has ", files->items[f].path,
                     s == n_slots ? "there is no" : "given a second time:", kind, files->items[f].name);
            list_names(what, graph, n_slots, name, NULL);
            return false;
        }
        slots[s] = f;
    }
    size_t s = 0;
    for (size_t f = 0; f < files->count; f++) {
        if (files->items[f].name) {
            continue;
        }
        while (s < n_slots && slots[s] != SIZE_MAX) {
            s++;
        }
        if (s == n_slots) {
            snprintf(what, sizeof(what), "%s: one %s too many; the model has ", files->items[f].path, kind);
            list_names(what, graph, n_slots, name, NULL);
            return false;
        }
        slots[s] = f;
    }
    return true;
}

static bool check_missing(const struct run *run, const char *model)
{
    bool taken[CVY_RUN_MAX_SLOTS], all = true;
    char what[512];
    for (size_t i = 0; i < run->n_inputs; i++) {
        taken[i] = run->input_file[i] != SIZE_MAX;
        all = all && taken[i];
    }
    if (!all) {
        snprintf(what, sizeof(what), "%s: no file for some inputs; give with -i NAME=FILE: ", model);
        list_names(what, run->graph, run->n_inputs, cvy_graph_input_name, taken);
    }
    return all;
}

static bool assign_files(struct run *run, const struct run_options *options)
{
    run->n_inputs = cvy_graph_input_count(run->graph);
    run->n_outputs = cvy_graph_output_count(run->graph);
    if (run->n_inputs > CVY_RUN_MAX_SLOTS || run->n_outputs > CVY_RUN_MAX_SLOTS) {
        cvy_cli_error("%s: %zu inputs and %zu outputs; the command takes up to %d of each", options->model,
                      run->n_inputs, run->n_outputs, CVY_RUN_MAX_SLOTS);
        return false;
    }
    return assign(run->input_file, run->n_inputs, &options->inputs, "input", run->graph,
                  cvy_graph_input_name) &&
           assign(run->output_file, run->n_outputs, &options->outputs, "output", run->graph,
                  cvy_graph_output_name) &&
           assign(run->expect_file, run->n_outputs, &options->expects, "output", run->graph,
                  cvy_graph_output_name) &&
           check_missing(run, options->model);
}

/* What a picture must become for an input of the declared shape. */
static bool fit_image(struct cvy_image_params *image, const struct run *run, size_t index, const char *path,
                      bool grey)
{
    struct cvy_shape shape;
    char text[128];
    if (grey) {
        image->channels = 1;
    }
    if (!cvy_graph_input_shape(run->graph, index, &shape)) {
        return true;
    }
    const size_t channels = shape.rank == 4 ? shape.dims[1] : 4;
    if (channels != 0 && channels != 1 && channels != 3) {
        cvy_cli_error("%s: input '%s' is %s (0: any), but a picture is 1xCxHxW with C 1 or 3; give a .npy",
                      path, cvy_graph_input_name(run->graph, index),
                      cvy_shape_format(&shape, text, sizeof(text)));
        return false;
    }
    image->channels = grey ? 1 : channels;
    return true;
}

static bool check_image_size(const struct run *run, size_t index, const char *path)
{
    struct cvy_shape shape;
    const size_t *dims = run->inputs[index].shape.dims;
    if (cvy_graph_input_shape(run->graph, index, &shape) && shape.rank == 4 && shape.dims[2] &&
        shape.dims[3] && (shape.dims[2] != dims[2] || shape.dims[3] != dims[3])) {
        cvy_cli_error("%s: %zux%zu (HxW), but input '%s' takes %zux%zu; give --size %zux%zu", path, dims[2],
                      dims[3], cvy_graph_input_name(run->graph, index), shape.dims[2], shape.dims[3],
                      shape.dims[2], shape.dims[3]);
        return false;
    }
    return true;
}

static bool load_inputs(struct run *run, const struct run_options *options)
{
    for (size_t i = 0; i < run->n_inputs; i++) {
        const char *path = options->inputs.items[run->input_file[i]].path;
        struct cvy_image_params image = options->image;
        const bool is_image = cvy_file_is_image(path);
        if ((is_image && !fit_image(&image, run, i, path, options->grey)) ||
            !cvy_file_load(&run->inputs[i], path, cvy_graph_input_dtype(run->graph, i), &image) ||
            (is_image && !check_image_size(run, i, path))) {
            return false;
        }
        run->shapes[i] = run->inputs[i].shape;
    }
    return true;
}

static bool prepare(struct run *run, const struct run_options *options)
{
    double start = cvy_cli_now();
    if (!cvy_cli_open_device(&run->device, &options->common)) {
        return false;
    }
    struct cvy_plan_params params = {
        .input_shapes = run->shapes,
        .n_input_shapes = run->n_inputs,
        .algo = options->common.algo,
        .profile = true,
    };
    if (cvy_plan_create(&run->plan, run->graph, &run->device, 1, &params) != CVY_OK) {
        return false;
    }
    run->setup_seconds = cvy_cli_now() - start;
    return true;
}

/* Outputs' shapes are known now: whatever does not fit them is refused before the work. */
static bool check_outputs(struct run *run, const struct run_options *options)
{
    for (size_t i = 0; i < run->n_outputs; i++) {
        struct cvy_shape shape;
        enum cvy_dtype dtype = cvy_plan_output_dtype(run->plan, i);
        if (cvy_plan_output_shape(run->plan, i, &shape) != CVY_OK) {
            return false;
        }
        if (run->output_file[i] != SIZE_MAX &&
            !cvy_file_can_hold(options->outputs.items[run->output_file[i]].path, dtype, &shape)) {
            return false;
        }
        if (run->expect_file[i] != SIZE_MAX) {
            run->expect_path[i] = options->expects.items[run->expect_file[i]].path;
            if (!cvy_expected_load(&run->expected[i], run->expect_path[i], dtype, &shape)) {
                return false;
            }
        }
    }
    return true;
}

static bool write_outputs(struct run *run, const struct run_options *options)
{
    struct cvy_output files[CVY_RUN_MAX_SLOTS];
    size_t count = 0;
    bool done = true;
    for (size_t i = 0; done && i < run->n_outputs; i++) {
        if (run->output_file[i] != SIZE_MAX) {
            files[count] = (struct cvy_output){.path = options->outputs.items[run->output_file[i]].path};
            done = cvy_output_write(&files[count++], &run->outputs[i]);
        }
    }
    if (!done) {
        cvy_output_discard(files, count);
        return false;
    }
    return cvy_output_commit(files, count);
}

static int run_model(struct run *run, const struct run_options *options)
{
    for (size_t i = 0; i < options->outputs.count; i++) {
        if (!cvy_output_probe(options->outputs.items[i].path)) {
            return CVY_CLI_FAILED;
        }
    }
    if (cvy_graph_load_onnx(&run->graph, options->model, NULL) != CVY_OK || !assign_files(run, options) ||
        !load_inputs(run, options) || !prepare(run, options) || !check_outputs(run, options)) {
        return CVY_CLI_FAILED;
    }
    double start = cvy_cli_now();
    if (cvy_plan_run(run->plan, run->inputs, run->outputs) != CVY_OK) {
        return CVY_CLI_FAILED;
    }
    run->run_seconds = cvy_cli_now() - start;
    if (!write_outputs(run, options)) {
        return CVY_CLI_FAILED;
    }
    return cvy_run_report(run, options->model, &options->common);
}

static void run_finish(struct run *run)
{
    cvy_plan_destroy(&run->plan);
    cvy_device_destroy(&run->device);
    cvy_graph_destroy(&run->graph);
    for (size_t i = 0; i < CVY_RUN_MAX_SLOTS; i++) {
        cvy_tensor_finish(&run->inputs[i]);
        cvy_tensor_finish(&run->outputs[i]);
        cvy_tensor_finish(&run->expected[i]);
    }
}

int cvy_cmd_run(int argc, char **argv)
{
    struct run_options options = {0};
    struct run run = {0};
    cvy_cli_common_init(&options.common);
    int status = parse_options(&options, argc, argv);
    if (status == CVY_CLI_OK) {
        cvy_cli_log(options.common.verbose);
        status = run_model(&run, &options);
    }
    run_finish(&run);
    cvy_cli_files_finish(&options.inputs);
    cvy_cli_files_finish(&options.outputs);
    cvy_cli_files_finish(&options.expects);
    return status == -1 ? CVY_CLI_OK : status;
}
