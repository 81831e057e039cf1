/*
 * Convolutions of several passes as one operator: spatially separable, depthwise separable, flattened. Each
 * pass is a convolution operator of its own; what lies between two of them is kept in the workspace.
 */
#include <stdio.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "op/classes.h"
#include "op/conv_passes.h"
#include "op/separable.h"
#include "op/table.h"
#include "runtime/buffer.h"

#define MAX_PASSES CVY_CONV_MAX_PASSES

struct passes {
    struct cvy_operator base;
    size_t count;
    struct cvy_operator *pass[MAX_PASSES];
    size_t bias[MAX_PASSES];          /* index of the pass' bias among the inputs; SIZE_MAX: none */
    size_t between_bytes[MAX_PASSES]; /* of the output of each pass but the last, rounded for a part */
    bool fused;                       /* both passes of a depthwise separable one in one launch */
    struct cvy_separable separable;
    struct cvy_buffer *packed; /* pointwise weights */
    bool is_final;             /* they are a constant, and packed holds them */
    char algorithm[96];
};

/* What the shapes of the operands make of the operator. */
struct description {
    size_t count;
    struct cvy_conv_problem pass[MAX_PASSES];
    size_t bias[MAX_PASSES];
};

static enum cvy_conv_kind kind_of(const struct cvy_op *op)
{
    return op->type == CVY_OP_SPATIALLY_SEPARABLE_CONV   ? CVY_CONV_SPATIALLY_SEPARABLE
           : op->type == CVY_OP_DEPTHWISE_SEPARABLE_CONV ? CVY_CONV_DEPTHWISE_SEPARABLE
                                                         : CVY_CONV_FLATTENED;
}

static size_t passes_of(enum cvy_conv_kind kind, size_t rank)
{
    return kind == CVY_CONV_FLATTENED ? 1 + rank : 2;
}

static enum cvy_status check_ranks(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in)
{
    const size_t rank = in[0].shape.rank;
    if (rank < 3 || rank > CVY_CONV_MAX_RANK + 2)
        return cvy_fail(CVY_ERROR_INVALID,
                        "%s: x has %zu dimensions; N C and 1 to %d spatial axes are needed", cvy_op_name(op),
                        rank, CVY_CONV_MAX_RANK);
    const size_t count = passes_of(kind_of(op), rank - 2);
    const size_t most = 1 + count + (kind_of(op) == CVY_CONV_DEPTHWISE_SEPARABLE ? 2 : 1);
    if (n_in < 1 + count || n_in > most)
        return cvy_fail(CVY_ERROR_INVALID,
                        "%s: %zu inputs given; it takes x, weights of %zu passes and, optionally, a bias",
                        cvy_op_name(op), n_in, count);
    for (size_t i = 1; i <= count; i++) {
        if (!in[i].present || in[i].shape.rank != rank)
            return cvy_fail(CVY_ERROR_INVALID, "%s: the weights of pass %zu need the %zu dimensions of x",
                            cvy_op_name(op), i, rank);
    }
    return CVY_OK;
}

/* Sizes of the kernel as the weights of the passes have them. */
static void whole_kernel(enum cvy_conv_kind kind, const struct cvy_operand *in,
                         struct cvy_conv_problem *whole)
{
    for (size_t i = 0; i < whole->rank; i++) {
        size_t from = 1;
        if (kind == CVY_CONV_FLATTENED)
            from = 2 + i;
        else if (kind == CVY_CONV_SPATIALLY_SEPARABLE && i > 0)
            from = 2;
        whole->kernel[i] = in[from].shape.dims[i + 2];
    }
}

