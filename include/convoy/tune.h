/*
 * tune.h - measure which algorithm, with which tile sizes, is fastest for a convolution on a device.
 *
 * What was measured is kept with the device, in its store where it has one (cvy_device_set_store()), and from
 * then on convolutions and plans that are made on the device take the fastest choice that applies to them and
 * keeps to their workspace. Times belong to a device with its driver and to the source of the kernels: with
 * another driver, or kernels that have changed, they are ignored.
 *
 * Problems that differ only in bias, activation and accumulate share their times: these change little of a
 * choice. float32 problems alone are tuned.
 */
#ifndef CONVOY_TUNE_H
#define CONVOY_TUNE_H

#include <convoy/conv.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One measured choice. */
struct cvy_tune_choice {
    const char *algo; /* NULL: nothing was measured */
    char config[64];  /* tile sizes and such, in the algorithm's own terms; "default": its own choice */
    double seconds;   /* of one run; median */
};

/* After each candidate. */
struct cvy_tune_progress {
    size_t done, total;          /* measurements; total shrinks when candidates turn out hopeless */
    struct cvy_tune_choice last; /* seconds is negative where it was wrong or did not run */
    struct cvy_tune_choice best; /* so far */
};

struct cvy_tune_params {
    /* Seconds that the call may take; 0 = no limit. A candidate is not begun where its expected time does not
     * fit. Only a compilation that takes longer than those before it, and the device's rates
     * (cvy_device_get_rates()) where they are not known yet, can exceed the budget. */
    double budget;
    size_t max_workspace; /* bytes of scratch memory; 0 = 256 MiB */
    /* Asked before every measurement: true ends the search at once. May be NULL. */
    bool (*cancel)(void *user);
    void (*progress)(void *user, const struct cvy_tune_progress *progress); /* may be NULL */
    void *user;
};

struct cvy_tune_result {
    struct cvy_tune_choice best;
    struct cvy_tune_choice estimated; /* what convoy takes without tuning */
    size_t candidates;                /* that were worth a measurement */
    size_t measured;                  /* of these, now or earlier */
    size_t refused;                   /* of these: gave wrong results, did not compile or did not run */
    bool complete;                    /* nothing is left to measure */
    bool cancelled;                   /* by the callback */
};

/*
 * Measures candidates for a problem, the most promising first, and keeps each time at once: the search can be
 * ended at any moment and goes on where it was when it is called again. Every candidate's result is compared
 * with the definition of the convolution, computed in double, before it may be chosen. Data are random. Let
 * nothing else use the device meanwhile. params may be NULL. result, unless NULL, is filled also when the
 * search was cancelled or ended by its budget, which are no errors. Errors: as cvy_conv_create(), and
 * CVY_ERROR_UNSUPPORTED for integers.
 */
CVY_API enum cvy_status cvy_tune_conv(struct cvy_device *device, const struct cvy_conv_problem *problem,
                                      const struct cvy_tune_params *params, struct cvy_tune_result *result);

/* How many times are kept, of all devices. */
CVY_API enum cvy_status cvy_tune_count(struct cvy_device *device, size_t *count);

/*
 * All times that are kept, of all devices, as a text file: a header, then one line each, sorted. Files of
 * several machines are merged by importing one after the other, or by 'LC_ALL=C sort -u'. An existing file is
 * replaced only when the new one is complete.
 */
CVY_API enum cvy_status cvy_tune_export(struct cvy_device *device, const char *path);
/* Adds the times of a file; of two times of one choice the newer stays. count, unless NULL, receives how many
 * the file has. CVY_ERROR_FORMAT names the file and the line that is wrong; then nothing is imported. */
CVY_API enum cvy_status cvy_tune_import(struct cvy_device *device, const char *path, size_t *count);

#ifdef __cplusplus
}
#endif

#endif
