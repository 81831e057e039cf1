/* GroupNormalization, InstanceNormalization and LayerNormalization: rows of numbers get mean 0 and variance
 * 1, then a scale and a bias. Wu, He, "Group Normalization", arXiv 1803.08494; Ulyanov, Vedaldi, Lempitsky,
 * arXiv 1607.08022; Ba, Kiros, Hinton, arXiv 1607.06450. */
#include "base/log.h"
#include "op/classes.h"
#include "op/planes.h"
#include "op/table.h"
#include "runtime/launch.h"

/* As struct sizes of cl/normalize.cl has them. */
struct rows {
    size_t rows, size, each, groups;
};

struct normalize {
    struct cvy_operator base;
    struct rows rows;
    bool has_bias;
};

static size_t elements(const struct cvy_operand *operand)
{
    return cvy_span_elements(&operand->shape, 0, operand->shape.rank);
}

/* scale has `count` numbers or `other`, and bias, where there is one, as many. */
static enum cvy_status check_parameters(const char *name, const struct cvy_operand *in, size_t n_in,
                                        size_t count, size_t other)
{
    const size_t scales = elements(&in[1]);
    char text[128];
    if (scales != count && scales != other)
        return cvy_fail(CVY_ERROR_INVALID, "%s: scale has shape %s; it needs %zu numbers", name,
                        cvy_shape_format(&in[1].shape, text, sizeof(text)), count);
    if (n_in > 2 && in[2].present && elements(&in[2]) != scales)
        return cvy_fail(CVY_ERROR_INVALID, "%s: bias has shape %s, but scale has %zu numbers", name,
                        cvy_shape_format(&in[2].shape, text, sizeof(text)), scales);
    return CVY_OK;
}

static enum cvy_status group_rows(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                  struct rows *rows)
{
    const struct cvy_shape *x = &in[0].shape;
    const size_t channels = x->rank > 1 ? x->dims[1] : 0;
    const size_t groups = op->group_norm.groups ? op->group_norm.groups : channels;
    if (channels == 0 || channels % groups != 0)
        return cvy_fail(CVY_ERROR_INVALID, "%s: %zu channels do not divide by %zu groups", cvy_op_name(op),
                        channels, groups);
    const size_t pixels = cvy_span_elements(x, 2, x->rank);
    enum cvy_status status = check_parameters(cvy_op_name(op), in, n_in, channels, groups);
    *rows = (struct rows){x->dims[0] * groups, channels / groups * pixels, elements(&in[1]) / groups, groups};
    return status;
}

static enum cvy_status layer_rows(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                  struct rows *rows)
{
    const struct cvy_shape *x = &in[0].shape;
    size_t axis;
    enum cvy_status status = cvy_resolve_axis(cvy_op_name(op), op->layer_norm.axis, x->rank, &axis);
    if (status != CVY_OK)
        return status;
    const size_t size = cvy_span_elements(x, axis, x->rank);
    *rows = (struct rows){cvy_span_elements(x, 0, axis), size, size, 1};
    return check_parameters(cvy_op_name(op), in, n_in, size, size);
}

static enum cvy_status rows_of(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                               struct rows *rows)
{
    return op->type == CVY_OP_LAYER_NORM ? layer_rows(op, in, n_in, rows) : group_rows(op, in, n_in, rows);
}

static enum cvy_status infer(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                             struct cvy_shape *out)
{
    struct rows rows;
    *out = in[0].shape;
    return rows_of(op, in, n_in, &rows);
}

static void describe(const struct normalize *normalize, struct cvy_launch *launch)
{
    cvy_launch_init(launch, "normalize", "normalize_rows");
    cvy_launch_define(launch, "LANES", cvy_plain_lanes(normalize->base.device));
    cvy_launch_define(launch, "ALONG", normalize->rows.each == normalize->rows.size);
    cvy_launch_define(launch, "HAS_BIAS", normalize->has_bias);
}

static enum cvy_status init(struct cvy_operator *self, const struct cvy_operand *in, size_t n_in,
                            const struct cvy_operator_params *params)
{
    (void)params;
    struct normalize *normalize = (struct normalize *)self;
    struct cvy_launch launch;
    enum cvy_status status = rows_of(&self->op, in, n_in, &normalize->rows);
    normalize->has_bias = n_in > 2 && in[2].present;
    describe(normalize, &launch);
    return status == CVY_OK ? cvy_launch_prepare(self->device, &launch) : status;
}

static enum cvy_status enqueue(struct cvy_operator *self, struct cvy_buffer *const *in, size_t n_in,
                               struct cvy_buffer *out, struct cvy_buffer *workspace)
{
    (void)n_in;
    (void)workspace;
    const struct normalize *normalize = (const struct normalize *)self;
    const struct rows *rows = &normalize->rows;
    const bool is_layer = self->op.type == CVY_OP_LAYER_NORM;
    struct cvy_launch launch;
    describe(normalize, &launch);
    cvy_launch_buffer(&launch, in[0]);
    cvy_launch_buffer(&launch, in[1]);
    cvy_launch_buffer(&launch, normalize->has_bias ? in[2] : in[1]);
    cvy_launch_buffer(&launch, out);
    cvy_launch_float(&launch, is_layer ? self->op.layer_norm.epsilon : self->op.group_norm.epsilon);
    cvy_launch_struct(&launch, (size_t[]){rows->rows, rows->size, rows->each, rows->groups}, 4);
    cvy_launch_share(&launch);
    cvy_launch_range(&launch, 1, &rows->rows, NULL);
    return cvy_launch_run(self->device, &launch);
}

const struct cvy_operator_class cvy_op_normalize_class = {
    .min_inputs = 2,
    .max_inputs = 3,
    .in_place = 1 << 0,
    .infer = infer,
    .size = sizeof(struct normalize),
    .init = init,
    .enqueue = enqueue,
};
