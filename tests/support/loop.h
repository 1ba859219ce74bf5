/* What the tests of the loop share: one of each kind, that logs what it is; loops on other clocks. */
#ifndef EDDY_TESTING_LOOP_H
#define EDDY_TESTING_LOOP_H

#include "support/testing.h"

#include "eddy/callback.h"
#include "eddy/io.h"
#include "eddy/timer.h"

#define MS EDDY_MILLISECOND

/* ---- one of each kind, that logs what it is */

void log_callback(eddy_callback *callback);
void log_timer(eddy_timer *timer);
void log_timer_and_time(eddy_timer *timer);
void log_hook(eddy_hook *hook);
void log_io(eddy_io *io, unsigned events);

void start_timer(eddy_timer *timer, int64_t delay); /* logs name and time */

/* A watcher of a pipe: poke(watched.fds[1]) makes it ready; its callback drains it. */
struct watched {
    eddy_io io;
    int fds[2];
};

extern struct watched watched;

void start_watched(void);
void stop_watched(void);
void poke_watched(void);

/* What start_letters starts: callbacks that are named "a", "b", ... */
extern eddy_callback letters[8];

void start_letters(int count, eddy_callback_fn *function);

enum { WARM_UP = 1400 };

/* A callback that runs for ever, so that every turn finds something ready. After its warm-up it
 * does something, and it stops the loop when that was heard of, or at last. */
struct busy {
    eddy_callback callback;
    void (*after_warm_up)(void);
    unsigned steps, last;
    int64_t cost; /* real time that a step takes */
};

extern struct busy busy;

void start_busy(unsigned last, int64_t cost, void (*after_warm_up)(void));

/* ---- calls that must not be made inside the loop */

/* Logs the results of poll, run and free; the callback is not used. */
void run_tests_nested(eddy_callback *callback);

/* They all were -EBUSY. */
void assert_all_busy(void);

/* ---- the loop and its clock */

/* A loop on a monotonic clock that stands at 0 and moves only when the kernel "sleeps". */
void real_time_loop(unsigned flags);

/* The timerfd is the kernel's: these run on the true clock, but wait for a nanosecond only. */
void true_time_loop_with_timerfd(void);

bool loop_fd_is_readable(void);

/* Sleeps in poll(2) until the loop's fd is readable, on the true clock; ten seconds are for ever. */
bool loop_fd_becomes_readable(void);

#endif
