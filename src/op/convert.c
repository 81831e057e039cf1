#include "op/convert.h"

#include "base/arith.h"
#include "op/blocks.h"
#include "op/problem.h"
#include "runtime/buffer.h"
#include "runtime/device.h"

bool cvy_convert(const struct cvy_conv_problem *plain, const struct cvy_device *device,
                 struct cvy_conv_problem *blocked)
{
    size_t block = cvy_conv_best_block(device);
    if (block == 0 || plain->x_block != 0 || plain->y_block != 0 || cvy_conv_is_integer(plain) ||
        plain->x_dtype != CVY_FLOAT32)
        return false;
    *blocked = *plain;
    /* fewer channels would mostly move what fills blocks up */
    blocked->x_block = plain->c < block / 2 ? 0 : block;
    blocked->y_block = plain->k < block / 2 ? 0 : block;
    return (blocked->x_block != 0 || blocked->y_block != 0) && cvy_conv_validate(blocked) == CVY_OK;
}

static struct cvy_blocks x_blocks(const struct cvy_conv_problem *p)
{
    struct cvy_blocks blocks = {.n = p->n, .channels = p->c, .pixels = 1, .block = p->x_block};
    for (size_t i = 0; i < p->rank; i++)
        blocks.pixels *= p->in[i];
    return blocks;
}

static struct cvy_blocks y_blocks(const struct cvy_conv_problem *p)
{
    size_t out[CVY_CONV_MAX_RANK];
    struct cvy_blocks blocks = {.n = p->n, .channels = p->k, .pixels = 1, .block = p->y_block};
    cvy_conv_output_sizes(p, out);
    for (size_t i = 0; i < p->rank; i++)
        blocks.pixels *= out[i];
    return blocks;
}

/* Parts of a workspace begin at multiples of what the device wants. */
static size_t x_room(const struct cvy_conv_problem *p, const struct cvy_device *device)
{
    struct cvy_blocks blocks = x_blocks(p);
    return p->x_block != 0 ? cvy_round_up(cvy_blocks_bytes(&blocks), device->info.base_align) : 0;
}

static size_t y_room(const struct cvy_conv_problem *p, const struct cvy_device *device)
{
    struct cvy_blocks blocks = y_blocks(p);
    return p->y_block != 0 ? cvy_round_up(cvy_blocks_bytes(&blocks), device->info.base_align) : 0;
}

size_t cvy_convert_workspace(const struct cvy_conv_problem *blocked, const struct cvy_device *device)
{
    return x_room(blocked, device) + y_room(blocked, device);
}

double cvy_convert_seconds(const struct cvy_conv_problem *blocked, const struct cvy_device *device)
{
    struct cvy_blocks x = x_blocks(blocked), y = y_blocks(blocked);
    double seconds = 0;
    if (blocked->x_block != 0)
        seconds += cvy_blocks_seconds(device, &x);
    if (blocked->y_block != 0)
        seconds += cvy_blocks_seconds(device, &y) * (blocked->accumulate ? 2 : 1);
    return seconds;
}

enum cvy_status cvy_convert_build(struct cvy_device *device, const struct cvy_conv_problem *blocked)
{
    return cvy_blocks_build(device, CVY_MAX(blocked->x_block, blocked->y_block));
}

enum cvy_status cvy_convert_parts_init(struct cvy_convert_parts *parts,
                                       const struct cvy_conv_problem *blocked, struct cvy_buffer *workspace,
                                       size_t rest)
{
    const struct cvy_device *device = cvy_buffer_device(workspace);
    size_t x_bytes = x_room(blocked, device), y_bytes = y_room(blocked, device);
    struct cvy_convert_parts made = {0};
    enum cvy_status status = CVY_OK;
    if (x_bytes > 0)
        status = cvy_buffer_create_part(&made.x, workspace, 0, x_bytes);
    if (status == CVY_OK && y_bytes > 0)
        status = cvy_buffer_create_part(&made.y, workspace, x_bytes, y_bytes);
    if (status == CVY_OK && rest > 0)
        status = cvy_buffer_create_part(&made.rest, workspace, x_bytes + y_bytes, rest);
    if (status == CVY_OK)
        *parts = made;
    else
        cvy_convert_parts_finish(&made);
    return status;
}

void cvy_convert_parts_finish(struct cvy_convert_parts *parts)
{
    cvy_buffer_destroy(&parts->x);
    cvy_buffer_destroy(&parts->y);
    cvy_buffer_destroy(&parts->rest);
}

enum cvy_status cvy_convert_enqueue(struct cvy_device *device, const struct cvy_algo *algo,
                                    const struct cvy_conv_problem *blocked,
                                    const struct cvy_algo_config *config,
                                    const struct cvy_convert_parts *parts, const struct cvy_algo_args *args)
{
    struct cvy_blocks x = x_blocks(blocked), y = y_blocks(blocked);
    struct cvy_algo_args inner = *args;
    inner.workspace = parts->rest;
    enum cvy_status status = CVY_OK;
    if (parts->x != NULL) {
        inner.x = parts->x;
        status = cvy_blocks_from_plain(device, &x, args->x, parts->x);
    }
    if (parts->y != NULL) {
        inner.y = parts->y;
        if (status == CVY_OK && blocked->accumulate)
            status = cvy_blocks_from_plain(device, &y, args->y, parts->y);
    }
    if (status == CVY_OK)
        status = algo->enqueue(device, blocked, config, &inner);
    if (status == CVY_OK && parts->y != NULL)
        status = cvy_blocks_to_plain(device, &y, parts->y, args->y);
    return status;
}
