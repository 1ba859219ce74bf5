/* The path that a Unix-domain socket is bound to, and that is to go with it. */
#ifndef EDDY_SRC_SOCKET_PATH_H
#define EDDY_SRC_SOCKET_PATH_H

#include "eddy/address.h"
#include "eddy/loop.h"

struct eddy_socket_path;

/* Keeps in mind the path to which a socket was bound just now; *path is NULL if the address has
 * none. The end of the loop removes it. 0; -ENOMEM or the error of lstat(2), and then it is removed
 * at once. */
int eddy_socket_path_keep(eddy_loop *loop, const struct eddy_address *address,
                          struct eddy_socket_path **path);

/* Removes it, unless it is another file's by now, or this is a child of the process that has bound
 * it; an error goes to the error hook. To be called before the socket is closed: until then no other
 * file has the number of its inode, and nobody else listens at a path that may be removed. NULL:
 * nothing. */
void eddy_socket_path_remove(struct eddy_socket_path *path);

/* It is somebody else's to remove from now on. NULL: nothing. */
void eddy_socket_path_leave(struct eddy_socket_path *path);

#endif
