/* Datagram sockets for tests: two of the loop's that know each other's address, and short words. */
#ifndef EDDY_TESTING_DATAGRAMS_H
#define EDDY_TESTING_DATAGRAMS_H

#include "support/net.h"
#include "support/tasks.h"

#include "eddy/datagram.h"

/* Opens a socket of the family on the loopback, and finds out its address. */
static inline void datagram_open(eddy_datagram *socket, int family, struct eddy_address *address)
{
    assert_int_equal(eddy_datagram_open(testing.loop, socket, family), 0);
    assert_int_equal(eddy_address_parse(address, family == AF_INET ? "127.0.0.1" : "::1", 0), 0);
    assert_int_equal(eddy_datagram_bind(socket, address), 0);
    assert_int_equal(eddy_datagram_address(socket, address), 0);
}

/* Sends one; receives one. */
struct sends_one {
    eddy_coro co;
    eddy_datagram *by;
    const char *text;
    size_t size;
    struct eddy_address *to;
    int64_t rc;
};

static inline void sends_one(eddy_coro *co)
{
    eddy_begin(sends_one);
    eddy_catch(self->rc, eddy_datagram_send(co, self->by, self->text, self->size, self->to));
    eddy_return(self->rc);
    eddy_end;
}

struct receives_one {
    eddy_coro co;
    eddy_datagram *by;
    char *buffer;
    size_t size;
    struct eddy_address *from;
    int64_t rc;
};

static inline void receives_one(eddy_coro *co)
{
    eddy_begin(receives_one);
    eddy_catch(self->rc, eddy_datagram_receive(co, self->by, self->buffer, self->size, self->from));
    eddy_return(self->rc);
    eddy_end;
}

#endif
