/* Scenarios of sockets beside the reading and writing of streams. */
#include "hosts.h"
#include "scenarios.h"

#include "eddy/stream.h"

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

const struct scenario socket_scenarios[] = {
    {"connect to any", three_hosts, {play_connects_to_any, play_hosts_answer}, no_hosts},
    {NULL, NULL, {NULL}, NULL},
};
