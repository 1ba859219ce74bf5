/*
 * A loop's life: how it is made, how it is taken apart, and small things that are in no other file.
 *
 * Nothing of a loop is outside of its struct and the memory of its pool; there are no globals. The
 * struct itself comes from the allocator by a pool on the stack, and goes back by a copy of its pool.
 *
 * Freeing is in this order, since each step may still need what the next takes away:
 *
 *     1  end.c             tasks are cancelled and run to their ends, messages run
 *     2  attachments       signals, workers (their threads are joined: they send messages)
 *     3  what is told      messages that came too late, what nobody stopped
 *     4  ends              queues and the like, which live in memory of the program's
 *     5  task records      tasks that were cut off, and what their scopes hold
 *     6  hooks, lists      the program's structs, marked as started nowhere
 *     7  kernel side       watchers, then the fds; then the pool, and with it all memory
 *
 * From 1 on `closing` is set. What fails half-way while a loop is made goes by the same way: all that
 * 7 takes away knows whether it is there.
 */
#include "eddy/loop.h"

#include <string.h>

#include "loop/look.h"

static const int64_t DEFAULT_SHUTDOWN_TIMEOUT = 10 * EDDY_SECOND;

/* ---- making and freeing */

static void init(eddy_loop *loop, const struct eddy_loop_options *options)
{
    memset(loop, 0, sizeof *loop);
    eddy_pool_init(&loop->pool, options->allocate, options->allocate_user);
    eddy_timers_init(loop);
    eddy_list_init(&loop->ready);
    eddy_list_init(&loop->batch);
    loop->clock = options->clock != NULL ? options->clock : &loop->own_clock;
    loop->sys = options->sys != NULL ? options->sys : eddy_sys_default();
    loop->on_error = options->on_error;
    loop->user = options->user;
    loop->flags = options->flags;
    loop->shuffle = options->shuffle_seed * 0x9E3779B97F4A7C15u; /* odd: 0 stays the only 0 */
    loop->shutdown_timeout =
        options->shutdown_timeout > 0 ? options->shutdown_timeout : DEFAULT_SHUTDOWN_TIMEOUT;
    loop->ask_interval = 1;
    loop->most_events = (int)options->most_events;
    loop->room = EVENTS_A_TURN;
    loop->wait_limit = EDDY_FOREVER;
    loop->stalled_at = EDDY_FOREVER;
    loop->real_now = loop->now = INT64_MIN;
    loop->epoll = -1;
    loop->outer = -1;
    loop->timerfd = -1;
}

static int open_kernel_side(eddy_loop *loop)
{
    int result = eddy_fork_open(loop);

    if (result < 0) {
        return result;
    }
    result = eddy_stdio_hold(loop);
    if (result < 0) {
        return result;
    }
    loop->epoll = eddy_above_stdio(loop, loop->sys->epoll_create(loop->sys));
    if (loop->epoll < 0) {
        return loop->epoll;
    }
    result = eddy_wake_open(loop);
    return result < 0 ? result : eddy_timerfd_open(loop);
}

static void close_fd(eddy_loop *loop, int fd)
{
    if (fd >= 0) {
        loop->sys->close(loop->sys, fd);
    }
}

/* Frees what open_kernel_side made, also after half of it. */
static void fini(eddy_loop *loop)
{
    struct eddy_pool pool;
    int wake_fd = loop->wake_io.loop != NULL ? loop->wake_io.fd : -1;

    eddy_io_fini(loop);
    close_fd(loop, wake_fd);
    close_fd(loop, loop->timerfd);
    close_fd(loop, loop->outer);
    close_fd(loop, loop->epoll);
    eddy_stdio_release(loop);
    eddy_fork_close(loop);
    eddy_timers_fini(loop);
    eddy_look_forget_places(loop);
    eddy_pool_fini(&loop->pool);
    pool = loop->pool;
    eddy_pool_resize(&pool, loop, sizeof *loop, 0);
}

static int check_options(const struct eddy_loop_options *options)
{
    const unsigned known =
        EDDY_LOOP_TIMERFD | EDDY_LOOP_CHECK | EDDY_LOOP_POISON_STACK | EDDY_LOOP_REPORT_LEAKS;
    enum eddy_clock_kind kind =
        options->clock != NULL ? options->clock->kind : EDDY_CLOCK_MONOTONIC;

    if ((options->flags & ~known) != 0 || options->shutdown_timeout < 0 ||
        options->most_events > EVENTS_A_TURN) {
        return -EINVAL;
    }
    /* Only time that passes by itself can be mirrored. */
    return (options->flags & EDDY_LOOP_TIMERFD) != 0 && kind != EDDY_CLOCK_MONOTONIC &&
                   kind != EDDY_CLOCK_BOOTTIME
               ? -EINVAL
               : 0;
}

