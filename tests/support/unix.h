/* What the tests of Unix-domain sockets share: a folder with a path for one, and peers that the loop
 * knows nothing of. */
#ifndef EDDY_TESTING_UNIX_H
#define EDDY_TESTING_UNIX_H

#include "support/children.h"
#include "support/net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "eddy/address.h"

static char directory[] = "/tmp/eddy-test-XXXXXX";
static char path[64];
static struct eddy_address address; /* of the path */

static inline int open_directory(void)
{
    strcpy(directory + sizeof directory - 7, "XXXXXX");
    if (mkdtemp(directory) == NULL) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/socket", directory);
    return eddy_address_unix(&address, path);
}

/* Fails if something but the path was left behind. */
static inline int close_directory(void)
{
    (void)unlink(path);
    return rmdir(directory);
}

static inline bool is_there(const char *name)
{
    struct stat status;

    return lstat(name, &status) == 0;
}

static inline const struct sockaddr *raw(const struct eddy_address *of)
{
    return (const struct sockaddr *)&of->storage;
}

/* A socket that is bound to the path, and listens. */
static inline int unix_listener(int backlog)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, raw(&address), address.size), 0);
    assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

/* A client, connected to the address: 0 or -errno in *result. */
static inline int unix_client(const struct eddy_address *to, int *result)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    *result = connect(fd, raw(to), to->size) == 0 ? 0 : -errno;
    return fd;
}

static inline int unix_connect(const struct eddy_address *to)
{
    int result;
    int fd = unix_client(to, &result);

    assert_int_equal(result, 0);
    return fd;
}

static inline void unix_assert_fails(const struct eddy_address *to, int error)
{
    int result;

    close(unix_client(to, &result));
    assert_int_equal(result, error);
}

#endif
