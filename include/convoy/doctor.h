/*
 * doctor.h - run every kernel of convoy on a device and compare with plain loops on the host.
 *
 * Drivers do lie: they compile a correct kernel to a wrong program. The doctor finds that out on fresh random
 * inputs, and from then on convoy does not use the kernel on that device with that driver: another algorithm
 * takes over, or where there is none the call fails and says so. What was found stays with the device and,
 * where it has a store (cvy_device_set_store()), in that file for later processes. It holds as long as
 * device, driver version and the kernel's source are the same.
 */
#ifndef CONVOY_DOCTOR_H
#define CONVOY_DOCTOR_H

#include <convoy/device.h>

#ifdef __cplusplus
extern "C" {
#endif

enum cvy_verdict {
    CVY_VERDICT_RIGHT = 0,
    CVY_VERDICT_WRONG,     /* wrong values, none at all, or values where none belong */
    CVY_VERDICT_NO_BUILD,  /* it does not compile here */
    CVY_VERDICT_NO_RUN,    /* it compiles, but the device refuses or breaks off its launch */
    CVY_VERDICT_NOT_TRIED, /* no check launched it */
};

/* "right", "WRONG", "does not build", "does not run", "not tried". */
CVY_API const char *cvy_verdict_name(enum cvy_verdict verdict);

/* What was found of one kernel. Texts live during the callback. */
struct cvy_doctor_report {
    const char *program; /* its file: "conv_ref" is cl/conv_ref.cl; "clblast" is the library's product */
    const char *kernel;
    enum cvy_verdict verdict;
    size_t checks;      /* problems solved with it, wrong ones included */
    size_t wrong;       /* of these */
    double max_error;   /* over all right checks: largest error over largest expected value */
    const char *detail; /* of a wrong one: problem and element; else why, or "" */
};

struct cvy_doctor_params {
    uint64_t seed; /* of the random inputs: the same seed gives the same checks */
    bool quick;    /* fewer and smaller problems, for slow implementations */
    /* A kernel file, as in a report: its kernels alone are judged, and what they run beside is taken for
     * right. NULL: all. CVY_ERROR_NOT_FOUND where there is none of that name. */
    const char *program;
    void (*report)(void *user, const struct cvy_doctor_report *report); /* one call a kernel; may be NULL */
    void *user;
};

/*
 * Checks all kernels, or one file's; takes seconds, or minutes where they have to be compiled first. wrong
 * receives how many are wrong, do not build or do not run. These are quarantined; ones found right are
 * released. Let no other thread use the device meanwhile. params may be NULL. Fails only where the doctor
 * itself cannot work, for example without memory.
 */
CVY_API enum cvy_status cvy_doctor_run(struct cvy_device *device, const struct cvy_doctor_params *params,
                                       size_t *wrong);

/* Forgets all that was found on this device and driver, here and in its store. count, unless NULL, receives
 * how many kernels that were. Make convolutions and plans anew afterwards. */
CVY_API enum cvy_status cvy_doctor_forget(struct cvy_device *device, size_t *count);

#ifdef __cplusplus
}
#endif

#endif
