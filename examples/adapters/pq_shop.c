/*
 * Queries and notifications of PostgreSQL, by libpq on an eddy loop.
 *
 *     pq_shop CONNECTION [QUERIES]        twenty, unless it says otherwise
 *
 * Runs that many queries at once over four connections; gives one up that takes too long; and waits for a
 * notification that it sends itself. Prints a line for each.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "on_pq.h"

/* One query with one parameter; gives its first field as a number. */
eddy_frame(ask) {
    eddy_coro co;
    struct on_pq_pool *pool;
    const char *query, *parameter;
    PGresult *result;
    int64_t value;
};

static void ask(eddy_coro *co)
{
    eddy_begin(ask);
    eddy_await(on_pq_query(co, self->pool, &self->result, self->query, self->parameter != NULL,
                           &self->parameter));
    if (PQntuples(self->result) > 0) {
        self->value = strtoll(PQgetvalue(self->result, 0, 0), NULL, 10);
    }
    eddy_return(self->value);
eddy_finally:
    PQclear(self->result);
    eddy_end;
}

eddy_frame(square) {
    eddy_coro co;
    struct on_pq_pool *pool;
    int number;
    char text[16];
    int64_t *sum, value;
};

static void square(eddy_coro *co)
{
    eddy_begin(square);
    snprintf(self->text, sizeof self->text, "%d", self->number);
    eddy_await(self->value,
               eddy_call(co, ask, .pool = self->pool, .query = "SELECT $1::int * $1::int",
                         .parameter = self->text));
    *self->sum += self->value;
    eddy_end;
}

eddy_frame(hears) {
    eddy_coro co;
    const char *where;
    eddy_event *listening;
    PGnotify *news;
};

static void hears(eddy_coro *co)
{
    eddy_begin(hears);
    eddy_for_each(self->news, on_pq_listen, .where = self->where, .channel = "news",
                  .listening = self->listening) {
        printf("heard %s\n", self->news->extra);
        break;
    }
    eddy_end;
}

eddy_frame(program) {
    eddy_coro co;
    const char *where;
    int count, i;
    struct on_pq_pool pool;
    eddy_group group;
    eddy_event listening;
    int64_t sum, rc;
};

static void program(eddy_coro *co)
{
    eddy_begin(program);
    eddy_await(on_pq_init(&self->pool, self->where, 4));
    eddy_with_group(&self->group) {
        for (self->i = 1; self->i <= self->count; self->i++) {
            eddy_group_spawn(co, &self->group, square, .pool = &self->pool, .number = self->i,
                             .sum = &self->sum);
        }
    }
    printf("the sum of %d squares is %lld\n", self->count, (long long)self->sum);

    eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND / 5,
                                       eddy_call(co, ask, .pool = &self->pool,
                                                 .query = "SELECT pg_sleep(60)")));
    eddy_await(self->sum,
               eddy_call(co, ask, .pool = &self->pool,
                         .query = "SELECT count(*) FROM pg_stat_activity "
                                  "WHERE state = 'active' AND query LIKE '%pg_sleep(60)'"));
    printf("a long query: %s; %lld of it run on\n",
           self->rc == -ETIMEDOUT ? "given up" : eddy_strerror(self->rc), (long long)self->sum);

    eddy_with_group(&self->group) {
        eddy_group_spawn(co, &self->group, hears, .where = self->where,
                         .listening = &self->listening);
        eddy_await(eddy_event_wait(co, &self->listening));
        eddy_await(eddy_call(co, ask, .pool = &self->pool,
                             .query = "SELECT pg_notify('news', 'it works')"));
    }
eddy_finally:
    on_pq_fini(&self->pool);
    eddy_end;
}

int main(int argc, char **argv)
{
    char *end = NULL;
    long count = argc > 2 ? strtol(argv[2], &end, 10) : 20;

    if (argc < 2 || argc > 3 || count < 1 || count > 10000 || (end != NULL && *end != '\0')) {
        fputs("usage: pq_shop CONNECTION [QUERIES]\n", stderr);
        return 2;
    }
    return eddy_run(program, .where = argv[1], .count = (int)count) < 0;
}
