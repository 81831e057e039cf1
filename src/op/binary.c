#include "base/arith.h"
#include "base/log.h"
#include "op/classes.h"
#include "op/planes.h"
#include "op/table.h"
#include "runtime/launch.h"

/* How an operand lies against planes of y; as in cl/binary.cl. */
enum kind { EACH, NUMBER, CHANNELS, NEITHER };

struct fit {
    enum kind kind;
    size_t period, image;
};

struct binary {
    struct cvy_operator base;
    struct cvy_planes planes;
    struct fit fits[2];
    struct cvy_buffer *table; /* rank, sizes of y, strides of a and of b; NULL: planes fit both operands */
};

static enum cvy_status infer(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                             struct cvy_shape *out)
{
    (void)n_in;
    struct cvy_shape made = {.rank = CVY_MAX(in[0].shape.rank, in[1].shape.rank)};
    for (size_t i = 0; i < made.rank; i++) {
        size_t a = cvy_aligned_dim(&in[0].shape, made.rank, i),
               b = cvy_aligned_dim(&in[1].shape, made.rank, i);
        bool fits = a == b || b == 1 || (a == 1 && op->type != CVY_OP_PRELU);
        if (!fits) {
            char x[128], y[128];
            return cvy_fail(CVY_ERROR_INVALID, "%s: shapes %s and %s do not broadcast: %zu against %zu",
                            cvy_op_name(op), cvy_shape_format(&in[0].shape, x, sizeof(x)),
                            cvy_shape_format(&in[1].shape, y, sizeof(y)), a, b);
        }
        made.dims[i] = a == 1 ? b : a;
    }
    *out = made;
    return CVY_OK;
}

static void add_strides(struct cvy_table *table, const struct cvy_shape *shape, size_t rank)
{
    size_t strides[CVY_MAX_RANK];
    cvy_strides(shape, strides);
    for (size_t i = 0; i < rank; i++)
        cvy_table_add(table, cvy_aligned_dim(shape, rank, i) == 1 ? 0 : strides[i - (rank - shape->rank)]);
}

/* The first dimension from which on the operand is 1 wherever y is not; the output's rank where there is
 * none. */
static size_t constant_from(const struct cvy_shape *shape, const struct cvy_shape *y)
{
    size_t i = y->rank;
    while (i > 0 && cvy_aligned_dim(shape, y->rank, i - 1) == 1)
        i--;
    return i;
}

/* Against planes that are the dimensions of y from `inner` on: the operand repeats along the first
 * dimensions, has those between, and all or none of the plane. */
static struct fit fit_planes(const struct cvy_shape *shape, const struct cvy_shape *y, size_t inner)
{
    struct fit fit = {.period = 1};
    bool begun = false, each = true, one = true;
    for (size_t i = 0; i < y->rank; i++) {
        size_t dim = cvy_aligned_dim(shape, y->rank, i);
        if (i >= inner) {
            each = each && dim == y->dims[i];
            one = one && dim == 1;
        } else if (dim == y->dims[i]) {
            begun = begun || dim > 1;
            fit.period *= dim;
        } else if (begun) {
            return (struct fit){.kind = NEITHER};
        }
    }
    fit.kind = one ? NUMBER : each ? EACH : NEITHER;
    return fit;
}

/* Against y in blocks, the operand itself in blocks of `block` or plain. */
static struct fit fit_blocks(const struct cvy_shape *shape, size_t block, const struct cvy_shape *y,
                             size_t y_block)
{
    const size_t blocks = cvy_ceil_div(y->dims[1], y_block), n = cvy_aligned_dim(shape, y->rank, 0);
    const size_t channels = cvy_aligned_dim(shape, y->rank, 1);
    struct fit fit = {.kind = NEITHER, .period = n * blocks};
    const size_t constant = constant_from(shape, y);
    if (shape->rank == y->rank && channels == y->dims[1] && block > 0) {
        bool each = true;
        for (size_t i = 2; i < y->rank; i++)
            each = each && shape->dims[i] == y->dims[i];
        if (each)
            return (struct fit){.kind = EACH, .period = n * blocks};
    }
    if (constant == 0)
        return (struct fit){.kind = NUMBER, .period = 1};
    if (constant <= 2 && channels == y->dims[1]) {
        fit.kind = CHANNELS;
        fit.image = n == 1 ? 0 : block > 0 ? cvy_round_up(channels, block) : channels;
    }
    return fit;
}

static struct fit fit_of(const struct cvy_operand *in, const struct cvy_shape *y, size_t y_block,
                         size_t inner)
{
    return y_block > 0 ? fit_blocks(&in->shape, in->block, y, y_block) : fit_planes(&in->shape, y, inner);
}

/* The dimension from which on y is cut into planes; SIZE_MAX: no planes fit both operands. */
static size_t find_inner(const struct cvy_operand *in, const struct cvy_shape *y)
{
    for (size_t inner = 0; inner <= y->rank; inner++) {
        if (fit_planes(&in[0].shape, y, inner).kind != NEITHER &&
            fit_planes(&in[1].shape, y, inner).kind != NEITHER)
            return inner;
    }
    return SIZE_MAX;
}

