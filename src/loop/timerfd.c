/*
 * The next deadline, and the timerfd that mirrors it for those who sleep on the loop's fd.
 *
 * A foreign main loop that watches the fd hears of events by it, but not of time, unless time is an
 * event, too: with EDDY_LOOP_TIMERFD a timerfd in the loop's set stands at the next deadline. It is
 * set only outside of a poll, for inside the loop knows: once at its end, and whenever a call from
 * outside moves the deadline (eddy_loop_changed).
 *
 *     timerfd_deadline     where the timerfd stands
 *     EDDY_FOREVER         disarmed, or fired and read
 *     later than now       armed
 *     now or earlier       it has told, or is about to: any other deadline that is past is the same
 */
#include "loop/loop_internal.h"

int64_t eddy_loop_next_deadline(eddy_loop *loop)
{
    eddy_loop_here(loop, __func__);
    if (eddy_loop_has_ready(loop) || !eddy_list_empty(&loop->always) ||
        eddy_messages_waiting(loop)) {
        return loop->now;
    }
    return eddy_timers_next(loop);
}

/* ---- the timerfd */

/* How the system's clock says a deadline, which is a time for it: 0 would disarm. */
static int64_t to_system(const eddy_loop *loop, int64_t deadline)
{
    if (deadline == EDDY_FOREVER) {
        return 0;
    }
    return deadline > loop->behind ? deadline - loop->behind : 1;
}

/* A deadline that is past is the next nanosecond; one that the timerfd stands at already, or has
 * told and was not read since, needs no call. If the call fails, the next change tries again. */
void eddy_loop_mirror_deadline(eddy_loop *loop)
{
    int64_t deadline;

    if (loop->timerfd < 0 || eddy_loop_forked(loop)) {
        return;
    }
    deadline = eddy_loop_next_deadline(loop);
    if (deadline == loop->timerfd_deadline ||
        (deadline <= loop->now && loop->timerfd_deadline <= loop->now)) {
        return;
    }
    if (loop->sys->timerfd_settime(loop->sys, loop->timerfd, to_system(loop, deadline)) == 0) {
        loop->timerfd_deadline = deadline;
    }
}

/* A timer of the timerfd has only one use: it makes the epoll fd readable. */
static void on_timerfd(eddy_io *io, unsigned events)
{
    eddy_loop *loop = io->loop;
    uint64_t count;
    int result;

    loop->timerfd_deadline = EDDY_FOREVER;
    if (events != EDDY_IO_GONE) {
        (void)loop->sys->read(loop->sys, io->fd, &count, sizeof count);
        return;
    }
    eddy_io_stop(io);
    loop->watched++; /* as it was not counted, so it is not missed */
    result = eddy_timerfd_open(loop);
    if (result < 0) {
        eddy_loop_report(loop, (eddy_task){0}, result, "the loop has no timerfd any more");
    }
    eddy_loop_mirror_deadline(loop);
}

int eddy_timerfd_open(eddy_loop *loop)
{
    int result;

    loop->timerfd_deadline = EDDY_FOREVER;
    if ((loop->flags & EDDY_LOOP_TIMERFD) == 0) {
        return 0;
    }
    loop->timerfd = eddy_above_stdio(
        loop, loop->sys->timerfd_create(loop->sys, loop->clock->kind == EDDY_CLOCK_BOOTTIME
                                                       ? CLOCK_BOOTTIME
                                                       : CLOCK_MONOTONIC));
    if (loop->timerfd < 0) {
        return loop->timerfd;
    }
    result =
        eddy_io_watch(loop, &loop->timer_io, loop->timerfd, EDDY_READ, EDDY_IO_OWN, on_timerfd);
    if (result < 0) {
        (void)loop->sys->close(loop->sys, loop->timerfd);
        loop->timerfd = -1;
        return result;
    }
    loop->watched--; /* as that of the wake-up: it is no reason to ask the kernel by itself */
    return 0;
}
