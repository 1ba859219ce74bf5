/*
 * Writes lines into a SQLite database while a clock ticks on, by SQLite on an eddy loop.
 *
 *     sqlite_log FILE COUNT [MILLISECONDS]
 *
 * Puts COUNT numbered lines into the table "log", in one transaction, and prints how many there are then. Once the time
 * has passed (if one is given) the work is cancelled: nothing of it is in the database, and it exits 1.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "on_sqlite.h"

/* ---- on a worker's thread */

static int64_t add_lines(sqlite3 *db, void *argument)
{
    const int *count = argument;
    sqlite3_stmt *insert = NULL;
    int code = sqlite3_exec(db,
                            "CREATE TABLE IF NOT EXISTS log (id INTEGER PRIMARY KEY, line TEXT);"
                            "BEGIN",
                            NULL, NULL, NULL);

    if (code == SQLITE_OK) {
        code = sqlite3_prepare_v2(db, "INSERT INTO log (line) VALUES ('line ' || ?)", -1, &insert,
                                  NULL);
    }
    for (int i = 0; i < *count && (code == SQLITE_OK || code == SQLITE_DONE); i++) {
        sqlite3_reset(insert);
        sqlite3_bind_int(insert, 1, i);
        code = sqlite3_step(insert);
    }
    sqlite3_finalize(insert);
    if (code == SQLITE_OK || code == SQLITE_DONE) {
        code = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    }
    return on_sqlite_error(code); /* after an error what was begun is rolled back */
}

static int64_t count_lines(sqlite3 *db, void *argument)
{
    sqlite3_stmt *query = NULL;
    int64_t count = 0;
    int code = sqlite3_prepare_v2(db, "SELECT count(*) FROM log", -1, &query, NULL);

    (void)argument;
    if (code == SQLITE_OK && (code = sqlite3_step(query)) == SQLITE_ROW) {
        count = sqlite3_column_int64(query, 0);
    }
    sqlite3_finalize(query);
    return on_sqlite_error(code) < 0 ? on_sqlite_error(code) : count;
}

/* ---- on the loop's */

eddy_frame(ticks) {
    eddy_coro co;
    int *ticks;
};

static void ticks(eddy_coro *co)
{
    eddy_begin(ticks);
    while (true) {
        eddy_await(eddy_sleep(co, EDDY_MILLISECOND));
        ++*self->ticks;
    }
    eddy_end;
}

eddy_frame(program) {
    eddy_coro co;
    const char *path;
    int count, milliseconds, ticks;
    struct on_sqlite store;
    eddy_task clock;
    int64_t rc, lines;
};

static void program(eddy_coro *co)
{
    eddy_begin(program);
    self->clock = eddy_spawn(co, ticks, .ticks = &self->ticks);
    eddy_await(on_sqlite_open(co, &self->store, self->path));
    eddy_catch(
        self->rc,
        eddy_wait_for(co,
                      self->milliseconds > 0 ? self->milliseconds * EDDY_MILLISECOND : EDDY_FOREVER,
                      on_sqlite_do(co, &self->store, add_lines, &self->count)));
    if (self->rc == -ETIMEDOUT) {
        eddy_fail(co, self->rc, "given up: nothing of it was written");
    }
    if (self->rc < 0) {
        eddy_return(self->rc);
    }
    eddy_await(self->lines, on_sqlite_do(co, &self->store, count_lines, NULL));
    printf("%lld lines\n", (long long)self->lines);
    fprintf(stderr, "meanwhile the loop has slept %d times for a millisecond\n", self->ticks);
eddy_finally:
    (void)eddy_cancel(self->clock);
    eddy_catch(self->rc, eddy_join(co, self->clock));
    eddy_await(on_sqlite_close(co, &self->store));
    eddy_end;
}

static int number(const char *text)
{
    char *end;
    long value = strtol(text, &end, 10);

    return end == text || *end != '\0' || value < 0 || value > 100000000 ? -1 : (int)value;
}

int main(int argc, char **argv)
{
    int count = argc > 2 ? number(argv[2]) : -1;
    int milliseconds = argc > 3 ? number(argv[3]) : 0;

    if (argc < 3 || argc > 4 || count < 0 || milliseconds < 0) {
        fputs("usage: sqlite_log FILE COUNT [MILLISECONDS]\n", stderr);
        return 2;
    }
    return eddy_run(program, .path = argv[1], .count = count, .milliseconds = milliseconds) < 0;
}
