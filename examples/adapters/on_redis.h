/*
 * hiredis on an eddy loop: commands that are awaited, and pipelined by as many tasks as like.
 *
 *     struct on_redis redis = {0};
 *     redisReply *reply;                                     // in the frame
 *
 *     eddy_await(on_redis_connect(co, &redis, "127.0.0.1", 6379));
 *     eddy_await(on_redis_command(co, &redis, &self->reply, "GET %s", key));
 *     puts(self->reply->str);
 *     freeReplyObject(self->reply);
 *     on_redis_close(&redis);
 *
 * Commands of several tasks go out in one write, and are answered in their order: one connection serves all.
 *
 * A cancel ends the wait at once. It does not take the command back: Redis may have run it, and its answer is
 * dropped when it comes; the commands behind it are not disturbed.
 */
#ifndef ON_REDIS_H
#define ON_REDIS_H

#include <hiredis/async.h>

#include <eddy.h>

/* A connection. The caller owns it, zeroed; it must stay until it is closed. All of it is private. */
struct on_redis {
    redisAsyncContext *context; /* NULL: not connected, or lost */
    eddy_loop *loop;
    eddy_io io;
    eddy_callback give_up;               /* started: the connection cannot be watched */
    int fd;                              /* of the connection */
    unsigned interest;                   /* what hiredis wants to be told */
    struct eddy_task_record *connecting; /* who waits for it */
};

/* An operation: connects. 0; -ECANCELED; -ENOMEM; -EBUSY: it is connected; -EIO and the like, as errno of hiredis. */
EDDY_MUST_USE int64_t on_redis_connect(eddy_coro *co, struct on_redis *redis, const char *host,
                                       int port);

/* An operation: sends a command, as redisCommand formats it, and waits for its reply, which is the caller's to
 * free. 0, also if the reply is an error of Redis's (REDIS_REPLY_ERROR); -ENOTCONN: there is no connection;
 * -ECONNRESET: it was lost before the reply came; -ENOMEM; -ECANCELED. */
EDDY_MUST_USE int64_t on_redis_command(eddy_coro *co, struct on_redis *redis, redisReply **reply,
                                       const char *format, ...);

/* Closes the connection; who waits for a reply gets -ECONNRESET. Nothing if there is none. */
void on_redis_close(struct on_redis *redis);

#endif
