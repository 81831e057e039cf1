#include "runtime/buffer.h"

#include <stdlib.h>

#include "base/arith.h"
#include "base/log.h"
#include "runtime/memory.h"
#include "runtime/pool.h"
#include "runtime/program.h"
#include "runtime/recording.h"
#include "runtime/team.h"

/*
 * A buffer owns an allocation, or a block of a slab, or it is a part of another. Sub-buffers of sub-buffers
 * are illegal in OpenCL, so each knows the allocation it lies in and where.
 */
struct cvy_buffer {
    struct cvy_device *device;
    struct cvy_buffer *root; /* of a part: what it keeps alive */
    struct cvy_block block;  /* slab NULL: not of the pool */
    size_t own_bytes;        /* of an allocation of its own */
    cl_mem memory;
    char *address;        /* that kernels take instead of memory; NULL: none (memory.h) */
    cl_mem origin;        /* the allocation, no sub-buffer; not retained */
    size_t origin_offset; /* where in it */
    size_t bytes;
    size_t references; /* guarded by device->lock */
    uint64_t id;
};

static _Atomic uint64_t last_id;

uint64_t cvy_buffer_id(const struct cvy_buffer *buffer)
{
    return buffer->id;
}

struct cvy_device *cvy_buffer_device(const struct cvy_buffer *buffer)
{
    return buffer->device;
}

enum cvy_status cvy_check_allocation(const struct cvy_device *device, size_t bytes, const char *what)
{
    const struct cvy_device_info *info = &device->info;
    if (bytes > info->max_alloc_bytes)
        return cvy_fail(CVY_ERROR_DEVICE_MEMORY,
                        "%s: %zu bytes are more than the %llu that %s allows in one allocation "
                        "(CL_DEVICE_MAX_MEM_ALLOC_SIZE); use a smaller problem or another device",
                        what, bytes, (unsigned long long)info->max_alloc_bytes, info->name);
    if (bytes > info->global_bytes)
        return cvy_fail(CVY_ERROR_DEVICE_MEMORY,
                        "%s: %zu bytes are more than the %llu that %s has (CL_DEVICE_GLOBAL_MEM_SIZE); use a "
                        "smaller problem or another device",
                        what, bytes, (unsigned long long)info->global_bytes, info->name);
    return CVY_OK;
}

static cl_mem create_sub_buffer(cl_mem origin, size_t offset, size_t bytes, cl_int *error)
{
    cl_buffer_region region = {offset, bytes};
    return clCreateSubBuffer(origin, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, error);
}

/* Of what lies in an allocation that has one, or none. */
static char *address_at(char *address, size_t offset)
{
    return address != NULL ? address + offset : NULL;
}

/* A block of the pool; false where the pool or the driver's sub-buffers fail. */
static bool init_small(struct cvy_buffer *buffer, size_t bytes)
{
    struct cvy_device *device = buffer->device;
    cl_int error = CL_SUCCESS;
    pthread_mutex_lock(&device->lock);
    bool taken = cvy_pool_take(device, bytes, &buffer->block);
    if (taken) {
        buffer->origin = cvy_slab_memory(buffer->block.slab);
        buffer->origin_offset = buffer->block.offset;
        buffer->address = address_at(cvy_slab_address(buffer->block.slab), buffer->block.offset);
        buffer->memory = create_sub_buffer(buffer->origin, buffer->origin_offset, bytes, &error);
        if (error != CL_SUCCESS) {
            buffer->memory = NULL;
            cvy_pool_give_back(device, &buffer->block);
            buffer->block = (struct cvy_block){0};
        }
    }
    pthread_mutex_unlock(&device->lock);
    if (error != CL_SUCCESS)
        cvy_log(CVY_LOG_DEBUG, "clCreateSubBuffer: %s; the buffer gets an allocation of its own",
                cvy_cl_error(error));
    return taken && error == CL_SUCCESS;
}

