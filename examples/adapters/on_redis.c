/*
 * hiredis asks to be told when its socket can be read or written, and calls back for each reply.
 *
 * It frees a reply when that callback returns, and a coroutine runs later than that. So the function by which a
 * connection frees its replies leaves alone the one that was taken: the coroutine frees it.
 *
 * A command has a record of its own, for its answer comes also if nobody waits for it any more.
 */
#include "on_redis.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct command {
    struct eddy_task_record *task; /* who waits; NULL: cancelled */
    redisReply **reply;            /* where the reply goes */
};

/* ---- the socket */

static void on_socket(eddy_io *io, unsigned events)
{
    struct on_redis *redis = io->user;

    if ((events & EDDY_READ) != 0) {
        redisAsyncHandleRead(redis->context); /* which may be the end of the connection */
    }
    if ((events & EDDY_WRITE) != 0 && redis->context != NULL && eddy_io_started(io)) {
        redisAsyncHandleWrite(redis->context);
    }
}

static void on_give_up(eddy_callback *callback)
{
    on_redis_close(callback->user);
}

/* Begins or ends to watch for something. Without memory the connection is given up. */
static void watch(struct on_redis *redis, unsigned add, unsigned remove)
{
    unsigned interest = (redis->interest | add) & ~remove;
    int result;

    if (interest == redis->interest) {
        return;
    }
    result = eddy_io_started(&redis->io)
                 ? eddy_io_change(&redis->io, interest)
                 : eddy_io_start(redis->loop, &redis->io, redis->fd, interest, on_socket);
    if (result == 0) {
        redis->interest = interest;
    } else { /* nobody would ever be told: it is given up as soon as hiredis has returned */
        eddy_callback_start(redis->loop, &redis->give_up, on_give_up);
    }
}

static void add_read(void *user)
{
    watch(user, EDDY_READ, 0);
}

static void del_read(void *user)
{
    watch(user, 0, EDDY_READ);
}

static void add_write(void *user)
{
    watch(user, EDDY_WRITE, 0);
}

static void del_write(void *user)
{
    watch(user, 0, EDDY_WRITE);
}

/* hiredis closes the socket after this, and frees the context after it has called back for all commands. */
static void cleanup(void *user)
{
    struct on_redis *redis = user;

    eddy_io_stop(&redis->io);
    eddy_callback_stop(&redis->give_up);
    redis->interest = 0;
    redis->context = NULL;
}

/* ---- connecting */

static int error_of(const redisAsyncContext *context)
{
    switch (context->err) {
    case REDIS_ERR_IO:
        return errno > 0 ? -errno : -EIO;
    case REDIS_ERR_OOM:
        return -ENOMEM;
    default:
        return -EIO;
    }
}

static void on_connected(const redisAsyncContext *context, int status)
{
    struct on_redis *redis = context->data;
    struct eddy_task_record *task = redis->connecting;

    redis->connecting = NULL;
    if (task != NULL) { /* after an error hiredis frees the context */
        eddy_wake(task, status == REDIS_OK ? 0 : error_of(context));
    }
}

/* A connection that nobody waits for is of no use. */
static int cancel_connect(struct eddy_task_record *task)
{
    struct on_redis *redis = eddy_wait_object(task);

    redis->connecting = NULL;
    on_redis_close(redis);
    return 1;
}

static const struct eddy_wait_kind connect_kind = {
    .name = "redis: connecting",
    .abort = cancel_connect,
};

/* hiredis knows how to free a reply by a table, of which each connection has a pointer. */
static redisReply *taken; /* the reply that the callback which runs has taken */
static redisReplyObjectFunctions functions;
static void (*free_reply)(void *);

static void free_unless_taken(void *reply)
{
    if (reply != taken) {
        free_reply(reply);
    }
}

static void keep_taken_replies(redisAsyncContext *context)
{
    if (free_reply == NULL) {
        functions = *context->c.reader->fn;
        free_reply = functions.freeObject;
        functions.freeObject = free_unless_taken;
    }
    context->c.reader->fn = &functions;
}

int64_t on_redis_connect(eddy_coro *co, struct on_redis *redis, const char *host, int port)
{
    redisAsyncContext *context;
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    if (redis->context != NULL) {
        return -EBUSY;
    }
    context = redisAsyncConnect(host, port);
    if (context == NULL) {
        return -ENOMEM;
    }
    if (context->err != 0) {
        result = error_of(context);
        redisAsyncFree(context);
        return result;
    }
    redis->context = context;
    redis->loop = eddy_loop_of(co);
    redis->fd = context->c.fd;
    redis->io.user = redis;
    redis->give_up.user = redis;
    context->data = redis;
    context->ev.data = redis;
    context->ev.addRead = add_read;
    context->ev.delRead = del_read;
    context->ev.addWrite = add_write;
    context->ev.delWrite = del_write;
    context->ev.cleanup = cleanup;
    keep_taken_replies(context);
    redis->connecting = eddy_waiter(co);
    redisAsyncSetConnectCallback(context,
                                 on_connected); /* asks to be told when it can be written */
    return eddy_park(co, &connect_kind, redis, NULL);
}

/* ---- commands */

static void on_reply(redisAsyncContext *context, void *reply, void *user)
{
    struct command *command = user;

    (void)context;
    if (command->task != NULL) {
        *command->reply = reply;
        taken = reply;
        eddy_wake(command->task, reply != NULL ? 0 : -ECONNRESET);
    } else {
        taken = NULL;
    }
    free(command);
}

static int cancel_command(struct eddy_task_record *task)
{
    struct command *command = eddy_wait_object(task);

    command->task = NULL; /* its answer is dropped */
    return 1;
}

static const struct eddy_wait_kind command_kind = {
    .name = "redis: a reply",
    .abort = cancel_command,
};

int64_t on_redis_command(eddy_coro *co, struct on_redis *redis, redisReply **reply,
                         const char *format, ...)
{
    struct command *command;
    va_list arguments;
    int64_t result = eddy_check(co);
    int sent;

    if (result < 0) {
        return result;
    }
    if (redis->context == NULL || redis->connecting != NULL) {
        return -ENOTCONN;
    }
    command = malloc(sizeof *command);
    if (command == NULL) {
        return -ENOMEM;
    }
    command->task = eddy_waiter(co);
    command->reply = reply;
    va_start(arguments, format);
    sent = redisvAsyncCommand(redis->context, on_reply, command, format, arguments);
    va_end(arguments);
    if (sent != REDIS_OK) {
        free(command);
        return redis->context == NULL ? -ENOTCONN : -ENOMEM;
    }
    return eddy_park(co, &command_kind, command, NULL);
}

void on_redis_close(struct on_redis *redis)
{
    if (redis->context != NULL) {
        redisAsyncFree(redis->context); /* calls on_reply for each command, without a reply */
    }
}
