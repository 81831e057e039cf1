#include "operator_case.h"

#include <math.h>
#include <stdlib.h>

#include "op/operator.h"

struct test_random case_random;
const char *case_algo;

void case_seed(void)
{
    case_random.state = test_seed() + 7;
}

size_t case_elements(const struct cvy_shape *shape)
{
    size_t n = 1;
    for (size_t i = 0; i < shape->rank; i++)
        n *= shape->dims[i];
    return n;
}

void case_add_input(struct inputs *inputs, const struct cvy_shape *shape)
{
    size_t n = case_elements(shape);
    inputs->shapes[inputs->n] = *shape;
    inputs->data[inputs->n] = malloc(n * sizeof(float));
    test_random_fill(&case_random, inputs->data[inputs->n], n);
    for (size_t i = 0; i < n; i++)
        inputs->data[inputs->n][i] *= 4;
    inputs->n++;
}

void case_free(struct inputs *inputs)
{
    for (size_t i = 0; i < inputs->n; i++)
        free(inputs->data[i]);
}

struct cvy_shape case_random_shape(size_t rank, size_t largest)
{
    struct cvy_shape shape = {.rank = rank};
    for (size_t i = 0; i < rank; i++)
        shape.dims[i] = test_random_range(&case_random, 1, largest);
    return shape;
}

void case_unravel(const struct cvy_shape *shape, size_t i, size_t *at)
{
    for (size_t d = shape->rank; d-- > 0; i /= shape->dims[d])
        at[d] = i % shape->dims[d];
}

size_t case_ravel(const struct cvy_shape *shape, const size_t *at)
{
    size_t i = 0;
    for (size_t d = 0; d < shape->rank; d++)
        i = i * shape->dims[d] + at[d];
    return i;
}

/* Floats of a tensor in blocks of channels; 0: plain. */
static size_t laid_out(const struct cvy_shape *shape, size_t block)
{
    size_t n = case_elements(shape);
    return block == 0 ? n : n / shape->dims[1] * ((shape->dims[1] + block - 1) / block * block);
}

/* Where element i of the plain tensor lies in blocks. */
static size_t place_of(const struct cvy_shape *shape, size_t block, size_t i)
{
    size_t pixels = 1, channels = shape->dims[1], blocks = (channels + block - 1) / block;
    for (size_t d = 2; d < shape->rank; d++)
        pixels *= shape->dims[d];
    size_t n = i / pixels / channels, c = i / pixels % channels;
    return ((n * blocks + c / block) * pixels + i % pixels) * block + c % block;
}

static struct cvy_buffer *upload(const float *data, const struct cvy_shape *shape, size_t block)
{
    struct cvy_buffer *buffer = NULL;
    size_t n = laid_out(shape, block);
    float *laid = calloc(n, sizeof(float));
    for (size_t i = 0; i < case_elements(shape); i++)
        laid[block > 0 ? place_of(shape, block, i) : i] = data[i];
    ck_assert_int_eq(cvy_buffer_create(&buffer, test_device(), n * sizeof(float)), CVY_OK);
    ck_assert_int_eq(cvy_buffer_write(buffer, 0, n * sizeof(float), laid), CVY_OK);
    free(laid);
    return buffer;
}

/* The plain tensor; blocks must be filled up with zeros. */
static float *plain_of(float *laid, const struct cvy_shape *shape, size_t block)
{
    if (block == 0)
        return laid;
    size_t n = case_elements(shape), all = laid_out(shape, block);
    float *plain = malloc(n * sizeof(float));
    for (size_t i = 0; i < n; i++) {
        plain[i] = laid[place_of(shape, block, i)];
        laid[place_of(shape, block, i)] = 0;
    }
    for (size_t i = 0; i < all; i++)
        ck_assert_msg(laid[i] == 0, "%g at %zu, behind the last channel", (double)laid[i], i);
    free(laid);
    return plain;
}

