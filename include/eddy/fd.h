/* Waiting for any file descriptor, such as standard input or one of another library. */
#ifndef EDDY_FD_H
#define EDDY_FD_H

#include "eddy/coro.h"
#include "eddy/io.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Waits until the fd is ready for one of `events` (EDDY_READ, EDDY_WRITE, EDDY_PRIORITY, or-ed;
 * not 0) and returns which (also EDDY_HANGUP, EDDY_ERROR, EDDY_PEER_CLOSED). A regular file is
 * always ready. The fd stays the caller's, as it is: nothing is set on it, and it must not be
 * closed meanwhile: -EBADF if that shows (io.h). Errors as eddy_io_start (-EEXIST: a watcher or
 * another task has the fd); -EINVAL also without any events; -ECANCELED. */
EDDY_API EDDY_MUST_USE int64_t eddy_fd_wait(eddy_coro *co, int fd, unsigned events);

#ifdef __cplusplus
}
#endif

#endif
