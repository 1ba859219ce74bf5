/*
 * c-ares on an eddy loop: names are resolved without threads, thousands at once.
 *
 *     struct on_cares cares = {0};
 *     struct eddy_address addresses[8];                          // in the frame
 *
 *     eddy_await(on_cares_init(&cares, eddy_loop_of(co), NULL));
 *     eddy_await(self->count, on_cares_resolve(co, &cares, "example.org", 80, AF_UNSPEC, addresses, 8));
 *     on_cares_fini(&cares);
 *
 * It asks name servers, and /etc/hosts, and nothing else: who needs what else a system is set up for
 * (LDAP, mDNS) uses eddy_resolve, which calls getaddrinfo on a thread.
 *
 * A cancel ends the wait at once; the question goes on, since c-ares can only take back all of them, and its
 * answer is dropped.
 */
#ifndef ON_CARES_H
#define ON_CARES_H

#include <ares.h>

#include <eddy.h>

/* The caller owns it, zeroed; after on_cares_init all of it is private. */
struct on_cares {
    eddy_loop *loop;
    ares_channel channel;
    eddy_timer timer;          /* c-ares has one */
    struct on_cares_fd *first; /* of the sockets that it has */
    bool ending, no_memory;
};

/* `servers`: "127.0.0.1:5353,...", or NULL: those of the system. 0; -ENOMEM; -EINVAL: the servers. */
int on_cares_init(struct on_cares *cares, eddy_loop *loop, const char *servers);

/* Those who still wait get -ECANCELED. */
void on_cares_fini(struct on_cares *cares);

/* As eddy_resolve: how many addresses, at most `most`; -ENOENT: there is no such name; -EAGAIN: no server answers;
 * -EIO: they say what cannot be; -ENOMEM; -ECANCELED. `host` is copied. */
EDDY_MUST_USE int64_t on_cares_resolve(eddy_coro *co, struct on_cares *cares, const char *host,
                                       int port, int family, struct eddy_address *addresses,
                                       int most);

#endif
