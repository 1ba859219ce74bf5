/*
 * Who has the loop: a poll, from eddy_loop_enter to eddy_loop_leave, or, while a turn is cut in two,
 * whoever waits for its events, in another thread perhaps.
 *
 *     split       may touch `events` and what `waited` says of them     goes on by
 *     NONE        the loop's thread                                     eddy_loop_prepare -> PREPARED
 *     PREPARED    the loop's thread, until somebody begins to wait      eddy_loop_wait    -> WAITING
 *                                                                       a poll            -> NONE
 *     WAITING     the waiter; a poll is -EBUSY                          the wait's end    -> WAITED
 *     WAITED      the loop's thread, which finds the events there       a poll            -> NONE
 *                                                                       eddy_loop_prepare -> PREPARED
 *
 * All else of the loop is the loop's thread's throughout, so it may start timers and spawn while
 * another thread waits: what is due earlier than the waiter was told wakes it (eddy_split_changed).
 * The one word says who has what, with release where it is given away and acquire where it is taken;
 * so there is no lock, and a waiter touches nothing of the loop once it has said WAITED.
 */
#include "loop/loop_internal.h"

/* ---- polls */

int __attribute__((noinline)) eddy_loop_enter(eddy_loop *loop)
{
    int result;

    if (loop->running || loop->reporting) {
        eddy_loop_here(loop, "a poll or a run while another goes on");
        return -EBUSY;
    }
    result = eddy_loop_forked(loop) ? -ECHILD : eddy_split_end(loop);
    if (result < 0) {
        return result;
    }
    eddy_owner_take(loop);
    loop->running = true;
    loop->stack_base = __builtin_frame_address(0);
    loop->must_ask = true; /* a poll begins by asking */
    loop->more_to_tell = false;
    eddy_loop_read_clock(loop);
    loop->in_turn = true;
    return 0;
}

void eddy_loop_leave(eddy_loop *loop)
{
    loop->running = false;
    loop->leaving = false;
    loop->in_turn = false;
    loop->one_turn = false;
    loop->in_a_hurry = false;
    loop->stack_base = NULL;
    eddy_loop_mirror_deadline(loop);
}

/* ---- turns that are cut in two */

int eddy_loop_prepare(eddy_loop *loop, int64_t max_wait)
{
    int result;

    if (max_wait < 0) {
        return -EINVAL;
    }
    result = eddy_loop_enter(loop);
    if (result < 0) {
        return result;
    }
    if (!loop->waited) {
        eddy_hooks_run(loop, EDDY_HOOK_PREPARE);
        loop->asks++;
    }
    max_wait = eddy_ask_limited(loop, max_wait);
    loop->split_wait = max_wait;
    loop->split_timeout = eddy_ask_timeout(loop, max_wait);
    loop->split_at = loop->now;
    loop->split_until = loop->split_timeout == 0 ? INT64_MIN : eddy_timers_next(loop);
    eddy_loop_leave(loop);
    __atomic_store_n(&loop->split, EDDY_SPLIT_PREPARED, __ATOMIC_RELEASE);
    return 0;
}

int eddy_loop_wait(eddy_loop *loop)
{
    int prepared = EDDY_SPLIT_PREPARED;
    int error;

    if (eddy_loop_forked(loop)) {
        return -ECHILD;
    }
    if (!__atomic_compare_exchange_n(&loop->split, &prepared, EDDY_SPLIT_WAITING, false,
                                     __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        return -EINVAL;
    }
    if (!loop->waited) { /* what is there already would be overwritten */
        loop->waited_count = eddy_ask_kernel(loop, loop->split_timeout);
        loop->waited = true;
    }
    error = loop->waited_count < 0 && loop->waited_count != -EINTR ? loop->waited_count : 0;
    __atomic_store_n(&loop->split, EDDY_SPLIT_WAITED, __ATOMIC_RELEASE);
    return error; /* from here on the loop may be gone */
}

int eddy_split_end(eddy_loop *loop)
{
    int split = __atomic_load_n(&loop->split, __ATOMIC_ACQUIRE);

    if (split == EDDY_SPLIT_PREPARED) { /* nobody has waited, and nobody will */
        (void)__atomic_compare_exchange_n(&loop->split, &split, EDDY_SPLIT_NONE, false,
                                          __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE);
    }
    if (split == EDDY_SPLIT_WAITING) {
        return -EBUSY;
    }
    __atomic_store_n(&loop->split, EDDY_SPLIT_NONE, __ATOMIC_RELAXED);
    return 0;
}

void eddy_split_changed(eddy_loop *loop)
{
    int split = __atomic_load_n(&loop->split, __ATOMIC_RELAXED);

    if (loop->timerfd < 0 && (split == EDDY_SPLIT_PREPARED || split == EDDY_SPLIT_WAITING) &&
        eddy_loop_next_deadline(loop) < loop->split_until) {
        loop->split_until = INT64_MIN; /* once is enough */
        eddy_loop_wake(loop);
    }
}
