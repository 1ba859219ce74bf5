/* Two coroutines side by side. */
#include <eddy.h>
#include <stdio.h>

eddy_frame_of(print_numbers, int i);

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

eddy_frame_of(print_letters, char letter);

static void print_letters(eddy_coro *co)
{
    eddy_begin(print_letters);
    for (self->letter = 'a'; self->letter <= 'j'; self->letter++) {
        printf("%c\n", self->letter);
        fflush(stdout);
        eddy_await(eddy_sleep(co, EDDY_SECOND / 2));
    }
    eddy_end;
}

eddy_frame_of(both, eddy_task tasks[2]);

static void both(eddy_coro *co)
{
    eddy_begin(both);
    self->tasks[0] = eddy_spawn(co, print_numbers);
    self->tasks[1] = eddy_spawn(co, print_letters);
    eddy_await(eddy_gather(co, self->tasks, 2));
    eddy_end;
}

int main(void)
{
    return eddy_exit_status(eddy_run(both));
}
