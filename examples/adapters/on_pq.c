/*
 * libpq never blocks if it is asked not to; it says what to wait for, and is called again. All of that is written as
 * coroutines here, with eddy_fd_wait for its socket: connecting, sending, the answer, and what a cancel leaves
 * behind.
 *
 *     a connection     in `idle`      a query takes it     goes back
 *     NULL             not made yet   makes it             -
 *     ready            no query runs  runs on it           when the query has ended, or was cancelled
 *     lost, unclear    closed: NULL   -                    as NULL
 */
#include "on_pq.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const int64_t CANCEL_TIMEOUT = 5 * EDDY_SECOND;

/* ---- connecting */

eddy_frame(make_connection) {
    eddy_coro co;
    const char *where;
    PGconn *
        *connection; /* where it goes, from its beginning on: the caller closes it after an error */
    PostgresPollingStatusType wanted;
};

static void make_connection(eddy_coro *co)
{
    eddy_begin(make_connection);
    *self->connection = PQconnectStart(self->where);
    if (*self->connection == NULL) {
        eddy_return(-ENOMEM);
    }
    self->wanted = PGRES_POLLING_WRITING;
    while (PQstatus(*self->connection) != CONNECTION_BAD && self->wanted != PGRES_POLLING_OK &&
           self->wanted != PGRES_POLLING_FAILED) {
        eddy_await(eddy_fd_wait(co, PQsocket(*self->connection),
                                self->wanted == PGRES_POLLING_READING ? EDDY_READ : EDDY_WRITE));
        self->wanted = PQconnectPoll(*self->connection);
    }
    if (PQstatus(*self->connection) != CONNECTION_OK ||
        PQsetnonblocking(*self->connection, 1) != 0) {
        eddy_fail(co, -ENOTCONN, "%s", PQerrorMessage(*self->connection));
    }
    eddy_end;
}

/* ---- a query on a connection */

/* Sends what is still to be sent, and waits until there is a result, or the end of them. */
eddy_frame(await_result) {
    eddy_coro co;
    PGconn *connection;
    int left;
};

static void await_result(eddy_coro *co)
{
    eddy_begin(await_result);
    while ((self->left = PQflush(self->connection)) != 0 || PQisBusy(self->connection)) {
        if (self->left < 0) {
            eddy_fail(co, -ENOTCONN, "%s", PQerrorMessage(self->connection));
        }
        eddy_await(eddy_fd_wait(co, PQsocket(self->connection),
                                self->left != 0 ? EDDY_READ | EDDY_WRITE : EDDY_READ));
        if (PQconsumeInput(self->connection) == 0) {
            eddy_fail(co, -ENOTCONN, "%s", PQerrorMessage(self->connection));
        }
    }
    eddy_end;
}

/* Takes all results, and keeps the last (or none: NULL). A connection is ready again when they are taken. */
eddy_frame(take_results) {
    eddy_coro co;
    PGconn *connection;
    PGresult **kept;
    PGresult *next;
};

static void take_results(eddy_coro *co)
{
    eddy_begin(take_results);
    do {
        eddy_await(eddy_call(co, await_result, .connection = self->connection));
        self->next = PQgetResult(self->connection);
        if (self->next != NULL && self->kept != NULL) {
            PQclear(*self->kept);
            *self->kept = self->next;
        } else {
            PQclear(self->next);
        }
    } while (self->next != NULL);
    eddy_end;
}

/* On a worker's thread: PQcancel connects to the server anew, and waits for it. */
static int64_t ask_to_cancel(eddy_job *job, void *argument)
{
    char error[256];

    (void)job;
    return PQcancel(argument, error, sizeof error) ? 0 : -EIO;
}

/* What a query that was cancelled has left: the connection is ready afterwards, or it is an error. */
eddy_frame(clean_up) {
    eddy_coro co;
    PGconn *connection;
    PGcancel *cancel;
};

static void clean_up(eddy_coro *co)
{
    eddy_begin(clean_up);
    self->cancel = PQgetCancel(self->connection);
    if (self->cancel == NULL) {
        eddy_return(-ENOMEM);
    }
    eddy_await(eddy_offload(co, ask_to_cancel, self->cancel));
    eddy_await(eddy_call(co, take_results, .connection = self->connection));
eddy_finally:
    PQfreeCancel(self->cancel);
    eddy_end;
}

/* ---- the pool */

