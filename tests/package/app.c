/* A small program of somebody else: prints "1 2 3, then 42" and exits 0. */
#include <eddy.h>
#include <stdio.h>

eddy_frame(count) {
    eddy_coro co;
    int to;
    int value;
};

static void count(eddy_coro *co)
{
    eddy_begin(count);
    for (self->value = 1; self->value <= self->to; self->value++) {
        eddy_await(eddy_sleep(co, EDDY_MILLISECOND));
        eddy_yield(self->value);
    }
    eddy_end;
}

eddy_frame(answer) {
    eddy_coro co;
};

static void answer(eddy_coro *co)
{
    eddy_begin(answer);
    eddy_await(eddy_sleep(co, EDDY_MILLISECOND));
    eddy_return(42);
    eddy_end;
}

eddy_frame(app) {
    eddy_coro co;
    eddy_task task;
    int n;
};

static void app(eddy_coro *co)
{
    eddy_begin(app);
    self->task = eddy_spawn(co, answer);
    eddy_for_each(self->n, count, .to = 3) {
        printf("%d%s", self->n, self->n < 3 ? " " : ", then ");
    }
    eddy_await(self->n, eddy_join(co, self->task));
    printf("%d\n", self->n);
    eddy_end;
}

int main(void)
{
    return eddy_exit_status(eddy_run(app));
}
