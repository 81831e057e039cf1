#include "op/strided.h"

#include <stdlib.h>

#include "base/arith.h"
#include "op/planes.h"
#include "op/table.h"
#include "runtime/device.h"
#include "runtime/launch.h"

#define SIDE 16          /* as in cl/strided.cl */
#define SCATTERED 4      /* as many times longer than whole vectors */
#define SHARED_PLANES 16 /* for each unit: enough to be shared out */

/* A dimension: its size, and its steps in x and y. */
struct axis {
    size_t size;
    int64_t step, step_y;
};

/* Those of more than one element, the innermost first; one that goes on where the one inside it ends is one
 * with it. */
static size_t merged(struct axis *axes, size_t rank, const size_t *sizes, const int64_t *strides)
{
    size_t count = 0;
    int64_t step_y = 1;
    for (size_t i = rank; i-- > 0; step_y *= (int64_t)sizes[i]) {
        struct axis *inner = &axes[count - (count > 0)];
        if (sizes[i] == 1)
            continue;
        if (count > 0 && strides[i] == (int64_t)inner->size * inner->step)
            inner->size *= sizes[i];
        else
            axes[count++] = (struct axis){sizes[i], strides[i], step_y};
    }
    if (count == 0)
        axes[count++] = (struct axis){1, 1, 1};
    return count;
}

/* The axis that makes a plane with axis 0: the next one where x is read in its order, else the one along
 * which x lies closest. */
static size_t second_axis(const struct axis *axes, size_t count)
{
    size_t found = 1;
    for (size_t i = 1; i < count; i++) {
        const int64_t step = llabs(axes[i].step);
        if (step != 0 && step < llabs(axes[0].step) && step < llabs(axes[found].step))
            found = i;
    }
    return found;
}

static void share(struct cvy_view *view, const struct cvy_device *device)
{
    const double floats = (double)view->a * (double)view->b * (double)view->outer;
    const double bytes = 2 * sizeof(float) * floats * (view->in_rows ? 1 : SCATTERED);
    view->run_a = view->run_b = view->each = 1;
    if (device->info.type != CVY_DEVICE_CPU)
        return;
    const size_t tiles_a = cvy_ceil_div(view->a, SIDE), tiles_b = cvy_ceil_div(view->b, SIDE);
    const size_t enough = SHARED_PLANES * CVY_MAX(device->info.compute_units, 1);
    view->run_a = view->a;
    view->run_b = view->b;
    if (view->outer >= enough)
        view->each = cvy_planes_share(device, view->outer, 1, bytes);
    else if (tiles_b * view->outer >= enough)
        view->run_b = SIDE * cvy_planes_share(device, tiles_b, view->outer, bytes);
    else
        view->run_a = SIDE * cvy_planes_share(device, tiles_a, view->b * view->outer, bytes);
    if (view->run_a < view->a)
        view->run_b = 1;
}

static void describe(struct cvy_launch *launch, const struct cvy_view *view, const struct cvy_device *device)
{
    cvy_launch_init(launch, "strided", "strided");
    cvy_launch_define(launch, "LANES", cvy_plain_lanes(device));
    cvy_launch_define(launch, "IN_ROWS", view->in_rows);
}

enum cvy_status cvy_view_prepare(struct cvy_view *view, struct cvy_device *device, size_t rank,
                                 const size_t *sizes, const int64_t *strides, size_t offset)
{
    struct axis axes[2 * CVY_MAX_RANK] = {{0}};
    struct cvy_table table = {0};
    const size_t count = merged(axes, rank, sizes, strides), second = second_axis(axes, count);
    const struct axis b = count > 1 ? axes[second] : (struct axis){1, 0, 0};
    *view = (struct cvy_view){.a = axes[0].size, .b = b.size, .outer = 1, .offset = offset};
    view->in_rows = axes[0].step == 1;
    cvy_table_add(&table, count - CVY_MIN(count, 2));
    cvy_table_add_signed(&table, axes[0].step);
    cvy_table_add_signed(&table, b.step);
    cvy_table_add_signed(&table, b.step_y);
    for (size_t i = 1; i < count; i++) {
        if (i == second)
            continue;
        view->outer *= axes[i].size;
        cvy_table_add(&table, axes[i].size);
        cvy_table_add_signed(&table, axes[i].step);
        cvy_table_add_signed(&table, axes[i].step_y);
    }
    share(view, device);
    struct cvy_launch launch;
    describe(&launch, view, device);
    enum cvy_status status = cvy_table_upload(&table, device, &view->table);
    return status == CVY_OK ? cvy_launch_prepare(device, &launch) : status;
}

enum cvy_status cvy_view_enqueue(const struct cvy_view *view, struct cvy_device *device,
                                 const struct cvy_buffer *x, struct cvy_buffer *y)
{
    struct cvy_launch launch;
    describe(&launch, view, device);
    cvy_launch_buffer(&launch, x);
    cvy_launch_buffer(&launch, view->table);
    cvy_launch_buffer(&launch, y);
    cvy_launch_struct(
        &launch,
        (size_t[]){view->a, view->b, view->outer, view->run_a, view->run_b, view->each, view->offset}, 7);
    cvy_launch_share(&launch);
    const size_t range[] = {cvy_ceil_div(view->a, view->run_a), cvy_ceil_div(view->b, view->run_b),
                            cvy_ceil_div(view->outer, view->each)};
    cvy_launch_range(&launch, 3, range, NULL);
    return cvy_launch_run(device, &launch);
}

void cvy_view_finish(struct cvy_view *view)
{
    cvy_buffer_destroy(&view->table);
}

enum cvy_status cvy_strided_set(struct cvy_operator *self, size_t rank, const size_t *sizes,
                                const int64_t *strides, size_t offset)
{
    return cvy_view_prepare(&((struct cvy_strided *)self)->view, self->device, rank, sizes, strides, offset);
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
    return cvy_view_enqueue(&strided->view, self->device, in[0], out);
}

void cvy_strided_finish(struct cvy_operator *self)
{
    cvy_view_finish(&((struct cvy_strided *)self)->view);
}
