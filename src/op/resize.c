/*
 * Resize as a sum of weighted taps along each dimension. Which positions of x an output position reads, and
 * with which weights, is worked out here in double, once; the kernel only multiplies and adds.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "op/classes.h"
#include "op/planes.h"
#include "op/settle.h"
#include "op/table.h"
#include "runtime/buffer.h"
#include "runtime/launch.h"

#define MAX_TAPS 4

/* As in cl/resize.cl. */
struct axis {
    size_t in, out, taps, begin;
};

struct resize {
    struct cvy_operator base;
    struct cvy_planes planes;            /* of y */
    struct axis axes[CVY_CONV_MAX_RANK]; /* spatial ones */
    /* rank, sizes of y, strides of x, taps, begin of each dimension's taps; NULL: the axes say it */
    struct cvy_buffer *table;
    struct cvy_buffer *index;   /* position in x of each tap, clamped into it */
    struct cvy_buffer *weights; /* of each tap */
};

static enum cvy_status settle(struct cvy_op *op, const struct cvy_operand *in, size_t *n_in)
{
    struct cvy_op_resize *resize = &op->resize;
    int64_t sizes[CVY_MAX_RANK];
    size_t n_scales, n_sizes, n = *n_in;
    *n_in = 1;
    enum cvy_status status =
        cvy_operand_floats("Resize: its scales", in, n, 1, resize->scales, CVY_MAX_RANK, &n_scales);
    if (status == CVY_OK)
        status = cvy_operand_ints("Resize: its sizes", in, n, 2, sizes, CVY_MAX_RANK, &n_sizes);
    if (status != CVY_OK || n_scales + n_sizes == 0)
        return status;
    for (size_t i = 0; i < n_sizes; i++) {
        if (sizes[i] < 1 || sizes[i] > INT_MAX)
            return cvy_fail(CVY_ERROR_INVALID, "Resize: size %zu is %lld; it must be from 1 to %d", i,
                            (long long)sizes[i], INT_MAX);
        resize->sizes[i] = (size_t)sizes[i];
    }
    for (size_t i = 0; i < n_scales; i++) {
        if (!(resize->scales[i] > 0) || resize->scales[i] > (float)INT_MAX)
            return cvy_fail(CVY_ERROR_INVALID, "Resize: scale %zu is %g; it must be positive and finite", i,
                            (double)resize->scales[i]);
    }
    resize->rank = n_sizes > 0 ? n_sizes : n_scales;
    return CVY_OK;
}

static enum cvy_status infer(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                             struct cvy_shape *out)
{
    (void)n_in;
    const struct cvy_shape *x = &in[0].shape;
    if (op->resize.rank != x->rank)
        return cvy_fail(CVY_ERROR_INVALID, "Resize: scales or sizes for %zu dimensions given, x has %zu",
                        op->resize.rank, x->rank);
    struct cvy_shape made = {.rank = x->rank};
    for (size_t i = 0; i < x->rank; i++) {
        if (op->resize.sizes[i] != 0) {
            made.dims[i] = op->resize.sizes[i];
            continue;
        }
        /* in float, as ONNX infers shapes: 3 times the float nearest to 5/3 is 5 there, but less in double */
        float product = (float)x->dims[i] * op->resize.scales[i];
        double size = floor((double)product);
        if (!(size >= 1 && size <= INT_MAX))
            return cvy_fail(
                CVY_ERROR_INVALID,
                "Resize: scale %g of dimension %zu makes %zu into %g; it must be a size of 1 to %d",
                (double)op->resize.scales[i], i, x->dims[i], size, INT_MAX);
        made.dims[i] = (size_t)size;
    }
    *out = made;
    return CVY_OK;
}

/* Position in x of position `at` of y along dimension i. */
static double source_position(const struct cvy_op_resize *r, size_t i, size_t in, size_t out, size_t at)
{
    double scale = r->sizes[i] != 0 ? (double)out / (double)in : (double)r->scales[i];
    switch (r->coordinates) {
    case CVY_RESIZE_ALIGN_CORNERS:
        return out == 1 ? 0 : (double)at * (double)(in - 1) / (double)(out - 1);
    case CVY_RESIZE_ASYMMETRIC:
        return (double)at / scale;
    case CVY_RESIZE_PYTORCH_HALF_PIXEL:
        return out == 1 ? 0 : ((double)at + 0.5) / scale - 0.5;
    case CVY_RESIZE_HALF_PIXEL:
        break;
    }
    return ((double)at + 0.5) / scale - 0.5;
}

static double round_nearest(enum cvy_resize_nearest mode, double position)
{
    switch (mode) {
    case CVY_RESIZE_ROUND_PREFER_CEIL:
        return floor(position + 0.5);
    case CVY_RESIZE_FLOOR:
        return floor(position);
    case CVY_RESIZE_CEIL:
        return ceil(position);
    case CVY_RESIZE_ROUND_PREFER_FLOOR:
        break;
    }
    return ceil(position - 0.5);
}

