/*
 * What a hand-over from task to task costs: two tasks wake each other in turn, through queues,
 * futures, events or a lock; beside it a bare pause, which is a switch and nothing else.
 *
 *     bench_sync [HANDOVERS]
 *
 * Prints one line name=value ... a result; `pauses` is how many pauses a hand-over takes.
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

/* What the two share: each waits for its own, and wakes the other through the other's. */
struct table {
    eddy_queue queues[2];
    eddy_future futures[2];
    eddy_event events[2];
    eddy_lock lock;
};

/* ---- one of the two */

#define SIDE(name)           \
    eddy_frame(name) {       \
        eddy_coro co;        \
        struct table *table; \
        uint64_t rounds;     \
        int me;              \
        int value;           \
    }

SIDE(pauses);

static void pauses(eddy_coro *co)
{
    eddy_begin(pauses);
    while (self->rounds-- > 0) {
        eddy_await(eddy_pause(co));
    }
    eddy_end;
}

SIDE(queues);

static void queues(eddy_coro *co)
{
    eddy_begin(queues);
    if (self->me == 0) {
        eddy_await(eddy_queue_put(co, &self->table->queues[1], &self->value));
    }
    while (self->rounds-- > 0) {
        eddy_await(eddy_queue_get(co, &self->table->queues[self->me], &self->value));
        self->value++;
        eddy_await(eddy_queue_put(co, &self->table->queues[!self->me], &self->value));
    }
    eddy_end;
}

SIDE(futures);

static void futures(eddy_coro *co)
{
    eddy_begin(futures);
    if (self->me == 0) {
        eddy_future_set(&self->table->futures[1], 0);
    }
    while (self->rounds-- > 0) {
        eddy_await(self->value, eddy_future_wait(co, &self->table->futures[self->me]));
        eddy_future_reset(&self->table->futures[self->me]);
        eddy_future_set(&self->table->futures[!self->me], 0);
    }
    eddy_end;
}

SIDE(events);

static void events(eddy_coro *co)
{
    eddy_begin(events);
    if (self->me == 0) {
        eddy_event_set(&self->table->events[1]);
    }
    while (self->rounds-- > 0) {
        eddy_await(eddy_event_wait(co, &self->table->events[self->me]));
        eddy_event_clear(&self->table->events[self->me]);
        eddy_event_set(&self->table->events[!self->me]);
    }
    eddy_end;
}

SIDE(locks);

/* Who has released the lock stands in line for it at once, so that it changes hands each time. */
static void locks(eddy_coro *co)
{
    eddy_begin(locks);
    while (self->rounds-- > 0) {
        eddy_await(eddy_lock_acquire(co, &self->table->lock));
        if (self->value++ == 0) {
            eddy_await(eddy_pause(co));
        }
        eddy_await(eddy_lock_release(co, &self->table->lock));
    }
    eddy_end;
}

/* ---- the games */

#define PLAY(name)                                                                           \
    for (self->side = 0; self->side < 2; self->side++) {                                     \
        self->tasks[self->side] = eddy_spawn(co, name, .table = &self->table,                \
                                             .rounds = self->rounds / 2, .me = self->side);  \
    }                                                                                        \
    self->start = now();                                                                     \
    eddy_await(eddy_gather(co, self->tasks, 2));                                             \
    self->ns = (double)(now() - self->start) / (double)self->rounds;                         \
    self->pause = self->pause > 0 ? self->pause : self->ns;                                  \
    printf("impl=eddy bench=handover through=%s n=%" PRIu64 " ns=%.2f pauses=%.2f\n", #name, \
           self->rounds, self->ns, self->ns / self->pause)

eddy_frame(play) {
    eddy_coro co;
    uint64_t rounds;
    struct table table;
    eddy_task tasks[2];
    int side;
    int64_t start;
    double ns;
    double pause; /* ns of one */
};

static void play(eddy_coro *co)
{
    eddy_begin(play);
    for (self->side = 0; self->side < 2; self->side++) {
        eddy_await(
            eddy_queue_init(eddy_loop_of(co), &self->table.queues[self->side], int, .capacity = 1));
    }
    PLAY(pauses);
    PLAY(queues);
    PLAY(futures);
    PLAY(events);
    PLAY(locks);
eddy_finally:
    eddy_queue_fini(&self->table.queues[0]);
    eddy_queue_fini(&self->table.queues[1]);
    eddy_end;
}

int main(int argc, char **argv)
{
    uint64_t rounds = argc == 2 ? strtoull(argv[1], NULL, 10) : UINT64_C(20000000);
    int64_t result;

    if (argc > 2 || rounds == 0) {
        fprintf(stderr, "usage: bench_sync [HANDOVERS]\n");
        return 2;
    }
    result = eddy_run(play, .rounds = rounds);
    if (result < 0) {
        fprintf(stderr, "bench_sync: %s\n", eddy_strerror(result));
    }
    return eddy_exit_status(result);
}
