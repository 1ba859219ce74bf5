/*
 * A trace of a program's tasks, for https://ui.perfetto.dev or chrome://tracing to draw.
 *
 *     trace_to_chrome > trace.json
 *
 * Runs a cook, two waiters and a guest who loses patience. Each task is a row of the drawing: the
 * steps that it runs, and between them what it waits for. on_trace and `struct trace` may be taken
 * into any program as they are.
 */
#include <eddy.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

/* ---- the trace: an array of events,
 * https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU */

struct trace {
    FILE *file;
    int64_t start;     /* of the first event */
    const char *comma; /* in front of the next one */
};

/* Begins ("B") or ends ("E") a bar in the row of a task, or marks a moment ("i"). */
static void put(struct trace *trace, const struct eddy_trace_event *event, const char *phase,
                const char *name, uint32_t line)
{
    int64_t time = event->time - trace->start;

    fprintf(trace->file, "%s\n{\"ph\":\"%s\",\"pid\":1,\"tid\":%" PRIu32 ",\"ts\":%" PRId64 ".%03d",
            trace->comma, phase, event->number, time / 1000, (int)(time % 1000));
    if (name != NULL) {
        fprintf(trace->file, ",\"name\":\"%s\",\"args\":{\"line\":%" PRIu32 ",\"by\":%" PRIu32 "}",
                name, line, event->by);
    }
    fputs("}", trace->file);
    trace->comma = ",";
}

/* The row of a task, from its spawn to its end, is one bar after the other. (That of a task that was
 * there before the trace begins with the end of a bar, which those who draw pass over.) */
static void on_trace(eddy_loop *loop, const struct eddy_trace_event *event, void *user)
{
    struct trace *trace = user;

    (void)loop;
    trace->start = trace->start != 0 ? trace->start : event->time;
    switch (event->kind) {
    case EDDY_TRACE_SPAWN:
        fprintf(trace->file,
                "%s\n{\"ph\":\"M\",\"pid\":1,\"tid\":%" PRIu32
                ",\"name\":\"thread_name\",\"args\":{\"name\":\"%s\"}}",
                trace->comma, event->number, event->function);
        trace->comma = ",";
        put(trace, event, "B", "ready", 0);
        break;
    case EDDY_TRACE_RESUME:
        put(trace, event, "E", NULL, 0);
        put(trace, event, "B", event->function, event->line);
        break;
    case EDDY_TRACE_SUSPEND:
        put(trace, event, "E", NULL, 0);
        put(trace, event, "B", event->waits_for != NULL ? event->waits_for : "ready", event->line);
        break;
    case EDDY_TRACE_WAKE:
        put(trace, event, "E", NULL, 0);
        put(trace, event, "B", "ready", event->line);
        break;
    case EDDY_TRACE_CANCEL:
        put(trace, event, "i", "cancel", event->line);
        break;
    case EDDY_TRACE_FINISH:
        put(trace, event, "E", NULL, 0);
        break;
    }
}

/* ---- the program that is traced */

/* Works without awaiting: nobody else runs meanwhile. */
static void work(int64_t milliseconds)
{
    struct timespec begun;
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &begun);
    do {
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - begun.tv_sec) * 1000 + (now.tv_nsec - begun.tv_nsec) / 1000000 <
             milliseconds);
}

eddy_frame(cook) {
    eddy_coro co;
    int64_t bakes;
};

static void cook(eddy_coro *co)
{
    eddy_begin(cook);
    work(3);
    eddy_await(eddy_sleep(co, self->bakes * EDDY_MILLISECOND));
    work(2);
    eddy_end;
}

eddy_frame(waiter) {
    eddy_coro co;
    int64_t bakes;
};

static void waiter(eddy_coro *co)
{
    eddy_begin(waiter);
    work(1);
    eddy_await(eddy_join(co, eddy_spawn(co, cook, .bakes = self->bakes)));
    work(1);
    eddy_end;
}

eddy_frame(guest) {
    eddy_coro co;
};

static void guest(eddy_coro *co)
{
    eddy_begin(guest);
    eddy_except(-ETIMEDOUT, eddy_wait_for(co, 15 * EDDY_MILLISECOND,
                                          eddy_join(co, eddy_spawn(co, waiter, .bakes = 100)))) {
        work(1);
    }
    eddy_end;
}

eddy_frame(restaurant) {
    eddy_coro co;
    eddy_task tasks[2];
};

static void restaurant(eddy_coro *co)
{
    eddy_begin(restaurant);
    self->tasks[0] = eddy_spawn(co, waiter, .bakes = 10);
    self->tasks[1] = eddy_spawn(co, guest);
    eddy_await(eddy_gather(co, self->tasks, 2));
    eddy_end;
}

/* The trace is set before the first task is there, so that it has each from its beginning. */
static int64_t run_traced(eddy_loop *loop, struct trace *trace)
{
    int64_t result = eddy_loop_trace(loop, on_trace, trace);

    return result < 0 ? result : eddy_loop_run_until(loop, eddy_loop_spawn(loop, restaurant));
}

int main(void)
{
    struct trace trace = {.file = stdout, .comma = ""};
    eddy_loop *loop;
    int64_t result = eddy_loop_new(&loop, NULL);

    if (result == 0) {
        fputs("[", trace.file);
        result = run_traced(loop, &trace);
        (void)eddy_loop_free(loop); /* what it ends is traced, too */
        fputs("\n]\n", trace.file);
    }
    if (result < 0) {
        fprintf(stderr, "trace_to_chrome: %s\n", eddy_strerror(result));
    }
    return eddy_exit_status(result);
}
