/* gemm_setting.h - which parameters CLBlast has on a device (gemm_tune.h), kept in the device's store. */
#ifndef CVY_RUNTIME_GEMM_SETTING_H
#define CVY_RUNTIME_GEMM_SETTING_H

#include "runtime/device.h"

struct cvy_gemm_setting {
    char *text; /* NULL: CLBlast's own parameters */
    double gflops;
};

/* Puts in force what the device's store has. Call with lock held. */
void cvy_gemm_setting_sync(struct cvy_device *device);
/* CLBlast refuses to build the setting in force: forgets it, here and in the store, and gives CLBlast the
 * parameters that it has for devices it does not know. false: there is none in force. */
bool cvy_gemm_setting_drop(struct cvy_device *device);
void cvy_gemm_setting_destroy(struct cvy_gemm_setting **setting);

#endif
