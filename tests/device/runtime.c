#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/buffer.h"
#include "runtime/device.h"
#include "runtime/launch.h"
#include "support.h"

static struct cvy_buffer *make(size_t bytes)
{
    struct cvy_buffer *buffer = NULL;
    ck_assert_msg(cvy_buffer_create(&buffer, test_device(), bytes) == CVY_OK, "%s", test_log_last());
    ck_assert_uint_eq(cvy_buffer_bytes(buffer), bytes);
    return buffer;
}

static void random_bytes(struct test_random *r, unsigned char *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        data[i] = (unsigned char)test_random_next(r);
}

START_TEST(listing_survives_every_platform)
{
    struct cvy_platform_list *list = NULL;
    ck_assert_int_eq(cvy_platform_list_create(&list), CVY_OK);
    ck_assert_uint_gt(list->n_platforms, 0);
    for (size_t i = 0; i < list->n_platforms; i++) {
        const struct cvy_platform_info *platform = &list->platforms[i];
        ck_assert_int_ne(platform->name[0], '\0');
        ck_assert(platform->n_devices > 0 || platform->problem[0] != '\0');
        for (size_t j = 0; j < platform->n_devices; j++) {
            ck_assert_int_ne(platform->devices[j].name[0], '\0');
            ck_assert_uint_gt(platform->devices[j].max_alloc_bytes, 0);
            ck_assert_uint_gt(platform->devices[j].max_work_group, 0);
        }
    }
    cvy_platform_list_destroy(&list);
    ck_assert_ptr_null(list);
    cvy_platform_list_destroy(&list);
}
END_TEST

START_TEST(selector_that_matches_nothing_lists_the_devices)
{
    struct cvy_device *device = NULL;
    test_log_clear();
    ck_assert_int_eq(cvy_device_open(&device, "no such device"), CVY_ERROR_NOT_FOUND);
    ck_assert_ptr_null(device);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "no such device"));
    ck_assert_ptr_nonnull(strstr(test_log_last(), cvy_device_get_info(test_device())->name));
    ck_assert_int_eq(cvy_device_open(&device, "99:0"), CVY_ERROR_NOT_FOUND);
    ck_assert_int_eq(cvy_device_open(&device, "99999999999999999999:0"), CVY_ERROR_NOT_FOUND);
}
END_TEST

START_TEST(selector_takes_number_type_and_part_of_a_name)
{
    const struct cvy_device_info *info = cvy_device_get_info(test_device());
    char part[8] = "";
    memcpy(part, info->name, strnlen(info->name, sizeof(part) - 1));
    for (char *c = part; *c != '\0'; c++)
        *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
    const char *selectors[] = {info->selector, cvy_device_type_name(info->type), part, "", NULL};
    for (size_t i = 0; i < 5; i++) {
        struct cvy_device *device = NULL;
        ck_assert_msg(cvy_device_open(&device, selectors[i]) == CVY_OK, "%s", test_log_last());
        ck_assert_int_eq(cvy_device_get_info(device)->type, info->type);
        cvy_device_destroy(&device);
        ck_assert_ptr_null(device);
    }
}
END_TEST

START_TEST(adopted_context_and_queue_outlive_the_caller)
{
    cl_int error;
    cl_device_id id = cvy_device_cl_id(test_device());
    cl_context context = clCreateContext(NULL, 1, &id, NULL, NULL, &error);
    ck_assert_int_eq(error, CL_SUCCESS);
    struct cvy_device *device = NULL;
    ck_assert_int_eq(cvy_device_adopt(&device, context, id, cvy_device_cl_queue(test_device())),
                     CVY_ERROR_INVALID);
    ck_assert_ptr_null(device);
    ck_assert_msg(cvy_device_adopt(&device, context, id, NULL) == CVY_OK, "%s", test_log_last());
    cl_mem memory = clCreateBuffer(context, CL_MEM_READ_WRITE, 4096, NULL, &error);
    ck_assert_int_eq(error, CL_SUCCESS);
    struct cvy_buffer *buffer = NULL;
    ck_assert_int_eq(cvy_buffer_adopt(&buffer, device, memory), CVY_OK);
    clReleaseMemObject(memory);
    clReleaseContext(context);
    ck_assert_uint_eq(cvy_buffer_bytes(buffer), 4096);
    ck_assert_str_eq(cvy_device_get_info(device)->selector, "");
    int in = 42, out = 0;
    ck_assert_int_eq(cvy_buffer_write(buffer, 4000, sizeof(in), &in), CVY_OK);
    ck_assert_int_eq(cvy_buffer_read(buffer, 4000, sizeof(out), &out), CVY_OK);
    ck_assert_int_eq(out, 42);
    cvy_buffer_destroy(&buffer);
    cvy_device_destroy(&device);
}
END_TEST

