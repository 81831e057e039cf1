/* Operators that scale numbers by what others beside them are, against the oracles of their definitions. */
#include "operator_case.h"

#include <math.h>
#include <stdlib.h>

#include "op/operator.h"

START_TEST(batch_norm_follows_its_formula)
{
    for (int round = 0; round < case_rounds(10); round++) {
        struct cvy_shape x = case_random_shape(test_random_range(&case_random, 2, 5), 5);
        struct cvy_shape channels = {1, {x.dims[1]}};
        struct cvy_op op = {.type = CVY_OP_BATCH_NORM};
        op.batch_norm.epsilon = 1e-3f;
        struct inputs inputs = {0};
        case_add_input(&inputs, &x);
        for (int k = 0; k < 4; k++)
            case_add_input(&inputs, &channels);
        for (size_t c = 0; c < x.dims[1]; c++)
            inputs.data[4][c] = fabsf(inputs.data[4][c]) + 0.1f;
        size_t n = case_elements(&x), at[CVY_MAX_RANK];
        double *expected = malloc(n * sizeof(double));
        for (size_t i = 0; i < n; i++) {
            case_unravel(&x, i, at);
            float **v = inputs.data;
            size_t c = at[1];
            expected[i] =
                ((double)v[0][i] - (double)v[3][c]) / sqrt((double)v[4][c] + 1e-3) * (double)v[1][c] +
                (double)v[2][c];
        }
        case_check(&op, &inputs, &x, expected, 1e-5);
    }
}
END_TEST

/* Windows narrower and wider than the blocks that it may lie in; the power that has a kernel of its own, and
 * others. */
START_TEST(lrn_follows_its_formula)
{
    for (int round = 0; round < case_rounds(20); round++) {
        struct cvy_shape x = case_random_shape(test_random_range(&case_random, 2, 5), 6);
        struct cvy_op op = {.type = CVY_OP_LRN};
        struct inputs inputs = {0};
        x.dims[1] = test_random_range(&case_random, 1, 40);
        op.lrn.size = test_random_range(&case_random, 1, round % 3 ? 6 : 50);
        op.lrn.alpha = 0.5f;
        op.lrn.beta = round % 2 ? 0.75f : 0.6f;
        op.lrn.bias = 1.5f;
        case_add_input(&inputs, &x);
        size_t n = case_elements(&x), at[CVY_MAX_RANK];
        double *expected = malloc(n * sizeof(double));
        for (size_t i = 0; i < n; i++) {
            double sum = 0;
            case_unravel(&x, i, at);
            const size_t c = at[1];
            for (at[1] = 0; at[1] < x.dims[1]; at[1]++) {
                double v = (double)inputs.data[0][case_ravel(&x, at)];
                if (at[1] + (op.lrn.size - 1) / 2 >= c && at[1] <= c + op.lrn.size / 2)
                    sum += v * v;
            }
            expected[i] =
                (double)inputs.data[0][i] * pow(1.5 + 0.5 / (double)op.lrn.size * sum, -(double)op.lrn.beta);
        }
        case_check(&op, &inputs, &x, expected, 1e-5);
    }
}
END_TEST

/* Rows of `size` numbers; of a row's numbers, scale_of[] is which scale and bias they get. */
static double *normalized(const struct inputs *inputs, size_t size, const size_t *scale_of, double epsilon)
{
    const size_t n = case_elements(&inputs->shapes[0]);
    double *expected = malloc(n * sizeof(double));
    for (size_t i = 0; i < n; i++) {
        const float *row = inputs->data[0] + i / size * size;
        double mean = 0, squares = 0;
        for (size_t j = 0; j < size; j++)
            mean += (double)row[j] / (double)size;
        for (size_t j = 0; j < size; j++)
            squares += ((double)row[j] - mean) * ((double)row[j] - mean);
        expected[i] = ((double)inputs->data[0][i] - mean) / sqrt(squares / (double)size + epsilon) *
                      (double)inputs->data[1][scale_of[i]];
        if (inputs->n > 2)
            expected[i] += (double)inputs->data[2][scale_of[i]];
    }
    return expected;
}

