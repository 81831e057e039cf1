/* The run of one candidate. */
#include "op/tune_parts.h"
#include "runtime/device.h"

static enum cvy_status make_buffers(struct cvy_tune_run *run, const struct cvy_tune_data *data)
{
    const struct cvy_algo *algo = run->algo;
    size_t workspace = cvy_algo_workspace(algo, run->p, run->device, run->config), prepared = 0;
    if (algo->prepared_bytes != NULL)
        prepared = algo->prepared_bytes(run->p, run->device, run->config);
    enum cvy_status status = CVY_OK;
    if (workspace > 0)
        status = cvy_buffer_create(&run->workspace, run->device, workspace);
    if (status == CVY_OK && prepared > 0)
        status = cvy_buffer_create(&run->prepared, run->device, prepared);
    if (status == CVY_OK && prepared > 0)
        status = algo->prepare(run->device, run->p, run->config, data->w_buffer, run->prepared);
    return status;
}

enum cvy_status cvy_tune_run_begin(struct cvy_tune_run *run, struct cvy_device *device,
                                   const struct cvy_tune_data *data, const struct cvy_algo *algo,
                                   const struct cvy_algo_config *config)
{
    *run = (struct cvy_tune_run){.device = device, .p = &data->p, .algo = algo, .config = config};
    enum cvy_status status = algo->build(device, run->p, config);
    if (status == CVY_OK)
        status = make_buffers(run, data);
    if (status != CVY_OK) {
        cvy_tune_run_end(run);
        return status;
    }
    run->args = (struct cvy_algo_args){.x = data->x_buffer,
                                       .y = data->y_buffer,
                                       .w = run->prepared != NULL ? run->prepared : data->w_buffer,
                                       .workspace = run->workspace};
    return CVY_OK;
}

enum cvy_status cvy_tune_run_time(struct cvy_tune_run *run, size_t count, double *seconds)
{
    enum cvy_status status = cvy_device_finish(run->device);
    double begin = cvy_now();
    for (size_t i = 0; status == CVY_OK && i < count; i++)
        status = run->algo->enqueue(run->device, run->p, run->config, &run->args);
    enum cvy_status finished = cvy_device_finish(run->device);
    if (status == CVY_OK)
        status = finished;
    if (status == CVY_OK)
        *seconds = (cvy_now() - begin) / (double)count;
    return status;
}

void cvy_tune_run_end(struct cvy_tune_run *run)
{
    /* nothing of it may be in use when its buffers go */
    cvy_device_finish(run->device);
    cvy_buffer_destroy(&run->prepared);
    cvy_buffer_destroy(&run->workspace);
}
