/* Words for people: how long something takes, what is behind an fd. */
#ifndef EDDY_SRC_DESCRIBE_H
#define EDDY_SRC_DESCRIBE_H

#include <stddef.h>

#include "eddy/loop.h"

enum { EDDY_DURATION_TEXT = 32, EDDY_ADDRESS_TEXT = 128 };

/* "250 ms", "1.5 s", "3 min 07 s", "5 h 00 min", "2 d 03 h", "for ever" for EDDY_FOREVER. */
void eddy_describe_duration(char text[EDDY_DURATION_TEXT], int64_t duration);

/* "fd 7 (127.0.0.1:8888)": with the address of its peer, or, of a listener or a datagram socket, its
 * own; "fd 7" if it has neither. */
void eddy_describe_fd(eddy_loop *loop, int fd, char *text, size_t size);

/* The time on the loop's clock, which is not noted: a look changes nothing. */
int64_t eddy_describe_now(const eddy_loop *loop);

/* What is left until a deadline on the loop's clock: "2.0 s left", "due". */
void eddy_describe_left(const eddy_loop *loop, int64_t deadline, char *text, size_t size);

#endif
