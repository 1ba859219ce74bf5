/*
 * Counts in Redis with many tasks on one connection, by hiredis on an eddy loop.
 *
 *     redis_count PORT [TASKS [TIMES]]      ten tasks, a hundred times each, unless it says otherwise
 *
 * Each task adds one to the key "eddy:count", again and again; what the key holds in the end is printed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "on_redis.h"

/* Sends one command and gives the number that is the answer. */
eddy_frame(number) {
    eddy_coro co;
    struct on_redis *redis;
    const char *command;
    redisReply *reply;
    int64_t value;
};

static void number(eddy_coro *co)
{
    eddy_begin(number);
    eddy_await(on_redis_command(co, self->redis, &self->reply, self->command));
    if (self->reply->type == REDIS_REPLY_ERROR) {
        eddy_fail(co, -EIO, "%s", self->reply->str);
    }
    self->value = self->reply->type == REDIS_REPLY_STRING ? strtoll(self->reply->str, NULL, 10)
                                                          : self->reply->integer;
    eddy_return(self->value);
eddy_finally:
    if (self->reply != NULL) {
        freeReplyObject(self->reply);
    }
    eddy_end;
}

eddy_frame(counts) {
    eddy_coro co;
    struct on_redis *redis;
    int times;
};

static void counts(eddy_coro *co)
{
    eddy_begin(counts);
    while (self->times-- > 0) {
        eddy_await(eddy_call(co, number, .redis = self->redis, .command = "INCR eddy:count"));
    }
    eddy_end;
}

eddy_frame(program) {
    eddy_coro co;
    int port, tasks, times, i;
    struct on_redis redis;
    eddy_group group;
    int64_t value;
};

static void program(eddy_coro *co)
{
    eddy_begin(program);
    eddy_await(eddy_wait_for(co, 5 * EDDY_SECOND,
                             on_redis_connect(co, &self->redis, "127.0.0.1", self->port)));
    eddy_await(eddy_call(co, number, .redis = &self->redis, .command = "DEL eddy:count"));
    eddy_with_group(&self->group) {
        for (self->i = 0; self->i < self->tasks; self->i++) {
            eddy_group_spawn(co, &self->group, counts, .redis = &self->redis, .times = self->times);
        }
    }
    eddy_await(self->value,
               eddy_call(co, number, .redis = &self->redis, .command = "GET eddy:count"));
    printf("%lld\n", (long long)self->value);
eddy_finally:
    on_redis_close(&self->redis);
    eddy_end;
}

static int to_number(const char *text, int most)
{
    char *end;
    long value = strtol(text, &end, 10);

    return end == text || *end != '\0' || value < 1 || value > most ? -1 : (int)value;
}

int main(int argc, char **argv)
{
    int port = argc > 1 ? to_number(argv[1], 65535) : -1;
    int tasks = argc > 2 ? to_number(argv[2], 100000) : 10;
    int times = argc > 3 ? to_number(argv[3], 100000) : 100;

    if (argc > 4 || port < 0 || tasks < 0 || times < 0) {
        fputs("usage: redis_count PORT [TASKS [TIMES]]\n", stderr);
        return 2;
    }
    return eddy_run(program, .port = port, .tasks = tasks, .times = times) < 0;
}
