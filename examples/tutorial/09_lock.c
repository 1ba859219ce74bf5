/* Three tasks take turns. */
#include <eddy.h>
#include <stdio.h>

static eddy_lock lock;

eddy_frame_of(access_resource, int num);

static void access_resource(eddy_coro *co)
{
    eddy_begin(access_resource);
    eddy_with_lock(&lock) {
        printf("Task %d acquired the lock\n", self->num);
        fflush(stdout);
        eddy_await(eddy_sleep(co, 1 * EDDY_SECOND));
        printf("Task %d released the lock\n", self->num);
        fflush(stdout);
    }
    eddy_end;
}

eddy_frame_of(take_turns, eddy_task tasks[3]);

static void take_turns(eddy_coro *co)
{
    eddy_begin(take_turns);
    self->tasks[0] = eddy_spawn(co, access_resource, .num = 1);
    self->tasks[1] = eddy_spawn(co, access_resource, .num = 2);
    self->tasks[2] = eddy_spawn(co, access_resource, .num = 3);
    eddy_await(eddy_gather(co, self->tasks, 3));
    eddy_end;
}

int main(void)
{
    return eddy_exit_status(eddy_run(take_turns));
}