/* Some drivers promise more memory than there is, so convoy keeps count. */
static enum cvy_status init_large(struct cvy_buffer *buffer, size_t bytes)
{
    struct cvy_device *device = buffer->device;
    cl_int error = CL_SUCCESS;
    pthread_mutex_lock(&device->lock);
    uint64_t allocated = device->allocated;
    bool fits = bytes <= device->info.global_bytes && allocated <= device->info.global_bytes - bytes;
    if (fits)
        buffer->memory = cvy_memory_create(device, bytes, &buffer->address, &error);
    if (fits && error == CL_SUCCESS) {
        device->allocated += bytes;
        buffer->own_bytes = bytes;
    }
    pthread_mutex_unlock(&device->lock);
    if (!fits)
        return cvy_fail(CVY_ERROR_DEVICE_MEMORY,
                        "buffer: %zu bytes beside the %llu in use are more than the %llu that %s has "
                        "(CL_DEVICE_GLOBAL_MEM_SIZE); use a smaller problem or free buffers",
                        bytes, (unsigned long long)allocated, (unsigned long long)device->info.global_bytes,
                        device->info.name);
    if (error != CL_SUCCESS)
        return cvy_fail_cl(error, "clCreateBuffer");
    buffer->origin = buffer->memory;
    buffer->origin_offset = 0;
    return CVY_OK;
}

enum cvy_status cvy_buffer_create(struct cvy_buffer **buffer, struct cvy_device *device, size_t bytes)
{
    if (buffer == NULL || device == NULL || bytes == 0)
        return cvy_fail(CVY_ERROR_INVALID, "cvy_buffer_create: no device or 0 bytes; a buffer needs both");
    enum cvy_status status = cvy_check_allocation(device, bytes, "buffer");
    if (status != CVY_OK)
        return status;
    struct cvy_buffer *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return cvy_fail_memory("a buffer", sizeof(*made));
    /* what is launched with it cannot be launched again without it */
    cvy_recording_spoil(device);
    made->device = device;
    made->bytes = bytes;
    made->references = 1;
    made->id = ++last_id;
    if (bytes > CVY_POOL_SMALL || !init_small(made, bytes))
        status = init_large(made, bytes);
    if (status != CVY_OK) {
        free(made);
        return status;
    }
    *buffer = made;
    return CVY_OK;
}

/* false unless offset..offset+bytes lies in the buffer. */
static bool range_fits(const struct cvy_buffer *buffer, size_t offset, size_t bytes)
{
    size_t end;
    return cvy_add(offset, bytes, &end) && end <= buffer->bytes;
}

static enum cvy_status check_range(const struct cvy_buffer *buffer, size_t offset, size_t bytes,
                                   const char *what)
{
    if (buffer == NULL)
        return cvy_fail(CVY_ERROR_INVALID, "%s: buffer is NULL; create one first", what);
    if (range_fits(buffer, offset, bytes))
        return CVY_OK;
    return cvy_fail(CVY_ERROR_INVALID, "%s: %zu bytes at offset %zu leave a buffer of %zu bytes", what, bytes,
                    offset, buffer->bytes);
}

enum cvy_status cvy_buffer_create_part(struct cvy_buffer **part, struct cvy_buffer *parent, size_t offset,
                                       size_t bytes)
{
    enum cvy_status status = check_range(parent, offset, bytes, "cvy_buffer_create_part");
    if (status != CVY_OK)
        return status;
    struct cvy_device *device = parent->device;
    if (bytes == 0 || offset % device->info.base_align != 0)
        return cvy_fail(CVY_ERROR_INVALID,
                        "cvy_buffer_create_part: %zu bytes at offset %zu; a part must not be empty and must "
                        "begin at a multiple of %zu",
                        bytes, offset, device->info.base_align);
    struct cvy_buffer *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return cvy_fail_memory("a buffer", sizeof(*made));
    /* what is launched with it cannot be launched again without it */
    cvy_recording_spoil(device);
    made->device = device;
    made->bytes = bytes;
    made->references = 1;
    made->id = ++last_id;
    made->origin = parent->origin;
    made->origin_offset = parent->origin_offset + offset;
    made->address = address_at(parent->address, offset);
    cl_int error;
    made->memory = create_sub_buffer(made->origin, made->origin_offset, bytes, &error);
    if (error != CL_SUCCESS) {
        free(made);
        return cvy_fail_cl(error, "clCreateSubBuffer");
    }
    made->root = parent->root != NULL ? parent->root : parent;
    pthread_mutex_lock(&device->lock);
    made->root->references++;
    pthread_mutex_unlock(&device->lock);
    *part = made;
    return CVY_OK;
}

