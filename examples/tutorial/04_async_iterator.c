/* A loop over something whose next value takes time. */
#include <eddy.h>
#include <stdio.h>

eddy_frame(async_range) {
    eddy_coro co;
    int end;
    int current;
    int value; /* what eddy_yield hands out */
};

static void async_range(eddy_coro *co)
{
    eddy_begin(async_range);
    for (; self->current < self->end; self->current++) {
        eddy_await(eddy_sleep(co, 1 * EDDY_SECOND));
        eddy_yield(self->current);
    }
    eddy_end;
}

eddy_frame_of(print_range, int i);

static void print_range(eddy_coro *co)
{
    eddy_begin(print_range);
    eddy_for_each(self->i, async_range, .end = 3) {
        printf("%d\n", self->i);
        fflush(stdout);
    }
    eddy_end;
}

int main(void)
{
    return eddy_exit_status(eddy_run(print_range));
}
