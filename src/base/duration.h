/* Words for people: how long something takes. */
#ifndef EDDY_SRC_DURATION_H
#define EDDY_SRC_DURATION_H

#include <stddef.h>
#include <stdint.h>

enum { EDDY_DURATION_TEXT = 32 };

/* "250 ms", "1.5 s", "3 min 07 s", "5 h 00 min", "2 d 03 h", "for ever" for EDDY_FOREVER. */
void eddy_duration_format(char text[EDDY_DURATION_TEXT], int64_t duration);

/* What is left at `now` until a deadline: "2.0 s left", "due", "for ever". */
void eddy_duration_format_left(char *text, size_t size, int64_t deadline, int64_t now);

#endif