enum cvy_status cvy_buffer_adopt(struct cvy_buffer **buffer, struct cvy_device *device, cl_mem memory)
{
    if (buffer == NULL || device == NULL || memory == NULL)
        return cvy_fail(CVY_ERROR_INVALID, "cvy_buffer_adopt: an argument is NULL; pass device and cl_mem");
    size_t bytes = 0, offset = 0;
    cl_mem associated = NULL;
    cl_int error = clGetMemObjectInfo(memory, CL_MEM_SIZE, sizeof(bytes), &bytes, NULL);
    if (error == CL_SUCCESS)
        error =
            clGetMemObjectInfo(memory, CL_MEM_ASSOCIATED_MEMOBJECT, sizeof(associated), &associated, NULL);
    if (error == CL_SUCCESS && associated != NULL)
        error = clGetMemObjectInfo(memory, CL_MEM_OFFSET, sizeof(offset), &offset, NULL);
    if (error != CL_SUCCESS)
        return cvy_fail_cl(error, "cvy_buffer_adopt: clGetMemObjectInfo");
    struct cvy_buffer *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return cvy_fail_memory("a buffer", sizeof(*made));
    error = clRetainMemObject(memory);
    if (error != CL_SUCCESS) {
        free(made);
        return cvy_fail_cl(error, "clRetainMemObject");
    }
    made->device = device;
    made->memory = memory;
    made->origin = associated != NULL ? associated : memory;
    made->origin_offset = offset;
    made->bytes = bytes;
    made->references = 1;
    made->id = ++last_id;
    *buffer = made;
    return CVY_OK;
}

void cvy_buffer_destroy(struct cvy_buffer **buffer)
{
    if (buffer == NULL || *buffer == NULL)
        return;
    struct cvy_buffer *b = *buffer;
    struct cvy_device *device = b->device;
    *buffer = NULL;
    pthread_mutex_lock(&device->lock);
    while (b != NULL && --b->references == 0) {
        struct cvy_buffer *root = b->root;
        cvy_memory_release(device, b->memory, b->own_bytes > 0 ? b->address : NULL);
        device->allocated -= b->own_bytes;
        if (b->block.slab != NULL)
            cvy_pool_give_back(device, &b->block);
        free(b);
        b = root;
    }
    pthread_mutex_unlock(&device->lock);
}

size_t cvy_buffer_bytes(const struct cvy_buffer *buffer)
{
    return buffer->bytes;
}

cl_mem cvy_buffer_cl_mem(const struct cvy_buffer *buffer)
{
    return buffer->memory;
}

const void *cvy_buffer_address(const struct cvy_buffer *buffer)
{
    return buffer->address;
}

enum cvy_status cvy_buffer_write(struct cvy_buffer *buffer, size_t offset, size_t bytes, const void *source)
{
    enum cvy_status status = check_range(buffer, offset, bytes, "cvy_buffer_write");
    if (status != CVY_OK || bytes == 0)
        return status;
    if (source == NULL)
        return cvy_fail(CVY_ERROR_INVALID, "cvy_buffer_write: source is NULL; pass %zu bytes", bytes);
    const uint64_t released = cvy_memory_released(buffer->device);
    cl_int error = clEnqueueWriteBuffer(cvy_device_queue(buffer->device), buffer->memory, CL_TRUE, offset,
                                        bytes, source, 0, NULL, NULL);
    if (error != CL_SUCCESS)
        return cvy_fail_cl(error, "clEnqueueWriteBuffer");
    cvy_memory_free(buffer->device, released);
    return CVY_OK;
}

