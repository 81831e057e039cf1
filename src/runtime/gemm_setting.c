#include "runtime/gemm_setting.h"

#include <convoy/gemm_tune.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "runtime/gemm.h"
#include "runtime/store.h"

/* What CLBlast 1.5 takes for a device of which it knows nothing: its own choice cannot be asked for again. */
static const char general[] =
    "Xgemm:GEMMK=0,KREG=1,KWG=32,KWI=2,MDIMA=8,MDIMC=8,MWG=32,NDIMB=16,NDIMC=16,NWG=32,SA=1,SB=1,STRM=0,"
    "STRN=0,VWM=4,VWN=2 "
    "XgemmDirect:KWID=2,MDIMAD=8,MDIMCD=8,NDIMBD=8,NDIMCD=8,PADA=1,PADB=1,VWMD=1,VWND=1,WGD=16 "
    "Copy:COPY_DIMX=16,COPY_DIMY=16,COPY_VW=4,COPY_WPT=2 Pad:PAD_DIMX=32,PAD_DIMY=8,PAD_WPTX=2,PAD_WPTY=1 "
    "Transpose:TRA_DIM=8,TRA_PAD=0,TRA_SHUFFLE=1,TRA_WPT=4 "
    "Padtranspose:PADTRA_PAD=0,PADTRA_TILE=8,PADTRA_WPT=4 GemmRoutine:XGEMM_MIN_INDIRECT_SIZE=896";

void cvy_gemm_setting_destroy(struct cvy_gemm_setting **setting)
{
    if (*setting != NULL)
        free((*setting)->text);
    free(*setting);
    *setting = NULL;
}

static struct cvy_hash key_of(const struct cvy_device *device)
{
    return cvy_hash_string(cvy_device_identity(device), "parameters of CLBlast");
}

/* Replaces what device->gemm_setting says; what is in force is the caller's. */
static enum cvy_status note(struct cvy_device *device, const char *text, double gflops)
{
    struct cvy_gemm_setting *made = calloc(1, sizeof(*made));
    char *copy = cvy_text_copy(text);
    if (made == NULL || copy == NULL) {
        free(made);
        free(copy);
        return cvy_fail_memory("a setting of CLBlast", strlen(text) + 1);
    }
    *made = (struct cvy_gemm_setting){copy, gflops};
    cvy_gemm_setting_destroy(&device->gemm_setting);
    device->gemm_setting = made;
    return CVY_OK;
}

/* The payload is the speed, then the text with its terminator. No text: forgotten. */
static void save(struct cvy_device *device, const char *text, double gflops)
{
    size_t length = strlen(text) + 1;
    char *payload = malloc(sizeof(gflops) + length);
    if (payload == NULL)
        return;
    memcpy(payload, &gflops, sizeof(gflops));
    memcpy(payload + sizeof(gflops), text, length);
    cvy_store_put(device->store, key_of(device), payload, sizeof(gflops) + length);
    free(payload);
}

void cvy_gemm_setting_sync(struct cvy_device *device)
{
    void *payload = NULL;
    size_t bytes = 0;
    double gflops;
    if (!cvy_store_get(device->store, key_of(device), &payload, &bytes))
        return;
    const char *text = (const char *)payload + sizeof(gflops);
    if (bytes > sizeof(gflops) + 1 && text[bytes - sizeof(gflops) - 1] == '\0') {
        memcpy(&gflops, payload, sizeof(gflops));
        if (cvy_gemm_set_parameters(device, text) == CVY_OK && note(device, text, gflops) == CVY_OK)
            cvy_log(CVY_LOG_DEBUG, "gemm: CLBlast has the parameters found by tuning, %.3g GFLOP/s", gflops);
    }
    free(payload);
}

bool cvy_gemm_setting_drop(struct cvy_device *device)
{
    pthread_mutex_lock(&device->lock);
    bool had = device->gemm_setting != NULL;
    if (had) {
        cvy_gemm_setting_destroy(&device->gemm_setting);
        save(device, "", 0);
        cvy_gemm_set_parameters(device, general);
    }
    pthread_mutex_unlock(&device->lock);
    return had;
}

enum cvy_status cvy_gemm_setting_keep(struct cvy_device *device, const char *setting, double gflops)
{
    if (device == NULL || setting == NULL)
        return cvy_fail(CVY_ERROR_INVALID, "cvy_gemm_setting_keep: device or setting is NULL; pass both");
    enum cvy_status status = CVY_OK;
    pthread_mutex_lock(&device->lock);
    if (setting[0] != '\0') {
        status = cvy_gemm_set_parameters(device, setting);
        if (status == CVY_OK)
            status = note(device, setting, gflops);
    }
    if (status == CVY_OK)
        save(device, setting, gflops);
    pthread_mutex_unlock(&device->lock);
    return status;
}

const char *cvy_gemm_setting_get(const struct cvy_device *device, double *gflops)
{
    const struct cvy_gemm_setting *setting = device->gemm_setting;
    if (gflops != NULL)
        *gflops = setting != NULL ? setting->gflops : 0;
    return setting != NULL ? setting->text : "";
}
