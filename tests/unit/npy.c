/* .npy and TensorProto files: round trips, every variant of the header, and files that lie. */
#include "support.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/convoy-npy-XXXXXX";
static char path[128];

static void setup(void)
{
    strcpy(folder + sizeof(folder) - 7, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/a.npy", folder);
    test_log_clear();
}

static void teardown(void)
{
    unlink(path);
    ck_assert_msg(rmdir(folder) == 0, "something was left behind in %s", folder);
}

/* version, header text and data as given; header_bytes says what the file claims of the text's length */
static void write_npy(unsigned version, const char *text, size_t header_bytes, const void *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    unsigned char head[12] = {0x93, 'N', 'U', 'M', 'P', 'Y', (unsigned char)version, 0};
    size_t length_bytes = version == 1 ? 2 : 4;
    for (size_t i = 0; i < length_bytes; i++)
        head[8 + i] = (unsigned char)(header_bytes >> (8 * i));
    fwrite(head, 1, 8 + length_bytes, file);
    fwrite(text, 1, strlen(text), file);
    fwrite(data, 1, bytes, file);
    fclose(file);
}

static void write_simple(const char *text, const void *data, size_t bytes)
{
    write_npy(1, text, strlen(text), data, bytes);
}

static void random_tensor(struct cvy_tensor *tensor, enum cvy_dtype dtype, struct test_random *random)
{
    struct cvy_shape shape = {.rank = test_random_range(random, 0, 4)};
    for (size_t i = 0; i < shape.rank; i++)
        shape.dims[i] = test_random_range(random, 1, 5);
    ck_assert_int_eq(cvy_tensor_init(tensor, dtype, &shape), CVY_OK);
    for (size_t i = 0; i < tensor->bytes; i++)
        ((uint8_t *)tensor->data)[i] = (uint8_t)(test_random_next(random) & (dtype == CVY_BOOL ? 1 : 255));
}

static void round_trip(enum cvy_status (*save)(const struct cvy_tensor *, const char *),
                       enum cvy_status (*load)(struct cvy_tensor *, const char *))
{
    struct test_random random = {test_seed() + 1};
    for (enum cvy_dtype dtype = CVY_FLOAT32; dtype <= CVY_BOOL; dtype++) {
        for (int i = 0; i < 10; i++) {
            struct cvy_tensor written = {0}, read = {0};
            random_tensor(&written, dtype, &random);
            ck_assert_int_eq(save(&written, path), CVY_OK);
            ck_assert_msg(load(&read, path) == CVY_OK, "%s", test_log_last());
            ck_assert_int_eq(read.dtype, dtype);
            ck_assert(cvy_shape_equal(&read.shape, &written.shape));
            ck_assert_uint_eq(read.bytes, written.bytes);
            ck_assert_mem_eq(read.data, written.data, written.bytes);
            cvy_tensor_finish(&written);
            cvy_tensor_finish(&read);
        }
    }
}

START_TEST(npy_returns_what_was_saved_for_every_type)
{
    round_trip(cvy_tensor_save_npy, cvy_tensor_load_npy);
}
END_TEST

START_TEST(pb_returns_what_was_saved_for_every_type)
{
    struct cvy_tensor probe = {0};
    struct cvy_shape scalar = {0};
    ck_assert_int_eq(cvy_tensor_init(&probe, CVY_FLOAT32, &scalar), CVY_OK);
    enum cvy_status status = cvy_tensor_save_pb(&probe, path);
    cvy_tensor_finish(&probe);
    if (status == CVY_ERROR_UNSUPPORTED) {
        ck_assert_ptr_nonnull(strstr(test_log_last(), "this build has no ONNX"));
        return;
    }
    round_trip(cvy_tensor_save_pb, cvy_tensor_load_pb);
}
END_TEST

START_TEST(npy_data_begins_at_a_multiple_of_64_bytes)
{
    struct cvy_tensor tensor = {0};
    struct cvy_shape shape = {.rank = 1, .dims = {3}};
    ck_assert_int_eq(cvy_tensor_init(&tensor, CVY_INT16, &shape), CVY_OK);
    ck_assert_int_eq(cvy_tensor_save_npy(&tensor, path), CVY_OK);
    struct stat info;
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_uint_eq((size_t)info.st_size % 64, 6);
    unsigned char head[128];
    FILE *file = fopen(path, "rb");
    ck_assert_uint_eq(fread(head, 1, 64, file), 64);
    fclose(file);
    ck_assert_mem_eq(head, "\x93NUMPY\x01\x00", 8);
    ck_assert_ptr_nonnull(strstr((char *)head + 10, "'shape': (3,)"));
    cvy_tensor_finish(&tensor);
}
END_TEST

START_TEST(npy_reads_versions_1_to_3)
{
    const int32_t data[2] = {-7, 2000000000};
    const char *text = "{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }   \n";
    for (unsigned version = 1; version <= 3; version++) {
        struct cvy_tensor tensor = {0};
        write_npy(version, text, strlen(text), data, sizeof(data));
        ck_assert_msg(cvy_tensor_load_npy(&tensor, path) == CVY_OK, "%s", test_log_last());
        ck_assert_mem_eq(tensor.data, data, sizeof(data));
        cvy_tensor_finish(&tensor);
    }
    struct cvy_tensor tensor = {0};
    write_npy(4, text, strlen(text), data, sizeof(data));
    ck_assert_int_eq(cvy_tensor_load_npy(&tensor, path), CVY_ERROR_UNSUPPORTED);
}
END_TEST

START_TEST(npy_rearranges_fortran_order)
{
    /* element (i,j,k) of 2x3x4 is 100i + 10j + k, the first index fastest in the file */
    int16_t data[24];
    size_t at = 0;
    for (int k = 0; k < 4; k++) {
        for (int j = 0; j < 3; j++) {
            for (int i = 0; i < 2; i++)
                data[at++] = (int16_t)(100 * i + 10 * j + k);
        }
    }
    write_simple("{'shape': (2, 3, 4), 'fortran_order': True, 'descr': '<i2'}", data, sizeof(data));
    struct cvy_tensor tensor = {0};
    ck_assert_msg(cvy_tensor_load_npy(&tensor, path) == CVY_OK, "%s", test_log_last());
    for (int i = 0; i < 24; i++)
        ck_assert_int_eq(((int16_t *)tensor.data)[i], 100 * (i / 12) + 10 * (i / 4 % 3) + i % 4);
    cvy_tensor_finish(&tensor);
}
END_TEST

START_TEST(npy_reads_big_endian)
{
    const unsigned char data[] = {0x3f, 0x80, 0, 0, 0xc0, 0x20, 0, 0};
    write_simple("{\"descr\": \">f4\", \"fortran_order\": False, \"shape\": (1, 2L)}", data, sizeof(data));
    struct cvy_tensor tensor = {0};
    ck_assert_msg(cvy_tensor_load_npy(&tensor, path) == CVY_OK, "%s", test_log_last());
    ck_assert_float_eq(((float *)tensor.data)[0], 1.0f);
    ck_assert_float_eq(((float *)tensor.data)[1], -2.5f);
    cvy_tensor_finish(&tensor);
}
END_TEST

static void refuse(const char *text, size_t bytes, enum cvy_status expected, const char *words)
{
    static const unsigned char data[64];
    struct cvy_tensor tensor = {.elements = 77};
    test_log_clear();
    write_simple(text, data, bytes);
    ck_assert_msg(cvy_tensor_load_npy(&tensor, path) == expected, "%s: %s", text, test_log_last());
    ck_assert_msg(strstr(test_log_last(), words) != NULL, "'%s' is not in: %s", words, test_log_last());
    ck_assert_msg(strncmp(test_log_last(), path, strlen(path)) == 0, "%s", test_log_last());
    ck_assert_uint_eq(tensor.elements, 77);
}

START_TEST(npy_refuses_headers_that_lie)
{
    refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (5,)}", 16, CVY_ERROR_FORMAT, "truncated");
    refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", 16, CVY_ERROR_FORMAT, "longer");
    refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 9)}", 16,
           CVY_ERROR_FORMAT, "larger than this machine");
    refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,)}", 16, CVY_ERROR_FORMAT,
           "larger than this machine");
    refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999,)}", 16,
           CVY_ERROR_FORMAT, "shape");
    refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (-4,)}", 16, CVY_ERROR_FORMAT, "shape");
    refuse("{'descr': '<f4', 'fortran_order': Maybe, 'shape': (4,)}", 16, CVY_ERROR_FORMAT, "fortran_order");
    refuse("{'descr': '<f4', 'shape': (4,)}", 16, CVY_ERROR_FORMAT, "missing");
    refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (4", 16, CVY_ERROR_FORMAT, "shape");
    refuse("{'descr': '<f4", 16, CVY_ERROR_FORMAT, "descr");
    refuse("", 0, CVY_ERROR_FORMAT, "no dictionary");
    refuse("{'descr': '<c8', 'fortran_order': False, 'shape': (2,)}", 16, CVY_ERROR_UNSUPPORTED, "<c8");
    refuse("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4,)}", 16, CVY_ERROR_UNSUPPORTED,
           "records");
    refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}", 4, CVY_ERROR_UNSUPPORTED,
           "dimensions");
}
END_TEST

