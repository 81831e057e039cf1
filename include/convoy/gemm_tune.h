/*
 * gemm_tune.h - CLBlast's matrix product, which im2col rests on: parameters that suit one device.
 *
 * A setting is a text: kernels of CLBlast with their parameters, "Xgemm:GEMMK=1,KREG=1,...
 * Pad:PAD_DIMX=1,...";
 * "" is what CLBlast itself chooses. Some settings crash a driver or its compiler and some give wrong
 * numbers. So each is best tried in a process of its own ('convoy tune --gemm' does that), and only one found
 * right is kept. CLBlast holds its parameters for the whole process: every device object of the same OpenCL
 * device shares them.
 */
#ifndef CONVOY_GEMM_TUNE_H
#define CONVOY_GEMM_TUNE_H

#include <convoy/device.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CVY_GEMM_SETTING_BYTES 640

/* The index-th setting worth trying on the device, "" first; the later ones vary best, the fastest so far.
 * false past the end. A setting longer than size is cut, CVY_GEMM_SETTING_BYTES suffice. */
CVY_API bool cvy_gemm_setting_at(const struct cvy_device *device, size_t index, const char *best,
                                 char *setting, size_t size);

/*
 * Puts the setting in force, compares products of odd sizes, transposed and with offsets, with sums on the
 * host in double, then times products of the sizes of ResNet-50's layers; gflops receives the geometric mean
 * of 1e9 operations a second, each size's best of several runs. seed: of the random matrices. Let no other
 * thread use the device meanwhile, and do not use the process for other products afterwards. Errors:
 * CVY_ERROR_DEVICE where a result is wrong, CVY_ERROR_BUILD where CLBlast refuses the setting,
 * CVY_ERROR_INVALID for a setting that is none.
 */
CVY_API enum cvy_status cvy_gemm_setting_try(struct cvy_device *device, const char *setting, uint64_t seed,
                                             double *gflops);

/* Uses the setting, which was found right, from now on, and keeps it in the device's store for later
 * processes, which use it as soon as they set that store. "" forgets what was kept; this process goes on as
 * it is. Make convolutions and plans anew afterwards. Errors: CVY_ERROR_INVALID for a setting that is none.
 */
CVY_API enum cvy_status cvy_gemm_setting_keep(struct cvy_device *device, const char *setting, double gflops);

/* The setting in force and its speed; "" and 0 where CLBlast's own is. Valid until another is kept. */
CVY_API const char *cvy_gemm_setting_get(const struct cvy_device *device, double *gflops);

#ifdef __cplusplus
}
#endif

#endif
