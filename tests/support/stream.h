/* What the tests of streams share: a stream, its peer, and coroutines that use it. */
#ifndef EDDY_TESTING_STREAM_H
#define EDDY_TESTING_STREAM_H

#include "support/children.h"
#include "support/net.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "eddy/deadline.h"
#include "eddy/stream.h"

enum { BIG = 256 * 1024 };

/* One end is the loop's stream, the other a plain fd of the test's. */
static eddy_stream stream;
static int peer;

static unsigned char big[BIG];

static inline void open_stream(int fds[2])
{
    memset(&stream, 0, sizeof stream);
    assert_int_equal(eddy_stream_open(testing.loop, &stream, fds[0]), 0);
    peer = fds[1];
}

static inline int setup(void **state)
{
    int result = testing_setup(state);
    int fds[2];

    testing_socketpair(fds);
    open_stream(fds);
    return result;
}

static inline int teardown(void **state)
{
    eddy_stream_close(&stream);
    close(peer);
    return testing_teardown(state);
}

#define stream_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static inline void use_tcp(void)
{
    int fds[2];

    eddy_stream_close(&stream);
    close(peer);
    net_tcp_pair(fds);
    open_stream(fds);
}

/* ---- coroutines */

/* Reads `times` times and logs what it got: "r:hello", or "r=0" at the end, or an error. */
eddy_frame(reads) {
    eddy_coro co;
    const char *name;
    int times;
    size_t size;   /* of its buffer; 0: all of it */
    int64_t limit; /* of each read; 0: none */
    int64_t rc;
    char buffer[64];
};

static inline void reads(eddy_coro *co)
{
    eddy_begin(reads);
    for (; self->times > 0; self->times--) {
        eddy_catch(self->rc,
                   eddy_wait_for(co, self->limit > 0 ? self->limit : EDDY_FOREVER,
                                 eddy_read(co, &stream, self->buffer,
                                           self->size > 0 ? self->size : sizeof self->buffer)));
        if (self->rc > 0) {
            testing_log("%s:%.*s", self->name, (int)self->rc, self->buffer);
        } else {
            testing_log_result(self->name, self->rc);
        }
    }
    eddy_end;
}

eddy_frame(writes) {
    eddy_coro co;
    const char *name;
    const void *data;
    size_t size;
    int64_t limit;
    int64_t rc;
};

static inline void writes(eddy_coro *co)
{
    eddy_begin(writes);
    eddy_catch(self->rc, eddy_wait_for(co, self->limit > 0 ? self->limit : EDDY_FOREVER,
                                       eddy_write(co, &stream, self->data, self->size)));
    testing_log_result(self->name, self->rc);
    eddy_end;
}

eddy_frame(awaits_readable) {
    eddy_coro co;
    int64_t rc;
};

static inline void awaits_readable(eddy_coro *co)
{
    eddy_begin(awaits_readable);
    eddy_catch(self->rc, eddy_readable(co, &stream));
    testing_log_result("readable", self->rc);
    eddy_end;
}

static inline eddy_task start_reading(const char *name, int times)
{
    return eddy_loop_spawn(testing.loop, reads, .name = name, .times = times);
}

static inline eddy_task start_writing(const char *name, size_t size)
{
    net_fill(big, 0, BIG);
    return eddy_loop_spawn(testing.loop, writes, .name = name, .data = big, .size = size);
}

static inline void end(eddy_task task)
{
    assert_int_equal(eddy_loop_run_until(testing.loop, task), 0);
}

/* Reads all that comes, in slices, and lets the loop run after each; how many bytes matched. */
static inline size_t take_slowly(size_t wanted)
{
    unsigned char buffer[3000];
    size_t got = 0;
    ssize_t count = 1;

    while (got < wanted && count > 0) {
        count = recv(peer, buffer, sizeof buffer, MSG_DONTWAIT);
        if (count > 0) {
            assert_true(net_matches(buffer, got, (size_t)count));
            got += (size_t)count;
        }
        testing_turns();
    }
    return got;
}

#endif
