/* examples/tls: TLS as a transport, over memory and over TCP. */
#include "support/certificate.h"
#include "support/children.h"
#include "support/net.h"

#include <stdio.h>
#include <string.h>

#include "eddy/check_transport.h"
#include "eddy/memory.h"
#include "support/text.h"

/* ---- a client and a server, over memory or TCP */

static eddy_stream low[2];
static struct tls client, server;
static size_t capacity; /* 0: TCP */

static int open_low(eddy_loop *loop)
{
    int fds[2];
    int result;

    memset(low, 0, sizeof low);
    memset(&client, 0, sizeof client);
    memset(&server, 0, sizeof server);
    if (capacity > 0) {
        return eddy_memory_pair(loop, &low[0], &low[1], capacity);
    }
    net_tcp_pair(fds);
    result = eddy_stream_open(loop, &low[0], fds[0]);
    assert_int_equal(result, 0);
    return eddy_stream_open(loop, &low[1], fds[1]);
}

static void open_both(const char *host, const char *protocols)
{
    assert_int_equal(open_low(testing.loop), 0);
    client.owns_below = server.owns_below = true;
    assert_int_equal(tls_client(&client, &low[0], client_context, host, protocols), 0);
    assert_int_equal(tls_server(&server, &low[1], server_context), 0);
}

static void close_all(void)
{
    eddy_stream_close(&client.stream);
    eddy_stream_close(&server.stream);
    eddy_stream_close(&low[0]);
    eddy_stream_close(&low[1]);
}

static int setup(void **state)
{
    capacity = 1000;
    return testing_setup(state);
}

static int teardown(void **state)
{
    close_all();
    return testing_teardown(state);
}

#define tls_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* ---- it is a transport */

/* The pair that the check opens and closes: streams of its own, moved into place. */
static struct tls ends[2];

static int64_t forward_read(eddy_transport *transport, void *buffer, size_t size)
{
    return eddy_below_read(transport, buffer, size);
}

static int64_t forward_write(eddy_transport *transport, const void *data, size_t size)
{
    return eddy_below_write(transport, data, size);
}

static int forward_shutdown(eddy_transport *transport)
{
    return eddy_stream_shutdown_write(transport->below);
}

static void forward_close(eddy_transport *transport, int fd)
{
    (void)fd;
    if (transport->below != NULL) {
        eddy_stream_close(transport->below);
    }
}

/* The check has streams of its own: they lie over those of the example. */
static const struct eddy_transport_kind forward_kind = {
    .name = "forward",
    .read = forward_read,
    .write = forward_write,
    .shutdown_write = forward_shutdown,
    .close = forward_close,
};

static eddy_transport forwards[2];

static int open_pair(eddy_loop *loop, eddy_stream *one, eddy_stream *other, void *user)
{
    int result = open_low(loop);

    (void)user;
    assert_int_equal(result, 0);
    memset(ends, 0, sizeof ends);
    memset(forwards, 0, sizeof forwards);
    ends[0].owns_below = ends[1].owns_below = true;
    forwards[0].kind = forwards[1].kind = &forward_kind;
    result = tls_client(&ends[0], &low[0], client_context, "localhost", NULL);
    assert_int_equal(result, 0);
    result = tls_server(&ends[1], &low[1], server_context);
    assert_int_equal(result, 0);
    result = eddy_stream_open_over(&ends[0].stream, one, &forwards[0]);
    return result < 0 ? result : eddy_stream_open_over(&ends[1].stream, other, &forwards[1]);
}

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

static void assert_passes(void)
{
    static const struct eddy_transport_pair pair = {.name = "TLS", .open = open_pair};
    int64_t rc =
        eddy_loop_run_until(testing.loop, eddy_loop_spawn(testing.loop, checks, .pair = &pair));

    assert_string_equal(found, "");
    assert_int_equal(rc, 0);
}

test(it_keeps_what_streams_promise)
{
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        SSL_CTX_set_max_proto_version(server_context, version);
        for (capacity = 100; capacity < 50000; capacity *= 20) {
            assert_passes();
        }
    }
    SSL_CTX_set_max_proto_version(server_context, 0);
}

