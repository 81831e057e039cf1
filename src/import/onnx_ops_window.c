/* Operators that slide a window: convolutions and pools. */
#include <limits.h>
#include <string.h>

#include "import/onnx.h"

/* What their attributes have in common. rank 0 = not known yet. */
struct window {
    size_t rank;
    size_t kernel[CVY_CONV_MAX_RANK];
    size_t stride[CVY_CONV_MAX_RANK];
    size_t dilation[CVY_CONV_MAX_RANK];
    size_t pad_begin[CVY_CONV_MAX_RANK];
    size_t pad_end[CVY_CONV_MAX_RANK];
    enum cvy_auto_pad auto_pad;
};

static void read_axes(struct cvy_onnx_node *node, const char *attribute, size_t *rank, size_t per_axis,
                      int64_t least, size_t *out)
{
    int64_t values[2 * CVY_CONV_MAX_RANK];
    size_t count = cvy_onnx_ints(node, attribute, values, per_axis * CVY_CONV_MAX_RANK);
    if (count == 0)
        return;
    if (*rank == 0 && count % per_axis == 0)
        *rank = count / per_axis;
    if (count != *rank * per_axis) {
        cvy_onnx_fail(node, CVY_ERROR_INVALID, "attribute '%s' has %zu entries, %zu spatial axes need %zu",
                      attribute, count, *rank, *rank * per_axis);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (values[i] < least || values[i] > INT_MAX) {
            cvy_onnx_fail(node, CVY_ERROR_INVALID,
                          "attribute '%s' has the entry %lld; it must be from %lld to %d", attribute,
                          (long long)values[i], (long long)least, INT_MAX);
            return;
        }
        out[i] = (size_t)values[i];
    }
}

