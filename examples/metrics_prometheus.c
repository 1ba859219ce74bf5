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

/* https://prometheus.io/docs/instrumenting/exposition_formats: what it is, of which type, and its value,
 * which is exact however large it is. */
static void append(char *page, size_t size, const char *name, const char *help, const char *value)
{
    size_t used = strlen(page);
    size_t length = strlen(name);
    bool total = length > 6 && strcmp(name + length - 6, "_total") == 0;

    snprintf(page + used, size - used, "# HELP eddy_%s %s\n# TYPE eddy_%s %s\neddy_%s %s\n", name,
             help, name, total ? "counter" : "gauge", name, value);
}

static void append_count(char *page, size_t size, const char *name, const char *help,
                         uint64_t count)
{
    char value[24];

    snprintf(value, sizeof value, "%" PRIu64, count);
    append(page, size, name, help, value);
}

static void append_time(char *page, size_t size, const char *name, const char *help, int64_t time)
{
    char value[32];

    snprintf(value, sizeof value, "%" PRId64 ".%09d", time / EDDY_SECOND,
             (int)(time % EDDY_SECOND));
    append(page, size, name, help, value);
}

static void write_page(eddy_loop *loop, char *page, size_t size)
{
    struct eddy_metrics m;

    eddy_loop_metrics(loop, &m);
    page[0] = '\0';
    append_count(page, size, "turns_total", "Turns of the loop.", m.turns);
    append_count(page, size, "steps_total", "Steps of tasks and callbacks.", m.steps);
    append_count(page, size, "sleeps_total", "Times it slept in the kernel.", m.sleeps);
    append_count(page, size, "wakes_total", "Tasks woken out of a wait.", m.wakes);
    append_count(page, size, "fd_events_total", "Events of fds.", m.fd_events);
    append_count(page, size, "waits_total", "Calls of epoll_wait.", m.waits);
    append_count(page, size, "epoll_ctl_total", "Calls of epoll_ctl.", m.controls);
    append_count(page, size, "reads_total", "Calls that read from a stream.", m.reads);
    append_count(page, size, "writes_total", "Calls that write to a stream.", m.writes);
    append_count(page, size, "accepts_total", "Calls of accept4.", m.accepts);
    append_count(page, size, "file_jobs_total", "Operations on files.", m.file_jobs);
    append_count(page, size, "deadlines_total", "Deadlines that came up.", m.deadlines);
    append_count(page, size, "tasks_spawned_total", "Tasks spawned.", m.spawned);
    append_count(page, size, "children_spawned_total", "Processes spawned.", m.children_spawned);
    append_time(page, size, "idle_seconds_total", "Time asleep in the kernel.", m.idle);
    append_time(page, size, "busy_seconds_total", "All other time.", m.busy);
    append_time(page, size, "longest_step_seconds", "Longest step.", m.longest_step);
    append_count(page, size, "ready", "Tasks and callbacks that are to run.", m.ready);
    append_count(page, size, "tasks_live", "Tasks that have not ended.", m.live);
    append_count(page, size, "tasks_waiting", "Tasks that wait for something.", m.waiting);
    append_count(page, size, "deadlines_armed", "Deadlines to come.", m.armed);
    append_count(page, size, "fds_watched", "Fds in the epoll set.", m.watched);
    append_count(page, size, "children", "Processes that run.", m.children);
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
    return eddy_exit_status(eddy_run(serve, .port = argc > 1 ? atoi(argv[1]) : 9090));
}
