#include "op/strided.h"

#include "runtime/launch.h"

enum cvy_status cvy_strided_enqueue(struct cvy_device *device, const char *kernel, struct cvy_buffer *x,
                                    struct cvy_buffer *y, struct cvy_buffer *table, size_t count,
                                    size_t offset)
{
    struct cvy_launch launch;
    cvy_launch_init(&launch, "strided", kernel);
    cvy_launch_buffer(&launch, x);
    cvy_launch_buffer(&launch, y);
    cvy_launch_buffer(&launch, table);
    cvy_launch_int(&launch, count);
    cvy_launch_int(&launch, offset);
    cvy_launch_range(&launch, 1, &count, NULL);
    return cvy_launch_run(device, &launch);
}

enum cvy_status cvy_strided_build(struct cvy_device *device, const char *kernel)
{
    struct cvy_launch launch;
    cvy_launch_init(&launch, "strided", kernel);
    return cvy_launch_prepare(device, &launch);
}
