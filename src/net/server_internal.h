/*
 * Servers, as the files see them that make one together: server.c has a map.
 *
 * Circle: accept.c, client.c, linger.c, server.c. A client is handed on from one to the next, and each tells
 * server.c when it is done with one: the last one ends the server, and another's place lets it accept again.
 */
#ifndef EDDY_SRC_SERVER_INTERNAL_H
#define EDDY_SRC_SERVER_INTERNAL_H

#include "eddy/server.h"
#include "task/task_internal.h"

/* ---- server.c */

/* Sets what the macro eddy_serve gives, and keeps a copy of the handler: 0; -EINVAL: the server is
 * in use; -ENOMEM. */
int eddy_server_begin(eddy_coro *co, eddy_server *server, const char *named_place,
                      const void *handler, size_t handler_size, size_t stream_offset);

/* Listens on the address: 0, or the error, and then another can be tried. */
int eddy_server_listen(eddy_coro *co, eddy_server *server, const struct eddy_address *address);

/* Undoes eddy_server_begin: it listens nowhere. */
void eddy_server_forget(eddy_server *server);

/* A client has gone, or its handler: somebody may wait for that, or for its place. */
void eddy_server_one_less(eddy_server *server);

/* ---- accept.c */

/* Accepts from a socket that listens; 0, or the error of epoll_ctl(2), -ENOMEM. */
int eddy_accept_start(eddy_server *server, int fd);

/* Ends that. False if somebody else has closed the fd. */
bool eddy_accept_stop(eddy_server *server);

/* A client has gone: a server that was full, or lacked fds or memory, may go on. */
void eddy_accept_one_less(eddy_server *server);

/* ---- client.c */

/* Starts the handler of a client; -ENOMEM, and then the fd is still open. */
int eddy_client_start(eddy_server *server, int fd);

/* Tells of each task of a client, in the order in which they came. */
void eddy_clients_each(const eddy_server *server, eddy_blocker_fn *visit, void *context);

/* The task of the client that has been there longest; there is one. */
struct eddy_task_record *eddy_clients_first(const eddy_server *server);

/* Whether that task is the handler of one of them. */
bool eddy_client_is_of(const eddy_server *server, const struct eddy_task_record *task);

/* Cancels them: of the server's relay. */
void eddy_clients_cancel(struct eddy_relay *relay);

/* The loop ends: closes their streams, and has nothing to do with their tasks any more. */
void eddy_clients_cut(eddy_server *server);

#endif