static enum cvy_status describe_whole(const struct cvy_op *op, const struct cvy_operand *in,
                                      struct cvy_conv_problem *whole)
{
    const struct cvy_op_conv *conv = &op->conv;
    const enum cvy_conv_kind kind = kind_of(op);
    const struct cvy_shape *x = &in[0].shape;
    cvy_conv_problem_init(whole, x->rank - 2);
    /* the pass that makes y's channels: a flattened convolution begins with it, the others end so */
    const struct cvy_operand *mixing = &in[kind == CVY_CONV_FLATTENED ? 1 : 2];
    whole->n = x->dims[0];
    whole->c = x->dims[1];
    whole->groups = conv->groups;
    whole->k = mixing->shape.dims[0];
    whole->transposed = conv->transposed;
    const bool k_second = conv->transposed && kind == CVY_CONV_SPATIALLY_SEPARABLE;
    if (k_second && !cvy_mul(mixing->shape.dims[1], conv->groups, &whole->k))
        return cvy_fail(CVY_ERROR_INVALID, "%s: %zu channels times %zu groups do not fit a size",
                        cvy_op_name(op), mixing->shape.dims[1], conv->groups);
    whole_kernel(kind, in, whole);
    for (size_t i = 0; i < whole->rank; i++) {
        whole->in[i] = x->dims[i + 2];
        whole->stride[i] = conv->stride[i];
        whole->dilation[i] = conv->dilation[i];
        whole->pad_begin[i] = conv->pad_begin[i];
        whole->pad_end[i] = conv->pad_end[i];
        whole->output_padding[i] = conv->output_padding[i];
    }
    whole->pad_mode = conv->pad_mode;
    whole->shuffle = conv->shuffle;
    whole->flip = conv->flip;
    return conv->auto_pad == CVY_PAD_EXPLICIT ? CVY_OK : cvy_conv_set_padding(whole, conv->auto_pad);
}

static enum cvy_status check_pass(const struct cvy_op *op, const struct cvy_operand *in, size_t i,
                                  const struct description *d)
{
    struct cvy_shape wanted;
    char got_text[128], wanted_text[128];
    enum cvy_status status = cvy_conv_w_shape(&d->pass[i], &wanted);
    if (status == CVY_OK && !cvy_shape_equal(&wanted, &in[1 + i].shape))
        return cvy_fail(CVY_ERROR_INVALID, "%s: the weights of pass %zu are %s; they need to be %s",
                        cvy_op_name(op), i + 1,
                        cvy_shape_format(&in[1 + i].shape, got_text, sizeof(got_text)),
                        cvy_shape_format(&wanted, wanted_text, sizeof(wanted_text)));
    const struct cvy_operand *bias = d->bias[i] == SIZE_MAX ? NULL : &in[d->bias[i]];
    if (status == CVY_OK && bias != NULL && (bias->shape.rank != 1 || bias->shape.dims[0] != d->pass[i].k))
        return cvy_fail(CVY_ERROR_INVALID,
                        "%s: the bias of pass %zu is %s; one value for each of %zu channels "
                        "is needed",
                        cvy_op_name(op), i + 1, cvy_shape_format(&bias->shape, got_text, sizeof(got_text)),
                        d->pass[i].k);
    return status;
}

static enum cvy_status describe(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                struct description *d)
{
    struct cvy_conv_problem whole;
    const enum cvy_conv_kind kind = kind_of(op);
    enum cvy_status status = check_ranks(op, in, n_in);
    if (status == CVY_OK)
        status = describe_whole(op, in, &whole);
    if (status != CVY_OK)
        return status;
    size_t middle = in[1].shape.dims[0];
    const size_t first_groups = kind == CVY_CONV_DEPTHWISE_SEPARABLE ? whole.c : whole.groups;
    if (whole.transposed && !cvy_mul(in[1].shape.dims[1], first_groups, &middle))
        return cvy_fail(CVY_ERROR_INVALID, "%s: %zu channels times %zu groups do not fit a size",
                        cvy_op_name(op), in[1].shape.dims[1], first_groups);
    status = cvy_conv_get_passes(&whole, kind, middle, d->pass, &d->count);
    if (status != CVY_OK)
        return status;
    for (size_t i = 0; i < d->count; i++)
        d->bias[i] = SIZE_MAX;
    const size_t first_bias = 1 + d->count;
    if (first_bias < n_in && in[first_bias].present)
        d->bias[d->count - 1] = first_bias;
    if (first_bias + 1 < n_in && in[first_bias + 1].present)
        d->bias[0] = first_bias + 1;
    for (size_t i = 0; status == CVY_OK && i < d->count; i++) {
        d->pass[i].bias = d->bias[i] != SIZE_MAX;
        status = check_pass(op, in, i, d);
    }
    return status;
}

enum cvy_status cvy_conv_passes_from_op(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                        struct cvy_conv_problem passes[CVY_CONV_MAX_PASSES], size_t *n_passes)
{
    struct description d;
    enum cvy_status status = describe(op, in, n_in, &d);
    if (status != CVY_OK)
        return status;
    memcpy(passes, d.pass, d.count * sizeof(*passes));
    *n_passes = d.count;
    return CVY_OK;
}

static enum cvy_status check(const struct cvy_op *op)
{
    if (op->conv.groups == 0)
        return cvy_fail(CVY_ERROR_INVALID, "%s: groups is 0; 1 means no groups", cvy_op_name(op));
    if (op->conv.activation != CVY_ACTIVATION_NONE)
        return cvy_fail(CVY_ERROR_UNSUPPORTED, "%s: an activation is a node of its own here",
                        cvy_op_name(op));
    return CVY_OK;
}

