#include <convoy/arithmetic.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "op/problem.h"

enum { DEFAULT_MAX_ENTRIES = 1 << 24 };

struct entry {
    size_t column;
    double value;
};

struct builder {
    struct cvy_conv_problem p; /* with three axes */
    size_t out[CVY_CONV_MAX_RANK];
    const float *w;
    struct entry *row; /* of the row under way, a column perhaps more than once */
    size_t in_row, capacity, max_entries;
    struct cvy_sparse_matrix *matrix;
};

/* Where position `at` of an axis of `size` is read, beyond its edges too; -1: nowhere. */
static int64_t fold(enum cvy_pad_mode mode, int64_t at, int64_t size)
{
    if (at >= 0 && at < size)
        return at;
    switch (mode) {
    case CVY_PAD_REFLECT: {
        int64_t period = CVY_MAX(2 * size - 2, 1);
        at = (at < 0 ? -at : at) % period;
        return at < size ? at : period - at;
    }
    case CVY_PAD_REPLICATE:
        return at < 0 ? 0 : size - 1;
    case CVY_PAD_WRAP:
        return (at % size + size) % size;
    default:
        return -1;
    }
}

/* The element of x on the axis that meets the tap for position `to` of y; -1: none. */
static int64_t source(const struct cvy_conv_problem *p, size_t axis, size_t to, size_t tap)
{
    int64_t stride = (int64_t)p->stride[axis], in = (int64_t)p->in[axis];
    int64_t pad = (int64_t)p->pad_begin[axis], offset = (int64_t)(tap * p->dilation[axis]);
    if (!p->transposed)
        return fold(p->pad_mode, (int64_t)to * stride - pad + offset, in);
    int64_t reached = (int64_t)to + pad - offset;
    return reached >= 0 && reached % stride == 0 && reached / stride < in ? reached / stride : -1;
}

/* Channel k of the definition, which shuffle writes as channel `channel` of y. */
static size_t unshuffled(const struct cvy_conv_problem *p, size_t channel)
{
    return p->shuffle > 1 ? channel % p->shuffle * (p->k / p->shuffle) + channel / p->shuffle : channel;
}

/* All taps of one channel of x. filter: their weights; to: the position of y. */
static void add_taps(struct builder *b, const float *filter, size_t channel, const size_t to[3])
{
    const struct cvy_conv_problem *p = &b->p;
    size_t taps = p->kernel[0] * p->kernel[1] * p->kernel[2];
    for (size_t tap = 0; tap < taps; tap++) {
        size_t rest = tap, at[CVY_CONV_MAX_RANK];
        bool met = true;
        for (size_t i = CVY_CONV_MAX_RANK; i-- > 0; rest /= p->kernel[i]) {
            int64_t from = source(p, i, to[i], rest % p->kernel[i]);
            met = met && from >= 0;
            at[i] = (size_t)from;
        }
        if (met)
            b->row[b->in_row++] =
                (struct entry){.column = ((channel * p->in[0] + at[0]) * p->in[1] + at[1]) * p->in[2] + at[2],
                               .value = filter[p->flip ? taps - 1 - tap : tap]};
    }
}

static int by_column(const void *a, const void *b)
{
    size_t first = ((const struct entry *)a)->column, second = ((const struct entry *)b)->column;
    return (first > second) - (first < second);
}

static enum cvy_status grow(struct builder *b, size_t entries)
{
    if (entries <= b->capacity)
        return CVY_OK;
    if (entries > b->max_entries)
        return cvy_fail(CVY_ERROR_UNSUPPORTED,
                        "matrix: more than %zu entries; allow more or take a smaller problem",
                        b->max_entries);
    size_t capacity = CVY_MIN(CVY_MAX(entries, 2 * b->capacity), b->max_entries), bytes;
    if (!cvy_mul(capacity, sizeof(size_t), &bytes))
        return cvy_fail_memory("the matrix of a convolution", SIZE_MAX);
    size_t *column = realloc(b->matrix->column, bytes);
    if (column == NULL)
        return cvy_fail_memory("the matrix of a convolution", bytes);
    b->matrix->column = column;
    float *value = realloc(b->matrix->value, capacity * sizeof(*value));
    if (value == NULL)
        return cvy_fail_memory("the matrix of a convolution", bytes);
    b->matrix->value = value;
    b->capacity = capacity;
    return CVY_OK;
}

/* Sorts the row, adds up what meets the same column (padding that repeats x), and appends it. */
static enum cvy_status finish_row(struct builder *b)
{
    size_t merged = 0;
    qsort(b->row, b->in_row, sizeof(*b->row), by_column);
    for (size_t i = 0; i < b->in_row; i++) {
        if (merged > 0 && b->row[merged - 1].column == b->row[i].column)
            b->row[merged - 1].value += b->row[i].value;
        else
            b->row[merged++] = b->row[i];
    }
    struct cvy_sparse_matrix *matrix = b->matrix;
    enum cvy_status status = grow(b, matrix->entries + merged);
    if (status != CVY_OK)
        return status;
    for (size_t i = 0; i < merged; i++) {
        matrix->column[matrix->entries] = b->row[i].column;
        matrix->value[matrix->entries++] = (float)b->row[i].value;
    }
    b->in_row = 0;
    return CVY_OK;
}

