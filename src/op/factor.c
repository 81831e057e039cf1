#include <convoy/arithmetic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"

static const double exact = 1e-6; /* the error that rank 0 asks for */

/*
 * A = U S V^T by one-sided Jacobi rotations (Hestenes): the columns of A are turned in pairs until all are
 * orthogonal; then they are U S, and the same turns of the identity give V. Columns lie one after the other.
 */
struct svd {
    size_t rows, columns;
    double *a;      /* columns x rows; U S in the end */
    double *v;      /* columns x columns */
    double *square; /* of each singular value */
    size_t *order;  /* of the columns, greatest singular value first */
};

/* Four sums, because one would make each addition wait for the one before. */
static double dot(const double *a, const double *b, size_t count)
{
    double sums[4] = {0};
    size_t i = 0;
    for (; i + 4 <= count; i += 4)
        for (size_t j = 0; j < 4; j++)
            sums[j] += a[i + j] * b[i + j];
    for (; i < count; i++)
        sums[0] += a[i] * b[i];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

static void rotate(double *restrict a, double *restrict b, size_t count, double cosine, double sine)
{
    for (size_t i = 0; i < count; i++) {
        double before = a[i];
        a[i] = cosine * before - sine * b[i];
        b[i] = sine * before + cosine * b[i];
    }
}

/* Makes columns i and j orthogonal; false if they are, as far as matters beside a matrix of norm^2 `total`.
 */
static bool orthogonalize(struct svd *s, size_t i, size_t j, double total)
{
    double *a = s->a + i * s->rows, *b = s->a + j * s->rows;
    double aa = dot(a, a, s->rows), bb = dot(b, b, s->rows), ab = dot(a, b, s->rows);
    const double negligible = 1e-30, orthogonal = 1e-13;
    if (aa <= negligible * total || bb <= negligible * total || fabs(ab) <= orthogonal * sqrt(aa * bb))
        return false;
    double zeta = (bb - aa) / (2 * ab);
    double tangent = copysign(1, zeta) / (fabs(zeta) + hypot(1, zeta));
    double cosine = 1 / hypot(1, tangent), sine = cosine * tangent;
    rotate(a, b, s->rows, cosine, sine);
    rotate(s->v + i * s->columns, s->v + j * s->columns, s->columns, cosine, sine);
    return true;
}

static void sort_values(struct svd *s)
{
    for (size_t i = 0; i < s->columns; i++) {
        const double *column = s->a + i * s->rows;
        s->square[i] = dot(column, column, s->rows);
        size_t at = i;
        for (; at > 0 && s->square[s->order[at - 1]] < s->square[i]; at--)
            s->order[at] = s->order[at - 1];
        s->order[at] = i;
    }
}

/* s->a holds A. Two dozen sweeps are far beyond what matrices need; what is left by then is rounding. */
static void decompose(struct svd *s)
{
    double total = dot(s->a, s->a, s->rows * s->columns);
    memset(s->v, 0, s->columns * s->columns * sizeof(*s->v));
    for (size_t i = 0; i < s->columns; i++)
        s->v[i * s->columns + i] = 1;
    bool turned = true;
    for (int sweep = 0; turned && sweep < 24; sweep++) {
        turned = false;
        for (size_t i = 0; i + 1 < s->columns; i++)
            for (size_t j = i + 1; j < s->columns; j++)
                turned = orthogonalize(s, i, j, total) || turned;
    }
    sort_values(s);
}

/* The weights as matrices, one a group, with rows (c, r) and columns (k, s). */
struct kernel {
    const struct cvy_conv_problem *p;
    size_t c, k; /* of a group */
    size_t r, s; /* taps on the first spatial axis, and on the others together */
    size_t rows, columns;
    bool flat; /* less rows than columns: the decomposition is of the transposed matrix */
    struct svd *groups;
};

/* Where the weight of row (c, r) and column (k, s) of a group's matrix lies. */
static size_t weight_at(const struct kernel *kernel, size_t group, size_t row, size_t column)
{
    size_t c = row / kernel->r, r = row % kernel->r, k = column / kernel->s, s = column % kernel->s;
    size_t filter = kernel->p->transposed ? (group * kernel->c + c) * kernel->k + k
                                          : (group * kernel->k + k) * kernel->c + c;
    return (filter * kernel->r + r) * kernel->s + s;
}

/* Where the weight of row (c, r) and component m lies in first_w of so many components a group. */
static size_t first_at(const struct kernel *kernel, size_t group, size_t row, size_t m, size_t rank)
{
    size_t c = row / kernel->r, r = row % kernel->r;
    size_t filter =
        kernel->p->transposed ? (group * kernel->c + c) * rank + m : (group * rank + m) * kernel->c + c;
    return filter * kernel->r + r;
}

static size_t second_at(const struct kernel *kernel, size_t group, size_t m, size_t column, size_t rank)
{
    size_t k = column / kernel->s, s = column % kernel->s;
    size_t filter =
        kernel->p->transposed ? (group * rank + m) * kernel->k + k : (group * kernel->k + k) * rank + m;
    return filter * kernel->s + s;
}

static enum cvy_status allocate(struct svd *s, size_t rows, size_t columns)
{
    size_t a_bytes, v_bytes;
    s->rows = rows;
    s->columns = columns;
    if (!cvy_mul(rows, columns, &a_bytes) || !cvy_mul(a_bytes, sizeof(double), &a_bytes) ||
        !cvy_mul(columns, columns, &v_bytes) || !cvy_mul(v_bytes, sizeof(double), &v_bytes))
        return cvy_fail_memory("the decomposition of a kernel", SIZE_MAX);
    s->a = malloc(a_bytes);
    s->v = malloc(v_bytes);
    s->square = malloc(columns * sizeof(*s->square));
    s->order = malloc(columns * sizeof(*s->order));
    if (s->a == NULL || s->v == NULL || s->square == NULL || s->order == NULL)
        return cvy_fail_memory("the decomposition of a kernel", a_bytes);
    return CVY_OK;
}

static void kernel_finish(struct kernel *kernel)
{
    for (size_t g = 0; kernel->groups != NULL && g < kernel->p->groups; g++) {
        free(kernel->groups[g].a);
        free(kernel->groups[g].v);
        free(kernel->groups[g].square);
        free(kernel->groups[g].order);
    }
    free(kernel->groups);
}

static enum cvy_status kernel_init(struct kernel *kernel, const struct cvy_conv_problem *p, const float *w)
{
    *kernel =
        (struct kernel){.p = p, .c = p->c / p->groups, .k = p->k / p->groups, .r = p->kernel[0], .s = 1};
    for (size_t i = 1; i < p->rank; i++)
        kernel->s *= p->kernel[i];
    kernel->rows = kernel->c * kernel->r;
    kernel->columns = kernel->k * kernel->s;
    kernel->flat = kernel->rows < kernel->columns;
    kernel->groups = calloc(p->groups, sizeof(*kernel->groups));
    if (kernel->groups == NULL)
        return cvy_fail_memory("the decomposition of a kernel", p->groups * sizeof(*kernel->groups));
    for (size_t g = 0; g < p->groups; g++) {
        struct svd *s = &kernel->groups[g];
        enum cvy_status status =
            allocate(s, CVY_MAX(kernel->rows, kernel->columns), CVY_MIN(kernel->rows, kernel->columns));
        if (status != CVY_OK)
            return status;
        for (size_t i = 0; i < kernel->rows; i++)
            for (size_t j = 0; j < kernel->columns; j++)
                s->a[kernel->flat ? i * s->rows + j : j * s->rows + i] = w[weight_at(kernel, g, i, j)];
        decompose(s);
    }
    return CVY_OK;
}

/* The least rank that leaves out no more than the square of `exact` of all squares. */
static size_t least_rank(const struct kernel *kernel)
{
    size_t most = kernel->groups[0].columns, rank = most;
    double total = 0, left_out = 0;
    for (size_t g = 0; g < kernel->p->groups; g++)
        for (size_t i = 0; i < most; i++)
            total += kernel->groups[g].square[i];
    while (rank > 1) {
        for (size_t g = 0; g < kernel->p->groups; g++)
            left_out += kernel->groups[g].square[kernel->groups[g].order[rank - 1]];
        if (left_out > exact * exact * total)
            break;
        rank--;
    }
    return rank;
}

/* Both passes get the root of each singular value, so that neither's weights are much the larger. */
static void fill(struct cvy_conv_factors *f, const struct kernel *kernel)
{
    float *first = f->first_w.data, *second = f->second_w.data;
    for (size_t g = 0; g < kernel->p->groups; g++)
        for (size_t m = 0; m < f->rank; m++) {
            const struct svd *s = &kernel->groups[g];
            size_t at = s->order[m];
            const double *u = s->a + at * s->rows, *v = s->v + at * s->columns;
            double root = sqrt(sqrt(s->square[at])), u_scale = root > 0 ? 1 / root : 0;
            const double *tall = kernel->flat ? v : u, *wide = kernel->flat ? u : v;
            double tall_scale = kernel->flat ? root : u_scale, wide_scale = kernel->flat ? u_scale : root;
            for (size_t i = 0; i < kernel->rows; i++)
                first[first_at(kernel, g, i, m, f->rank)] = (float)(tall[i] * tall_scale);
            for (size_t j = 0; j < kernel->columns; j++)
                second[second_at(kernel, g, m, j, f->rank)] = (float)(wide[j] * wide_scale);
        }
}

static double measure(const struct cvy_conv_factors *f, const struct kernel *kernel, const float *w)
{
    const float *first = f->first_w.data, *second = f->second_w.data;
    double difference = 0, total = 0;
    for (size_t g = 0; g < kernel->p->groups; g++)
        for (size_t i = 0; i < kernel->rows; i++)
            for (size_t j = 0; j < kernel->columns; j++) {
                double weight = w[weight_at(kernel, g, i, j)], product = 0;
                for (size_t m = 0; m < f->rank; m++)
                    product += (double)first[first_at(kernel, g, i, m, f->rank)] *
                               second[second_at(kernel, g, m, j, f->rank)];
                difference += (weight - product) * (weight - product);
                total += weight * weight;
            }
    return total > 0 ? sqrt(difference / total) : 0;
}

static enum cvy_status build(struct cvy_conv_factors *factors, const struct kernel *kernel, const float *w,
                             size_t rank)
{
    struct cvy_conv_factors f = {.rank = rank};
    struct cvy_conv_problem passes[CVY_CONV_MAX_PASSES];
    struct cvy_shape first, second;
    size_t n, middle;
    if (!cvy_mul(rank, kernel->p->groups, &middle))
        return cvy_fail(CVY_ERROR_INVALID, "factor: rank %zu in %zu groups does not fit a size", rank,
                        kernel->p->groups);
    enum cvy_status status = cvy_conv_get_passes(kernel->p, CVY_CONV_SPATIALLY_SEPARABLE, middle, passes, &n);
    if (status != CVY_OK)
        return status;
    memcpy(f.passes, passes, sizeof(f.passes));
    if ((status = cvy_conv_w_shape(&passes[0], &first)) != CVY_OK ||
        (status = cvy_conv_w_shape(&passes[1], &second)) != CVY_OK ||
        (status = cvy_tensor_init(&f.first_w, CVY_FLOAT32, &first)) != CVY_OK ||
        (status = cvy_tensor_init(&f.second_w, CVY_FLOAT32, &second)) != CVY_OK) {
        cvy_conv_factors_finish(&f);
        return status;
    }
    fill(&f, kernel);
    f.error = measure(&f, kernel, w);
    *factors = f;
    return CVY_OK;
}

static enum cvy_status check(const struct cvy_conv_problem *p, const float *w, size_t rank)
{
    struct cvy_conv_problem passes[CVY_CONV_MAX_PASSES];
    struct cvy_shape shape;
    size_t n, elements, rows, columns;
    enum cvy_status status = cvy_conv_get_passes(p, CVY_CONV_SPATIALLY_SEPARABLE, 0, passes, &n);
    if (status == CVY_OK)
        status = cvy_conv_w_shape(p, &shape);
    if (status == CVY_OK)
        status = cvy_shape_elements(&shape, &elements);
    if (status != CVY_OK)
        return status;
    rows = p->c / p->groups * p->kernel[0];
    columns = elements / p->groups / rows;
    if (rank > CVY_MIN(rows, columns))
        return cvy_fail(CVY_ERROR_INVALID,
                        "factor: rank %zu of a kernel that is %zu x %zu as a matrix; at most %zu is needed",
                        rank, rows, columns, CVY_MIN(rows, columns));
    for (size_t i = 0; i < elements; i++)
        if (!isfinite(w[i]))
            return cvy_fail(CVY_ERROR_INVALID,
                            "factor: weight %zu is not a finite number; nothing can approximate it", i);
    return CVY_OK;
}

enum cvy_status cvy_conv_factor(struct cvy_conv_factors *factors, const struct cvy_conv_problem *problem,
                                const float *w, size_t rank)
{
    struct cvy_conv_factors f = {0};
    struct kernel kernel;
    enum cvy_status status = check(problem, w, rank);
    if (status != CVY_OK)
        return status;
    status = kernel_init(&kernel, problem, w);
    /* rounding to float adds its part to the error, so that one more may be needed */
    size_t attempt = rank > 0 || status != CVY_OK ? rank : least_rank(&kernel);
    for (; status == CVY_OK; attempt++) {
        cvy_conv_factors_finish(&f);
        status = build(&f, &kernel, w, attempt);
        if (status == CVY_OK && (rank > 0 || f.error <= exact || attempt == kernel.groups[0].columns))
            break;
    }
    kernel_finish(&kernel);
    if (status == CVY_OK)
        *factors = f;
    return status;
}

void cvy_conv_factors_finish(struct cvy_conv_factors *factors)
{
    if (factors == NULL)
        return;
    cvy_tensor_finish(&factors->first_w);
    cvy_tensor_finish(&factors->second_w);
    memset(factors, 0, sizeof(*factors));
}
