/* The doctor's matrix products, by CLBlast and by our own kernel. */
#include <math.h>
#include <stdlib.h>

#include "base/arith.h"
#include "base/log.h"
#include "op/doctor_trial.h"
#include "runtime/buffer.h"
#include "runtime/gemm.h"
#include "runtime/quarantine.h"

/* Sizes around those of tiles, and one large enough for the other one of CLBlast's two kernels. */
static const struct {
    size_t m, n, k;
} sizes[] = {{1, 1, 1}, {5, 7, 3}, {33, 17, 29}, {64, 64, 64}, {1, 130, 20}, {65, 3, 100}, {150, 170, 160}};

struct product {
    struct cvy_gemm gemm;
    size_t a_count, b_count, c_count;
    float *a, *b, *c;
    double *expected, *bounds;
};

static void product_finish(struct product *p)
{
    free(p->a);
    free(p->b);
    free(p->c);
    free(p->expected);
    free(p->bounds);
}

static void reckon(struct product *p)
{
    const struct cvy_gemm *g = &p->gemm;
    for (size_t i = 0; i < p->c_count; i++) {
        p->expected[i] = (double)p->c[i];
        p->bounds[i] = 0;
    }
    for (size_t i = 0; i < g->m; i++) {
        for (size_t j = 0; j < g->n; j++) {
            size_t at = g->c_offset + i * g->ldc + j;
            double sum = 0, scale = 0;
            for (size_t l = 0; l < g->k; l++) {
                double a = (double)p->a[g->a_offset + (g->transpose_a ? l * g->lda + i : i * g->lda + l)];
                double b = (double)p->b[g->b_offset + (g->transpose_b ? j * g->ldb + l : l * g->ldb + j)];
                sum += a * b;
                scale += fabs(a * b);
            }
            double old = g->beta != 0 ? (double)g->beta * (double)p->c[at] : 0;
            p->expected[at] = (double)g->alpha * sum + old;
            p->bounds[at] =
                (2 * (double)g->k + 16) * 6e-8 * (fabs((double)g->alpha) * scale + fabs(old)) + 1e-30;
        }
    }
}

/* variant: transpositions in its two low bits; the third adds alpha, beta, offsets and longer rows. */
static bool product_init(struct product *p, struct cvy_doctor *doctor, size_t m, size_t n, size_t k,
                         unsigned variant)
{
    size_t more = variant & 4 ? 3 : 0;
    struct cvy_gemm *g = &p->gemm;
    *p = (struct product){{.transpose_a = variant & 1,
                           .transpose_b = variant & 2,
                           .m = m,
                           .n = n,
                           .k = k,
                           .alpha = more > 0 ? cvy_doctor_random_float(doctor) + 2 : 1,
                           .beta = more > 0 ? cvy_doctor_random_float(doctor) + 2 : 0,
                           .a_offset = more,
                           .b_offset = 2 * more,
                           .c_offset = more}};
    g->lda = (g->transpose_a ? m : k) + more;
    g->ldb = (g->transpose_b ? k : n) + 2 * more;
    g->ldc = n + more;
    p->a_count = g->a_offset + (g->transpose_a ? k : m) * g->lda;
    p->b_count = g->b_offset + (g->transpose_b ? n : k) * g->ldb;
    p->c_count = g->c_offset + m * g->ldc;
    p->a = calloc(p->a_count, sizeof(float));
    p->b = calloc(p->b_count, sizeof(float));
    p->c = calloc(p->c_count, sizeof(float));
    p->expected = calloc(p->c_count, sizeof(double));
    p->bounds = calloc(p->c_count, sizeof(double));
    if (p->a == NULL || p->b == NULL || p->c == NULL || p->expected == NULL || p->bounds == NULL) {
        product_finish(p);
        return false;
    }
    cvy_doctor_random_fill(doctor, p->a, p->a_count);
    cvy_doctor_random_fill(doctor, p->b, p->b_count);
    cvy_doctor_random_fill(doctor, p->c, p->c_count);
    reckon(p);
    return true;
}

/* C is as given where beta reads it or where the product leaves gaps, else poisoned. */
static enum cvy_status prepare_c(struct cvy_doctor *doctor, const struct product *p, struct cvy_buffer **c)
{
    bool read = p->gemm.beta != 0 || p->gemm.ldc > p->gemm.n;
    enum cvy_status status = cvy_trial_output(doctor, p->c_count * sizeof(float), c);
    return status == CVY_OK && read ? cvy_buffer_write(*c, 0, p->c_count * sizeof(float), p->c) : status;
}

static enum cvy_status check(struct cvy_doctor *doctor, const struct product *p, bool plain)
{
    struct cvy_gemm g = p->gemm;
    struct cvy_buffer *a = NULL, *b = NULL, *c = NULL, *temporary = NULL;
    cvy_trial_begin(doctor, "%s: m %zu n %zu k %zu%s%s%s", plain ? "gemm" : "CLBlast", g.m, g.n, g.k,
                    g.transpose_a ? " A transposed" : "", g.transpose_b ? " B transposed" : "",
                    g.beta != 0 ? " beta, offsets" : "");
    enum cvy_status status = cvy_buffer_upload(&a, doctor->device, p->a_count * sizeof(float), p->a);
    if (status == CVY_OK)
        status = cvy_buffer_upload(&b, doctor->device, p->b_count * sizeof(float), p->b);
    if (status == CVY_OK)
        status = prepare_c(doctor, p, &c);
    size_t bytes = plain ? 0 : cvy_gemm_workspace(doctor->device, &g);
    if (status == CVY_OK && bytes > 0)
        status = cvy_buffer_create(&temporary, doctor->device, bytes);
    g.a = a;
    g.b = b;
    g.c = c;
    if (status == CVY_OK)
        status = plain ? cvy_gemm_enqueue_plain(doctor->device, &g)
                       : cvy_gemm_enqueue(doctor->device, &g, temporary, 0);
    status = cvy_trial_end(doctor, status, c, CVY_FLOAT32, p->c_count, p->expected, p->bounds);
    cvy_buffer_destroy(&a);
    cvy_buffer_destroy(&b);
    cvy_buffer_destroy(&c);
    cvy_buffer_destroy(&temporary);
    return status;
}

enum cvy_status cvy_doctor_check_gemm(struct cvy_doctor *doctor)
{
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; i < CVY_COUNT(sizes); i++) {
        if (doctor->quick && sizes[i].m * sizes[i].n * sizes[i].k > 20000)
            continue;
        for (unsigned variant = 0; status == CVY_OK && variant < 8; variant++) {
            struct product p;
            if (doctor->quick && variant != i % 8 && variant != 7)
                continue;
            if (!product_init(&p, doctor, sizes[i].m, sizes[i].n, sizes[i].k, variant))
                return cvy_fail_memory("the doctor", sizes[i].m * sizes[i].n * sizeof(double));
            status = check(doctor, &p, true);
            if (status == CVY_OK && !doctor->device->clblast_refused)
                status = check(doctor, &p, false);
            product_finish(&p);
        }
    }
    return status;
}