test(it_keeps_it_over_tcp)
{
    capacity = 0;
    testing_reopen_with(EDDY_CLOCK_MONOTONIC, 0);
    assert_passes();
}

/* ---- who it is */

static int64_t ours_ended, theirs_ended;

eddy_frame_of(shakes, struct tls *tls, const char *name, int64_t rc, int64_t *ended);

static void shakes(eddy_coro *co)
{
    eddy_begin(shakes);
    eddy_catch(self->rc, tls_handshake(co, self->tls));
    if (self->rc < 0) {
        testing_log("%s:%s", self->name, eddy_error(co)->text);
    }
    *self->ended = self->rc;
    if (self->rc < 0) {
        eddy_stream_close(&self->tls->stream);
    }
    eddy_end;
}

static void shake_hands(void)
{
    eddy_task ours = eddy_loop_spawn(testing.loop, shakes, .tls = &client, .name = "client",
                                     .ended = &ours_ended);
    eddy_task theirs = eddy_loop_spawn(testing.loop, shakes, .tls = &server, .name = "server",
                                       .ended = &theirs_ended);

    assert_int_equal(eddy_loop_run_until(testing.loop, ours), 0);
    assert_int_equal(eddy_loop_run_until(testing.loop, theirs), 0);
}

static void assert_agree(void)
{
    shake_hands();
    assert_string_equal(testing.log, "");
    assert_int_equal(ours_ended, 0);
    assert_int_equal(theirs_ended, 0);
}

test(a_server_is_who_its_certificate_says)
{
    open_both("localhost", NULL);
    assert_agree();
    assert_string_equal(SSL_get_servername(server.ssl, TLSEXT_NAMETYPE_host_name), "localhost");
    close_all();
    open_both("127.0.0.1", NULL);
    assert_agree();
    assert_null(SSL_get_servername(server.ssl, TLSEXT_NAMETYPE_host_name));
}

static void assert_refused(const char *reason)
{
    shake_hands();
    assert_non_null(strstr(testing.log, reason));
    assert_int_equal(ours_ended, -EPROTO);
    testing.log[0] = '\0';
}

test(another_name_is_refused)
{
    open_both("example.org", NULL);
    assert_refused("client:TLS: ");
}

test(a_certificate_that_nobody_trusts_is_refused)
{
    SSL_CTX *mine = client_context;

    client_context = tls_client_context(NULL);
    assert_non_null(client_context);
    open_both("localhost", NULL);
    assert_refused("client:TLS: ");
    SSL_CTX_free(client_context);
    client_context = mine;
}

test(they_agree_on_a_protocol)
{
    char text[32];

    open_both("localhost", "\002h2\003dot");
    assert_agree();
    tls_protocol(&client, text, sizeof text);
    assert_string_equal(text, "dot");
    tls_protocol(&server, text, sizeof text);
    assert_string_equal(text, "dot");
    close_all();
    open_both("localhost", "\002h2");
    assert_refused("client:TLS: ");
}

test(who_does_not_speak_it_is_told_apart)
{
    eddy_task task;

    capacity = 1000;
    assert_int_equal(open_low(testing.loop), 0);
    assert_int_equal(tls_server(&server, &low[1], server_context), 0);
    task = eddy_loop_spawn(testing.loop, shakes, .tls = &server, .name = "server",
                           .ended = &theirs_ended);
    assert_int_equal(eddy_try_write(&low[0], "GET / HTTP/1.0\r\n\r\n", 18), 18);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), 0);
    assert_int_equal(theirs_ended, -EPROTO);
    testing.log[0] = '\0';
}

/* ---- how it ends */

eddy_frame(reads_on) {
    eddy_coro co;
    struct tls *tls;
    const char *name;
    int64_t rc;
    char buffer[64];
};

static void reads_on(eddy_coro *co)
{
    eddy_begin(reads_on);
    do {
        eddy_catch(self->rc, eddy_read(co, &self->tls->stream, self->buffer, sizeof self->buffer));
        if (self->rc > 0) {
            testing_log("%s:%.*s", self->name, (int)self->rc, self->buffer);
        }
    } while (self->rc > 0);
    testing_log_result(self->name, self->rc);
    eddy_end;
}