START_TEST(buffers_of_many_sizes_keep_their_bytes_apart)
{
    enum { COUNT = 40 };
    struct test_random r = {test_seed() + 11};
    struct cvy_buffer *buffers[COUNT] = {NULL};
    unsigned char *content[COUNT] = {NULL}, *back = malloc(3 << 20);
    for (size_t round = 0; round < 3 * COUNT; round++) {
        size_t i = test_random_range(&r, 0, COUNT - 1);
        cvy_buffer_destroy(&buffers[i]);
        free(content[i]);
        size_t bytes = test_random_range(&r, 1, round % 8 == 0 ? 3 << 20 : 50000);
        buffers[i] = make(bytes);
        content[i] = malloc(bytes);
        random_bytes(&r, content[i], bytes);
        ck_assert_int_eq(cvy_buffer_write(buffers[i], 0, bytes, content[i]), CVY_OK);
    }
    for (size_t i = 0; i < COUNT; i++) {
        if (buffers[i] == NULL)
            continue;
        size_t bytes = cvy_buffer_bytes(buffers[i]), offset = bytes / 3;
        memset(back, 0, bytes);
        ck_assert_int_eq(cvy_buffer_read(buffers[i], 0, bytes, back), CVY_OK);
        ck_assert_mem_eq(back, content[i], bytes);
        ck_assert_int_eq(cvy_buffer_read(buffers[i], offset, bytes - offset, back), CVY_OK);
        ck_assert_mem_eq(back, content[i] + offset, bytes - offset);
        cvy_buffer_destroy(&buffers[i]);
        free(content[i]);
    }
    free(back);
}
END_TEST

START_TEST(parts_of_parts_see_their_place_and_outlive_the_parent)
{
    struct test_random r = {test_seed() + 12};
    size_t align = cvy_device_get_info(test_device())->base_align;
    for (int large = 0; large < 2; large++) {
        size_t bytes = large ? (2u << 20) + 8 * align : 8 * align;
        unsigned char *data = malloc(bytes), *back = malloc(bytes);
        random_bytes(&r, data, bytes);
        struct cvy_buffer *parent = make(bytes), *part = NULL, *inner = NULL;
        ck_assert_int_eq(cvy_buffer_write(parent, 0, bytes, data), CVY_OK);
        ck_assert_int_eq(cvy_buffer_create_part(&part, parent, 2 * align, bytes - 2 * align), CVY_OK);
        ck_assert_int_eq(cvy_buffer_create_part(&inner, part, align, align + 3), CVY_OK);
        cvy_buffer_destroy(&parent);
        ck_assert_int_eq(cvy_buffer_read(inner, 0, align + 3, back), CVY_OK);
        ck_assert_mem_eq(back, data + 3 * align, align + 3);
        random_bytes(&r, data + 3 * align, align + 3);
        ck_assert_int_eq(cvy_buffer_write(inner, 0, align + 3, data + 3 * align), CVY_OK);
        cvy_buffer_destroy(&inner);
        ck_assert_int_eq(cvy_buffer_read(part, 0, bytes - 2 * align, back), CVY_OK);
        ck_assert_mem_eq(back, data + 2 * align, bytes - 2 * align);
        cvy_buffer_destroy(&part);
        free(data);
        free(back);
    }
}
END_TEST

START_TEST(parts_that_are_misaligned_or_too_long_are_rejected)
{
    size_t align = cvy_device_get_info(test_device())->base_align;
    struct cvy_buffer *parent = make(4 * align), *part = NULL;
    ck_assert_int_eq(cvy_buffer_create_part(&part, parent, align / 2, align), CVY_ERROR_INVALID);
    ck_assert_int_eq(cvy_buffer_create_part(&part, parent, 3 * align, align + 1), CVY_ERROR_INVALID);
    ck_assert_int_eq(cvy_buffer_create_part(&part, parent, align, SIZE_MAX), CVY_ERROR_INVALID);
    ck_assert_int_eq(cvy_buffer_create_part(&part, parent, 0, 0), CVY_ERROR_INVALID);
    ck_assert_ptr_null(part);
    cvy_buffer_destroy(&parent);
}
END_TEST

