/* Layout: between plain tensors and blocks of channels, where the steps of a plan want different ones. */
#include "base/log.h"
#include "op/blocks.h"
#include "op/classes.h"
#include "op/layout.h"
#include "op/planes.h"
#include "op/table.h"

struct layout {
    struct cvy_operator base;
    struct cvy_blocks blocks;
    bool to_blocks;
};

static struct cvy_blocks blocks_of(const struct cvy_shape *shape, size_t block)
{
    return (struct cvy_blocks){.n = shape->dims[0],
                               .channels = shape->dims[1],
                               .pixels = cvy_span_elements(shape, 2, shape->rank),
                               .block = block};
}

bool cvy_layout_is_same(const struct cvy_shape *shape, size_t block)
{
    return cvy_span_elements(shape, 2, shape->rank) == 1 && shape->dims[1] % block == 0;
}

double cvy_layout_seconds(const struct cvy_device *device, const struct cvy_shape *shape, size_t block)
{
    struct cvy_blocks blocks = blocks_of(shape, block);
    return cvy_layout_is_same(shape, block) ? 0 : cvy_blocks_seconds(device, &blocks);
}

static enum cvy_status check(const struct cvy_op *op)
{
    (void)op;
    return cvy_fail(CVY_ERROR_INVALID, "Layout: plans insert it; a graph's tensors have no layout");
}

static enum cvy_status infer(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                             struct cvy_shape *out)
{
    (void)op;
    (void)n_in;
    *out = in[0].shape;
    return CVY_OK;
}

static bool layouts(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in, size_t block,
                    enum cvy_layout *layouts)
{
    (void)op;
    (void)in;
    (void)n_in;
    layouts[0] = block > 0 ? CVY_LAYOUT_PLAIN : CVY_LAYOUT_BLOCKS;
    return true;
}

static enum cvy_status init(struct cvy_operator *self, const struct cvy_operand *in, size_t n_in,
                            const struct cvy_operator_params *params)
{
    (void)n_in;
    (void)params;
    struct layout *layout = (struct layout *)self;
    layout->to_blocks = self->block > 0;
    layout->blocks = blocks_of(&self->out, layout->to_blocks ? self->block : in[0].block);
    self->algorithm = layout->to_blocks ? "to_blocks" : "to_plain";
    return cvy_blocks_build(self->device, layout->blocks.block);
}

static enum cvy_status enqueue(struct cvy_operator *self, struct cvy_buffer *const *in, size_t n_in,
                               struct cvy_buffer *out, struct cvy_buffer *workspace)
{
    (void)n_in;
    (void)workspace;
    const struct layout *layout = (const struct layout *)self;
    return layout->to_blocks ? cvy_blocks_from_plain(self->device, &layout->blocks, in[0], out)
                             : cvy_blocks_to_plain(self->device, &layout->blocks, in[0], out);
}

const struct cvy_operator_class cvy_op_layout_class = {
    .min_inputs = 1,
    .max_inputs = 1,
    .check = check,
    .infer = infer,
    .layouts = layouts,
    .size = sizeof(struct layout),
    .init = init,
    .enqueue = enqueue,
};
