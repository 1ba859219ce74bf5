/* server.h: eddy_server_drain: who is idle goes at once, who is busy finishes, and the grace is an end. */
#include "support/serve.h"

#include "eddy/group.h"
#include "eddy/reader.h"
#include "eddy/select.h"
#include "eddy/transport.h"

static int setup(void **state)
{
    int result = testing_setup(state);

    memset(&server, 0, sizeof server);
    server.linger_time = -1; /* who goes has gone, whether his peer reads or not */
    return result != 0 ? result : open_directory();
}

static int teardown(void **state)
{
    int removed = close_directory();

    return testing_teardown(state) != 0 || removed != 0 ? -1 : 0;
}

#define drain_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* ---- a protocol: "N!" is answered with "!" after N seconds, and a line by its reader likewise */

enum manner { READS, READS_LINES, SELECTS, IS_READABLE, SAYS_BUSY, SAYS_IDLE, READS_OVER };

eddy_frame(answers) {
    eddy_coro co;
    eddy_stream *stream;
    enum manner manner;
    int cleanup;   /* seconds */
    bool stubborn; /* goes on when it is cancelled */
    int64_t count;
    int64_t rc;
    int64_t results[2];
    eddy_reader reader;
    eddy_stream above;
    char request[16];
    char buffer[16];
};

/* One request: "3!"; its bytes may come one by one. */
eddy_frame_of(takes_request, struct answers *of);

static void takes_request(eddy_coro *co)
{
    eddy_begin(takes_request);
    self->of->count = 0;
    do {
        if (self->of->manner == IS_READABLE) {
            eddy_await(eddy_readable(co, self->of->stream));
            self->of->rc = eddy_try_read(self->of->stream, self->of->request + self->of->count, 1);
            self->of->rc = self->of->rc == -EAGAIN ? 0 : self->of->rc;
            if (self->of->rc < 0) {
                eddy_return(self->of->rc);
            }
        } else if (self->of->manner == SELECTS) {
            eddy_await(eddy_select(co, self->of->results,
                                   eddy_read_until(co, &self->of->reader, "!", 1, 16),
                                   eddy_sleep(co, eddy_client_of(co) != NULL ? EDDY_FOREVER : 0)));
            self->of->rc = self->of->results[0];
            memcpy(self->of->request, self->of->reader.line, (size_t)self->of->rc);
        } else if (self->of->manner == READS_LINES) {
            eddy_await(self->of->rc, eddy_read_until(co, &self->of->reader, "!", 1, 16));
            memcpy(self->of->request, self->of->reader.line, (size_t)self->of->rc);
        } else {
            eddy_await(self->of->rc,
                       eddy_read(co, self->of->stream, self->of->request + self->of->count, 1));
            if (self->of->rc == 0) {
                eddy_return(-ECONNRESET);
            }
        }
        self->of->count += self->of->rc;
    } while (self->of->count < 2 || self->of->request[self->of->count - 1] != '!');
    eddy_end;
}

static void answers(eddy_coro *co)
{
    eddy_begin(answers);
    eddy_reader_init(&self->reader, self->stream, self->buffer, sizeof self->buffer);
    for (;;) {
        if (self->manner == SAYS_IDLE) {
            eddy_client_set_activity(eddy_client_of(co), EDDY_CLIENT_IDLE);
        }
        eddy_catch(self->rc, eddy_call(co, takes_request, .of = self));
        if (self->rc == -ECANCELED && self->stubborn) {
            self->stubborn = false;
            continue;
        }
        if (self->rc < 0) {
            testing_log("gone@%d", seconds());
            eddy_return(self->rc);
        }
        if (self->manner == SAYS_BUSY) {
            eddy_client_set_activity(eddy_client_of(co), EDDY_CLIENT_BUSY);
        }
        eddy_await(eddy_sleep(co, (self->request[0] - '0') * EDDY_SECOND));
        eddy_await(eddy_write(co, self->stream, "!", 1));
        testing_log("answered@%d", seconds());
    }
eddy_finally:
    if (self->cleanup > 0) {
        eddy_await(eddy_sleep(co, self->cleanup * EDDY_SECOND));
        testing_log("cleaned@%d", seconds());
    }
    eddy_end;
}

