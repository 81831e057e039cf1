/* run_repeat.c - a plan run again and again, on tensors that are on the device. */
#include "run_repeat.h"

#include "measure.h"

#include <stdlib.h>

#define WARM_UPS 3 /* the first compiles, the second records its launches, the third replays them */

bool cvy_run_bind(struct run *run, struct cvy_binding *bindings)
{
    for (size_t i = 0; i < run->n_inputs; i++) {
        const struct cvy_tensor *input = &run->inputs[i];
        bindings[i].name = cvy_graph_input_name(run->graph, i);
        if (cvy_buffer_create(&bindings[i].buffer, run->device, input->bytes) != CVY_OK ||
            cvy_buffer_write(bindings[i].buffer, 0, input->bytes, input->data) != CVY_OK) {
            return false;
        }
    }
    for (size_t i = 0; i < run->n_outputs; i++) {
        struct cvy_binding *binding = &bindings[run->n_inputs + i];
        struct cvy_shape shape;
        binding->name = cvy_graph_output_name(run->graph, i);
        if (cvy_plan_output_shape(run->plan, i, &shape) != CVY_OK ||
            cvy_tensor_init(&run->outputs[i], cvy_plan_output_dtype(run->plan, i), &shape) != CVY_OK ||
            cvy_buffer_create(&binding->buffer, run->device, run->outputs[i].bytes) != CVY_OK) {
            return false;
        }
    }
    return true;
}

bool cvy_run_once(const struct run *run, const struct cvy_binding *bindings, double *seconds)
{
    struct cvy_event *event = NULL;
    const double begin = cvy_cli_now();
    bool done =
        cvy_plan_enqueue(run->plan, bindings, run->n_inputs + run->n_outputs, NULL, 0, &event) == CVY_OK &&
        cvy_event_wait(event) == CVY_OK;
    *seconds = cvy_cli_now() - begin;
    cvy_event_destroy(&event);
    return done;
}

static bool measure(struct run *run, const struct cvy_binding *bindings, double *seconds, size_t n)
{
    bool done = true;
    cvy_plan_set_profile(run->plan, false);
    for (size_t i = 0; done && i < WARM_UPS; i++) {
        done = cvy_run_once(run, bindings, &seconds[0]);
    }
    for (size_t i = 0; done && i < n; i++) {
        done = cvy_run_once(run, bindings, &seconds[i]);
    }
    if (done) {
        run->n_repeats = n;
        run->median_seconds = cvy_median(seconds, n);
        run->min_seconds = seconds[0];
        run->max_seconds = seconds[n - 1];
    }
    cvy_plan_set_profile(run->plan, true);
    return done && cvy_run_once(run, bindings, &run->run_seconds);
}

bool cvy_run_repeat(struct run *run, size_t n)
{
    struct cvy_binding bindings[2 * CVY_RUN_MAX_SLOTS] = {0};
    double *seconds = malloc(n * sizeof(*seconds));
    if (!seconds) {
        cvy_cli_error("out of memory");
    }
    bool done = seconds && cvy_run_bind(run, bindings) && measure(run, bindings, seconds, n);
    for (size_t i = 0; done && i < run->n_outputs; i++) {
        done = cvy_buffer_read(bindings[run->n_inputs + i].buffer, 0, run->outputs[i].bytes,
                               run->outputs[i].data) == CVY_OK;
    }
    free(seconds);
    cvy_device_finish(run->device);
    for (size_t i = 0; i < 2 * CVY_RUN_MAX_SLOTS; i++) {
        cvy_buffer_destroy(&bindings[i].buffer);
    }
    return done;
}