int eddy_loop_new_versioned(eddy_loop **out, const struct eddy_loop_options *options,
                            unsigned version, size_t options_size)
{
    static const struct eddy_loop_options defaults;
    struct eddy_pool bootstrap;
    eddy_loop *loop;
    int result;

    *out = NULL;
    options = options != NULL ? options : &defaults;
    if (version != EDDY_VERSION || options_size != sizeof *options || check_options(options) < 0) {
        return -EINVAL;
    }
    eddy_pool_init(&bootstrap, options->allocate, options->allocate_user);
    loop = eddy_pool_resize(&bootstrap, NULL, 0, sizeof *loop);
    if (loop == NULL) {
        return -ENOMEM;
    }
    init(loop, options);
    result = open_kernel_side(loop);
    if (result < 0) {
        fini(loop);
        return result;
    }
    (void)eddy_loop_read_clock(loop);
    loop->counts = (struct eddy_counts){.made_at = loop->now};
    loop->epoch = (uint32_t)loop->sys->clock_now(loop->sys, CLOCK_MONOTONIC);
    *out = loop;
    return 0;
}

/* Takes everything out of a list of ready things; the structs are the caller's. */
static void empty_list(struct eddy_link *list)
{
    struct eddy_link *link;

    while ((link = eddy_list_first(list)) != NULL) {
        struct eddy_ready *ready = (struct eddy_ready *)(void *)link;
        eddy_list_remove(link);
        if (ready->kind == EDDY_READY_TIMER) {
            ((eddy_timer *)(void *)ready)->loop = NULL;
        }
    }
}

static void close_attachments(eddy_loop *loop)
{
    struct eddy_link *link;

    while (!eddy_list_empty(&loop->attachments)) {
        link = eddy_list_back(&loop->attachments);
        eddy_list_remove(link);
        ((struct eddy_attachment *)(void *)link)
            ->close(loop, (struct eddy_attachment *)(void *)link);
    }
}

static void tell_of_end(eddy_loop *loop)
{
    struct eddy_loop_end *end;

    while (!eddy_list_empty(&loop->ends)) {
        end = (struct eddy_loop_end *)(void *)eddy_list_back(&loop->ends);
        eddy_list_remove(&end->link);
        end->told(end, loop);
    }
}

int eddy_loop_free(eddy_loop *loop)
{
    int result = 0;

    if (loop == NULL) {
        return 0;
    }
    if (loop->running || loop->closing || loop->reporting) {
        eddy_loop_here(loop, __func__);
        return -EBUSY;
    }
    eddy_owner_take(loop);
    result = eddy_loop_forked(loop) ? -ECHILD : eddy_split_end(loop);
    if (result < 0) {
        return result;
    }
    loop->closing = true;
    loop->stop = false;
    result = eddy_loop_end(loop);
    if (loop->task_class != NULL) {
        loop->task_class->forget_waits(loop);
    }
    close_attachments(loop);
    eddy_messages_tell_left(loop);
    eddy_unstarted_tell_left(loop);
    eddy_look_tell_leaks(loop);
    tell_of_end(loop);
    if (loop->task_class != NULL) {
        loop->task_class->fini(loop);
    }
    eddy_hooks_fini(loop);
    empty_list(&loop->batch);
    empty_list(&loop->ready);
    fini(loop);
    return result;
}

void *eddy_loop_user(const eddy_loop *loop)
{
    return loop->user;
}

struct eddy_attachment *eddy_loop_attachment(eddy_loop *loop, const void *key)
{
    for (struct eddy_link *link = eddy_list_first(&loop->attachments);
         link != NULL && link != &loop->attachments; link = link->next) {
        struct eddy_attachment *attachment = (struct eddy_attachment *)(void *)link;
        if (attachment->key == key) {
            return attachment;
        }
    }
    return NULL;
}

/* ---- time */

int64_t eddy_loop_update(eddy_loop *loop)
{
    eddy_loop_here(loop, __func__);
    return eddy_loop_read_clock(loop);
}

int64_t eddy_loop_now(eddy_loop *loop)
{
    eddy_loop_here(loop, __func__);
    return eddy_loop_now_inline(loop);
}

/* ---- small things */

void eddy_loop_hold(eddy_loop *loop)
{
    eddy_loop_here(loop, __func__);
    loop->holds++;
}

void eddy_loop_release(eddy_loop *loop)
{
    eddy_loop_here(loop, __func__);
    loop->holds -= loop->holds > 0;
}
