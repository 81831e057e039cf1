/* run_stream.c - one plan on many files: while one is computed, the next are read and the last are written.
 */
#include "run_stream.h"

#include "progress.h"
#include "run_files.h"
#include "run_repeat.h"
#include "run_setup.h"
#include "stream_files.h"

#include <cjson/cJSON.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define MAX_WRITERS 8 /* encoding may take longer than all else */
#define AHEAD 2       /* files that wait to be computed, or are */
#define MAX_PLACES (MAX_WRITERS + AHEAD)

/* A file on its way. */
struct job {
    struct cvy_tensor input, outputs[CVY_RUN_MAX_SLOTS];
    bool failed;
    size_t n_written; /* files that have had this place and are done with */
};

struct stream {
    struct run *run;
    const struct run_options *options;
    size_t input; /* that the files are for */
    struct cvy_stream_files files;
    struct cvy_binding bindings[2 * CVY_RUN_MAX_SLOTS];
    bool is_bound, show_progress;
    double begin;
    struct job jobs[MAX_PLACES];
    bool *failed; /* of each file */
    pthread_mutex_t lock;
    pthread_cond_t moved;
    size_t n_read, n_computed; /* files that are past each stage, in order */
    size_t n_taken, n_written; /* by writers, who may overtake each other */
    size_t n_places;           /* jobs in use: files between being read and being written */
};

static struct job *job_of(struct stream *stream, size_t index)
{
    return &stream->jobs[index % stream->n_places];
}

static void read_one(struct stream *stream, size_t index)
{
    struct job *job = job_of(stream, index);
    job->failed = !cvy_run_load_file(stream->run, stream->input, stream->files.paths[index], stream->options,
                                     &job->input);
}

static void unbind(struct stream *stream)
{
    for (size_t i = 0; i < 2 * CVY_RUN_MAX_SLOTS; i++) {
        cvy_buffer_destroy(&stream->bindings[i].buffer);
    }
    for (size_t i = 0; i < stream->run->n_outputs; i++) {
        cvy_tensor_finish(&stream->run->outputs[i]);
    }
    cvy_plan_destroy(&stream->run->plan);
    stream->is_bound = false;
}

/* A plan for this file's shape, unless the one there is is that. */
static bool fit_plan(struct stream *stream, const struct cvy_tensor *input)
{
    struct run *run = stream->run;
    if (stream->is_bound && cvy_shape_equal(&run->shapes[stream->input], &input->shape)) {
        return true;
    }
    unbind(stream);
    run->shapes[stream->input] = input->shape;
    run->inputs[stream->input] = *input; /* lent */
    stream->is_bound = cvy_run_make_plan(run, stream->options, false) && cvy_run_bind(run, stream->bindings);
    run->inputs[stream->input] = (struct cvy_tensor){0};
    return stream->is_bound;
}

static bool compute(struct stream *stream, struct job *job)
{
    struct run *run = stream->run;
    double seconds;
    if (!fit_plan(stream, &job->input) ||
        cvy_buffer_write(stream->bindings[stream->input].buffer, 0, job->input.bytes, job->input.data) !=
            CVY_OK ||
        !cvy_run_once(run, stream->bindings, &seconds)) {
        return false;
    }
    for (size_t i = 0; i < run->n_outputs; i++) {
        struct cvy_tensor *output = &job->outputs[i];
        if (cvy_tensor_init(output, run->outputs[i].dtype, &run->outputs[i].shape) != CVY_OK ||
            cvy_buffer_read(stream->bindings[run->n_inputs + i].buffer, 0, output->bytes, output->data) !=
                CVY_OK) {
            return false;
        }
    }
    return true;
}

static void compute_one(struct stream *stream, size_t index)
{
    struct job *job = job_of(stream, index);
    job->failed = job->failed || !compute(stream, job);
}

