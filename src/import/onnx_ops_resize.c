/* Pad, Resize and Upsample: operators whose attributes became inputs over the opsets. */
#include <limits.h>
#include <math.h>

#include "import/onnx.h"

#define MAX_SIZE ((int64_t)INT_MAX)

/* Which dimension each of count entries is for: those of axes, or all in order. The rank, or 0 on failure. */
static size_t spread(struct cvy_onnx_node *node, size_t count, const int64_t *axes, size_t n_axes,
                     bool has_axes, size_t *dimension)
{
    size_t rank = cvy_onnx_rank(node, 0);
    if (!has_axes) {
        if (rank != CVY_ONNX_OPEN_RANK && rank != count)
            cvy_onnx_fail(node, CVY_ERROR_INVALID, "it has entries for %zu dimensions, its input has %zu",
                          count, rank);
        for (size_t i = 0; i < count; i++)
            dimension[i] = i;
        return node->status == CVY_OK ? count : 0;
    }
    if (rank == CVY_ONNX_OPEN_RANK)
        cvy_onnx_fail(node, CVY_ERROR_UNSUPPORTED,
                      "'axes' needs an input of known rank; export the model with the rank of its inputs, or "
                      "without axes");
    else if (n_axes != count)
        cvy_onnx_fail(node, CVY_ERROR_INVALID, "it has entries for %zu dimensions and %zu axes", count,
                      n_axes);
    for (size_t i = 0; i < n_axes && node->status == CVY_OK; i++) {
        dimension[i] = cvy_onnx_axis(node, axes[i], rank);
        for (size_t j = 0; j < i && node->status == CVY_OK; j++) {
            if (dimension[j] == dimension[i])
                cvy_onnx_fail(node, CVY_ERROR_INVALID, "'axes' names dimension %zu twice", dimension[i]);
        }
    }
    return node->status == CVY_OK ? rank : 0;
}

/* Amounts that the plan will know: those of all dimensions, or of constant axes. */
static void pad_later(struct cvy_onnx_node *node, struct cvy_op *op)
{
    op->pad.n_axes = cvy_onnx_constant_ints(node, 3, "input 'axes'", op->pad.axes, CVY_MAX_RANK);
    cvy_onnx_emit(node, op, 3, cvy_onnx_rank(node, 0));
}

void cvy_onnx_pad(struct cvy_onnx_node *node)
{
    static const char *const modes[] = {"constant", "reflect", "edge", "wrap", NULL};
    static const enum cvy_pad_mode values[] = {CVY_PAD_CONSTANT, CVY_PAD_REFLECT, CVY_PAD_REPLICATE,
                                               CVY_PAD_WRAP};
    struct cvy_op op = {.type = CVY_OP_PAD};
    int64_t pads[2 * CVY_MAX_RANK] = {0}, axes[CVY_MAX_RANK];
    size_t count, n_axes = 0, dimension[CVY_MAX_RANK] = {0};
    op.pad.mode = values[cvy_onnx_choice(node, "mode", modes, 0)];
    if (node->model->opset < 11) {
        count = cvy_onnx_ints(node, "pads", pads, 2 * CVY_MAX_RANK);
        op.pad.value = cvy_onnx_float(node, "value", 0);
    } else if (cvy_onnx_is_computed(node, 1) || cvy_onnx_is_computed(node, 2)) {
        pad_later(node, &op);
        return;
    } else {
        count = cvy_onnx_constant_ints(node, 1, "input 'pads'", pads, 2 * CVY_MAX_RANK);
        cvy_onnx_constant_floats(node, 2, "input 'constant_value'", &op.pad.value, 1);
        n_axes = cvy_onnx_constant_ints(node, 3, "input 'axes'", axes, CVY_MAX_RANK);
    }
    if (count == 0 || count % 2 != 0)
        cvy_onnx_fail(node, CVY_ERROR_INVALID, "'pads' has %zu entries; it needs two for each dimension",
                      count);
    op.pad.rank = spread(node, count / 2, axes, n_axes, cvy_onnx_has_input(node, 3), dimension);
    for (size_t i = 0; i < count / 2 && node->status == CVY_OK; i++) {
        int64_t begin = pads[i], end = pads[count / 2 + i];
        if (begin < -MAX_SIZE || begin > MAX_SIZE || end < -MAX_SIZE || end > MAX_SIZE)
            cvy_onnx_fail(node, CVY_ERROR_INVALID,
                          "'pads' has the entries %lld and %lld; they must be within %d", (long long)begin,
                          (long long)end, INT_MAX);
        op.pad.begin[dimension[i]] = begin;
        op.pad.end[dimension[i]] = end;
    }
    cvy_onnx_emit(node, &op, 1, op.pad.rank);
}

static bool all_scales(const struct cvy_op_resize *resize, bool (*test)(float scale))
{
    for (size_t i = 0; i < resize->rank; i++) {
        if (resize->sizes[i] == 0 && !test(resize->scales[i]))
            return false;
    }
    return true;
}

