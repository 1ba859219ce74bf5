/* One coroutine that sleeps between prints. */
#include <eddy.h>
#include <stdio.h>

eddy_frame(print_numbers) {
    eddy_coro co;
    int i;
};

static void print_numbers(eddy_coro *co)
{
    eddy_begin(print_numbers);
    for (self->i = 0; self->i < 10; self->i++) {
        printf("%d\n", self->i);
        fflush(stdout);
        eddy_await(eddy_sleep(co, 1 * EDDY_SECOND));
    }
    eddy_end;
}

int main(void)
{
    return eddy_exit_status(eddy_run(print_numbers));
}