static void write_one(struct stream *stream, size_t index)
{
    struct job *job = job_of(stream, index);
    job->failed = job->failed || !cvy_stream_write(stream->run, &stream->files, index, job->outputs);
    stream->failed[index] = job->failed;
    cvy_tensor_finish(&job->input);
    for (size_t i = 0; i < stream->run->n_outputs; i++) {
        cvy_tensor_finish(&job->outputs[i]);
    }
    pthread_mutex_lock(&stream->lock);
    job->n_written++;
    stream->n_written++;
    pthread_cond_broadcast(&stream->moved);
    if (stream->show_progress) {
        cvy_progress_show(stream->n_written, stream->files.count, cvy_cli_now() - stream->begin);
    }
    pthread_mutex_unlock(&stream->lock);
}

/* Waits until a count is larger than index. */
static void wait_past(struct stream *stream, const size_t *count, size_t index)
{
    pthread_mutex_lock(&stream->lock);
    while (*count <= index) {
        pthread_cond_wait(&stream->moved, &stream->lock);
    }
    pthread_mutex_unlock(&stream->lock);
}

static void pass(struct stream *stream, size_t *count)
{
    pthread_mutex_lock(&stream->lock);
    ++*count;
    pthread_cond_broadcast(&stream->moved);
    pthread_mutex_unlock(&stream->lock);
}

static void *reader(void *user)
{
    struct stream *stream = user;
    for (size_t i = 0; i < stream->files.count; i++) {
        if (i >= stream->n_places) {
            wait_past(stream, &job_of(stream, i)->n_written, i / stream->n_places - 1);
        }
        read_one(stream, i);
        pass(stream, &stream->n_read);
    }
    return NULL;
}

static void *writer(void *user)
{
    struct stream *stream = user;
    for (;;) {
        pthread_mutex_lock(&stream->lock);
        const size_t index = stream->n_taken++;
        pthread_mutex_unlock(&stream->lock);
        if (index >= stream->files.count) {
            return NULL;
        }
        wait_past(stream, &stream->n_computed, index);
        write_one(stream, index);
    }
}

static void run_serially(struct stream *stream)
{
    for (size_t i = 0; i < stream->files.count; i++) {
        read_one(stream, i);
        compute_one(stream, i);
        write_one(stream, i);
    }
}

/* As many as the machine has cores. */
static size_t count_writers(void)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > MAX_WRITERS ? MAX_WRITERS : (size_t)cores;
}

static bool run_overlapped(struct stream *stream)
{
    pthread_t read, writers[MAX_WRITERS];
    const size_t wanted = count_writers();
    stream->n_places = wanted + AHEAD;
    stream->n_read = stream->n_computed = stream->n_taken = stream->n_written = 0;
    for (size_t i = 0; i < stream->n_places; i++) {
        stream->jobs[i].n_written = 0;
    }
    if (pthread_create(&read, NULL, reader, stream) != 0) {
        cvy_cli_error("no thread could be started; try again with fewer programs running");
        return false;
    }
    size_t started = 0;
    while (started < wanted && pthread_create(&writers[started], NULL, writer, stream) == 0) {
        started++;
    }
    for (size_t i = 0; i < stream->files.count; i++) {
        wait_past(stream, &stream->n_read, i);
        compute_one(stream, i);
        pass(stream, &stream->n_computed);
        if (started == 0) {
            write_one(stream, i);
        }
    }
    pthread_join(read, NULL);
    for (size_t i = 0; i < started; i++) {
        pthread_join(writers[i], NULL);
    }
    return true;
}

static size_t resident_peak(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (size_t)usage.ru_maxrss * 1024 : 0;
}

static size_t count_failed(const struct stream *stream)
{
    size_t failed = 0;
    for (size_t i = 0; i < stream->files.count; i++) {
        failed += stream->failed[i];
    }
    return failed;
}

static bool report_json(const struct stream *stream, double seconds, double serial, size_t resident)
{
    cJSON *json = cJSON_CreateObject(), *failed = cJSON_CreateArray();
    const double count = (double)stream->files.count;
    cJSON_AddStringToObject(json, "model", stream->options->model);
    cJSON_AddNumberToObject(json, "files", count);
    cJSON_AddItemToObject(json, "failed", failed);
    for (size_t i = 0; i < stream->files.count; i++) {
        if (stream->failed[i]) {
            cJSON_AddItemToArray(failed, cJSON_CreateString(stream->files.paths[i]));
        }
    }
    cJSON_AddNumberToObject(json, "seconds", seconds);
    cJSON_AddNumberToObject(json, "files_per_second", count / seconds);
    if (serial > 0) {
        cJSON_AddNumberToObject(json, "one_by_one_seconds", serial);
        cJSON_AddNumberToObject(json, "speedup", serial / seconds);
    }
    cJSON_AddNumberToObject(json, "setup_ms", 1e3 * stream->run->setup_seconds);
    cJSON_AddNumberToObject(json, "resident_peak_bytes", (double)resident_peak());
    cJSON_AddNumberToObject(json, "resident_growth_bytes", (double)(resident_peak() - resident));
    return cvy_cli_print_json(json);
}

