#include "graph/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "support.h"

#define MAX_ITEMS 120

static size_t rounded(size_t bytes, size_t alignment)
{
    return (bytes + alignment - 1) / alignment * alignment;
}

static size_t plan(struct cvy_memory_item *items, size_t n, size_t alignment, size_t max_block,
                   size_t *block_bytes, size_t *n_blocks)
{
    for (size_t i = 0; i < n; i++) {
        items[i].block = SIZE_MAX;
        items[i].offset = SIZE_MAX;
    }
    *n_blocks = cvy_memory_plan(items, n, alignment, max_block, block_bytes);
    ck_assert_uint_ne(*n_blocks, SIZE_MAX);
    size_t total = 0;
    for (size_t i = 0; i < *n_blocks; i++)
        total += block_bytes[i];
    return total;
}

/* Every placed item aligned, within its block, and apart from whatever lives at the same time. */
static void check_places(const struct cvy_memory_item *items, size_t n, size_t alignment,
                         const size_t *block_bytes, size_t n_blocks)
{
    for (size_t i = 0; i < n; i++) {
        const struct cvy_memory_item *a = &items[i];
        if (a->bytes == 0)
            continue;
        ck_assert_uint_lt(a->block, n_blocks);
        ck_assert_uint_eq(a->offset % alignment, 0);
        ck_assert_uint_le(a->offset + a->bytes, block_bytes[a->block]);
        for (size_t j = 0; j < i; j++) {
            const struct cvy_memory_item *b = &items[j];
            if (b->bytes == 0 || b->block != a->block || b->last < a->first || a->last < b->first)
                continue;
            ck_assert(a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset);
        }
    }
}

/* The largest sum alive, by going through the steps one by one. */
static size_t largest_sum(const struct cvy_memory_item *items, size_t n, size_t alignment, size_t n_steps)
{
    size_t largest = 0;
    for (size_t step = 0; step < n_steps; step++) {
        size_t sum = 0;
        for (size_t i = 0; i < n; i++) {
            if (items[i].first <= step && step <= items[i].last)
                sum += rounded(items[i].bytes, alignment);
        }
        largest = sum > largest ? sum : largest;
    }
    return largest;
}

static void random_items(struct test_random *random, struct cvy_memory_item *items, size_t n, size_t n_steps,
                         size_t max_life)
{
    for (size_t i = 0; i < n; i++) {
        items[i].bytes = test_random_range(random, 0, 9) == 0 ? 0 : test_random_range(random, 1, 100000);
        items[i].first = test_random_range(random, 0, n_steps - 1);
        items[i].last = items[i].first + test_random_range(random, 0, max_life);
        if (items[i].last >= n_steps)
            items[i].last = n_steps - 1;
    }
}

START_TEST(memory_keeps_living_values_apart_for_random_lifetimes)
{
    struct test_random random = {test_seed() + 1};
    double worst = 1, sum_of_ratios = 0;
    const int rounds = 300;
    for (int round = 0; round < rounds; round++) {
        struct cvy_memory_item items[MAX_ITEMS];
        size_t n = test_random_range(&random, 1, MAX_ITEMS), n_steps = test_random_range(&random, 1, 60);
        size_t alignment = (size_t)1 << test_random_range(&random, 0, 12);
        size_t block_bytes[MAX_ITEMS], n_blocks, total = 0;
        random_items(&random, items, n, n_steps, test_random_range(&random, 0, 12));
        for (size_t i = 0; i < n; i++)
            total += rounded(items[i].bytes, alignment);
        size_t peak = plan(items, n, alignment, SIZE_MAX, block_bytes, &n_blocks);
        check_places(items, n, alignment, block_bytes, n_blocks);
        size_t bound = largest_sum(items, n, alignment, n_steps);
        ck_assert_uint_eq(cvy_memory_lower_bound(items, n, alignment), bound);
        ck_assert_uint_le(peak, total);
        ck_assert_uint_ge(rounded(peak, alignment), bound);
        ck_assert_uint_le(n_blocks, 1);
        double ratio = bound ? (double)peak / (double)bound : 1;
        worst = ratio > worst ? ratio : worst;
        sum_of_ratios += ratio;
    }
    printf("memory: peak over lower bound: mean %.3f, worst %.3f\n", sum_of_ratios / rounds, worst);
    ck_assert_double_lt(sum_of_ratios / rounds, 1.01);
    ck_assert_double_lt(worst, 1.2);
}
END_TEST

