/*
 * A server's metrics as a page for Prometheus.
 *
 *     metrics_prometheus [PORT]
 *
 * Answers every HTTP request on 127.0.0.1:PORT (9090) with the numbers of its own loop, and has a
 * few tasks that give it something to count. Try: curl http://127.0.0.1:9090/metrics
 */
#include <eddy.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the page */

static void append_metric(char *page, size_t size, const char *name, const char *type, double value)
{
    size_t used = strlen(page);

    snprintf(page + used, size - used, "# TYPE eddy_%s %s\neddy_%s %.9g\n", name, type, name,
             value);
}

static void write_page(eddy_loop *loop, char *page, size_t size)
{
    struct eddy_metrics m;

    eddy_loop_metrics(loop, &m);
    page[0] = '\0';
    append_metric(page, size, "turns_total", "counter", (double)m.turns);
    append_metric(page, size, "steps_total", "counter", (double)m.steps);
    append_metric(page, size, "sleeps_total", "counter", (double)m.sleeps);
    append_metric(page, size, "fd_events_total", "counter", (double)m.fd_events);
    append_metric(page, size, "waits_total", "counter", (double)m.waits);
    append_metric(page, size, "epoll_ctl_total", "counter", (double)m.controls);
    append_metric(page, size, "reads_total", "counter", (double)m.reads);
    append_metric(page, size, "writes_total", "counter", (double)m.writes);
    append_metric(page, size, "accepts_total", "counter", (double)m.accepts);
    append_metric(page, size, "deadlines_total", "counter", (double)m.deadlines);
    append_metric(page, size, "tasks_spawned_total", "counter", (double)m.spawned);
    append_metric(page, size, "idle_seconds_total", "counter", (double)m.idle / EDDY_SECOND);
    append_metric(page, size, "busy_seconds_total", "counter", (double)m.busy / EDDY_SECOND);
    append_metric(page, size, "longest_step_seconds", "gauge",
                  (double)m.longest_step / EDDY_SECOND);
    append_metric(page, size, "ready", "gauge", (double)m.ready);
    append_metric(page, size, "tasks_live", "gauge", (double)m.live);
    append_metric(page, size, "deadlines_armed", "gauge", (double)m.armed);
    append_metric(page, size, "fds_watched", "gauge", (double)m.watched);
}

/* ---- one client: a request, an answer, the end */

eddy_frame(answer) {
    eddy_coro co;
    eddy_stream *stream;
    size_t have;
    size_t count;
    char request[4096];
    char page[4096];
    char response[4352];
};

static void answer(eddy_coro *co)
{
    eddy_begin(answer);
    while (strstr(self->request, "\r\n\r\n") == NULL) {
        if (self->have == sizeof self->request - 1) {
            eddy_return(-EMSGSIZE);
        }
        eddy_await(self->count, eddy_read(co, self->stream, self->request + self->have,
                                          sizeof self->request - 1 - self->have));
        if (self->count == 0) {
            eddy_return(0);
        }
        self->have += self->count;
    }
    write_page(eddy_loop_of(co), self->page, sizeof self->page);
    self->have = (size_t)snprintf(self->response, sizeof self->response,
                                  "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"
                                  "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                                  strlen(self->page), self->page);
    eddy_await(eddy_write(co, self->stream, self->response, self->have));
    eddy_end;
}

/* ---- something to count */

eddy_frame(tick) {
    eddy_coro co;
    int64_t period;
};

static void tick(eddy_coro *co)
{
    eddy_begin(tick);
    for (;;) {
        eddy_await(eddy_sleep(co, self->period));
    }
    eddy_end;
}

eddy_frame(serve) {
    eddy_coro co;
    int port;
    eddy_server server;
    int number;
};

static void serve(eddy_coro *co)
{
    const uint64_t stop = EDDY_SIGNAL(SIGINT) | EDDY_SIGNAL(SIGTERM);

    eddy_begin(serve);
    eddy_await(eddy_loop_slow_steps(eddy_loop_of(co), 100 * EDDY_MILLISECOND, NULL, NULL));
    eddy_await(eddy_signal_watch(eddy_loop_of(co), stop));
    self->server.idle_timeout = 10 * EDDY_SECOND;
    eddy_await(eddy_serve(co, &self->server, "127.0.0.1", self->port, answer));
    eddy_detach(eddy_spawn(co, tick, .period = 20 * EDDY_MILLISECOND));
    eddy_detach(eddy_spawn(co, tick, .period = EDDY_SECOND));
    printf("http://127.0.0.1:%d/metrics\n", eddy_server_port(&self->server));
    fflush(stdout);
    eddy_await(self->number, eddy_signal_wait(co, stop));
eddy_finally:
    eddy_server_close(&self->server);
    eddy_await(eddy_server_wait_closed(co, &self->server));
    eddy_end;
}

int main(int argc, char **argv)
{
    int64_t result = eddy_run(serve, .port = argc > 1 ? atoi(argv[1]) : 9090);

    if (result < 0) {
        fprintf(stderr, "metrics_prometheus: %s\n", eddy_strerror(result));
    }
    return eddy_exit_status(result);
}
