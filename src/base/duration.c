/* How long something takes, in two units at most: what people read in a dump is rounded down, so
 * that a deadline never looks further away than it is. */
#include "base/duration.h"

#include <stdio.h>

#include "eddy/clock.h"

static void two_units(char text[EDDY_DURATION_TEXT], int64_t count, int64_t base, const char *large,
                      const char *small)
{
    snprintf(text, EDDY_DURATION_TEXT, "%lld %s %02d %s", (long long)(count / base), large,
             (int)(count % base), small);
}

void eddy_duration_format(char text[EDDY_DURATION_TEXT], int64_t duration)
{
    int64_t milliseconds = duration / EDDY_MILLISECOND;
    int64_t minutes = duration / (60 * EDDY_SECOND);

    if (duration == EDDY_FOREVER) {
        snprintf(text, EDDY_DURATION_TEXT, "for ever");
    } else if (milliseconds < 1000) {
        snprintf(text, EDDY_DURATION_TEXT, "%d ms", milliseconds > 0 ? (int)milliseconds : 0);
    } else if (minutes < 1) {
        snprintf(text, EDDY_DURATION_TEXT, "%d.%d s", (int)(milliseconds / 1000),
                 (int)(milliseconds / 100 % 10));
    } else if (minutes < 60) {
        two_units(text, duration / EDDY_SECOND, 60, "min", "s");
    } else if (minutes < 48 * 60) {
        two_units(text, minutes, 60, "h", "min");
    } else {
        two_units(text, minutes / 60, 24, "d", "h");
    }
}

void eddy_duration_format_left(char *text, size_t size, int64_t deadline, int64_t now)
{
    char left[EDDY_DURATION_TEXT];

    eddy_duration_format(left, deadline == EDDY_FOREVER ? EDDY_FOREVER : deadline - now);
    if (deadline == EDDY_FOREVER) {
        snprintf(text, size, "%s", left);
    } else {
        snprintf(text, size, deadline > now ? "%s left" : "due", left);
    }
}
