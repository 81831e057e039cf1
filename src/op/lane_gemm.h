/* lane_gemm.h - products of matrices on devices whose work-items fill vector registers (cl/lane_gemm.cl). */
#ifndef CVY_OP_LANE_GEMM_H
#define CVY_OP_LANE_GEMM_H

#include "op/operator.h"
#include "runtime/gemm.h"

struct cvy_lane_gemm {
    struct cvy_gemm problem;      /* its c is y; beta is for what is added */
    size_t count, a_step, b_step; /* products, whose y lie side by side; elements to the next one's a, b */
    bool has_c;                   /* something is added */
    size_t c_row, c_column;       /* its strides; 0: it repeats */

    /* cvy_lane_gemm_init() sets these. */
    size_t lanes, rows, columns; /* the tile, */
    size_t run, each;            /* and columns, and tiles of rows, of a work-item */
    bool is_packed;
    struct cvy_buffer *packed; /* b, in strips; the owner destroys it */
};

/* Whether that is the way for `count` such products on the device. */
bool cvy_lane_gemm_applies(const struct cvy_device *device, const struct cvy_gemm *problem, size_t count);
/* For the operator, whose input 1 is b: one that is constant is packed, and then not read any more. */
enum cvy_status cvy_lane_gemm_init(struct cvy_lane_gemm *gemm, struct cvy_operator *self,
                                   const struct cvy_operand *b, const struct cvy_operator_params *params);
/* The product's buffers and offsets are looked at now. added: NULL where nothing is. */
enum cvy_status cvy_lane_gemm_enqueue(struct cvy_device *device, const struct cvy_lane_gemm *gemm,
                                      const struct cvy_gemm *problem, const struct cvy_buffer *added);

#endif