/* Keys' cubic convolution kernel (IEEE Trans. ASSP 29(6), 1981) at distance d. */
static double cubic_weight(double a, double d)
{
    d = fabs(d);
    if (d <= 1)
        return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

static size_t tap_count(const struct cvy_op_resize *r, size_t in, size_t out)
{
    if (in == out && r->mode == CVY_RESIZE_NEAREST)
        return 1;
    return r->mode == CVY_RESIZE_NEAREST ? 1 : r->mode == CVY_RESIZE_LINEAR ? 2 : 4;
}

/* The taps of one output position; their indices are clamped into x, as ONNX has it. */
static void find_taps(const struct cvy_op_resize *r, double position, size_t in, size_t n_taps, int *index,
                      float *weights)
{
    double first, raw[MAX_TAPS] = {1}, sum = 0;
    bool exclude = r->exclude_outside && r->mode != CVY_RESIZE_NEAREST;
    if (r->mode == CVY_RESIZE_NEAREST) {
        first = round_nearest(r->nearest, position);
    } else {
        double fraction = position - floor(position);
        first = floor(position) - (n_taps == 4 ? 1 : 0);
        for (size_t t = 0; t < n_taps; t++)
            raw[t] = n_taps == 4 ? cubic_weight((double)r->cubic_a, fraction + 1 - (double)t)
                                 : (t == 0 ? 1 - fraction : fraction);
    }
    for (size_t t = 0; t < n_taps; t++) {
        double at = first + (double)t;
        if (exclude && (at < 0 || at > (double)(in - 1)))
            raw[t] = 0;
        index[t] = (int)fmin(fmax(at, 0), (double)(in - 1));
        sum += raw[t];
    }
    for (size_t t = 0; t < n_taps; t++)
        weights[t] = (float)(exclude && sum != 0 ? raw[t] / sum : raw[t]);
}

/* A dimension that keeps its size and its positions needs one tap of weight 1. */
static bool is_untouched(const struct cvy_op_resize *r, size_t i, size_t in, size_t out)
{
    return in == out && (r->sizes[i] != 0 || r->scales[i] == 1.0f);
}

static enum cvy_status upload_taps(struct resize *self, const struct cvy_shape *x, const size_t *n_taps,
                                   size_t total)
{
    const struct cvy_op_resize *r = &self->base.op.resize;
    int *index = malloc(total * sizeof(*index));
    float *weights = malloc(total * sizeof(*weights));
    enum cvy_status status = CVY_OK;
    size_t at = 0;
    if (index == NULL || weights == NULL)
        status = cvy_fail_memory("Resize", total * sizeof(*weights));
    for (size_t i = 0; status == CVY_OK && i < x->rank; i++) {
        size_t in = x->dims[i], out = self->base.out.dims[i];
        for (size_t p = 0; p < out; p++, at += n_taps[i]) {
            index[at] = (int)p;
            weights[at] = 1;
            if (!is_untouched(r, i, in, out))
                find_taps(r, source_position(r, i, in, out, p), in, n_taps[i], index + at, weights + at);
        }
    }
    self->base.kept += total * (sizeof(*index) + sizeof(*weights));
    if (status == CVY_OK)
        status = cvy_buffer_upload(&self->index, self->base.device, total * sizeof(*index), index);
    if (status == CVY_OK)
        status = cvy_buffer_upload(&self->weights, self->base.device, total * sizeof(*weights), weights);
    free(index);
    free(weights);
    return status;
}

/* Whether images and channels stay as they are, and three axes are enough for the rest. */
static bool is_spatial(const struct cvy_op_resize *r, const struct cvy_shape *x, const struct cvy_shape *y)
{
    return x->rank >= 3 && x->rank <= 2 + CVY_CONV_MAX_RANK && is_untouched(r, 0, x->dims[0], y->dims[0]) &&
           is_untouched(r, 1, x->dims[1], y->dims[1]);
}

static bool layouts(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in, size_t block,
                    enum cvy_layout *layouts)
{
    struct cvy_shape y;
    if (block == 0)
        return true;
    layouts[0] = CVY_LAYOUT_BLOCKS;
    return infer(op, in, n_in, &y) == CVY_OK && is_spatial(&op->resize, &in[0].shape, &y);
}

static void describe(const struct resize *self, struct cvy_launch *launch)
{
    const bool general = self->table != NULL;
    cvy_launch_init(launch, "resize", general ? "resize" : "resize_planes");
    cvy_launch_define(launch, "GENERAL", general);
    if (!general)
        cvy_planes_define(launch, &self->planes);
}

static enum cvy_status make_table(struct resize *self, const struct cvy_shape *x, const size_t *n_taps)
{
    size_t strides[CVY_MAX_RANK], begin = 0;
    struct cvy_table table = {0};
    cvy_strides(x, strides);
    cvy_table_add(&table, x->rank);
    for (size_t i = 0; i < x->rank; i++)
        cvy_table_add(&table, self->base.out.dims[i]);
    for (size_t i = 0; i < x->rank; i++)
        cvy_table_add(&table, strides[i]);
    for (size_t i = 0; i < x->rank; i++)
        cvy_table_add(&table, n_taps[i]);
    for (size_t i = 0; i < x->rank; i++) {
        cvy_table_add(&table, begin);
        begin += self->base.out.dims[i] * n_taps[i];
    }
    return cvy_table_upload(&table, self->base.device, &self->table);
}

static void make_axes(struct resize *self, const struct cvy_shape *x, const size_t *n_taps)
{
    const struct cvy_shape *y = &self->base.out;
    const size_t missing = CVY_CONV_MAX_RANK + 2 - x->rank;
    size_t begin = y->dims[0] * n_taps[0] + y->dims[1] * n_taps[1];
    double taps = 1;
    for (size_t i = 0; i < CVY_CONV_MAX_RANK; i++) {
        /* an axis that is not there has the first image's tap, which is 0 with weight 1 */
        self->axes[i] = (struct axis){1, 1, 1, 0};
        if (i < missing)
            continue;
        const size_t d = i - missing + 2;
        self->axes[i] = (struct axis){x->dims[d], y->dims[d], n_taps[d], begin};
        begin += y->dims[d] * n_taps[d];
        taps *= (double)n_taps[d];
    }
    const size_t block = self->base.block;
    self->planes = cvy_planes_of(self->base.device, y, block, 2, 0);
    self->planes.lanes = block > 0 ? block : 1;
    const double moved = (1 + taps) * (double)(self->planes.count * self->planes.size) * sizeof(float);
    self->planes.run =
        self->planes.lanes * cvy_planes_share(self->base.device, self->planes.size / self->planes.lanes,
                                              self->planes.count, moved);
}

static enum cvy_status init(struct cvy_operator *operator, const struct cvy_operand * in, size_t n_in,
                            const struct cvy_operator_params *params)
{
    (void)n_in;
    (void)params;
    struct resize *self = (struct resize *)operator;
    const struct cvy_shape *x = &in[0].shape;
    const struct cvy_op_resize *r = &operator->op.resize;
    size_t n_taps[CVY_MAX_RANK], total = 0;
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; i < x->rank; i++) {
        const size_t out = operator->out.dims[i];
        n_taps[i] = is_untouched(r, i, x->dims[i], out) ? 1 : tap_count(r, x->dims[i], out);
        total += out * n_taps[i];
    }
    if (is_spatial(r, x, &operator->out))
        make_axes(self, x, n_taps);
    else
        status = make_table(self, x, n_taps);
    if (status == CVY_OK)
        status = upload_taps(self, x, n_taps, CVY_MAX(total, 1));
    if (status != CVY_OK)
        return status;
    struct cvy_launch launch;
    describe(self, &launch);
    return cvy_launch_prepare(operator->device, &launch);
}

