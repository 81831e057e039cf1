/* The doctor: which kernels there are, whom to blame for a wrong check, quarantine. */
#include <convoy/doctor.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "op/algo.h"
#include "op/doctor_trial.h"
#include "runtime/quarantine.h"
#include "runtime/rates.h"
#include "runtime/team.h"
#include "runtime/source.h"

const char *cvy_verdict_name(enum cvy_verdict verdict)
{
    static const char *const names[] = {"right", "WRONG", "does not build", "does not run", "not tried"};
    return (size_t)verdict < CVY_COUNT(names) ? names[verdict] : "unknown";
}

static enum cvy_status add_kernel(struct cvy_doctor *doctor, const char *program, const char *kernel)
{
    size_t bytes = (doctor->n_kernels + 1) * sizeof(*doctor->kernels);
    struct cvy_doctor_kernel *grown = realloc(doctor->kernels, bytes);
    if (grown == NULL)
        return cvy_fail_memory("the doctor", bytes);
    doctor->kernels = grown;
    struct cvy_doctor_kernel *made = &grown[doctor->n_kernels++];
    *made = (struct cvy_doctor_kernel){.verdict = CVY_VERDICT_NOT_TRIED};
    snprintf(made->program, sizeof(made->program), "%s", program);
    snprintf(made->kernel, sizeof(made->kernel), "%s", kernel);
    return CVY_OK;
}

static bool examines(const struct cvy_doctor *doctor, const char *program)
{
    return doctor->only == NULL || strcmp(doctor->only, program) == 0;
}

/* From the built-in sources: one that was put in a place may define less. */
static enum cvy_status list_kernels(struct cvy_doctor *doctor)
{
    enum cvy_status status = CVY_OK;
    const char *program;
    if (examines(doctor, CVY_CLBLAST_PROGRAM))
        status = add_kernel(doctor, CVY_CLBLAST_PROGRAM, CVY_CLBLAST_KERNEL);
    for (size_t i = 0; status == CVY_OK && (program = cvy_kernel_file_name(i)) != NULL; i++) {
        char kernel[64];
        const char *text = cvy_source_text(NULL, program);
        if (strcmp(program, CVY_RATES_PROGRAM) == 0 || strcmp(program, CVY_TEAM_PROGRAM) == 0 ||
            !examines(doctor, program))
            continue;
        for (size_t k = 0; status == CVY_OK && cvy_source_kernel(text, k, kernel, sizeof(kernel)); k++)
            status = add_kernel(doctor, program, kernel);
    }
    if (status == CVY_OK && doctor->n_kernels == 0)
        return cvy_fail(CVY_ERROR_NOT_FOUND, "cvy_doctor_run: there is no kernel file '%s' to examine",
                        doctor->only);
    return status;
}

static bool is_bad(const struct cvy_doctor_kernel *kernel)
{
    return kernel->verdict == CVY_VERDICT_WRONG || kernel->verdict == CVY_VERDICT_NO_BUILD ||
           kernel->verdict == CVY_VERDICT_NO_RUN;
}

/*
 * How much a kernel of a wrong check is suspected: 2 when it never was in a right one, 1 when it was only in
 * company, 0 when it was right alone.
 */
static int suspicion(const struct cvy_doctor_kernel *kernel)
{
    if (kernel->checks == kernel->wrong)
        return 2;
    return kernel->right_alone == 0;
}

static void blame(struct cvy_doctor *doctor, const struct cvy_doctor_failure *failure)
{
    int most = 0;
    for (size_t i = 0; i < failure->n_kernels; i++) {
        const struct cvy_doctor_kernel *kernel = &doctor->kernels[failure->kernels[i]];
        if (is_bad(kernel))
            return;
        most = CVY_MAX(most, suspicion(kernel));
    }
    for (size_t i = 0; i < failure->n_kernels; i++) {
        struct cvy_doctor_kernel *kernel = &doctor->kernels[failure->kernels[i]];
        if (suspicion(kernel) < most)
            continue;
        kernel->verdict = CVY_VERDICT_WRONG;
        snprintf(kernel->detail, sizeof(kernel->detail), "%s", failure->detail);
    }
}

/* Checks with few kernels say most, so they are looked at first. */
static void judge(struct cvy_doctor *doctor)
{
    for (size_t n = 1; n <= CVY_LAUNCH_MAX_TRACE; n++) {
        for (const struct cvy_doctor_failure *f = doctor->failures; f != NULL; f = f->next) {
            if (f->n_kernels == n)
                blame(doctor, f);
        }
    }
    for (size_t i = 0; i < doctor->n_kernels; i++) {
        struct cvy_doctor_kernel *kernel = &doctor->kernels[i];
        if (kernel->verdict == CVY_VERDICT_NOT_TRIED && kernel->checks > 0)
            kernel->verdict = CVY_VERDICT_RIGHT;
        if (kernel->verdict == CVY_VERDICT_NOT_TRIED)
            cvy_doctor_why_not_tried(doctor, kernel->program, kernel->detail, sizeof(kernel->detail));
    }
}

