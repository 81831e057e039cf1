/* Measured times as a text file: a header, then device, problem, choice, source, rounds, nanoseconds and the
 * time of day, separated by tabs. */
#include <convoy/tune.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "runtime/device.h"
#include "runtime/store.h"

#define HEADER "# convoy measured times 1"
#define MAX_FILE_BYTES ((size_t)256 << 20)
#define FIELDS 7
#define MOST_NANOSECONDS INT64_C(1000000000000000) /* eleven days: no run takes that long */
#define MOST_SECONDS INT64_C(100000000000)         /* the year 5138 */

static void write_row(void *user, const struct cvy_store_time *row)
{
    cvy_text_add(user,
                 "%016" PRIx64 "%016" PRIx64 "\t%s\t%s\t%016" PRIx64 "%016" PRIx64 "\t%" PRId64 "\t%" PRId64
                 "\t%" PRId64 "\n",
                 row->device.high, row->device.low, row->problem, row->choice, row->source.high,
                 row->source.low, row->rounds, row->nanoseconds, row->when);
}

static int by_text(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* Of lines that end with a newline; the same bytes in another order. */
static enum cvy_status sort_lines(struct cvy_text *text)
{
    size_t count = 0;
    for (size_t i = 0; i < text->length; i++)
        count += text->data[i] == '\n';
    char **lines = malloc((count + 1) * sizeof(*lines)), *copy = cvy_text_copy(text->data);
    if (lines == NULL || copy == NULL) {
        free(lines);
        free(copy);
        return cvy_fail_memory("measured times", text->length);
    }
    count = 0;
    for (char *at = copy; *at != '\0';) {
        lines[count++] = at;
        at += strcspn(at, "\n");
        *at++ = '\0';
    }
    qsort(lines, count, sizeof(*lines), by_text);
    char *to = text->data;
    for (size_t i = 0; i < count; i++)
        to += sprintf(to, "%s\n", lines[i]);
    free(lines);
    free(copy);
    return CVY_OK;
}

enum cvy_status cvy_tune_export(struct cvy_device *device, const char *path)
{
    struct cvy_text text = {0};
    if (device == NULL || path == NULL)
        return cvy_fail(CVY_ERROR_INVALID, "cvy_tune_export: device or path is NULL; give both");
    cvy_text_add(&text, "%s", "");
    enum cvy_status status = CVY_OK;
    if (!cvy_device_list_times(device, NULL, write_row, &text))
        status = cvy_fail(CVY_ERROR_IO, "%s: not written: the store cannot be read", path);
    if (status == CVY_OK && text.failed)
        status = cvy_fail_memory("measured times", text.capacity);
    if (status == CVY_OK)
        status = sort_lines(&text);
    if (status == CVY_OK) {
        const struct cvy_piece pieces[] = {{HEADER "\n", strlen(HEADER "\n")}, {text.data, text.length}};
        status = cvy_file_write(path, pieces, 2);
    }
    cvy_text_finish(&text);
    return status;
}

static void count_row(void *user, const struct cvy_store_time *row)
{
    (void)row;
    ++*(size_t *)user;
}

enum cvy_status cvy_tune_count(struct cvy_device *device, size_t *count)
{
    size_t rows = 0;
    if (device == NULL || count == NULL)
        return cvy_fail(CVY_ERROR_INVALID, "cvy_tune_count: device or count is NULL; give both");
    if (!cvy_device_list_times(device, NULL, count_row, &rows))
        return cvy_fail(CVY_ERROR_IO, "tune: the store cannot be read; see the messages before");
    *count = rows;
    return CVY_OK;
}

/* Exactly 32 digits as they are written. */
static bool read_hash(const char *text, struct cvy_hash *hash)
{
    char half[17];
    if (strlen(text) != 32 || strspn(text, "0123456789abcdef") != 32)
        return false;
    snprintf(half, sizeof(half), "%.16s", text);
    hash->high = strtoull(half, NULL, 16);
    hash->low = strtoull(text + 16, NULL, 16);
    return true;
}

static bool read_number(const char *text, int64_t most, int64_t *number)
{
    size_t digits = strlen(text);
    if (digits == 0 || digits > 18 || strspn(text, "0123456789") != digits)
        return false;
    *number = strtoll(text, NULL, 10);
    return *number <= most;
}

static bool is_plain(const char *text, size_t most)
{
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++) {
        if (text[i] < ' ' || text[i] > '~')
            return false;
    }
    return length > 0 && length <= most;
}

