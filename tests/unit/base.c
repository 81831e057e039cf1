#include "support.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/arith.h"
#include "base/hash.h"
#include "base/text.h"

START_TEST(arithmetic_notices_overflow)
{
    size_t result = 7;
    ck_assert(!cvy_mul(SIZE_MAX / 2, 3, &result));
    ck_assert(!cvy_add(SIZE_MAX, 1, &result));
    ck_assert_uint_eq(result, 7);
    ck_assert(cvy_mul(SIZE_MAX, 1, &result) && result == SIZE_MAX);
    ck_assert(cvy_mul(SIZE_MAX, 0, &result) && result == 0);
    int narrow;
    ck_assert(cvy_to_int(INT_MAX, &narrow) && narrow == INT_MAX);
    ck_assert(!cvy_to_int((size_t)INT_MAX + 1, &narrow));
    ck_assert_uint_eq(cvy_ceil_div(SIZE_MAX, 2), SIZE_MAX / 2 + 1);
}
END_TEST

START_TEST(text_grows_over_many_additions)
{
    struct cvy_text text = {0};
    for (int i = 0; i < 1000; i++)
        cvy_text_add(&text, "%03d,", i);
    ck_assert(!text.failed);
    ck_assert_uint_eq(text.length, 4000);
    ck_assert_uint_eq(strlen(text.data), 4000);
    ck_assert(memcmp(text.data + 3996, "999,", 5) == 0);
    cvy_text_finish(&text);
    ck_assert_ptr_null(text.data);
}
END_TEST

START_TEST(hash_depends_on_every_byte_and_on_the_cut)
{
    struct cvy_hash zero = {0, 0};
    unsigned char data[100];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (unsigned char)(i * 37);
    struct cvy_hash whole = cvy_hash_bytes(zero, data, sizeof(data));
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] ^= 1;
        ck_assert(!cvy_hash_equal(whole, cvy_hash_bytes(zero, data, sizeof(data))));
        data[i] ^= 1;
    }
    struct cvy_hash ab_c = cvy_hash_string(cvy_hash_string(zero, "ab"), "c");
    struct cvy_hash a_bc = cvy_hash_string(cvy_hash_string(zero, "a"), "bc");
    ck_assert(!cvy_hash_equal(ab_c, a_bc));
}
END_TEST

START_TEST(every_status_has_a_name_of_its_own)
{
    for (int a = CVY_OK; a <= CVY_ERROR_FORMAT; a++) {
        for (int b = a + 1; b <= CVY_ERROR_FORMAT; b++)
            ck_assert_str_ne(cvy_status_string((enum cvy_status)a), cvy_status_string((enum cvy_status)b));
    }
    ck_assert_str_eq(cvy_status_string((enum cvy_status)99), "unknown status");
}
END_TEST

START_TEST(shape_counts_and_refuses_overflow)
{
    size_t elements = 5;
    struct cvy_shape shape = {3, {2, 3, 4}};
    ck_assert_int_eq(cvy_shape_elements(&shape, &elements), CVY_OK);
    ck_assert_uint_eq(elements, 24);
    char text[32];
    ck_assert_str_eq(cvy_shape_format(&shape, text, sizeof(text)), "2x3x4");
    ck_assert_str_eq(cvy_shape_format(&shape, text, 4), "2x3");
    struct cvy_shape scalar = {0};
    ck_assert_str_eq(cvy_shape_format(&scalar, text, sizeof(text)), "scalar");
    struct cvy_shape huge = {3, {SIZE_MAX / 2, 2, 2}};
    ck_assert_int_eq(cvy_shape_elements(&huge, &elements), CVY_ERROR_INVALID);
    ck_assert_uint_eq(elements, 24);
    struct cvy_shape bytes = {1, {SIZE_MAX / 2}};
    struct cvy_tensor tensor = {0};
    ck_assert_int_eq(cvy_tensor_init(&tensor, CVY_FLOAT32, &bytes), CVY_ERROR_INVALID);
    ck_assert_ptr_null(tensor.data);
}
END_TEST

/* The value of a half from its bits by the definition of IEEE 754 binary16. */
static double half_value(unsigned bits)
{
    int exponent = (int)(bits >> 10 & 31);
    double fraction = (bits & 1023) / 1024.0;
    double magnitude = exponent == 0    ? fraction * pow(2, -14)
                       : exponent == 31 ? (fraction > 0 ? NAN : INFINITY)
                                        : (1 + fraction) * pow(2, exponent - 15);
    return bits & 0x8000 ? -magnitude : magnitude;
}

