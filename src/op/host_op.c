#include "op/host_op.h"

#include <math.h>
#include <stdlib.h>

#include "base/arith.h"
#include "op/classes.h"
#include "op/conv_passes.h"
#include "op/host_conv.h"
#include "op/host_element.h"
#include "op/host_move.h"
#include "op/problem.h"

static size_t product(const struct cvy_shape *shape, size_t begin, size_t end)
{
    size_t count = 1;
    for (size_t i = begin; i < end; i++)
        count *= shape->dims[i];
    return count;
}

static size_t elements(const struct cvy_host_tensor *tensor)
{
    return product(&tensor->shape, 0, tensor->shape.rank);
}

static void position(const struct cvy_shape *shape, size_t index, size_t *at)
{
    for (size_t i = shape->rank; i-- > 0; index /= shape->dims[i])
        at[i] = index % shape->dims[i];
}

static double concat(const struct cvy_op *op, const struct cvy_host_tensor *in, size_t *at, size_t rank)
{
    size_t axis = op->axis < 0 ? (size_t)(op->axis + (int64_t)rank) : (size_t)op->axis;
    while (at[axis] >= in->shape.dims[axis])
        at[axis] -= (in++)->shape.dims[axis];
    return cvy_host_read(in, at, rank);
}

/* One window, over up to three spatial axes; taps are counted in one number. */
static double pool(const struct cvy_op *op, const struct cvy_host_tensor *x, const size_t *at)
{
    const struct cvy_op_pool *p = &op->pool;
    size_t taps = 1, inside = 0, padded = 0;
    double sum = 0, largest = -INFINITY;
    for (size_t i = 0; i < p->rank; i++)
        taps *= p->kernel[i];
    for (size_t tap = 0; tap < taps; tap++) {
        size_t from[CVY_MAX_RANK] = {at[0], at[1]}, rest = tap;
        bool in_x = true, in_padding = true;
        for (size_t i = p->rank; i-- > 0; rest /= p->kernel[i]) {
            int64_t size = (int64_t)x->shape.dims[i + 2];
            int64_t where = (int64_t)(at[i + 2] * p->stride[i] + rest % p->kernel[i] * p->dilation[i]) -
                            (int64_t)p->pad_begin[i];
            in_x = in_x && where >= 0 && where < size;
            in_padding = in_padding && where < size + (int64_t)p->pad_end[i];
            from[i + 2] = (size_t)where;
        }
        padded += in_padding;
        if (!in_x)
            continue;
        double value = cvy_host_read(x, from, x->shape.rank);
        inside++;
        sum += value;
        largest = fmax(largest, value);
    }
    if (op->type == CVY_OP_MAX_POOL)
        return largest;
    size_t count = p->count_include_pad ? padded : inside;
    return count > 0 ? sum / (double)count : 0;
}

static double global_pool(const struct cvy_host_tensor *x, const size_t *at)
{
    size_t pixels = product(&x->shape, 2, x->shape.rank);
    double sum = 0;
    for (size_t i = 0; i < pixels; i++)
        sum += x->values[(at[0] * x->shape.dims[1] + at[1]) * pixels + i];
    return sum / (double)pixels;
}

static double batch_norm(const struct cvy_op *op, const struct cvy_host_tensor *in, const size_t *at)
{
    size_t c = in[0].shape.rank > 1 ? at[1] : 0;
    double deviation = sqrt(in[4].values[c] + (double)op->batch_norm.epsilon);
    return (cvy_host_read(&in[0], at, in[0].shape.rank) - in[3].values[c]) / deviation * in[1].values[c] +
           in[2].values[c];
}

static double transpose(const struct cvy_op *op, const struct cvy_host_tensor *x, const size_t *at)
{
    size_t from[CVY_MAX_RANK], rank = x->shape.rank;
    for (size_t i = 0; i < rank; i++)
        from[op->transpose.rank == 0 ? rank - 1 - i : op->transpose.order[i]] = at[i];
    return cvy_host_read(x, from, rank);
}