/* What is wrong with a line, NULL: nothing. Cuts it to its fields. */
static const char *read_row(char *line, struct cvy_store_time *row)
{
    char *fields[FIELDS];
    size_t count = 0;
    for (char *at = line; at != NULL && count < FIELDS; count++) {
        fields[count] = at;
        at = strchr(at, '\t');
        if (at != NULL && count + 1 == FIELDS)
            return "it has more than seven fields";
        if (at != NULL)
            *at++ = '\0';
    }
    if (count < FIELDS)
        return "it has fewer than seven fields, separated by tabs";
    row->problem = fields[1];
    row->choice = fields[2];
    if (!read_hash(fields[0], &row->device) || !read_hash(fields[3], &row->source))
        return "the first or the fourth field is not of 32 hexadecimal digits";
    if (!is_plain(row->problem, 1000) || !is_plain(row->choice, 200))
        return "its problem or its choice is empty, too long or not plain text";
    if (!read_number(fields[4], 9, &row->rounds))
        return "the fifth field, its rounds, is not a number from 0 to 9";
    if (!read_number(fields[5], MOST_NANOSECONDS, &row->nanoseconds) ||
        (row->rounds > 0 && row->nanoseconds == 0))
        return "the sixth field is not a number of nanoseconds";
    return read_number(fields[6], MOST_SECONDS, &row->when) ? NULL
                                                            : "the seventh field is not a time in seconds";
}

/* rows has room for each line. */
static enum cvy_status read_rows(const char *path, char *text, struct cvy_store_time *rows, size_t *count)
{
    size_t number = 1;
    for (char *line = text; *line != '\0'; number++) {
        char *next = line + strcspn(line, "\n");
        if (*next == '\n')
            *next++ = '\0';
        if (number == 1 && strcmp(line, HEADER) != 0)
            return cvy_fail(CVY_ERROR_FORMAT, "%s:1: not '%s'; give a file that 'convoy tune --export' wrote",
                            path, HEADER);
        if (line[0] != '#') {
            const char *problem = read_row(line, &rows[*count]);
            if (problem != NULL)
                return cvy_fail(CVY_ERROR_FORMAT, "%s:%zu: %s; nothing is imported", path, number, problem);
            ++*count;
        }
        line = next;
    }
    if (number == 1)
        return cvy_fail(CVY_ERROR_FORMAT, "%s: empty; give a file that 'convoy tune --export' wrote", path);
    return CVY_OK;
}

enum cvy_status cvy_tune_import(struct cvy_device *device, const char *path, size_t *count)
{
    uint8_t *data = NULL;
    size_t bytes = 0, lines = 1, n = 0;
    if (device == NULL || path == NULL)
        return cvy_fail(CVY_ERROR_INVALID, "cvy_tune_import: device or path is NULL; give both");
    enum cvy_status status = cvy_file_read(path, MAX_FILE_BYTES, &data, &bytes);
    if (status != CVY_OK)
        return status;
    for (size_t i = 0; i < bytes; i++)
        lines += data[i] == '\n';
    struct cvy_store_time *rows = calloc(lines, sizeof(*rows));
    if (rows == NULL)
        status = cvy_fail_memory("measured times", lines * sizeof(*rows));
    else if (memchr(data, '\0', bytes) != NULL)
        status =
            cvy_fail(CVY_ERROR_FORMAT, "%s: no text file; give one that 'convoy tune --export' wrote", path);
    else
        status = read_rows(path, (char *)data, rows, &n);
    if (status == CVY_OK && n > 0 && !cvy_device_put_times(device, rows, n))
        status = cvy_fail(CVY_ERROR_IO, "%s: not imported: the store cannot be written", path);
    if (status == CVY_OK && count != NULL)
        *count = n;
    free(rows);
    free(data);
    return status;
}
