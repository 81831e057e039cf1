#include "runtime/gemm.h"

#include <clblast_c.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "base/text.h"
#include "runtime/buffer.h"
#include "runtime/device.h"
#include "runtime/gemm_setting.h"
#include "runtime/launch.h"
#include "runtime/quarantine.h"
#include "runtime/team.h"

/* Last element plus one of a stored matrix of rows x columns; false when that overflows. */
static bool extent(size_t offset, size_t rows, size_t columns, size_t ld, size_t *end)
{
    return cvy_mul(rows - 1, ld, end) && cvy_add(*end, columns, end) && cvy_add(*end, offset, end);
}

static enum cvy_status check_matrix(const char *name, const struct cvy_buffer *buffer, size_t offset,
                                    size_t rows, size_t columns, size_t ld)
{
    size_t end, bytes;
    if (rows == 0 || columns == 0)
        return CVY_OK;
    if (buffer == NULL)
        return cvy_fail(CVY_ERROR_INVALID, "gemm: %s is NULL; pass a buffer", name);
    if (ld < columns)
        return cvy_fail(CVY_ERROR_INVALID, "gemm: %s has rows of %zu elements but a leading dimension of %zu",
                        name, columns, ld);
    if (!extent(offset, rows, columns, ld, &end) || !cvy_mul(end, sizeof(float), &bytes))
        return cvy_fail(CVY_ERROR_INVALID, "gemm: %s of %zux%zu overflows; use a smaller problem", name, rows,
                        columns);
    if (bytes > cvy_buffer_bytes(buffer))
        return cvy_fail(CVY_ERROR_INVALID, "gemm: %s ends at byte %zu of a buffer of %zu", name, bytes,
                        cvy_buffer_bytes(buffer));
    return CVY_OK;
}

static enum cvy_status check(const struct cvy_gemm *g)
{
    enum cvy_status status = check_matrix("A", g->a, g->a_offset, g->transpose_a ? g->k : g->m,
                                          g->transpose_a ? g->m : g->k, g->lda);
    if (status == CVY_OK)
        status = check_matrix("B", g->b, g->b_offset, g->transpose_b ? g->n : g->k,
                              g->transpose_b ? g->k : g->n, g->ldb);
    if (status == CVY_OK)
        status = check_matrix("C", g->c, g->c_offset, g->m, g->n, g->ldc);
    return status;
}

static CLBlastTranspose transpose(bool yes)
{
    return yes ? CLBlastTransposeYes : CLBlastTransposeNo;
}

/* Temporary memory that CLBlast wants. Only a matrix at offset 0 may go without a copy, so another offset
 * gives a bound for all. */
static CLBlastStatusCode temporary_bytes(const struct cvy_device *device, const struct cvy_gemm *g,
                                         size_t offset, size_t *bytes)
{
    cl_command_queue queue = device->queue;
    *bytes = 0;
    return CLBlastSGemmTempBufferSize(CLBlastLayoutRowMajor, transpose(g->transpose_a),
                                      transpose(g->transpose_b), g->m, g->n, g->k, offset, g->lda, offset,
                                      g->ldb, offset, g->ldc, &queue, bytes);
}

size_t cvy_gemm_workspace(const struct cvy_device *device, const struct cvy_gemm *gemm)
{
    size_t bytes;
    if (gemm->m == 0 || gemm->n == 0 || gemm->k == 0 || cvy_quarantine_avoids_clblast(device) ||
        temporary_bytes(device, gemm, 1, &bytes) != CLBlastSuccess || bytes == 0)
        return 0;
    /* the part used begins at a multiple of base_align, wherever the temporary memory does */
    return cvy_round_up(bytes, sizeof(float)) + device->info.base_align;
}

