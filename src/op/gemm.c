#include "base/log.h"
#include "op/classes.h"
#include "op/lane_gemm.h"
#include "op/strided.h"
#include "op/table.h"
#include "runtime/gemm.h"

struct gemm {
    struct cvy_operator base;
    struct cvy_gemm problem;
    bool has_c;
    struct cvy_view c; /* broadcast to the output, unless lanes do it */
    struct cvy_lane_gemm lane_gemm;
    bool is_in_lanes; /* lane_gemm does it */
};

static enum cvy_status infer(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                             struct cvy_shape *out)
{
    const struct cvy_shape *a = &in[0].shape, *b = &in[1].shape;
    char text_a[128], text_b[128];
    cvy_shape_format(a, text_a, sizeof(text_a));
    cvy_shape_format(b, text_b, sizeof(text_b));
    if (a->rank != 2 || b->rank != 2)
        return cvy_fail(CVY_ERROR_INVALID, "Gemm: a has shape %s and b %s; both must be matrices", text_a,
                        text_b);
    struct cvy_shape made = {2, {a->dims[op->gemm.transpose_a], b->dims[!op->gemm.transpose_b]}};
    if (a->dims[!op->gemm.transpose_a] != b->dims[op->gemm.transpose_b])
        return cvy_fail(
            CVY_ERROR_INVALID, "Gemm: the inner sizes of a (%s%s) and b (%s%s) differ: %zu and %zu", text_a,
            op->gemm.transpose_a ? ", transposed" : "", text_b, op->gemm.transpose_b ? ", transposed" : "",
            a->dims[!op->gemm.transpose_a], b->dims[op->gemm.transpose_b]);
    if (n_in > 2 && in[2].present) {
        const struct cvy_shape *c = &in[2].shape;
        bool fits = c->rank <= 2;
        for (size_t i = 0; fits && i < c->rank; i++)
            fits = c->dims[i] == 1 || c->dims[i] == made.dims[i + 2 - c->rank];
        if (!fits)
            return cvy_fail(CVY_ERROR_INVALID, "Gemm: c has shape %s; it does not broadcast to %zux%zu",
                            cvy_shape_format(c, text_a, sizeof(text_a)), made.dims[0], made.dims[1]);
    }
    *out = made;
    return CVY_OK;
}

static enum cvy_status prepare_lanes(struct gemm *gemm, const struct cvy_operand *b,
                                     const struct cvy_operator_params *params, const struct cvy_shape *c)
{
    gemm->is_in_lanes = true;
    gemm->lane_gemm = (struct cvy_lane_gemm){.problem = gemm->problem, .count = 1, .has_c = c != NULL};
    if (c != NULL) {
        const size_t columns = c->rank > 0 ? c->dims[c->rank - 1] : 1, rows = c->rank > 1 ? c->dims[0] : 1;
        gemm->lane_gemm.c_row = rows == 1 ? 0 : columns;
        gemm->lane_gemm.c_column = columns == 1 ? 0 : 1;
    }
    return cvy_lane_gemm_init(&gemm->lane_gemm, &gemm->base, b, params);
}

/* c is copied into the output first, broadcast; the product is then added to beta times that. */
static enum cvy_status prepare_c(struct gemm *gemm, const struct cvy_shape *c)
{
    size_t columns = c->rank > 0 ? c->dims[c->rank - 1] : 1, rows = c->rank > 1 ? c->dims[0] : 1;
    const int64_t strides[] = {rows == 1 ? 0 : (int64_t)columns, columns == 1 ? 0 : 1};
    return cvy_view_prepare(&gemm->c, gemm->base.device, 2, gemm->base.out.dims, strides, 0);
}

static enum cvy_status init(struct cvy_operator *self, const struct cvy_operand *in, size_t n_in,
                            const struct cvy_operator_params *params)
{
    struct gemm *gemm = (struct gemm *)self;
    const struct cvy_shape *a = &in[0].shape, *b = &in[1].shape;
    const bool has_c = n_in > 2 && in[2].present;
    gemm->has_c = has_c;
    gemm->problem = (struct cvy_gemm){
        .transpose_a = self->op.gemm.transpose_a,
        .transpose_b = self->op.gemm.transpose_b,
        .m = self->out.dims[0],
        .n = self->out.dims[1],
        .k = a->dims[!self->op.gemm.transpose_a],
        .alpha = self->op.gemm.alpha,
        .beta = has_c ? self->op.gemm.beta : 0,
        .lda = a->dims[1],
        .ldb = b->dims[1],
        .ldc = self->out.dims[1],
    };
    self->flops = 2.0 * (double)gemm->problem.m * (double)gemm->problem.n * (double)gemm->problem.k;
    if (cvy_lane_gemm_applies(self->device, &gemm->problem, 1))
        return prepare_lanes(gemm, &in[1], params, has_c ? &in[2].shape : NULL);
    self->workspace = cvy_gemm_workspace(self->device, &gemm->problem);
    return has_c ? prepare_c(gemm, &in[2].shape) : CVY_OK;
}

static enum cvy_status enqueue(struct cvy_operator *self, struct cvy_buffer *const *in, size_t n_in,
                               struct cvy_buffer *out, struct cvy_buffer *workspace)
{
    (void)n_in;
    struct gemm *gemm = (struct gemm *)self;
    struct cvy_gemm problem = gemm->problem;
    enum cvy_status status = CVY_OK;
    problem.a = in[0];
    problem.b = in[1];
    problem.c = out;
    if (gemm->is_in_lanes)
        return cvy_lane_gemm_enqueue(self->device, &gemm->lane_gemm, &problem, gemm->has_c ? in[2] : NULL);
    if (gemm->has_c)
        status = cvy_view_enqueue(&gemm->c, self->device, in[2], out);
    if (status != CVY_OK)
        return status;
    return cvy_gemm_enqueue(self->device, &problem, self->workspace ? workspace : NULL, 0);
}

static void finish(struct cvy_operator *self)
{
    cvy_view_finish(&((struct gemm *)self)->c);
    cvy_buffer_destroy(&((struct gemm *)self)->lane_gemm.packed);
}

const struct cvy_operator_class cvy_op_gemm_class = {
    .min_inputs = 2,
    .max_inputs = 3,
    .infer = infer,
    .size = sizeof(struct gemm),
    .init = init,
    .enqueue = enqueue,
    .finish = finish,
};
