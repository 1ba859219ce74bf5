/*
 * PostgreSQL's libpq on an eddy loop: a pool of connections, queries that are awaited, and notifications.
 *
 *     struct on_pq_pool pool = {0};
 *     PGresult *rows;                                                    // in the frame
 *
 *     on_pq_init(&pool, "host=/run/postgresql dbname=shop", 4);
 *     eddy_await(on_pq_query(co, &pool, &self->rows, "SELECT name FROM goods WHERE price < $1", 1, &self->price));
 *     ... PQntuples(self->rows) ...
 *     PQclear(self->rows);
 *     on_pq_fini(&pool);
 *
 * A query takes a connection of the pool for as long as it runs, makes it if there are not so many yet, and waits its
 * turn if there are. A connection that was lost is made anew by the next query that takes it.
 *
 * A cancel asks the server to cancel the query (PQcancel, on a worker's thread, for it connects anew), waits for its
 * answer to that, and gives the connection back clean. If the server does not answer within five seconds the
 * connection is closed.
 */
#ifndef ON_PQ_H
#define ON_PQ_H

#include <libpq-fe.h>

#include <eddy.h>

enum { ON_PQ_MOST = 32 };

/* The caller owns it, zeroed. All of it is private. */
struct on_pq_pool {
    const char *where;        /* as PQconnectdb(3) takes it; the caller's */
    PGconn *idle[ON_PQ_MOST]; /* a stack; NULL: one that is still to be made */
    int idle_count;
    eddy_semaphore free; /* how many may still be taken */
};

/* Up to `most` (1 to ON_PQ_MOST) connections to `where`, which must stay. 0; -EINVAL. */
int on_pq_init(struct on_pq_pool *pool, const char *where, int most);

/* Closes the connections. No query may be under way. */
void on_pq_fini(struct on_pq_pool *pool);

/* An operation: runs a query with `count` parameters as text, and waits for its last result, which is the caller's
 * to PQclear, also after an error. The query and the parameters must stay until then. 0; -ENOTCONN: there is no connection to be had; -EIO:
 * the server refuses the query; both with libpq's words as the text of the error; -ENOMEM; -ECANCELED. */
EDDY_MUST_USE int64_t on_pq_query(eddy_coro *co, struct on_pq_pool *pool, PGresult **result,
                                  const char *query, int count, const char *const *parameters);

/* A generator: the notifications of a channel (LISTEN), on a connection of its own. Each is valid until the next:
 *
 *     eddy_for_each(self->news, on_pq_listen, .where = "...", .channel = "news") {
 *         puts(self->news->extra);
 *     }
 *
 * It ends with an error when the connection is lost. */
struct on_pq_listen {
    eddy_coro co;
    const char *where, *channel; /* the channel's name in lower case; no quotes are added */
    eddy_event *listening;       /* is set when the server has said so; or NULL */
    PGnotify *value;
    PGconn *connection;
    char command[80];
    int64_t rc;
};
void on_pq_listen(eddy_coro *co);

#endif
