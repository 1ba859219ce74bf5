/*
 * The loop without coroutines: an echo server of callbacks, as one writes it for libev. What each client has
 * in memory is one struct, which the callback of its watcher frees.
 *
 *     callbacks [PORT]        8080 unless it says otherwise; 0: any that is free, which is printed
 *
 * Ends by SIGINT or SIGTERM. Every ten seconds it says how many clients there are.
 */
#define _GNU_SOURCE /* accept4 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "eddy.h"

/* The watcher is in front, so that the callback's argument leads to the client. */
struct client {
    eddy_io io;
    struct client *next, **before; /* in the list of the server's */
    size_t begin, end;             /* of what is still to be written, in `data` */
    char data[4096];
};

static struct {
    eddy_loop *loop;
    eddy_io listener;
    eddy_timer report, pause;
    eddy_signal signals;
    struct client *clients;
    int count;
} server;

static void client_free(struct client *client)
{
    int fd = client->io.fd;

    eddy_io_stop(&client->io); /* before its fd is closed, always */
    close(fd);
    *client->before = client->next;
    if (client->next != NULL) {
        client->next->before = client->before;
    }
    free(client);
    server.count--;
}

static void client_enter(struct client *client)
{
    client->next = server.clients;
    client->before = &server.clients;
    if (client->next != NULL) {
        client->next->before = &client->next;
    }
    server.clients = client;
    server.count++;
}

/* Reads when it has nothing to write, and writes when it has: so a client that does not read is not read. */
static void on_client(eddy_io *io, unsigned events)
{
    struct client *client = (struct client *)io;
    ssize_t count;

    (void)events; /* also after an error: the call says which */
    if (client->begin == client->end) {
        count = read(io->fd, client->data, sizeof client->data);
        client->begin = 0;
        client->end = count > 0 ? (size_t)count : 0;
    } else {
        count =
            send(io->fd, client->data + client->begin, client->end - client->begin, MSG_NOSIGNAL);
        client->begin += count > 0 ? (size_t)count : 0;
    }
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) {
        client_free(client);
        return;
    }
    if (eddy_io_change(io, client->begin == client->end ? EDDY_READ : EDDY_WRITE) < 0) {
        client_free(client);
    }
}

static void on_pause_over(eddy_timer *timer)
{
    (void)timer;
    (void)eddy_io_change(&server.listener, EDDY_READ);
}

static void on_listener(eddy_io *io, unsigned events)
{
    int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct client *client = fd >= 0 ? calloc(1, sizeof *client) : NULL;

    (void)events;
    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
        /* The client stays, and so would this event: without a pause the loop would spin. */
        perror("callbacks: accepting");
        if (eddy_timer_start(server.loop, &server.pause, EDDY_SECOND, on_pause_over) == 0) {
            (void)eddy_io_change(io, 0);
        }
    } else if (fd >= 0 && (client == NULL ||
                           eddy_io_start(server.loop, &client->io, fd, EDDY_READ, on_client) < 0)) {
        free(client);
        close(fd);
    } else if (fd >= 0) {
        client_enter(client);
    }
}

static void on_report(eddy_timer *timer)
{
    (void)timer;
    printf("%d clients\n", server.count);
    fflush(stdout);
}

static void on_signal(eddy_signal *signal, int number)
{
    (void)signal;
    printf("ended by %s\n", number == SIGINT ? "SIGINT" : "SIGTERM");
    eddy_loop_stop(server.loop);
}

/* Says at which port it listens. Returns the fd, or -1 when it has said what went wrong. */
static int listen_at(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t size = sizeof address;
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, SOMAXCONN) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0) {
        perror("callbacks: listening");
        return -1;
    }
    printf("listening at 127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static int run(int fd)
{
    uint64_t ends = EDDY_SIGNAL(SIGINT) | EDDY_SIGNAL(SIGTERM);
    int result = eddy_signal_start(server.loop, &server.signals, ends, on_signal);

    if (result == 0) {
        result = eddy_io_start(server.loop, &server.listener, fd, EDDY_READ, on_listener);
    }
    if (result == 0) {
        result = eddy_timer_start_periodic(server.loop, &server.report, 10 * EDDY_SECOND,
                                           EDDY_TIMER_FIXED_RATE, on_report);
    }
    return result == 0 ? eddy_loop_run(server.loop) : result; /* until on_signal stops it */
}

int main(int argc, char **argv)
{
    char *end = NULL;
    long port = argc == 2 ? strtol(argv[1], &end, 10) : 8080;
    int result, fd;

    if (argc > 2 || (argc == 2 && (end == argv[1] || *end != '\0' || port < 0 || port > 65535))) {
        fputs("usage: callbacks [PORT]\n", stderr);
        return 2;
    }
    fd = listen_at((int)port);
    if (fd < 0) {
        return 1;
    }
    result = eddy_loop_new(&server.loop, NULL);
    if (result == 0) {
        result = run(fd);
    }
    if (result < 0) {
        fprintf(stderr, "callbacks: %s\n", eddy_strerror(result));
    }
    while (server.clients != NULL) {
        client_free(server.clients);
    }
    eddy_loop_free(server.loop); /* stops what is still started */
    close(fd);
    return result < 0 ? 1 : 0;
}
