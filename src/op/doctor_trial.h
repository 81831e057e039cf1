/* doctor_trial.h - one check of the doctor: poison the output, launch, compare, note for which kernels. */
#ifndef CVY_OP_DOCTOR_TRIAL_H
#define CVY_OP_DOCTOR_TRIAL_H

#include <convoy/doctor.h>
#include <convoy/tensor.h>

#include "runtime/launch.h"

struct cvy_doctor_kernel {
    char program[64], kernel[64];
    size_t checks, wrong;
    size_t right_alone; /* checks that were right and launched nothing else */
    double max_error;
    enum cvy_verdict verdict;
    char detail[400];
};

/* A check that came out wrong, until it is known whom to blame. */
struct cvy_doctor_failure {
    struct cvy_doctor_failure *next;
    size_t n_kernels;
    size_t kernels[CVY_LAUNCH_MAX_TRACE];
    char detail[400];
};

struct cvy_doctor {
    struct cvy_device *device;
    bool quick;
    const char *only; /* the program that is examined; NULL: all */
    uint64_t random;  /* state of the stream of random numbers */
    struct cvy_doctor_kernel *kernels;
    size_t n_kernels;
    struct cvy_doctor_failure *failures;
    struct cvy_launch_trace trace; /* of the check at hand */
    char problem[300];             /* the same, in words */
};

/* Random numbers: within low..high, in -1..1, many of these. */
size_t cvy_doctor_random_size(struct cvy_doctor *doctor, size_t low, size_t high);
float cvy_doctor_random_float(struct cvy_doctor *doctor);
void cvy_doctor_random_fill(struct cvy_doctor *doctor, float *data, size_t count);

/* Begins a check of the problem that these words name. */
void cvy_trial_begin(struct cvy_doctor *doctor, const char *format, ...) CVY_PRINTF(2, 3);

/* A buffer for so many bytes of output, poisoned, with a guard behind them. */
enum cvy_status cvy_trial_output(struct cvy_doctor *doctor, size_t bytes, struct cvy_buffer **buffer);

/* What came of the check: status of the calls, then the output against expected, each element within its own
 * bound. Fails only when the doctor cannot go on. */
enum cvy_status cvy_trial_end(struct cvy_doctor *doctor, enum cvy_status status,
                              const struct cvy_buffer *output, enum cvy_dtype dtype, size_t count,
                              const double *expected, const double *bounds);

/* The parts of the examination. */
enum cvy_status cvy_doctor_check_gemm(struct cvy_doctor *doctor);
enum cvy_status cvy_doctor_check_blocks(struct cvy_doctor *doctor);
enum cvy_status cvy_doctor_check_convolutions(struct cvy_doctor *doctor);
enum cvy_status cvy_doctor_check_operators(struct cvy_doctor *doctor);
/* CLBlast's products alone, and nothing is quarantined for them: false, and the first that is wrong, cut to
 * size, in why. */
enum cvy_status cvy_doctor_try_gemm(struct cvy_device *device, uint64_t seed, bool *right, char *why,
                                    size_t size);
/* Why an algorithm that launches the program is not applicable here, cut to size; "" where none is known. */
void cvy_doctor_why_not_tried(struct cvy_doctor *doctor, const char *program, char *why, size_t size);

#endif