START_TEST(npy_refuses_a_file_cut_anywhere)
{
    struct cvy_tensor tensor = {0}, read = {0};
    struct cvy_shape shape = {.rank = 2, .dims = {3, 5}};
    ck_assert_int_eq(cvy_tensor_init(&tensor, CVY_FLOAT32, &shape), CVY_OK);
    ck_assert_int_eq(cvy_tensor_save_npy(&tensor, path), CVY_OK);
    cvy_tensor_finish(&tensor);
    struct stat info;
    ck_assert_int_eq(stat(path, &info), 0);
    for (off_t size = info.st_size - 1; size >= 0; size--) {
        ck_assert_int_eq(truncate(path, size), 0);
        ck_assert_int_eq(cvy_tensor_load_npy(&read, path), CVY_ERROR_FORMAT);
        ck_assert_int_eq(cvy_tensor_load_pb(&read, path) == CVY_OK, 0);
    }
    ck_assert_ptr_null(read.data);
}
END_TEST

START_TEST(npy_says_which_file_is_missing)
{
    struct cvy_tensor tensor = {0};
    ck_assert_int_eq(cvy_tensor_load_npy(&tensor, "/nowhere/b.npy"), CVY_ERROR_NOT_FOUND);
    ck_assert_str_eq(test_log_last(), "/nowhere/b.npy: no such file; check the path");
    ck_assert_int_eq(cvy_tensor_load_npy(&tensor, folder), CVY_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(test_log_last(), folder));
}
END_TEST

