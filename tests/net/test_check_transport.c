/* The conformance test of transports, on every transport that there is; and what it finds in broken
 * ones. */
#include "support/net.h"
#include "support/tasks.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "eddy/check_transport.h"
#include "eddy/error.h"
#include "eddy/memory.h"
#include "eddy/transport.h"

static int open_fds(eddy_loop *loop, eddy_stream *one, eddy_stream *other, const int fds[2])
{
    int result = eddy_stream_open(loop, one, fds[0]);

    if (result < 0) {
        close(fds[0]);
        close(fds[1]);
        return result;
    }
    result = eddy_stream_open(loop, other, fds[1]);
    if (result < 0) {
        close(fds[1]);
    }
    return result;
}

static int open_tcp(eddy_loop *loop, eddy_stream *one, eddy_stream *other, void *user)
{
    int fds[2];

    (void)user;
    net_tcp_pair(fds);
    return open_fds(loop, one, other, fds);
}

static int open_unix(eddy_loop *loop, eddy_stream *one, eddy_stream *other, void *user)
{
    int fds[2];

    (void)user;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    return open_fds(loop, one, other, fds);
}

static int open_pipe(eddy_loop *loop, eddy_stream *one, eddy_stream *other, void *user)
{
    int fds[2];
    int both[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC | *(int *)user), 0);
    both[0] = fds[1];
    both[1] = fds[0];
    return open_fds(loop, one, other, both);
}

