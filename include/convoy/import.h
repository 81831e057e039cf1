/*
 * import.h - ONNX models to graphs, .npy and ONNX TensorProto files to tensors and back.
 *
 * Files are checked before they are believed: sizes against the file's length, counts against limits.
 */
#ifndef CONVOY_IMPORT_H
#define CONVOY_IMPORT_H

#include <convoy/graph.h>
#include <convoy/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cvy_onnx_params {
    size_t max_bytes; /* refuse larger files; 0 = 2 GiB */
};

/*
 * Reads an ONNX model (opset 6 and later; see docs/onnx.md) and builds its graph. Inputs that have an
 * initializer are constants. params may be NULL. Errors: CVY_ERROR_IO, CVY_ERROR_FORMAT (truncated, or no
 * ONNX), CVY_ERROR_UNSUPPORTED (names operator, node and opset, or says that this build has no ONNX).
 */
CVY_API enum cvy_status cvy_graph_load_onnx(struct cvy_graph **graph, const char *path,
                                            const struct cvy_onnx_params *params);
/* The same from memory; name stands for the path in messages. */
CVY_API enum cvy_status cvy_graph_load_onnx_memory(struct cvy_graph **graph, const void *data, size_t bytes,
                                                   const char *name, const struct cvy_onnx_params *params);

/* NumPy's .npy, versions 1 to 3, C order or Fortran order (which is rearranged), little or big endian. */
CVY_API enum cvy_status cvy_tensor_load_npy(struct cvy_tensor *tensor, const char *path);
/* Writes beside the target and renames, so that a failure leaves no half-written file. */
CVY_API enum cvy_status cvy_tensor_save_npy(const struct cvy_tensor *tensor, const char *path);

/* One ONNX TensorProto in a file, as in ONNX's test data. */
CVY_API enum cvy_status cvy_tensor_load_pb(struct cvy_tensor *tensor, const char *path);
CVY_API enum cvy_status cvy_tensor_save_pb(const struct cvy_tensor *tensor, const char *path);

#ifdef __cplusplus
}
#endif

#endif
