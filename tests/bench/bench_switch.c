/*
 * What a switch costs: a pause (out through the ready list and back), a call and its return, and
 * a resume at several depths of awaits.
 *
 *     bench_switch [TASKS SWITCHES]
 *
 * Without arguments all of it; prints one line name=value ... a result.
 */
#include <eddy.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * EDDY_SECOND + time.tv_nsec;
}

static void print(const char *what, const char *of, uint64_t count, uint64_t n, int64_t took)
{
    printf("impl=eddy bench=%s %s=%" PRIu64 " n=%" PRIu64 " ns=%.2f\n", what, of, count, n,
           (double)took / (double)n);
}

/* ---- pausing */

eddy_frame(pauser) {
    eddy_coro co;
    uint64_t left;
};

static void pauser(eddy_coro *co)
{
    eddy_begin(pauser);
    while (self->left-- > 0) {
        eddy_await(eddy_pause(co));
    }
    eddy_end;
}

eddy_frame(pause_all) {
    eddy_coro co;
    uint64_t tasks;
    uint64_t switches;
    eddy_group group;
    int64_t start;
};

static void pause_all(eddy_coro *co)
{
    eddy_begin(pause_all);
    for (uint64_t i = 0; i < self->tasks; i++) {
        eddy_group_spawn(co, &self->group, pauser, .left = self->switches / self->tasks);
    }
    self->start = now();
    eddy_await(eddy_group_wait(co, &self->group));
    print("switch", "tasks", self->tasks, self->switches, now() - self->start);
    eddy_end;
}

/* ---- calling */

eddy_frame(child) {
    eddy_coro co;
    uint64_t value;
};

static void child(eddy_coro *co)
{
    eddy_begin(child);
    eddy_return((int64_t)self->value);
    eddy_end;
}

eddy_frame(caller) {
    eddy_coro co;
    uint64_t calls;
    uint64_t i;
    int64_t got;
    int64_t start;
};

static void caller(eddy_coro *co)
{
    eddy_begin(caller);
    self->start = now();
    for (self->i = 0; self->i < self->calls; self->i++) {
        eddy_await(self->got, eddy_call(co, child, .value = self->i));
    }
    print("call", "calls", 1, self->calls, now() - self->start);
    eddy_end;
}

/* ---- resuming at a depth */

eddy_frame(deep) {
    eddy_coro co;
    uint64_t depth;
    uint64_t pauses;
};

static void deep(eddy_coro *co)
{
    eddy_begin(deep);
    if (self->depth > 1) {
        eddy_await(eddy_call(co, deep, .depth = self->depth - 1, .pauses = self->pauses));
        eddy_return(0);
    }
    while (self->pauses-- > 0) {
        eddy_await(eddy_pause(co));
    }
    eddy_end;
}

eddy_frame(resume_at) {
    eddy_coro co;
    uint64_t depth;
    uint64_t pauses;
    int64_t start;
};

static void resume_at(eddy_coro *co)
{
    eddy_begin(resume_at);
    self->start = now();
    eddy_await(eddy_call(co, deep, .depth = self->depth, .pauses = self->pauses));
    print("resume", "depth", self->depth, self->pauses, now() - self->start);
    eddy_end;
}

int main(int argc, char **argv)
{
    uint64_t tasks = argc == 3 ? strtoull(argv[1], NULL, 10) : 2;
    uint64_t switches = argc == 3 ? strtoull(argv[2], NULL, 10) : 20000000;
    int64_t result;

    if ((argc != 1 && argc != 3) || tasks == 0 || switches < tasks) {
        fprintf(stderr, "usage: bench_switch [TASKS SWITCHES]\n");
        return 2;
    }
    result = eddy_run(pause_all, .tasks = tasks, .switches = switches);
    if (argc == 3) {
        return eddy_exit_status(result);
    }
    result = result < 0 ? result : eddy_run(pause_all, .tasks = 10000, .switches = 20000000);
    result = result < 0 ? result : eddy_run(caller, .calls = 20000000);
    for (uint64_t depth = 1; depth <= 64 && result >= 0; depth *= 4) {
        result = eddy_run(resume_at, .depth = depth, .pauses = 20000000);
    }
    if (result < 0) {
        fprintf(stderr, "bench_switch: %s\n", eddy_strerror(result));
    }
    return eddy_exit_status(result < 0 ? result : 0);
}
