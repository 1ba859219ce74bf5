#include "net.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE = 60 * 1000 /* milliseconds */ };

static struct sockaddr_in loopback(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static int tcp_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    testing.sys.internet = true;
    return fd;
}

static int bound_port(int fd)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;

    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    return ntohs(address.sin_port);
}

int net_listener(int *port)
{
    struct sockaddr_in address = loopback(0);
    int fd = tcp_socket();

    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 16), 0);
    *port = bound_port(fd);
    return fd;
}

int net_unused_port(void)
{
    int port;

    close(net_listener(&port));
    return port;
}

bool net_has_ipv6(void)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool has = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;

    if (fd >= 0) {
        close(fd);
    }
    return has;
}

int net_connect(int port)
{
    struct sockaddr_in address = loopback(port);
    int fd = tcp_socket();

    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

void net_assert_refused(int port)
{
    struct sockaddr_in address = loopback(port);
    int fd = tcp_socket();

    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(fd);
}

void net_tcp_pair(int fds[2])
{
    int port;
    int listener = net_listener(&port);

    fds[0] = net_connect(port);
    fds[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(fds[1] >= 0);
    assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    close(listener);
}

/* The loopback is a queue: behind a datagram to itself, all that was sent before it has arrived.
 * The answers of TCP to that stand behind that datagram, and theirs behind the next one. */
void net_settle(void)
{
    enum { LEGS = 4 };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    char byte = 'x';

    if (fd < 0) {
        return; /* the test has taken all that there were */
    }
    if (bind(fd, (struct sockaddr *)&address, size) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
        connect(fd, (struct sockaddr *)&address, size) == 0) {
        for (int leg = 0; leg < LEGS && send(fd, &byte, 1, 0) == 1;) {
            leg += recv(fd, &byte, 1, 0) == 1 ? 1 : LEGS;
        }
    }
    close(fd);
}

void net_wait_readable(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};

    assert_int_equal(poll(&wait, 1, PATIENCE), 1);
}

/* Likewise, and lets the loop, if it does not run already, do its part. */
static void wait_for_answer(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};

    for (int waited = 0; waited < PATIENCE && poll(&wait, 1, waited > 0) == 0; waited++) {
        if (testing.loop != NULL) {
            (void)eddy_loop_poll_once(testing.loop, 0, EDDY_FOREVER);
        }
    }
}

void net_send(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

void net_expect(int fd, const char *text)
{
    char buffer[1024] = "";
    size_t size = strlen(text);

    for (size_t got = 0; got < size;) {
        ssize_t count;
        wait_for_answer(fd);
        count = recv(fd, buffer + got, size - got, MSG_DONTWAIT);
        assert_true(count > 0);
        got += (size_t)count;
    }
    assert_string_equal(buffer, text);
}

void net_expect_end(int fd)
{
    char byte;

    wait_for_answer(fd);
    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
}

size_t net_drain(int fd)
{
    char buffer[4096];
    size_t total = 0;
    ssize_t count;

    while ((count = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT)) > 0) {
        total += (size_t)count;
    }
    return total;
}

void net_small_send_buffer(int fd)
{
    const int size = 1;

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
}

void net_reset_on_close(int fd)
{
    const struct linger linger = {1, 0};

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
}

int net_count_open(void)
{
    DIR *directory = opendir("/proc/self/fd");
    int count = 0;

    assert_non_null(directory);
    while (readdir(directory) != NULL) {
        count++;
    }
    closedir(directory);
    return count;
}

bool net_is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

unsigned char net_pattern(size_t offset)
{
    return (unsigned char)(offset * 31 + offset / 251);
}

void net_fill(unsigned char *buffer, size_t offset, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        buffer[i] = net_pattern(offset + i);
    }
}

bool net_matches(const unsigned char *buffer, size_t offset, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (buffer[i] != net_pattern(offset + i)) {
            return false;
        }
    }
    return true;
}
