/*
 * A poll for fds only, which may stand inside of a callback of the loop: a program that computes for long
 * answers its clients meanwhile, and nothing of its own state moves.
 *
 * What was ready is set aside, so that the look at the kernel is taken as if nothing were; then the watchers
 * are picked out, and all else is put back where it was, in front of what has become ready. Nothing
 * knows of it: a member of a list leaves it without knowing which it is in, so a callback may stop or free
 * whatever it likes, also a watcher that is still to run here.
 *
 *     where             before               during the look     afterwards
 *     the batch         what this turn has   empty               the same, without watchers
 *     the ready list    the next turn's      what has come       both, without watchers
 *     `mine`                                                     watchers that are ready, to be run
 */
#include "loop/loop_internal.h"

static bool is_users_watcher(const struct eddy_link *link)
{
    return ((const struct eddy_ready *)(const void *)link)->kind == EDDY_READY_IO;
}

static void pick_watchers(struct eddy_link *from, struct eddy_link *to)
{
    struct eddy_link *next;

    for (struct eddy_link *link = eddy_list_front(from); link != from; link = next) {
        next = eddy_list_front(link);
        if (is_users_watcher(link)) {
            eddy_list_remove(link);
            eddy_list_append(to, link);
        }
    }
}

/* The look, with nothing ready before it. */
static int ask(eddy_loop *loop, int64_t max_wait, struct eddy_link *mine)
{
    struct eddy_link batch = {0};
    struct eddy_link ready = {0};
    bool in_turn = loop->in_turn;
    bool stands_still; /* virtual time, while something is ready */
    int result;

    pick_watchers(&loop->batch, mine);
    pick_watchers(&loop->ready, mine);
    stands_still = loop->clock->kind == EDDY_CLOCK_VIRTUAL && eddy_loop_has_ready(loop);
    eddy_list_splice(&batch, &loop->batch);
    eddy_list_splice(&ready, &loop->ready);
    loop->in_turn = false;
    result = eddy_loop_ask(loop, eddy_list_empty(mine) && !stands_still ? max_wait : 0);
    loop->in_turn = in_turn;
    pick_watchers(&loop->ready, mine);
    eddy_list_splice(&ready, &loop->ready);
    eddy_list_splice(&loop->ready, &ready);
    eddy_list_splice(&loop->batch, &batch);
    return result;
}

static int64_t run_watchers(eddy_loop *loop, struct eddy_link *mine)
{
    struct eddy_link *link;
    int64_t count = 0;

    while (!loop->stop && (link = eddy_list_first(mine)) != NULL) {
        eddy_list_remove(link);
        eddy_loop_run_ready(loop, (struct eddy_ready *)(void *)link);
        count++;
    }
    loop->counts.steps += (uint64_t)count;
    return count;
}

/* Those that were left because somebody said stop come first when the loop goes on. */
static void put_back(struct eddy_link *list, struct eddy_link *mine)
{
    eddy_list_splice(mine, list);
    eddy_list_splice(list, mine);
}

static int64_t poll(eddy_loop *loop, int64_t max_wait)
{
    struct eddy_link mine = {0};
    int64_t result = ask(loop, max_wait, &mine);
    int64_t count = run_watchers(loop, &mine);

    put_back(loop->leaving ? &loop->ready : &loop->batch, &mine);
    return result < 0 ? result : count;
}

int64_t eddy_loop_poll_fds(eddy_loop *loop, int64_t max_wait)
{
    int64_t result;

    if (max_wait < 0) {
        return -EINVAL;
    }
    /* inside a callback or a hook; while the loop ends it is refused as any other poll is */
    if (loop->in_turn && loop->current == NULL && !loop->reporting && !loop->closing) {
        eddy_loop_here(loop, __func__);
        return eddy_loop_forked(loop) ? -ECHILD : poll(loop, max_wait);
    }
    result = eddy_loop_enter(loop);
    if (result < 0) {
        return result;
    }
    result = loop->stop ? 0 : poll(loop, max_wait);
    loop->stop = false;
    eddy_loop_leave(loop);
    return result;
}
