/*
 * An eddy loop inside SDL's, and SDL's events as awaits.
 *
 *     struct on_sdl sdl = {0};
 *     SDL_Event event;                                     // in the frame
 *
 *     on_sdl_init(&sdl, loop);                             // after SDL_Init
 *     while (running) {                                    // a game: by frames
 *         on_sdl_frame(&sdl, 2 * EDDY_MILLISECOND);
 *         draw();
 *     }
 *     while (running) {                                    // an application: sleeps until something happens
 *         on_sdl_wait(&sdl, EDDY_FOREVER);
 *     }
 *     eddy_loop_free(loop);
 *     on_sdl_fini(&sdl);
 *
 *     eddy_await(on_sdl_next_event(co, sdl, &self->event));    // in a task
 *
 * One program may do both, such as a game that sleeps while it is paused.
 *
 * Events that no task waits for stay in SDL's own queue, for the next task that does or for the program's
 * SDL_PollEvent. A cancel or time-out ends the wait for one and takes none with it: either the task has
 * the event, or the event is still in the queue, in its place.
 */
#ifndef ON_SDL_H
#define ON_SDL_H

#include <SDL.h>

#include <eddy.h>

/* The caller owns it, zeroed; it must stay while tasks wait for events. All of it is private. */
struct on_sdl {
    eddy_loop *loop;
    struct eddy_waiters
        line;    /* who waits for an event; not empty: SDL's queue was, when last looked at */
    Uint32 wake; /* the type of the event by which the thread ends SDL's sleep */
    SDL_Thread *thread; /* sleeps for the loop while SDL sleeps; NULL: nobody has slept yet */
    SDL_sem *begin;     /* posted by the loop's thread: wait for the loop, or quit */
    SDL_sem *ended;     /* posted by the other: the wait is over, and `wake` in SDL's queue */
    bool quit;          /* set before `begin` is posted for the last time */
};

/* Begins, on the thread that has called SDL_Init and polls the loop. 0; -ENOSPC: SDL has no type of event left. */
int on_sdl_init(struct on_sdl *sdl, eddy_loop *loop);

/* Ends the thread, if there is one. No task may wait for an event: free the loop before, or join its tasks. */
void on_sdl_fini(struct on_sdl *sdl);

/* One frame: takes in what SDL has (SDL_PumpEvents), gives events to those who wait for them, and polls the loop
 * (eddy_loop_poll_once) without waiting. Returns what that does: how many steps have run, or an error. */
int64_t on_sdl_frame(struct on_sdl *sdl, int64_t budget);

/*
 * Likewise, but first sleeps until SDL or the loop has something to do: in SDL_WaitEventTimeout, and for the
 * loop in a thread of its own, which the first call starts. While there are events that no task wants, it
 * sleeps for the loop alone, for a tenth of a second at most: who polls SDL's events himself leaves none. It may
 * return without cause, at least once a second. A filter (SDL_SetEventFilter) must let types through that it does
 * not know, or the loop is late by up to a second.
 *
 * Errors of eddy_loop_prepare and eddy_loop_poll_once; -ENOMEM, -EAGAIN: there is no thread, and nothing was
 * done.
 */
int64_t on_sdl_wait(struct on_sdl *sdl, int64_t budget);

/* An operation: the next event, into memory that must stay until then: 0; -ECANCELED. Those who wait get one each,
 * first come, first served. What an event owns (the name of SDL_DROPFILE, say) is the task's to free. After an
 * error the memory is undefined. */
EDDY_MUST_USE int64_t on_sdl_next_event(eddy_coro *co, struct on_sdl *sdl, SDL_Event *event);

#endif
