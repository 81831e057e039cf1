#include "op/lane_gemm.h"

#include <limits.h>

#include "base/arith.h"
#include "op/planes.h"
#include "op/table.h"
#include "op/tile.h"
#include "runtime/device.h"
#include "runtime/launch.h"
#include "runtime/quarantine.h"

#define MOST_COLUMNS 4
#define LEAST_PACKED 4  /* rows for which a transposed b is packed; it can be read where it lies, too */
#define USUAL_SHARE 0.5 /* of the peak */

static bool fits(size_t count, size_t rows, size_t columns)
{
    size_t n;
    return cvy_mul(rows, columns, &n) && cvy_mul(n, count, &n) && n <= INT_MAX;
}

bool cvy_lane_gemm_applies(const struct cvy_device *device, const struct cvy_gemm *p, size_t count)
{
    char kernel[64];
    const bool is_dense = p->lda == (p->transpose_a ? p->m : p->k) && p->ldc == p->n &&
                          p->ldb == (p->transpose_b ? p->k : p->n);
    return device->info.type == CVY_DEVICE_CPU && is_dense &&
           !(p->transpose_a && p->transpose_b && p->m > 1) && fits(count, p->m, p->k) &&
           fits(count, p->n, p->k) && fits(count, p->m, p->n) &&
           !cvy_quarantine_has(device, "lane_gemm", NULL, kernel, sizeof(kernel));
}

/* Vectors are. */
static bool is_along_k(const struct cvy_lane_gemm *gemm)
{
    return gemm->problem.transpose_b && !gemm->is_packed;
}

static void describe(struct cvy_launch *launch, const struct cvy_lane_gemm *gemm)
{
    const struct cvy_gemm *p = &gemm->problem;
    cvy_launch_init(launch, "lane_gemm", "lane_gemm");
    cvy_launch_define(launch, "LANES", gemm->lanes);
    cvy_launch_define(launch, "IN_BLOCKS", 0);
    cvy_launch_define(launch, "TRANSPOSED_A", p->transpose_a && p->m > 1);
    cvy_launch_define(launch, "TRANSPOSED_B", is_along_k(gemm));
    cvy_launch_define(launch, "PACKED", gemm->is_packed);
    cvy_launch_define(launch, "ROWS", gemm->rows);
    cvy_launch_define(launch, "COLUMNS", gemm->columns);
    cvy_launch_define(launch, "HAS_C", gemm->has_c);
}

/* Seconds that a unit alone would take. */
static double seconds_alone(const struct cvy_device *device, const struct cvy_lane_gemm *gemm)
{
    const struct cvy_gemm *p = &gemm->problem;
    const double products = (double)gemm->count, n = (double)p->n, k = (double)p->k, m = (double)p->m;
    const double bytes = sizeof(float) * (products * (n * m + m * k) + (gemm->b_step ? products : 1) * n * k);
    const double arithmetic = 2 * products * n * m * k / (USUAL_SHARE * cvy_rates(device)->flops);
    return CVY_MAX(arithmetic, cvy_moving_seconds(device, bytes)) *
           (double)CVY_MAX(device->info.compute_units, 1);
}

static void choose_tile(struct cvy_lane_gemm *gemm, const struct cvy_device *device)
{
    const struct cvy_gemm *p = &gemm->problem;
    const bool along_k = is_along_k(gemm);
    gemm->lanes = cvy_plain_lanes(device);
    while (gemm->lanes > (along_k ? p->k : p->n))
        gemm->lanes /= 2;
    const size_t vectors = along_k ? p->n : cvy_ceil_div(p->n, gemm->lanes);
    const size_t most = gemm->lanes == 16 || along_k ? MOST_COLUMNS : MOST_COLUMNS / 2;
    gemm->columns = cvy_even_piece(vectors, most);
    gemm->rows = cvy_even_piece(p->m, cvy_tile_pixels(gemm->lanes, gemm->columns, 1));
    const size_t tiles = cvy_ceil_div(p->m, gemm->rows), strips = cvy_ceil_div(vectors, gemm->columns);
    const double seconds = seconds_alone(device, gemm);
    gemm->each = cvy_balance(device, tiles, strips * gemm->count, tiles, seconds);
    gemm->run = gemm->columns * (along_k ? 1 : gemm->lanes);
    if (gemm->each == tiles)
        gemm->run *= cvy_balance(device, strips, gemm->count, strips, seconds);
}

