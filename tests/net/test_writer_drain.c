/* A server that drains while a writer of its handler still has bytes: who has not got his answer is not idle. */
#include "support/children.h"
#include "support/net.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "eddy/reader.h"
#include "eddy/server.h"
#include "eddy/writer.h"

enum { ANSWER = 8 * 1024 * 1024 };

static eddy_server server;
static unsigned char answer[ANSWER];

eddy_frame(answers) {
    eddy_coro co;
    eddy_stream *stream;
    eddy_reader in;
    eddy_writer out;
    int64_t length;
};

/* Each line has the same long answer. */
static void answers(eddy_coro *co)
{
    static const struct eddy_writer_options options = {.high = ANSWER, .limit = ANSWER};

    eddy_begin(answers);
    eddy_with_writer(&self->out, self->stream, &options) {
        eddy_with_reader(&self->in, self->stream, 100) {
            do {
                eddy_await(self->length, eddy_read_line(co, &self->in, 100));
                if (self->length > 0) {
                    eddy_await(eddy_writer_put(&self->out, answer, ANSWER));
                }
            } while (self->length > 0);
        }
    }
    eddy_end;
}

eddy_frame(drains) {
    eddy_coro co;
    bool drains;
    int64_t cut;
};

static void drains(eddy_coro *co)
{
    eddy_begin(drains);
    eddy_await(eddy_serve(co, &server, "127.0.0.1", 0, answers));
    while (server.accepted == 0 || !self->drains) {
        self->drains = server.accepted > 0;
        eddy_await(eddy_sleep(co, EDDY_SECOND));
    }
    eddy_await(self->cut, eddy_server_drain(co, &server, EDDY_FOREVER));
    testing_log("cut %d", (int)self->cut);
    eddy_end;
}

test(who_has_not_taken_all_of_his_answer_is_not_sent_away)
{
    static unsigned char buffer[64 * 1024];
    eddy_task task = eddy_loop_spawn(testing.loop, drains);
    size_t got = 0;
    ssize_t count = 1;
    int client;

    net_fill(answer, 0, ANSWER);
    testing_turns();
    client = net_connect(eddy_server_port(&server));
    net_send(client, "please\n");
    while (!server.draining) { /* the answer is put by then */
        testing_turns();
        testing.clock.now += EDDY_SECOND;
    }
    while (count > 0) {
        testing_turns();
        count = recv(client, buffer, sizeof buffer, MSG_DONTWAIT);
        if (count < 0) {
            count = 1;
            continue;
        }
        assert_true(net_matches(buffer, got, (size_t)count));
        got += (size_t)count;
    }
    assert_int_equal(got, ANSWER);
    close(client);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), 0);
    testing_assert_log("cut 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(who_has_not_taken_all_of_his_answer_is_not_sent_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
