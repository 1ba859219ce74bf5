/*
 * Serving on sockets that listen already, and handing them over to another process.
 *
 * A given fd is looked at before it is touched, and what is set on it comes last: one that is refused is the
 * caller's as it was. It is non-blocking from then on, for a client whom the kernel has told of may be
 * gone when it is accepted, or another process's, where several have the socket.
 *
 * A successor has the socket, not a copy of it: who is in its backlog is its, too. So the predecessor
 * closes without an end; but the file of a Unix-domain socket must then stay, which is why it is the
 * successor's from the moment of handing over, and nobody's to remove here.
 */
#include <fcntl.h>

#include "net/server_internal.h"
#include "net/socket_path.h"

static int ask(const eddy_server *server, int fd, int name, int *value)
{
    const struct eddy_sys *sys = server->loop->sys;
    socklen_t size = sizeof *value;

    *value = 0;
    return sys->getsockopt(sys, fd, SOL_SOCKET, name, value, &size);
}

/* Whether clients can be accepted from the fd; it is only looked at. */
static int examine(const eddy_server *server, int fd)
{
    int type;
    int listens;
    int result = ask(server, fd, SO_TYPE, &type);

    if (result == 0) {
        result = type == SOCK_STREAM ? ask(server, fd, SO_ACCEPTCONN, &listens) : -EPROTOTYPE;
    }
    if (result == 0) {
        result = listens != 0 ? eddy_io_make_way(server->loop, fd, false) : -EINVAL;
    }
    return result;
}

/* Whether the k-th is one of those before it. */
static bool is_repeated(const int *fds, int k)
{
    for (int i = 0; i < k; i++) {
        if (fds[i] == fds[k]) {
            return true;
        }
    }
    return false;
}

static int take_fds(eddy_server *server, const int *fds, int count)
{
    struct eddy_listener *last = NULL;

    for (int i = 0; i < count; i++) {
        struct eddy_listener *listener;
        int result = is_repeated(fds, i) ? -EEXIST : examine(server, fds[i]);
        if (result < 0) {
            return result;
        }
        listener = eddy_listener_add(server, last);
        if (listener == NULL) {
            return -ENOMEM;
        }
        last = listener;
        listener->io.fd = fds[i];
        result = eddy_listener_ask_address(listener);
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

/* The flag is the last that is touched: an error leaves the sockets as they were. */
static int set_nonblocking(const eddy_server *server)
{
    const struct eddy_sys *sys = server->loop->sys;
    int result = 0;

    for (const struct eddy_listener *listener = &server->first; result >= 0 && listener != NULL;
         listener = listener->next) {
        int flags = sys->fcntl(sys, listener->io.fd, F_GETFL, 0);
        result = flags >= 0 && (flags & O_NONBLOCK) == 0
                     ? sys->fcntl(sys, listener->io.fd, F_SETFL, flags | O_NONBLOCK)
                     : flags;
    }
    return result < 0 ? result : 0;
}

int eddy_server_listen_fds(eddy_coro *co, eddy_server *server, const int *fds, int count)
{
    int result = take_fds(server, fds, count);

    if (result == 0) {
        result = eddy_server_open(co, server);
    }
    if (result == 0) {
        result = set_nonblocking(server);
        if (result < 0) {
            server->loop->references--;
        }
    }
    if (result < 0) {
        eddy_listeners_give_up(server, &server->first, false);
    }
    return result;
}

int eddy_server_hand_over(eddy_server *server, int *fds, int most)
{
    int count = 0;

    for (struct eddy_listener *listener = &server->first; server->listening > 0 && listener != NULL;
         listener = listener->next) {
        if (eddy_io_started(&listener->io)) {
            if (count < most) {
                fds[count] = listener->io.fd;
            }
            eddy_socket_path_leave(listener->path);
            listener->path = NULL;
            count++;
        }
    }
    return count;
}
