/* conv_passes.c - a convolution of several passes, as one operator of a graph. */
#include "conv_job.h"

#include <stdio.h>

bool cvy_conv_job_factor(struct conv_job *job, const struct conv_options *options)
{
    struct cvy_conv_factors factors = {0};
    if (cvy_conv_factor(&factors, &job->problem, job->w[0].data, options->factor_rank) != CVY_OK) {
        return false;
    }
    cvy_tensor_finish(&job->w[0]);
    job->w[0] = factors.first_w;
    job->w[1] = factors.second_w;
    job->n_w = 2;
    job->kind = CVY_CONV_SPATIALLY_SEPARABLE;
    job->factored = true;
    job->factor_rank = factors.rank;
    job->factor_error = factors.error;
    return true;
}

static struct cvy_op operator_of(const struct conv_job *job)
{
    static const enum cvy_op_type types[CVY_CONV_KINDS] = {
        [CVY_CONV_SPATIALLY_SEPARABLE] = CVY_OP_SPATIALLY_SEPARABLE_CONV,
        [CVY_CONV_DEPTHWISE_SEPARABLE] = CVY_OP_DEPTHWISE_SEPARABLE_CONV,
        [CVY_CONV_FLATTENED] = CVY_OP_FLATTENED_CONV,
    };
    return cvy_op_from_problem(types[job->kind], &job->problem);
}

static bool build_graph(struct conv_job *job)
{
    struct cvy_value *inputs[2 + CVY_CONV_MAX_PASSES], *out;
    size_t n_inputs = 0;
    if (cvy_graph_create(&job->graph) != CVY_OK ||
        cvy_graph_add_input(job->graph, &inputs[n_inputs++], "x", &job->x.shape) != CVY_OK) {
        return false;
    }
    for (size_t i = 0; i < job->n_w; i++) {
        if (cvy_graph_add_constant(job->graph, &inputs[n_inputs++], NULL, &job->w[i]) != CVY_OK) {
            return false;
        }
    }
    if (job->bias.data &&
        cvy_graph_add_constant(job->graph, &inputs[n_inputs++], "bias", &job->bias) != CVY_OK) {
        return false;
    }
    struct cvy_op op = operator_of(job);
    return cvy_graph_add_node(job->graph, &out, &op, inputs, n_inputs, "conv") == CVY_OK &&
           cvy_graph_add_output(job->graph, out, "y") == CVY_OK;
}

bool cvy_conv_job_prepare_passes(struct conv_job *job, const struct conv_options *options,
                                 struct cvy_shape *y)
{
    struct cvy_plan_params params = {
        .algo = options->common.algo, .profile = job->devices.count == 1, .split = options->split};
    struct cvy_plan_layer layer;
    if (!build_graph(job) ||
        cvy_plan_create(&job->plan, job->graph, job->devices.items, job->devices.count, &params) != CVY_OK ||
        cvy_plan_output_shape(job->plan, 0, y) != CVY_OK ||
        cvy_plan_get_layer(job->plan, 0, &layer) != CVY_OK) {
        return false;
    }
    snprintf(job->algorithm, sizeof(job->algorithm), "%s", layer.algorithm);
    for (size_t i = 0; i < cvy_plan_layer_count(job->plan); i++) {
        job->flops += cvy_plan_get_layer(job->plan, i, &layer) == CVY_OK ? layer.flops : 0;
    }
    return true;
}

bool cvy_conv_job_compute_passes(struct conv_job *job)
{
    struct cvy_plan_layer layer;
    const double start = cvy_cli_now();
    if (cvy_plan_run(job->plan, &job->x, &job->y) != CVY_OK ||
        cvy_plan_get_layer(job->plan, 0, &layer) != CVY_OK) {
        return false;
    }
    /* several devices are not waited for layer by layer: copies count */
    job->run_seconds = job->devices.count == 1 ? 1e-3 * layer.milliseconds : cvy_cli_now() - start;
    return true;
}
