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

float *case_run(const struct cvy_op *op, const struct inputs *inputs, struct cvy_shape *shape)
{
    struct cvy_device *device = test_device();
    struct cvy_operand operands[MAX_INPUTS] = {{0}};
    struct cvy_buffer *in[MAX_INPUTS] = {NULL}, *out = NULL, *workspace = NULL;
    struct cvy_operator *operator= NULL;
    for (size_t i = 0; i < inputs->n; i++) {
        size_t bytes = case_elements(&inputs->shapes[i]) * sizeof(float);
        operands[i] = (struct cvy_operand){.present = true, .shape = inputs->shapes[i]};
        ck_assert_int_eq(cvy_buffer_create(&in[i], device, bytes), CVY_OK);
        ck_assert_int_eq(cvy_buffer_write(in[i], 0, bytes, inputs->data[i]), CVY_OK);
    }
    struct cvy_operator_params params = {case_algo, (size_t)64 << 20};
    ck_assert_msg(cvy_operator_create(&operator, device, op, operands, inputs->n, &params) == CVY_OK, "%s",
                  test_log_last());
    *shape = operator->out;
    size_t n = case_elements(shape);
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
    return result;
}

void case_compare(const char *name, const float *got, const double *expected, size_t n, double tolerance)
{
    for (size_t i = 0; i < n; i++) {
        double bound = tolerance * fmax(1, fabs(expected[i]));
        ck_assert_msg(fabs((double)got[i] - expected[i]) <= bound, "%s: element %zu is %g, expected %g", name,
                      i, (double)got[i], expected[i]);
    }
}

int case_rounds(int n)
{
    return test_small() ? (n + 9) / 10 : n;
}