/* Some layout that the operator takes: sets the operands' blocks, and returns the output's. */
static size_t choose_layouts(const struct cvy_op *op, struct cvy_operand *operands, size_t n)
{
    static const size_t blocks[] = {0, 4, 16, 8};
    enum cvy_layout layouts[MAX_INPUTS];
    struct cvy_op settled = *op;
    struct cvy_shape out;
    enum cvy_dtype dtype;
    size_t block = blocks[test_random_range(&case_random, 0, test_compiles_slowly() ? 1 : 3)];
    ck_assert_msg(cvy_operator_settle(&settled, operands, &n) == CVY_OK, "%s", test_log_last());
    ck_assert_msg(cvy_operator_infer(&settled, operands, n, &out, &dtype) == CVY_OK, "%s", test_log_last());
    const size_t out_block = test_random_range(&case_random, 0, 3) == 0 ? 0 : block;
    if (block == 0 || !cvy_operator_layouts(&settled, operands, n, &out, out_block, layouts))
        return 0;
    for (size_t i = 0; i < n; i++)
        if (layouts[i] == CVY_LAYOUT_BLOCKS ||
            (layouts[i] == CVY_LAYOUT_ANY && test_random_range(&case_random, 0, 1)))
            operands[i].block = operands[i].shape.rank > 2 ? block : 0;
    return out_block;
}

float *case_run(const struct cvy_op *op, const struct inputs *inputs, struct cvy_shape *shape)
{
    struct cvy_device *device = test_device();
    struct cvy_operand operands[MAX_INPUTS] = {{0}};
    struct cvy_buffer *in[MAX_INPUTS] = {NULL}, *out = NULL, *workspace = NULL;
    struct cvy_operator *operator= NULL;
    struct cvy_tensor values[MAX_INPUTS] = {{0}};
    for (size_t i = 0; i < inputs->n; i++) {
        operands[i] = (struct cvy_operand){.present = true, .shape = inputs->shapes[i]};
        values[i] = (struct cvy_tensor){.shape = inputs->shapes[i], .data = inputs->data[i]};
        values[i].elements = case_elements(&inputs->shapes[i]);
        values[i].bytes = values[i].elements * sizeof(float);
        operands[i].constant = inputs->is_constant[i] ? &values[i] : NULL;
    }
    struct cvy_operator_params params = {.algo = case_algo, .max_workspace = (size_t)64 << 20};
    params.block = choose_layouts(op, operands, inputs->n);
    for (size_t i = 0; i < inputs->n; i++)
        in[i] = upload(inputs->data[i], &inputs->shapes[i], operands[i].block);
    ck_assert_msg(cvy_operator_create(&operator, device, op, operands, inputs->n, &params) == CVY_OK, "%s",
                  test_log_last());
    for (size_t i = 0; i < inputs->n; i++)
        if (cvy_operator_bit(operator->unread, i))
            cvy_buffer_destroy(&in[i]);
    *shape = operator->out;
    size_t n = laid_out(shape, params.block);
    float *result = malloc(n * sizeof(float));
    test_poison(result, n);
    ck_assert_int_eq(cvy_buffer_create(&out, device, n * sizeof(float)), CVY_OK);
    ck_assert_int_eq(cvy_buffer_write(out, 0, n * sizeof(float), result), CVY_OK);
    if (operator->workspace != 0)
        ck_assert_int_eq(cvy_buffer_create(&workspace, device, operator->workspace), CVY_OK);
    ck_assert_msg(operator->class->enqueue(operator, in, inputs->n, out, workspace) == CVY_OK, "%s",
                  test_log_last());
    ck_assert_int_eq(cvy_buffer_read(out, 0, n * sizeof(float), result), CVY_OK);
    cvy_operator_destroy(&operator);
    for (size_t i = 0; i < inputs->n; i++)
        cvy_buffer_destroy(&in[i]);
    cvy_buffer_destroy(&out);
    cvy_buffer_destroy(&workspace);
    return plain_of(result, shape, params.block);
}

void case_check(const struct cvy_op *op, struct inputs *inputs, const struct cvy_shape *shape,
                double *expected, double tolerance)
{
    struct cvy_shape made;
    float *got = case_run(op, inputs, &made);
    ck_assert_msg(cvy_shape_equal(&made, shape), "%s: its output has another shape", cvy_op_name(op));
    for (size_t i = 0; i < case_elements(shape); i++) {
        double bound = tolerance * fmax(1, fabs(expected[i]));
        ck_assert_msg(fabs((double)got[i] - expected[i]) <= bound, "%s: element %zu is %g, expected %g",
                      cvy_op_name(op), i, (double)got[i], expected[i]);
    }
    free(got);
    free(expected);
    case_free(inputs);
}

int case_rounds(int n)
{
    return test_small() ? (n + 9) / 10 : n;
}