static enum cvy_status enqueue_plain(struct cvy_device *device, const struct cvy_gemm *g)
{
    const size_t most = device->info.max_work_group;
    const size_t side = most >= 64 ? 8 : most >= 16 ? 4 : 1, per_item = 4, depth = 16, tile = side * per_item;
    size_t a_end = 0, b_end = 0, c_end = 0;
    if (g->k > 0) {
        extent(g->a_offset, g->transpose_a ? g->k : g->m, g->transpose_a ? g->m : g->k, g->lda, &a_end);
        extent(g->b_offset, g->transpose_b ? g->n : g->k, g->transpose_b ? g->k : g->n, g->ldb, &b_end);
    }
    extent(g->c_offset, g->m, g->n, g->ldc, &c_end);
    if (CVY_MAX(CVY_MAX(a_end, b_end), c_end) > INT_MAX)
        return cvy_fail(CVY_ERROR_UNSUPPORTED,
                        "gemm: a matrix of more than %d elements; use a smaller problem", INT_MAX);
    struct cvy_launch l;
    cvy_launch_init(&l, "gemm", "gemm");
    cvy_launch_define(&l, "SIDE", side);
    cvy_launch_define(&l, "PER_ITEM", per_item);
    cvy_launch_define(&l, "DEPTH", depth);
    cvy_launch_define(&l, "TRANSPOSE_A", g->transpose_a);
    cvy_launch_define(&l, "TRANSPOSE_B", g->transpose_b);
    cvy_launch_define(&l, "USE_BETA", g->beta != 0);
    cvy_launch_int(&l, g->m);
    cvy_launch_int(&l, g->n);
    cvy_launch_int(&l, g->k);
    cvy_launch_float(&l, g->alpha);
    cvy_launch_float(&l, g->beta);
    cvy_launch_buffer_or_null(&l, g->a);
    cvy_launch_int(&l, g->a_offset);
    cvy_launch_int(&l, g->lda);
    cvy_launch_buffer_or_null(&l, g->b);
    cvy_launch_int(&l, g->b_offset);
    cvy_launch_int(&l, g->ldb);
    cvy_launch_buffer(&l, g->c);
    cvy_launch_int(&l, g->c_offset);
    cvy_launch_int(&l, g->ldc);
    cvy_launch_range(&l, 2, (size_t[]){cvy_ceil_div(g->n, tile) * side, cvy_ceil_div(g->m, tile) * side},
                     (size_t[]){side, side});
    return cvy_launch_run(device, &l);
}

enum cvy_status cvy_gemm_enqueue_plain(struct cvy_device *device, const struct cvy_gemm *gemm)
{
    if (gemm->m == 0 || gemm->n == 0)
        return CVY_OK;
    enum cvy_status status = check(gemm);
    if (status != CVY_OK)
        return status;
    return enqueue_plain(device, gemm);
}

/* The temporary memory as a buffer of its own, because CLBlast takes no offset into it; NULL where it is too
 * small. */
static struct cvy_buffer *temporary_part(struct cvy_device *device, size_t need, struct cvy_buffer *temporary,
                                         size_t offset)
{
    struct cvy_buffer *part = NULL;
    size_t begin = cvy_round_up(offset, device->info.base_align);
    if (temporary != NULL && begin <= cvy_buffer_bytes(temporary) &&
        cvy_buffer_bytes(temporary) - begin >= need)
        cvy_buffer_create_part(&part, temporary, begin, cvy_buffer_bytes(temporary) - begin);
    return part;
}

static CLBlastStatusCode enqueue_clblast(struct cvy_device *device, const struct cvy_gemm *g,
                                         cl_mem temporary)
{
    cl_command_queue queue = cvy_device_queue(device);
    return CLBlastSgemmWithTempBuffer(
        CLBlastLayoutRowMajor, transpose(g->transpose_a), transpose(g->transpose_b), g->m, g->n, g->k,
        g->alpha, cvy_buffer_cl_mem(g->a), g->a_offset, g->lda, cvy_buffer_cl_mem(g->b), g->b_offset, g->ldb,
        g->beta, cvy_buffer_cl_mem(g->c), g->c_offset, g->ldc, &queue, NULL, temporary);
}

#define MAX_PARAMETERS 32