static bool layouts(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in, size_t block,
                    enum cvy_layout *layouts)
{
    struct cvy_shape y;
    if (block == 0)
        return true;
    if (infer(op, in, n_in, &y) != CVY_OK)
        return false;
    for (size_t i = 0; i < n_in; i++) {
        enum kind plain = fit_blocks(&in[i].shape, 0, &y, block).kind;
        if (plain == NEITHER && fit_blocks(&in[i].shape, block, &y, block).kind == NEITHER)
            return false;
        layouts[i] = plain == NEITHER ? CVY_LAYOUT_BLOCKS : CVY_LAYOUT_ANY;
        /* one number is what it is */
        if (plain == NUMBER || in[i].shape.rank != y.rank)
            layouts[i] = CVY_LAYOUT_PLAIN;
    }
    return true;
}

static const char *const functions[CVY_OP_TYPES] = {
    [CVY_OP_PRELU] = "PRELU",
    [CVY_OP_ADD] = "ADD",
    [CVY_OP_SUB] = "SUB",
    [CVY_OP_MUL] = "MUL",
    [CVY_OP_DIV] = "DIV",
    [CVY_OP_POW] = "POW",
    [CVY_OP_MIN] = "MIN",
    [CVY_OP_MAX] = "MAX",
    [CVY_OP_MOD] = "MOD",
    [CVY_OP_FMOD] = "FMOD",
    [CVY_OP_EQUAL] = "EQUAL",
    [CVY_OP_LESS] = "LESS",
    [CVY_OP_LESS_EQUAL] = "LESS_EQUAL",
    [CVY_OP_GREATER] = "GREATER",
    [CVY_OP_GREATER_EQUAL] = "GREATER_EQUAL",
    [CVY_OP_AND] = "AND",
    [CVY_OP_OR] = "OR",
};

static void describe(const struct cvy_operator *self, struct cvy_launch *launch)
{
    const struct binary *binary = (const struct binary *)self;
    bool general = binary->table != NULL;
    cvy_launch_init(launch, "binary", general ? "binary" : "binary_planes");
    cvy_launch_define(launch, "GENERAL", general);
    cvy_launch_define_text(launch, "FUNCTION", functions[self->op.type]);
    if (general)
        return;
    cvy_launch_define(launch, "A", binary->fits[0].kind);
    cvy_launch_define(launch, "B", binary->fits[1].kind);
    cvy_planes_define(launch, &binary->planes);
}

static enum cvy_status make_table(struct binary *binary, const struct cvy_operand *in)
{
    const struct cvy_shape *y = &binary->base.out;
    struct cvy_table table = {0};
    cvy_table_add(&table, y->rank);
    for (size_t i = 0; i < y->rank; i++)
        cvy_table_add(&table, y->dims[i]);
    add_strides(&table, &in[0].shape, y->rank);
    add_strides(&table, &in[1].shape, y->rank);
    return cvy_table_upload(&table, binary->base.device, &binary->table);
}

static enum cvy_status init(struct cvy_operator *self, const struct cvy_operand *in, size_t n_in,
                            const struct cvy_operator_params *params)
{
    (void)params;
    struct binary *binary = (struct binary *)self;
    const size_t inner = find_inner(in, &self->out);
    enum cvy_status status = CVY_OK;
    if (self->block == 0 && inner == SIZE_MAX) {
        status = make_table(binary, in);
    } else {
        binary->planes =
            cvy_planes_of(self->device, &self->out, self->block, inner, (double)(n_in + 1) * sizeof(float));
        for (size_t i = 0; i < n_in; i++)
            binary->fits[i] = fit_of(&in[i], &self->out, self->block, inner);
    }
    if (status != CVY_OK)
        return status;
    struct cvy_launch launch;
    describe(self, &launch);
    return cvy_launch_prepare(self->device, &launch);
}

static enum cvy_status enqueue(struct cvy_operator *self, struct cvy_buffer *const *in, size_t n_in,
                               struct cvy_buffer *out, struct cvy_buffer *workspace)
{
    (void)n_in;
    (void)workspace;
    const struct binary *binary = (const struct binary *)self;
    const struct fit *a = &binary->fits[0], *b = &binary->fits[1];
    struct cvy_launch launch;
    describe(self, &launch);
    cvy_launch_buffer(&launch, in[0]);
    cvy_launch_buffer(&launch, in[1]);
    cvy_launch_buffer(&launch, out);
    if (binary->table != NULL) {
        size_t count = cvy_span_elements(&self->out, 0, self->out.rank);
        cvy_launch_buffer(&launch, binary->table);
        cvy_launch_int(&launch, count);
        cvy_launch_range(&launch, 1, &count, NULL);
    } else {
        cvy_planes_argument(&launch, &binary->planes, (size_t[]){a->period, a->image, b->period, b->image},
                            4);
        cvy_planes_range(&launch, &binary->planes);
    }
    return cvy_launch_run(self->device, &launch);
}

static void finish(struct cvy_operator *self)
{
    cvy_buffer_destroy(&((struct binary *)self)->table);
}

const struct cvy_operator_class cvy_op_binary_class = {
    .min_inputs = 2,
    .max_inputs = 2,
    .in_place = 1 << 0 | 1 << 1,
    .on_host = true,
    .infer = infer,
    .layouts = layouts,
    .size = sizeof(struct binary),
    .init = init,
    .enqueue = enqueue,
    .finish = finish,
};
