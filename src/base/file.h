/* file.h - whole files in and out. */
#ifndef CVY_BASE_FILE_H
#define CVY_BASE_FILE_H

#include <convoy/base.h>

/* Reads all of path, at most max_bytes (0 = any size). *data is freed by the caller with free(); it has one
 * zero byte behind the last. Errors: CVY_ERROR_NOT_FOUND, CVY_ERROR_IO, CVY_ERROR_HOST_MEMORY. */
enum cvy_status cvy_file_read(const char *path, size_t max_bytes, uint8_t **data, size_t *bytes);

/* The same for `bytes` bytes from offset, into data. Fewer in the file: CVY_ERROR_FORMAT. */
enum cvy_status cvy_file_read_part(const char *path, uint64_t offset, void *data, size_t bytes);
/* Errors as above. */
enum cvy_status cvy_file_size(const char *path, uint64_t *bytes);

struct cvy_piece {
    const void *data;
    size_t bytes;
};

/* Writes the pieces beside path and renames; what is no regular file (a device, a pipe) is written to
 * directly. On failure nothing is left behind. */
enum cvy_status cvy_file_write(const char *path, const struct cvy_piece *pieces, size_t n_pieces);

#endif