static int report(const struct stream *stream, double seconds, double serial, size_t resident)
{
    const size_t count = stream->files.count, failed = count_failed(stream);
    bool done = true;
    if (stream->options->common.json) {
        done = report_json(stream, seconds, serial, resident);
    } else {
        char peak[32];
        printf("files         %zu in %.2f s, %.2f a second\n", count, seconds, (double)count / seconds);
        if (serial > 0) {
            printf("one by one    %.2f s, %.2f a second; side by side is %.2f times as fast\n", serial,
                   (double)count / serial, serial / seconds);
        }
        printf("memory        %s at most\n", cvy_cli_format_bytes(resident_peak(), peak, sizeof(peak)));
    }
    for (size_t i = 0; i < count; i++) {
        if (stream->failed[i]) {
            cvy_cli_error("%s: left out; what is wrong with it is said above", stream->files.paths[i]);
        }
    }
    if (failed) {
        cvy_cli_error("%zu of %zu files failed", failed, count);
    }
    return done && !failed ? CVY_CLI_OK : CVY_CLI_FAILED;
}

/* The first file that can be read makes the plan, which is no part of the time. */
static int run_all(struct stream *stream)
{
    size_t first = 0;
    do {
        struct job *job = job_of(stream, first);
        read_one(stream, first);
        compute_one(stream, first);
        const bool failed = job->failed;
        cvy_tensor_finish(&job->input);
        for (size_t i = 0; i < stream->run->n_outputs; i++) {
            cvy_tensor_finish(&job->outputs[i]);
        }
        if (!failed) {
            break;
        }
    } while (++first < stream->files.count);
    if (first == stream->files.count) {
        cvy_cli_error("no file of %zu could be run", stream->files.count);
        return CVY_CLI_FAILED;
    }
    double serial = 0;
    stream->begin = cvy_cli_now();
    if (stream->options->compare_stream) {
        run_serially(stream);
        serial = cvy_cli_now() - stream->begin;
    }
    const size_t resident = resident_peak();
    stream->begin = cvy_cli_now();
    if (!run_overlapped(stream)) {
        return CVY_CLI_FAILED;
    }
    const double seconds = cvy_cli_now() - stream->begin;
    cvy_progress_end(stream->show_progress);
    return report(stream, seconds, serial, resident);
}

bool cvy_run_is_stream(const struct run_options *options)
{
    for (size_t i = 0; i < options->inputs.count; i++) {
        if (cvy_stream_is_pattern(options->inputs.items[i].path)) {
            return true;
        }
    }
    return false;
}

int cvy_run_stream(struct run *run, const struct run_options *options)
{
    struct stream stream = {
        .run = run, .options = options, .show_progress = cvy_progress_wanted(), .n_places = 1};
    int status = cvy_stream_files_find(&stream.files, run, options, &stream.input);
    if (status == CVY_CLI_OK) {
        status = cvy_run_load_inputs(run, options, stream.input);
    }
    stream.failed = calloc(stream.files.count + 1, sizeof(*stream.failed));
    if (status == CVY_CLI_OK && !stream.failed) {
        cvy_cli_error("out of memory");
        status = CVY_CLI_FAILED;
    }
    if (status == CVY_CLI_OK) {
        pthread_mutex_init(&stream.lock, NULL);
        pthread_cond_init(&stream.moved, NULL);
        status = run_all(&stream);
        pthread_cond_destroy(&stream.moved);
        pthread_mutex_destroy(&stream.lock);
    }
    if (run->device) {
        unbind(&stream);
    }
    cvy_stream_files_finish(&stream.files);
    free(stream.failed);
    return status;
}
