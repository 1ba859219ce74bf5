/* Sockets for tests: peers that the loop knows nothing of. Their calls may wait in the kernel. */
#ifndef EDDY_TESTING_NET_H
#define EDDY_TESTING_NET_H

#include <stdbool.h>
#include <stddef.h>

#include "testing.h"

/* A connected pair of TCP sockets on 127.0.0.1; nonblocking, close-on-exec. The test closes it. */
void net_tcp_pair(int fds[2]);

/* A TCP listener on 127.0.0.1, and its port. */
int net_listener(int *port);

/* A port of 127.0.0.1 on which nobody listens. */
int net_unused_port(void);

bool net_has_ipv6(void);

/* A blocking client, connected to 127.0.0.1:port; the server may not have accepted it yet. */
int net_connect(int port);

/* Asserts that connecting to 127.0.0.1:port is refused. */
void net_assert_refused(int port);

/* Waits until what was sent on the loopback has arrived, and the kernel's answers to it: a busy one
 * delivers later than at once. The fixture does so before each wait for events. */
void net_settle(void);

/* Waits until the fd is readable: TCP on the loopback may take a moment. */
void net_wait_readable(int fd);

/* Sends all of the text; reads exactly as many bytes and compares them. While the bytes, or the end
 * of the file, do not come, the loop of the fixture takes its turns. */
void net_send(int fd, const char *text);
void net_expect(int fd, const char *text);

void net_expect_end(int fd);

/* Reads what there is without waiting, and drops it; how much it was. */
size_t net_drain(int fd);

/* Sets SO_SNDBUF. */
void net_small_send_buffer(int fd);

/* Makes close(2) of a TCP socket reset the connection. */
void net_reset_on_close(int fd);

bool net_is_open(int fd);

/* How many fds are open, of whatever kind, and a constant more. */
int net_count_open(void);

/* The byte at an offset of the pattern that big transfers are checked with. */
unsigned char net_pattern(size_t offset);
void net_fill(unsigned char *buffer, size_t offset, size_t size);
bool net_matches(const unsigned char *buffer, size_t offset, size_t size);

#endif