static bool enlarges(float scale)
{
    return scale >= 1;
}

static bool shrinks(float scale)
{
    return scale <= 1;
}

static bool is_whole(float scale)
{
    return scale == floorf(scale);
}

static void set_scales(struct cvy_onnx_node *node, struct cvy_op_resize *resize, const float *scales,
                       size_t count, const size_t *dimension)
{
    for (size_t i = 0; i < count; i++) {
        if (!(scales[i] > 0) || scales[i] > (float)INT_MAX)
            cvy_onnx_fail(node, CVY_ERROR_INVALID,
                          "'scales' has the entry %g; it must be positive and finite", (double)scales[i]);
        resize->scales[dimension[i]] = scales[i];
    }
}

static void set_sizes(struct cvy_onnx_node *node, struct cvy_op_resize *resize, const int64_t *sizes,
                      size_t count, const size_t *dimension)
{
    for (size_t i = 0; i < count; i++) {
        if (sizes[i] < 1 || sizes[i] > MAX_SIZE)
            cvy_onnx_fail(node, CVY_ERROR_INVALID, "'sizes' has the entry %lld; it must be from 1 to %d",
                          (long long)sizes[i], INT_MAX);
        resize->sizes[dimension[i]] = (size_t)sizes[i];
    }
}

/* Upsample and Resize of opset 10: scales alone, positions asymmetric. */
static void resize_old(struct cvy_onnx_node *node, const float *scales, size_t count)
{
    static const char *const modes[] = {"nearest", "linear", NULL};
    struct cvy_op op = {.type = CVY_OP_RESIZE};
    struct cvy_op_resize *resize = &op.resize;
    size_t dimension[CVY_MAX_RANK] = {0};
    if (cvy_onnx_choice(node, "mode", modes, 0) == 1)
        resize->mode = CVY_RESIZE_LINEAR;
    resize->coordinates = CVY_RESIZE_ASYMMETRIC;
    resize->cubic_a = -0.75f;
    if (count == 0)
        cvy_onnx_fail(node, CVY_ERROR_INVALID, "'scales' is missing or empty; export the model anew");
    resize->rank = spread(node, count, NULL, 0, false, dimension);
    if (node->status == CVY_OK)
        set_scales(node, resize, scales, count, dimension);
    /* these opsets took the floor when enlarging and the ceiling when shrinking */
    resize->nearest = all_scales(resize, enlarges) ? CVY_RESIZE_FLOOR : CVY_RESIZE_CEIL;
    if (resize->mode == CVY_RESIZE_NEAREST && !all_scales(resize, enlarges) && !all_scales(resize, shrinks))
        cvy_onnx_fail(node, CVY_ERROR_UNSUPPORTED,
                      "enlarges one dimension and shrinks another; export it with opset 11 or later");
    cvy_onnx_emit(node, &op, 1, resize->rank);
}

void cvy_onnx_upsample(struct cvy_onnx_node *node)
{
    float scales[CVY_MAX_RANK] = {0};
    size_t count = node->model->opset < 9
                       ? cvy_onnx_floats(node, "scales", scales, CVY_MAX_RANK)
                       : cvy_onnx_constant_floats(node, 1, "input 'scales'", scales, CVY_MAX_RANK);
    resize_old(node, scales, count);
}

enum {
    MODE_HALF_PIXEL,
    MODE_HALF_PIXEL_SYMMETRIC,
    MODE_PYTORCH,
    MODE_ALIGN,
    MODE_ASYMMETRIC,
    MODE_TF_HALF_PIXEL
};