/* Bytes go through it as they are. */
static int open_terminal(eddy_loop *loop, eddy_stream *one, eddy_stream *other, void *user)
{
    int fds[2];
    struct termios raw;

    (void)user;
    fds[1] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(fds[1] >= 0 && grantpt(fds[1]) == 0 && unlockpt(fds[1]) == 0);
    fds[0] = open(ptsname(fds[1]), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_int_equal(tcgetattr(fds[0], &raw), 0);
    cfmakeraw(&raw);
    assert_int_equal(tcsetattr(fds[0], TCSANOW, &raw), 0);
    return open_fds(loop, one, other, fds);
}

static int open_memory(eddy_loop *loop, eddy_stream *one, eddy_stream *other, void *user)
{
    return eddy_memory_pair(loop, one, other, *(size_t *)user);
}

/* ---- a transport over another stream, as the guide has it */

static int64_t flip_read(eddy_transport *transport, void *buffer, size_t size)
{
    int64_t count = eddy_below_read(transport, buffer, size);

    for (int64_t i = 0; i < count; i++) {
        ((unsigned char *)buffer)[i] ^= 0x55;
    }
    return count;
}

static int64_t flip_write(eddy_transport *transport, const void *data, size_t size)
{
    unsigned char flipped[512];

    size = size < sizeof flipped ? size : sizeof flipped;
    for (size_t i = 0; i < size; i++) {
        flipped[i] = ((const unsigned char *)data)[i] ^ 0x55;
    }
    return eddy_below_write(transport, flipped, size);
}

static int flip_shutdown_write(eddy_transport *transport)
{
    return transport->below != NULL ? eddy_stream_shutdown_write(transport->below) : -EPIPE;
}

/* Who closes the upper one is done with the lower one. */
static void flip_close(eddy_transport *transport, int fd)
{
    (void)fd;
    if (transport->below != NULL) {
        eddy_stream_close(transport->below);
    }
}

static const struct eddy_transport_kind flip_kind = {
    .name = "flip",
    .read = flip_read,
    .write = flip_write,
    .shutdown_write = flip_shutdown_write,
    .close = flip_close,
};

static eddy_stream low[2];
static eddy_transport flips[2];

static int open_over(eddy_loop *loop, eddy_stream *one, eddy_stream *other, void *user)
{
    int result;

    memset(low, 0, sizeof low);
    memset(flips, 0, sizeof flips);
    flips[0].kind = flips[1].kind = user;
    result = eddy_memory_pair(loop, &low[0], &low[1], 1000);
    if (result == 0) {
        result = eddy_stream_open_over(&low[0], one, &flips[0]);
    }
    return result < 0 ? result : eddy_stream_open_over(&low[1], other, &flips[1]);
}

/* ---- running it */

static char found[256];

eddy_frame_of(checks, const struct eddy_transport_pair *pair, int64_t rc);

static void checks(eddy_coro *co)
{
    eddy_begin(checks);
    eddy_catch(self->rc, eddy_check_transport(co, self->pair));
    snprintf(found, sizeof found, "%s", self->rc < 0 ? eddy_error(co)->text : "");
    eddy_return(self->rc);
    eddy_end;
}

static int64_t check_pair(const struct eddy_transport_pair *pair)
{
    eddy_task task = eddy_loop_spawn(testing.loop, checks, .pair = pair);

    return eddy_loop_run_until(testing.loop, task);
}

static void assert_passes(const struct eddy_transport_pair *pair)
{
    int64_t rc = check_pair(pair);

    assert_string_equal(found, "");
    assert_int_equal(rc, 0);
}

static void assert_passes_in_real_time(const struct eddy_transport_pair *pair)
{
    testing_reopen_with(EDDY_CLOCK_MONOTONIC, 0);
    assert_passes(pair);
}

test(tcp)
{
    assert_passes_in_real_time(&(struct eddy_transport_pair){.name = "TCP", .open = open_tcp});
}

test(unix_domain)
{
    assert_passes_in_real_time(&(struct eddy_transport_pair){.name = "Unix", .open = open_unix});
}

test(a_pipe)
{
    int flags[] = {0, O_NONBLOCK};

    for (int i = 0; i < 2; i++) {
        assert_passes_in_real_time(&(struct eddy_transport_pair){
            .name = "pipe", .open = open_pipe, .user = &flags[i], .lacks = EDDY_LACKS_WAY_BACK});
    }
}

test(a_terminal)
{
    assert_passes_in_real_time(
        &(struct eddy_transport_pair){.name = "terminal",
                                      .open = open_terminal,
                                      .lacks = EDDY_LACKS_HALF_CLOSE | EDDY_LACKS_END});
}

test(memory)
{
    size_t capacities[] = {7, 100, 4096, 65536};

    for (int i = 0; i < 4; i++) {
        assert_passes(&(struct eddy_transport_pair){
            .name = "memory", .open = open_memory, .user = &capacities[i]});
    }
}

test(over_another_stream)
{
    assert_passes(&(struct eddy_transport_pair){
        .name = "flip", .open = open_over, .user = (void *)(uintptr_t)&flip_kind});
}

/* ---- what it finds */

static void assert_finds(const struct eddy_transport_kind *kind, const char *text)
{
    int64_t rc = check_pair(&(struct eddy_transport_pair){
        .name = "broken", .open = open_over, .user = (void *)(uintptr_t)kind});

    assert_string_equal(found, text);
    assert_int_equal(rc, -EPROTO);
}

static int64_t read_wrong(eddy_transport *transport, void *buffer, size_t size)
{
    int64_t count = flip_read(transport, buffer, size);

    if (count > 100) {
        ((char *)buffer)[100] ^= 1;
    }
    return count;
}

static int64_t write_without_limit(eddy_transport *transport, const void *data, size_t size)
{
    int64_t count = flip_write(transport, data, size);

    return count == -EAGAIN ? (int64_t)size : count;
}

/* Takes what comes and does not look whether there is more. */
static unsigned never_tells(eddy_transport *transport, unsigned events)
{
    (void)transport;
    (void)events;
    return 0;
}

static int shuts_nothing(eddy_transport *transport)
{
    (void)transport;
    return 0;
}

test(it_finds_bytes_that_are_wrong)
{
    struct eddy_transport_kind kind = flip_kind;

    kind.read = read_wrong;
    assert_finds(&kind, "broken: both ways: bytes arrive as they were sent, in order (got 13)");
}

test(it_finds_writes_that_are_lost)
{
    struct eddy_transport_kind kind = flip_kind;

    kind.write = write_without_limit;
    assert_finds(&kind, "broken: both ways: it hangs");
}

test(it_finds_what_is_not_told)
{
    struct eddy_transport_kind kind = flip_kind;

    kind.events = never_tells;
    assert_finds(&kind, "broken: both ways: it hangs");
}

test(it_finds_an_end_that_is_none)
{
    struct eddy_transport_kind kind = flip_kind;

    kind.shutdown_write = shuts_nothing;
    assert_finds(&kind, "broken: the end: nothing is written behind one's end: -EPIPE (got 1)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(tcp),
        testing_case(unix_domain),
        testing_case(a_pipe),
        testing_case(a_terminal),
        testing_case(memory),
        testing_case(over_another_stream),
        testing_case(it_finds_bytes_that_are_wrong),
        testing_case(it_finds_writes_that_are_lost),
        testing_case(it_finds_what_is_not_told),
        testing_case(it_finds_an_end_that_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
