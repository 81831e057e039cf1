#include "runtime/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "runtime/store_db.h"

#define SCHEMA_VERSION 1
#define DEFAULT_MAX_BYTES ((uint64_t)256 << 20)
#define BUSY_MS 3000

/* One warning for each store; the rest is for those who debug. */
static void warn(struct cvy_store *store, const char *what, const char *consequence)
{
    cvy_log(store->warned ? CVY_LOG_DEBUG : CVY_LOG_WARNING, "store %s: %s: %s; %s", store->path, what,
            store->db != NULL ? sqlite3_errmsg(store->db) : strerror(errno), consequence);
    store->warned = true;
}

static bool is_damage(int code)
{
    code &= 0xff;
    return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

/* Parent folders of path, as far as they are missing. What fails here shows when the file is opened. */
static void make_folders(const char *path)
{
    char *copy = cvy_text_copy(path);
    if (copy == NULL)
        return;
    for (char *slash = strchr(copy + 1, '/'); copy[0] != '\0' && slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(copy, 0777) != 0 && errno != EEXIST)
            cvy_log(CVY_LOG_DEBUG, "store: mkdir %s: %s", copy, strerror(errno));
        *slash = '/';
    }
    free(copy);
}

int cvy_store_read_int(sqlite3 *db, const char *sql, int64_t *value)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return code == SQLITE_ROW ? SQLITE_OK : code;
}

