/* tensor_file.h - tensors from and to .npy, .pb, .png and .jpg files, by the file's name. */
#ifndef TOOLS_TENSOR_FILE_H
#define TOOLS_TENSOR_FILE_H

#include "image.h"

bool cvy_file_is_image(const char *path);

/* The functions below print why they failed. */

/* Reads a tensor as dtype: float32 or float64 takes any numbers, an integer type takes files of that type
 * alone. image says what becomes of a picture, which is float32. */
bool cvy_file_load(struct cvy_tensor *tensor, const char *path, enum cvy_dtype dtype,
                   const struct cvy_image_params *image);

/* Whether a tensor of this type and shape can be written as the kind of file that path names. */
bool cvy_file_can_hold(const char *path, enum cvy_dtype dtype, const struct cvy_shape *shape);

/* Files being written: each beside its target, renamed when all of them are complete. */
struct cvy_output {
    const char *path;
    char *temporary; /* NULL until written */
};
/* Whether path can be written, found by making a file beside it and removing that again. */
bool cvy_output_probe(const char *path);
/* Writes tensor beside output->path. */
bool cvy_output_write(struct cvy_output *output, const struct cvy_tensor *tensor);
/* Renames all; on failure the rest is removed. */
bool cvy_output_commit(struct cvy_output *outputs, size_t count);
/* Removes what was written and not committed. */
void cvy_output_discard(struct cvy_output *outputs, size_t count);

#endif