static enum cvy_status infer(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                             struct cvy_shape *out)
{
    struct description d;
    enum cvy_status status = describe(op, in, n_in, &d);
    return status == CVY_OK ? cvy_conv_y_shape(&d.pass[d.count - 1], out) : status;
}

static enum cvy_status init_pass(struct passes *self, size_t i, const struct description *d,
                                 const struct cvy_operand *in, const struct cvy_operator_params *params)
{
    struct cvy_op op = cvy_op_from_problem(CVY_OP_CONV, &d->pass[i]);
    struct cvy_operand operands[3] = {in[0], in[1 + i]};
    if (i > 0)
        operands[0] = (struct cvy_operand){.present = true, .shape = self->pass[i - 1]->out};
    if (d->bias[i] != SIZE_MAX)
        operands[2] = in[d->bias[i]];
    self->bias[i] = d->bias[i];
    enum cvy_status status = cvy_operator_create(&self->pass[i], self->base.device, &op, operands,
                                                 operands[2].present ? 3 : 2, params);
    if (status != CVY_OK)
        return status;
    self->count = i + 1;
    self->base.flops += self->pass[i]->flops;
    size_t used = strlen(self->algorithm);
    snprintf(self->algorithm + used, sizeof(self->algorithm) - used, "%s%s", i > 0 ? " + " : "",
             self->pass[i]->algorithm);
    return CVY_OK;
}

static bool asks(const struct cvy_operator_params *params, const char *name)
{
    return params->algo != NULL && strcmp(params->algo, name) == 0;
}

/* Constant weights are packed once. */
static enum cvy_status init_packed(struct passes *self, const struct cvy_operand *w)
{
    struct cvy_device *device = self->base.device;
    const size_t bytes = cvy_separable_packed_bytes(&self->separable, device);
    self->base.kept += bytes;
    enum cvy_status status = cvy_buffer_create(&self->packed, device, bytes);
    if (status != CVY_OK || w->constant == NULL)
        return status;
    struct cvy_buffer *raw = NULL;
    status = cvy_buffer_upload(&raw, device, w->constant->bytes, w->constant->data);
    if (status == CVY_OK)
        status = cvy_separable_pack(device, &self->separable, raw, self->packed);
    if (status == CVY_OK)
        status = cvy_device_finish(device); /* raw must live until then */
    cvy_buffer_destroy(&raw);
    self->is_final = status == CVY_OK;
    return status;
}

/* In one launch, where that can be done and is faster, or is asked for by the name "fused". "unfused" asks
 * for passes, each by the algorithm that is best for it. */
static enum cvy_status init_fused(struct passes *self, const struct description *d,
                                  const struct cvy_operand *in, const struct cvy_operator_params *params)
{
    char why[256] = "";
    struct cvy_device *device = self->base.device;
    const bool asked = asks(params, "fused");
    const struct cvy_separable s = {.depthwise = d->pass[0], .pointwise = d->pass[1]};
    const bool applies = kind_of(&self->base.op) == CVY_CONV_DEPTHWISE_SEPARABLE &&
                         cvy_separable_applies(&s, device, why, sizeof(why));
    if (asked && !applies)
        return cvy_fail(CVY_ERROR_UNSUPPORTED, "%s: cannot be fused: %s; leave the choice to convoy",
                        cvy_op_name(&self->base.op), why[0] ? why : "it is not depthwise separable");
    if (!asked && (!applies || params->algo != NULL || !cvy_separable_is_faster(&s, device)))
        return CVY_OK;
    enum cvy_status status = cvy_separable_build(device, &s);
    if (status != CVY_OK && !asked) {
        cvy_log(CVY_LOG_WARNING, "%s: the fused kernel does not build on this device; two passes are taken",
                cvy_op_name(&self->base.op));
        return CVY_OK;
    }
    if (status != CVY_OK)
        return status;
    for (size_t i = 0; i < d->count; i++) {
        struct cvy_conv_cost cost;
        if (cvy_conv_get_cost(&d->pass[i], &cost) == CVY_OK)
            self->base.flops += 2 * cost.multiplications;
        self->bias[i] = d->bias[i];
    }
    self->separable = s;
    self->fused = true;
    self->base.algorithm = "fused";
    return init_packed(self, &in[2]);
}