eddy_frame(serves_answers) {
    eddy_coro co;
    enum manner manner;
    int cleanup;
    bool stubborn;
};

static void serves_answers(eddy_coro *co)
{
    eddy_begin(serves_answers);
    eddy_await(eddy_serve_at(co, &server, &address, answers, .manner = self->manner,
                             .cleanup = self->cleanup, .stubborn = self->stubborn));
    eddy_end;
}

eddy_frame(drains) {
    eddy_coro co;
    const char *name;
    int grace;      /* seconds */
    int limit;      /* 0: none */
    bool cancelled; /* before it begins */
    int64_t rc;
};

static void drains(eddy_coro *co)
{
    eddy_begin(drains);
    if (self->cancelled) {
        assert_int_equal(eddy_cancel(eddy_task_self(co)), 0);
    }
    if (self->limit > 0) {
        eddy_catch(self->rc, eddy_wait_for(co, self->limit * EDDY_SECOND,
                                           eddy_server_drain(co, &server, 100 * EDDY_SECOND)));
    } else {
        eddy_catch(self->rc, eddy_server_drain(co, &server, self->grace * EDDY_SECOND));
    }
    log_end(self->name, self->rc);
    eddy_end;
}

static int fd;

/* A client whom the server has, and who has sent that. */
static int client_sends(const char *text)
{
    uint64_t before = server.accepted;
    int client = unix_connect(&address);

    net_send(client, text);
    for (int i = 0; i < 1000 && server.accepted == before; i++) {
        testing_turn();
    }
    testing_turns();
    return client;
}

static void serve_it(enum manner manner)
{
    assert_int_equal(run(serves_answers, .manner = manner), 0);
}

#define drain(...) run(drains, "drain", __VA_ARGS__)

/* All of which happened in that second. */
static void assert_answered_and_gone_at(int second)
{
    char text[128];

    snprintf(text, sizeof text, "answered@%d gone@%d drain=0@%d", second, second, second);
    testing_assert_log(text);
}

static void close_all(void)
{
    assert_int_equal(server.active, 0);
    assert_int_equal(server.lingering, 0);
    assert_false(server.draining);
    assert_false(eddy_timer_started(&server.grace));
    close(fd);
}

/* ---- who is idle */

static const enum manner manners[] = {READS,       READS_LINES, SELECTS,
                                      IS_READABLE, SAYS_BUSY,   SAYS_IDLE};
enum { MANNERS = sizeof manners / sizeof *manners };

test(who_waits_for_his_first_request_is_sent_away_at_once)
{
    for (int i = 0; i < MANNERS; i++) {
        serve_it(manners[i]);
        fd = client_sends("");
        assert_int_equal(drain(100), 0);
        testing_assert_log("gone@0 drain=0@0");
        net_expect_end(fd);
        close_all();
    }
}

test(who_has_his_answer_and_waits_for_the_next_request_is_sent_away_at_once)
{
    for (int i = 0; i < MANNERS; i++) {
        if (manners[i] == SAYS_BUSY) {
            continue; /* it never says that it is idle again */
        }
        serve_it(manners[i]);
        fd = client_sends("0!");
        net_expect(fd, "!");
        testing_assert_log("answered@0");
        assert_int_equal(drain(100), 0);
        testing_assert_log("gone@0 drain=0@0");
        close_all();
    }
}

test(who_is_being_answered_gets_his_answer_and_goes_then)
{
    for (int i = 0; i < MANNERS; i++) {
        if (manners[i] == SAYS_BUSY || manners[i] == SAYS_IDLE) {
            continue;
        }
        serve_it(manners[i]);
        fd = client_sends("3!");
        assert_int_equal(drain(100), 0);
        assert_answered_and_gone_at(seconds());
        net_expect(fd, "!");
        net_expect_end(fd);
        close_all();
    }
}

/* Half of a request has come, and the rest comes when the server drains already. */
eddy_frame(completes) {
    eddy_coro co;
};

