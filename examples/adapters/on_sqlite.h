/*
 * SQLite on an eddy loop: each piece of work with the database runs on a worker's thread and is awaited.
 *
 *     static int64_t count(sqlite3 *db, void *argument)          // on a worker's thread
 *     { ... sqlite3_prepare_v2, sqlite3_step ...; return rows; }
 *
 *     struct on_sqlite store = {0};
 *
 *     eddy_await(on_sqlite_open(co, &store, "file.db"));
 *     eddy_await(self->rows, on_sqlite_do(co, &store, count, &self->input));
 *     eddy_await(on_sqlite_close(co, &store));                   // in eddy_finally
 *
 * One piece of work at a time has the database, in the order in which they were begun; what belongs into one
 * transaction is one piece of work. It may use the database and its argument, and nothing of the loop.
 *
 * A cancel takes back work that has not begun. Work that runs is interrupted (its statement fails with
 * SQLITE_INTERRUPT, which on_sqlite_error makes -ECANCELED) and waited for: what was not committed is rolled back by
 * SQLite, and the argument is the caller's again when the await returns.
 */
#ifndef ON_SQLITE_H
#define ON_SQLITE_H

#include <sqlite3.h>

#include <eddy.h>

/* The caller owns it, zeroed. All of it is private. */
struct on_sqlite {
    sqlite3 *db; /* NULL: not open */
    eddy_lock lock;
};

/* The work: a value >= 0, or a negative error. */
typedef int64_t on_sqlite_fn(sqlite3 *db, void *argument);

/* Opens or makes a database. 0; -EBUSY: it is open; an error as of on_sqlite_error. */
EDDY_MUST_USE int64_t on_sqlite_open(eddy_coro *co, struct on_sqlite *store, const char *path);

/* Runs the work and returns its result. -EBADF: not open; -ECANCELED; -ENOMEM and others of eddy_offload. */
EDDY_MUST_USE int64_t on_sqlite_do(eddy_coro *co, struct on_sqlite *store, on_sqlite_fn *work,
                                   void *argument);

/* Closes it, on a worker's thread too, for that may write. Nothing if it is not open. */
EDDY_MUST_USE int64_t on_sqlite_close(eddy_coro *co, struct on_sqlite *store);

/* In the work: a code of SQLite's as a negated errno; 0 for SQLITE_OK, SQLITE_ROW and SQLITE_DONE. */
int64_t on_sqlite_error(int code);

#endif