/* "Xgemm:KWG=1,VWM=16", which is cut to pieces. */
static enum cvy_status set_kernel_parameters(const struct cvy_device *device, char *text)
{
    const char *names[MAX_PARAMETERS];
    size_t values[MAX_PARAMETERS], n = 0;
    char *rest = NULL, *end, *kernel = strtok_r(text, ":", &rest), *item;
    while ((item = strtok_r(NULL, ",", &rest)) != NULL) {
        char *equals = strchr(item, '=');
        if (equals == NULL || n == MAX_PARAMETERS)
            return cvy_fail(CVY_ERROR_INVALID, "gemm: '%s' of kernel %s is no NAME=VALUE of CLBlast", item,
                            kernel);
        *equals = '\0';
        names[n] = item;
        values[n++] = strtoul(equals + 1, &end, 10);
        if (equals[1] == '\0' || *end != '\0')
            return cvy_fail(CVY_ERROR_INVALID, "gemm: %s of kernel %s is '%s'; give a number", item, kernel,
                            equals + 1);
    }
    CLBlastStatusCode code =
        CLBlastOverrideParameters(device->id, kernel, CLBlastPrecisionSingle, n, names, values);
    if (code != CLBlastSuccess)
        return cvy_fail(CVY_ERROR_INVALID,
                        "gemm: CLBlast does not take %zu parameters for kernel %s "
                        "(status %d); name a kernel of its gemm and all of its parameters",
                        n, kernel, (int)code);
    return CVY_OK;
}

enum cvy_status cvy_gemm_set_parameters(const struct cvy_device *device, const char *setting)
{
    enum cvy_status status = CVY_OK;
    char *copy = cvy_text_copy(setting), *rest = NULL;
    if (copy == NULL)
        return cvy_fail_memory("a setting of CLBlast", strlen(setting) + 1);
    for (char *kernel = strtok_r(copy, " ", &rest); status == CVY_OK && kernel != NULL;
         kernel = strtok_r(NULL, " ", &rest))
        status = set_kernel_parameters(device, kernel);
    free(copy);
    return status;
}

/* One attempt with the parameters in force. */
static CLBlastStatusCode attempt(struct cvy_device *device, const struct cvy_gemm *gemm,
                                 struct cvy_buffer *temporary, size_t temporary_offset)
{
    struct cvy_buffer *part = NULL;
    size_t need;
    CLBlastStatusCode code = temporary_bytes(device, gemm, 1, &need);
    /* too little only where another thread has changed the parameters: CLBlast then allocates for itself */
    if (code == CLBlastSuccess && need > 0)
        part = temporary_part(device, need, temporary, temporary_offset);
    if (code == CLBlastSuccess)
        code = enqueue_clblast(device, gemm, part != NULL ? cvy_buffer_cl_mem(part) : NULL);
    cvy_buffer_destroy(&part);
    return code;
}

enum cvy_status cvy_gemm_enqueue(struct cvy_device *device, const struct cvy_gemm *gemm,
                                 struct cvy_buffer *temporary, size_t temporary_offset)
{
    if (gemm->m == 0 || gemm->n == 0)
        return CVY_OK;
    enum cvy_status status = check(gemm);
    if (status != CVY_OK)
        return status;
    if (gemm->k == 0 || cvy_quarantine_avoids_clblast(device))
        return enqueue_plain(device, gemm);
    CLBlastStatusCode code = attempt(device, gemm, temporary, temporary_offset);
    if (code != CLBlastSuccess && cvy_gemm_setting_drop(device)) {
        cvy_log(CVY_LOG_WARNING,
                "gemm: CLBlast refuses the parameters found by tuning for %s (status %d); they are forgotten "
                "and general ones taken; 'convoy tune --gemm' finds others",
                device->info.name, (int)code);
        code = attempt(device, gemm, temporary, temporary_offset);
    }
    if (code == CLBlastSuccess) {
        pthread_mutex_lock(&device->lock);
        cvy_device_launched(device);
        cvy_launch_note(device, CVY_CLBLAST_PROGRAM, CVY_CLBLAST_KERNEL, CVY_OK);
        pthread_mutex_unlock(&device->lock);
        return CVY_OK;
    }
    pthread_mutex_lock(&device->lock);
    device->clblast_refused = true;
    pthread_mutex_unlock(&device->lock);
    cvy_log(CVY_LOG_WARNING, "gemm: CLBlast refuses %s (status %d); our own, slower kernel takes over",
            device->info.name, (int)code);
    return enqueue_plain(device, gemm);
}

bool cvy_gemm_is_quarantined(const struct cvy_device *device)
{
    return cvy_quarantine_avoids_clblast(device) && cvy_quarantine_has(device, "gemm", "gemm", NULL, 0);
}
