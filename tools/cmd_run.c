/* cmd_run.c - convoy run: an ONNX model on files. */
#include "run_files.h"
#include "run_repeat.h"
#include "run_setup.h"
#include "run_stream.h"
#include "run_trace.h"
#include "tensor_file.h"

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

static bool compute(struct run *run, const struct run_options *options)
{
    if (options->repeat != 0) {
        return cvy_run_repeat(run, options->repeat);
    }
    const double start = cvy_cli_now();
    if (cvy_plan_run(run->plan, run->inputs, run->outputs) != CVY_OK) {
        return false;
    }
    run->run_seconds = cvy_cli_now() - start;
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
    for (size_t i = 0; !cvy_run_is_stream(options) && i < options->outputs.count; i++) {
        if (!cvy_output_probe(options->outputs.items[i].path)) {
            return CVY_CLI_FAILED;
        }
    }
    if (cvy_graph_load_onnx(&run->graph, options->model, NULL) != CVY_OK ||
        !cvy_run_assign_files(run, options)) {
        return CVY_CLI_FAILED;
    }
    if (cvy_run_is_stream(options)) {
        return options->repeat || options->trace || options->svg || options->dump_plan ||
                       options->expects.count
                   ? cvy_cli_usage("run", "one input has many files: --repeat, --trace, --svg, --expect and "
                                          "--dump-plan are for a single one")
                   : cvy_run_stream(run, options);
    }
    const int status = cvy_run_load_inputs(run, options, SIZE_MAX);
    if (status != CVY_CLI_OK) {
        return status;
    }
    if (!cvy_run_make_plan(run, options, true)) {
        return CVY_CLI_FAILED;
    }
    if (options->dump_plan) {
        return cvy_run_dump_plan(run, &options->common);
    }
    if (!check_outputs(run, options) || !compute(run, options)) {
        return CVY_CLI_FAILED;
    }
    if (!write_outputs(run, options) ||
        (options->trace && !cvy_run_trace(run, options->model, options->trace)) ||
        (options->svg && !cvy_run_draw(run, options->model, options->svg))) {
        return CVY_CLI_FAILED;
    }
    return cvy_run_report(run, options->model, &options->common);
}

static void run_finish(struct run *run)
{
    cvy_plan_destroy(&run->plan);
    cvy_cli_close_devices(&run->devices);
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
    int status = cvy_run_options_parse(&options, argc, argv);
    if (status == CVY_CLI_OK) {
        cvy_cli_log(options.common.verbose);
        status = run_model(&run, &options);
    }
    run_finish(&run);
    cvy_run_options_finish(&options);
    return status == -1 ? CVY_CLI_OK : status;
}
