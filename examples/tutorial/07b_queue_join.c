/* The same queue; here its join tells when all is consumed, and the consumer is cancelled. */
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

eddy_frame_of(both, eddy_queue queue, eddy_task eater);

static void both(eddy_coro *co)
{
    eddy_begin(both);
    eddy_await(eddy_queue_init(eddy_loop_of(co), &self->queue, int));
    self->eater = eddy_spawn(co, consumer, .queue = &self->queue);
    eddy_await(eddy_call(co, producer, .queue = &self->queue));
    eddy_await(eddy_queue_join(co, &self->queue));
    eddy_cancel(self->eater);
    eddy_except(-ECANCELED, eddy_join(co, self->eater)) {}
eddy_finally:
    eddy_queue_fini(&self->queue);
    eddy_end;
}

int main(void)
{
    return eddy_exit_status(eddy_run(both));
}
