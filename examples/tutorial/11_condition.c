/* Many tasks wait for one notification. */
#include <eddy.h>
#include <stdio.h>

static eddy_lock lock;
static eddy_cond condition = {.lock = &lock};

eddy_frame_of(consumer, int n);

static void consumer(eddy_coro *co)
{
    eddy_begin(consumer);
    eddy_with_cond(&condition) {
        printf("consumer %d is waiting\n", self->n);
        fflush(stdout);
        eddy_await(eddy_cond_wait(co, &condition));
        printf("consumer %d triggered\n", self->n);
    }
    eddy_end;
}

eddy_frame_of(notify, eddy_task consumers[5], int i);

static void notify(eddy_coro *co)
{
    eddy_begin(notify);
    for (self->i = 0; self->i < 5; self->i++) {
        self->consumers[self->i] = eddy_spawn(co, consumer, .n = self->i);
    }
    eddy_await(eddy_sleep(co, 1 * EDDY_SECOND));
    eddy_with_cond(&condition) {
        eddy_await(eddy_cond_notify_all(co, &condition));
    }
    eddy_await(eddy_gather(co, self->consumers, 5));
    eddy_end;
}

int main(void)
{
    return eddy_exit_status(eddy_run(notify));
}
