/* Settings of CLBlast to try, and the trial of one. */
#include <convoy/gemm_tune.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arith.h"
#include "base/log.h"
#include "op/doctor_trial.h"
#include "runtime/buffer.h"
#include "runtime/device.h"
#include "runtime/gemm.h"

#define RUNS 7
#define SAMPLES 512

/* The parameters of CLBlast's main kernel that matter here; MDIMA is MDIMC and NDIMB is NDIMC throughout. */
struct shape {
    unsigned kernel;           /* GEMMK: 0 wants C transposed, 1 as it lies */
    unsigned depth, unroll;    /* KWG (KREG of kernel 1) and KWI */
    unsigned items_m, items_n; /* of a work-group */
    unsigned tile_m, tile_n;
    unsigned local; /* A and B go through local memory */
    unsigned vector_m, vector_n;
};

/* A work-item with vector registers fills them itself. Kernel 1 is right only with square tiles. W stands for
 * the device's vector width: values are multiples of it where it says so. */
static const struct {
    unsigned kernel, depth, unroll, items, vectors_m, tile_n;
} lane_shapes[] = {
    {1, 1, 1, 1, 1, 0},   {0, 16, 1, 1, 2, 12}, {0, 16, 1, 1, 2, 8}, {0, 32, 1, 1, 2, 14}, {1, 1, 1, 2, 2, 0},
    {0, 16, 1, 1, 1, 16}, {0, 16, 2, 1, 4, 4},  {1, 1, 1, 4, 2, 0},  {0, 16, 1, 1, 4, 6},  {1, 1, 1, 6, 3, 0},
};

static const struct shape group_shapes[] = {
    {0, 16, 2, 8, 8, 64, 64, 1, 4, 4},    {0, 32, 2, 16, 8, 64, 64, 1, 4, 2},
    {0, 16, 2, 16, 16, 128, 64, 1, 4, 4}, {0, 16, 2, 8, 8, 32, 32, 1, 2, 2},
    {0, 32, 2, 16, 16, 64, 64, 1, 2, 2},  {0, 16, 2, 16, 16, 128, 128, 1, 4, 4},
    {0, 32, 2, 8, 8, 64, 64, 0, 4, 4},    {0, 16, 2, 16, 8, 128, 64, 1, 2, 2},
    {0, 32, 2, 8, 8, 32, 64, 1, 4, 1},    {1, 4, 1, 8, 8, 64, 64, 0, 4, 4},
    {1, 2, 1, 8, 8, 32, 32, 0, 2, 2},     {1, 4, 1, 4, 16, 64, 64, 0, 4, 1},
    {0, 16, 2, 32, 8, 128, 128, 1, 4, 4}, {0, 32, 8, 16, 16, 128, 128, 1, 8, 4},
};

/* What goes behind the best shape: how CLBlast copies matrices that do not fit its tiles, and when its kernel
 * for small products takes over. The last of a name counts. */
static const char *const variations[] = {
    "Pad:PAD_DIMX=1,PAD_DIMY=1,PAD_WPTX=16,PAD_WPTY=1 Copy:COPY_DIMX=1,COPY_DIMY=1,COPY_VW=8,COPY_WPT=1",
    "Padtranspose:PADTRA_PAD=0,PADTRA_TILE=16,PADTRA_WPT=1",
    "Transpose:TRA_DIM=4,TRA_PAD=0,TRA_SHUFFLE=0,TRA_WPT=4",
    "GemmRoutine:XGEMM_MIN_INDIRECT_SIZE=128",
    "GemmRoutine:XGEMM_MIN_INDIRECT_SIZE=512",
};

static void print_shape(const struct shape *s, char *text, size_t size)
{
    snprintf(text, size,
             "Xgemm:GEMMK=%u,KREG=%u,KWG=%u,KWI=%u,MDIMA=%u,MDIMC=%u,MWG=%u,NDIMB=%u,NDIMC=%u,NWG=%u,SA=%u,"
             "SB=%u,STRM=0,STRN=0,VWM=%u,VWN=%u GemmRoutine:XGEMM_MIN_INDIRECT_SIZE=1",
             s->kernel, s->kernel == 1 ? s->depth : 1, s->kernel == 1 ? 1 : s->depth, s->unroll, s->items_m,
             s->items_m, s->tile_m, s->items_n, s->items_n, s->tile_n, s->local, s->local, s->vector_m,
             s->vector_n);
}

