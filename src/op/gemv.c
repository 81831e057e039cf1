#include "op/gemv.h"

#include <limits.h>

#include "base/arith.h"
#include "op/planes.h"
#include "runtime/device.h"
#include "runtime/launch.h"
#include "runtime/quarantine.h"

#define MOST_ROWS 8
#define ROWS_AT_ONCE 4
#define COLUMNS 4 /* as in cl/gemv.cl */

bool cvy_gemv_applies(const struct cvy_device *device, const struct cvy_gemm *problem)
{
    size_t b;
    char kernel[64];
    const bool is_dense = problem->lda == problem->k && problem->ldc == problem->n &&
                          problem->ldb == (problem->transpose_b ? problem->k : problem->n);
    return device->info.type == CVY_DEVICE_CPU && problem->m <= MOST_ROWS && is_dense &&
           (!problem->transpose_a || problem->m == 1) && cvy_mul(problem->n, problem->k, &b) &&
           b <= INT_MAX && !cvy_quarantine_has(device, "gemv", NULL, kernel, sizeof(kernel));
}

static void describe(struct cvy_launch *launch, const struct cvy_device *device, const struct cvy_gemv *gemv)
{
    cvy_launch_init(launch, "gemv", "gemv");
    cvy_launch_define(launch, "LANES", cvy_plain_lanes(device));
    cvy_launch_define(launch, "IN_BLOCKS", 0);
    cvy_launch_define(launch, "TRANSPOSED", gemv->problem.transpose_b);
    cvy_launch_define(launch, "ROWS", gemv->rows_at_once);
    cvy_launch_define(launch, "HAS_C", gemv->has_c);
}

enum cvy_status cvy_gemv_prepare(struct cvy_device *device, struct cvy_gemv *gemv)
{
    const struct cvy_gemm *p = &gemv->problem;
    const size_t width = COLUMNS * (p->transpose_b ? 1 : cvy_plain_lanes(device));
    const double bytes = (double)p->n * (double)p->k * sizeof(float);
    gemv->rows_at_once = CVY_MIN(p->m, ROWS_AT_ONCE);
    gemv->run = width * cvy_planes_share(device, cvy_ceil_div(p->n, width),
                                         cvy_ceil_div(p->m, gemv->rows_at_once), bytes);
    struct cvy_launch launch;
    describe(&launch, device, gemv);
    return cvy_launch_prepare(device, &launch);
}

enum cvy_status cvy_gemv_enqueue(struct cvy_device *device, const struct cvy_gemv *gemv,
                                 const struct cvy_gemm *p, const struct cvy_buffer *added)
{
    struct cvy_launch launch;
    describe(&launch, device, gemv);
    cvy_launch_buffer(&launch, p->a);
    cvy_launch_buffer(&launch, p->b);
    cvy_launch_buffer(&launch, gemv->has_c ? added : p->a);
    cvy_launch_buffer(&launch, p->c);
    cvy_launch_float(&launch, p->alpha);
    cvy_launch_float(&launch, p->beta);
    cvy_launch_struct(&launch,
                      (size_t[]){p->m, p->n, p->k, gemv->run, p->a_offset, p->b_offset, p->c_offset,
                                 gemv->c_row, gemv->c_column},
                      9);
    cvy_launch_share(&launch);
    const size_t range[] = {cvy_ceil_div(p->n, gemv->run), cvy_ceil_div(p->m, gemv->rows_at_once)};
    cvy_launch_range(&launch, 2, range, NULL);
    return cvy_launch_run(device, &launch);
}