START_TEST(npy_leaves_nothing_behind_when_the_path_cannot_be_written)
{
    struct cvy_tensor tensor = {0};
    struct cvy_shape shape = {.rank = 1, .dims = {4}};
    ck_assert_int_eq(cvy_tensor_init(&tensor, CVY_FLOAT32, &shape), CVY_OK);
    ck_assert_int_eq(cvy_tensor_save_npy(&tensor, "/nowhere/b.npy"), CVY_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(test_log_last(), "/nowhere/b.npy: cannot be written"));
    /* a folder stands where the file should go; teardown finds whatever is left */
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_eq(cvy_tensor_save_npy(&tensor, path), CVY_ERROR_IO);
    ck_assert_int_eq(rmdir(path), 0);
    /* the device that is always full */
    if (access("/dev/full", W_OK) == 0)
        ck_assert_int_eq(cvy_tensor_save_npy(&tensor, "/dev/full"), CVY_ERROR_IO);
    cvy_tensor_finish(&tensor);
    ck_assert_int_eq(cvy_tensor_save_npy(&tensor, path), CVY_ERROR_INVALID);
}
END_TEST

START_TEST(npy_leaves_the_old_file_when_the_disk_is_full)
{
    struct cvy_tensor old = {0}, large = {0}, read = {0};
    ck_assert_int_eq(cvy_tensor_init(&old, CVY_UINT8, &(struct cvy_shape){.rank = 1, .dims = {4}}), CVY_OK);
    ck_assert_int_eq(cvy_tensor_init(&large, CVY_UINT8, &(struct cvy_shape){.rank = 1, .dims = {5000}}),
                     CVY_OK);
    ck_assert_int_eq(cvy_tensor_save_npy(&old, path), CVY_OK);
    /* a limit on file sizes fails like a full disk: in the middle of writing */
    struct rlimit limit, small;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = 1000;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    enum cvy_status status = cvy_tensor_save_npy(&large, path);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    signal(SIGXFSZ, handler);
    ck_assert_int_eq(status, CVY_ERROR_IO);
    ck_assert_int_eq(cvy_tensor_load_npy(&read, path), CVY_OK);
    ck_assert_uint_eq(read.elements, 4);
    cvy_tensor_finish(&old);
    cvy_tensor_finish(&large);
    cvy_tensor_finish(&read);
}
END_TEST

START_TEST(npy_replaces_an_existing_file)
{
    struct cvy_tensor tensor = {0}, read = {0};
    struct cvy_shape shape = {.rank = 1, .dims = {4}};
    FILE *file = fopen(path, "w");
    fputs("something else", file);
    fclose(file);
    ck_assert_int_eq(cvy_tensor_init(&tensor, CVY_UINT8, &shape), CVY_OK);
    ck_assert_int_eq(cvy_tensor_save_npy(&tensor, path), CVY_OK);
    ck_assert_int_eq(cvy_tensor_load_npy(&read, path), CVY_OK);
    cvy_tensor_finish(&tensor);
    cvy_tensor_finish(&read);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("npy");
    TCase *tcase = tcase_create("npy");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, npy_returns_what_was_saved_for_every_type);
    tcase_add_test(tcase, pb_returns_what_was_saved_for_every_type);
    tcase_add_test(tcase, npy_data_begins_at_a_multiple_of_64_bytes);
    tcase_add_test(tcase, npy_reads_versions_1_to_3);
    tcase_add_test(tcase, npy_rearranges_fortran_order);
    tcase_add_test(tcase, npy_reads_big_endian);
    tcase_add_test(tcase, npy_refuses_headers_that_lie);
    tcase_add_test(tcase, npy_refuses_a_file_cut_anywhere);
    tcase_add_test(tcase, npy_says_which_file_is_missing);
    tcase_add_test(tcase, npy_leaves_nothing_behind_when_the_path_cannot_be_written);
    tcase_add_test(tcase, npy_leaves_the_old_file_when_the_disk_is_full);
    tcase_add_test(tcase, npy_replaces_an_existing_file);
    suite_add_tcase(suite, tcase);
    return suite;
}
