/* stream_files.h - the files of a stream, and where their results go. */
#ifndef TOOLS_STREAM_FILES_H
#define TOOLS_STREAM_FILES_H

#include "run_options.h"
#include "run_report.h"

struct cvy_stream_files {
    size_t count;
    char **paths;                           /* in order of their names */
    const char *folders[CVY_RUN_MAX_SLOTS]; /* of each output; NULL: not wanted */
};

/* Folders, and patterns that are no file's name. */
bool cvy_stream_is_pattern(const char *path);
/* Finds the one input that is a pattern, its files, and makes the folders of outputs. Returns an exit status.
 */
int cvy_stream_files_find(struct cvy_stream_files *files, const struct run *run,
                          const struct run_options *options, size_t *input);
void cvy_stream_files_finish(struct cvy_stream_files *files);

/* The results of a file: under its name, with .npy behind it where they are no picture. */
bool cvy_stream_write(const struct run *run, const struct cvy_stream_files *files, size_t index,
                      const struct cvy_tensor *outputs);

#endif
