#define _GNU_SOURCE /* RTLD_DEFAULT */
#include "runtime/memory.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"

/* of OpenCL 2.0, whose headers may be missing */
#define DEVICE_SVM_CAPABILITIES 0x1053
#define SVM_FINE_GRAIN_BUFFER ((cl_bitfield)1 << 1)
#define MEM_SVM_FINE_GRAIN_BUFFER ((cl_bitfield)1 << 10)

/* What a cl_mem's end has to free. */
struct shared {
    void (*free)(cl_context context, void *address);
    cl_context context;
    void *address;
};

static bool shares_memory(const struct cvy_device *device)
{
    int major = 0;
    cl_bitfield capabilities = 0;
    return device->owns_queue && device->info.type == CVY_DEVICE_CPU &&
           sscanf(device->info.opencl_version, "OpenCL %d", &major) == 1 && major >= 2 &&
           clGetDeviceInfo(device->id, DEVICE_SVM_CAPABILITIES, sizeof(capabilities), &capabilities, NULL) ==
               CL_SUCCESS &&
           (capabilities & SVM_FINE_GRAIN_BUFFER) != 0;
}

void cvy_memory_find_shared(struct cvy_device *device)
{
    struct cvy_shared_memory found;
    if (!shares_memory(device))
        return;
    /* looked up: a loader of OpenCL 1.2 has no such functions */
    *(void **)&found.alloc = dlsym(RTLD_DEFAULT, "clSVMAlloc");
    *(void **)&found.free = dlsym(RTLD_DEFAULT, "clSVMFree");
    *(void **)&found.set_arg = dlsym(RTLD_DEFAULT, "clSetKernelArgSVMPointer");
    if (found.alloc != NULL && found.free != NULL && found.set_arg != NULL)
        device->shared_memory = found;
}

static void CL_CALLBACK free_shared(cl_mem memory, void *user)
{
    struct shared *shared = user;
    (void)memory;
    shared->free(shared->context, shared->address);
    free(shared);
}

static cl_mem create_shared(const struct cvy_device *device, size_t bytes, char **address)
{
    const struct cvy_shared_memory *functions = &device->shared_memory;
    struct shared *shared = malloc(sizeof(*shared));
    cl_int error = CL_OUT_OF_HOST_MEMORY;
    cl_mem memory = NULL;
    if (shared == NULL)
        return NULL;
    *shared = (struct shared){functions->free, device->context, NULL};
    shared->address = functions->alloc(device->context, CL_MEM_READ_WRITE | MEM_SVM_FINE_GRAIN_BUFFER, bytes,
                                       (cl_uint)device->info.base_align);
    if (shared->address != NULL)
        memory = clCreateBuffer(device->context, CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, bytes,
                                shared->address, &error);
    if (error == CL_SUCCESS && clSetMemObjectDestructorCallback(memory, free_shared, shared) == CL_SUCCESS) {
        *address = shared->address;
        return memory;
    }
    if (error == CL_SUCCESS)
        clReleaseMemObject(memory);
    if (shared->address != NULL)
        functions->free(device->context, shared->address);
    free(shared);
    return NULL;
}

cl_mem cvy_memory_create(const struct cvy_device *device, size_t bytes, char **address, cl_int *error)
{
    cl_mem_flags flags = CL_MEM_READ_WRITE | (device->info.unified_memory ? CL_MEM_ALLOC_HOST_PTR : 0);
    cl_mem memory = NULL;
    *error = CL_SUCCESS;
    *address = NULL;
    if (device->shared_memory.alloc != NULL)
        memory = create_shared(device, bytes, address);
    if (memory == NULL)
        memory = clCreateBuffer(device->context, flags, bytes, NULL, error);
    return *error == CL_SUCCESS ? memory : NULL;
}

void cvy_memory_release(struct cvy_device *device, cl_mem memory, const char *address)
{
    if (address == NULL) {
        clReleaseMemObject(memory);
        return;
    }
    struct cvy_released *released = malloc(sizeof(*released));
    if (released == NULL)
        return; /* it stays until the context goes */
    *released = (struct cvy_released){NULL, memory};
    struct cvy_released **end = &device->released;
    while (*end != NULL)
        end = &(*end)->next;
    *end = released;
    device->n_released++;
}

uint64_t cvy_memory_released(struct cvy_device *device)
{
    pthread_mutex_lock(&device->lock);
    uint64_t released = device->n_released;
    pthread_mutex_unlock(&device->lock);
    return released;
}

void cvy_memory_free(struct cvy_device *device, uint64_t released)
{
    pthread_mutex_lock(&device->lock);
    for (; device->released != NULL && device->n_freed < released; device->n_freed++) {
        struct cvy_released *first = device->released;
        device->released = first->next;
        clReleaseMemObject(first->memory);
        free(first);
    }
    pthread_mutex_unlock(&device->lock);
}
