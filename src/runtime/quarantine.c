#include "runtime/quarantine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "runtime/program.h"
#include "runtime/source.h"
#include "runtime/store.h"

struct cvy_quarantined {
    struct cvy_quarantined *next;
    struct cvy_hash key;
    char program[64];
    char kernel[64];
    char reason[400];
};

static struct cvy_hash key_of(const struct cvy_device *device, const char *program, const char *kernel)
{
    const char *source = cvy_source_text(device, program);
    struct cvy_hash key = cvy_hash_string(cvy_device_identity(device), program);
    return cvy_hash_string(cvy_hash_string(key, kernel), source != NULL ? source : "");
}

static pthread_mutex_t *lock_of(const struct cvy_device *device)
{
    return &((struct cvy_device *)device)->lock;
}

/* An entry counts only while the kernel's source is what it was. */
static bool is_current(const struct cvy_device *device, const struct cvy_quarantined *item)
{
    return cvy_hash_equal(item->key, key_of(device, item->program, item->kernel));
}

bool cvy_quarantine_has(const struct cvy_device *device, const char *program, const char *kernel, char *found,
                        size_t size)
{
    bool has = false;
    pthread_mutex_lock(lock_of(device));
    const struct cvy_quarantined *item = device->on_trial ? NULL : device->quarantined;
    for (; item != NULL && !has; item = item->next) {
        has = strcmp(item->program, program) == 0 && (kernel == NULL || strcmp(item->kernel, kernel) == 0) &&
              is_current(device, item);
        if (has && found != NULL)
            snprintf(found, size, "%s", item->kernel);
    }
    pthread_mutex_unlock(lock_of(device));
    return has;
}

enum cvy_status cvy_quarantine_check(const struct cvy_device *device, const char *program, const char *kernel)
{
    if (!cvy_quarantine_has(device, program, kernel, NULL, 0))
        return CVY_OK;
    return cvy_fail(
        CVY_ERROR_UNSUPPORTED,
        "kernel %s of %s.cl: gave wrong results on %s with this driver and is not used there; try "
        "another device or driver, or 'convoy doctor --forget'",
        kernel, program, device->info.name);
}

bool cvy_quarantine_avoids_clblast(const struct cvy_device *device)
{
    return device->clblast_refused ||
           cvy_quarantine_has(device, CVY_CLBLAST_PROGRAM, CVY_CLBLAST_KERNEL, NULL, 0);
}

static struct cvy_quarantined **find(struct cvy_device *device, struct cvy_hash key)
{
    struct cvy_quarantined **at = &device->quarantined;
    while (*at != NULL && !cvy_hash_equal((*at)->key, key))
        at = &(*at)->next;
    return at;
}

static bool insert(struct cvy_device *device, const struct cvy_store_quarantined *row)
{
    struct cvy_quarantined **at = find(device, row->key);
    if (*at == NULL)
        *at = calloc(1, sizeof(**at));
    if (*at == NULL)
        return false;
    (*at)->key = row->key;
    snprintf((*at)->program, sizeof((*at)->program), "%s", row->program);
    snprintf((*at)->kernel, sizeof((*at)->kernel), "%s", row->kernel);
    snprintf((*at)->reason, sizeof((*at)->reason), "%s", row->reason);
    return true;
}

static void take_in(void *user, const struct cvy_store_quarantined *row)
{
    insert(user, row);
}

static struct cvy_store_quarantined row_of(const struct cvy_device *device,
                                           const struct cvy_quarantined *item)
{
    return (struct cvy_store_quarantined){.key = item->key,
                                          .device = cvy_device_identity(device),
                                          .program = item->program,
                                          .kernel = item->kernel,
                                          .reason = item->reason};
}

enum cvy_status cvy_quarantine_add(struct cvy_device *device, const char *program, const char *kernel,
                                   const char *reason)
{
    pthread_mutex_lock(&device->lock);
    struct cvy_store_quarantined row = {.key = key_of(device, program, kernel),
                                        .device = cvy_device_identity(device),
                                        .program = program,
                                        .kernel = kernel,
                                        .reason = reason};
    bool done = insert(device, &row);
    if (done)
        cvy_store_quarantine(device->store, &row);
    pthread_mutex_unlock(&device->lock);
    return done ? CVY_OK : cvy_fail_memory("the quarantine", sizeof(struct cvy_quarantined));
}

bool cvy_quarantine_remove(struct cvy_device *device, const char *program, const char *kernel)
{
    pthread_mutex_lock(&device->lock);
    struct cvy_quarantined **at = find(device, key_of(device, program, kernel)), *old = *at;
    if (old != NULL) {
        *at = old->next;
        cvy_store_release(device->store, old->key);
        free(old);
    }
    pthread_mutex_unlock(&device->lock);
    return old != NULL;
}

size_t cvy_quarantine_clear(struct cvy_device *device)
{
    size_t count = 0;
    pthread_mutex_lock(&device->lock);
    for (struct cvy_quarantined *item = device->quarantined; item != NULL; item = item->next) {
        cvy_store_release(device->store, item->key);
        count++;
    }
    cvy_quarantine_destroy(&device->quarantined);
    pthread_mutex_unlock(&device->lock);
    return count;
}

void cvy_quarantine_sync(struct cvy_device *device)
{
    for (const struct cvy_quarantined *item = device->quarantined; item != NULL; item = item->next) {
        struct cvy_store_quarantined row = row_of(device, item);
        cvy_store_quarantine(device->store, &row);
    }
    cvy_store_list_quarantined(device->store, cvy_device_identity(device), take_in, device);
    for (const struct cvy_quarantined *item = device->quarantined; item != NULL; item = item->next) {
        if (is_current(device, item))
            cvy_log(CVY_LOG_INFO, "quarantine: %s of %s is not used on %s: %s", item->kernel, item->program,
                    device->info.name, item->reason);
    }
}

void cvy_quarantine_destroy(struct cvy_quarantined **list)
{
    while (*list != NULL) {
        struct cvy_quarantined *item = *list;
        *list = item->next;
        free(item);
    }
}
