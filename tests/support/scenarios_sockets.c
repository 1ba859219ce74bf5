/* Scenarios of sockets beside the reading and writing of streams. */
#include "datagrams.h"
#include "hosts.h"
#include "scenarios.h"

#include "eddy/stream.h"
#include "eddy/unix.h"
#include "ends.h"

/* ---- three addresses: one is silent, one fails after a while, and one answers later still */

static struct eddy_sys before_hosts;

static void three_hosts(void)
{
    before_hosts = testing.sys.table;
    hosts_install();
}

eddy_frame(connects_to_any) {
    eddy_coro co;
    int id;
    eddy_stream stream;
    struct eddy_address addresses[3];
    struct eddy_connect_options options;
    int64_t rc;
};

static void connects_to_any(eddy_coro *co)
{
    eddy_begin(connects_to_any);
    scenario_opened();
    self->addresses[0] = host_address(0);
    self->addresses[1] = host_address(1);
    self->addresses[2] = host_address(5);
    self->options.next_after = 2 * TICK;
    eddy_catch(self->rc, eddy_wait_for(co, 50 * TICK,
                                       eddy_connect_any(co, &self->stream, self->addresses, 3,
                                                        &self->options)));
    scenario_assert(eddy_stream_is_open(&self->stream) == (self->rc == 0));
    eddy_return(self->rc == -ETIMEDOUT ? 0 : self->rc);
eddy_finally:
    eddy_stream_close(&self->stream);
    scenario_closed();
    eddy_end;
}
scenario_role(connects_to_any);

eddy_frame(hosts_answer) {
    eddy_coro co;
    int id;
};

static void hosts_answer(eddy_coro *co)
{
    eddy_begin(hosts_answer);
    eddy_await(eddy_sleep(co, 3 * TICK));
    host_answers(0, ECONNREFUSED);
    eddy_await(eddy_sleep(co, 5 * TICK));
    host_answers(1, 0);
    eddy_end;
}
scenario_role(hosts_answer);

static void no_hosts(void)
{
    for (int i = 0; i < HOSTS; i++) {
        scenario_assert(hosts[i].far < 0 || host_has_lost(i));
    }
    hosts_close();
    testing.sys.table = before_hosts;
}

/* ---- fds that go with bytes: each is somebody's, or was never open */

enum { ROUNDS = 3 };

static int sent, received;

static void open_ends(void)
{
    ends_open();
    sent = received = 0;
}

eddy_frame(passes_fds) {
    eddy_coro co;
    int id;
    int numbers[2];
    struct eddy_fds fds;
    int64_t rc;
};

static void passes_fds(eddy_coro *co)
{
    eddy_begin(passes_fds);
    scenario_opened();
    testing_pipe(self->numbers);
    self->fds = (struct eddy_fds){.fds = self->numbers, .count = 2};
    while (sent < ROUNDS) {
        eddy_await(eddy_sleep(co, TICK));
        eddy_catch(self->rc, eddy_send_fds(co, &ends[0], "f", 1, &self->fds));
        if (self->rc < 0) {
            eddy_return(self->rc);
        }
        sent++;
    }
eddy_finally:
    close(self->numbers[0]);
    close(self->numbers[1]);
    scenario_closed();
    eddy_end;
}
scenario_role(passes_fds);

eddy_frame(gets_fds) {
    eddy_coro co;
    int id;
    int number;
    struct eddy_fds fds;
    char byte;
};

static void gets_fds(eddy_coro *co)
{
    eddy_begin(gets_fds);
    while (received < ROUNDS) {
        self->fds = (struct eddy_fds){.fds = &self->number, .room = 1};
        eddy_await(eddy_receive_fds(co, &ends[1], &self->byte, 1, &self->fds));
        scenario_assert(self->fds.count == 1 && self->fds.lost == 1);
        close(self->number);
        received++;
    }
    eddy_end;
}
scenario_role(gets_fds);

static void check_fds(void)
{
    char byte;

    while (recv(eddy_stream_fd(&ends[1]), &byte, 1, MSG_DONTWAIT) == 1) {
        received++;
    }
    scenario_assert(received == sent || scenario_lacks_memory());
    ends_close();
}

/* ---- datagrams: each that was sent is received, or still in the socket */

static eddy_datagram asker, answerer;
static struct eddy_address at_asker, at_answerer;

static void open_datagrams(void)
{
    memset(&asker, 0, sizeof asker);
    memset(&answerer, 0, sizeof answerer);
    datagram_open(&asker, AF_INET, &at_asker);
    datagram_open(&answerer, AF_INET, &at_answerer);
    sent = received = 0;
}

eddy_frame(sends_datagrams) {
    eddy_coro co;
    int id;
    struct eddy_packet packets[3];
    int64_t rc;
};

static void sends_datagrams(eddy_coro *co)
{
    eddy_begin(sends_datagrams);
    for (int i = 0; i < 3; i++) {
        self->packets[i] = (struct eddy_packet){(char *)(uintptr_t) "abc", 3, 0, &at_answerer};
    }
    while (sent < 4 * ROUNDS) {
        eddy_await(eddy_sleep(co, TICK));
        eddy_catch(self->rc, eddy_datagram_send_many(co, &asker, self->packets, 3));
        sent += self->rc > 0 ? (int)self->rc : 0;
        if (self->rc < 0) {
            eddy_return(self->rc);
        }
        eddy_catch(self->rc, eddy_datagram_send(co, &asker, "d", 1, &at_answerer));
        sent += self->rc == 1;
        if (self->rc < 0) {
            eddy_return(self->rc);
        }
    }
    eddy_end;
}
scenario_role(sends_datagrams);

eddy_frame(receives_datagrams) {
    eddy_coro co;
    int id;
    char bytes[2][4];
    struct eddy_address from[2];
    struct eddy_packet packets[2];
    int count;
};

static void receives_datagrams(eddy_coro *co)
{
    eddy_begin(receives_datagrams);
    while (received < 4 * ROUNDS) {
        for (int i = 0; i < 2; i++) {
            self->packets[i] = (struct eddy_packet){self->bytes[i], 4, 0, &self->from[i]};
        }
        eddy_await(self->count, eddy_datagram_receive_many(co, &answerer, self->packets, 2));
        received += self->count;
        scenario_assert(eddy_address_port(&self->from[0]) == eddy_address_port(&at_asker));
    }
    eddy_end;
}
scenario_role(receives_datagrams);

static void check_datagrams(void)
{
    char byte;

    while (recv(eddy_datagram_fd(&answerer), &byte, 1, MSG_DONTWAIT) >= 0) {
        received++;
    }
    scenario_assert(received == sent);
    eddy_datagram_close(&asker);
    eddy_datagram_close(&answerer);
}

const struct scenario socket_scenarios[] = {
    {"datagrams", open_datagrams, {play_sends_datagrams, play_receives_datagrams}, check_datagrams},
    {"fds", open_ends, {play_passes_fds, play_gets_fds}, check_fds},
    {"connect to any", three_hosts, {play_connects_to_any, play_hosts_answer}, no_hosts},
    {NULL, NULL, {NULL}, NULL},
};
