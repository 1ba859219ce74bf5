/*
 * Servers, as the files see them that make one together: server.c has a map.
 *
 * Circle: accept.c, client.c, drain.c, linger.c, listen.c, listen_fds.c, server.c, server_wait.c. A client is
 * handed on from one to the next, and each tells server.c when it is done with one: the last one ends the
 * server, and another's place lets it accept again.
 */
#ifndef EDDY_SRC_SERVER_INTERNAL_H
#define EDDY_SRC_SERVER_INTERNAL_H

#include "eddy/server.h"
#include "task/task_internal.h"

enum eddy_listen_rule {
    EDDY_LISTEN_ALL,  /* each address must be had */
    EDDY_LISTEN_SOME, /* those that this host does not have are left out, and told */
    EDDY_LISTEN_ANY   /* likewise, and not told */
};

/* ---- server.c */

/* eddy_serve_all with a rule. */
int64_t eddy_server_serve(eddy_coro *co, eddy_server *server, const struct eddy_address *addresses,
                          int count, enum eddy_listen_rule rule, const char *named_place,
                          const void *handler, size_t handler_size, size_t stream_offset);

/* Sets what the macro eddy_serve gives, and keeps a copy of the handler: 0; -EINVAL: the server is
 * in use; -ENOMEM. */
int eddy_server_begin(eddy_coro *co, eddy_server *server, const char *named_place,
                      const void *handler, size_t handler_size, size_t stream_offset);

/* Takes clients from all its listeners, which are made: 0, or the error. */
int eddy_server_open(eddy_coro *co, eddy_server *server);

/* Undoes eddy_server_begin: it listens nowhere. */
void eddy_server_forget(eddy_server *server);

/* One of its sockets was closed by somebody else. */
void eddy_server_lose(struct eddy_listener *listener);

/* A client has gone, or its handler: somebody may wait for that, or for its place. */
void eddy_server_one_less(eddy_server *server);

/* ---- listen.c */

/* Listens on the addresses: 0, or the error, and then on none. */
int eddy_server_listen(eddy_coro *co, eddy_server *server, const struct eddy_address *addresses,
                       int count, enum eddy_listen_rule rule);

/* A new listener behind the last one, which is the first if that is NULL; NULL: no memory. */
struct eddy_listener *eddy_listener_add(eddy_server *server, struct eddy_listener *last);

/* Asks the kernel where it listens. */
int eddy_listener_ask_address(struct eddy_listener *listener);

/* Nothing comes of the listeners (last NULL: there are none); their fds are closed if they were made
 * here. */
void eddy_listeners_give_up(eddy_server *server, struct eddy_listener *last, bool made);

/* Closes one; nothing if it is closed. */
void eddy_listener_close(struct eddy_listener *listener);

/* All has ended: the chain goes. */
void eddy_listeners_free(eddy_server *server);

/* ---- listen_fds.c */

/* Listens on given sockets, which are the server's then: 0, or the error, and they are not. */
int eddy_server_listen_fds(eddy_coro *co, eddy_server *server, const int *fds, int count);

/* ---- accept.c */

/* Accepts from all listeners; 0, or the error of epoll_ctl(2), -ENOMEM, and then some may be watched. */
int eddy_accept_start(eddy_server *server);

/* Ends that, when they are closed. */
void eddy_accept_stop(eddy_server *server);

/* A client has gone: a server that was full, or lacked fds or memory, may go on. */
void eddy_accept_one_less(eddy_server *server);

/* ---- client.c */

/* Starts the handler of a client; -ENOMEM, and then the fd is still open. */
int eddy_client_start(const struct eddy_listener *listener, int fd,
                      const struct eddy_address *peer);

/* Tells of each task of a client, in the order in which they came, until it is told enough. */
void eddy_clients_each(const eddy_server *server, eddy_blocker_fn *visit, void *context);

/* The task of the client that has been there longest; there is one. */
struct eddy_task_record *eddy_clients_first(const eddy_server *server);

/* Whether that task is the handler of one of them. */
bool eddy_client_is_of(const eddy_server *server, const struct eddy_task_record *task);

/* Cancels them: of the server's relay. */
void eddy_clients_cancel(struct eddy_relay *relay);

/* Cancels all, or those that are idle and were not sent away yet; how many. */
uint32_t eddy_clients_send_away(eddy_server *server, bool all);

/* The loop ends: closes their streams, and has nothing to do with their tasks any more. */
void eddy_clients_cut(eddy_server *server);

/* ---- drain.c */

/* Starts the timer that is set when it drains: 0, -ENOMEM. */
int eddy_drain_start_timer(eddy_server *server);

/* Closes the server, sends away who is idle, and sees to the rest. It may have ended then. */
void eddy_drain_begin(eddy_server *server, int64_t grace);

/* Closes it and all that linger, and whoever ends from now on does not linger. */
void eddy_server_cut(eddy_server *server);

/* The server has ended. */
void eddy_drain_over(eddy_server *server);

/* ---- server_wait.c */

/* The server has ended: wakes whoever waits for that. */
void eddy_server_wake(eddy_server *server);

#endif