test(an_end_is_told_from_a_cut)
{
    for (int cut = 0; cut <= 1; cut++) {
        eddy_task task;
        open_both("localhost", NULL);
        assert_agree();
        task = eddy_loop_spawn(testing.loop, reads_on, .tls = &client, .name = "r");
        assert_int_equal(eddy_try_write(&server.stream, "bye", 3), 3);
        if (cut != 0) {
            eddy_stream_close(&low[1]);
        } else {
            eddy_stream_close(&server.stream);
        }
        assert_int_equal(eddy_loop_run_until(testing.loop, task), 0);
        testing_assert_log(cut != 0 ? "r:bye r=-ECONNRESET" : "r:bye r=0");
        close_all();
    }
}

/* ---- new keys in the midst of it: a write may have to read, and a read to write */

enum { LONG = 300000 };

eddy_frame(pours) {
    eddy_coro co;
    struct tls *tls;
    size_t done;
    unsigned char data[3000];
};

static void renew_keys(struct tls *tls)
{
    if (SSL_version(tls->ssl) == TLS1_3_VERSION) {
        assert_int_equal(SSL_key_update(tls->ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    } else if (SSL_is_server(tls->ssl) != 0 && SSL_in_init(tls->ssl) == 0) {
        assert_int_equal(SSL_renegotiate(tls->ssl), 1);
    }
}

static void pours(eddy_coro *co)
{
    eddy_begin(pours);
    for (; self->done < LONG; self->done += sizeof self->data) {
        if (self->done % 30000 == 0) {
            renew_keys(self->tls);
        }
        net_fill(self->data, self->done, sizeof self->data);
        eddy_await(eddy_write(co, &self->tls->stream, self->data, sizeof self->data));
    }
    eddy_end;
}

eddy_frame(drinks) {
    eddy_coro co;
    struct tls *tls;
    size_t got;
    size_t count;
    unsigned char data[1234];
};

static void drinks(eddy_coro *co)
{
    eddy_begin(drinks);
    while (self->got < LONG) {
        eddy_await(self->count, eddy_read(co, &self->tls->stream, self->data, sizeof self->data));
        if (self->count == 0 || !net_matches(self->data, self->got, self->count)) {
            eddy_return(-EIO);
        }
        self->got += self->count;
    }
    eddy_end;
}

eddy_frame_of(renews, eddy_group group);

static void renews(eddy_coro *co)
{
    eddy_begin(renews);
    eddy_with_group(&self->group) {
        eddy_group_spawn(co, &self->group, pours, .tls = &client);
        eddy_group_spawn(co, &self->group, pours, .tls = &server);
        eddy_group_spawn(co, &self->group, drinks, .tls = &client);
        eddy_group_spawn(co, &self->group, drinks, .tls = &server);
    }
    eddy_end;
}

test(keys_are_renewed_while_both_write)
{
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        SSL_CTX_set_max_proto_version(server_context, version);
        open_both("localhost", NULL);
        assert_agree();
        assert_int_equal(eddy_loop_run_until(testing.loop, eddy_loop_spawn(testing.loop, renews)),
                         0);
        if (version == TLS1_2_VERSION) {
            assert_true(SSL_num_renegotiations(server.ssl) > 1);
        }
        close_all();
    }
    SSL_CTX_set_max_proto_version(server_context, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        tls_case(it_keeps_what_streams_promise),
        tls_case(it_keeps_it_over_tcp),
        tls_case(a_server_is_who_its_certificate_says),
        tls_case(another_name_is_refused),
        tls_case(a_certificate_that_nobody_trusts_is_refused),
        tls_case(they_agree_on_a_protocol),
        tls_case(who_does_not_speak_it_is_told_apart),
        tls_case(an_end_is_told_from_a_cut),
        tls_case(keys_are_renewed_while_both_write),
    };

    return cmocka_run_group_tests(tests, make_contexts, free_contexts);
}
