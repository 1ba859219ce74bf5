/* Three tasks in a loop with a shuffle_seed: prints "all ran". For e2e/symbols.sh, which optimizes it
 * and the library at link time. */
#include <eddy.h>
#include <stdio.h>

eddy_frame(pauses) {
    eddy_coro co;
    int i;
};

static void pauses(eddy_coro *co)
{
    eddy_begin(pauses);
    for (self->i = 0; self->i < 3; self->i++) {
        eddy_await(eddy_pause(co));
    }
    eddy_end;
}

eddy_frame(all) {
    eddy_coro co;
    eddy_task tasks[3];
};

static void all(eddy_coro *co)
{
    eddy_begin(all);
    for (int i = 0; i < 3; i++) {
        self->tasks[i] = eddy_spawn(co, pauses);
    }
    eddy_await(eddy_gather(co, self->tasks, 3));
    printf("all ran\n");
    eddy_end;
}

int main(void)
{
    const struct eddy_loop_options options = {.shuffle_seed = 1};

    return eddy_exit_status(eddy_run_with(&options, all));
}