static double depth_to_space(const struct cvy_op *op, const struct cvy_host_tensor *x, const size_t *at)
{
    size_t block = op->depth_to_space.block, channels = x->shape.dims[1] / (block * block);
    size_t inside = at[2] % block * block + at[3] % block;
    size_t c =
        op->depth_to_space.column_row_depth ? at[1] * block * block + inside : inside * channels + at[1];
    return cvy_host_read(x, (size_t[]){at[0], c, at[2] / block, at[3] / block}, 4);
}

static double channel_shuffle(const struct cvy_op *op, const struct cvy_host_tensor *x, const size_t *at)
{
    size_t from[CVY_MAX_RANK], groups = op->channel_shuffle.groups;
    for (size_t i = 0; i < x->shape.rank; i++)
        from[i] = at[i];
    from[1] = at[1] % groups * (x->shape.dims[1] / groups) + at[1] / groups;
    return cvy_host_read(x, from, x->shape.rank);
}

static double pad(const struct cvy_op *op, const struct cvy_host_tensor *x, const size_t *at)
{
    size_t from[CVY_MAX_RANK];
    for (size_t i = 0; i < x->shape.rank; i++) {
        int64_t where =
            cvy_host_border(op->pad.mode, (int64_t)at[i] - op->pad.begin[i], (int64_t)x->shape.dims[i]);
        if (where < 0)
            return (double)op->pad.value;
        from[i] = (size_t)where;
    }
    return cvy_host_read(x, from, x->shape.rank);
}

static double gemm(const struct cvy_op *op, const struct cvy_host_tensor *in, size_t n_in, const size_t *at)
{
    size_t inner = in[0].shape.dims[!op->gemm.transpose_a];
    double sum = 0;
    for (size_t l = 0; l < inner; l++) {
        const size_t a[2] = {op->gemm.transpose_a ? l : at[0], op->gemm.transpose_a ? at[0] : l};
        const size_t b[2] = {op->gemm.transpose_b ? at[1] : l, op->gemm.transpose_b ? l : at[1]};
        sum += cvy_host_read(&in[0], a, 2) * cvy_host_read(&in[1], b, 2);
    }
    sum *= (double)op->gemm.alpha;
    return n_in > 2 ? sum + (double)op->gemm.beta * cvy_host_read(&in[2], at, 2) : sum;
}

static double softmax(const struct cvy_op *op, const struct cvy_host_tensor *x, const size_t *at)
{
    size_t rank = x->shape.rank, from[CVY_MAX_RANK];
    size_t axis =
        op->softmax.axis < 0 ? (size_t)(op->softmax.axis + (int64_t)rank) : (size_t)op->softmax.axis;
    size_t first = axis, last = op->softmax.flatten ? rank : axis + 1,
           count = product(&x->shape, first, last);
    double sum = 0;
    for (size_t i = 0; i < rank; i++)
        from[i] = at[i];
    for (size_t l = 0; l < count; l++) {
        size_t rest = l;
        for (size_t i = last; i-- > first; rest /= x->shape.dims[i])
            from[i] = rest % x->shape.dims[i];
        sum += exp(cvy_host_read(x, from, rank) - cvy_host_read(x, at, rank));
    }
    return 1 / sum;
}

/* Of the row that an element is in: `first` is its first element, `index` the element's scale and bias. */
static double normalized(const struct cvy_host_tensor *in, size_t n_in, size_t i, size_t first, size_t count,
                         size_t index, double epsilon)
{
    const double *row = in[0].values + first;
    double mean = 0, variance = 0;
    for (size_t j = 0; j < count; j++)
        mean += row[j] / (double)count;
    for (size_t j = 0; j < count; j++)
        variance += (row[j] - mean) * (row[j] - mean) / (double)count;
    return (in[0].values[i] - mean) / sqrt(variance + epsilon) * in[1].values[index] +
           (n_in > 2 ? in[2].values[index] : 0);
}

static size_t linear(const struct cvy_shape *shape, const size_t *at)
{
    size_t i = 0;
    for (size_t d = 0; d < shape->rank; d++)
        i = i * shape->dims[d] + at[d];
    return i;
}

