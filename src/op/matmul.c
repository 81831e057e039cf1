/* MatMul: matrices, or arrays of matrices, by the house's GEMM, one after another, or in lanes, all at once;
 * a matrix b that all share takes one product. A vector is a row as a, and a column as b. */
#include <stdlib.h>

#include "base/arith.h"
#include "base/log.h"
#include "op/classes.h"
#include "op/lane_gemm.h"
#include "op/table.h"
#include "runtime/gemm.h"

struct matmul {
    struct cvy_operator base;
    struct cvy_gemm problem;
    size_t count;      /* products */
    size_t *offsets_a; /* of each product's matrices */
    size_t *offsets_b;
    struct cvy_lane_gemm lane_gemm;
    bool is_in_lanes; /* lane_gemm does it, at once */
};

/* One operand as an array of matrices: its leading dimensions, rows and columns. */
struct side {
    struct cvy_shape batch;
    size_t rows, columns;
    bool is_vector;
};

static struct side side_of(const struct cvy_shape *shape, bool is_b)
{
    struct side side = {.batch = *shape, .rows = 1, .columns = 1, .is_vector = shape->rank == 1};
    if (side.is_vector) {
        *(is_b ? &side.rows : &side.columns) = shape->dims[0];
        side.batch.rank = 0;
        return side;
    }
    side.rows = shape->dims[shape->rank - 2];
    side.columns = shape->dims[shape->rank - 1];
    side.batch.rank = shape->rank - 2;
    return side;
}

static enum cvy_status infer(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                             struct cvy_shape *out)
{
    (void)op;
    (void)n_in;
    if (in[0].shape.rank == 0 || in[1].shape.rank == 0)
        return cvy_fail(CVY_ERROR_INVALID, "MatMul: a scalar is no matrix; use Mul");
    struct side a = side_of(&in[0].shape, false), b = side_of(&in[1].shape, true);
    if (a.columns != b.rows)
        return cvy_fail(CVY_ERROR_INVALID, "MatMul: the rows of a have %zu elements, the columns of b %zu",
                        a.columns, b.rows);
    struct cvy_shape made = {.rank = CVY_MAX(a.batch.rank, b.batch.rank)};
    for (size_t i = 0; i < made.rank; i++) {
        size_t x = cvy_aligned_dim(&a.batch, made.rank, i), y = cvy_aligned_dim(&b.batch, made.rank, i);
        if (x != y && x != 1 && y != 1)
            return cvy_fail(CVY_ERROR_INVALID, "MatMul: dimension %zu is %zu and %zu, which do not broadcast",
                            i, x, y);
        made.dims[i] = x == 1 ? y : x;
    }
    if (!a.is_vector)
        made.dims[made.rank++] = a.rows;
    if (!b.is_vector)
        made.dims[made.rank++] = b.columns;
    *out = made;
    return CVY_OK;
}

/* Where product i's matrix begins in an operand; batch: the leading dimensions of y. */
static size_t matrix_offset(const struct side *side, const struct cvy_shape *batch, size_t i)
{
    size_t offset = 0, stride = side->rows * side->columns, missing = batch->rank - side->batch.rank;
    for (size_t d = batch->rank; d-- > 0; i /= batch->dims[d]) {
        if (d < missing)
            continue;
        size_t size = side->batch.dims[d - missing];
        offset += size == 1 ? 0 : i % batch->dims[d] * stride;
        stride *= size;
    }
    return offset;
}

/* Whether the matrices lie at equal distances. */
static bool is_even(const size_t *offsets, size_t count, size_t *step)
{
    *step = count > 1 ? offsets[1] - offsets[0] : 0;
    for (size_t i = 0; i < count; i++) {
        if (offsets[i] != i * *step)
            return false;
    }
    return true;
}