static enum cvy_status add_rows(struct builder *b)
{
    const struct cvy_conv_problem *p = &b->p;
    size_t c_group = p->c / p->groups, k_group = p->k / p->groups;
    size_t taps = p->kernel[0] * p->kernel[1] * p->kernel[2], points = b->out[0] * b->out[1] * b->out[2];
    for (size_t row = 0; row < b->matrix->rows; row++) {
        size_t point = row % points, k = unshuffled(p, row / points), group = k / k_group;
        size_t to[] = {point / b->out[2] / b->out[1], point / b->out[2] % b->out[1], point % b->out[2]};
        for (size_t i = 0; i < c_group; i++) {
            size_t c = group * c_group + i;
            size_t filter = p->transposed ? c * k_group + k % k_group : k * c_group + i;
            add_taps(b, b->w + filter * taps, c, to);
        }
        enum cvy_status status = finish_row(b);
        if (status != CVY_OK)
            return status;
        b->matrix->row_start[row + 1] = b->matrix->entries;
    }
    return CVY_OK;
}

/* Everything but the entries; allocates what they need at least, so that none is a matrix too. */
static enum cvy_status begin(struct builder *b, const struct cvy_conv_problem *problem)
{
    b->p = cvy_conv_to_3d(problem);
    cvy_conv_output_sizes(&b->p, b->out);
    const struct cvy_conv_problem *p = &b->p;
    struct cvy_sparse_matrix *matrix = b->matrix;
    matrix->rows = p->k * b->out[0] * b->out[1] * b->out[2];
    matrix->columns = p->c * p->in[0] * p->in[1] * p->in[2];
    if (matrix->rows > b->max_entries)
        return cvy_fail(CVY_ERROR_UNSUPPORTED,
                        "matrix: %zu rows, more than the %zu entries allowed; allow more or take a smaller "
                        "problem",
                        matrix->rows, b->max_entries);
    size_t in_row = p->c / p->groups * p->kernel[0] * p->kernel[1] * p->kernel[2], bytes;
    if (!cvy_mul(in_row, sizeof(*b->row), &bytes))
        return cvy_fail_memory("a row of the matrix of a convolution", SIZE_MAX);
    b->row = malloc(bytes);
    if (b->row == NULL)
        return cvy_fail_memory("a row of the matrix of a convolution", bytes);
    bytes = (matrix->rows + 1) * sizeof(*matrix->row_start);
    matrix->row_start = calloc(matrix->rows + 1, sizeof(*matrix->row_start));
    if (matrix->row_start == NULL)
        return cvy_fail_memory("the rows of the matrix of a convolution", bytes);
    return grow(b, 1);
}

enum cvy_status cvy_conv_matrix_create(struct cvy_sparse_matrix **matrix,
                                       const struct cvy_conv_problem *problem, const float *w,
                                       size_t max_entries)
{
    char why[160];
    struct builder b = {.w = w, .max_entries = max_entries > 0 ? max_entries : DEFAULT_MAX_ENTRIES};
    enum cvy_status status = cvy_conv_validate(problem);
    if (status != CVY_OK)
        return status;
    if (!cvy_conv_fits_int(problem, why, sizeof(why)))
        return cvy_fail(CVY_ERROR_UNSUPPORTED, "matrix: %s; take a smaller problem", why);
    b.matrix = calloc(1, sizeof(*b.matrix));
    if (b.matrix == NULL)
        return cvy_fail_memory("the matrix of a convolution", sizeof(*b.matrix));
    status = begin(&b, problem);
    if (status == CVY_OK)
        status = add_rows(&b);
    free(b.row);
    if (status == CVY_OK)
        *matrix = b.matrix;
    else
        cvy_sparse_matrix_destroy(&b.matrix);
    return status;
}

void cvy_sparse_matrix_destroy(struct cvy_sparse_matrix **matrix)
{
    if (matrix == NULL || *matrix == NULL)
        return;
    free((*matrix)->row_start);
    free((*matrix)->column);
    free((*matrix)->value);
    free(*matrix);
    *matrix = NULL;
}

void cvy_sparse_matrix_multiply(const struct cvy_sparse_matrix *matrix, bool transposed, const float *in,
                                float *out)
{
    if (transposed)
        memset(out, 0, matrix->columns * sizeof(*out));
    for (size_t row = 0; row < matrix->rows; row++) {
        double sum = 0;
        for (size_t i = matrix->row_start[row]; i < matrix->row_start[row + 1]; i++) {
            if (transposed)
                out[matrix->column[i]] += matrix->value[i] * in[row];
            else
                sum += (double)matrix->value[i] * in[matrix->column[i]];
        }
        if (!transposed)
            out[row] = (float)sum;
    }
}
