/* What the calls for ONNX say in a build without it. */
#include <convoy/import.h>

#include "base/log.h"

static enum cvy_status fail_missing(const char *what)
{
    return cvy_fail(CVY_ERROR_UNSUPPORTED,
                    "%s: this build has no ONNX; install protobuf-c and configure with -Donnx=enabled", what);
}

enum cvy_status cvy_graph_load_onnx(struct cvy_graph **graph, const char *path,
                                    const struct cvy_onnx_params *params)
{
    (void)graph;
    (void)params;
    return fail_missing(path);
}

enum cvy_status cvy_graph_load_onnx_memory(struct cvy_graph **graph, const void *data, size_t bytes,
                                           const char *name, const struct cvy_onnx_params *params)
{
    (void)graph;
    (void)data;
    (void)bytes;
    (void)params;
    return fail_missing(name);
}

enum cvy_status cvy_tensor_load_pb(struct cvy_tensor *tensor, const char *path)
{
    (void)tensor;
    return fail_missing(path);
}

enum cvy_status cvy_tensor_save_pb(const struct cvy_tensor *tensor, const char *path)
{
    (void)tensor;
    return fail_missing(path);
}