static void add_planes(struct cvy_launch *launch, const struct resize *self)
{
    size_t sizes[4 * CVY_CONV_MAX_RANK];
    memcpy(sizes, self->axes, sizeof(sizes));
    cvy_launch_buffer(launch, self->index);
    cvy_launch_buffer(launch, self->weights);
    cvy_planes_argument(launch, &self->planes, sizes, CVY_COUNT(sizes));
    cvy_planes_range(launch, &self->planes);
}

static enum cvy_status enqueue(struct cvy_operator *operator, struct cvy_buffer * const * in, size_t n_in,
                               struct cvy_buffer *out, struct cvy_buffer *workspace)
{
    (void)n_in;
    (void)workspace;
    const struct resize *self = (struct resize *)operator;
    size_t count = cvy_span_elements(&operator->out, 0, operator->out.rank);
    struct cvy_launch launch;
    describe(self, &launch);
    cvy_launch_buffer(&launch, in[0]);
    cvy_launch_buffer(&launch, out);
    if (self->table == NULL) {
        add_planes(&launch, self);
        return cvy_launch_run(operator->device, &launch);
    }
    cvy_launch_buffer(&launch, self->table);
    cvy_launch_buffer(&launch, self->index);
    cvy_launch_buffer(&launch, self->weights);
    cvy_launch_int(&launch, count);
    cvy_launch_range(&launch, 1, &count, NULL);
    return cvy_launch_run(operator->device, &launch);
}

static void finish(struct cvy_operator *operator)
{
    struct resize *self = (struct resize *)operator;
    cvy_buffer_destroy(&self->table);
    cvy_buffer_destroy(&self->index);
    cvy_buffer_destroy(&self->weights);
}

const struct cvy_operator_class cvy_op_resize_class = {
    .min_inputs = 1,
    .max_inputs = 3,
    .settle = settle,
    .infer = infer,
    .layouts = layouts,
    .size = sizeof(struct resize),
    .init = init,
    .enqueue = enqueue,
    .finish = finish,
};
