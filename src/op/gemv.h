/* gemv.h - a matrix product of few rows, which takes as long as reading b (cl/gemv.cl). */
#ifndef CVY_OP_GEMV_H
#define CVY_OP_GEMV_H

#include "runtime/gemm.h"

struct cvy_gemv {
    struct cvy_gemm problem;  /* its c is y; beta is for what is added */
    bool has_c;               /* something is added */
    size_t c_row, c_column;   /* its strides; 0: it repeats */
    size_t run, rows_at_once; /* cvy_gemv_prepare() sets them */
};

/* Whether that is the way for the product on the device. */
bool cvy_gemv_applies(const struct cvy_device *device, const struct cvy_gemm *problem);
enum cvy_status cvy_gemv_prepare(struct cvy_device *device, struct cvy_gemv *gemv);
/* The product's buffers and offsets are looked at now. added: NULL where nothing is. */
enum cvy_status cvy_gemv_enqueue(struct cvy_device *device, const struct cvy_gemv *gemv,
                                 const struct cvy_gemm *problem, const struct cvy_buffer *added);

#endif
