/* Hosts that answer, refuse or keep silent at will: numbers stand for their addresses. 0 to 4 are
 * 192.0.2.10 and the next, 5 to 9 are 2001:db8::5 and the next. A socket that connects to one becomes an
 * end of a socketpair, which cannot be written to before the host has answered. */
#ifndef EDDY_TESTING_HOSTS_H
#define EDDY_TESTING_HOSTS_H

#include "support/children.h"
#include "support/net.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "eddy/address.h"

enum { HOSTS = 10, HOSTS_PORT = 80 };

static struct {
    int says;  /* what connect(2) returns: -EINPROGRESS is silence, 0 an answer */
    int error; /* SO_ERROR of its socket */
    int fd;    /* of the socket that connects to it, or -1 */
    int far;   /* its own end, or -1 */
} hosts[HOSTS];

static bool hosts_are_logged; /* each that is tried, and when: "5@250" */

static inline struct eddy_address host_address(int host)
{
    struct eddy_address to;
    char text[64];

    snprintf(text, sizeof text, host < 5 ? "192.0.2.1%d" : "2001:db8::%d", host);
    assert_int_equal(eddy_address_parse(&to, text, HOSTS_PORT), 0);
    return to;
}

static inline int host_of(const struct sockaddr *to)
{
    return to->sa_family == AF_INET
               ? (int)(ntohl(((const struct sockaddr_in *)(const void *)to)->sin_addr.s_addr) &
                       0xFF) -
                     10
               : ((const struct sockaddr_in6 *)(const void *)to)->sin6_addr.s6_addr[15];
}

static inline int host_connect(const struct eddy_sys *sys, int fd, const struct sockaddr *to,
                               socklen_t size)
{
    static const char block[4096];
    int host = host_of(to);
    int fds[2];

    (void)sys;
    (void)size;
    if (hosts_are_logged) {
        testing_log("%d@%lld", host, (long long)(testing.clock.now / MS));
    }
    if (hosts[host].says != 0 && hosts[host].says != -EINPROGRESS) {
        return hosts[host].says;
    }
    testing_socketpair(fds);
    while (hosts[host].says != 0 && send(fds[0], block, sizeof block, MSG_DONTWAIT) > 0) {}
    assert_int_equal(dup3(fds[0], fd, O_CLOEXEC), fd);
    close(fds[0]);
    hosts[host].fd = fd;
    hosts[host].far = fds[1];
    return hosts[host].says;
}

static inline int host_option(const struct eddy_sys *sys, int fd, int level, int name, void *value,
                              socklen_t *size)
{
    (void)sys;
    (void)size;
    if (level != SOL_SOCKET || name != SO_ERROR) {
        return -ENOPROTOOPT;
    }
    *(int *)value = 0;
    for (int i = 0; i < HOSTS; i++) {
        if (hosts[i].fd == fd) {
            *(int *)value = hosts[i].error;
        }
    }
    return 0;
}

/* From here on the fixture's sockets connect to these hosts, all of them silent. */
static inline void hosts_install(void)
{
    for (int i = 0; i < HOSTS; i++) {
        hosts[i].says = -EINPROGRESS;
        hosts[i].error = 0;
        hosts[i].fd = hosts[i].far = -1;
    }
    testing.sys.table.connect = host_connect;
    testing.sys.table.getsockopt = host_option;
}

/* A silent host answers, with 0 or an error. */
static inline void host_answers(int host, int error)
{
    hosts[host].error = error;
    net_drain(hosts[host].far);
}

/* Its connection has lost: the library has closed it. */
static inline bool host_has_lost(int host)
{
    char byte;

    net_drain(hosts[host].far);
    return recv(hosts[host].far, &byte, 1, MSG_DONTWAIT) == 0;
}

static inline void hosts_close(void)
{
    for (int i = 0; i < HOSTS; i++) {
        if (hosts[i].far >= 0) {
            close(hosts[i].far);
            hosts[i].far = -1;
        }
        hosts[i].fd = -1;
    }
}

#endif