START_TEST(maps_show_and_change_a_buffer)
{
    struct test_random r = {test_seed() + 13};
    size_t align = cvy_device_get_info(test_device())->base_align;
    const size_t sizes[] = {300, 70000, 2u << 20};
    for (size_t i = 0; i < 3; i++) {
        size_t bytes = sizes[i];
        unsigned char *data = malloc(bytes), *back = malloc(bytes);
        struct cvy_buffer *before = make(align), *buffer = make(bytes);
        void *mapped = NULL;
        random_bytes(&r, data, bytes);
        ck_assert_int_eq(cvy_buffer_map(buffer, CVY_MAP_WRITE, &mapped), CVY_OK);
        memcpy(mapped, data, bytes);
        ck_assert_int_eq(cvy_buffer_unmap(buffer, mapped), CVY_OK);
        ck_assert_int_eq(cvy_buffer_read(buffer, 0, bytes, back), CVY_OK);
        ck_assert_mem_eq(back, data, bytes);
        random_bytes(&r, data, bytes);
        ck_assert_int_eq(cvy_buffer_write(buffer, 0, bytes, data), CVY_OK);
        ck_assert_int_eq(cvy_buffer_map(buffer, CVY_MAP_READ, &mapped), CVY_OK);
        ck_assert_mem_eq(mapped, data, bytes);
        ck_assert_int_eq(cvy_buffer_unmap(buffer, mapped), CVY_OK);
        cvy_buffer_destroy(&before);
        cvy_buffer_destroy(&buffer);
        free(data);
        free(back);
    }
}
END_TEST

START_TEST(copies_move_bytes_between_buffers)
{
    struct test_random r = {test_seed() + 14};
    unsigned char data[512], back[512];
    random_bytes(&r, data, sizeof(data));
    struct cvy_buffer *from = make(512), *to = make(512);
    ck_assert_int_eq(cvy_buffer_write(from, 0, 512, data), CVY_OK);
    ck_assert_int_eq(cvy_buffer_copy(from, 12, to, 100, 400), CVY_OK);
    ck_assert_int_eq(cvy_buffer_read(to, 100, 400, back), CVY_OK);
    ck_assert_mem_eq(back, data + 12, 400);
    ck_assert_int_eq(cvy_buffer_copy(from, 113, to, 0, 400), CVY_ERROR_INVALID);
    ck_assert_int_eq(cvy_buffer_read(to, 500, 13, back), CVY_ERROR_INVALID);
    cvy_buffer_destroy(&from);
    cvy_buffer_destroy(&to);
}
END_TEST

START_TEST(allocation_larger_than_the_device_allows_names_the_limit)
{
    struct cvy_buffer *buffer = NULL;
    uint64_t limit = cvy_device_get_info(test_device())->max_alloc_bytes;
    char number[32];
    if (limit >= SIZE_MAX - 1)
        return;
    snprintf(number, sizeof(number), "%llu", (unsigned long long)limit);
    test_log_clear();
    ck_assert_int_eq(cvy_buffer_create(&buffer, test_device(), (size_t)limit + 1), CVY_ERROR_DEVICE_MEMORY);
    ck_assert_ptr_null(buffer);
    ck_assert_ptr_nonnull(strstr(test_log_last(), number));
    ck_assert_ptr_nonnull(strstr(test_log_last(), "CL_DEVICE_MAX_MEM_ALLOC_SIZE"));
    ck_assert_int_eq(cvy_buffer_create(&buffer, test_device(), 0), CVY_ERROR_INVALID);
}
END_TEST

START_TEST(allocations_that_together_exceed_the_device_are_refused)
{
    struct cvy_device *device = test_device();
    struct cvy_buffer *buffer = NULL, *other = NULL;
    uint64_t had = device->info.global_bytes;
    device->info.global_bytes = device->allocated + (5u << 20);
    ck_assert_int_eq(cvy_buffer_create(&buffer, device, 3u << 20), CVY_OK);
    test_log_clear();
    enum cvy_status second = cvy_buffer_create(&other, device, 3u << 20);
    cvy_buffer_destroy(&buffer);
    enum cvy_status third = cvy_buffer_create(&buffer, device, 3u << 20);
    device->info.global_bytes = had;
    ck_assert_int_eq(second, CVY_ERROR_DEVICE_MEMORY);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "CL_DEVICE_GLOBAL_MEM_SIZE"));
    ck_assert_int_eq(third, CVY_OK);
    cvy_buffer_destroy(&buffer);
}
END_TEST

/* The plain gemm as the kernel to launch: 14 arguments, work-groups of side x side. */
static void describe(struct cvy_launch *l, size_t side, const char *transpose_a)
{
    cvy_launch_init(l, "gemm", "gemm");
    cvy_launch_define(l, "SIDE", side);
    cvy_launch_define(l, "PER_ITEM", 1);
    cvy_launch_define(l, "DEPTH", 4);
    cvy_launch_define_text(l, "TRANSPOSE_A", transpose_a);
    cvy_launch_define(l, "TRANSPOSE_B", 0);
    cvy_launch_define(l, "USE_BETA", 0);
}

