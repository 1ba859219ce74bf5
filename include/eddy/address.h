/* Addresses of sockets, and the names of hosts. */
#ifndef EDDY_ADDRESS_H
#define EDDY_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include <sys/socket.h>

#include "eddy/coro.h"
#include "eddy/version.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- addresses of sockets */

/* An IPv4 or IPv6 address with its port, or a Unix-domain address, as bind(2) and connect(2) take
 * it. */
struct eddy_address {
    struct sockaddr_storage storage;
    socklen_t size; /* of what is used of it */
};

/* Reads a numeric address, "127.0.0.1", "::1" or "fe80::1%eth0": a link-local one is of an
 * interface, whose name or number stands behind the % (ipv6(7), sin6_scope_id; of other addresses a
 * number only). 0; -EINVAL if it is none, there is no such interface, or the port is not 0..65535.
 * Wherever a host is given it may be such an address. */
EDDY_API int eddy_address_parse(struct eddy_address *address, const char *host, int port);

/* A Unix-domain address (unix(7)): a path; or, if it begins with '@', an abstract name, which is
 * what follows. (A file whose name begins so is "./@...".) An abstract name is no file: it goes with
 * the socket, and knows no permissions: every process of the network namespace may connect to it.
 * Names that other programs pad with zero bytes are others. 0; -EINVAL: there is no path or no name;
 * -ENAMETOOLONG: it has more than 107 bytes. */
EDDY_API int eddy_address_unix(struct eddy_address *address, const char *path);

/* The port; -EINVAL if it is an address without one. */
EDDY_API int eddy_address_port(const struct eddy_address *address);

/* Room for the text of any address. */
enum { EDDY_ADDRESS_TEXT = 128 };

/* Writes an address for people, as far as there is room: "127.0.0.1:80", "[::1]:80",
 * "[fe80::1%eth0]:80", "unix:/run/socket", "unix:@name"; of a Unix-domain socket without a name "unix".
 * What a peer has put into a path is made printable. True; false: it is of no such family, and nothing
 * is written. */
EDDY_API bool eddy_address_format(const struct eddy_address *address, char *text, size_t size);

/* An option for setsockopt(2) that is an int, which most are; or `size` bytes of data, if there are
 * any. Of an array each is set in its turn, but for those of the level IPPROTO_IP on sockets that are
 * not of IPv4, and IPPROTO_IPV6 likewise: so both may stand in it. */
struct eddy_socket_option {
    int level;
    int name;
    int value;
    const void *data; /* NULL: it is `value` */
    socklen_t size;
};

/* ---- names of hosts */

/*
 * Finds the addresses of a host, and returns how many there are: at least 1, at most `most` (>= 1)
 * of them, in the order in which they should be tried (getaddrinfo(3), gai.conf(5)), each with the
 * port (0..65535). `family` is AF_INET, AF_INET6, or AF_UNSPEC for both. The host is copied; the
 * addresses must stay until then: not on the C stack.
 *
 * A numeric address is its own answer, at once. A name is up to 253 letters, digits, '-', '_' and
 * '.', and what follows its last '.' is no number ("127.1" is neither). It is asked for by
 * getaddrinfo(3) on a thread, of which the loop has a few for names alone, so that neither
 * offloaded work nor files wait for a slow name server, nor it for them.
 *
 * A cancel or time-out ends the wait at once. getaddrinfo(3) cannot be interrupted: its thread goes
 * on until it gives up (resolv.conf(5): as a rule after ten seconds for each name server), keeping
 * no loop running, and the answer is dropped. eddy_loop_free waits for it, so that no thread
 * outlives its loop.
 *
 * Errors: -EINVAL: neither a numeric address nor a name, or another argument is wrong; -ENOENT:
 * there is no such name, or it has no address of that family; -EAGAIN: no name server answers for
 * now; -EIO: a name server fails for good; -EAFNOSUPPORT: the system does not know the family;
 * -ENOMEM; the system's own errors, such as -EMFILE; those of pthread_create(3); -ECANCELED;
 * -ECHILD, as eddy_offload.
 */
EDDY_API EDDY_MUST_USE int64_t eddy_resolve(eddy_coro *co, const char *host, int port, int family,
                                            struct eddy_address *addresses, int most);

/* Sets how many threads the loop may have for names: 1 to 1024, else -EINVAL; without it 4. Those
 * that are there stay: -EBUSY if they are more. -ENOMEM. Starts those for which names wait, as
 * eddy_offload_workers. */
EDDY_API int eddy_resolve_workers(eddy_loop *loop, unsigned count);

#ifdef __cplusplus
}
#endif

#endif