static enum cvy_status init(struct cvy_operator *base, const struct cvy_operand *in, size_t n_in,
                            const struct cvy_operator_params *params)
{
    struct passes *self = (struct passes *)base;
    struct description d;
    enum cvy_status status = describe(&base->op, in, n_in, &d);
    if (status == CVY_OK)
        status = init_fused(self, &d, in, params);
    if (status != CVY_OK || self->fused)
        return status;
    struct cvy_operator_params each = *params;
    if (asks(params, "unfused"))
        each.algo = NULL;
    for (size_t i = 0; status == CVY_OK && i < d.count; i++)
        status = init_pass(self, i, &d, in, &each);
    if (status != CVY_OK)
        return status;
    const size_t align = cvy_device_get_info(base->device)->base_align;
    size_t workspace = 0;
    for (size_t i = 0; i < self->count; i++) {
        const struct cvy_shape *out = &self->pass[i]->out;
        if (i + 1 < self->count)
            self->between_bytes[i] =
                cvy_round_up(cvy_span_elements(out, 0, out->rank) * sizeof(float), CVY_MAX(align, 1));
        workspace = CVY_MAX(workspace, self->pass[i]->workspace);
        base->workspace += self->between_bytes[i];
    }
    base->workspace += workspace;
    base->algorithm = self->algorithm;
    return CVY_OK;
}

/* The parts of the workspace: one for what each pass but the last makes, then the scratch memory of all. */
static enum cvy_status split(const struct passes *self, struct cvy_buffer *workspace,
                             struct cvy_buffer **parts)
{
    enum cvy_status status = CVY_OK;
    size_t offset = 0;
    for (size_t i = 0; status == CVY_OK && i + 1 < self->count; i++) {
        status = cvy_buffer_create_part(&parts[i], workspace, offset, self->between_bytes[i]);
        offset += self->between_bytes[i];
    }
    if (status == CVY_OK && self->base.workspace > offset)
        status =
            cvy_buffer_create_part(&parts[self->count - 1], workspace, offset, self->base.workspace - offset);
    return status;
}

static enum cvy_status enqueue_fused(struct passes *self, struct cvy_buffer *const *in,
                                     struct cvy_buffer *out)
{
    struct cvy_device *device = self->base.device;
    enum cvy_status status = CVY_OK;
    if (!self->is_final)
        status = cvy_separable_pack(device, &self->separable, in[2], self->packed);
    const struct cvy_separable_args args = {
        .x = in[0],
        .y = out,
        .w_depthwise = in[1],
        .packed = self->packed,
        .bias_between = self->bias[0] != SIZE_MAX ? in[self->bias[0]] : NULL,
        .bias = self->bias[1] != SIZE_MAX ? in[self->bias[1]] : NULL,
    };
    return status == CVY_OK ? cvy_separable_enqueue(device, &self->separable, &args) : status;
}

static enum cvy_status enqueue(struct cvy_operator *base, struct cvy_buffer *const *in, size_t n_in,
                               struct cvy_buffer *out, struct cvy_buffer *workspace)
{
    (void)n_in;
    struct passes *self = (struct passes *)base;
    struct cvy_buffer *parts[MAX_PASSES] = {NULL}, *x = in[0];
    if (self->fused)
        return enqueue_fused(self, in, out);
    enum cvy_status status = split(self, workspace, parts);
    for (size_t i = 0; status == CVY_OK && i < self->count; i++) {
        struct cvy_operator *pass = self->pass[i];
        struct cvy_buffer *y = i + 1 < self->count ? parts[i] : out;
        struct cvy_buffer *inputs[3] = {x, in[1 + i], self->bias[i] != SIZE_MAX ? in[self->bias[i]] : NULL};
        status = pass->class->enqueue(pass, inputs, inputs[2] != NULL ? 3 : 2, y,
                                      pass->workspace > 0 ? parts[self->count - 1] : NULL);
        x = y;
    }
    for (size_t i = 0; i < MAX_PASSES; i++)
        cvy_buffer_destroy(&parts[i]);
    return status;
}

static void finish(struct cvy_operator *base)
{
    struct passes *self = (struct passes *)base;
    for (size_t i = 0; i < MAX_PASSES; i++)
        cvy_operator_destroy(&self->pass[i]);
    cvy_buffer_destroy(&self->packed);
}

const struct cvy_operator_class cvy_op_conv_passes_class = {
    .min_inputs = 3,
    .max_inputs = 2 + MAX_PASSES,
    .check = check,
    .infer = infer,
    .size = sizeof(struct passes),
    .init = init,
    .enqueue = enqueue,
    .finish = finish,
};