static void completes(eddy_coro *co)
{
    eddy_begin(completes);
    eddy_await(eddy_sleep(co, 2 * EDDY_SECOND));
    net_send(fd, "!");
    eddy_end;
}

test(who_is_in_the_midst_of_a_request_is_busy)
{
    static const enum manner cutters[] = {READS, READS_LINES, SELECTS, IS_READABLE};

    for (int i = 0; i < 4; i++) {
        eddy_task rest;
        int began = seconds();
        serve_it(cutters[i]);
        fd = client_sends("0!3");
        net_expect(fd, "!");
        rest = start(completes);
        testing.log[0] = '\0';
        assert_int_equal(drain(100), 0);
        assert_answered_and_gone_at(began + 5);
        net_expect(fd, "!");
        assert_int_equal(finish(rest), 0);
        close_all();
    }
}

test(who_says_that_he_is_idle_is_and_who_says_that_he_is_busy_is)
{
    serve_it(SAYS_IDLE);
    fd = client_sends("9!"); /* it sleeps */
    assert_int_equal(drain(100), 0);
    testing_assert_log("drain=0@0");
    close_all();
    serve_it(SAYS_BUSY);
    fd = client_sends("0!");
    net_expect(fd, "!");
    assert_int_equal(drain(5), 0);
    testing_assert_log("answered@0 gone@5 drain=1@5");
    close_all();
}

/* ---- over another stream: an echo in memory stands for TLS */

eddy_frame(listens_above) {
    eddy_coro co;
    eddy_stream *stream;
    eddy_stream above;
    eddy_transport transport;
    char byte;
};

static int64_t pass_read(eddy_transport *transport, void *buffer, size_t size)
{
    return eddy_below_read(transport, buffer, size);
}

static int64_t pass_write(eddy_transport *transport, const void *data, size_t size)
{
    return eddy_below_write(transport, data, size);
}

static void pass_close(eddy_transport *transport, int of)
{
    (void)transport;
    (void)of;
}

static const struct eddy_transport_kind pass_kind = {
    .name = "pass",
    .close = pass_close,
    .read = pass_read,
    .write = pass_write,
};

static void listens_above(eddy_coro *co)
{
    eddy_begin(listens_above);
    eddy_stream_open_over(self->stream, &self->above, &self->transport);
    for (;;) {
        eddy_await(eddy_read(co, &self->above, &self->byte, 1));
        if (self->byte == '!') {
            eddy_await(eddy_write(co, &self->above, "!", 1));
        }
    }
eddy_finally:
    eddy_stream_close(&self->above);
    testing_log("gone@%d", seconds());
    eddy_end;
}

eddy_frame(serves_above) {
    eddy_coro co;
};

static void serves_above(eddy_coro *co)
{
    eddy_begin(serves_above);
    eddy_await(
        eddy_serve_at(co, &server, &address, listens_above, .transport = {.kind = &pass_kind}));
    eddy_end;
}

test(what_is_read_above_the_clients_stream_counts)
{
    assert_int_equal(run(serves_above), 0);
    fd = client_sends("a!");
    net_expect(fd, "!");
    assert_int_equal(drain(9), 0);
    testing_assert_log("gone@0 drain=0@0");
    close_all();
    assert_int_equal(run(serves_above), 0);
    fd = client_sends("a!a");
    net_expect(fd, "!");
    assert_int_equal(drain(9), 0);
    testing_assert_log("gone@9 drain=1@9");
    close_all();
}

/* ---- the grace */

test(who_is_busy_when_the_grace_is_over_is_cancelled_and_his_cleanup_runs)
{
    int idle;

    assert_int_equal(run(serves_answers, .cleanup = 7), 0);
    fd = client_sends("9!");
    idle = client_sends("");
    assert_int_equal(drain(2), 0);
    testing_assert_log("gone@0 cleaned@7 cleaned@9 drain=2@9");
    close(idle);
    close_all();
}

test(without_a_grace_all_are_cancelled_at_once)
{
    serve_it(READS);
    fd = client_sends("9!");
    assert_int_equal(drain(0), 0);
    testing_assert_log("drain=1@0");
    close_all();
}