static void add_args(struct cvy_launch *l, const struct cvy_buffer *buffer)
{
    for (int i = 0; i < 3; i++)
        cvy_launch_int(l, 2);
    cvy_launch_float(l, 1.0f);
    cvy_launch_float(l, 0.0f);
    for (int i = 0; i < 3; i++) {
        cvy_launch_buffer(l, buffer);
        cvy_launch_int(l, (size_t)(4 * i));
        cvy_launch_int(l, 2);
    }
}

START_TEST(build_error_names_file_and_line)
{
    struct cvy_launch l;
    describe(&l, 2, "nonsense(");
    test_log_clear();
    ck_assert_int_eq(cvy_launch_build(test_device(), &l), CVY_ERROR_BUILD);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "gemm.cl"));
    const char *line = strstr(test_log_last(), "gemm.cl:9");
    if (strstr(cvy_device_get_info(test_device())->platform, "Portable") != NULL)
        ck_assert_msg(line != NULL, "%s", test_log_last());
    cvy_launch_finish(&l);
}
END_TEST

/* Builds what no other test builds: the macro is of its own. Returns the status. */
static void *build_of_a_thread(void *number)
{
    struct cvy_launch l;
    describe(&l, 2, "0");
    cvy_launch_define(&l, "OF_A_THREAD", *(const size_t *)number);
    *(size_t *)number = cvy_launch_prepare(test_device(), &l) == CVY_OK;
    return NULL;
}

START_TEST(threads_compile_each_program_once)
{
    if (test_small())
        return; /* Oclgrind crashes when two threads compile at once */
    enum { THREADS = 6, PROGRAMS = 2 };
    pthread_t threads[THREADS];
    size_t numbers[THREADS];
    struct cvy_build_stats before, after;
    cvy_device_get_build_stats(test_device(), &before);
    for (size_t i = 0; i < THREADS; i++) {
        numbers[i] = i % PROGRAMS;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, build_of_a_thread, &numbers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert(numbers[i]);
    }
    cvy_device_get_build_stats(test_device(), &after);
    ck_assert_uint_eq(after.compiled - before.compiled, PROGRAMS);
}
END_TEST

START_TEST(launch_of_a_program_that_does_not_exist_says_so)
{
    struct cvy_launch l;
    cvy_launch_init(&l, "no_such_program", "kernel");
    ck_assert_int_eq(cvy_launch_build(test_device(), &l), CVY_ERROR_NOT_FOUND);
    cvy_launch_init(&l, "gemm", "gemm");
    cvy_launch_finish(&l);
    describe(&l, 2, "0");
    l.kernel = "no_such_kernel";
    ck_assert_int_eq(cvy_launch_build(test_device(), &l), CVY_ERROR_BUILD);
    cvy_launch_finish(&l);
}
END_TEST

START_TEST(launch_computes_what_it_is_told)
{
    float data[12] = {1, 2, 3, 4, 5, 6, 7, 8};
    struct cvy_buffer *buffer = make(sizeof(data));
    struct cvy_event *before = NULL, *event = NULL;
    test_poison(data + 8, 4);
    ck_assert_int_eq(cvy_buffer_write(buffer, 0, sizeof(data), data), CVY_OK);
    struct cvy_launch l;
    describe(&l, 2, "0");
    add_args(&l, buffer);
    cvy_launch_range(&l, 2, (size_t[]){2, 2}, NULL);
    ck_assert_int_eq(cvy_enqueue_marker(test_device(), &before), CVY_OK);
    ck_assert_int_eq(cvy_enqueue_waits(test_device(), &before, 1), CVY_OK);
    ck_assert_msg(cvy_launch_enqueue(test_device(), &l) == CVY_OK, "%s", test_log_last());
    ck_assert_int_eq(cvy_enqueue_marker(test_device(), &event), CVY_OK);
    ck_assert_int_eq(cvy_event_wait(event), CVY_OK);
    double seconds = -1;
    ck_assert(cvy_event_span(before, event, &seconds) == test_device()->can_profile);
    ck_assert(!test_device()->can_profile || (seconds >= 0 && seconds < 60));
    ck_assert_int_eq(cvy_buffer_read(buffer, 0, sizeof(data), data), CVY_OK);
    ck_assert(data[8] == 19 && data[9] == 22 && data[10] == 43 && data[11] == 50);
    struct cvy_build_stats stats;
    cvy_device_get_build_stats(test_device(), &stats);
    ck_assert(stats.first_launch_at > 0 && stats.compiled + stats.loaded > 0);
    cvy_launch_finish(&l);
    cvy_event_destroy(&before);
    cvy_event_destroy(&event);
    cvy_buffer_destroy(&buffer);
}
END_TEST

