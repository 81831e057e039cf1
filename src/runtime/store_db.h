/* store_db.h - the database behind a store. Inside runtime only. */
#ifndef CVY_RUNTIME_STORE_DB_H
#define CVY_RUNTIME_STORE_DB_H

#include <sqlite3.h>

#include "runtime/store.h"

struct cvy_store {
    char *path;
    uint64_t max_bytes;
    sqlite3 *db;
    bool warned;
    bool read_only; /* nothing is written any more */
};

/* The integer that a statement gives. */
int cvy_store_read_int(sqlite3 *db, const char *sql, int64_t *value);
/* After a failed statement: damage is moved aside, busy passes by, anything else ends the writing. */
void cvy_store_failed(struct cvy_store *store, int code);

#endif
