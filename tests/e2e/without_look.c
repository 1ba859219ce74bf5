/* A program that leaves out what looks at programs: what it tells by itself is still told, in one line. */
#include <eddy.h>
#include <stdio.h>

EDDY_LEAVE_OUT_LOOK;

static eddy_event never;
static eddy_task circle[2];

eddy_frame(joins) {
    eddy_coro co;
    int other;
};

static void joins(eddy_coro *co)
{
    eddy_begin(joins);
    eddy_await(eddy_join(co, circle[self->other]));
    eddy_end;
}

eddy_frame(stuck) {
    eddy_coro co;
};

static void stuck(eddy_coro *co)
{
    eddy_begin(stuck);
    eddy_await(eddy_event_wait(co, &never));
    eddy_end;
}

/* Frees a loop in which two tasks join each other. */
static int free_circle(void)
{
    eddy_loop *loop;
    int result = eddy_loop_new(&loop, NULL);

    if (result < 0) {
        return result;
    }
    circle[0] = eddy_loop_spawn(loop, joins, .other = 1);
    circle[1] = eddy_loop_spawn(loop, joins, .other = 0);
    result = (int)eddy_loop_poll_once(loop, 0, EDDY_FOREVER);
    return result < 0 ? result : eddy_loop_free(loop);
}

int main(void)
{
    printf("%d\n", (int)eddy_run(stuck));
    printf("%d\n", free_circle());
    return 0;
}