START_TEST(launch_with_too_large_work_groups_is_refused)
{
    struct cvy_buffer *buffer = make(256);
    size_t most = cvy_device_get_info(test_device())->max_work_group;
    struct cvy_launch l;
    describe(&l, 2, "0");
    add_args(&l, buffer);
    cvy_launch_range(&l, 2, (size_t[]){2, 2}, (size_t[]){4, 1});
    ck_assert_int_eq(cvy_launch_enqueue(test_device(), &l), CVY_ERROR_INVALID);
    cvy_launch_range(&l, 2, (size_t[]){2, 2}, (size_t[]){most, 2});
    test_log_clear();
    ck_assert_int_ne(cvy_launch_enqueue(test_device(), &l), CVY_OK);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "work-group"));
    cvy_launch_finish(&l);
    cvy_buffer_destroy(&buffer);
}
END_TEST

START_TEST(launch_with_more_local_memory_than_there_is_is_refused)
{
    struct cvy_buffer *buffer = make(256);
    struct cvy_launch l;
    describe(&l, 2, "0");
    add_args(&l, buffer);
    l.n_args--;
    cvy_launch_local(&l, (size_t)cvy_device_get_info(test_device())->local_bytes);
    cvy_launch_range(&l, 2, (size_t[]){2, 2}, NULL);
    test_log_clear();
    ck_assert_int_eq(cvy_launch_enqueue(test_device(), &l), CVY_ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "local memory"));
    cvy_launch_finish(&l);
    cvy_buffer_destroy(&buffer);
}
END_TEST

START_TEST(launch_described_wrongly_is_refused)
{
    struct cvy_buffer *buffer = make(256);
    struct cvy_launch l;
    for (int mistake = 0; mistake < 6; mistake++) {
        describe(&l, 2, "0");
        add_args(&l, mistake == 0 ? NULL : buffer);
        if (mistake == 1)
            cvy_launch_int(&l, 1);
        if (mistake == 2)
            cvy_launch_int(&l, (size_t)INT32_MAX + 1);
        if (mistake == 3)
            cvy_launch_define(&l, "MORE", (size_t)INT32_MAX + 1);
        for (int i = 0; mistake == 4 && i < CVY_LAUNCH_MAX_ARGS; i++)
            cvy_launch_int(&l, 1);
        cvy_launch_range(&l, 2, (size_t[]){2, mistake == 5 ? 0 : 2}, NULL);
        ck_assert_int_eq(cvy_launch_enqueue(test_device(), &l), CVY_ERROR_INVALID);
        cvy_launch_finish(&l);
    }
    cvy_buffer_destroy(&buffer);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("runtime");
    TCase *tests = tcase_create("runtime");
    tcase_set_timeout(tests, 0);
    test_device();
    tcase_add_test(tests, listing_survives_every_platform);
    tcase_add_test(tests, selector_that_matches_nothing_lists_the_devices);
    tcase_add_test(tests, selector_takes_number_type_and_part_of_a_name);
    tcase_add_test(tests, adopted_context_and_queue_outlive_the_caller);
    tcase_add_test(tests, buffers_of_many_sizes_keep_their_bytes_apart);
    tcase_add_test(tests, parts_of_parts_see_their_place_and_outlive_the_parent);
    tcase_add_test(tests, parts_that_are_misaligned_or_too_long_are_rejected);
    tcase_add_test(tests, maps_show_and_change_a_buffer);
    tcase_add_test(tests, copies_move_bytes_between_buffers);
    tcase_add_test(tests, allocation_larger_than_the_device_allows_names_the_limit);
    tcase_add_test(tests, allocations_that_together_exceed_the_device_are_refused);
    tcase_add_test(tests, build_error_names_file_and_line);
    tcase_add_test(tests, threads_compile_each_program_once);
    tcase_add_test(tests, launch_of_a_program_that_does_not_exist_says_so);
    tcase_add_test(tests, launch_computes_what_it_is_told);
    tcase_add_test(tests, launch_with_too_large_work_groups_is_refused);
    tcase_add_test(tests, launch_with_more_local_memory_than_there_is_is_refused);
    tcase_add_test(tests, launch_described_wrongly_is_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