START_TEST(half_precision_converts_both_ways_for_every_value)
{
    struct cvy_tensor half, wide, back;
    struct cvy_shape shape = {1, {65536}};
    ck_assert_int_eq(cvy_tensor_init(&half, CVY_FLOAT16, &shape), CVY_OK);
    for (unsigned i = 0; i < 65536; i++)
        ((uint16_t *)half.data)[i] = (uint16_t)i;
    ck_assert_int_eq(cvy_tensor_convert(&wide, &half, CVY_FLOAT32), CVY_OK);
    ck_assert_int_eq(cvy_tensor_convert(&back, &wide, CVY_FLOAT16), CVY_OK);
    for (unsigned i = 0; i < 65536; i++) {
        float value = ((float *)wide.data)[i];
        if (isnan(half_value(i))) {
            ck_assert(isnan(value));
        } else {
            ck_assert(value == (float)half_value(i));
            ck_assert_uint_eq(((uint16_t *)back.data)[i], i);
        }
    }
    cvy_tensor_finish(&half);
    cvy_tensor_finish(&wide);
    cvy_tensor_finish(&back);
}
END_TEST

START_TEST(half_precision_rounds_to_the_nearest)
{
    struct test_random random = {test_seed()};
    struct cvy_tensor wide, half;
    struct cvy_shape shape = {1, {20000}};
    ck_assert_int_eq(cvy_tensor_init(&wide, CVY_FLOAT32, &shape), CVY_OK);
    for (size_t i = 0; i < wide.elements; i++)
        ((float *)wide.data)[i] =
            ldexpf(test_random_float(&random), (int)test_random_range(&random, 0, 39) - 24);
    ck_assert_int_eq(cvy_tensor_convert(&half, &wide, CVY_FLOAT16), CVY_OK);
    for (size_t i = 0; i < wide.elements; i++) {
        unsigned bits = ((uint16_t *)half.data)[i];
        double value = ((float *)wide.data)[i], error = fabs(half_value(bits) - value);
        /* the neighbours are no nearer */
        ck_assert(error <= fabs(half_value(bits + 1) - value));
        if (bits & 0x7fff)
            ck_assert(error <= fabs(half_value(bits - 1) - value));
    }
    cvy_tensor_finish(&wide);
    cvy_tensor_finish(&half);
}
END_TEST

START_TEST(integers_keep_all_bits_and_clamp)
{
    struct cvy_tensor wide, narrow, real;
    struct cvy_shape shape = {1, {4}};
    ck_assert_int_eq(cvy_tensor_init(&wide, CVY_INT64, &shape), CVY_OK);
    const int64_t values[] = {INT64_MAX - 1, -300, 300, 5};
    memcpy(wide.data, values, sizeof(values));
    ck_assert_int_eq(cvy_tensor_convert(&narrow, &wide, CVY_INT8), CVY_OK);
    const int8_t expected[] = {127, -128, 127, 5};
    ck_assert_mem_eq(narrow.data, expected, sizeof(expected));
    cvy_tensor_finish(&narrow);
    ck_assert_int_eq(cvy_tensor_convert(&narrow, &wide, CVY_UINT64), CVY_OK);
    ck_assert_uint_eq(((uint64_t *)narrow.data)[0], (uint64_t)INT64_MAX - 1);
    ck_assert_uint_eq(((uint64_t *)narrow.data)[1], 0);
    cvy_tensor_finish(&narrow);
    ck_assert_int_eq(cvy_tensor_init(&real, CVY_FLOAT32, &shape), CVY_OK);
    const float reals[] = {NAN, INFINITY, -2.5f, 1.75f};
    memcpy(real.data, reals, sizeof(reals));
    ck_assert_int_eq(cvy_tensor_convert(&narrow, &real, CVY_INT32), CVY_OK);
    const int32_t rounded[] = {0, INT32_MAX, -2, 2};
    ck_assert_mem_eq(narrow.data, rounded, sizeof(rounded));
    cvy_tensor_finish(&narrow);
    cvy_tensor_finish(&real);
    cvy_tensor_finish(&wide);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("base");
    TCase *tcase = tcase_create("base");
    tcase_add_test(tcase, arithmetic_notices_overflow);
    tcase_add_test(tcase, text_grows_over_many_additions);
    tcase_add_test(tcase, hash_depends_on_every_byte_and_on_the_cut);
    tcase_add_test(tcase, every_status_has_a_name_of_its_own);
    tcase_add_test(tcase, shape_counts_and_refuses_overflow);
    tcase_add_test(tcase, half_precision_converts_both_ways_for_every_value);
    tcase_add_test(tcase, half_precision_rounds_to_the_nearest);
    tcase_add_test(tcase, integers_keep_all_bits_and_clamp);
    suite_add_tcase(suite, tcase);
    return suite;
}