static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS program(key BLOB PRIMARY KEY, checksum BLOB NOT NULL, bytes INTEGER NOT NULL,"
    " used INTEGER NOT NULL, payload BLOB NOT NULL);"
    "CREATE INDEX IF NOT EXISTS program_used ON program(used);"
    "PRAGMA user_version=1;"
    "COMMIT;";

/* SQLITE_NOTADB also for a database that is not ours. */
static int check_schema(struct cvy_store *store)
{
    int64_t version = 0, tables = 0, ours = 0;
    int code = cvy_store_read_int(store->db, "PRAGMA user_version", &version);
    if (code == SQLITE_OK)
        code = cvy_store_read_int(store->db, "SELECT count(*) FROM sqlite_master", &tables);
    if (code != SQLITE_OK)
        return code;
    if (version == 0 && tables == 0) {
        sqlite3_exec(store->db, "PRAGMA auto_vacuum=FULL", NULL, NULL, NULL);
        code = sqlite3_exec(store->db, schema, NULL, NULL, NULL);
        if (code != SQLITE_OK)
            sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
        return code;
    }
    code = cvy_store_read_int(store->db,
                              "SELECT count(*) FROM pragma_table_info('program') WHERE name IN "
                              "('key','checksum','bytes','used','payload')",
                              &ours);
    if (code == SQLITE_OK && (version != SCHEMA_VERSION || ours != 5))
        return SQLITE_NOTADB;
    return code;
}

/* When entries were used, until the next write: one on its own costs a disk several flushes. */
static const char used_schema[] =
    "PRAGMA temp_store=MEMORY; CREATE TEMP TABLE used_now(key BLOB PRIMARY KEY, used INTEGER NOT NULL)";

static int write_used(struct cvy_store *store)
{
    return sqlite3_exec(store->db,
                        "UPDATE program SET used=(SELECT max(program.used, now.used) FROM used_now AS now "
                        "WHERE now.key=program.key) WHERE key IN (SELECT key FROM used_now);"
                        "DELETE FROM used_now",
                        NULL, NULL, NULL);
}

static int open_database(struct cvy_store *store)
{
    int code = sqlite3_open_v2(store->path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    if (code != SQLITE_OK)
        return code;
    sqlite3_busy_timeout(store->db, BUSY_MS);
    sqlite3_exec(store->db, "PRAGMA synchronous=NORMAL", NULL, NULL, NULL);
    code = check_schema(store);
    return code == SQLITE_OK ? sqlite3_exec(store->db, used_schema, NULL, NULL, NULL) : code;
}

static void close_database(struct cvy_store *store)
{
    sqlite3_close(store->db);
    store->db = NULL;
}

/* The damaged file becomes PATH.broken; a journal of it would be applied to its successor. */
static bool move_aside(struct cvy_store *store)
{
    size_t size = strlen(store->path) + 16;
    char *other = malloc(size);
    if (other == NULL)
        return false;
    snprintf(other, size, "%s-journal", store->path);
    unlink(other);
    snprintf(other, size, "%s.broken", store->path);
    bool moved = rename(store->path, other) == 0;
    cvy_log(CVY_LOG_WARNING,
            moved ? "store %s: damaged or not a store of this version; moved to %s and begun anew"
                  : "store %s: damaged, and it cannot be moved to %s; kernels are compiled each time",
            store->path, other);
    free(other);
    return moved;
}

/* Leaves db NULL where there is no way. */
static void begin(struct cvy_store *store)
{
    int code = open_database(store);
    if (is_damage(code)) {
        /* another process may have begun it anew meanwhile */
        close_database(store);
        code = open_database(store);
    }
    if (is_damage(code)) {
        close_database(store);
        if (!move_aside(store))
            return;
        code = open_database(store);
    }
    if (code == SQLITE_OK)
        return;
    warn(store, "cannot be used", "kernels are compiled each time");
    close_database(store);
}

struct cvy_store *cvy_store_open(const char *path, uint64_t max_bytes)
{
    struct cvy_store *store = calloc(1, sizeof(*store));
    char *copy = cvy_text_copy(path);
    if (store == NULL || copy == NULL) {
        free(store);
        free(copy);
        return NULL;
    }
    store->path = copy;
    store->max_bytes = max_bytes != 0 ? max_bytes : DEFAULT_MAX_BYTES;
    make_folders(path);
    begin(store);
    if (store->db == NULL)
        cvy_store_close(&store);
    return store;
}

void cvy_store_close(struct cvy_store **store)
{
    if (store == NULL || *store == NULL)
        return;
    int64_t used = 0;
    if ((*store)->db != NULL && !(*store)->read_only &&
        cvy_store_read_int((*store)->db, "SELECT count(*) FROM used_now", &used) == SQLITE_OK && used > 0)
        write_used(*store);
    close_database(*store);
    free((*store)->path);
    free(*store);
    *store = NULL;
}

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static struct cvy_hash checksum(struct cvy_hash key, const void *payload, size_t bytes)
{
    return cvy_hash_bytes(cvy_hash_bytes((struct cvy_hash){0, 0}, &key, sizeof(key)), payload, bytes);
}

static void give_up_writing(struct cvy_store *store)
{
    warn(store, "cannot be written", "what is compiled now is not kept");
    store->read_only = true;
}

void cvy_store_failed(struct cvy_store *store, int code)
{
    if (is_damage(code)) {
        close_database(store);
        begin(store);
    } else if ((code & 0xff) != SQLITE_BUSY && (code & 0xff) != SQLITE_LOCKED) {
        give_up_writing(store);
    }
}

/* Runs a statement whose first parameter is the key and second, where there, the integer. */
static int run(struct cvy_store *store, const char *sql, const struct cvy_hash *key, const int64_t *value)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_bind_blob(statement, 1, key, sizeof(*key), SQLITE_STATIC);
    if (code == SQLITE_OK && value != NULL)
        code = sqlite3_bind_int64(statement, 2, *value);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    sqlite3_finalize(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* SQLITE_DONE: not there. */
static int fetch(struct cvy_store *store, struct cvy_hash key, void **payload, size_t *bytes,
                 struct cvy_hash *sum)
{
    static const char sql[] = "SELECT payload, checksum FROM program WHERE key=?1";
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_bind_blob(statement, 1, &key, sizeof(key), SQLITE_STATIC);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        const void *data = sqlite3_column_blob(statement, 0);
        *bytes = (size_t)sqlite3_column_bytes(statement, 0);
        *payload = malloc(*bytes + 1);
        if (*payload == NULL)
            code = SQLITE_NOMEM;
        else if (*bytes > 0)
            memcpy(*payload, data, *bytes);
        *sum = (struct cvy_hash){0, 0};
        if (sqlite3_column_bytes(statement, 1) == (int)sizeof(*sum))
            memcpy(sum, sqlite3_column_blob(statement, 1), sizeof(*sum));
    }
    sqlite3_finalize(statement);
    return code;
}

bool cvy_store_get(struct cvy_store *store, struct cvy_hash key, void **payload, size_t *bytes)
{
    void *data = NULL;
    size_t size = 0;
    struct cvy_hash sum;
    if (store == NULL || store->db == NULL)
        return false;
    int code = fetch(store, key, &data, &size, &sum);
    if (code != SQLITE_ROW) {
        free(data);
        if (is_damage(code))
            cvy_store_failed(store, code);
        return false;
    }
    if (!cvy_hash_equal(sum, checksum(key, data, size))) {
        cvy_log(CVY_LOG_WARNING, "store %s: an entry fails its checksum; it is dropped and compiled anew",
                store->path);
        free(data);
        if (!store->read_only)
            run(store, "DELETE FROM program WHERE key=?1", &key, NULL);
        return false;
    }
    int64_t now = now_us();
    run(store, "INSERT OR REPLACE INTO used_now(key, used) VALUES(?1, ?2)", &key, &now);
    *payload = data;
    *bytes = size;
    return true;
}

static int insert(struct cvy_store *store, struct cvy_hash key, const void *payload, size_t bytes)
{
    static const char sql[] = "INSERT OR REPLACE INTO program(key, used, checksum, bytes, payload) "
                              "VALUES(?1, ?2, ?3, ?4, ?5)";
    struct cvy_hash sum = checksum(key, payload, bytes);
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_bind_blob(statement, 1, &key, sizeof(key), SQLITE_STATIC);
    if (code == SQLITE_OK)
        code = sqlite3_bind_int64(statement, 2, now_us());
    if (code == SQLITE_OK)
        code = sqlite3_bind_blob(statement, 3, &sum, sizeof(sum), SQLITE_STATIC);
    if (code == SQLITE_OK)
        code = sqlite3_bind_int64(statement, 4, (int64_t)bytes);
    if (code == SQLITE_OK)
        code = sqlite3_bind_blob64(statement, 5, payload, bytes, SQLITE_STATIC);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    sqlite3_finalize(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* The entries used longest ago go until the rest fits. */
static int evict(struct cvy_store *store)
{
    int64_t total = 0;
    int code = cvy_store_read_int(store->db, "SELECT coalesce(sum(bytes), 0) FROM program", &total);
    while (code == SQLITE_OK && total > 0 && (uint64_t)total > store->max_bytes) {
        code = sqlite3_exec(store->db,
                            "DELETE FROM program WHERE key="
                            "(SELECT key FROM program ORDER BY used LIMIT 1)",
                            NULL, NULL, NULL);
        if (code == SQLITE_OK)
            code = cvy_store_read_int(store->db, "SELECT coalesce(sum(bytes), 0) FROM program", &total);
    }
    return code;
}

void cvy_store_put(struct cvy_store *store, struct cvy_hash key, const void *payload, size_t bytes)
{
    if (store == NULL || store->db == NULL || bytes > store->max_bytes)
        return;
    if (store->read_only) {
        warn(store, "cannot be written", "what is compiled now is not kept");
        return;
    }
    int code = sqlite3_exec(store->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = write_used(store);
    if (code == SQLITE_OK)
        code = insert(store, key, payload, bytes);
    if (code == SQLITE_OK)
        code = evict(store);
    if (code == SQLITE_OK)
        code = sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL);
    if (code == SQLITE_OK)
        return;
    int result = code;
    cvy_store_failed(store, result);
    if (store->db != NULL && !sqlite3_get_autocommit(store->db))
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
}

/* Made when first needed: stores of earlier versions have none. */
static const char quarantine_schema[] =
    "CREATE TABLE IF NOT EXISTS quarantine(key BLOB PRIMARY KEY, device BLOB NOT NULL, program TEXT NOT NULL,"
    " kernel TEXT NOT NULL, reason TEXT NOT NULL)";

static int insert_quarantined(struct cvy_store *store, const struct cvy_store_quarantined *row)
{
    static const char sql[] = "INSERT OR REPLACE INTO quarantine(key, device, program, kernel, reason) "
                              "VALUES(?1, ?2, ?3, ?4, ?5)";
    const char *texts[] = {row->program, row->kernel, row->reason};
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_bind_blob(statement, 1, &row->key, sizeof(row->key), SQLITE_STATIC);
    if (code == SQLITE_OK)
        code = sqlite3_bind_blob(statement, 2, &row->device, sizeof(row->device), SQLITE_STATIC);
    for (int i = 0; code == SQLITE_OK && i < 3; i++)
        code = sqlite3_bind_text(statement, 3 + i, texts[i], -1, SQLITE_STATIC);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    sqlite3_finalize(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

void cvy_store_quarantine(struct cvy_store *store, const struct cvy_store_quarantined *row)
{
    if (store == NULL || store->db == NULL)
        return;
    int code = SQLITE_READONLY;
    if (!store->read_only)
        code = sqlite3_exec(store->db, quarantine_schema, NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = insert_quarantined(store, row);
    if (code == SQLITE_OK)
        return;
    cvy_log(CVY_LOG_WARNING, "store %s: cannot remember that %s of %s is wrong (%s); it is avoided only now",
            store->path, row->kernel, row->program, sqlite3_errstr(code));
    if (!store->read_only)
        cvy_store_failed(store, code);
}

static bool has_quarantine(struct cvy_store *store)
{
    int64_t tables = 0;
    return store != NULL && store->db != NULL &&
           cvy_store_read_int(store->db, "SELECT count(*) FROM sqlite_master WHERE name='quarantine'",
                              &tables) == SQLITE_OK &&
           tables > 0;
}

void cvy_store_release(struct cvy_store *store, struct cvy_hash key)
{
    if (!has_quarantine(store))
        return;
    int code = run(store, "DELETE FROM quarantine WHERE key=?1", &key, NULL);
    if (code != SQLITE_OK)
        cvy_log(CVY_LOG_WARNING, "store %s: a quarantined kernel cannot be released there (%s)", store->path,
                sqlite3_errstr(code));
}

void cvy_store_list_quarantined(struct cvy_store *store, struct cvy_hash device,
                                void (*take)(void *user, const struct cvy_store_quarantined *row), void *user)
{
    static const char sql[] = "SELECT key, program, kernel, reason FROM quarantine WHERE device=?1";
    sqlite3_stmt *statement = NULL;
    if (!has_quarantine(store))
        return;
    int code = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_bind_blob(statement, 1, &device, sizeof(device), SQLITE_STATIC);
    while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct cvy_store_quarantined row = {.device = device};
        const char **texts[] = {&row.program, &row.kernel, &row.reason};
        bool good = sqlite3_column_bytes(statement, 0) == (int)sizeof(row.key);
        for (int i = 0; i < 3; i++) {
            *texts[i] = (const char *)sqlite3_column_text(statement, 1 + i);
            good = good && *texts[i] != NULL;
        }
        if (good) {
            memcpy(&row.key, sqlite3_column_blob(statement, 0), sizeof(row.key));
            take(user, &row);
        }
        code = SQLITE_OK;
    }
    sqlite3_finalize(statement);
    if (code != SQLITE_DONE)
        cvy_log(CVY_LOG_WARNING, "store %s: the kernels found wrong cannot be read (%s)", store->path,
                sqlite3_errstr(code));
}
