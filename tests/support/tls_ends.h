/* Two ends of TLS over a pair in memory for races: the near one is raced for, the far one is driven by the test
 * itself, without a task. */
#ifndef EDDY_TESTING_TLS_ENDS_H
#define EDDY_TESTING_TLS_ENDS_H

#include "support/certificate.h"
#include "support/tasks.h"

#include "eddy/memory.h"

enum { ROUNDS = 20, FULL = 1000, WIDE = 20000 };

static eddy_stream low[2];
static struct tls near, far;
static char buffer[64];
static size_t came, went; /* bytes in clear that each end has read */
static size_t filled;     /* that the near end had written before the race */

static bool near_serves; /* it is the server, and the far one the client */

static inline void open_ends(size_t capacity)
{
    struct tls *client = near_serves ? &far : &near;
    struct tls *server = near_serves ? &near : &far;

    memset(low, 0, sizeof low);
    memset(&near, 0, sizeof near);
    memset(&far, 0, sizeof far);
    memset(buffer, 0, sizeof buffer);
    came = went = filled = 0;
    near.owns_below = far.owns_below = true;
    assert_int_equal(eddy_memory_pair(testing.loop, &low[0], &low[1], capacity), 0);
    assert_int_equal(tls_client(client, &low[near_serves], client_context, "localhost", NULL), 0);
    assert_int_equal(tls_server(server, &low[!near_serves], server_context), 0);
}

/* What the near end writes: what it has filled the way with, and then "ef". */
static inline char nth_written(size_t n)
{
    return n < filled ? "abcd"[n % 4] : "ef"[n - filled];
}

/* Reads all that has come: -EAGAIN, 0 at the end, or an error. */
static inline int64_t hear_near(void)
{
    char byte;
    int64_t count;

    while ((count = eddy_try_read(&far.stream, &byte, 1)) > 0) {
        assert_true(went < filled + 2);
        assert_int_equal(byte, nth_written(went));
        went++;
    }
    return count;
}

static inline int64_t hear_far(void)
{
    char byte;
    int64_t count;

    while ((count = eddy_try_read(&near.stream, &byte, 1)) > 0) {
        assert_int_equal(byte, 'x');
        came++;
    }
    return count;
}

/* What each says to the other arrives. */
static inline void settle_ends(int64_t *near_left, int64_t *far_left)
{
    for (int i = 0; i < ROUNDS; i++) {
        *near_left = hear_far();
        *far_left = hear_near();
    }
}

static inline void shake_hands(void)
{
    int64_t near_left, far_left;

    settle_ends(&near_left, &far_left);
    assert_int_equal(near_left, -EAGAIN);
    assert_int_equal(far_left, -EAGAIN);
    assert_true(SSL_is_init_finished(near.ssl));
    assert_true(SSL_is_init_finished(far.ssl));
}

static inline const char *state(int64_t left)
{
    return left == -EAGAIN       ? "open"
           : left == 0           ? "ended"
           : left == -ECONNRESET ? "cut"
           : left == -EBADF      ? "closed"
                                 : eddy_strerror(left);
}

/* "1+2 open, +0 ended": the near end has read a byte in the race and two later, and the connection is open for
 * it; the far end has read all that was written before the race, and nothing more, and then the end. What was
 * written comes without the near end's doing anything more. */
static inline void log_left(void)
{
    int64_t near_left, far_left;
    int more;

    for (int i = 0; i < ROUNDS; i++) {
        (void)hear_near();
    }
    more = (int)went - (int)filled;
    settle_ends(&near_left, &far_left);
    testing_log("%zu+%zu %s, %+d %s", strlen(buffer), came, state(near_left), more,
                state(far_left));
}

static inline void close_pair(void)
{
    eddy_stream_close(&near.stream);
    eddy_stream_close(&far.stream);
    eddy_stream_close(&low[0]);
    eddy_stream_close(&low[1]);
}

/* ---- what races are made of */

static inline void close_near(eddy_coro *co)
{
    (void)co;
    eddy_stream_close(&near.stream);
}

static inline int64_t wait_read(eddy_coro *co)
{
    return eddy_read(co, &near.stream, buffer, sizeof buffer - 1);
}

static inline void send_byte(eddy_coro *co)
{
    (void)co;
    (void)eddy_try_write(&far.stream, "x", 1);
}

static inline void take_all(eddy_coro *co)
{
    (void)co;
    (void)hear_near();
}

eddy_frame_of(ends, int64_t rc);

static inline void ends(eddy_coro *co)
{
    eddy_begin(ends);
    while ((self->rc = eddy_stream_shutdown_write(&near.stream)) == -EAGAIN) {
        eddy_await(eddy_writable(co, &near.stream));
    }
    eddy_return(self->rc);
    eddy_end;
}

static inline int64_t wait_ended(eddy_coro *co)
{
    return eddy_call(co, ends);
}

#endif