/* Steps times places, as large as a small problem needs them: whether the items fit into `bytes` at all. */
static bool fits_grid(const struct cvy_memory_item *items, size_t n, size_t index, size_t bytes,
                      bool taken[8][64])
{
    if (index == n)
        return true;
    const struct cvy_memory_item *item = &items[index];
    for (size_t offset = 0; offset + item->bytes <= bytes; offset++) {
        bool is_free = true;
        for (size_t step = item->first; step <= item->last; step++)
            for (size_t at = offset; at < offset + item->bytes; at++)
                is_free = is_free && !taken[step][at];
        if (!is_free)
            continue;
        for (int set = 1; set >= 0; set--) {
            for (size_t step = item->first; step <= item->last; step++)
                for (size_t at = offset; at < offset + item->bytes; at++)
                    taken[step][at] = set;
            if (set && fits_grid(items, n, index + 1, bytes, taken))
                return true;
        }
    }
    return false;
}

static size_t least_by_trying(const struct cvy_memory_item *items, size_t n, size_t from)
{
    bool taken[8][64] = {{false}};
    while (!fits_grid(items, n, 0, from, taken)) {
        from++;
        memset(taken, 0, sizeof(taken));
    }
    return from;
}

START_TEST(memory_is_the_least_possible_for_small_random_lifetimes)
{
    struct test_random random = {test_seed() + 4};
    const int rounds = 400;
    int above = 0;
    for (int round = 0; round < rounds; round++) {
        struct cvy_memory_item items[7];
        size_t block_bytes[7], n_blocks, n = test_random_range(&random, 1, 7);
        for (size_t i = 0; i < n; i++) {
            const size_t first = test_random_range(&random, 0, 7);
            items[i] = (struct cvy_memory_item){test_random_range(&random, 1, 6), first,
                                                test_random_range(&random, first, 7), 0, 0};
        }
        const size_t peak = plan(items, n, 1, SIZE_MAX, block_bytes, &n_blocks);
        check_places(items, n, 1, block_bytes, n_blocks);
        const size_t bound = largest_sum(items, n, 1, 8), least = least_by_trying(items, n, bound);
        ck_assert_uint_ge(peak, least);
        above += peak > least;
    }
    printf("memory: above the least possible in %d of %d\n", above, rounds);
    ck_assert_int_le(above, 1);
}
END_TEST

START_TEST(memory_of_a_chain_is_its_largest_neighbours)
{
    struct test_random random = {test_seed() + 2};
    struct cvy_memory_item items[50];
    size_t block_bytes[50], n_blocks, bound = 0;
    for (size_t i = 0; i < 50; i++) {
        items[i] = (struct cvy_memory_item){test_random_range(&random, 1, 1 << 20), i, i + 1, 0, 0};
        if (i > 0) {
            size_t pair = rounded(items[i].bytes, 64) + rounded(items[i - 1].bytes, 64);
            bound = pair > bound ? pair : bound;
        }
    }
    size_t peak = plan(items, 50, 64, SIZE_MAX, block_bytes, &n_blocks);
    check_places(items, 50, 64, block_bytes, n_blocks);
    /* each value meets two others, so that a hole may have to be left */
    ck_assert_uint_ge(rounded(peak, 64), bound);
    ck_assert_double_lt((double)peak, 1.1 * (double)bound);
}
END_TEST