static void read_window(struct cvy_onnx_node *node, struct window *window)
{
    static const char *const auto_pads[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", NULL};
    static const enum cvy_auto_pad modes[] = {CVY_PAD_EXPLICIT, CVY_PAD_SAME_UPPER, CVY_PAD_SAME_LOWER,
                                              CVY_PAD_VALID};
    size_t pads[2 * CVY_CONV_MAX_RANK] = {0};
    for (size_t i = 0; i < CVY_CONV_MAX_RANK; i++)
        window->stride[i] = window->dilation[i] = 1;
    read_axes(node, "kernel_shape", &window->rank, 1, 1, window->kernel);
    read_axes(node, "strides", &window->rank, 1, 1, window->stride);
    read_axes(node, "dilations", &window->rank, 1, 1, window->dilation);
    read_axes(node, "pads", &window->rank, 2, 0, pads);
    window->auto_pad = modes[cvy_onnx_choice(node, "auto_pad", auto_pads, 0)];
    if (window->auto_pad != CVY_PAD_EXPLICIT)
        return;
    for (size_t i = 0; i < window->rank; i++) {
        window->pad_begin[i] = pads[i];
        window->pad_end[i] = pads[window->rank + i];
    }
}

/* Shape of the weights where it is known: of a constant, or of a graph's input that declares all of it. */
static bool weight_shape(struct cvy_onnx_node *node, size_t index, struct cvy_shape *shape)
{
    const struct cvy_onnx_value *w = cvy_onnx_input(node, index);
    if (w == NULL)
        return false;
    const struct cvy_tensor *tensor = w->constant ? cvy_onnx_constant(node, index, "the weights") : NULL;
    if (w->constant && tensor == NULL)
        return false;
    *shape = tensor ? tensor->shape : w->shape;
    if (tensor == NULL && shape->rank == 0)
        return false;
    for (size_t i = 2; tensor == NULL && i < shape->rank; i++) {
        if (shape->dims[i] == 0)
            return false;
    }
    if (shape->rank < 3 || shape->rank > 2 + CVY_CONV_MAX_RANK) {
        cvy_onnx_fail(node, CVY_ERROR_UNSUPPORTED,
                      "its weights have rank %zu; 3 to %d (1 to %d spatial axes) are supported", shape->rank,
                      2 + CVY_CONV_MAX_RANK, CVY_CONV_MAX_RANK);
        return false;
    }
    return true;
}

static void read_conv(struct cvy_onnx_node *node, size_t weights, struct window *window,
                      struct cvy_op_conv *conv)
{
    struct cvy_shape w = {0};
    bool known = weight_shape(node, weights, &w);
    if (known)
        window->rank = w.rank - 2;
    read_window(node, window);
    for (size_t i = 0; known && node->status == CVY_OK && i < window->rank; i++) {
        if (window->kernel[i] != 0 && window->kernel[i] != w.dims[i + 2])
            cvy_onnx_fail(node, CVY_ERROR_INVALID,
                          "attribute 'kernel_shape' says %zu on spatial axis %zu, its weights have %zu; "
                          "export the model anew",
                          window->kernel[i], i, w.dims[i + 2]);
        window->kernel[i] = w.dims[i + 2];
    }
    int64_t groups = cvy_onnx_int(node, "group", 1);
    if (groups < 1 || groups > INT_MAX)
        cvy_onnx_fail(node, CVY_ERROR_INVALID, "attribute 'group' is %lld; it must be at least 1",
                      (long long)groups);
    conv->groups = (size_t)groups;
    conv->auto_pad = window->auto_pad;
    memcpy(conv->stride, window->stride, sizeof(conv->stride));
    memcpy(conv->dilation, window->dilation, sizeof(conv->dilation));
    memcpy(conv->pad_begin, window->pad_begin, sizeof(conv->pad_begin));
    memcpy(conv->pad_end, window->pad_end, sizeof(conv->pad_end));
}

void cvy_onnx_read_conv(struct cvy_onnx_node *node, size_t weights, struct cvy_op_conv *conv)
{
    struct window window = {0};
    read_conv(node, weights, &window, conv);
}

void cvy_onnx_conv(struct cvy_onnx_node *node)
{
    struct cvy_op op = {.type = CVY_OP_CONV};
    cvy_onnx_read_conv(node, 1, &op.conv);
    cvy_onnx_emit(node, &op, cvy_onnx_has_input(node, 2) ? 3 : 2, cvy_onnx_rank(node, 0));
}

/* output_shape is of the spatial axes; some exporters put N and C in front. */
static void read_output_shape(struct cvy_onnx_node *node, size_t rank, struct cvy_op_conv *conv)
{
    int64_t sizes[CVY_CONV_MAX_RANK + 2];
    size_t count = cvy_onnx_ints(node, "output_shape", sizes, CVY_CONV_MAX_RANK + 2);
    size_t before = rank != 0 && count == rank + 2 ? 2 : 0;
    if (count == 0)
        return;
    if (count - before > CVY_CONV_MAX_RANK || (rank != 0 && count - before != rank)) {
        cvy_onnx_fail(node, CVY_ERROR_INVALID, "attribute 'output_shape' has %zu entries, %zu are needed",
                      count, rank != 0 ? rank : CVY_CONV_MAX_RANK);
        return;
    }
    for (size_t i = before; i < count; i++) {
        if (sizes[i] < 1 || sizes[i] > INT_MAX)
            cvy_onnx_fail(node, CVY_ERROR_INVALID,
                          "attribute 'output_shape' has the entry %lld, which cannot be reached",
                          (long long)sizes[i]);
        else
            conv->output_shape[i - before] = (size_t)sizes[i];
    }
}

void cvy_onnx_conv_transpose(struct cvy_onnx_node *node)
{
    struct cvy_op op = {.type = CVY_OP_CONV, .conv.transposed = true};
    struct window window = {0};
    read_conv(node, 1, &window, &op.conv);
    read_axes(node, "output_padding", &window.rank, 1, 0, op.conv.output_padding);
    read_output_shape(node, window.rank, &op.conv);
    cvy_onnx_emit(node, &op, cvy_onnx_has_input(node, 2) ? 3 : 2, cvy_onnx_rank(node, 0));
}

static void read_pool(struct cvy_onnx_node *node, struct cvy_op_pool *pool)
{
    struct window window = {0};
    read_window(node, &window);
    if (!cvy_onnx_has(node, "kernel_shape"))
        cvy_onnx_fail(node, CVY_ERROR_FORMAT, "attribute 'kernel_shape' is missing; export the model anew");
    pool->rank = window.rank;
    pool->auto_pad = window.auto_pad;
    pool->ceil_mode = cvy_onnx_int(node, "ceil_mode", 0) != 0;
    memcpy(pool->kernel, window.kernel, sizeof(pool->kernel));
    memcpy(pool->stride, window.stride, sizeof(pool->stride));
    memcpy(pool->dilation, window.dilation, sizeof(pool->dilation));
    memcpy(pool->pad_begin, window.pad_begin, sizeof(pool->pad_begin));
    memcpy(pool->pad_end, window.pad_end, sizeof(pool->pad_end));
}

void cvy_onnx_max_pool(struct cvy_onnx_node *node)
{
    struct cvy_op op = {.type = CVY_OP_MAX_POOL};
    read_pool(node, &op.pool);
    cvy_onnx_int(node, "storage_order", 0); /* of Indices, which is not computed */
    cvy_onnx_emit(node, &op, 1, cvy_onnx_rank(node, 0));
}

void cvy_onnx_average_pool(struct cvy_onnx_node *node)
{
    struct cvy_op op = {.type = CVY_OP_AVERAGE_POOL};
    read_pool(node, &op.pool);
    op.pool.count_include_pad = cvy_onnx_int(node, "count_include_pad", 0) != 0;
    cvy_onnx_emit(node, &op, 1, cvy_onnx_rank(node, 0));
}
