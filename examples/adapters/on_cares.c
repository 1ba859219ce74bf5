/*
 * c-ares tells which sockets it has and for what they are to be watched, and is told of their events; for its
 * time-outs it is called when the next is due, which is asked for after each call.
 *
 * A question has a record of its own: its answer comes also if nobody waits for it any more.
 */
#include "on_cares.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct on_cares_fd {
    eddy_io io;
    struct on_cares_fd *next;
};

struct question {
    struct on_cares *cares;
    struct eddy_task_record *task; /* who waits; NULL: cancelled */
    struct eddy_address *addresses;
    int most;
    int port;
    char host[256];
};

/* ---- sockets and the timer */

static void on_timer(eddy_timer *timer);

static void set_timer(struct on_cares *cares)
{
    struct timeval left;

    if (cares->ending || ares_timeout(cares->channel, NULL, &left) == NULL) {
        eddy_timer_stop(&cares->timer);
        return;
    }
    if (eddy_timer_start(cares->loop, &cares->timer,
                         left.tv_sec * EDDY_SECOND + left.tv_usec * EDDY_MICROSECOND,
                         on_timer) < 0) {
        cares->no_memory = true; /* nothing would end those that are not answered */
        ares_cancel(cares->channel);
        cares->no_memory = false;
    }
}

static void on_timer(eddy_timer *timer)
{
    struct on_cares *cares = timer->user;

    ares_process_fd(cares->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    set_timer(cares);
}

static void on_socket(eddy_io *io, unsigned events)
{
    struct on_cares *cares = io->user;
    int fd = io->fd;

    ares_process_fd(cares->channel, (events & EDDY_READ) != 0 ? fd : ARES_SOCKET_BAD,
                    (events & EDDY_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
    set_timer(cares);
}

static void watch(void *user, ares_socket_t fd, int readable, int writable)
{
    struct on_cares *cares = user;
    unsigned interest = (readable ? EDDY_READ : 0u) | (writable ? EDDY_WRITE : 0u);
    struct on_cares_fd **link = &cares->first;
    struct on_cares_fd *found;

    while (*link != NULL && (*link)->io.fd != fd) {
        link = &(*link)->next;
    }
    found = *link;
    if (found != NULL && interest == 0) { /* it is closed next */
        *link = found->next;
        eddy_io_stop(&found->io);
        free(found);
    } else if (found != NULL) {
        (void)eddy_io_change(&found->io, interest);
    } else if (interest != 0) {
        found = calloc(1, sizeof *found);
        if (found == NULL) {
            return; /* not watched: the question ends by its time-out */
        }
        found->io.user = cares;
        if (eddy_io_start(cares->loop, &found->io, fd, interest, on_socket) < 0) {
            free(found);
            return;
        }
        found->next = cares->first;
        cares->first = found;
    }
}

int on_cares_init(struct on_cares *cares, eddy_loop *loop, const char *servers)
{
    struct ares_options options = {.sock_state_cb = watch, .sock_state_cb_data = cares};
    int status = ares_library_init(ARES_LIB_INIT_ALL);

    if (status == ARES_SUCCESS) {
        status = ares_init_options(&cares->channel, &options, ARES_OPT_SOCK_STATE_CB);
    }
    if (status != ARES_SUCCESS) {
        return -ENOMEM;
    }
    cares->loop = loop;
    cares->timer.user = cares;
    if (servers != NULL && ares_set_servers_ports_csv(cares->channel, servers) != ARES_SUCCESS) {
        on_cares_fini(cares);
        return -EINVAL;
    }
    return 0;
}

void on_cares_fini(struct on_cares *cares)
{
    if (cares->loop != NULL) {
        cares->ending = true;
        ares_destroy(cares->channel); /* answers all that are asked with ARES_EDESTRUCTION */
        eddy_timer_stop(&cares->timer);
        ares_library_cleanup();
        memset(cares, 0, sizeof *cares);
    }
}

/* ---- the operation */

static int64_t error_of(int status)
{
    switch (status) {
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
        return -ENOENT;
    case ARES_ETIMEOUT:
    case ARES_ECONNREFUSED:
        return -EAGAIN;
    case ARES_ENOMEM:
        return -ENOMEM;
    case ARES_EDESTRUCTION:
    case ARES_ECANCELLED:
        return -ECANCELED;
    case ARES_EBADNAME:
    case ARES_EBADFAMILY:
        return -EINVAL;
    default:
        return -EIO;
    }
}

static void set_port(struct eddy_address *address, int port)
{
    if (address->storage.ss_family == AF_INET6) {
        ((struct sockaddr_in6 *)&address->storage)->sin6_port = htons((uint16_t)port);
    } else {
        ((struct sockaddr_in *)&address->storage)->sin_port = htons((uint16_t)port);
    }
}

static int64_t copy(const struct question *question, const struct ares_addrinfo *found)
{
    int count = 0;

    for (const struct ares_addrinfo_node *node = found->nodes;
         node != NULL && count < question->most; node = node->ai_next) {
        struct eddy_address *address = &question->addresses[count++];
        memset(address, 0, sizeof *address);
        memcpy(&address->storage, node->ai_addr, node->ai_addrlen);
        address->size = node->ai_addrlen;
        set_port(address, question->port);
    }
    return count > 0 ? count : -ENOENT;
}

static void on_answer(void *user, int status, int timeouts, struct ares_addrinfo *found)
{
    struct question *question = user;

    (void)timeouts;
    if (question->task != NULL) {
        eddy_wake(question->task, status == ARES_SUCCESS       ? copy(question, found)
                                  : question->cares->no_memory ? -ENOMEM
                                                               : error_of(status));
    }
    if (found != NULL) {
        ares_freeaddrinfo(found);
    }
    free(question);
}

static int cancel_question(struct eddy_task_record *task)
{
    struct question *question = eddy_wait_object(task);

    question->task = NULL; /* its answer is dropped */
    return 1;
}

static void describe(const struct eddy_task_record *task, char *text, size_t size)
{
    const struct question *question = eddy_wait_object(task);

    snprintf(text, size, "%s", question->host);
}

static const struct eddy_wait_kind question_kind = {
    .name = "a name",
    .abort = cancel_question,
    .describe = describe,
};

/* The question may be answered at once, within ares_getaddrinfo: then the task is ready, and has its result,
 * before it waits. So it is parked first. */
int64_t on_cares_resolve(eddy_coro *co, struct on_cares *cares, const char *host, int port,
                         int family, struct eddy_address *addresses, int most)
{
    struct ares_addrinfo_hints hints = {.ai_family = family, .ai_socktype = SOCK_STREAM};
    struct question *question;
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    if (most < 1 || port < 0 || port > 65535 || strlen(host) >= sizeof question->host) {
        return -EINVAL;
    }
    question = malloc(sizeof *question);
    if (question == NULL) {
        return -ENOMEM;
    }
    question->cares = cares;
    question->task = eddy_waiter(co);
    question->addresses = addresses;
    question->most = most;
    question->port = port;
    snprintf(question->host, sizeof question->host, "%s", host);
    result = eddy_park(co, &question_kind, question, NULL);
    ares_getaddrinfo(cares->channel, host, NULL, &hints, on_answer, question);
    set_timer(cares);
    return result;
}
