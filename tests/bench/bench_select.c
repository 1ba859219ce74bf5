/*
 * What a select costs beside the operations in it: a task that selects from two queues, of which another fills
 * one at a time, and for comparison one that only gets from the one, and a pause.
 *
 *     bench_select [MESSAGES]
 *
 * Prints one line name=value ... a result. What the select adds is `select` less `get`; a task for each operation
 * would add `select_by_tasks` less `get`.
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

static void print(const char *what, uint64_t n, int64_t took)
{
    printf("impl=eddy bench=%s n=%" PRIu64 " ns=%.2f\n", what, n, (double)took / (double)n);
}

static eddy_queue one;
static eddy_queue other;
static int item;

/* The getter always waits when an item comes. */
eddy_frame_of(fills, uint64_t left);

static void fills(eddy_coro *co)
{
    eddy_begin(fills);
    while (self->left-- > 0) {
        eddy_await(eddy_queue_put(co, &other, &item));
        eddy_await(eddy_pause(co));
    }
    eddy_end;
}

eddy_frame_of(gets, uint64_t left);

static void gets(eddy_coro *co)
{
    eddy_begin(gets);
    while (self->left-- > 0) {
        eddy_await(eddy_queue_get(co, &other, &item));
    }
    eddy_end;
}

eddy_frame_of(selects, uint64_t left);

static void selects(eddy_coro *co)
{
    eddy_begin(selects);
    while (self->left-- > 0) {
        eddy_await(eddy_select(co, NULL, eddy_queue_get(co, &one, &item),
                               eddy_queue_get(co, &other, &item)));
    }
    eddy_end;
}

/* The same by hand: a task for each operation, the first that ends, a cancel of the other. */
eddy_frame_of(gets_one, eddy_queue *queue);

static void gets_one(eddy_coro *co)
{
    eddy_begin(gets_one);
    eddy_await(eddy_queue_get(co, self->queue, &item));
    eddy_end;
}

eddy_frame_of(selects_by_tasks, uint64_t left, eddy_task tasks[2], int64_t results[2]);

static void selects_by_tasks(eddy_coro *co)
{
    eddy_begin(selects_by_tasks);
    while (self->left-- > 0) {
        self->tasks[0] = eddy_spawn(co, gets_one, .queue = &one);
        self->tasks[1] = eddy_spawn(co, gets_one, .queue = &other);
        eddy_await(eddy_wait_tasks(co, self->tasks, 2, EDDY_WAIT_FIRST));
        (void)eddy_cancel(self->tasks[0]);
        (void)eddy_cancel(self->tasks[1]);
        eddy_await(eddy_gather_all(co, self->tasks, 2, self->results));
    }
    eddy_end;
}

eddy_frame_of(pauses, uint64_t left);

static void pauses(eddy_coro *co)
{
    eddy_begin(pauses);
    while (self->left-- > 0) {
        eddy_await(eddy_pause(co));
    }
    eddy_end;
}

eddy_frame(measures) {
    eddy_coro co;
    uint64_t n;
    int64_t start;
    eddy_task task;
};

static void measures(eddy_coro *co)
{
    eddy_begin(measures);
    self->start = now();
    eddy_await(eddy_call(co, pauses, .left = self->n));
    print("pause", self->n, now() - self->start);

    self->task = eddy_spawn(co, gets, .left = self->n);
    self->start = now();
    eddy_await(eddy_call(co, fills, .left = self->n));
    eddy_await(eddy_join(co, self->task));
    print("get", self->n, now() - self->start);

    self->task = eddy_spawn(co, selects, .left = self->n);
    self->start = now();
    eddy_await(eddy_call(co, fills, .left = self->n));
    eddy_await(eddy_join(co, self->task));
    print("select", self->n, now() - self->start);

    self->task = eddy_spawn(co, selects_by_tasks, .left = self->n);
    self->start = now();
    eddy_await(eddy_call(co, fills, .left = self->n));
    eddy_await(eddy_join(co, self->task));
    print("select_by_tasks", self->n, now() - self->start);
    eddy_end;
}

int main(int argc, char **argv)
{
    uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 4000000;
    eddy_loop *loop;
    int64_t result;

    if (eddy_loop_new(&loop, NULL) < 0 || eddy_queue_init(loop, &one, int, .capacity = 4) < 0 ||
        eddy_queue_init(loop, &other, int, .capacity = 4) < 0) {
        return 1;
    }
    result = eddy_loop_run_until(loop, eddy_loop_spawn(loop, measures, .n = n));
    (void)eddy_loop_free(loop);
    return result < 0;
}
