/* classes.h - every operator's class, for the table in operator_list.c. */
#ifndef CVY_OP_CLASSES_H
#define CVY_OP_CLASSES_H

#include "op/operator.h"

extern const struct cvy_operator_class cvy_op_batch_norm_class;
extern const struct cvy_operator_class cvy_op_binary_class;
extern const struct cvy_operator_class cvy_op_cast_class;
extern const struct cvy_operator_class cvy_op_channel_shuffle_class;
extern const struct cvy_operator_class cvy_op_concat_class;
extern const struct cvy_operator_class cvy_op_constant_of_shape_class;
extern const struct cvy_operator_class cvy_op_conv_class;
extern const struct cvy_operator_class cvy_op_conv_integer_class;
extern const struct cvy_operator_class cvy_op_conv_passes_class;
extern const struct cvy_operator_class cvy_op_depth_to_space_class;
extern const struct cvy_operator_class cvy_op_dequantize_class;
extern const struct cvy_operator_class cvy_op_expand_class;
extern const struct cvy_operator_class cvy_op_flatten_class;
extern const struct cvy_operator_class cvy_op_gather_class;
extern const struct cvy_operator_class cvy_op_gemm_class;
extern const struct cvy_operator_class cvy_op_global_max_pool_class;
extern const struct cvy_operator_class cvy_op_global_pool_class;
extern const struct cvy_operator_class cvy_op_identity_class;
extern const struct cvy_operator_class cvy_op_layout_class;
extern const struct cvy_operator_class cvy_op_lrn_class;
extern const struct cvy_operator_class cvy_op_matmul_class;
extern const struct cvy_operator_class cvy_op_pad_class;
extern const struct cvy_operator_class cvy_op_pool_class;
extern const struct cvy_operator_class cvy_op_qlinear_conv_class;
extern const struct cvy_operator_class cvy_op_quantize_class;
extern const struct cvy_operator_class cvy_op_range_class;
extern const struct cvy_operator_class cvy_op_reduce_class;
extern const struct cvy_operator_class cvy_op_reshape_class;
extern const struct cvy_operator_class cvy_op_resize_class;
extern const struct cvy_operator_class cvy_op_shape_class;
extern const struct cvy_operator_class cvy_op_slice_class;
extern const struct cvy_operator_class cvy_op_normalize_class;
extern const struct cvy_operator_class cvy_op_softmax_class;
extern const struct cvy_operator_class cvy_op_space_to_depth_class;
extern const struct cvy_operator_class cvy_op_split_class;
extern const struct cvy_operator_class cvy_op_squeeze_class;
extern const struct cvy_operator_class cvy_op_tile_class;
extern const struct cvy_operator_class cvy_op_transpose_class;
extern const struct cvy_operator_class cvy_op_unary_class;
extern const struct cvy_operator_class cvy_op_unsqueeze_class;
extern const struct cvy_operator_class cvy_op_where_class;

#endif
