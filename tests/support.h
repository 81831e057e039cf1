/* support.h - what every Check suite shares: random numbers with a printed seed, the device, the log. */
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H

#include <check.h>
#include <convoy/convoy.h>

/* From CVY_TEST_SEED, else from the clock; printed once, so that a failure can be repeated. */
uint64_t test_seed(void);
/* A stream of random numbers. Start it with test_seed() plus something of the test's own. */
struct test_random {
    uint64_t state;
};
uint64_t test_random_next(struct test_random *random);
/* Uniform in low..high, both included. */
size_t test_random_range(struct test_random *random, size_t low, size_t high);
/* Uniform in -1..1. */
float test_random_float(struct test_random *random);
void test_random_fill(struct test_random *random, float *data, size_t count);
/* NaNs, so that what a kernel leaves unwritten shows. */
void test_poison(float *data, size_t count);

/* The device under test: CVY_TEST_DEVICE, else the default one. Opened once; exits with 77 (skipped) when
 * there is none. */
struct cvy_device *test_device(void);
/* Gives the device the source of a kernel file with the first `from` replaced by `to`. */
void test_alter_kernel(struct cvy_device *device, const char *name, const char *from, const char *to);
/* Whether an algorithm gets random problems: where CVY_TEST_ALGO is set, that one alone. */
bool test_takes(const char *algo);

/* true when CVY_TEST_SMALL is set: a slow interpreter of kernels runs the test, so do a subset. */
bool test_small(void);
/* How many problems an algorithm gets that compiles for each: CVY_TEST_PROGRAMS, fewer where that takes
 * long. */
size_t test_programs(void);
/* true where CVY_TEST_PROGRAMS is less than 10. */
bool test_compiles_slowly(void);
/* The widest block of channels to test with, halved so often, but at least 2: 16, or 4, since llvmpipe takes
 * minutes for a kernel of 16 lanes. */
size_t test_block(size_t halvings);

/* The last error logged; "" after test_log_clear(). */
const char *test_log_last(void);
void test_log_clear(void);
/* Warnings and errors logged since test_log_clear(). */
size_t test_log_warnings(void);
size_t test_log_errors(void);

/* Each test program defines its suite; main() in support.c runs it without forking. */
Suite *test_suite(void);

#endif
