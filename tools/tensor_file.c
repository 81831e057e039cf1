/* tensor_file.c - finds the codec by the file's name; writes beside the target and renames. */
#include "tensor_file.h"

#include "cli.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum file_kind {
    CVY_FILE_UNKNOWN,
    CVY_FILE_NPY,
    CVY_FILE_PB,
    CVY_FILE_PNG,
    CVY_FILE_JPEG,
};

static enum file_kind kind_of(const char *path)
{
    static const struct {
        const char *extension;
        enum file_kind kind;
    } kinds[] = {
        {".npy", CVY_FILE_NPY},  {".pb", CVY_FILE_PB},     {".png", CVY_FILE_PNG},
        {".jpg", CVY_FILE_JPEG}, {".jpeg", CVY_FILE_JPEG},
    };
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcasecmp(dot, kinds[i].extension) == 0) {
            return kinds[i].kind;
        }
    }
    return CVY_FILE_UNKNOWN;
}

bool cvy_file_is_image(const char *path)
{
    enum file_kind kind = kind_of(path);
    return kind == CVY_FILE_PNG || kind == CVY_FILE_JPEG;
}

static bool unknown_kind(const char *path)
{
    cvy_cli_error("%s: not a kind of file known by its name; use .npy, .pb, .png or .jpg", path);
    return false;
}

static bool load_image(struct cvy_tensor *tensor, const char *path, const struct cvy_image_params *image)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        cvy_cli_error("%s: %s; check the name and the permissions", path, strerror(errno));
        return false;
    }
    bool done = kind_of(path) == CVY_FILE_PNG ? cvy_image_load_png(tensor, path, file)
                                              : cvy_image_load_jpeg(tensor, path, file);
    fclose(file);
    if (done && image && !cvy_image_apply(tensor, path, image)) {
        cvy_tensor_finish(tensor);
        return false;
    }
    return done;
}

static bool is_float(enum cvy_dtype dtype)
{
    return dtype == CVY_FLOAT32 || dtype == CVY_FLOAT64;
}

/* Only what loses nothing by design: no number is rounded or clamped to an integer in silence. */
static bool to_dtype(struct cvy_tensor *tensor, const char *path, enum cvy_dtype dtype)
{
    if (tensor->dtype == dtype) {
        return true;
    }
    if (!is_float(dtype)) {
        cvy_cli_error("%s: holds %s, but %s is wanted; convert the file", path, cvy_dtype_name(tensor->dtype),
                      cvy_dtype_name(dtype));
        cvy_tensor_finish(tensor);
        return false;
    }
    struct cvy_tensor converted = {0};
    if (cvy_tensor_convert(&converted, tensor, dtype) != CVY_OK) {
        cvy_tensor_finish(tensor);
        return false;
    }
    cvy_tensor_finish(tensor);
    *tensor = converted;
    return true;
}

bool cvy_file_load(struct cvy_tensor *tensor, const char *path, enum cvy_dtype dtype,
                   const struct cvy_image_params *image)
{
    switch (kind_of(path)) {
    case CVY_FILE_NPY:
        return cvy_tensor_load_npy(tensor, path) == CVY_OK && to_dtype(tensor, path, dtype);
    case CVY_FILE_PB:
        return cvy_tensor_load_pb(tensor, path) == CVY_OK && to_dtype(tensor, path, dtype);
    case CVY_FILE_PNG:
    case CVY_FILE_JPEG:
        if (!is_float(dtype)) {
            cvy_cli_error("%s: a picture is read as float32, but %s is wanted; give a .npy or .pb file", path,
                          cvy_dtype_name(dtype));
            return false;
        }
        return load_image(tensor, path, image) && to_dtype(tensor, path, dtype);
    case CVY_FILE_UNKNOWN:
        break;
    }
    return unknown_kind(path);
}

bool cvy_file_can_hold(const char *path, enum cvy_dtype dtype, const struct cvy_shape *shape)
{
    char text[128];
    if (cvy_file_is_image(path) && !is_float(dtype)) {
        cvy_cli_error("%s: the output is %s, a picture is made from float32; use .npy instead", path,
                      cvy_dtype_name(dtype));
        return false;
    }
    if (cvy_file_is_image(path) && !cvy_image_is_shape(shape)) {
        cvy_cli_error("%s: the output is %s, a picture is 1xCxHxW with C 1 or 3; use .npy instead", path,
                      cvy_shape_format(shape, text, sizeof(text)));
        return false;
    }
    return true;
}