static size_t count_shapes(const struct cvy_device_info *info)
{
    return info->type == CVY_DEVICE_CPU ? CVY_COUNT(lane_shapes) : CVY_COUNT(group_shapes);
}

static struct shape shape_at(const struct cvy_device_info *info, size_t index)
{
    if (info->type != CVY_DEVICE_CPU)
        return group_shapes[index];
    unsigned width = info->vector_width >= 16 ? 16 : info->vector_width >= 8 ? 8 : 4;
    unsigned tile_m = lane_shapes[index].vectors_m * width;
    return (struct shape){.kernel = lane_shapes[index].kernel,
                          .depth = lane_shapes[index].depth,
                          .unroll = lane_shapes[index].unroll,
                          .items_m = 1,
                          .items_n = lane_shapes[index].items,
                          .tile_m = tile_m,
                          .tile_n = lane_shapes[index].tile_n > 0 ? lane_shapes[index].tile_n : tile_m,
                          .vector_m = width,
                          .vector_n = 1};
}

bool cvy_gemm_setting_at(const struct cvy_device *device, size_t index, const char *best, char *setting,
                         size_t size)
{
    const struct cvy_device_info *info = cvy_device_get_info(device);
    size_t shapes = count_shapes(info);
    if (index == 0) {
        snprintf(setting, size, "%s", "");
    } else if (index <= shapes) {
        struct shape shape = shape_at(info, index - 1);
        print_shape(&shape, setting, size);
    } else if (index <= shapes + CVY_COUNT(variations)) {
        snprintf(setting, size, "%s%s%s", best, best[0] != '\0' ? " " : "", variations[index - shapes - 1]);
    } else {
        return false;
    }
    return true;
}

/* im2col's products in ResNet-50's 3x3 layers and one 1x1 layer, and a large square one. */
static const struct {
    size_t m, n, k;
} timed[] = {{64, 3136, 576}, {128, 784, 1152}, {256, 196, 2304},
             {512, 49, 4608}, {256, 3136, 64},  {1024, 1024, 1024}};

struct trial {
    struct cvy_device *device;
    struct cvy_doctor random;
    struct cvy_gemm gemm;
    float *a, *b, *c;
    struct cvy_buffer *a_buffer, *b_buffer, *c_buffer, *temporary;
    double seconds; /* of the best run */
};

static void trial_finish(struct trial *t)
{
    free(t->a);
    free(t->b);
    free(t->c);
    cvy_buffer_destroy(&t->a_buffer);
    cvy_buffer_destroy(&t->b_buffer);
    cvy_buffer_destroy(&t->c_buffer);
    cvy_buffer_destroy(&t->temporary);
}

static enum cvy_status make_random(struct trial *t, struct cvy_buffer **buffer, float *data, size_t count)
{
    cvy_doctor_random_fill(&t->random, data, count);
    return cvy_buffer_upload(buffer, t->device, count * sizeof(float), data);
}

static enum cvy_status trial_init(struct trial *t, size_t m, size_t n, size_t k)
{
    t->gemm = (struct cvy_gemm){.m = m, .n = n, .k = k, .alpha = 1, .lda = k, .ldb = n, .ldc = n};
    t->a = malloc(m * k * sizeof(float));
    t->b = malloc(k * n * sizeof(float));
    t->c = malloc(m * n * sizeof(float));
    if (t->a == NULL || t->b == NULL || t->c == NULL)
        return cvy_fail_memory("a product to be timed", (m * k + k * n + m * n) * sizeof(float));
    enum cvy_status status = make_random(t, &t->a_buffer, t->a, m * k);
    if (status == CVY_OK)
        status = make_random(t, &t->b_buffer, t->b, k * n);
    if (status == CVY_OK)
        status = make_random(t, &t->c_buffer, t->c, m * n); /* anything but the result */
    size_t bytes = cvy_gemm_workspace(t->device, &t->gemm);
    if (status == CVY_OK && bytes > 0)
        status = cvy_buffer_create(&t->temporary, t->device, bytes);
    t->gemm.a = t->a_buffer;
    t->gemm.b = t->b_buffer;
    t->gemm.c = t->c_buffer;
    return status;
}

