#include "runtime/binary.h"

#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "base/text.h"

#define HEAD_LINES 6
#define HEAD_BYTES 900

static char *build_log(cl_program program, cl_device_id id)
{
    size_t bytes = 0;
    if (clGetProgramBuildInfo(program, id, CL_PROGRAM_BUILD_LOG, 0, NULL, &bytes) != CL_SUCCESS || bytes == 0)
        return NULL;
    char *text = calloc(bytes + 1, 1);
    if (text != NULL &&
        clGetProgramBuildInfo(program, id, CL_PROGRAM_BUILD_LOG, bytes, text, NULL) != CL_SUCCESS) {
        free(text);
        text = NULL;
    }
    return text;
}

/* Logs every line; returns the first ones, with " | " between them, in head. */
static void split_log(char *text, struct cvy_text *head)
{
    size_t lines = 0;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\r\n", &rest); line != NULL; line = strtok_r(NULL, "\r\n", &rest)) {
        if (line[strspn(line, " \t")] == '\0')
            continue;
        cvy_log(CVY_LOG_DEBUG, "build log: %s", line);
        if (lines++ < HEAD_LINES && head->length < HEAD_BYTES)
            cvy_text_add(head, "%s%.300s", head->length > 0 ? " | " : "", line);
    }
}

static enum cvy_status fail_build(struct cvy_device *device, const char *name, cl_program program,
                                  cl_int error)
{
    struct cvy_text head = {0};
    char *text = build_log(program, device->id);
    if (text != NULL)
        split_log(text, &head);
    free(text);
    enum cvy_status status =
        cvy_fail(CVY_ERROR_BUILD, "%s.cl: does not compile on %s (%s): %s", name, device->info.name,
                 cvy_cl_error(error), head.length > 0 ? head.data : "the driver gives no build log");
    cvy_text_finish(&head);
    return status;
}

enum cvy_status cvy_binary_compile(struct cvy_device *device, const char *name, const char *source,
                                   const char *options, cl_program *program)
{
    cl_int error;
    cl_program made = clCreateProgramWithSource(device->context, 1, &source, NULL, &error);
    if (error != CL_SUCCESS)
        return cvy_fail_cl(error, "clCreateProgramWithSource");
    error = clBuildProgram(made, 1, &device->id, options, NULL, NULL);
    if (error != CL_SUCCESS) {
        enum cvy_status status = fail_build(device, name, made, error);
        clReleaseProgram(made);
        return status;
    }
    *program = made;
    return CVY_OK;
}

cl_program cvy_binary_load(struct cvy_device *device, const unsigned char *binary, size_t bytes,
                           const char *options)
{
    cl_int error, binary_status = CL_SUCCESS;
    cl_program program =
        clCreateProgramWithBinary(device->context, 1, &device->id, &bytes, &binary, &binary_status, &error);
    if (error == CL_SUCCESS && binary_status == CL_SUCCESS)
        error = clBuildProgram(program, 1, &device->id, options, NULL, NULL);
    else if (error == CL_SUCCESS)
        error = binary_status;
    else
        program = NULL;
    if (error == CL_SUCCESS)
        return program;
    cvy_log(CVY_LOG_DEBUG, "store: the driver refuses a saved binary (%s); compiling", cvy_cl_error(error));
    if (program != NULL)
        clReleaseProgram(program);
    return NULL;
}

/* Which of the program's devices is ours; false if none. */
static bool device_index(cl_program program, cl_device_id id, size_t *index, size_t *count)
{
    cl_device_id ids[64];
    size_t bytes = 0;
    if (clGetProgramInfo(program, CL_PROGRAM_DEVICES, sizeof(ids), ids, &bytes) != CL_SUCCESS)
        return false;
    *count = bytes / sizeof(ids[0]);
    for (*index = 0; *index < *count; ++*index) {
        if (ids[*index] == id)
            return true;
    }
    return false;
}

unsigned char *cvy_binary_get(struct cvy_device *device, cl_program program, size_t head, size_t *bytes)
{
    size_t sizes[64] = {0}, index, count, total;
    unsigned char *binaries[64] = {NULL};
    if (!device_index(program, device->id, &index, &count))
        return NULL;
    if (clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof(sizes), sizes, NULL) != CL_SUCCESS ||
        sizes[index] == 0 || !cvy_add(head, sizes[index], &total))
        return NULL;
    unsigned char *payload = malloc(total);
    if (payload == NULL)
        return NULL;
    binaries[index] = payload + head;
    if (clGetProgramInfo(program, CL_PROGRAM_BINARIES, count * sizeof(binaries[0]), binaries, NULL) !=
        CL_SUCCESS) {
        free(payload);
        return NULL;
    }
    *bytes = total;
    return payload;
}
