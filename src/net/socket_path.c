/*
 * The file of a Unix-domain socket that is served on: it is removed by who has bound it, and by nobody
 * else.
 *
 * bind(2) makes the file and close(2) leaves it, so that a server which does not remove it cannot be
 * started again. But its name may be another's by then (a new server has replaced it, as a restart
 * without a gap does), and a child after fork(2) closes the same sockets while its parent serves on. So
 * the device and inode that were bound are kept, and the process: if either is not what it was, the
 * file stays. Between the look and the unlink another could still come; unlink(2) has no way to ask both
 * at once.
 *
 * It is closed with the loop also if the server never was (an attachment). That it could not be removed
 * is told; that it is gone already is what was wanted.
 */
#include "net/socket_path.h"

#include <string.h>

#include "loop/loop_internal.h"
#include "net/address.h"

struct eddy_socket_path {
    struct eddy_attachment attachment; /* first; nobody looks for it, so that it has no key */
    eddy_loop *loop;
    pid_t owner;            /* the process that has bound it */
    uint64_t device, inode; /* of what it has bound */
    unsigned pool_class;
    char name[];
};

/* Removes the file, if it is still the one that was bound. */
static int remove_file(const struct eddy_socket_path *path)
{
    const struct eddy_sys *sys = path->loop->sys;
    uint64_t device, inode;
    int result = sys->lstat(sys, path->name, &device, &inode);

    if (result == 0 && (device != path->device || inode != path->inode)) {
        return 0;
    }
    return result == 0 ? sys->unlink(sys, path->name) : result;
}

/* Somebody else has removed the file. Of a relative path that is not known: it may rather be the
 * current directory that is another. */
static bool is_gone(const struct eddy_socket_path *path, int error)
{
    return error == -ENOENT && path->name[0] == '/';
}

static void path_close(eddy_loop *loop, struct eddy_attachment *attachment)
{
    struct eddy_socket_path *path = (struct eddy_socket_path *)(void *)attachment;
    const eddy_task none = {NULL, 0};
    int result = loop->sys->getpid(loop->sys) == path->owner ? remove_file(path) : 0;

    if (result < 0 && !is_gone(path, result)) {
        eddy_loop_report(loop, none, result, "server: removing %s: %s", path->name,
                         eddy_strerror(result));
    }
    eddy_pool_give(&loop->pool, path, path->pool_class);
}

static struct eddy_socket_path *path_new(eddy_loop *loop, const char *name)
{
    size_t size = sizeof(struct eddy_socket_path) + strlen(name) + 1;
    unsigned pool_class;
    struct eddy_socket_path *path = eddy_pool_take(&loop->pool, size, &pool_class);

    if (path == NULL) {
        return NULL;
    }
    memset(path, 0, sizeof *path);
    path->attachment.close = path_close;
    path->loop = loop;
    path->owner = loop->sys->getpid(loop->sys);
    path->pool_class = pool_class;
    memcpy(path->name, name, strlen(name) + 1);
    return path;
}

int eddy_socket_path_keep(eddy_loop *loop, const struct eddy_address *address,
                          struct eddy_socket_path **path)
{
    const struct eddy_sys *sys = loop->sys;
    const char *name = eddy_address_path(address);
    struct eddy_socket_path *made = name != NULL ? path_new(loop, name) : NULL;
    const eddy_task none = {NULL, 0};
    int result;

    *path = NULL;
    if (name == NULL) {
        return 0;
    }
    result = made != NULL ? sys->lstat(sys, name, &made->device, &made->inode) : -ENOMEM;
    if (result < 0) {
        int removed = sys->unlink(sys, name); /* bound just now: it is its own */
        if (removed < 0) {
            eddy_loop_report(loop, none, removed, "server: removing %s: %s", name,
                             eddy_strerror(removed));
        }
        if (made != NULL) {
            eddy_pool_give(&loop->pool, made, made->pool_class);
        }
        return result;
    }
    eddy_list_append(&loop->attachments, &made->attachment.link);
    *path = made;
    return 0;
}

void eddy_socket_path_remove(struct eddy_socket_path *path)
{
    if (path != NULL) {
        eddy_list_remove(&path->attachment.link);
        path_close(path->loop, &path->attachment);
    }
}

void eddy_socket_path_leave(struct eddy_socket_path *path)
{
    if (path != NULL) {
        eddy_list_remove(&path->attachment.link);
        eddy_pool_give(&path->loop->pool, path, path->pool_class);
    }
}
