#include "op/doctor_trial.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "runtime/buffer.h"

#define GUARD_BYTES ((size_t)256)
#define POISON 0x7fc5a5a5u /* a NaN */

/* splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014 */
static uint64_t next_random(struct cvy_doctor *doctor)
{
    uint64_t z = doctor->random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

size_t cvy_doctor_random_size(struct cvy_doctor *doctor, size_t low, size_t high)
{
    return low + (size_t)(next_random(doctor) % (high - low + 1));
}

float cvy_doctor_random_float(struct cvy_doctor *doctor)
{
    return (float)(next_random(doctor) >> 40) / (float)(1 << 23) - 1.0f;
}

void cvy_doctor_random_fill(struct cvy_doctor *doctor, float *data, size_t count)
{
    for (size_t i = 0; i < count; i++)
        data[i] = cvy_doctor_random_float(doctor);
}

void cvy_trial_begin(struct cvy_doctor *doctor, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(doctor->problem, sizeof(doctor->problem), format, args);
    va_end(args);
    doctor->trace = (struct cvy_launch_trace){0};
    cvy_launch_set_trace(doctor->device, &doctor->trace);
}

static size_t guarded_bytes(size_t bytes)
{
    return cvy_round_up(bytes, sizeof(uint32_t)) + GUARD_BYTES;
}

enum cvy_status cvy_trial_output(struct cvy_doctor *doctor, size_t bytes, struct cvy_buffer **buffer)
{
    size_t all = guarded_bytes(bytes);
    uint32_t *poison = malloc(all);
    if (poison == NULL)
        return cvy_fail_memory("the doctor", all);
    for (size_t i = 0; i < all / sizeof(*poison); i++)
        poison[i] = POISON;
    enum cvy_status status = cvy_buffer_upload(buffer, doctor->device, all, poison);
    free(poison);
    return status;
}

static struct cvy_doctor_kernel *find_kernel(struct cvy_doctor *doctor, const struct cvy_launch_seen *seen)
{
    for (size_t i = 0; i < doctor->n_kernels; i++) {
        struct cvy_doctor_kernel *kernel = &doctor->kernels[i];
        if (strcmp(kernel->program, seen->program) == 0 && strcmp(kernel->kernel, seen->kernel) == 0)
            return kernel;
    }
    return NULL;
}

static enum cvy_status note_wrong(struct cvy_doctor *doctor, const char *what)
{
    struct cvy_doctor_failure *failure = calloc(1, sizeof(*failure));
    if (failure == NULL)
        return cvy_fail_memory("the doctor", sizeof(*failure));
    snprintf(failure->detail, sizeof(failure->detail), "%s: %s", doctor->problem, what);
    for (size_t i = 0; i < doctor->trace.n; i++) {
        struct cvy_doctor_kernel *kernel = find_kernel(doctor, &doctor->trace.seen[i]);
        if (kernel == NULL)
            continue;
        kernel->checks++;
        kernel->wrong++;
        failure->kernels[failure->n_kernels++] = (size_t)(kernel - doctor->kernels);
    }
    struct cvy_doctor_failure **last = &doctor->failures;
    while (*last != NULL)
        last = &(*last)->next;
    *last = failure;
    return CVY_OK;
}

static void note_right(struct cvy_doctor *doctor, double error)
{
    for (size_t i = 0; i < doctor->trace.n; i++) {
        struct cvy_doctor_kernel *kernel = find_kernel(doctor, &doctor->trace.seen[i]);
        if (kernel == NULL)
            continue;
        kernel->checks++;
        kernel->right_alone += doctor->trace.n == 1;
        kernel->max_error = CVY_MAX(kernel->max_error, error);
    }
}

/* The calls failed: which kernel did not build or run? */
static enum cvy_status note_failed(struct cvy_doctor *doctor, enum cvy_status status)
{
    char what[160];
    if (status == CVY_ERROR_HOST_MEMORY || status == CVY_ERROR_DEVICE_MEMORY)
        return status;
    snprintf(what, sizeof(what), "fails: %s", cvy_status_string(status));
    for (size_t i = 0; i < doctor->trace.n; i++) {
        struct cvy_launch_seen *seen = &doctor->trace.seen[i];
        struct cvy_doctor_kernel *kernel = find_kernel(doctor, seen);
        if (seen->status == CVY_OK || kernel == NULL)
            continue;
        if (kernel->verdict == CVY_VERDICT_NOT_TRIED) {
            kernel->verdict = seen->status == CVY_ERROR_BUILD ? CVY_VERDICT_NO_BUILD : CVY_VERDICT_NO_RUN;
            snprintf(kernel->detail, sizeof(kernel->detail), "%s: %s", doctor->problem,
                     cvy_status_string(seen->status));
        }
        kernel->checks++;
        kernel->wrong++;
        return CVY_OK;
    }
    /* nothing was launched: the problem itself was refused, for example for want of memory */
    return doctor->trace.n > 0 ? note_wrong(doctor, what) : CVY_OK;
}

static enum cvy_status compare(struct cvy_doctor *doctor, const struct cvy_tensor *got,
                               const double *expected, const double *bounds)
{
    double largest = 0, error = 0;
    const double *values = got->data;
    for (size_t i = 0; i < got->elements; i++) {
        double off = fabs(values[i] - expected[i]);
        if (!(off <= bounds[i])) {
            char what[160];
            snprintf(what, sizeof(what), "element %zu is %.9g, should be %.9g", i, values[i], expected[i]);
            return note_wrong(doctor, what);
        }
        error = CVY_MAX(error, off);
        largest = CVY_MAX(largest, fabs(expected[i]));
    }
    note_right(doctor, largest > 0 ? error / largest : 0);
    return CVY_OK;
}

static bool guard_is_whole(const unsigned char *data, size_t begin, size_t end)
{
    static const uint32_t poison = POISON;
    for (size_t i = begin; i < end; i++) {
        if (data[i] != ((const unsigned char *)&poison)[i % sizeof(poison)])
            return false;
    }
    return true;
}

enum cvy_status cvy_trial_end(struct cvy_doctor *doctor, enum cvy_status status,
                              const struct cvy_buffer *output, enum cvy_dtype dtype, size_t count,
                              const double *expected, const double *bounds)
{
    size_t bytes = count * cvy_dtype_size(dtype), all = guarded_bytes(bytes);
    struct cvy_tensor got = {0};
    unsigned char *data = malloc(all);
    if (data == NULL)
        return cvy_fail_memory("the doctor", all);
    if (status == CVY_OK)
        status = cvy_buffer_read(output, 0, all, data);
    cvy_launch_set_trace(doctor->device, NULL);
    if (status != CVY_OK) {
        free(data);
        return note_failed(doctor, status);
    }
    struct cvy_tensor raw = {
        .dtype = dtype, .shape = {1, {count}}, .elements = count, .bytes = bytes, .data = data};
    status = cvy_tensor_convert(&got, &raw, CVY_FLOAT64);
    if (status == CVY_OK)
        status = guard_is_whole(data, bytes, all)
                     ? compare(doctor, &got, expected, bounds)
                     : note_wrong(doctor, "something is written behind the end of the output");
    cvy_tensor_finish(&got);
    free(data);
    return status;
}
