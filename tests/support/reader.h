/* For tests of readers: a stream with a reader, its peer, and a coroutine that does what it is asked
 * and logs what it got. */
#ifndef EDDY_TESTING_READER_H
#define EDDY_TESTING_READER_H

#include "support/children.h"
#include "support/net.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "eddy/deadline.h"
#include "eddy/reader.h"

enum { ROOM = 16 };

static eddy_stream stream;
static eddy_reader reader;
static char buffer[ROOM];
static char record[64]; /* what eddy_read_exactly and eddy_reader_read fill */
static int peer;
static bool by_loop; /* the buffer is of the loop's memory */

static inline void open_stream(void)
{
    int fds[2];

    testing_socketpair(fds);
    memset(&stream, 0, sizeof stream);
    assert_int_equal(eddy_stream_open(testing.loop, &stream, fds[0]), 0);
    if (by_loop) {
        memset(&reader, 0, sizeof reader);
        assert_int_equal(eddy_reader_open(&reader, &stream, sizeof buffer), 0);
    } else {
        eddy_reader_init(&reader, &stream, buffer, sizeof buffer);
    }
    peer = fds[1];
}

static inline void close_stream(void)
{
    if (by_loop) {
        eddy_reader_close(&reader);
    }
    eddy_stream_close(&stream);
    close(peer);
}

static inline int setup(void **state)
{
    int result = testing_setup(state);

    open_stream();
    return result;
}

static inline int setup_opened(void **state)
{
    by_loop = true;
    return setup(state);
}

static inline int teardown(void **state)
{
    close_stream();
    by_loop = false;
    return testing_teardown(state);
}

#define reader_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Likewise, and again with a reader that is opened. */
#define reader_cases(name)                                   \
    reader_case(name),                                       \
    {                                                        \
#name "__opened", name, setup_opened, teardown, NULL \
    }

/* ---- one operation, as a value */

enum kind { LINE, UNTIL, EXACTLY, READ, PEEK };

struct asked {
    enum kind kind;
    size_t size;           /* the limit of a line */
    const char *delimiter; /* of UNTIL */
};

#define LINE(limit) ((struct asked){LINE, limit, NULL})
#define UNTIL(text, limit) ((struct asked){UNTIL, limit, text})
#define EXACTLY(count) ((struct asked){EXACTLY, count, NULL})
#define READ(count) ((struct asked){READ, count, NULL})
#define PEEK(count) ((struct asked){PEEK, count, NULL})

EDDY_MUST_USE static inline int64_t begin(eddy_coro *co, struct asked asked)
{
    switch (asked.kind) {
    case LINE:
        return eddy_read_line(co, &reader, asked.size);
    case UNTIL:
        return eddy_read_until(co, &reader, asked.delimiter, strlen(asked.delimiter), asked.size);
    case EXACTLY:
        return eddy_read_exactly(co, &reader, record, asked.size);
    case READ:
        return eddy_reader_read(co, &reader, record, asked.size);
    case PEEK:
        break;
    }
    return eddy_reader_peek(co, &reader, asked.size);
}

static inline const char *bytes_of(struct asked asked)
{
    switch (asked.kind) {
    case LINE:
    case UNTIL:
        return reader.line;
    case EXACTLY:
    case READ:
        return record;
    case PEEK:
        break;
    }
    return eddy_reader_unread(&reader);
}

/* Does what is asked once (or `times`), and logs the bytes, "one/" ('/' is the end of a line), or a
 * result <= 0, "-0", "-EBUSY". Returns the last result. */
eddy_frame(asks) {
    eddy_coro co;
    struct asked asked;
    int times;
    int64_t limit; /* of time; 0: none */
    int64_t rc;
};

static inline const char *name_of(int64_t error)
{
    static const struct {
        int64_t error;
        const char *name;
    } names[] = {
        {-EBADF, "EBADF"},
        {-EBUSY, "EBUSY"},
        {-ECANCELED, "ECANCELED"},
        {-EINVAL, "EINVAL"},
        {-EIO, "EIO"},
        {-EMSGSIZE, "EMSGSIZE"},
        {-ENODATA, "ENODATA"},
        {-ETIMEDOUT, "ETIMEDOUT"},
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].error == error) {
            return names[i].name;
        }
    }
    return eddy_strerror(error);
}

static inline void log_bytes(struct asked asked, int64_t result)
{
    char text[ROOM * 4 + 1];

    if (result <= 0) {
        testing_log("-%s", result == 0 ? "0" : name_of(result));
        return;
    }
    memcpy(text, bytes_of(asked), (size_t)result);
    text[result] = '\0';
    for (char *c = text; (c = strchr(c, '\n')) != NULL;) {
        *c = '/';
    }
    testing_log("%s", text);
}

static inline void asks(eddy_coro *co)
{
    eddy_begin(asks);
    do {
        eddy_catch(self->rc, eddy_wait_for(co, self->limit > 0 ? self->limit : EDDY_FOREVER,
                                           begin(co, self->asked)));
        log_bytes(self->asked, self->rc);
    } while (--self->times > 0);
    eddy_return(self->rc);
    eddy_end;
}

#define start(...) eddy_loop_spawn(testing.loop, asks, .asked = __VA_ARGS__)
#define ask(...) finish(start(__VA_ARGS__))

static inline int64_t finish(eddy_task task)
{
    return eddy_loop_run_until(testing.loop, task);
}

static inline void end_of_file(void)
{
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
}

#endif
