#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arith.h"
#include "base/log.h"

static enum cvy_status fail_read(const char *path, int error)
{
    if (error == ENOENT || error == ENOTDIR)
        return cvy_fail(CVY_ERROR_NOT_FOUND, "%s: no such file; check the path", path);
    return cvy_fail(CVY_ERROR_IO, "%s: cannot be read (%s); check the path and its permissions", path,
                    strerror(error));
}

static enum cvy_status open_for_reading(const char *path, int *fd, struct stat *info)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (file < 0)
        return fail_read(path, errno);
    if (fstat(file, info) != 0 || S_ISDIR(info->st_mode)) {
        int error = S_ISDIR(info->st_mode) ? EISDIR : errno;
        close(file);
        return fail_read(path, error);
    }
    *fd = file;
    return CVY_OK;
}

/* As many bytes as there are, up to `bytes`; -1 and errno on failure. */
static ssize_t read_some(int fd, uint8_t *data, size_t bytes)
{
    size_t done = 0;
    while (done < bytes) {
        ssize_t got = read(fd, data + done, CVY_MIN(bytes - done, (size_t)1 << 30));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

static enum cvy_status fail_too_large(const char *path, size_t max_bytes)
{
    return cvy_fail(CVY_ERROR_IO, "%s: larger than the limit of %zu bytes; raise the limit or split the file",
                    path, max_bytes);
}

enum cvy_status cvy_file_read(const char *path, size_t max_bytes, uint8_t **data, size_t *bytes)
{
    int fd;
    struct stat info;
    enum cvy_status status = open_for_reading(path, &fd, &info);
    if (status != CVY_OK)
        return status;
    size_t limit = max_bytes ? CVY_MIN(max_bytes, SIZE_MAX / 4) : SIZE_MAX / 4, used = 0;
    uint8_t *buffer = NULL;
    if (S_ISREG(info.st_mode) && (uint64_t)info.st_size > limit) {
        status = fail_too_large(path, limit);
        goto fail;
    }
    /* a regular file fits the first buffer; a pipe makes it grow */
    size_t capacity = S_ISREG(info.st_mode) ? (size_t)info.st_size + 2 : 65536;
    for (;;) {
        uint8_t *grown = realloc(buffer, capacity);
        if (grown == NULL) {
            status = cvy_fail_memory(path, capacity);
            goto fail;
        }
        buffer = grown;
        ssize_t got = read_some(fd, buffer + used, capacity - 1 - used);
        if (got < 0) {
            status = fail_read(path, errno);
            goto fail;
        }
        used += (size_t)got;
        if (used > limit) {
            status = fail_too_large(path, limit);
            goto fail;
        }
        if (used < capacity - 1)
            break;
        capacity *= 2;
    }
    buffer[used] = 0;
    close(fd);
    *data = buffer;
    *bytes = used;
    return CVY_OK;
fail:
    free(buffer);
    close(fd);
    return status;
}

enum cvy_status cvy_file_read_part(const char *path, uint64_t offset, void *data, size_t bytes)
{
    int fd;
    struct stat info;
    enum cvy_status status = open_for_reading(path, &fd, &info);
    if (status != CVY_OK)
        return status;
    if (offset > INT64_MAX || lseek(fd, (off_t)offset, SEEK_SET) < 0) {
        status = fail_read(path, offset > INT64_MAX ? EINVAL : errno);
    } else {
        ssize_t got = read_some(fd, data, bytes);
        if (got < 0)
            status = fail_read(path, errno);
        else if ((size_t)got < bytes)
            status = cvy_fail(CVY_ERROR_FORMAT,
                              "%s: %zu bytes from offset %llu were expected, %zu are there; copy it anew",
                              path, bytes, (unsigned long long)offset, (size_t)got);
    }
    close(fd);
    return status;
}

enum cvy_status cvy_file_size(const char *path, uint64_t *bytes)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return fail_read(path, errno);
    if (!S_ISREG(info.st_mode))
        return cvy_fail(CVY_ERROR_IO, "%s: is no regular file; give a file", path);
    *bytes = (uint64_t)info.st_size;
    return CVY_OK;
}

static enum cvy_status fail_write(const char *path, int error)
{
    return cvy_fail(CVY_ERROR_IO,
                    "%s: cannot be written (%s); check the path, its permissions and free space", path,
                    strerror(error));
}

/* 0, or errno. Closes fd in either case. */
static int write_all(int fd, const struct cvy_piece *pieces, size_t n_pieces)
{
    int error = 0;
    for (size_t i = 0; i < n_pieces && error == 0; i++) {
        const uint8_t *data = pieces[i].data;
        size_t left = pieces[i].bytes;
        while (left > 0 && error == 0) {
            ssize_t put = write(fd, data, CVY_MIN(left, (size_t)1 << 30));
            if (put < 0) {
                error = errno == EINTR ? 0 : errno;
                continue;
            }
            data += put;
            left -= (size_t)put;
        }
    }
    if (close(fd) != 0 && error == 0)
        error = errno;
    return error;
}

/* A new file beside path, its name in beside. */
static int create_beside(const char *path, char *beside, size_t size)
{
    for (unsigned attempt = 0; attempt < 1000; attempt++) {
        snprintf(beside, size, "%s.%ld-%u.part", path, (long)getpid(), attempt);
        int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

enum cvy_status cvy_file_write(const char *path, const struct cvy_piece *pieces, size_t n_pieces)
{
    struct stat info;
    if (lstat(path, &info) == 0 && !S_ISREG(info.st_mode)) {
        int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOCTTY);
        int error = fd < 0 ? errno : write_all(fd, pieces, n_pieces);
        return error ? fail_write(path, error) : CVY_OK;
    }
    size_t size = strlen(path) + 48;
    char *beside = malloc(size);
    if (beside == NULL)
        return cvy_fail_memory("path", size);
    int fd = create_beside(path, beside, size);
    int error = fd < 0 ? errno : write_all(fd, pieces, n_pieces);
    if (error == 0 && rename(beside, path) != 0)
        error = errno;
    if (error != 0 && fd >= 0)
        unlink(beside);
    free(beside);
    return error ? fail_write(path, error) : CVY_OK;
}