test(who_goes_on_in_spite_of_it_has_the_grace)
{
    assert_int_equal(run(serves_answers, .stubborn = true), 0);
    fd = client_sends("");
    assert_int_equal(drain(4), 0);
    testing_assert_log("gone@4 drain=1@4");
    close_all();
}

test(of_two_drains_the_shorter_grace_counts_and_both_are_told)
{
    eddy_task first;
    eddy_task second;

    serve_it(READS);
    fd = client_sends("9!");
    first = start(drains, "a", 8);
    second = start(drains, "b", 3);
    assert_int_equal(run(drains, "c", 5), 0);
    assert_int_equal(finish(first), 0);
    assert_int_equal(finish(second), 0);
    testing_assert_log("a=1@3 b=1@3 c=1@3");
    close_all();
}

/* One grace after the other is over while a cleanup takes its time. */
test(of_several_drains_each_counts_who_is_left_once)
{
    eddy_task first;
    eddy_task second;

    assert_int_equal(run(serves_answers, .cleanup = 9), 0);
    fd = client_sends("9!");
    first = start(drains, "a", 2);
    assert_int_equal(run(sleeps, .seconds = 3), 0);
    second = start(drains, "b", 1);
    testing_turns();
    assert_int_equal(run(sleeps, .seconds = 2), 0);
    assert_int_equal(drain(0), 0);
    assert_int_equal(finish(first), 0);
    assert_int_equal(finish(second), 0);
    testing_assert_log("cleaned@11 a=1@11 b=1@11 drain=1@11");
    close_all();
}

test(who_lingers_has_the_grace_too)
{
    int client;

    server.linger_time = 0;
    assert_int_equal(run(serves, .count = (set_address(0, "127.0.0.1", 0), 1)), 0);
    client = connect_to(&server.address);
    net_expect(client, "hello");
    net_send(client, "x");
    testing_turns();
    assert_int_equal(drain(3), 0);
    testing_assert_log("drain=1@3"); /* it has read since */
    assert_int_equal(server.lingering, 0);
    close(client);
}

/* ---- what else may come */

test(a_server_that_was_never_open_or_has_ended_is_drained_at_once)
{
    assert_int_equal(drain(9), 0);
    serve_it(READS);
    assert_int_equal(drain(9), 0);
    assert_int_equal(drain(9), 0);
    testing_assert_log("drain=0@0 drain=0@0 drain=0@0");
    fd = -1;
    serve_it(READS); /* and may be opened again */
    assert_false(server.draining);
    assert_int_equal(drain(9), 0);
    testing_assert_log("drain=0@0");
}

test(a_closed_server_is_drained_and_who_waits_for_its_end_is_told)
{
    eddy_task waits;

    serve_it(READS);
    fd = client_sends("3!");
    waits = start(waits_until_closed);
    eddy_server_close(&server);
    testing_turns();
    assert_int_equal(drain(9), 0);
    testing_assert_log("answered@3 gone@3 drain=0@3");
    assert_int_equal(finish(waits), 0);
    close_all();
}

test(a_cancel_or_time_out_ends_the_grace)
{
    eddy_task task;

    assert_int_equal(run(serves_answers, .cleanup = 1), 0);
    fd = client_sends("9!");
    assert_int_equal(drain(.limit = 2), 0);
    testing_assert_log("cleaned@3 drain=ETIMEDOUT@3");
    close_all();
    assert_int_equal(run(serves_answers, .cleanup = 1), 0);
    fd = client_sends("9!");
    task = start(drains, "drain", 100);
    testing_turns();
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), 0);
    testing_assert_log("cleaned@4 drain=ECANCELED@4");
    close_all();
}

test(a_cancel_that_is_pending_ends_the_grace_and_nobody_is_left_behind)
{
    assert_int_equal(run(serves_answers, .cleanup = 1), 0);
    fd = client_sends("9!");
    assert_int_equal(drain(100, .cancelled = true), 0);
    testing_assert_log("cleaned@1 drain=ECANCELED@1");
    close_all();
}

