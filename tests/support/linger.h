/* What the tests of lingering share: a server whose handler answers without having read all of the question. */
#ifndef EDDY_TESTING_LINGER_H
#define EDDY_TESTING_LINGER_H

#include "support/children.h"
#include "support/net.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "eddy/deadline.h"
#include "eddy/server.h"

enum { ANSWER = 60000 };

static eddy_server server;
static char answer[ANSWER];

static inline int setup(void **state)
{
    int result = testing_setup(state);

    memset(&server, 0, sizeof server);
    return result;
}

#define linger_case(name) cmocka_unit_test_setup_teardown(name, setup, testing_teardown)

/* Answers without having read the question; with `to_the_end` after all of it. */
eddy_frame(answers) {
    eddy_coro co;
    eddy_stream *stream;
    bool to_the_end;
    int64_t rc;
    char buffer[1000];
};

static inline void answers(eddy_coro *co)
{
    eddy_begin(answers);
    do {
        eddy_await(self->rc, eddy_read(co, self->stream, self->buffer, sizeof self->buffer));
    } while (self->to_the_end && self->rc > 0);
    eddy_await(eddy_write(co, self->stream, answer, sizeof answer));
    eddy_end;
}

eddy_frame(listens) {
    eddy_coro co;
    bool to_the_end;
    const struct eddy_address *at; /* NULL: 127.0.0.1 */
};

static inline void listens(eddy_coro *co)
{
    eddy_begin(listens);
    if (self->at != NULL) {
        eddy_await(eddy_serve_at(co, &server, self->at, answers, .to_the_end = self->to_the_end));
    } else {
        eddy_await(
            eddy_serve(co, &server, "127.0.0.1", 0, answers, .to_the_end = self->to_the_end));
    }
    eddy_end;
}

eddy_frame(waits_until_closed) {
    eddy_coro co;
    int64_t limit;
    int64_t rc;
};

static inline void waits_until_closed(eddy_coro *co)
{
    eddy_begin(waits_until_closed);
    eddy_catch(self->rc, eddy_wait_for(co, self->limit, eddy_server_wait_closed(co, &server)));
    testing_log_result("closed", self->rc);
    eddy_end;
}

eddy_frame(sleeps) {
    eddy_coro co;
    int64_t duration;
};

static inline void sleeps(eddy_coro *co)
{
    eddy_begin(sleeps);
    eddy_await(eddy_sleep(co, self->duration));
    eddy_end;
}

static inline void serve_it(void)
{
    for (int i = 0; i < 1000 && (server.accepted == 0 || server.active > 0); i++) {
        net_settle();
        testing_turn();
    }
}

/* A client who has asked more than the handler reads, and whose handler has ended. */
static inline int asking_client(void)
{
    int fd;

    assert_int_equal(testing_run_task(listens), 0);
    fd = net_connect(eddy_server_port(&server));
    memset(answer, 'a', sizeof answer);
    assert_int_equal(send(fd, answer, 20000, 0), 20000);
    serve_it();
    return fd;
}

static inline void expect_answer(int fd)
{
    static char got[ANSWER];

    assert_int_equal(recv(fd, got, sizeof got, MSG_WAITALL), ANSWER);
    assert_memory_equal(got, answer, ANSWER);
}

static inline void end(int fd)
{
    close(fd);
    eddy_server_close(&server);
    testing_run();
    assert_int_equal(server.lingering, 0);
}

#endif
