/*
 * SDL has a queue of events and no fd, so it is SDL that sleeps, and a thread that sleeps for the loop
 * (eddy_loop_wait) and then pushes an event of its own. Both end together:
 *
 *     loop's thread                          the other
 *     eddy_loop_prepare
 *     post `begin`               ------>     eddy_loop_wait
 *     SDL_WaitEventTimeout       <------     SDL_PushEvent: the loop has something to do
 *     eddy_loop_wake, if SDL was first
 *     wait for `ended`           <------     post `ended`
 *     give events, eddy_loop_poll_once
 *
 * So between two calls of on_sdl_wait nobody waits, the loop may be polled in other ways, and `wake` is not in
 * the queue. A wake that finds the wait over already makes one more turn, of nothing.
 *
 * Events are left in SDL's queue until somebody wants one; from there they go straight into the frame of
 * who waits, together with his result. There is no moment at which a cancel could find one on its way.
 */
#include "on_sdl.h"

#include <errno.h>

enum { MOST_SLEEP_MS = 1000 }; /* in SDL, should the thread's event not get through */

static const int64_t MOST_WAIT =
    EDDY_SECOND / 10; /* beside events that nobody wants: SDL is to be pumped */

/* ---- events */

/* The next one of SDL's queue; false: there is none. */
static bool take(struct on_sdl *sdl, SDL_Event *event)
{
    while (SDL_PeepEvents(event, 1, SDL_GETEVENT, SDL_FIRSTEVENT, SDL_LASTEVENT) > 0) {
        if (event->type != sdl->wake) {
            return true;
        }
    }
    return false;
}

static void give(struct on_sdl *sdl)
{
    struct eddy_task_record *task;

    SDL_PumpEvents();
    while ((task = eddy_waiters_first(&sdl->line)) != NULL && take(sdl, task->with.value)) {
        eddy_wake(task, 0);
    }
}

static const struct eddy_wait_kind event_kind = {.name = "an event of SDL"};

int64_t on_sdl_next_event(eddy_coro *co, struct on_sdl *sdl, SDL_Event *event)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    eddy_check_pointer(co, event);
    if (eddy_waiters_first(&sdl->line) == NULL && take(sdl, event)) {
        return eddy_complete(co, 0);
    }
    result = eddy_park(co, &event_kind, sdl, &sdl->line);
    eddy_waiter(co)->with.value = event;
    return result;
}

/* ---- the thread that sleeps for the loop */

static int wait_for_loop(void *user)
{
    struct on_sdl *sdl = user;

    for (;;) {
        SDL_SemWait(sdl->begin);
        if (sdl->quit) {
            return 0;
        }
        (void)eddy_loop_wait(sdl->loop); /* the poll that follows returns its error, too */
        (void)SDL_PushEvent(&(SDL_Event){.type = sdl->wake}); /* refused: SDL's sleep has an end */
        SDL_SemPost(sdl->ended);
    }
}

static int start_thread(struct on_sdl *sdl)
{
    if (sdl->begin == NULL) {
        sdl->begin = SDL_CreateSemaphore(0);
    }
    if (sdl->ended == NULL) {
        sdl->ended = SDL_CreateSemaphore(0);
    }
    if (sdl->begin == NULL || sdl->ended == NULL) {
        return -ENOMEM;
    }
    sdl->thread = SDL_CreateThread(wait_for_loop, "eddy", sdl);
    return sdl->thread != NULL ? 0 : -EAGAIN;
}

/* ---- the two loops together */

/* Two types, for the first may be SDL_USEREVENT itself, which programs use without having registered it. */
int on_sdl_init(struct on_sdl *sdl, eddy_loop *loop)
{
    Uint32 types = SDL_RegisterEvents(2);

    *sdl = (struct on_sdl){.loop = loop, .wake = types + 1};
    return types != (Uint32)-1 ? 0 : -ENOSPC;
}

void on_sdl_fini(struct on_sdl *sdl)
{
    if (sdl->thread != NULL) {
        sdl->quit = true;
        SDL_SemPost(sdl->begin);
        SDL_WaitThread(sdl->thread, NULL);
    }
    if (sdl->begin != NULL) {
        SDL_DestroySemaphore(sdl->begin);
    }
    if (sdl->ended != NULL) {
        SDL_DestroySemaphore(sdl->ended);
    }
}

int64_t on_sdl_frame(struct on_sdl *sdl, int64_t budget)
{
    give(sdl);
    return eddy_loop_poll_once(sdl->loop, 0, budget);
}

static void sleep_in_both(struct on_sdl *sdl)
{
    SDL_SemPost(sdl->begin);
    (void)SDL_WaitEventTimeout(NULL, MOST_SLEEP_MS);
    if (SDL_SemTryWait(sdl->ended) != 0) {
        eddy_loop_wake(sdl->loop);
        SDL_SemWait(sdl->ended);
    }
    SDL_FlushEvent(sdl->wake);
}

int64_t on_sdl_wait(struct on_sdl *sdl, int64_t budget)
{
    SDL_Event event;
    int64_t result;

    give(sdl);
    if (SDL_PeepEvents(&event, 1, SDL_PEEKEVENT, SDL_FIRSTEVENT, SDL_LASTEVENT) > 0 ||
        eddy_loop_next_deadline(sdl->loop) <= eddy_loop_now(sdl->loop)) {
        return eddy_loop_poll_once(sdl->loop, MOST_WAIT, budget);
    }
    result = sdl->thread != NULL ? 0 : start_thread(sdl);
    if (result == 0) {
        result = eddy_loop_prepare(sdl->loop, EDDY_FOREVER);
    }
    if (result < 0) {
        return result;
    }
    sleep_in_both(sdl);
    return on_sdl_frame(sdl, budget);
}
