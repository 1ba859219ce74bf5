/* A queue between two coroutines. The consumer never ends, so a time-out ends the program. */
#include <eddy.h>
#include <stdio.h>

eddy_frame_of(producer, eddy_queue *queue, int product);

static void producer(eddy_coro *co)
{
    eddy_begin(producer);
    for (self->product = 0; self->product < 5; self->product++) {
        eddy_await(eddy_sleep(co, 1 * EDDY_SECOND));
        eddy_await(eddy_queue_put(co, self->queue, &self->product));
        printf("Produced product %d\n", self->product);
        fflush(stdout);
    }
    eddy_end;
}

eddy_frame_of(consumer, eddy_queue *queue, int product);

static void consumer(eddy_coro *co)
{
    eddy_begin(consumer);
    for (;;) {
        eddy_await(eddy_queue_get(co, self->queue, &self->product));
        printf("Consumed product %d\n", self->product);
        fflush(stdout);
        eddy_queue_task_done(self->queue);
    }
    eddy_end;
}

eddy_frame_of(both, eddy_queue queue, eddy_task tasks[2]);

static void both(eddy_coro *co)
{
    eddy_begin(both);
    eddy_await(eddy_queue_init(eddy_loop_of(co), &self->queue, int));
    self->tasks[0] = eddy_spawn(co, producer, .queue = &self->queue);
    self->tasks[1] = eddy_spawn(co, consumer, .queue = &self->queue);
    eddy_except(-ETIMEDOUT,
                eddy_wait_for(co, 5500 * EDDY_MILLISECOND, eddy_gather(co, self->tasks, 2))) {}
eddy_finally:
    eddy_queue_fini(&self->queue);
    eddy_end;
}

int main(void)
{
    return eddy_exit_status(eddy_run(both));
}