static void read_coordinates(struct cvy_onnx_node *node, struct cvy_op_resize *resize)
{
    static const char *const coordinates[] = {"half_pixel",
                                              "half_pixel_symmetric",
                                              "pytorch_half_pixel",
                                              "align_corners",
                                              "asymmetric",
                                              "tf_half_pixel_for_nn",
                                              NULL};
    static const enum cvy_resize_coordinates values[] = {
        CVY_RESIZE_HALF_PIXEL,    CVY_RESIZE_HALF_PIXEL, CVY_RESIZE_PYTORCH_HALF_PIXEL,
        CVY_RESIZE_ALIGN_CORNERS, CVY_RESIZE_ASYMMETRIC, CVY_RESIZE_HALF_PIXEL};
    static const char *const nearest[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil", NULL};
    static const enum cvy_resize_nearest roundings[] = {
        CVY_RESIZE_ROUND_PREFER_FLOOR, CVY_RESIZE_ROUND_PREFER_CEIL, CVY_RESIZE_FLOOR, CVY_RESIZE_CEIL};
    int choice = cvy_onnx_choice(node, "coordinate_transformation_mode", coordinates, 0);
    resize->coordinates = values[choice];
    resize->nearest = roundings[cvy_onnx_choice(node, "nearest_mode", nearest, 0)];
    /* symmetric differs only where x * scale is no whole number */
    if (choice == MODE_HALF_PIXEL_SYMMETRIC &&
        (cvy_onnx_is_computed(node, 2) || !all_scales(resize, is_whole)))
        cvy_onnx_fail(node, CVY_ERROR_UNSUPPORTED,
                      "half_pixel_symmetric with fractional scales is not supported; export it with sizes or "
                      "half_pixel");
    if (choice != MODE_TF_HALF_PIXEL)
        return;
    /* floor((i + 0.5) / scale) rounds the half-pixel position, which is 0.5 less, up at the half */
    if (resize->mode != CVY_RESIZE_NEAREST || resize->nearest != CVY_RESIZE_FLOOR)
        cvy_onnx_fail(
            node, CVY_ERROR_UNSUPPORTED,
            "tf_half_pixel_for_nn is supported with mode nearest and nearest_mode floor; export it so");
    resize->nearest = CVY_RESIZE_ROUND_PREFER_CEIL;
}

/* Scales or sizes that are there, with nothing in them. */
static bool is_empty(struct cvy_onnx_node *node, size_t index)
{
    const struct cvy_onnx_value *value = cvy_onnx_input(node, index);
    return value != NULL && value->proto != NULL && value->proto->n_dims == 1 && value->proto->dims[0] == 0;
}

void cvy_onnx_resize(struct cvy_onnx_node *node)
{
    static const char *const modes[] = {"nearest", "linear", "cubic", NULL};
    static const enum cvy_resize_mode values[] = {CVY_RESIZE_NEAREST, CVY_RESIZE_LINEAR, CVY_RESIZE_CUBIC};
    static const char *const policies[] = {"stretch", NULL};
    struct cvy_op op = {.type = CVY_OP_RESIZE};
    struct cvy_op_resize *resize = &op.resize;
    float scales[CVY_MAX_RANK] = {0};
    int64_t sizes[CVY_MAX_RANK] = {0}, axes[CVY_MAX_RANK];
    size_t dimension[CVY_MAX_RANK] = {0};
    if (node->model->opset < 11) {
        resize_old(node, scales, cvy_onnx_constant_floats(node, 1, "input 'scales'", scales, CVY_MAX_RANK));
        return;
    }
    const bool later = cvy_onnx_is_computed(node, 2) || cvy_onnx_is_computed(node, 3);
    size_t n_scales = 0, n_sizes = 0, n_axes = cvy_onnx_ints(node, "axes", axes, CVY_MAX_RANK);
    if (!later) {
        n_scales = cvy_onnx_constant_floats(node, 2, "input 'scales'", scales, CVY_MAX_RANK);
        n_sizes = cvy_onnx_constant_ints(node, 3, "input 'sizes'", sizes, CVY_MAX_RANK);
    }
    if (later && n_axes > 0)
        cvy_onnx_fail(node, CVY_ERROR_UNSUPPORTED,
                      "'axes' with sizes or scales that the model computes; export it without axes");
    if (!later && (n_scales == 0) == (n_sizes == 0))
        cvy_onnx_fail(node, CVY_ERROR_INVALID, "it needs either 'scales' or 'sizes'; export the model anew");
    resize->mode = values[cvy_onnx_choice(node, "mode", modes, 0)];
    resize->cubic_a = cvy_onnx_float(node, "cubic_coeff_a", -0.75f);
    resize->exclude_outside = cvy_onnx_int(node, "exclude_outside", 0) != 0;
    cvy_onnx_float(node, "extrapolation_value", 0); /* of tf_crop_and_resize alone */
    cvy_onnx_choice(node, "keep_aspect_ratio_policy", policies, 0);
    if (cvy_onnx_int(node, "antialias", 0) != 0)
        cvy_onnx_fail(node, CVY_ERROR_UNSUPPORTED, "antialias is not supported; export it without");
    resize->rank = later ? 0 : spread(node, n_scales + n_sizes, axes, n_axes, n_axes > 0, dimension);
    for (size_t i = 0; i < CVY_MAX_RANK; i++)
        resize->scales[i] = 1;
    if (node->status == CVY_OK && n_scales > 0)
        set_scales(node, resize, scales, n_scales, dimension);
    if (node->status == CVY_OK && n_sizes > 0)
        set_sizes(node, resize, sizes, n_sizes, dimension);
    read_coordinates(node, resize);
    if (!later) {
        cvy_onnx_emit(node, &op, 1, resize->rank);
        return;
    }
    struct cvy_value *inputs[3] = {cvy_onnx_graph_value(node, 0), NULL, NULL};
    for (size_t i = 1; i < 3; i++)
        inputs[i] = is_empty(node, i + 1) ? NULL : cvy_onnx_graph_value(node, i + 1);
    cvy_onnx_emit_values(node, &op, inputs, 3, cvy_onnx_rank(node, 0));
}
