/*
 * quarantine.h - kernels that gave wrong results on a device with its driver, by a hash of their source. Kept
 * with the device and, where it has one, in its store. Inside a trial (doctor.c) nothing is quarantined.
 */
#ifndef CVY_RUNTIME_QUARANTINE_H
#define CVY_RUNTIME_QUARANTINE_H

#include "runtime/device.h"

/* CLBlast's product, which has no file here. */
#define CVY_CLBLAST_PROGRAM "clblast"
#define CVY_CLBLAST_KERNEL "gemm"

/* Whether a kernel of the program is quarantined (kernel NULL: any of them). found, unless NULL, receives
 * that kernel's name, cut to size. */
bool cvy_quarantine_has(const struct cvy_device *device, const char *program, const char *kernel, char *found,
                        size_t size);

/* CVY_ERROR_UNSUPPORTED, with what to do, for a quarantined kernel. */
enum cvy_status cvy_quarantine_check(const struct cvy_device *device, const char *program,
                                     const char *kernel);

/* Whether products are to be left to our own kernel: CLBlast refuses the device, or has lied on it. */
bool cvy_quarantine_avoids_clblast(const struct cvy_device *device);

enum cvy_status cvy_quarantine_add(struct cvy_device *device, const char *program, const char *kernel,
                                   const char *reason);
/* The kernel as its source is now. true: it was there. */
bool cvy_quarantine_remove(struct cvy_device *device, const char *program, const char *kernel);
/* Every kernel of the device and driver, whatever its source. Returns how many there were. */
size_t cvy_quarantine_clear(struct cvy_device *device);

/* Takes in what the device's store has, and gives it what it has not. Call with lock held. */
void cvy_quarantine_sync(struct cvy_device *device);
void cvy_quarantine_destroy(struct cvy_quarantined **list);

#endif
