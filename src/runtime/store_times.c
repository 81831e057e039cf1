/* The times in a store. Their table is made when first needed: stores of earlier versions have none. */
#include <string.h>

#include "base/log.h"
#include "runtime/store_db.h"

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS time(device BLOB NOT NULL, problem TEXT NOT NULL, choice TEXT NOT NULL,"
    " source BLOB NOT NULL, rounds INTEGER NOT NULL, nanoseconds INTEGER NOT NULL, measured INTEGER NOT NULL,"
    " PRIMARY KEY(device, problem, choice))";

static int bind_hash(sqlite3_stmt *statement, int at, const struct cvy_hash *hash)
{
    return sqlite3_bind_blob(statement, at, hash, sizeof(*hash), SQLITE_TRANSIENT);
}

static int insert(sqlite3_stmt *statement, const struct cvy_store_time *row)
{
    const int64_t integers[] = {row->rounds, row->nanoseconds, row->when};
    sqlite3_reset(statement);
    int code = bind_hash(statement, 1, &row->device);
    if (code == SQLITE_OK)
        code = sqlite3_bind_text(statement, 2, row->problem, -1, SQLITE_TRANSIENT);
    if (code == SQLITE_OK)
        code = sqlite3_bind_text(statement, 3, row->choice, -1, SQLITE_TRANSIENT);
    if (code == SQLITE_OK)
        code = bind_hash(statement, 4, &row->source);
    for (int i = 0; code == SQLITE_OK && i < 3; i++)
        code = sqlite3_bind_int64(statement, 5 + i, integers[i]);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int insert_all(sqlite3 *db, const struct cvy_store_time *rows, size_t count)
{
    static const char sql[] =
        "INSERT INTO time(device, problem, choice, source, rounds, nanoseconds, measured) "
        "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(device, problem, choice) DO UPDATE SET "
        "source=excluded.source, rounds=excluded.rounds, nanoseconds=excluded.nanoseconds, "
        "measured=excluded.measured WHERE excluded.measured > measured OR "
        "(excluded.measured = measured AND excluded.rounds >= rounds)";
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    for (size_t i = 0; code == SQLITE_OK && i < count; i++)
        code = insert(statement, &rows[i]);
    sqlite3_finalize(statement);
    return code;
}

bool cvy_store_put_times(struct cvy_store *store, const struct cvy_store_time *rows, size_t count)
{
    if (store == NULL || store->db == NULL)
        return false;
    int code = SQLITE_READONLY;
    if (!store->read_only)
        code = sqlite3_exec(store->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(store->db, schema, NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = insert_all(store->db, rows, count);
    if (code == SQLITE_OK)
        code = sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL);
    if (code == SQLITE_OK)
        return true;
    cvy_log(CVY_LOG_WARNING, "store %s: measured times cannot be kept (%s)", store->path,
            sqlite3_errstr(code));
    if (!sqlite3_get_autocommit(store->db))
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    if (!store->read_only)
        cvy_store_failed(store, code);
    return false;
}

static bool has_times(struct cvy_store *store)
{
    int64_t tables = 0;
    return store != NULL && store->db != NULL &&
           cvy_store_read_int(store->db, "SELECT count(*) FROM sqlite_master WHERE name='time'", &tables) ==
               SQLITE_OK &&
           tables > 0;
}

static bool read_hash(sqlite3_stmt *statement, int at, struct cvy_hash *hash)
{
    if (sqlite3_column_bytes(statement, at) != (int)sizeof(*hash))
        return false;
    memcpy(hash, sqlite3_column_blob(statement, at), sizeof(*hash));
    return true;
}

#define SELECT "SELECT device, problem, choice, source, rounds, nanoseconds, measured FROM time "

bool cvy_store_list_times(struct cvy_store *store, const struct cvy_hash *device, const char *problem,
                          void (*take)(void *user, const struct cvy_store_time *row), void *user)
{
    const char *sql = device != NULL ? SELECT "WHERE device=?1 AND problem=?2 ORDER BY choice"
                                     : SELECT "ORDER BY device, problem, choice";
    sqlite3_stmt *statement = NULL;
    if (!has_times(store))
        return store == NULL || store->db != NULL;
    int code = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
    if (code == SQLITE_OK && device != NULL)
        code = bind_hash(statement, 1, device);
    if (code == SQLITE_OK && device != NULL)
        code = sqlite3_bind_text(statement, 2, problem, -1, SQLITE_TRANSIENT);
    while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct cvy_store_time row = {.problem = (const char *)sqlite3_column_text(statement, 1),
                                     .choice = (const char *)sqlite3_column_text(statement, 2),
                                     .rounds = sqlite3_column_int64(statement, 4),
                                     .nanoseconds = sqlite3_column_int64(statement, 5),
                                     .when = sqlite3_column_int64(statement, 6)};
        if (row.problem != NULL && row.choice != NULL && read_hash(statement, 0, &row.device) &&
            read_hash(statement, 3, &row.source))
            take(user, &row);
        code = SQLITE_OK;
    }
    sqlite3_finalize(statement);
    if (code != SQLITE_DONE)
        cvy_log(CVY_LOG_WARNING, "store %s: measured times cannot be read (%s)", store->path,
                sqlite3_errstr(code));
    return code == SQLITE_DONE;
}
