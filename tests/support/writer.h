/* For tests of writers: a stream with a writer, and its peer, a plain fd of the test's. */
#ifndef EDDY_TESTING_WRITER_H
#define EDDY_TESTING_WRITER_H

#include "support/children.h"
#include "support/net.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "eddy/deadline.h"
#include "eddy/writer.h"

enum { KIB = 1024, MIB = 1024 * KIB, MOST = 8 * MIB };

static eddy_stream stream;
static eddy_writer writer;
static int peer;
static size_t put_so_far; /* of the pattern */
static size_t got_so_far;

static inline void open_stream(void)
{
    int fds[2];

    testing_socketpair(fds);
    net_small_send_buffer(fds[0]);
    memset(&stream, 0, sizeof stream);
    assert_int_equal(eddy_stream_open(testing.loop, &stream, fds[0]), 0);
    peer = fds[1];
}

static inline void open_writer(struct eddy_writer_options options)
{
    memset(&writer, 0, sizeof writer);
    assert_int_equal(eddy_writer_open(&writer, &stream, &options), 0);
    put_so_far = got_so_far = 0;
}

#define reopen_writer(...) \
    (eddy_writer_drop(&writer), open_writer((struct eddy_writer_options){__VA_ARGS__}))

static inline int setup(void **state)
{
    int result = testing_setup(state);

    open_stream();
    open_writer((struct eddy_writer_options){.flush_at = 0});
    return result;
}

static inline int teardown(void **state)
{
    eddy_writer_drop(&writer);
    eddy_stream_close(&stream);
    if (peer >= 0) {
        close(peer);
    }
    return testing_teardown(state);
}

#define writer_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static inline void close_peer(void)
{
    close(peer);
    peer = -1;
}

static inline unsigned calls_to_send(void)
{
    return testing_calls(send) + testing_calls(sendv);
}

/* ---- bytes of the pattern */

static unsigned char pattern[MOST];

/* The next bytes of it, to be put. */
static inline const unsigned char *next_bytes(size_t size)
{
    net_fill(pattern, put_so_far, size);
    return pattern;
}

static inline void put(size_t size)
{
    assert_int_equal(eddy_writer_put(&writer, next_bytes(size), size), 0);
    put_so_far += size;
}

/* Takes what is with the kernel, at most so many bytes, which go on with the pattern; how many. */
static inline size_t take(size_t most)
{
    static unsigned char buffer[MIB];
    size_t got = 0;
    ssize_t count = 1;

    while (got < most && count > 0) {
        size_t room = most - got < sizeof buffer ? most - got : sizeof buffer;
        count = recv(peer, buffer, room, MSG_DONTWAIT);
        if (count > 0) {
            assert_true(net_matches(buffer, got_so_far, (size_t)count));
            got += (size_t)count;
            got_so_far += (size_t)count;
        }
    }
    return got;
}

/* The peer takes all, and the loop its turns. */
static inline void take_all(void)
{
    do {
        testing_turns();
    } while (take(MOST) > 0);
}

/* Puts until the kernel takes no more, and `size` bytes wait. */
static inline void fill_up(size_t size)
{
    while (eddy_writer_buffered(&writer) == 0) {
        put(KIB);
        testing_turns();
    }
    put(size - eddy_writer_buffered(&writer));
    assert_int_equal(eddy_writer_buffered(&writer), size);
}

/* ---- what a task does to the writer, once */

enum deed { DRAIN, FLUSH, WRITE, CLOSE };

EDDY_MUST_USE static inline int64_t begin(eddy_coro *co, enum deed deed, size_t size)
{
    switch (deed) {
    case DRAIN:
        return eddy_writer_drain(co, &writer);
    case FLUSH:
        return eddy_writer_flush(co, &writer);
    case WRITE:
        return eddy_writer_write(co, &writer, pattern, size);
    case CLOSE:
        break;
    }
    return eddy_writer_close(co, &writer);
}

eddy_frame(does) {
    eddy_coro co;
    const char *name;
    enum deed deed;
    size_t size;
    int64_t limit; /* of time; 0: none */
    int64_t rc;
};

/* Logs how it ended: "drain=0". */
static inline void does(eddy_coro *co)
{
    eddy_begin(does);
    eddy_catch(self->rc, eddy_wait_for(co, self->limit > 0 ? self->limit : EDDY_FOREVER,
                                       begin(co, self->deed, self->size)));
    testing_log_result(self->name, self->rc);
    eddy_end;
}

#define start(its_name, its_deed) \
    eddy_loop_spawn(testing.loop, does, .name = its_name, .deed = its_deed)

static inline int64_t finish(eddy_task task)
{
    return eddy_loop_run_until(testing.loop, task);
}

#endif