static bool belongs_to_algorithms(const char *program)
{
    const struct cvy_algo *algo;
    for (size_t a = 0; (algo = cvy_algo_at(a)) != NULL; a++) {
        if (cvy_algo_launches(algo, program))
            return true;
    }
    return false;
}

static enum cvy_status examine(struct cvy_doctor *doctor)
{
    enum cvy_status status = list_kernels(doctor);
    const bool products = examines(doctor, "gemm") || examines(doctor, CVY_CLBLAST_PROGRAM);
    const bool blocks = examines(doctor, "blocks");
    const bool convolutions = doctor->only == NULL || belongs_to_algorithms(doctor->only);
    if (status == CVY_OK && products)
        status = cvy_doctor_check_gemm(doctor);
    if (status == CVY_OK && blocks)
        status = cvy_doctor_check_blocks(doctor);
    if (status == CVY_OK && convolutions)
        status = cvy_doctor_check_convolutions(doctor);
    if (status == CVY_OK && (doctor->only == NULL || !(products || blocks || convolutions)))
        status = cvy_doctor_check_operators(doctor);
    return status;
}

static enum cvy_status record(struct cvy_doctor *doctor, const struct cvy_doctor_params *params,
                              size_t *wrong)
{
    size_t count = 0;
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; i < doctor->n_kernels; i++) {
        const struct cvy_doctor_kernel *kernel = &doctor->kernels[i];
        struct cvy_doctor_report report = {
            .program = kernel->program,
            .kernel = kernel->kernel,
            .verdict = kernel->verdict,
            .checks = kernel->checks,
            .wrong = kernel->verdict == CVY_VERDICT_RIGHT ? 0 : kernel->wrong,
            .max_error = kernel->max_error,
            .detail = kernel->detail,
        };
        count += is_bad(kernel);
        if (is_bad(kernel) && status == CVY_OK)
            status = cvy_quarantine_add(doctor->device, kernel->program, kernel->kernel, kernel->detail);
        else if (kernel->verdict == CVY_VERDICT_RIGHT)
            cvy_quarantine_remove(doctor->device, kernel->program, kernel->kernel);
        if (params != NULL && params->report != NULL)
            params->report(params->user, &report);
    }
    if (status == CVY_OK && wrong != NULL)
        *wrong = count;
    return status;
}

static void doctor_finish(struct cvy_doctor *doctor)
{
    while (doctor->failures != NULL) {
        struct cvy_doctor_failure *failure = doctor->failures;
        doctor->failures = failure->next;
        free(failure);
    }
    free(doctor->kernels);
}

static void set_trial(struct cvy_device *device, bool on_trial)
{
    pthread_mutex_lock(&device->lock);
    device->on_trial = on_trial;
    device->trace = NULL;
    pthread_mutex_unlock(&device->lock);
}

enum cvy_status cvy_doctor_run(struct cvy_device *device, const struct cvy_doctor_params *params,
                               size_t *wrong)
{
    if (device == NULL)
        return cvy_fail(CVY_ERROR_INVALID, "cvy_doctor_run: device is NULL; open one first");
    struct cvy_doctor doctor = {.device = device};
    if (params != NULL) {
        doctor.quick = params->quick;
        doctor.random = params->seed;
        doctor.only = params->program;
    }
    set_trial(device, true);
    enum cvy_status status = examine(&doctor);
    set_trial(device, false);
    if (status == CVY_OK) {
        judge(&doctor);
        status = record(&doctor, params, wrong);
    }
    doctor_finish(&doctor);
    return status;
}

enum cvy_status cvy_doctor_try_gemm(struct cvy_device *device, uint64_t seed, bool *right, char *why,
                                    size_t size)
{
    struct cvy_doctor doctor = {.device = device, .random = seed};
    set_trial(device, true);
    enum cvy_status status = cvy_doctor_check_gemm(&doctor);
    set_trial(device, false);
    if (status == CVY_OK) {
        *right = doctor.failures == NULL;
        snprintf(why, size, "%s", *right ? "" : doctor.failures->detail);
    }
    doctor_finish(&doctor);
    return status;
}

enum cvy_status cvy_doctor_forget(struct cvy_device *device, size_t *count)
{
    if (device == NULL)
        return cvy_fail(CVY_ERROR_INVALID, "cvy_doctor_forget: device is NULL; open one first");
    size_t found = cvy_quarantine_clear(device);
    if (count != NULL)
        *count = found;
    return CVY_OK;
}
