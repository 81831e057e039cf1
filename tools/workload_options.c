/* workload_options.c - reads which convolutions are to be measured. */
#include "workload_options.h"

#include "model_layers.h"

#include <stdlib.h>

bool cvy_workload_options_init(struct cvy_workload_options *options, const char *command, int argc)
{
    *options = (struct cvy_workload_options){.command = command};
    cvy_cli_common_init(&options->common);
    options->shapes = calloc((size_t)argc, sizeof(*options->shapes));
    if (!options->shapes) {
        cvy_cli_error("out of memory");
    }
    return options->shapes != NULL;
}

int cvy_workload_options_take(struct cvy_workload_options *options, int option, const char *argument)
{
    struct cvy_descriptor_options transposed = options->descriptor;
    transposed.transposed = true;
    switch (option) {
    case CVY_WORKLOAD_OPT_DECONV:
        return cvy_workload_add(&options->workload, argument, options->command, &transposed);
    case CVY_WORKLOAD_OPT_BATCH:
        return cvy_workload_add_batch(&options->workload, argument, options->command, &options->descriptor);
    case CVY_WORKLOAD_OPT_MB:
        return cvy_cli_parse_size(argument, &options->descriptor.mb)
                   ? CVY_CLI_OK
                   : cvy_cli_usage(options->command, "--mb %s: not a whole number from 0", argument);
    case CVY_WORKLOAD_OPT_SHAPE:
        options->shapes[options->n_shapes++] = argument;
        return CVY_CLI_OK;
    case CVY_WORKLOAD_OPT_PLAIN:
        options->plain = true;
        return CVY_CLI_OK;
    default:
        return cvy_cli_common_option(&options->common, options->command, option, argument);
    }
}

static int take_model(struct cvy_workload_options *options, const char *path)
{
    if (options->model) {
        return cvy_cli_usage(options->command, "%s: a second model; give one", path);
    }
    options->model = path;
    return CVY_CLI_OK;
}

int cvy_workload_options_take_words(struct cvy_workload_options *options, char *const *words, int *count)
{
    if (!cvy_descriptor_is_split(words[0])) {
        *count = 1;
        return cvy_is_model(words[0])
                   ? take_model(options, words[0])
                   : cvy_workload_add(&options->workload, words[0], options->command, &options->descriptor);
    }
    char *line = cvy_descriptor_join(words, *count);
    if (!line) {
        cvy_cli_error("out of memory");
        return CVY_CLI_FAILED;
    }
    int status = cvy_workload_add(&options->workload, line, options->command, &options->descriptor);
    free(line);
    return status;
}

int cvy_workload_options_check(const struct cvy_workload_options *options, const char *done)
{
    const struct cvy_descriptor_options *descriptor = &options->descriptor;
    if (!options->model) {
        return options->n_shapes == 0
                   ? CVY_CLI_OK
                   : cvy_cli_usage(options->command,
                                   "--shape %s: goes with a model; a descriptor has its sizes in it",
                                   options->shapes[0]);
    }
    if (options->workload.count > 0) {
        return cvy_cli_usage(options->command, "%s: a model is %s alone", options->model, done);
    }
    if (descriptor->mb || descriptor->bias) {
        return cvy_cli_usage(options->command, "%s: %s does not go with a model; drop it", options->model,
                             descriptor->mb ? "--mb" : "--bias");
    }
    return CVY_CLI_OK;
}

int cvy_workload_options_load(struct cvy_workload_options *options)
{
    if (!options->model) {
        return CVY_CLI_OK;
    }
    return cvy_workload_add_model(&options->workload, options->model, options->shapes, options->n_shapes,
                                  options->command);
}

void cvy_workload_options_finish(struct cvy_workload_options *options)
{
    cvy_workload_finish(&options->workload);
    free(options->shapes);
    options->shapes = NULL;
}
