/*
 * Sockets that the program has been started with: socket activation, as systemd and its like do it
 * (sd_listen_fds(3), systemd.socket(5)), without their library.
 *
 *     count = eddy_listen_fds(eddy_loop_of(co), "web", self->fds, 4);
 *     eddy_await(eddy_serve_fds(co, &self->server, self->fds, count, echo));
 *
 * A socket that is there before the program, and stays while it is started anew, turns no client away.
 */
#ifndef EDDY_ACTIVATION_H
#define EDDY_ACTIVATION_H

#include "eddy/loop.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Which fds were handed over to this process: returns how many have that name (FileDescriptorName= of
 * systemd.socket(5); NULL: all, whatever their names), of which the first `most` are in *fds, in the order
 * in which they were given. 0: none, or they are another process's, whose environment was inherited.
 *
 * FD_CLOEXEC is set on all of them, also on those of other names, so that no child inherits what it does not
 * know of. The environment stays as it is, and a second call returns the same: call it before anything else
 * could have closed them. What they are is not looked at: eddy_serve_fds takes those that listen, the others
 * are for eddy_stream_open or eddy_io_start.
 *
 * -EINVAL: LISTEN_PID or LISTEN_FDS is no number, or LISTEN_FDNAMES does not name each; -EBADF: one that
 * was announced is not open.
 */
EDDY_API int eddy_listen_fds(eddy_loop *loop, const char *name, int *fds, int most);

/* Removes those variables from the environment: for a program that starts others by exec(3) without
 * fork(2), which then would take the fds for their own. Not while another thread may look at the
 * environment (getenv(3)). */
EDDY_API void eddy_listen_fds_forget(void);

#ifdef __cplusplus
}
#endif

#endif