START_TEST(normalizations_follow_their_formula)
{
    for (int round = 0; round < case_rounds(18); round++) {
        struct cvy_shape x = case_random_shape(test_random_range(&case_random, 3, 5), 7), scale = {1, {1}};
        struct cvy_op op = {.type = round % 3 ? CVY_OP_GROUP_NORM : CVY_OP_LAYER_NORM};
        struct inputs inputs = {0};
        size_t groups = 0, size = 1, axis = test_random_range(&case_random, 0, x.rank - 1);
        if (round % 3 == 0) {
            op.layer_norm.axis = (int64_t)axis - (round % 2 ? (int64_t)x.rank : 0);
            op.layer_norm.epsilon = 0.1f;
            for (size_t d = axis; d < x.rank; d++)
                size *= x.dims[d];
        } else {
            groups = test_random_range(&case_random, 1, 4);
            x.dims[1] *= groups;
            op.group_norm.groups = round % 3 == 1 ? groups : 0;
            op.group_norm.epsilon = 0.1f;
            groups = round % 3 == 1 ? groups : x.dims[1];
            size = case_elements(&x) / (x.dims[0] * groups);
        }
        const bool per_group = groups != 0 && round % 2;
        const size_t pixels = groups == 0 ? 1 : case_elements(&x) / (x.dims[0] * x.dims[1]);
        scale.dims[0] = groups == 0 ? size : per_group ? groups : x.dims[1];
        case_add_input(&inputs, &x);
        case_add_input(&inputs, &scale);
        if (groups != 0 || round % 2)
            case_add_input(&inputs, &scale);
        size_t *scale_of = malloc(case_elements(&x) * sizeof(size_t));
        for (size_t i = 0; i < case_elements(&x); i++)
            scale_of[i] = per_group ? i / size % groups : i / pixels % scale.dims[0];
        double *expected = normalized(&inputs, size, scale_of, (double)0.1f);
        free(scale_of);
        case_check(&op, &inputs, &x, expected, 1e-5);
    }
}
END_TEST

START_TEST(softmax_sums_to_one_along_its_axis)
{
    for (int round = 0; round < case_rounds(16); round++) {
        struct cvy_shape x = case_random_shape(test_random_range(&case_random, 1, 5), 6);
        size_t axis = test_random_range(&case_random, 0, x.rank - 1), n = case_elements(&x);
        struct cvy_op op = {.type = CVY_OP_SOFTMAX};
        op.softmax.axis = (int64_t)axis - (round % 2 ? (int64_t)x.rank : 0);
        op.softmax.flatten = round % 4 >= 2;
        struct inputs inputs = {0};
        case_add_input(&inputs, &x);
        for (size_t i = 0; i < n; i++)
            inputs.data[0][i] += 200; /* exp of this alone overflows */
        double *expected = malloc(n * sizeof(double));
        size_t at[CVY_MAX_RANK], other[CVY_MAX_RANK];
        for (size_t i = 0; i < n; i++) {
            double sum = 0;
            case_unravel(&x, i, at);
            for (size_t j = 0; j < n; j++) {
                bool same_row = true;
                case_unravel(&x, j, other);
                for (size_t d = 0; d < x.rank; d++)
                    same_row &= (op.softmax.flatten ? d >= axis : d == axis) || other[d] == at[d];
                if (same_row)
                    sum += exp((double)inputs.data[0][j] - (double)inputs.data[0][i]);
            }
            expected[i] = 1 / sum;
        }
        case_check(&op, &inputs, &x, expected, 1e-5);
    }
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("norms");
    TCase *tcase = tcase_create("norms");
    tcase_add_unchecked_fixture(tcase, case_seed, NULL);
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, batch_norm_follows_its_formula);
    tcase_add_test(tcase, lrn_follows_its_formula);
    tcase_add_test(tcase, normalizations_follow_their_formula);
    tcase_add_test(tcase, softmax_sums_to_one_along_its_axis);
    suite_add_tcase(suite, tcase);
    return suite;
}
