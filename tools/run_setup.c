/* run_setup.c - the device and the plan of a run. */
#include "run_setup.h"

bool cvy_run_make_plan(struct run *run, const struct run_options *options, bool profile)
{
    const double start = cvy_cli_now();
    if (!run->device && !cvy_cli_open_devices(&run->devices, &options->common)) {
        return false;
    }
    run->device = run->devices.items[0];
    const struct cvy_plan_params params = {
        .input_shapes = run->shapes,
        .n_input_shapes = run->n_inputs,
        .algo = options->common.algo,
        .profile = profile,
        .max_memory = options->max_memory,
        .split = options->split,
        .skip_passes = options->no_passes,
        .n_skip_passes = options->n_no_passes,
    };
    if (cvy_plan_create(&run->plan, run->graph, run->devices.items, run->devices.count, &params) != CVY_OK) {
        return false;
    }
    run->setup_seconds += cvy_cli_now() - start;
    return true;
}
