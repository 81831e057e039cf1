/* Operators on integers that stand for real numbers. */
#include "import/onnx.h"

void cvy_onnx_conv_integer(struct cvy_onnx_node *node)
{
    struct cvy_op op = {.type = CVY_OP_CONV_INTEGER};
    cvy_onnx_read_conv(node, 1, &op.conv);
    cvy_onnx_emit(node, &op, node->proto->n_input, cvy_onnx_rank(node, 0));
}

void cvy_onnx_qlinear_conv(struct cvy_onnx_node *node)
{
    struct cvy_op op = {.type = CVY_OP_QLINEAR_CONV};
    cvy_onnx_read_conv(node, 3, &op.conv);
    cvy_onnx_emit(node, &op, node->proto->n_input, cvy_onnx_rank(node, 0));
}

/* What opsets 19, 21 and 23 added. */
static void refuse_newer(struct cvy_onnx_node *node)
{
    if (cvy_onnx_int(node, "block_size", 0) != 0)
        cvy_onnx_fail(node, CVY_ERROR_UNSUPPORTED,
                      "scales of blocks (block_size) are not supported; quantize per tensor or per axis");
    cvy_onnx_int(node, "saturate", 1); /* of 8-bit floats alone */
}

void cvy_onnx_quantize_linear(struct cvy_onnx_node *node)
{
    struct cvy_op op = {.type = CVY_OP_QUANTIZE, .axis = cvy_onnx_int(node, "axis", 1)};
    refuse_newer(node);
    if (cvy_onnx_int(node, "precision", CVY_ONNX_FLOAT) > CVY_ONNX_FLOAT)
        cvy_onnx_fail(node, CVY_ERROR_UNSUPPORTED,
                      "attribute 'precision' asks for another type than float32; leave it out");
    int64_t type = cvy_onnx_int(node, "output_dtype", 0);
    if (type != 0 && !(type == CVY_ONNX_UINT8 && !cvy_onnx_has_input(node, 2)))
        cvy_onnx_fail(node, CVY_ERROR_UNSUPPORTED,
                      "attribute 'output_dtype' is not supported; give a zero point of that type");
    cvy_onnx_emit(node, &op, node->proto->n_input, cvy_onnx_rank(node, 0));
}

void cvy_onnx_dequantize_linear(struct cvy_onnx_node *node)
{
    struct cvy_op op = {.type = CVY_OP_DEQUANTIZE, .axis = cvy_onnx_int(node, "axis", 1)};
    refuse_newer(node);
    if (cvy_onnx_int(node, "output_dtype", CVY_ONNX_FLOAT) != CVY_ONNX_FLOAT)
        cvy_onnx_fail(node, CVY_ERROR_UNSUPPORTED,
                      "attribute 'output_dtype' asks for another type than float32; leave it out");
    cvy_onnx_emit(node, &op, node->proto->n_input, cvy_onnx_rank(node, 0));
}