static double group_norm(const struct cvy_op *op, const struct cvy_host_tensor *in, size_t n_in,
                         const size_t *at)
{
    const struct cvy_shape *x = &in[0].shape;
    const size_t pixels = product(x, 2, x->rank), channels = x->dims[1];
    const size_t groups = op->group_norm.groups ? op->group_norm.groups : channels, each = channels / groups;
    const size_t i = linear(x, at);
    const size_t index = product(&in[1].shape, 0, in[1].shape.rank) == channels ? at[1] : at[1] / each;
    return normalized(in, n_in, i, (at[0] * channels + at[1] / each * each) * pixels, each * pixels, index,
                      (double)op->group_norm.epsilon);
}

static double layer_norm(const struct cvy_op *op, const struct cvy_host_tensor *in, size_t n_in,
                         const size_t *at)
{
    const struct cvy_shape *x = &in[0].shape;
    const int64_t axis = op->layer_norm.axis + (op->layer_norm.axis < 0 ? (int64_t)x->rank : 0);
    const size_t count = product(x, (size_t)axis, x->rank);
    const size_t i = linear(x, at);
    return normalized(in, n_in, i, i / count * count, count, i % count, (double)op->layer_norm.epsilon);
}

/* Weight of the sample `distance` away from where x is read. */
static double weight(const struct cvy_op_resize *r, double distance)
{
    double d = fabs(distance), a = (double)r->cubic_a;
    if (r->mode == CVY_RESIZE_LINEAR)
        return d < 1 ? 1 - d : 0;
    if (d < 1)
        return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

/* Where along axis i position `at` of y lies in x: only for the coordinates that the doctor uses. */
static double source(const struct cvy_op_resize *r, size_t i, size_t in, size_t out, size_t at)
{
    double scale = r->sizes[i] != 0 ? (double)out / (double)in : (double)r->scales[i];
    if (r->coordinates == CVY_RESIZE_ASYMMETRIC)
        return (double)at / scale;
    if (r->coordinates == CVY_RESIZE_ALIGN_CORNERS)
        return out > 1 ? (double)(at * (in - 1)) / (double)(out - 1) : 0;
    return ((double)at + 0.5) / scale - 0.5;
}

/* The sum over axis `axis` and those behind it, from[] being set before. */
static double resize(const struct cvy_op_resize *r, const struct cvy_host_tensor *x,
                     const struct cvy_shape *y, const size_t *at, size_t *from, size_t axis)
{
    if (axis == x->shape.rank)
        return cvy_host_read(x, from, axis);
    size_t in = x->shape.dims[axis];
    double where = source(r, axis, in, y->dims[axis], at[axis]), low = floor(where), sum = 0;
    if (y->dims[axis] == in || r->mode == CVY_RESIZE_NEAREST) {
        /* the doctor asks for rounding down alone */
        from[axis] = y->dims[axis] == in ? at[axis] : (size_t)fmin(fmax(low, 0), (double)in - 1);
        return resize(r, x, y, at, from, axis + 1);
    }
    for (int tap = -1; tap <= 2; tap++) {
        double w = weight(r, low + tap - where);
        if (fpclassify(w) == FP_ZERO)
            continue;
        from[axis] = (size_t)fmin(fmax(low + tap, 0), (double)in - 1);
        sum += w * resize(r, x, y, at, from, axis + 1);
    }
    return sum;
}

/* To nearest, ties to even, kept within int8 or uint8. */
static double quantized(double value, double zero, enum cvy_dtype dtype)
{
    double low = dtype == CVY_INT8 ? -128 : 0, high = dtype == CVY_INT8 ? 127 : 255;
    return fmin(fmax(nearbyint(value) + zero, low), high);
}

/* Position along the axis of scales; 0 for a single one. */
static size_t scale_at(const struct cvy_op *op, const struct cvy_host_tensor *in, const size_t *at)
{
    size_t axis = op->axis < 0 ? (size_t)(op->axis + (int64_t)in[0].shape.rank) : (size_t)op->axis;
    return elements(&in[1]) > 1 ? at[axis] : 0;
}

static double quantize(const struct cvy_op *op, const struct cvy_host_tensor *in, size_t n_in,
                       enum cvy_dtype dtype, const size_t *at)
{
    size_t channel = scale_at(op, in, at);
    double x = cvy_host_read(&in[0], at, in[0].shape.rank), zero = n_in > 2 ? in[2].values[channel] : 0;
    if (op->type == CVY_OP_DEQUANTIZE)
        return (x - zero) * in[1].values[channel];
    return quantized(x / in[1].values[channel], zero, dtype);
}

static bool element(const struct cvy_op *op, const struct cvy_host_tensor *in, size_t n_in,
                    const struct cvy_host_tensor *y, size_t *at, double *value)
{
    size_t from[CVY_MAX_RANK], rank = y->shape.rank;
    if (cvy_host_move(op, in, y, at, value))
        return true;
    if (cvy_operator_class_of(op->type) == &cvy_op_unary_class)
        return cvy_host_unary(op, cvy_host_read(&in[0], at, rank), value);
    if (cvy_operator_class_of(op->type) == &cvy_op_binary_class)
        return cvy_host_binary(op->type, cvy_host_read(&in[0], at, rank), cvy_host_read(&in[1], at, rank),
                               value);
    switch (op->type) {
    case CVY_OP_CONCAT:
        *value = concat(op, in, at, y->shape.rank);
        return true;
    case CVY_OP_MAX_POOL:
    case CVY_OP_AVERAGE_POOL:
        *value = pool(op, &in[0], at);
        return true;
    case CVY_OP_GLOBAL_AVERAGE_POOL:
        *value = global_pool(&in[0], at);
        return true;
    case CVY_OP_BATCH_NORM:
        *value = batch_norm(op, in, at);
        return true;
    case CVY_OP_TRANSPOSE:
        *value = transpose(op, &in[0], at);
        return true;
    case CVY_OP_DEPTH_TO_SPACE:
        *value = depth_to_space(op, &in[0], at);
        return true;
    case CVY_OP_CHANNEL_SHUFFLE:
        *value = channel_shuffle(op, &in[0], at);
        return true;
    case CVY_OP_RESIZE:
        *value = resize(&op->resize, &in[0], &y->shape, at, from, 0);
        return true;
    case CVY_OP_PAD:
        *value = pad(op, &in[0], at);
        return true;
    case CVY_OP_GEMM:
        *value = gemm(op, in, n_in, at);
        return true;
    case CVY_OP_QUANTIZE:
    case CVY_OP_DEQUANTIZE:
        *value = quantize(op, in, n_in, y->dtype, at);
        return true;
    case CVY_OP_SOFTMAX:
        *value = softmax(op, &in[0], at);
        return true;
    case CVY_OP_GROUP_NORM:
        *value = group_norm(op, in, n_in, at);
        return true;
    case CVY_OP_LAYER_NORM:
        *value = layer_norm(op, in, n_in, at);
        return true;
    default:
        return false;
    }
}

/* A copy in float with the zero point taken off; zeros take turns every `inner` elements. */
static float *centred(const struct cvy_host_tensor *tensor, const struct cvy_host_tensor *zero, size_t inner)
{
    size_t count = elements(tensor), zeros = zero != NULL ? elements(zero) : 1;
    float *values = calloc(count, sizeof(float));
    for (size_t i = 0; values != NULL && i < count; i++)
        values[i] = (float)(tensor->values[i] - (zero != NULL ? zero->values[i / inner % zeros] : 0));
    return values;
}

/* ConvInteger and QLinearConv, forward: a convolution, exact in double, then rescaled where y_scale is there.
 */
struct integer_conv {
    const struct cvy_host_tensor *x, *w, *x_zero, *w_zero, *x_scale, *w_scale, *y_scale, *y_zero, *bias;
};

static void rescale(const struct integer_conv *c, struct cvy_host_tensor *y)
{
    size_t pixels = product(&y->shape, 2, y->shape.rank);
    for (size_t i = 0; c->y_scale != NULL && i < elements(y); i++) {
        double w_scale = c->w_scale->values[i / pixels % y->shape.dims[1] % elements(c->w_scale)];
        double factor = c->x_scale->values[0] * w_scale / c->y_scale->values[0];
        y->values[i] = quantized(y->values[i] * factor, c->y_zero->values[0], y->dtype);
    }
}

static bool convolve_integers(const struct cvy_op *op, const struct integer_conv *c,
                              struct cvy_host_tensor *y)
{
    struct cvy_conv_problem problem;
    if (cvy_conv_problem_from_op(&op->conv, &c->x->shape, &c->w->shape, c->bias != NULL, &problem) != CVY_OK)
        return false;
    float *x = centred(c->x, c->x_zero, 1), *bias = c->bias != NULL ? centred(c->bias, NULL, 1) : NULL;
    float *w = centred(c->w, c->w_zero, product(&c->w->shape, 1, c->w->shape.rank));
    double *scale = calloc(elements(y), sizeof(double));
    bool done = x != NULL && w != NULL && scale != NULL && (bias != NULL) == problem.bias;
    if (done) {
        cvy_host_conv(&problem, x, w, bias, y->values, scale);
        rescale(c, y);
    }
    free(x);
    free(w);
    free(bias);
    free(scale);
    return done;
}

/* One pass over x, which becomes y. */
static bool convolve_once(const struct cvy_conv_problem *problem, float **x, const struct cvy_host_tensor *w,
                          const struct cvy_host_tensor *bias, struct cvy_host_tensor *y)
{
    float *weights = centred(w, NULL, 1), *biases = bias != NULL ? centred(bias, NULL, 1) : NULL;
    y->values = NULL;
    bool done = cvy_conv_y_shape(problem, &y->shape) == CVY_OK && *x != NULL && weights != NULL &&
                (biases != NULL) == problem->bias;
    double *scale = calloc(done ? elements(y) : 1, sizeof(double));
    if (done)
        y->values = calloc(elements(y), sizeof(double));
    done = done && scale != NULL && y->values != NULL;
    if (done)
        cvy_host_conv(problem, *x, weights, biases, y->values, scale);
    free(weights);
    free(biases);
    free(scale);
    free(*x);
    *x = done ? centred(y, NULL, 1) : NULL;
    return done && *x != NULL;
}

/* Pass after pass. in: x, weights of the passes, [bias of the last], [bias of the first]. */
static bool convolve_in_passes(const struct cvy_op *op, const struct cvy_host_tensor *in, size_t n_in,
                               struct cvy_host_tensor *y)
{
    struct cvy_operand operands[2 + CVY_CONV_MAX_PASSES + 1] = {{0}};
    struct cvy_conv_problem passes[CVY_CONV_MAX_PASSES];
    size_t count = 0;
    for (size_t i = 0; i < n_in && i < CVY_COUNT(operands); i++)
        operands[i] = (struct cvy_operand){.present = true, .shape = in[i].shape};
    if (n_in > CVY_COUNT(operands) || cvy_conv_passes_from_op(op, operands, n_in, passes, &count) != CVY_OK)
        return false;
    float *x = centred(&in[0], NULL, 1);
    bool done = true;
    for (size_t i = 0; done && i < count; i++) {
        size_t bias = i + 1 == count ? 1 + count : i == 0 ? 2 + count : n_in;
        struct cvy_host_tensor made = {0};
        done = convolve_once(&passes[i], &x, &in[1 + i], bias < n_in ? &in[bias] : NULL, &made);
        for (size_t e = 0; done && i + 1 == count && e < elements(y); e++)
            y->values[e] = made.values[e];
        free(made.values);
    }
    free(x);
    return done;
}

bool cvy_host_op(const struct cvy_op *op, const struct cvy_host_tensor *in, size_t n_in,
                 struct cvy_host_tensor *y)
{
    if (op->type == CVY_OP_CONV_INTEGER)
        return n_in == 4 && convolve_integers(op, &(struct integer_conv){&in[0], &in[1], &in[2], &in[3]}, y);
    if (op->type == CVY_OP_QLINEAR_CONV)
        return n_in == 9 && convolve_integers(op,
                                              &(struct integer_conv){&in[0], &in[3], &in[2], &in[5], &in[1],
                                                                     &in[4], &in[6], &in[7], &in[8]},
                                              y);
    if (op->type == CVY_OP_DEPTHWISE_SEPARABLE_CONV || op->type == CVY_OP_FLATTENED_CONV ||
        op->type == CVY_OP_SPATIALLY_SEPARABLE_CONV)
        return convolve_in_passes(op, in, n_in, y);
    for (size_t i = 0; i < elements(y); i++) {
        size_t at[CVY_MAX_RANK];
        position(&y->shape, i, at);
        if (!element(op, in, n_in, y, at, &y->values[i]))
            return false;
    }
    return true;
}
