/* model_layers.c - the layers of an ONNX model, its open inputs given shapes; no device is needed. */
#include "model_layers.h"

#include "cli.h"
#include "model_shapes.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool cvy_is_model(const char *path)
{
    const size_t length = strlen(path);
    return length >= 5 && strcasecmp(path + length - 5, ".onnx") == 0;
}

int cvy_model_layers(struct cvy_graph **graph, struct cvy_layer_list **list, const char *path,
                     const char *const *shapes, size_t n_shapes, const char *command)
{
    struct cvy_graph *loaded = NULL;
    int status = CVY_CLI_FAILED;
    if (cvy_graph_load_onnx(&loaded, path, NULL) != CVY_OK) {
        return CVY_CLI_FAILED;
    }
    const size_t n_inputs = cvy_graph_input_count(loaded);
    struct cvy_shape *all = calloc(n_inputs + 1, sizeof(*all));
    bool *given = calloc(n_inputs + 1, sizeof(*given));
    if (!all || !given) {
        cvy_cli_error("out of memory");
    } else {
        status = cvy_model_shapes(loaded, all, given, shapes, n_shapes, command);
    }
    if (status == CVY_CLI_OK && cvy_graph_describe(loaded, all, n_inputs, list) != CVY_OK) {
        status = CVY_CLI_FAILED;
    }
    free(all);
    free(given);
    if (status == CVY_CLI_OK) {
        *graph = loaded;
    } else {
        cvy_graph_destroy(&loaded);
    }
    return status;
}
