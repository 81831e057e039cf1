#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static char last_error[2048];
static size_t counts[CVY_LOG_DEBUG + 1]; /* of messages, by level */

static void remember(void *user, enum cvy_log_level level, const char *message)
{
    (void)user;
    counts[level]++;
    if (level == CVY_LOG_ERROR)
        snprintf(last_error, sizeof(last_error), "%s", message);
    if (getenv("CVY_TEST_VERBOSE") != NULL)
        fprintf(stderr, "[%d] %s\n", (int)level, message);
}

const char *test_log_last(void)
{
    return last_error;
}

void test_log_clear(void)
{
    last_error[0] = '\0';
    memset(counts, 0, sizeof(counts));
}

size_t test_log_warnings(void)
{
    return counts[CVY_LOG_WARNING];
}

size_t test_log_errors(void)
{
    return counts[CVY_LOG_ERROR];
}

uint64_t test_seed(void)
{
    static uint64_t seed;
    if (seed == 0) {
        const char *given = getenv("CVY_TEST_SEED");
        seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) * 1000003u;
        printf("CVY_TEST_SEED=%llu\n", (unsigned long long)seed);
        fflush(stdout);
    }
    return seed;
}

/* splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014 */
uint64_t test_random_next(struct test_random *random)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

size_t test_random_range(struct test_random *random, size_t low, size_t high)
{
    return low + (size_t)(test_random_next(random) % (high - low + 1));
}

float test_random_float(struct test_random *random)
{
    return (float)(test_random_next(random) >> 40) / (float)(1 << 23) - 1.0f;
}

void test_random_fill(struct test_random *random, float *data, size_t count)
{
    for (size_t i = 0; i < count; i++)
        data[i] = test_random_float(random);
}

void test_poison(float *data, size_t count)
{
    for (size_t i = 0; i < count; i++)
        data[i] = NAN;
}

struct cvy_device *test_device(void)
{
    static struct cvy_device *device;
    if (device == NULL && cvy_device_open(&device, getenv("CVY_TEST_DEVICE")) != CVY_OK) {
        fprintf(stderr, "skipped: %s\n", last_error);
        exit(77);
    }
    return device;
}

void test_alter_kernel(struct cvy_device *device, const char *name, const char *from, const char *to)
{
    const char *text = cvy_device_get_kernel_source(NULL, name);
    ck_assert_ptr_nonnull(text);
    const char *at = strstr(text, from);
    ck_assert_msg(at != NULL, "%s.cl has no '%s' any more", name, from);
    size_t size = strlen(text) + strlen(to) + 1;
    char *altered = malloc(size);
    snprintf(altered, size, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    ck_assert_int_eq(cvy_device_set_kernel_source(device, name, altered), CVY_OK);
    ck_assert_str_eq(cvy_device_get_kernel_source(device, name), altered);
    free(altered);
}

size_t test_programs(void)
{
    const char *most = getenv("CVY_TEST_PROGRAMS");
    return most != NULL ? strtoul(most, NULL, 10) : 25;
}

bool test_compiles_slowly(void)
{
    return test_programs() < 10;
}

size_t test_block(size_t halvings)
{
    const size_t block = (test_compiles_slowly() ? 4u : 16u) >> halvings;
    return block > 2 ? block : 2;
}

bool test_takes(const char *algo)
{
    const char *only = getenv("CVY_TEST_ALGO");
    return only == NULL || strcmp(only, algo) == 0;
}

bool test_small(void)
{
    return getenv("CVY_TEST_SMALL") != NULL;
}

int main(void)
{
    cvy_log_set_callback(remember, NULL, CVY_LOG_DEBUG);
    SRunner *runner = srunner_create(test_suite());
    /* a context made before a fork hangs the child on PoCL */
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
