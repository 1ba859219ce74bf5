/*
 * Draining a server: eddy_server_drain.
 *
 *     begins     it listens no more; who is idle is cancelled; those that linger are hurried
 *     each turn  at its end: who has become idle is cancelled
 *     the grace  is over: all that are left are cancelled, counted once, and those that linger are cut off
 *     all ended  over, and who waits is woken (server_wait.c)
 *
 * Who is idle is not told by an event, but looked at at the end of each turn as long as it drains, which is
 * seldom and short: so a server that does not drain pays nothing for it but one bit of each stream, "nothing was
 * read since something was written" (EDDY_STREAM_ANSWERED). A client that waits to read is in the midst of
 * a request if that is not so, or if its reader has bytes already. Who waits to copy is busy: bytes of another
 * stream may be on their way to this one. Each client is sent away once: a handler that goes on in spite of
 * it has the grace.
 *
 * Nothing here can fail: the timer of the grace is started when the server is opened, for ever, so that its
 * entry in the heap is there.
 */
#include "net/linger.h"
#include "net/server_internal.h"

static void on_grace_over(eddy_timer *timer);

static int set_grace(eddy_server *server, int64_t delay)
{
    return eddy_timer_start_own(server->loop, &server->grace, delay, on_grace_over);
}

int eddy_drain_start_timer(eddy_server *server)
{
    server->grace.user = server;
    server->cut = 0;
    return set_grace(server, EDDY_FOREVER);
}

void eddy_drain_over(eddy_server *server)
{
    eddy_timer_stop(&server->grace);
    eddy_hook_stop(&server->idles);
    server->draining = false;
}

/* The grace is over, or a cancel has come. */
void eddy_server_cut(eddy_server *server)
{
    server->lingers_for = 0; /* also of those whose handlers end now */
    eddy_server_close(server);
    eddy_linger_cut(server);
}

/* By the first of several drains to cut, whose grace was the shortest: those that the others find are among
 * these, for no client has come since. */
static void cut_off(eddy_server *server)
{
    uint32_t left = eddy_clients_send_away(server, true);

    server->cut = server->cut > 0 ? server->cut : left;
    eddy_server_cut(server);
}

static void on_grace_over(eddy_timer *timer)
{
    eddy_server *server = timer->user;

    (void)set_grace(server, EDDY_FOREVER);
    cut_off(server);
}

static void send_away_idles(eddy_hook *hook)
{
    (void)eddy_clients_send_away(hook->user, false);
}

void eddy_drain_begin(eddy_server *server, int64_t grace)
{
    int64_t until = eddy_deadline_after(eddy_loop_now(server->loop), grace);

    if (!server->draining) {
        server->draining = true;
        server->idles.user = server;
        eddy_hook_start(server->loop, &server->idles, EDDY_HOOK_CHECK, send_away_idles);
        (void)eddy_clients_send_away(server, false);
    }
    if (grace > 0 && until < server->grace.deadline) {
        (void)set_grace(server, grace);
    }
    if (grace <= 0) {
        cut_off(server);
    } else {
        eddy_server_close(server);
    }
}