enum cvy_status cvy_buffer_upload(struct cvy_buffer **buffer, struct cvy_device *device, size_t bytes,
                                  const void *data)
{
    struct cvy_buffer *made = NULL;
    enum cvy_status status = cvy_buffer_create(&made, device, bytes);
    if (status == CVY_OK)
        status = cvy_buffer_write(made, 0, bytes, data);
    if (status == CVY_OK)
        *buffer = made;
    else
        cvy_buffer_destroy(&made);
    return status;
}

enum cvy_status cvy_buffer_read(const struct cvy_buffer *buffer, size_t offset, size_t bytes, void *target)
{
    enum cvy_status status = check_range(buffer, offset, bytes, "cvy_buffer_read");
    if (status != CVY_OK || bytes == 0)
        return status;
    if (target == NULL)
        return cvy_fail(CVY_ERROR_INVALID, "cvy_buffer_read: target is NULL; pass room for %zu bytes", bytes);
    const uint64_t released = cvy_memory_released(buffer->device);
    cl_int error = clEnqueueReadBuffer(cvy_device_queue(buffer->device), buffer->memory, CL_TRUE, offset,
                                       bytes, target, 0, NULL, NULL);
    if (error != CL_SUCCESS)
        return cvy_fail_cl(error, "clEnqueueReadBuffer");
    cvy_memory_free(buffer->device, released);
    cvy_programs_save(buffer->device, true);
    return CVY_OK;
}

enum cvy_status cvy_buffer_map(struct cvy_buffer *buffer, enum cvy_map_mode mode, void **data)
{
    if (buffer == NULL || data == NULL)
        return cvy_fail(CVY_ERROR_INVALID, "cvy_buffer_map: an argument is NULL; pass buffer and data");
    cl_int error;
    cl_map_flags flags = mode == CVY_MAP_WRITE ? CL_MAP_WRITE_INVALIDATE_REGION : CL_MAP_READ;
    void *mapped = clEnqueueMapBuffer(cvy_device_queue(buffer->device), buffer->memory, CL_TRUE, flags, 0,
                                      buffer->bytes, 0, NULL, NULL, &error);
    if (error != CL_SUCCESS)
        return cvy_fail_cl(error, "clEnqueueMapBuffer");
    *data = mapped;
    return CVY_OK;
}

enum cvy_status cvy_buffer_unmap(struct cvy_buffer *buffer, void *data)
{
    if (buffer == NULL || data == NULL)
        return cvy_fail(CVY_ERROR_INVALID, "cvy_buffer_unmap: an argument is NULL; pass what was mapped");
    cl_int error =
        clEnqueueUnmapMemObject(cvy_device_queue(buffer->device), buffer->memory, data, 0, NULL, NULL);
    return error == CL_SUCCESS ? CVY_OK : cvy_fail_cl(error, "clEnqueueUnmapMemObject");
}

enum cvy_status cvy_buffer_copy(struct cvy_buffer *from, size_t from_offset, struct cvy_buffer *to,
                                size_t to_offset, size_t bytes)
{
    enum cvy_status status = check_range(from, from_offset, bytes, "cvy_buffer_copy");
    if (status == CVY_OK)
        status = check_range(to, to_offset, bytes, "cvy_buffer_copy");
    if (status != CVY_OK || bytes == 0)
        return status;
    cl_int error = clEnqueueCopyBuffer(cvy_device_queue(to->device), from->memory, to->memory, from_offset,
                                       to_offset, bytes, 0, NULL, NULL);
    return error == CL_SUCCESS ? CVY_OK : cvy_fail_cl(error, "clEnqueueCopyBuffer");
}