/* "DIR/.convoy-XXXXXX", opened; the caller frees the name and closes. */
static int open_beside(const char *path, char **temporary)
{
    static const char tail[] = ".convoy-XXXXXX";
    const char *slash = strrchr(path, '/');
    size_t folder = slash ? (size_t)(slash - path) + 1 : 0;
    char *name = malloc(folder + sizeof(tail));
    if (!name) {
        cvy_cli_error("out of memory");
        return -1;
    }
    memcpy(name, path, folder);
    memcpy(name + folder, tail, sizeof(tail));
    int descriptor = mkstemp(name);
    if (descriptor < 0) {
        cvy_cli_error("%s: cannot be written: %s; choose a folder that exists and can be written", path,
                      strerror(errno));
        free(name);
        return -1;
    }
    *temporary = name;
    return descriptor;
}

bool cvy_output_probe(const char *path)
{
    if (kind_of(path) == CVY_FILE_UNKNOWN) {
        return unknown_kind(path);
    }
    if (cvy_file_is_image(path) && !cvy_image_available(path)) {
        return false;
    }
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) {
        cvy_cli_error("%s: exists and is not a plain file; choose another name", path);
        return false;
    }
    char *temporary;
    int descriptor = open_beside(path, &temporary);
    if (descriptor < 0) {
        return false;
    }
    close(descriptor);
    unlink(temporary);
    free(temporary);
    return true;
}

static bool save_image(FILE *file, const char *path, const struct cvy_tensor *tensor)
{
    struct cvy_image8 image;
    if (!cvy_image_to8(&image, tensor)) {
        return false;
    }
    bool done = kind_of(path) == CVY_FILE_PNG ? cvy_image_save_png(&image, path, file)
                                              : cvy_image_save_jpeg(&image, path, file);
    free(image.pixels);
    return done;
}

/* Writes a picture to the open descriptor, which it closes. */
static bool write_image(int descriptor, const char *path, const struct cvy_tensor *tensor)
{
    FILE *file = fdopen(descriptor, "wb");
    if (!file) {
        cvy_cli_error("%s: %s", path, strerror(errno));
        close(descriptor);
        return false;
    }
    bool done = save_image(file, path, tensor);
    bool flushed = fflush(file) == 0 && fsync(fileno(file)) == 0;
    if (done && !flushed) {
        cvy_cli_error("%s: cannot be written: %s; free some space", path, strerror(errno));
    }
    fclose(file);
    return done && flushed;
}

static mode_t usual_mode;

/* Once: between the two calls another thread's would see no mask. */
static void find_usual_mode(void)
{
    const mode_t mask = umask(0);
    umask(mask);
    usual_mode = 0666 & ~mask;
}

/* mkstemp() makes files private; the result should be as if opened by name. */
static void set_usual_mode(const char *name)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_usual_mode);
    (void)chmod(name, usual_mode);
}

bool cvy_output_write(struct cvy_output *output, const struct cvy_tensor *tensor)
{
    int descriptor = open_beside(output->path, &output->temporary);
    if (descriptor < 0) {
        return false;
    }
    if (cvy_file_is_image(output->path)) {
        if (!write_image(descriptor, output->path, tensor)) {
            return false;
        }
    } else {
        close(descriptor);
        enum cvy_status status = kind_of(output->path) == CVY_FILE_NPY
                                     ? cvy_tensor_save_npy(tensor, output->temporary)
                                     : cvy_tensor_save_pb(tensor, output->temporary);
        if (status != CVY_OK) {
            return false;
        }
    }
    set_usual_mode(output->temporary);
    return true;
}

bool cvy_output_commit(struct cvy_output *outputs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (rename(outputs[i].temporary, outputs[i].path) != 0) {
            cvy_cli_error("%s: cannot be written: %s; choose another place", outputs[i].path,
                          strerror(errno));
            cvy_output_discard(outputs, count);
            return false;
        }
        free(outputs[i].temporary);
        outputs[i].temporary = NULL;
    }
    return true;
}

void cvy_output_discard(struct cvy_output *outputs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (outputs[i].temporary) {
            unlink(outputs[i].temporary);
            free(outputs[i].temporary);
            outputs[i].temporary = NULL;
        }
    }
}