static enum cvy_status measure(struct trial *t)
{
    t->seconds = INFINITY;
    for (size_t i = 0; i <= RUNS; i++) {
        double start = cvy_now();
        enum cvy_status status = cvy_gemm_enqueue(t->device, &t->gemm, t->temporary, 0);
        if (status == CVY_OK)
            status = cvy_device_finish(t->device);
        if (status != CVY_OK)
            return status;
        if (i > 0) /* the first one compiles */
            t->seconds = CVY_MIN(t->seconds, cvy_now() - start);
    }
    return cvy_buffer_read(t->c_buffer, 0, t->gemm.m * t->gemm.n * sizeof(float), t->c);
}

/* Elements all over C, its last one included. */
static bool is_right(struct trial *t)
{
    const struct cvy_gemm *g = &t->gemm;
    for (size_t s = 0; s < SAMPLES; s++) {
        size_t i = s == 0 ? g->m - 1 : cvy_doctor_random_size(&t->random, 0, g->m - 1);
        size_t j = s == 0 ? g->n - 1 : cvy_doctor_random_size(&t->random, 0, g->n - 1);
        double sum = 0, scale = 0;
        for (size_t l = 0; l < g->k; l++) {
            double product = (double)t->a[i * g->lda + l] * (double)t->b[l * g->ldb + j];
            sum += product;
            scale += fabs(product);
        }
        if (!(fabs((double)t->c[i * g->ldc + j] - sum) <= (2 * (double)g->k + 16) * 6e-8 * scale))
            return false;
    }
    return true;
}

static enum cvy_status time_product(struct cvy_device *device, uint64_t seed, size_t index, double *gflops)
{
    size_t m = timed[index].m, n = timed[index].n, k = timed[index].k;
    struct trial t = {.device = device, .random.random = seed + index};
    enum cvy_status status = trial_init(&t, m, n, k);
    if (status == CVY_OK)
        status = measure(&t);
    if (status == CVY_OK && !is_right(&t))
        status =
            cvy_fail(CVY_ERROR_DEVICE,
                     "gemm: the product of %zux%zu and %zux%zu is wrong; use another setting", m, k, k, n);
    if (status == CVY_OK)
        *gflops = 2e-9 * (double)m * (double)n * (double)k / t.seconds;
    trial_finish(&t);
    return status;
}

enum cvy_status cvy_gemm_setting_try(struct cvy_device *device, const char *setting, uint64_t seed,
                                     double *gflops)
{
    if (device == NULL || setting == NULL || gflops == NULL)
        return cvy_fail(CVY_ERROR_INVALID,
                        "cvy_gemm_setting_try: device, setting or gflops is NULL; pass all");
    if (device->gemm_setting != NULL)
        return cvy_fail(
            CVY_ERROR_INVALID,
            "cvy_gemm_setting_try: the device's store has put a setting in force; try others in a "
            "process that sets no store");
    enum cvy_status status = setting[0] != '\0' ? cvy_gemm_set_parameters(device, setting) : CVY_OK;
    char why[400];
    bool right = false;
    if (status == CVY_OK)
        status = cvy_doctor_try_gemm(device, seed, &right, why, sizeof(why));
    if (device->clblast_refused)
        return cvy_fail(CVY_ERROR_BUILD, "gemm: CLBlast refuses the setting on %s; use another",
                        device->info.name);
    if (status == CVY_OK && !right)
        return cvy_fail(CVY_ERROR_DEVICE, "gemm: %s; use another setting", why);
    double log_sum = 0;
    for (size_t i = 0; status == CVY_OK && i < CVY_COUNT(timed); i++) {
        double speed = 0;
        status = time_product(device, seed, i, &speed);
        log_sum += log(speed);
    }
    if (status == CVY_OK)
        *gflops = exp(log_sum / (double)CVY_COUNT(timed));
    return status;
}