test(a_cancel_of_one_drain_ends_the_grace_of_all)
{
    eddy_task first;
    eddy_task second;

    serve_it(READS);
    fd = client_sends("9!");
    first = start(drains, "a", 100);
    second = start(drains, "b", 100);
    testing_turns();
    assert_int_equal(eddy_cancel(first), 0);
    assert_int_equal(finish(first), 0);
    assert_int_equal(finish(second), 0);
    testing_assert_log("a=ECANCELED@0 b=0@0");
    close_all();
}

eddy_frame(drains_itself) {
    eddy_coro co;
    eddy_stream *stream;
    int64_t rc;
};

static void drains_itself(eddy_coro *co)
{
    eddy_begin(drains_itself);
    eddy_catch(self->rc, eddy_server_drain(co, &server, EDDY_SECOND));
    log_end("itself", self->rc);
    eddy_end;
}

eddy_frame(serves_drains_itself) {
    eddy_coro co;
};

static void serves_drains_itself(eddy_coro *co)
{
    eddy_begin(serves_drains_itself);
    eddy_await(eddy_serve_at(co, &server, &address, drains_itself));
    eddy_end;
}

test(a_handler_does_not_drain_its_own_server)
{
    assert_int_equal(run(serves_drains_itself), 0);
    fd = client_sends("");
    testing_assert_log("itself=EDEADLK@0");
    assert_false(server.draining);
    end();
    close_all();
}

test(a_drain_needs_no_memory)
{
    eddy_task task;
    int idle;

    at[0] = address;
    assert_int_equal(serve_all(1), 0);
    idle = client_sends("");
    fd = client_sends("x");
    task = start(drains, "drain", 2);
    use_up_memory();
    assert_int_equal(finish(task), 0);
    testing_fail_allocation(0);
    testing_assert_log("drain=1@2");
    close(idle);
    close_all();
}

test(the_loop_may_end_in_the_midst_of_a_drain)
{
    serve_it(READS);
    fd = client_sends("9!");
    (void)start(drains, "drain", 100);
    testing_turns();
    assert_true(server.draining);
    testing_free();
    testing_assert_log("drain=ECANCELED@0");
    close_all();
}

/* ---- what it costs: only a server that drains looks at its clients */

test(it_looks_at_its_clients_once_a_turn_and_lets_the_loop_sleep)
{
    unsigned waits;

    serve_it(READS);
    fd = client_sends("9!");
    waits = testing_waits();
    assert_int_equal(drain(100), 0);
    testing_assert_log("answered@9 gone@9 drain=0@9");
    assert_in_range(testing_waits() - waits, 1, 12);
    close_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        drain_case(who_waits_for_his_first_request_is_sent_away_at_once),
        drain_case(who_has_his_answer_and_waits_for_the_next_request_is_sent_away_at_once),
        drain_case(who_is_being_answered_gets_his_answer_and_goes_then),
        drain_case(who_is_in_the_midst_of_a_request_is_busy),
        drain_case(who_says_that_he_is_idle_is_and_who_says_that_he_is_busy_is),
        drain_case(what_is_read_above_the_clients_stream_counts),
        drain_case(who_is_busy_when_the_grace_is_over_is_cancelled_and_his_cleanup_runs),
        drain_case(without_a_grace_all_are_cancelled_at_once),
        drain_case(who_goes_on_in_spite_of_it_has_the_grace),
        drain_case(of_two_drains_the_shorter_grace_counts_and_both_are_told),
        drain_case(of_several_drains_each_counts_who_is_left_once),
        drain_case(who_lingers_has_the_grace_too),
        drain_case(a_server_that_was_never_open_or_has_ended_is_drained_at_once),
        drain_case(a_closed_server_is_drained_and_who_waits_for_its_end_is_told),
        drain_case(a_cancel_or_time_out_ends_the_grace),
        drain_case(a_cancel_that_is_pending_ends_the_grace_and_nobody_is_left_behind),
        drain_case(a_cancel_of_one_drain_ends_the_grace_of_all),
        drain_case(a_handler_does_not_drain_its_own_server),
        drain_case(a_drain_needs_no_memory),
        drain_case(the_loop_may_end_in_the_midst_of_a_drain),
        drain_case(it_looks_at_its_clients_once_a_turn_and_lets_the_loop_sleep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