/* Columns of a packed strip. */
static size_t strip_width(const struct cvy_lane_gemm *gemm)
{
    return gemm->columns * gemm->lanes;
}

/* Zeros fill the last strip up. */
static void pack(const struct cvy_lane_gemm *gemm, const float *b, float *packed)
{
    const struct cvy_gemm *p = &gemm->problem;
    const size_t width = strip_width(gemm);
    for (size_t column = 0; column < p->n; column += width) {
        for (size_t i = 0; i < p->k; i++) {
            for (size_t j = column; j < column + width; j++)
                *packed++ = j >= p->n ? 0 : p->transpose_b ? b[j * p->k + i] : b[i * p->n + j];
        }
    }
}

static enum cvy_status upload_packed(struct cvy_lane_gemm *gemm, struct cvy_device *device, const float *b,
                                     size_t bytes)
{
    void *data = NULL;
    enum cvy_status status = cvy_buffer_create(&gemm->packed, device, bytes);
    if (status == CVY_OK)
        status = cvy_buffer_map(gemm->packed, CVY_MAP_WRITE, &data);
    if (status != CVY_OK)
        return status;
    pack(gemm, b, data);
    return cvy_buffer_unmap(gemm->packed, data);
}

enum cvy_status cvy_lane_gemm_init(struct cvy_lane_gemm *gemm, struct cvy_operator *self,
                                   const struct cvy_operand *b, const struct cvy_operator_params *params)
{
    const struct cvy_gemm *p = &gemm->problem;
    struct cvy_launch launch;
    enum cvy_status status = CVY_OK;
    const bool is_one = cvy_span_elements(&b->shape, 0, b->shape.rank) == p->n * p->k;
    gemm->is_packed = b->constant != NULL && is_one && (!p->transpose_b || p->m >= LEAST_PACKED);
    choose_tile(gemm, self->device);
    const size_t bytes = cvy_round_up(p->n, strip_width(gemm)) * p->k * sizeof(float);
    if (gemm->is_packed && bytes > cvy_most_prepared(params, p->n * p->k * sizeof(float))) {
        gemm->is_packed = false;
        choose_tile(gemm, self->device);
    }
    if (gemm->is_packed) {
        self->kept += bytes;
        self->unread |= 1u << 1;
        if (!params->only_count)
            status = upload_packed(gemm, self->device, b->constant->data, bytes);
    }
    if (status != CVY_OK)
        return status;
    describe(&launch, gemm);
    return cvy_launch_prepare(self->device, &launch);
}

enum cvy_status cvy_lane_gemm_enqueue(struct cvy_device *device, const struct cvy_lane_gemm *gemm,
                                      const struct cvy_gemm *p, const struct cvy_buffer *added)
{
    struct cvy_launch launch;
    describe(&launch, gemm);
    cvy_launch_buffer(&launch, p->a);
    cvy_launch_buffer(&launch, gemm->is_packed ? gemm->packed : p->b);
    cvy_launch_buffer(&launch, gemm->has_c ? added : p->a);
    cvy_launch_buffer(&launch, p->c);
    cvy_launch_float(&launch, p->alpha);
    cvy_launch_float(&launch, p->beta);
    cvy_launch_struct(&launch,
                      (size_t[]){p->m, p->n, p->k, gemm->run, gemm->each, p->a_offset, gemm->a_step,
                                 p->b_offset, gemm->b_step, p->c_offset, gemm->c_row, gemm->c_column},
                      12);
    cvy_launch_balance(&launch);
    const size_t range[] = {cvy_ceil_div(p->m, gemm->rows * gemm->each), cvy_ceil_div(p->n, gemm->run),
                            gemm->count};
    cvy_launch_range(&launch, 3, range, NULL);
    return cvy_launch_run(device, &launch);
}
