/* stream_files.c - the files of a stream, and where their results go. */
#include "stream_files.h"

#include "tensor_file.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool cvy_stream_is_pattern(const char *path)
{
    struct stat info;
    return is_folder(path) || (strpbrk(path, "*?[") && stat(path, &info) != 0);
}

static bool add_path(struct cvy_stream_files *files, const char *path)
{
    char **grown = realloc(files->paths, (files->count + 1) * sizeof(*grown));
    if (grown) {
        files->paths = grown;
        grown[files->count] = strdup(path);
    }
    if (!grown || !grown[files->count]) {
        cvy_cli_error("out of memory");
        return false;
    }
    files->count++;
    return true;
}

static bool list_files(struct cvy_stream_files *files, const char *pattern)
{
    glob_t found = {0};
    char inside[4096];
    if (is_folder(pattern)) {
        size_t used = 0;
        for (const char *at = pattern; *at && used < sizeof(inside) - 5; at++) {
            if (strchr("*?[]\\", *at)) {
                inside[used++] = '\\';
            }
            inside[used++] = *at;
        }
        snprintf(inside + used, sizeof(inside) - used, "/*");
        pattern = inside;
    }
    bool done = glob(pattern, 0, NULL, &found) == 0;
    if (!done) {
        cvy_cli_error("%s: no file is called so", pattern);
    }
    for (size_t i = 0; done && i < found.gl_pathc; i++) {
        done = is_folder(found.gl_pathv[i]) || add_path(files, found.gl_pathv[i]);
    }
    globfree(&found);
    if (done && files->count == 0) {
        cvy_cli_error("%s: there are folders only", pattern);
        done = false;
    }
    return done;
}

static bool make_folder(const char *path)
{
    if (mkdir(path, 0777) == 0 || (errno == EEXIST && is_folder(path))) {
        return true;
    }
    cvy_cli_error("%s: %s; results of many files need a folder", path, strerror(errno));
    return false;
}

/* Whether results there would replace the files that they are made of. */
static bool holds_inputs(const char *folder, const struct cvy_stream_files *files)
{
    struct stat out, in;
    char parent[4096];
    for (size_t i = 0; i < files->count && stat(folder, &out) == 0; i++) {
        const char *slash = strrchr(files->paths[i], '/');
        const int length = slash ? (int)(slash - files->paths[i]) : 1;
        snprintf(parent, sizeof(parent), "%.*s", length, slash ? files->paths[i] : ".");
        if (stat(length ? parent : "/", &in) == 0 && in.st_dev == out.st_dev && in.st_ino == out.st_ino) {
            cvy_cli_error("%s: the inputs are there; give results a folder of their own", folder);
            return true;
        }
    }
    return false;
}

int cvy_stream_files_find(struct cvy_stream_files *files, const struct run *run,
                          const struct run_options *options, size_t *input)
{
    *input = SIZE_MAX;
    for (size_t i = 0; i < run->n_inputs; i++) {
        const size_t file = run->input_file[i];
        if (file == SIZE_MAX || !cvy_stream_is_pattern(options->inputs.items[file].path)) {
            continue;
        }
        if (*input != SIZE_MAX) {
            return cvy_cli_usage("run", "--input %s: a second pattern; one input alone can have many files",
                                 options->inputs.items[file].path);
        }
        *input = i;
    }
    if (!list_files(files, options->inputs.items[run->input_file[*input]].path)) {
        return CVY_CLI_FAILED;
    }
    for (size_t i = 0; i < run->n_outputs; i++) {
        if (run->output_file[i] != SIZE_MAX) {
            files->folders[i] = options->outputs.items[run->output_file[i]].path;
            if (!make_folder(files->folders[i]) || holds_inputs(files->folders[i], files)) {
                return CVY_CLI_FAILED;
            }
        }
    }
    return CVY_CLI_OK;
}

void cvy_stream_files_finish(struct cvy_stream_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        free(files->paths[i]);
    }
    free(files->paths);
    *files = (struct cvy_stream_files){0};
}

static bool is_picture(const struct cvy_tensor *tensor)
{
    const struct cvy_shape *shape = &tensor->shape;
    return tensor->dtype == CVY_FLOAT32 && shape->rank == 4 && shape->dims[0] == 1 &&
           (shape->dims[1] == 1 || shape->dims[1] == 3);
}

bool cvy_stream_write(const struct run *run, const struct cvy_stream_files *files, size_t index,
                      const struct cvy_tensor *outputs)
{
    struct cvy_output written[CVY_RUN_MAX_SLOTS];
    char paths[CVY_RUN_MAX_SLOTS][512];
    size_t count = 0;
    bool done = true;
    const char *path = files->paths[index], *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    for (size_t i = 0; done && i < run->n_outputs; i++) {
        if (!files->folders[i]) {
            continue;
        }
        /* behind the whole name, for a.png and a.jpg may both be there */
        const char *more = cvy_file_is_image(path) && !is_picture(&outputs[i]) ? ".npy" : "";
        const int wrote =
            snprintf(paths[count], sizeof(paths[count]), "%s/%s%s", files->folders[i], name, more);
        if (wrote < 0 || (size_t)wrote >= sizeof(paths[count])) {
            cvy_cli_error("%s: its result would have too long a name", path);
            done = false;
            break;
        }
        written[count] = (struct cvy_output){.path = paths[count]};
        done = cvy_output_write(&written[count++], &outputs[i]);
    }
    if (!done) {
        cvy_output_discard(written, count);
        return false;
    }
    return cvy_output_commit(written, count);
}
