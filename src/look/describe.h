/* Words for people: what is behind an fd. */
#ifndef EDDY_SRC_DESCRIBE_H
#define EDDY_SRC_DESCRIBE_H

#include "loop/look.h"

/* "fd 7 (127.0.0.1:8888)": with the address of its peer, or, of a listener or a datagram socket, its
 * own; "fd 7" if it has neither. */
void eddy_describe_fd(eddy_loop *loop, int fd, char *text, size_t size);

#endif
