/* A coroutine that yields values, and goes on after each. */
#include <eddy.h>
#include <stdio.h>

eddy_frame_of(async_generator, int i, int value);

static void async_generator(eddy_coro *co)
{
    eddy_begin(async_generator);
    for (self->i = 0; self->i < 3; self->i++) {
        eddy_yield(self->i);
        eddy_await(eddy_sleep(co, 1 * EDDY_SECOND));
    }
    eddy_end;
}

eddy_frame_of(print_all, int i);

static void print_all(eddy_coro *co)
{
    eddy_begin(print_all);
    eddy_for_each(self->i, async_generator) {
        printf("%d\n", self->i);
        fflush(stdout);
    }
    eddy_end;
}

int main(void)
{
    return eddy_exit_status(eddy_run(print_all));
}