/* Where lanes are the way, sets is_in_lanes. */
static enum cvy_status prepare_lanes(struct matmul *matmul, const struct cvy_operand *b,
                                     const struct cvy_operator_params *params)
{
    struct cvy_lane_gemm *gemm = &matmul->lane_gemm;
    *gemm = (struct cvy_lane_gemm){.problem = matmul->problem, .count = 1};
    if (is_even(matmul->offsets_a, matmul->count, &gemm->a_step) &&
        is_even(matmul->offsets_b, matmul->count, &gemm->b_step))
        gemm->count = matmul->count;
    matmul->is_in_lanes = cvy_lane_gemm_applies(matmul->base.device, &gemm->problem, gemm->count);
    return matmul->is_in_lanes ? cvy_lane_gemm_init(gemm, &matmul->base, b, params) : CVY_OK;
}

static enum cvy_status init(struct cvy_operator *self, const struct cvy_operand *in, size_t n_in,
                            const struct cvy_operator_params *params)
{
    (void)n_in;
    struct matmul *matmul = (struct matmul *)self;
    struct side a = side_of(&in[0].shape, false), b = side_of(&in[1].shape, true);
    struct cvy_shape batch = self->out;
    batch.rank = CVY_MAX(a.batch.rank, b.batch.rank);
    if (cvy_span_elements(&b.batch, 0, b.batch.rank) == 1 && a.batch.rank >= b.batch.rank) {
        a.rows *= cvy_span_elements(&a.batch, 0, a.batch.rank);
        a.batch.rank = b.batch.rank = batch.rank = 0;
    }
    matmul->problem = (struct cvy_gemm){.m = a.rows,
                                        .n = b.columns,
                                        .k = a.columns,
                                        .alpha = 1,
                                        .lda = a.columns,
                                        .ldb = b.columns,
                                        .ldc = b.columns};
    matmul->count = cvy_span_elements(&batch, 0, batch.rank);
    matmul->offsets_a = calloc(matmul->count, sizeof(*matmul->offsets_a));
    matmul->offsets_b = calloc(matmul->count, sizeof(*matmul->offsets_b));
    if (matmul->offsets_a == NULL || matmul->offsets_b == NULL)
        return cvy_fail_memory("MatMul", matmul->count * sizeof(*matmul->offsets_a));
    for (size_t i = 0; i < matmul->count; i++) {
        matmul->offsets_a[i] = matrix_offset(&a, &batch, i);
        matmul->offsets_b[i] = matrix_offset(&b, &batch, i);
    }
    self->flops = 2.0 * (double)matmul->count * (double)a.rows * (double)b.columns * (double)a.columns;
    const enum cvy_status status = prepare_lanes(matmul, &in[1], params);
    if (!matmul->is_in_lanes)
        self->workspace = cvy_gemm_workspace(self->device, &matmul->problem);
    return status;
}

static enum cvy_status enqueue(struct cvy_operator *self, struct cvy_buffer *const *in, size_t n_in,
                               struct cvy_buffer *out, struct cvy_buffer *workspace)
{
    (void)n_in;
    const struct matmul *matmul = (struct matmul *)self;
    struct cvy_gemm problem = matmul->problem;
    enum cvy_status status = CVY_OK;
    problem.a = in[0];
    problem.b = in[1];
    problem.c = out;
    const size_t together = matmul->is_in_lanes ? matmul->lane_gemm.count : 1;
    for (size_t i = 0; status == CVY_OK && i < matmul->count; i += together) {
        problem.a_offset = matmul->offsets_a[i];
        problem.b_offset = matmul->offsets_b[i];
        problem.c_offset = i * problem.m * problem.n;
        status = matmul->is_in_lanes
                     ? cvy_lane_gemm_enqueue(self->device, &matmul->lane_gemm, &problem, NULL)
                     : cvy_gemm_enqueue(self->device, &problem, self->workspace ? workspace : NULL, 0);
    }
    return status;
}

static void finish(struct cvy_operator *self)
{
    free(((struct matmul *)self)->offsets_a);
    free(((struct matmul *)self)->offsets_b);
    cvy_buffer_destroy(&((struct matmul *)self)->lane_gemm.packed);
}

const struct cvy_operator_class cvy_op_matmul_class = {
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer,
    .size = sizeof(struct matmul),
    .init = init,
    .enqueue = enqueue,
    .finish = finish,
};
