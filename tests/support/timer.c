#include "timer.h"

const char *name_of(const eddy_timer *timer)
{
    return timer->user;
}

void log_name(eddy_timer *timer)
{
    testing_log("%s", name_of(timer));
}

void log_name_and_time(eddy_timer *timer)
{
    testing_log("%s@%lld", name_of(timer), (long long)eddy_loop_now(testing.loop));
}

void log_missed(eddy_timer *timer)
{
    testing_log("@%lld:%llu", (long long)eddy_loop_now(testing.loop),
                (unsigned long long)timer->missed);
}

void advance(int64_t duration)
{
    eddy_clock_advance(&testing.clock, duration);
    (void)testing_turn();
}
