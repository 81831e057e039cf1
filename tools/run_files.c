/* run_files.c - which file belongs to which input and output of a model, and what is in them. */
#include "run_files.h"

#include "measure.h"
#include "model_shapes.h"
#include "tensor_file.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

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

/* Inputs without a file are an error, but where they may be random. */
static bool check_missing(const struct run *run, const char *model)
{
    bool taken[CVY_RUN_MAX_SLOTS], all = true;
    char what[512];
    for (size_t i = 0; i < run->n_inputs; i++) {
        taken[i] = run->input_file[i] != SIZE_MAX;
        all = all && taken[i];
    }
    if (!all) {
        snprintf(what, sizeof(what),
                 "%s: no file for some inputs; give with -i NAME=FILE, or --random SEED: ", model);
        list_names(what, run->graph, run->n_inputs, cvy_graph_input_name, taken);
    }
    return all;
}

bool cvy_run_assign_files(struct run *run, const struct run_options *options)
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
           (options->seed != 0 || check_missing(run, options->model));
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

static bool check_image_size(const struct run *run, size_t index, const char *path,
                             const struct cvy_tensor *tensor)
{
    struct cvy_shape shape;
    const size_t *dims = tensor->shape.dims;
    if (cvy_graph_input_shape(run->graph, index, &shape) && shape.rank == 4 && shape.dims[2] &&
        shape.dims[3] && (shape.dims[2] != dims[2] || shape.dims[3] != dims[3])) {
        cvy_cli_error("%s: %zux%zu (HxW), but input '%s' takes %zux%zu; give --size %zux%zu", path, dims[2],
                      dims[3], cvy_graph_input_name(run->graph, index), shape.dims[2], shape.dims[3],
                      shape.dims[2], shape.dims[3]);
        return false;
    }
    return true;
}

static bool make_random(struct cvy_tensor *tensor, enum cvy_dtype dtype, const struct cvy_shape *shape,
                        uint32_t *state)
{
    struct cvy_tensor values = {0};
    if (cvy_tensor_init(&values, CVY_FLOAT32, shape) != CVY_OK) {
        return false;
    }
    float *value = values.data;
    const bool is_float = dtype == CVY_FLOAT32 || dtype == CVY_FLOAT16 || dtype == CVY_FLOAT64;
    cvy_random_fill(value, values.elements, state);
    for (size_t i = 0; !is_float && i < values.elements; i++) {
        value[i] = dtype == CVY_INT8    ? floorf(128 * value[i])
                   : dtype == CVY_UINT8 ? floorf(128 * value[i] + 128)
                                        : value[i] > 0;
    }
    const bool done = cvy_tensor_convert(tensor, &values, dtype) == CVY_OK;
    cvy_tensor_finish(&values);
    return done;
}

bool cvy_run_load_file(const struct run *run, size_t input, const char *path,
                       const struct run_options *options, struct cvy_tensor *tensor)
{
    struct cvy_image_params image = options->image;
    const bool is_image = cvy_file_is_image(path);
    return (!is_image || fit_image(&image, run, input, path, options->grey)) &&
           cvy_file_load(tensor, path, cvy_graph_input_dtype(run->graph, input), &image) &&
           (!is_image || check_image_size(run, input, path, tensor));
}

static bool load_known(struct run *run, size_t i, const struct run_options *options)
{
    const char *path = options->inputs.items[run->input_file[i]].path;
    const bool done = cvy_run_load_file(run, i, path, options, &run->inputs[i]);
    run->shapes[i] = run->inputs[i].shape;
    return done;
}

int cvy_run_load_inputs(struct run *run, const struct run_options *options, size_t skipped)
{
    bool given[CVY_RUN_MAX_SLOTS];
    for (size_t i = 0; i < run->n_inputs; i++) {
        given[i] = run->input_file[i] != SIZE_MAX;
        if (given[i] && i != skipped && !load_known(run, i, options)) {
            return CVY_CLI_FAILED;
        }
    }
    uint32_t state = options->seed;
    int status = cvy_model_shapes(run->graph, run->shapes, given, options->shapes, options->n_shapes, "run");
    for (size_t i = 0; status == CVY_CLI_OK && i < run->n_inputs; i++) {
        if (run->input_file[i] == SIZE_MAX &&
            !make_random(&run->inputs[i], cvy_graph_input_dtype(run->graph, i), &run->shapes[i], &state)) {
            return CVY_CLI_FAILED;
        }
    }
    return status;
}