START_TEST(memory_values_of_equal_size_alternate_between_two_places)
{
    struct cvy_memory_item items[20];
    size_t block_bytes[20], n_blocks;
    for (size_t i = 0; i < 20; i++)
        items[i] = (struct cvy_memory_item){1000, i, i + 1, 0, 0};
    ck_assert_uint_eq(rounded(plan(items, 20, 128, SIZE_MAX, block_bytes, &n_blocks), 128), 2048);
    check_places(items, 20, 128, block_bytes, n_blocks);
}
END_TEST

START_TEST(memory_blocks_respect_the_largest_allocation)
{
    struct test_random random = {test_seed() + 3};
    for (int round = 0; round < 100; round++) {
        struct cvy_memory_item items[MAX_ITEMS];
        size_t block_bytes[MAX_ITEMS], n_blocks, n = test_random_range(&random, 1, MAX_ITEMS);
        random_items(&random, items, n, 40, 10);
        plan(items, n, 256, 102400, block_bytes, &n_blocks);
        check_places(items, n, 256, block_bytes, n_blocks);
        for (size_t i = 0; i < n_blocks; i++)
            ck_assert_uint_le(block_bytes[i], 102400);
    }
}
END_TEST

START_TEST(memory_gives_a_value_beyond_the_largest_allocation_its_own_block)
{
    struct cvy_memory_item items[] = {{100, 0, 5, 0, 0}, {5000, 0, 5, 0, 0}, {100, 2, 3, 0, 0}};
    size_t block_bytes[3], n_blocks;
    plan(items, 3, 16, 1000, block_bytes, &n_blocks);
    check_places(items, 3, 16, block_bytes, n_blocks);
    ck_assert_uint_eq(n_blocks, 2);
    ck_assert_uint_ne(items[0].block, items[1].block);
    ck_assert_uint_eq(items[0].block, items[2].block);
}
END_TEST

START_TEST(memory_refuses_sizes_that_overflow)
{
    struct cvy_memory_item items[] = {
        {SIZE_MAX / 2, 0, 1, 0, 0}, {SIZE_MAX / 2, 0, 1, 0, 0}, {SIZE_MAX / 2, 0, 1, 0, 0}};
    struct cvy_memory_item one = {SIZE_MAX - 3, 0, 1, 0, 0};
    size_t block_bytes[3];
    ck_assert_uint_eq(cvy_memory_plan(items, 3, 16, SIZE_MAX, block_bytes), SIZE_MAX);
    ck_assert_uint_eq(cvy_memory_plan(&one, 1, 128, SIZE_MAX, block_bytes), SIZE_MAX);
}
END_TEST

START_TEST(memory_of_nothing_is_no_block)
{
    struct cvy_memory_item item = {0, 0, 9, 7, 7};
    size_t block_bytes[1];
    ck_assert_uint_eq(cvy_memory_plan(NULL, 0, 16, SIZE_MAX, block_bytes), 0);
    ck_assert_uint_eq(cvy_memory_plan(&item, 1, 16, SIZE_MAX, block_bytes), 0);
    ck_assert_uint_eq(cvy_memory_lower_bound(&item, 1, 16), 0);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("memory");
    TCase *tcase = tcase_create("memory");
    tcase_add_test(tcase, memory_keeps_living_values_apart_for_random_lifetimes);
    tcase_add_test(tcase, memory_is_the_least_possible_for_small_random_lifetimes);
    tcase_add_test(tcase, memory_of_a_chain_is_its_largest_neighbours);
    tcase_add_test(tcase, memory_values_of_equal_size_alternate_between_two_places);
    tcase_add_test(tcase, memory_blocks_respect_the_largest_allocation);
    tcase_add_test(tcase, memory_gives_a_value_beyond_the_largest_allocation_its_own_block);
    tcase_add_test(tcase, memory_refuses_sizes_that_overflow);
    tcase_add_test(tcase, memory_of_nothing_is_no_block);
    suite_add_tcase(suite, tcase);
    return suite;
}
