/* What the tests of timers share. */
#ifndef EDDY_TESTING_TIMER_H
#define EDDY_TESTING_TIMER_H

#include "support/testing.h"

#include "eddy/timer.h"

const char *name_of(const eddy_timer *timer);

/* Callbacks: "a", "a@10", and "@10:2" (time and missed ticks). */
void log_name(eddy_timer *timer);
void log_name_and_time(eddy_timer *timer);
void log_missed(eddy_timer *timer);

/* Moves a manual clock and runs one turn. */
void advance(int64_t duration);

static inline void start(eddy_timer *timer, int64_t delay, eddy_timer_fn *callback)
{
    assert_int_equal(eddy_timer_start(testing.loop, timer, delay, callback), 0);
}

static inline void start_periodic(eddy_timer *timer, int64_t period, enum eddy_timer_mode mode,
                                  eddy_timer_fn *callback)
{
    assert_int_equal(eddy_timer_start_periodic(testing.loop, timer, period, mode, callback), 0);
}

#endif
