/*
 * SQLite has no way to go on later, so that its calls block: they belong on a thread. A connection is used by
 * one thread at a time: the lock sees to that, in the order of the calls.
 *
 * Work that runs looks every few thousand steps of SQLite's machine whether it was cancelled
 * (sqlite3_progress_handler). sqlite3_interrupt from the loop's thread would do as well, but might come a moment
 * too late and meet the next piece of work.
 */
#include "on_sqlite.h"

#include <errno.h>

enum { STEPS_BETWEEN_LOOKS = 4000 };

int64_t on_sqlite_error(int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_INTERRUPT:
        return -ECANCELED;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_CONSTRAINT:
        return -EEXIST;
    case SQLITE_CANTOPEN:
        return -ENOENT;
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY:
        return -EACCES;
    case SQLITE_MISUSE:
    case SQLITE_ERROR:
        return -EINVAL;
    default:
        return -EIO;
    }
}

/* ---- on the worker's thread */

struct work {
    struct on_sqlite *store;
    on_sqlite_fn *function;
    void *argument;
    const char *path;
};

static int was_cancelled(void *user)
{
    return eddy_offload_cancelled(user);
}

static int64_t do_work(eddy_job *job, void *argument)
{
    struct work *work = argument;
    sqlite3 *db = work->store->db;
    int64_t result;

    sqlite3_progress_handler(db, STEPS_BETWEEN_LOOKS, was_cancelled, job);
    result = work->function(db, work->argument);
    sqlite3_progress_handler(db, 0, NULL, NULL);
    if (result < 0 && !sqlite3_get_autocommit(db)) {
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL,
                           NULL); /* the next begins with nothing of it */
    }
    return result;
}

static int64_t open_it(eddy_job *job, void *argument)
{
    struct work *work = argument;
    int code =
        sqlite3_open_v2(work->path, &work->store->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);

    (void)job;
    if (code != SQLITE_OK) {
        sqlite3_close(work->store->db);
        work->store->db = NULL;
    }
    return on_sqlite_error(code);
}

static int64_t close_it(eddy_job *job, void *argument)
{
    struct work *work = argument;
    int code = sqlite3_close_v2(work->store->db);

    (void)job;
    work->store->db = NULL;
    return on_sqlite_error(code);
}

/* ---- on the loop's */

eddy_frame(run_work) {
    eddy_coro co;
    eddy_offload_fn *function;
    bool wants_open;
    struct work work;
    int64_t result;
};

static void run_work(eddy_coro *co)
{
    eddy_begin(run_work);
    eddy_with_lock(&self->work.store->lock) {
        if ((self->work.store->db != NULL) != self->wants_open) {
            eddy_return(self->wants_open ? -EBADF : -EBUSY);
        }
        eddy_await(self->result, eddy_offload(co, self->function, &self->work));
    }
    eddy_return(self->result);
    eddy_end;
}

int64_t on_sqlite_open(eddy_coro *co, struct on_sqlite *store, const char *path)
{
    return eddy_call(co, run_work, .function = open_it, .work = {.store = store, .path = path});
}

int64_t on_sqlite_do(eddy_coro *co, struct on_sqlite *store, on_sqlite_fn *work, void *argument)
{
    return eddy_call(co, run_work, .function = do_work, .wants_open = true,
                     .work = {.store = store, .function = work, .argument = argument});
}

int64_t on_sqlite_close(eddy_coro *co, struct on_sqlite *store)
{
    if (store->db == NULL) {
        int64_t result = eddy_check(co);
        return result < 0 ? result : eddy_complete(co, 0);
    }
    return eddy_call(co, run_work, .function = close_it, .wants_open = true,
                     .work = {.store = store});
}
