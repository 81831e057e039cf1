/*
 * gemm.h - C = alpha * op(A) * op(B) + beta * C in float32, row-major, on the device's queue.
 *
 * Done by CLBlast with our temporary buffer; on a device that CLBlast refuses, by a plain kernel of our own
 * (cl/gemm.cl). Offsets and leading dimensions are in elements.
 */
#ifndef CVY_RUNTIME_GEMM_H
#define CVY_RUNTIME_GEMM_H

#include <convoy/device.h>

struct cvy_gemm {
    bool transpose_a, transpose_b;
    size_t m, n, k; /* op(A) is m x k, op(B) is k x n, C is m x n */
    float alpha, beta;
    const struct cvy_buffer *a, *b;
    struct cvy_buffer *c;
    size_t a_offset, b_offset, c_offset;
    size_t lda, ldb, ldc;
};

/* Bytes of temporary memory that cvy_gemm_enqueue() wants for this shape; buffers and offsets are not
 * looked at. */
size_t cvy_gemm_workspace(const struct cvy_device *device, const struct cvy_gemm *gemm);
/* temporary may be NULL where cvy_gemm_workspace() is 0; it is used from temporary_offset (bytes) on. */
enum cvy_status cvy_gemm_enqueue(struct cvy_device *device, const struct cvy_gemm *gemm,
                                 struct cvy_buffer *temporary, size_t temporary_offset);
/* The same by our own kernel, whatever the device; needs no temporary memory. */
enum cvy_status cvy_gemm_enqueue_plain(struct cvy_device *device, const struct cvy_gemm *gemm);

/* Whether both ways were found wrong on the device (quarantine.h): no product is to be had. */
bool cvy_gemm_is_quarantined(const struct cvy_device *device);

/* Gives CLBlast these parameters, a text as in gemm_tune.h that is not empty, for the rest of the process. On
 * failure some may be in force. */
enum cvy_status cvy_gemm_set_parameters(const struct cvy_device *device, const char *setting);

#endif