int on_pq_init(struct on_pq_pool *pool, const char *where, int most)
{
    if (most < 1 || most > ON_PQ_MOST) {
        return -EINVAL;
    }
    pool->where = where;
    pool->idle_count = most; /* all NULL */
    eddy_semaphore_init(&pool->free, (uint32_t)most);
    return 0;
}

void on_pq_fini(struct on_pq_pool *pool)
{
    while (pool->idle_count > 0) {
        PQfinish(pool->idle[--pool->idle_count]);
    }
}

static void give(struct on_pq_pool *pool, PGconn *connection, bool ready)
{
    if (!ready) {
        PQfinish(connection);
        connection = NULL;
    }
    pool->idle[pool->idle_count++] = connection;
}

/* Has a connection of the pool, and gives it back by whatever way it ends. What it has as a result stays, also after an
 * error: the caller clears it. */
eddy_frame(run_query) {
    eddy_coro co;
    struct on_pq_pool *pool;
    PGresult **result;
    const char *query;
    int count;
    const char *const *parameters;
    PGconn *connection;
    bool held, sent, ready;
    int64_t rc;
};

static void run_query(eddy_coro *co)
{
    eddy_begin(run_query);
    *self->result = NULL;
    eddy_await(eddy_semaphore_acquire(co, &self->pool->free));
    self->held = true;
    self->connection = self->pool->idle[--self->pool->idle_count]; /* the newest */
    if (self->connection != NULL && PQstatus(self->connection) != CONNECTION_OK) {
        PQfinish(self->connection); /* lost while it was idle */
        self->connection = NULL;
    }
    if (self->connection == NULL) {
        eddy_await(eddy_call(co, make_connection, .where = self->pool->where,
                             .connection = &self->connection));
    }
    self->sent = PQsendQueryParams(self->connection, self->query, self->count, NULL,
                                   self->parameters, NULL, NULL, 0) != 0;
    if (!self->sent) {
        eddy_fail(co, -ENOTCONN, "%s", PQerrorMessage(self->connection));
    }
    eddy_await(eddy_call(co, take_results, .connection = self->connection, .kept = self->result));
    self->ready = true;
    if (PQresultStatus(*self->result) != PGRES_TUPLES_OK &&
        PQresultStatus(*self->result) != PGRES_COMMAND_OK) {
        eddy_fail(co, -EIO, "%s", PQresultErrorMessage(*self->result));
    }
eddy_finally:
    if (self->sent && !self->ready && PQstatus(self->connection) == CONNECTION_OK) {
        eddy_catch(self->rc,
                   eddy_wait_for(co, CANCEL_TIMEOUT,
                                 eddy_call(co, clean_up, .connection = self->connection)));
        self->ready = self->rc == 0;
    }
    if (self->held) {
        give(self->pool, self->connection, self->ready);
        (void)eddy_semaphore_release(&self->pool->free);
    }
    eddy_end;
}

int64_t on_pq_query(eddy_coro *co, struct on_pq_pool *pool, PGresult **result, const char *query,
                    int count, const char *const *parameters)
{
    return eddy_call(co, run_query, .pool = pool, .result = result, .query = query, .count = count,
                     .parameters = parameters);
}

/* ---- notifications */

void on_pq_listen(eddy_coro *co)
{
    eddy_begin(on_pq_listen);
    eddy_await(
        eddy_call(co, make_connection, .where = self->where, .connection = &self->connection));
    snprintf(self->command, sizeof self->command, "LISTEN %s", self->channel);
    if (!PQsendQuery(self->connection, self->command)) {
        eddy_fail(co, -ENOTCONN, "%s", PQerrorMessage(self->connection));
    }
    eddy_await(eddy_call(co, take_results, .connection = self->connection));
    if (self->listening != NULL) {
        eddy_event_set(self->listening);
    }
    while (true) {
        while ((self->value = PQnotifies(self->connection)) != NULL) {
            eddy_yield(self->value);
            PQfreemem(self->value);
            self->value = NULL;
        }
        eddy_await(eddy_fd_wait(co, PQsocket(self->connection), EDDY_READ));
        if (PQconsumeInput(self->connection) == 0) {
            eddy_fail(co, -ENOTCONN, "%s", PQerrorMessage(self->connection));
        }
    }
eddy_finally:
    PQfreemem(self->value);
    PQfinish(self->connection);
    eddy_end;
}
