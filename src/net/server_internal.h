/* Servers, as those see them that find the address. */
#ifndef EDDY_SRC_SERVER_INTERNAL_H
#define EDDY_SRC_SERVER_INTERNAL_H

#include "eddy/server.h"

/* Sets what the macro eddy_serve gives, and keeps a copy of the handler: 0; -EINVAL: the server is
 * in use; -ENOMEM. */
int eddy_server_begin(eddy_coro *co, eddy_server *server, const char *site, const void *handler,
                      size_t handler_size, size_t stream_offset);

/* Listens on the address: 0, or the error, and then another can be tried. */
int eddy_server_listen(eddy_coro *co, eddy_server *server, const struct eddy_address *address);

/* Undoes eddy_server_begin: it listens nowhere. */
void eddy_server_forget(eddy_server *server);

#endif
