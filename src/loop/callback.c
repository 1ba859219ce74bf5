/*
 * Deferred calls, of the loop's thread and of others: one line, in the order of the calls.
 *
 * Messages of other threads are pushed on a stack with one atomic exchange of its head, and taken off
 * all at once; turned round they are in the order of the pushes. They are taken off once a look at
 * the kernel, and before anything is deferred on the loop's thread, for what was sent before that
 * runs before it.
 */
#include "eddy/callback.h"

#include <errno.h>

#include "loop/loop_internal.h"

/* What a node is, in ready.bits. */
enum {
    MESSAGE = 1 << 0, /* must be run, also at the end of the loop */
    OWN = 1 << 1      /* the library's: part of something that has its own end */
};

void eddy_callback_start(eddy_loop *loop, eddy_callback *callback, eddy_callback_fn *function)
{
    eddy_loop_here(loop, __func__);
    eddy_messages_receive(loop);
    callback->function = function;
    if (!eddy_link_used(&callback->ready.link)) {
        callback->ready.kind = EDDY_READY_CALLBACK;
        callback->ready.bits = 0;
        eddy_loop_append(loop, &callback->ready);
        eddy_loop_changed(loop);
    }
}

void eddy_callback_stop(eddy_callback *callback)
{
    if (eddy_link_used(&callback->ready.link)) {
        eddy_list_remove(&callback->ready.link);
    }
}

void eddy_callback_run(struct eddy_ready *ready)
{
    eddy_callback *callback = (eddy_callback *)(void *)ready;

    callback->function(callback);
}

static void push(eddy_loop *loop, eddy_callback *callback, eddy_callback_fn *function,
                 unsigned bits)
{
    eddy_callback *head = __atomic_load_n(&loop->messages, __ATOMIC_RELAXED);

    callback->function = function;
    callback->ready.kind = EDDY_READY_CALLBACK;
    callback->ready.bits = (uint16_t)bits;
    do {
        callback->next = head;
    } while (!__atomic_compare_exchange_n(&loop->messages, &head, callback, true, __ATOMIC_RELEASE,
                                          __ATOMIC_RELAXED));
    eddy_loop_wake(loop);
}

void eddy_loop_call_threadsafe(eddy_loop *loop, eddy_callback *callback, eddy_callback_fn *function)
{
    push(loop, callback, function, MESSAGE);
}

void eddy_loop_call_own(eddy_loop *loop, eddy_callback *callback, eddy_callback_fn *function)
{
    push(loop, callback, function, MESSAGE | OWN);
}

bool eddy_messages_waiting(eddy_loop *loop)
{
    return __atomic_load_n(&loop->messages, __ATOMIC_RELAXED) != NULL;
}

void eddy_messages_receive(eddy_loop *loop)
{
    eddy_callback *taken;
    eddy_callback *in_order = NULL;

    if (!eddy_messages_waiting(loop)) {
        return;
    }
    taken = __atomic_exchange_n(&loop->messages, NULL, __ATOMIC_ACQUIRE);
    while (taken != NULL) {
        eddy_callback *next = taken->next;
        taken->next = in_order;
        in_order = taken;
        taken = next;
    }
    for (; in_order != NULL; in_order = in_order->next) {
        eddy_loop_append(loop, &in_order->ready);
    }
}

/* ---- the end of the loop */

static bool is_message(const struct eddy_link *link)
{
    const struct eddy_ready *ready = (const struct eddy_ready *)(const void *)link;

    return ready->kind == EDDY_READY_CALLBACK && (ready->bits & MESSAGE) != 0;
}

static void move_messages(struct eddy_link *from, struct eddy_link *to)
{
    struct eddy_link *next;

    for (struct eddy_link *link = from->next; link != from; link = next) {
        next = link->next;
        if (is_message(link)) {
            eddy_list_remove(link);
            eddy_list_append(to, link);
        }
    }
}

bool eddy_messages_run(eddy_loop *loop)
{
    struct eddy_link messages = {0};
    struct eddy_link *link;
    bool any = false;

    eddy_messages_receive(loop);
    move_messages(&loop->batch, &messages);
    move_messages(&loop->ready, &messages);
    while ((link = eddy_list_first(&messages)) != NULL) {
        eddy_list_remove(link);
        eddy_callback_run((struct eddy_ready *)(void *)link);
        any = true;
    }
    return any;
}

static uint32_t count_messages(const struct eddy_link *list)
{
    uint32_t count = 0;

    for (const struct eddy_link *link = list->next; link != list; link = link->next) {
        const struct eddy_ready *ready = (const struct eddy_ready *)(const void *)link;
        count += is_message(link) && (ready->bits & OWN) == 0;
    }
    return count;
}

uint32_t eddy_messages_left(eddy_loop *loop)
{
    eddy_messages_receive(loop);
    return count_messages(&loop->batch) + count_messages(&loop->ready);
}

/* ---- waking */

void eddy_loop_wake(eddy_loop *loop)
{
    static const uint64_t one = 1;
    int saved = errno; /* a signal handler must not change it */

    /* The eventfd of a forked child is its parent's; eddy_loop_after_fork makes up for it. */
    if (__atomic_exchange_n(&loop->woken, 1, __ATOMIC_ACQ_REL) == 0 && !eddy_loop_forked(loop)) {
        /* It cannot fail: the counter is 0 or 1, so there is room. EINTR does not occur either,
         * for the write does not block. */
        (void)loop->sys->write(loop->sys, loop->wake_io.fd, &one, sizeof one);
    }
    errno = saved;
}

/* Somebody has closed the eventfd. A wake-up that was on its way is made up for. */
static void reopen_wake(eddy_loop *loop)
{
    int result;

    eddy_io_stop(&loop->wake_io);
    loop->watched++; /* as it was not counted, so it is not missed */
    result = eddy_wake_open(loop);
    if (result < 0) {
        loop->wake_io.fd = -1; /* what is written to the old number would be in another's file */
        eddy_loop_report(loop, (eddy_task){0}, result, "the loop cannot be woken any more");
        return;
    }
    if (__atomic_exchange_n(&loop->woken, 0, __ATOMIC_ACQ_REL) != 0) {
        eddy_loop_wake(loop);
    }
}

/* The eventfd is emptied before `woken` is cleared, and the messages are looked at after both: a
 * waker in between need not write, for what it pushed is seen. */
static void on_wake(eddy_io *io, unsigned events)
{
    uint64_t count;
    eddy_loop *loop = io->loop;

    if (events == EDDY_IO_GONE) {
        reopen_wake(loop);
        return;
    }
    (void)loop->sys->read(loop->sys, io->fd, &count, sizeof count);
    (void)__atomic_exchange_n(&loop->woken, 0, __ATOMIC_ACQ_REL);
}

int eddy_wake_open(eddy_loop *loop)
{
    int fd = eddy_above_stdio(loop, loop->sys->eventfd(loop->sys));
    int result;

    if (fd < 0) {
        return fd;
    }
    result = eddy_io_watch(loop, &loop->wake_io, fd, EDDY_READ, EDDY_IO_OWN, on_wake);
    if (result < 0) {
        loop->sys->close(loop->sys, fd);
        return result;
    }
    loop->watched--; /* it is no reason to ask the kernel: `woken` says as much */
    return 0;
}
