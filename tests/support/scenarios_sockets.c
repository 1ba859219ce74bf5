/* Scenarios of sockets beside the reading and writing of streams. */
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

const struct scenario socket_scenarios[] = {
    {"fds", open_ends, {play_passes_fds, play_gets_fds}, check_fds},
    {"connect to any", three_hosts, {play_connects_to_any, play_hosts_answer}, no_hosts},
    {NULL, NULL, {NULL}, NULL},
};
