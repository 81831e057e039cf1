/* the call of OpenCL 1.2: newer ones are missing from many drivers */
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/buffer.h"
#include "runtime/device.h"
#include "runtime/gemm.h"
#include "runtime/launch.h"
#include "runtime/store.h"
#include "support.h"

enum { PROCESSES = 3, ENTRIES = 15 };

static char folder[64];
static char path[128];

static void setup(void)
{
    snprintf(folder, sizeof(folder), "/tmp/convoy-store-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/deep/er/kernels.db", folder);
}

static void teardown(void)
{
    static const char *const names[] = {"deep/er/kernels.db",
                                        "deep/er/kernels.db-journal",
                                        "deep/er/kernels.db.broken",
                                        "deep/er",
                                        "deep",
                                        ""};
    char name[160];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(name, sizeof(name), "%s/%s", folder, names[i]);
        remove(name);
    }
}

static bool exists(const char *suffix)
{
    char name[160];
    struct stat status;
    snprintf(name, sizeof(name), "%s%s", path, suffix);
    return stat(name, &status) == 0;
}

static void sql(const char *text)
{
    sqlite3 *db = NULL;
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_msg(sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

static void put(struct cvy_store *store, uint64_t key, size_t bytes)
{
    unsigned char *payload = malloc(bytes);
    memset(payload, (int)(key & 0xff), bytes);
    cvy_store_put(store, (struct cvy_hash){key, ~key}, payload, bytes);
    free(payload);
}

static bool has(struct cvy_store *store, uint64_t key, size_t expected)
{
    void *payload = NULL;
    size_t bytes = 0;
    bool found = cvy_store_get(store, (struct cvy_hash){key, ~key}, &payload, &bytes);
    if (found) {
        ck_assert_uint_eq(bytes, expected);
        for (size_t i = 0; i < bytes; i++)
            ck_assert_int_eq(((unsigned char *)payload)[i], (int)(key & 0xff));
    }
    free(payload);
    return found;
}

static struct cvy_store *open_store(uint64_t max_bytes)
{
    struct cvy_store *store = cvy_store_open(path, max_bytes);
    ck_assert_ptr_nonnull(store);
    return store;
}

START_TEST(store_gives_back_what_was_put)
{
    struct cvy_store *store = open_store(0);
    ck_assert(!has(store, 1, 100));
    put(store, 1, 100);
    put(store, 2, 70000);
    put(store, 2, 60000);
    ck_assert(has(store, 1, 100));
    cvy_store_close(&store);
    store = open_store(0);
    ck_assert(has(store, 1, 100));
    ck_assert(has(store, 2, 60000));
    ck_assert(!has(store, 3, 1));
    cvy_store_close(&store);
    ck_assert(!has(store, 1, 100));
}
END_TEST

START_TEST(store_drops_a_truncated_payload)
{
    struct cvy_store *store = open_store(0);
    put(store, 1, 1000);
    put(store, 2, 1000);
    sql("UPDATE program SET payload=substr(payload, 1, 999) WHERE hex(key) LIKE '01%'");
    ck_assert(!has(store, 1, 1000));
    ck_assert(has(store, 2, 1000));
    put(store, 1, 1000);
    ck_assert(has(store, 1, 1000));
    cvy_store_close(&store);
}
END_TEST

START_TEST(store_drops_a_payload_with_a_flipped_byte_or_of_another_key)
{
    struct cvy_store *store = open_store(0);
    put(store, 1, 1000);
    put(store, 2, 1000);
    sql("UPDATE program SET payload=CAST(substr(payload, 1, 500) || x'ff' || substr(payload, 502) AS BLOB) "
        "WHERE hex(key) LIKE '01%'");
    ck_assert(!has(store, 1, 1000));
    sql("DELETE FROM program WHERE hex(key) LIKE '01%'");
    sql("UPDATE program SET key=x'0100000000000000feffffffffffffff'");
    ck_assert(!has(store, 1, 1000));
    cvy_store_close(&store);
}
END_TEST

static void write_file(const char *content, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(content, 1, bytes, file), bytes);
    fclose(file);
}

START_TEST(store_moves_a_file_of_garbage_aside)
{
    static char garbage[5000];
    struct cvy_store *store = open_store(0);
    cvy_store_close(&store);
    memset(garbage, 'x', sizeof(garbage));
    write_file(garbage, sizeof(garbage));
    store = open_store(0);
    ck_assert(exists(".broken"));
    put(store, 1, 10);
    ck_assert(has(store, 1, 10));
    cvy_store_close(&store);
}
END_TEST

START_TEST(store_moves_a_truncated_database_aside)
{
    struct cvy_store *store = open_store(0);
    for (uint64_t key = 1; key < 20; key++)
        put(store, key, 9000);
    cvy_store_close(&store);
    ck_assert_int_eq(truncate(path, 10000), 0);
    store = open_store(0);
    for (uint64_t key = 1; key < 20; key++) {
        has(store, key, 9000);
        put(store, key, 9000);
        ck_assert(has(store, key, 9000));
    }
    ck_assert(exists(".broken"));
    cvy_store_close(&store);
}
END_TEST

START_TEST(store_moves_a_database_of_another_schema_aside)
{
    struct cvy_store *store = open_store(0);
    cvy_store_close(&store);
    sql("PRAGMA user_version=77");
    store = open_store(0);
    ck_assert(exists(".broken"));
    put(store, 1, 10);
    ck_assert(has(store, 1, 10));
    cvy_store_close(&store);
    sql("DROP TABLE program; CREATE TABLE bookmarks(url)");
    store = open_store(0);
    put(store, 1, 10);
    ck_assert(has(store, 1, 10));
    cvy_store_close(&store);
}
END_TEST

START_TEST(store_evicts_what_was_used_longest_ago)
{
    struct cvy_store *store = open_store(10000);
    for (uint64_t key = 1; key <= 3; key++)
        put(store, key, 3000);
    ck_assert(has(store, 1, 3000));
    put(store, 4, 3000);
    ck_assert(has(store, 1, 3000));
    ck_assert(!has(store, 2, 3000));
    ck_assert(has(store, 3, 3000));
    ck_assert(has(store, 4, 3000));
    put(store, 5, 10001);
    ck_assert(!has(store, 5, 10001));
    ck_assert(has(store, 4, 3000));
    cvy_store_close(&store);
}
END_TEST

START_TEST(store_remembers_uses_after_it_was_closed)
{
    struct cvy_store *store = open_store(10000);
    for (uint64_t key = 1; key <= 3; key++)
        put(store, key, 3000);
    cvy_store_close(&store);
    store = open_store(10000);
    ck_assert(has(store, 1, 3000));
    cvy_store_close(&store);
    store = open_store(10000);
    put(store, 4, 3000);
    ck_assert(has(store, 1, 3000));
    ck_assert(!has(store, 2, 3000));
    cvy_store_close(&store);
}
END_TEST

START_TEST(store_keeps_its_file_near_the_cap)
{
    struct cvy_store *store = open_store(200000);
    struct stat status;
    for (uint64_t key = 1; key < 60; key++)
        put(store, key, 20000);
    cvy_store_close(&store);
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_int_lt(status.st_size, 300000);
}
END_TEST

START_TEST(store_in_a_place_that_cannot_be_used_is_no_store)
{
    ck_assert_ptr_null(cvy_store_open("/dev/null/kernels.db", 0));
    ck_assert_ptr_null(cvy_store_open("/proc/no/such/kernels.db", 0));
    ck_assert_ptr_null(cvy_store_open(folder, 0));
    struct cvy_device *device = NULL;
    ck_assert_int_eq(cvy_device_open(&device, getenv("CVY_TEST_DEVICE")), CVY_OK);
    ck_assert_int_eq(cvy_device_set_store(device, &(struct cvy_store_params){.path = "/dev/null/x"}), CVY_OK);
    cvy_device_destroy(&device);
}
END_TEST

/* As another user, because root may write anywhere. */
START_TEST(store_that_is_read_only_still_gives)
{
    struct cvy_store *store = open_store(0);
    put(store, 1, 500);
    cvy_store_close(&store);
    char parent[160];
    snprintf(parent, sizeof(parent), "%s/deep/er", folder);
    chmod(folder, 0755);
    chmod(path, 0444);
    chmod(parent, 0555);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        if (getuid() == 0 && setuid(65534) != 0)
            _exit(2);
        store = cvy_store_open(path, 0);
        bool good = store != NULL && has(store, 1, 500);
        put(store, 2, 500);
        good = good && !has(store, 2, 500) && has(store, 1, 500);
        cvy_store_close(&store);
        _exit(good ? 0 : 1);
    }
    int status = -1;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    chmod(parent, 0755);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

START_TEST(store_is_shared_by_processes_at_once)
{
    pid_t children[PROCESSES];
    fflush(stdout);
    for (size_t p = 0; p < PROCESSES; p++) {
        children[p] = fork();
        if (children[p] == 0) {
            struct cvy_store *store = cvy_store_open(path, 0);
            bool good = store != NULL;
            for (uint64_t i = 0; i < ENTRIES; i++) {
                put(store, 16 * i + p, 5000);
                good = good && has(store, 16 * i + p, 5000);
            }
            cvy_store_close(&store);
            _exit(good ? 0 : 1);
        }
    }
    for (size_t p = 0; p < PROCESSES; p++) {
        int status = -1;
        waitpid(children[p], &status, 0);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    struct cvy_store *store = open_store(0);
    for (uint64_t i = 0; i < ENTRIES; i++) {
        for (size_t p = 0; p < PROCESSES; p++)
            ck_assert(has(store, 16 * i + p, 5000));
    }
    ck_assert(!exists(".broken"));
    cvy_store_close(&store);
}
END_TEST

/* Row i of a process. */
static struct cvy_store_time time_row(char choice[32], size_t process, int64_t i)
{
    snprintf(choice, 32, "ref %zu", process);
    return (struct cvy_store_time){.device = {1, 2},
                                   .source = {3, (uint64_t)i},
                                   .problem = i % 2 ? "odd" : "even",
                                   .choice = choice,
                                   .rounds = 1,
                                   .nanoseconds = 10 * i + 1,
                                   .when = i};
}

static void count_right(void *user, const struct cvy_store_time *row)
{
    ck_assert_int_eq(row->nanoseconds, 10 * row->when + 1);
    ck_assert_uint_eq(row->source.high, (uint64_t)row->when);
    ck_assert_str_eq(row->problem, row->when % 2 ? "odd" : "even");
    ck_assert_int_ge(row->when, ENTRIES - 2);
    ++*(size_t *)user;
}

START_TEST(store_keeps_the_newest_times_of_processes_at_once)
{
    pid_t children[PROCESSES];
    char choice[32];
    for (size_t p = 0; p < PROCESSES; p++) {
        children[p] = fork();
        if (children[p] != 0)
            continue;
        struct cvy_store *store = open_store(0);
        bool kept = store != NULL;
        for (int64_t i = 0; kept && i < ENTRIES; i++) {
            /* each process also puts what the first one has */
            struct cvy_store_time rows[] = {time_row(choice, p, i), time_row((char[32]){0}, 0, i)};
            kept = cvy_store_put_times(store, rows, 2);
        }
        cvy_store_close(&store);
        _exit(kept ? 0 : 1);
    }
    for (size_t p = 0; p < PROCESSES; p++) {
        int status = -1;
        waitpid(children[p], &status, 0);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    struct cvy_store *store = open_store(0);
    size_t rows = 0, odd = 0;
    ck_assert(cvy_store_list_times(store, NULL, NULL, count_right, &rows));
    ck_assert(cvy_store_list_times(store, &(struct cvy_hash){1, 2}, "odd", count_right, &odd));
    ck_assert_uint_eq(rows, 2 * PROCESSES);
    ck_assert_uint_eq(odd, PROCESSES);
    ck_assert(cvy_store_list_times(store, &(struct cvy_hash){1, 3}, "odd", count_right, &odd));
    ck_assert_uint_eq(odd, PROCESSES);
    ck_assert(!exists(".broken"));
    cvy_store_close(&store);
}
END_TEST

/* With a queue of the test's, and so without a team: whether one works, and kernels are compiled for it,
 * depends on what else the machine does. */
static struct cvy_device *open_without_team(void)
{
    struct cvy_device *opened = NULL, *device = NULL;
    ck_assert_int_eq(cvy_device_open(&opened, getenv("CVY_TEST_DEVICE")), CVY_OK);
    cl_context context = cvy_device_cl_context(opened);
    cl_int error;
    cl_command_queue queue = clCreateCommandQueue(context, cvy_device_cl_id(opened), 0, &error);
    ck_assert_int_eq(error, CL_SUCCESS);
    ck_assert_int_eq(cvy_device_adopt(&device, context, cvy_device_cl_id(opened), queue), CVY_OK);
    clReleaseCommandQueue(queue);
    cvy_device_destroy(&opened);
    return device;
}

static struct cvy_device *open_with_store(double save_seconds)
{
    struct cvy_device *device = open_without_team();
    const struct cvy_store_params params = {.path = path, .save_seconds = save_seconds};
    ck_assert_int_eq(cvy_device_set_store(device, &params), CVY_OK);
    return device;
}

#define PROGRAMS 2
#define MACHINE_CODE 4096 /* bytes that any has */

/* Opens the device with the store, runs kernels of PROGRAMS programs, and closes it. */
static struct cvy_build_stats use_device_for(double save_seconds)
{
    static const float products[PROGRAMS][4] = {{19, 22, 43, 50}, {17, 23, 39, 53}};
    struct cvy_device *device = open_with_store(save_seconds);
    struct cvy_buffer *buffer = NULL;
    struct cvy_build_stats stats;
    float data[12] = {1, 2, 3, 4, 5, 6, 7, 8};
    ck_assert_int_eq(cvy_buffer_create(&buffer, device, sizeof(data)), CVY_OK);
    for (size_t i = 0; i < PROGRAMS; i++) {
        test_poison(data + 8, 4);
        ck_assert_int_eq(cvy_buffer_write(buffer, 0, sizeof(data), data), CVY_OK);
        struct cvy_gemm g = {.transpose_b = i == 1,
                             .m = 2,
                             .n = 2,
                             .k = 2,
                             .alpha = 1,
                             .a = buffer,
                             .b = buffer,
                             .c = buffer,
                             .b_offset = 4,
                             .c_offset = 8,
                             .lda = 2,
                             .ldb = 2,
                             .ldc = 2};
        ck_assert_msg(cvy_gemm_enqueue_plain(device, &g) == CVY_OK, "%s", test_log_last());
        ck_assert_int_eq(cvy_buffer_read(buffer, 0, sizeof(data), data), CVY_OK);
        ck_assert(memcmp(data + 8, products[i], sizeof(products[i])) == 0);
    }
    cvy_device_get_build_stats(device, &stats);
    cvy_buffer_destroy(&buffer);
    cvy_device_destroy(&device);
    return stats;
}

static struct cvy_build_stats use_device(void)
{
    return use_device_for(100);
}

START_TEST(device_with_a_warm_store_loads_and_does_not_compile)
{
    struct cvy_build_stats cold = use_device();
    ck_assert_uint_eq(cold.compiled, PROGRAMS);
    ck_assert_uint_eq(cold.loaded, 0);
    struct cvy_build_stats warm = use_device();
    ck_assert_uint_eq(warm.compiled, 0);
    ck_assert_uint_eq(warm.loaded, PROGRAMS);
    ck_assert(warm.first_launch_at > 0);
}
END_TEST

/* run: makes the program another than that of earlier runs, of which PoCL's cache has all that was launched.
 */
static void launch(struct cvy_device *device, size_t run, size_t local)
{
    static const float data[64];
    struct cvy_buffer *buffer = NULL;
    struct cvy_launch launch;
    ck_assert_int_eq(cvy_buffer_upload(&buffer, device, sizeof(data), data), CVY_OK);
    cvy_launch_init(&launch, "gather", "gather");
    cvy_launch_define(&launch, "RUN", run);
    for (int i = 0; i < 3; i++)
        cvy_launch_buffer(&launch, buffer);
    cvy_launch_sizes(&launch, (size_t[]){16, 1, 1, 16}, 4);
    cvy_launch_range(&launch, 1, (size_t[]){16}, &local);
    ck_assert_msg(cvy_launch_run(device, &launch) == CVY_OK, "%s", test_log_last());
    ck_assert_int_eq(cvy_device_finish(device), CVY_OK);
    cvy_buffer_destroy(&buffer);
}

static int count_bytes(void *sum, int n, char **values, char **names)
{
    (void)n;
    (void)names;
    *(long *)sum = strtol(values[0], NULL, 10);
    return 0;
}

static long saved_bytes(void)
{
    sqlite3 *db = NULL;
    long sum = -1;
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, "SELECT sum(length(payload)) FROM program", count_bytes, &sum, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    return sum;
}

/* PoCL has machine code of what was launched alone: at first; after that was saved; in a process that has
 * loaded both. */
START_TEST(what_is_launched_after_it_was_saved_is_saved_too)
{
    const size_t run = (size_t)(1e6 * cvy_now()) % INT_MAX;
    long saved[3];
    struct cvy_device *device = open_with_store(100);
    launch(device, run, 1);
    saved[0] = saved_bytes();
    launch(device, run, 2);
    saved[1] = saved_bytes();
    cvy_device_destroy(&device);
    device = open_with_store(100);
    launch(device, run, 4);
    saved[2] = saved_bytes();
    ck_assert_int_gt(saved[0], 0);
    if (strstr(cvy_device_get_info(device)->platform, "Portable Computing") != NULL) {
        ck_assert_int_gt(saved[1], saved[0] + MACHINE_CODE);
        ck_assert_int_gt(saved[2], saved[1] + MACHINE_CODE);
    }
    cvy_device_destroy(&device);
}
END_TEST

/* The first is saved whatever it takes; then there is no time left. */
START_TEST(device_without_time_to_save_leaves_the_rest_to_later_ones)
{
    for (size_t i = 0; i <= PROGRAMS; i++) {
        struct cvy_build_stats stats = use_device_for(1e-12);
        ck_assert_uint_eq(stats.loaded, i);
        ck_assert_uint_eq(stats.compiled, PROGRAMS - i);
    }
}
END_TEST

START_TEST(device_with_a_damaged_entry_compiles)
{
    static const char *const damages[] = {
        "UPDATE program SET payload=substr(payload, 1, length(payload) / 2)",
        "UPDATE program SET payload=CAST(substr(payload, 1, length(payload) - 1) || x'00' AS BLOB), "
        "checksum=x'00'",
        "UPDATE program SET payload=x''",
        "UPDATE program SET payload=zeroblob(length(payload))",
    };
    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        use_device();
        sql(damages[i]);
        struct cvy_build_stats stats = use_device();
        ck_assert_uint_eq(stats.compiled, PROGRAMS);
        ck_assert_uint_eq(stats.loaded, 0);
    }
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("store");
    TCase *tests = tcase_create("store");
    tcase_set_timeout(tests, 0);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, store_gives_back_what_was_put);
    tcase_add_test(tests, store_drops_a_truncated_payload);
    tcase_add_test(tests, store_drops_a_payload_with_a_flipped_byte_or_of_another_key);
    tcase_add_test(tests, store_moves_a_file_of_garbage_aside);
    tcase_add_test(tests, store_moves_a_truncated_database_aside);
    tcase_add_test(tests, store_moves_a_database_of_another_schema_aside);
    tcase_add_test(tests, store_evicts_what_was_used_longest_ago);
    tcase_add_test(tests, store_remembers_uses_after_it_was_closed);
    tcase_add_test(tests, store_keeps_its_file_near_the_cap);
    /* these fork: before any device is opened */
    tcase_add_test(tests, store_that_is_read_only_still_gives);
    tcase_add_test(tests, store_is_shared_by_processes_at_once);
    tcase_add_test(tests, store_keeps_the_newest_times_of_processes_at_once);
    tcase_add_test(tests, store_in_a_place_that_cannot_be_used_is_no_store);
    tcase_add_test(tests, device_with_a_warm_store_loads_and_does_not_compile);
    tcase_add_test(tests, what_is_launched_after_it_was_saved_is_saved_too);
    tcase_add_test(tests, device_without_time_to_save_leaves_the_rest_to_later_ones);
    tcase_add_test(tests, device_with_a_damaged_entry_compiles);
    suite_add_tcase(suite, tests);
    return suite;
}
