#include "op/strided.h"

#include "op/table.h"
#include "runtime/launch.h"

enum cvy_status cvy_strided_build(struct cvy_device *device)
{
    struct cvy_launch launch;
    cvy_launch_init(&launch, "strided", "gather");
    return cvy_launch_prepare(device, &launch);
}

enum cvy_status cvy_strided_enqueue(struct cvy_device *device, struct cvy_buffer *x, struct cvy_buffer *y,
                                    struct cvy_buffer *table, size_t count, size_t offset)
{
    struct cvy_launch launch;
    cvy_launch_init(&launch, "strided", "gather");
    cvy_launch_buffer(&launch, x);
    cvy_launch_buffer(&launch, y);
    cvy_launch_buffer(&launch, table);
    cvy_launch_int(&launch, count);
    cvy_launch_int(&launch, offset);
    cvy_launch_range(&launch, 1, &count, NULL);
    return cvy_launch_run(device, &launch);
}

enum cvy_status cvy_strided_set(struct cvy_operator *self, size_t rank, const size_t *sizes,
                                const int64_t *strides, size_t offset)
{
    struct cvy_strided *strided = (struct cvy_strided *)self;
    struct cvy_table table = {0};
    cvy_table_add(&table, rank);
    for (size_t i = 0; i < rank; i++)
        cvy_table_add(&table, sizes[i]);
    for (size_t i = 0; i < rank; i++)
        cvy_table_add_signed(&table, strides[i]);
    strided->offset = offset;
    enum cvy_status status = cvy_table_upload(&table, self->device, &strided->table);
    return status == CVY_OK ? cvy_strided_build(self->device) : status;
}

enum cvy_status cvy_strided_enqueue_operator(struct cvy_operator *self, struct cvy_buffer *const *in,
                                             size_t n_in, struct cvy_buffer *out,
                                             struct cvy_buffer *workspace)
{
    (void)n_in;
    (void)workspace;
    const struct cvy_strided *strided = (const struct cvy_strided *)self;
    if (self->block > 0)
        return cvy_channels_enqueue(self->device, &strided->channels, in[0], out);
    return cvy_strided_enqueue(self->device, in[0], out, strided->table,
                               cvy_span_elements(&self->out, 0, self->out.rank), strided->offset);
}

void cvy_strided_finish(struct cvy_operator *self)
{
    cvy_buffer_destroy(&((struct cvy_strided *)self)->table);
}
